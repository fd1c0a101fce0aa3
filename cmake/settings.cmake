# How our own code is compiled. Third-party code never sees these flags.
add_library(conduit_settings INTERFACE)
target_compile_features(conduit_settings INTERFACE cxx_std_23)
target_include_directories(conduit_settings INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(conduit_settings INTERFACE CONDUIT_VERSION="${PROJECT_VERSION}")
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(conduit_warnings INTERFACE)
target_compile_options(conduit_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
    -Woverloaded-virtual -Wdouble-promotion -Wextra-semi -Wno-missing-field-initializers
    # GCC 12 sees ghosts in its own strings once it inlines; libstdc++ 12 uses its own deprecated buffers
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
    $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
    -Werror=unused-result)
if(CONDUIT_WERROR)
    target_compile_options(conduit_warnings INTERFACE -Werror)
endif()

if(CONDUIT_SANITIZE STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
elseif(CONDUIT_SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
endif()

if(CONDUIT_FUZZ) # the fuzzer sees which paths of our own libraries an input took
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CONDUIT_CCACHE ccache)
if(CONDUIT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(cache_settings CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1)
    if(CONDUIT_PCH)
        list(APPEND cache_settings CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_PCH_EXTSUM=1)
    endif()
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env ${cache_settings} ${CONDUIT_CCACHE})
endif()
find_program(CONDUIT_MOLD mold)
if(CONDUIT_MOLD)
    add_link_options(-fuse-ld=mold)
endif()

include(cmake/precompile.cmake)

# conduit_library(NAME SOURCES ... [LINK ...]): one static library a folder; LINK is public, PRIVATE_LINK hides a
# third-party library behind its adapter.
function(conduit_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC conduit_settings ${ARG_LINK} PRIVATE conduit_warnings ${ARG_PRIVATE_LINK})
    conduit_precompile(${name})
endfunction()

# conduit_test(NAME LABEL SOURCES ... LINK ...): one Catch2 program, one ctest entry.
function(conduit_test name label)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE conduit_settings conduit_warnings conduit_test_support ${ARG_LINK})
    conduit_precompile(${name})
    add_test(NAME ${name} COMMAND ${name})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${ARG_TIMEOUT})
endfunction()
