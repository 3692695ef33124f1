# hypernodes_warnings(TARGET...): the warnings of our own code. They are private to the targets, and
# errors only with HYPERNODES_WERROR (the presets set it), so they never reach those who embed us.

option(HYPERNODES_WERROR "Treat warnings in hypernodes' own code as errors" OFF)

function(hypernodes_warnings)
  set(flags -Wall -Wextra -Wconversion -Wshadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND flags -Wno-restrict)  # false alarms on std::string's operator+ (GCC bug 105651)
  endif()
  if(HYPERNODES_WERROR)
    list(APPEND flags -Werror)
  endif()
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${flags}>)
  endforeach()
endfunction()
