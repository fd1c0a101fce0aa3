# The heavy headers, read once: halves the time of a build. Only where clang compiles, and not in the release build, so
# that a file must include what it uses. By hand, because CMake's own precompiled headers stand in the command line with
# the whole path of the build folder, and the compiler cache then finds nothing of another clone.
if(NOT CONDUIT_PCH)
    function(conduit_precompile name)
    endfunction()
    return()
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON) # every target must be compiled as the header is
add_compile_options(-pthread)

set(pch ${CMAKE_BINARY_DIR}/precompiled.pch)
get_directory_property(options COMPILE_OPTIONS)
list(FILTER options EXCLUDE REGEX "\\$<|^-W")
separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
file(RELATIVE_PATH header ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp)
add_custom_command(OUTPUT ${pch}
    COMMAND ${CMAKE_CXX_COMPILER} ${flags} ${options} -fPIC -std=c++2b -DFMT_SHARED -Xclang -fno-pch-timestamp
        -x c++-header ${header} -o precompiled.pch
    DEPENDS ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
    COMMENT "Precompiling the heavy headers" VERBATIM)
add_custom_target(conduit_pch DEPENDS ${pch})

# What the compiler cache takes for its content.
file(SHA256 ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp header_sum)
file(WRITE ${pch}.sum "${header_sum} ${CMAKE_CXX_COMPILER_VERSION} ${flags} ${options} ${fmt_VERSION} "
    "${nlohmann_json_VERSION}\n")

function(conduit_precompile name)
    if(NOT CONDUIT_PCH) # a folder may do without
        return()
    endif()
    add_dependencies(${name} conduit_pch)
    target_link_libraries(${name} PRIVATE fmt::fmt)
    get_target_property(type ${name} TYPE)
    if(type STREQUAL "EXECUTABLE") # CMake would say -fPIE
        set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
        target_compile_options(${name} PRIVATE -fPIC)
    endif()
    # Ninja compiles in the build folder, so the relative path holds for every target.
    target_compile_options(${name} PRIVATE "SHELL:-include-pch precompiled.pch" "SHELL:-Xclang -fno-pch-timestamp")
endfunction()
