# nanoarrow::nanoarrow_static, from an installed nanoarrow or from its C source tree. The tree that
# PyPI distributes lacks what its own CMake project needs to install itself, so its four C files are
# compiled here, under a private prefix that cannot meet another copy in the process.

find_package(nanoarrow QUIET)
if(nanoarrow_FOUND)
  return()
endif()

set(fetched ${PROJECT_SOURCE_DIR}/.deps/nanoarrow)
if(NOT HYPERNODES_NANOARROW_SOURCE AND EXISTS ${fetched}/src/nanoarrow/nanoarrow.h)
  set(HYPERNODES_NANOARROW_SOURCE ${fetched})
endif()
if(NOT EXISTS ${HYPERNODES_NANOARROW_SOURCE}/src/nanoarrow/nanoarrow.h)
  message(FATAL_ERROR "nanoarrow is not installed. Run cmake/fetch_nanoarrow.py, or set "
                      "HYPERNODES_NANOARROW_SOURCE to its C source tree.")
endif()

file(STRINGS ${HYPERNODES_NANOARROW_SOURCE}/CMakeLists.txt version
     REGEX "set\\(NANOARROW_VERSION \"[0-9.]+")
string(REGEX MATCH "([0-9]+)\\.([0-9]+)\\.([0-9]+)" NANOARROW_VERSION "${version}")
set(NANOARROW_VERSION_MAJOR ${CMAKE_MATCH_1})
set(NANOARROW_VERSION_MINOR ${CMAKE_MATCH_2})
set(NANOARROW_VERSION_PATCH ${CMAKE_MATCH_3})
set(NANOARROW_NAMESPACE_DEFINE "#define NANOARROW_NAMESPACE HypernodesPrivate")
set(sources ${HYPERNODES_NANOARROW_SOURCE}/src/nanoarrow)
configure_file(${sources}/nanoarrow_config.h.in
               ${CMAKE_CURRENT_BINARY_DIR}/nanoarrow/nanoarrow/nanoarrow_config.h)

add_library(nanoarrow_static STATIC ${sources}/common/array.c ${sources}/common/array_stream.c
                                    ${sources}/common/schema.c ${sources}/common/utils.c)
add_library(nanoarrow::nanoarrow_static ALIAS nanoarrow_static)
target_include_directories(nanoarrow_static SYSTEM PUBLIC ${HYPERNODES_NANOARROW_SOURCE}/src
                                                          ${CMAKE_CURRENT_BINARY_DIR}/nanoarrow)
set_target_properties(nanoarrow_static PROPERTIES C_VISIBILITY_PRESET hidden)
