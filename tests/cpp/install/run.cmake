# Builds the consumer project next to it and runs the result.
#
#   cmake -D VARIANT=install -D BUILD=<build tree> -D WORK=<scratch> -P run.cmake
#   cmake -D VARIANT=subdirectory -D SOURCE=<hypernodes> -D NANOARROW=<its source> -D WORK=<scratch>
#         -P run.cmake
#
# With VARIANT=install also: the node library is bit for bit the same when it is built in another
# folder, names the core it needs, and holds no path of the machine it was built on.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE code)
  set(output "${output}" PARENT_SCOPE)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed (${code}): ${command}\n${output}")
  endif()
endfunction()

# Copies the project to `folder`, configures it with the other arguments, builds and runs it.
function(consume folder)
  file(COPY ${CMAKE_CURRENT_LIST_DIR}/ DESTINATION ${folder}/source)
  run(${CMAKE_COMMAND} -S ${folder}/source -B ${folder}/build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo ${ARGN})
  run(${CMAKE_COMMAND} --build ${folder}/build)
  run(${folder}/build/consumer)
  if(NOT output MATCHES "result.*20")
    message(FATAL_ERROR "unexpected output of the consumer:\n${output}")
  endif()
endfunction()

function(check_node_library)
  file(SHA256 ${WORK}/one/build/libmy_nodes.so one)
  file(SHA256 ${WORK}/another/folder/build/libmy_nodes.so another)
  if(NOT one STREQUAL another)
    message(FATAL_ERROR "libmy_nodes.so differs between two folders of the same code")
  endif()
  run(readelf --dynamic --notes ${WORK}/one/build/libmy_nodes.so)
  foreach(expected "NEEDED.*libhypernodes\\.so\\.0" "Build ID: [0-9a-f]+")
    if(NOT output MATCHES "${expected}")
      message(FATAL_ERROR "libmy_nodes.so lacks ${expected}:\n${output}")
    endif()
  endforeach()
  file(STRINGS ${WORK}/one/build/libmy_nodes.so paths REGEX "${WORK}")
  if(paths)
    message(FATAL_ERROR "libmy_nodes.so holds paths: ${paths}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
if(VARIANT STREQUAL "install")
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
  consume(${WORK}/one -DCMAKE_PREFIX_PATH=${WORK}/prefix)
  consume(${WORK}/another/folder -DCMAKE_PREFIX_PATH=${WORK}/prefix)
  check_node_library()
elseif(VARIANT STREQUAL "subdirectory")
  # Unoptimised: it compiles all of hypernodes once more.
  consume(${WORK} -DHYPERNODES_SUBDIRECTORY=${SOURCE} -DHYPERNODES_NANOARROW_SOURCE=${NANOARROW}
          -DCMAKE_BUILD_TYPE=)
else()
  message(FATAL_ERROR "VARIANT is install or subdirectory, not '${VARIANT}'")
endif()
