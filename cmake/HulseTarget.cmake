# SPDX-License-Identifier: Apache-2.0
#
# What every target of this tree is compiled with. Nothing here is visible to a project that adds
# this one with add_subdirectory().

set(HULSE_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wformat=2 -Wvla -Wundef -Wimplicit-fallthrough)
if(HULSE_WERROR)
    list(APPEND HULSE_WARNINGS -Werror)
endif()

set(HULSE_INSTRUMENT "")
if(HULSE_SANITIZE)
    list(APPEND HULSE_INSTRUMENT "-fsanitize=${HULSE_SANITIZE}" -fno-omit-frame-pointer)
    if(HULSE_SANITIZE MATCHES undefined)
        list(APPEND HULSE_INSTRUMENT -fno-sanitize-recover=all)
    endif()
endif()
if(HULSE_FUZZ)
    list(APPEND HULSE_INSTRUMENT -fsanitize=fuzzer-no-link)
endif()
if(HULSE_COVERAGE)
    list(APPEND HULSE_INSTRUMENT --coverage -fprofile-update=atomic -fno-inline)
endif()

# Objects carry machine code beside gcc's intermediate code: installed programs are linked with
# LTO, libhulse.a needs no particular compiler, and tests link fast.
set(HULSE_LTO_COMPILE "")
set(HULSE_LTO_LINK "")
if(HULSE_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    set(HULSE_LTO_COMPILE -flto=auto -ffat-lto-objects)
    set(HULSE_LTO_LINK -flto=auto)
endif()

# hulse_target(<target> [PUBLIC_API_ONLY])
#
# PUBLIC_API_ONLY: the target sees <hulse/hulse.h> like any application, not the tree.
function(hulse_target target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "PUBLIC_API_ONLY" "" "")
    set_target_properties(${target} PROPERTIES
        C_STANDARD 17
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden
        POSITION_INDEPENDENT_CODE ON)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE "HULSE_VERSION=\"${PROJECT_VERSION}\"")
    if(HULSE_DEBUG)
        target_compile_definitions(${target} PRIVATE HULSE_DEBUG)
    endif()
    if(HULSE_SANITIZE MATCHES thread)
        target_compile_definitions(${target} PRIVATE HULSE_TSAN)
    endif()
    if(HULSE_SANITIZE OR HULSE_FUZZ)
        target_compile_definitions(${target} PRIVATE HULSE_SANITIZED)
    endif()
    target_compile_options(${target} PRIVATE ${HULSE_WARNINGS} ${HULSE_INSTRUMENT}
                           ${HULSE_LTO_COMPILE} -fno-common
                           "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
    target_link_options(${target} PRIVATE ${HULSE_INSTRUMENT})
    if(HULSE_LTO_COMPILE)
        target_link_options(${target} PRIVATE -fno-lto)
    endif()
    if(NOT arg_PUBLIC_API_ONLY)
        target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}"
                                   "${PROJECT_SOURCE_DIR}/include")
    endif()
endfunction()

# A library or program whose folders do not exist yet still has to be a valid target.
function(hulse_no_empty_target target)
    get_target_property(sources ${target} SOURCES)
    if(NOT sources)
        get_target_property(type ${target} TYPE)
        set(text "typedef int hulse_nothing_here_yet;\n")
        if(type STREQUAL EXECUTABLE)
            set(text "int main(void)\n{\n    return 69;\n}\n")
        endif()
        set(file "${PROJECT_BINARY_DIR}/empty/${target}.c")
        file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
        target_sources(${target} PRIVATE "${file}")
    endif()
endfunction()
