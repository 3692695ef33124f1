# hypernodes_add_nodes(NAME SOURCES a.cpp b.cpp...)
#
# Builds the C++ nodes in the sources into the shared library libNAME.so, for Python
# (`hypernodes.load("libNAME.so")`) and for C++ programs. It links libhypernodes dynamically and
# names no folder to find it in: whoever loads it has the process's one core loaded already.
#
# The cache keys of C++ nodes follow the library's build id, a digest of its contents. So whatever
# is not code stays out of those contents: paths, and debug information too except in Debug builds.
# The same code built in another folder keeps its cache entries; a change of code drops them.

function(hypernodes_add_nodes name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "usage: hypernodes_add_nodes(NAME SOURCES a.cpp b.cpp...)")
  endif()
  add_library(${name} SHARED ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hypernodes::core)
  target_compile_features(${name} PRIVATE cxx_std_20)
  set_target_properties(
    ${name} PROPERTIES PREFIX lib SUFFIX .so SKIP_BUILD_RPATH ON
                       CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

  get_target_property(headers hypernodes::core INTERFACE_INCLUDE_DIRECTORIES)
  foreach(folder IN LISTS headers ITEMS ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}
                                        ${CMAKE_CURRENT_BINARY_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_options(${name} PRIVATE "$<$<BOOL:${folder}>:-ffile-prefix-map=${folder}=.>")
  endforeach()
  target_link_options(
    ${name} PRIVATE "LINKER:--build-id=sha1" "$<$<NOT:$<CONFIG:Debug>>:LINKER:--strip-debug>")
endfunction()
