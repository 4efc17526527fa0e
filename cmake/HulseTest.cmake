# SPDX-License-Identifier: Apache-2.0
#
# Turns files into CTest entries. A file says what is special about it in one comment line:
#
#   /* HULSE_TEST: serial label=smoke timeout=300 */
#
#   serial        runs while no other test runs
#   label=NAME    instead of the folder's label
#   timeout=S     instead of 120 s (doubled under sanitizers)
#   scenario      is built only: a scenario test starts it
#   not=KIND      is not built in such builds: not=tsan, not=asan, not=coverage; may be repeated
#   libs=A,B      more targets or libraries to link

# abort_on_error: what a child process does to itself with a damaged file ends by a signal, as it does without sanitizers.
set(HULSE_TEST_ENV
    "HULSE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "HULSE_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1:abort_on_error=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp:halt_on_error=1:second_deadlock_stack=1")

# Compilers of this age cannot place their shadow memory when the kernel randomises more bits.
set(HULSE_TEST_LAUNCHER "")
if(HULSE_SANITIZE AND EXISTS /proc/sys/vm/mmap_rnd_bits)
    file(READ /proc/sys/vm/mmap_rnd_bits bits)
    if(bits GREATER 28)
        execute_process(COMMAND setarch -R true RESULT_VARIABLE failed ERROR_QUIET)
        if(NOT failed)
            set(HULSE_TEST_LAUNCHER setarch -R)
        endif()
    endif()
endif()

# hulse_test_properties(<test> LABEL label [TIMEOUT s] [SERIAL])
function(hulse_test_properties test)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "LABEL;TIMEOUT" "ENV")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    if(HULSE_SANITIZE OR HULSE_COVERAGE)
        math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 2")
    endif()
    # The watchdog inside the test fires first and leaves a backtrace.
    math(EXPR watchdog "${arg_TIMEOUT} - 5")
    set_tests_properties(${test} PROPERTIES
        LABELS "${arg_LABEL}"
        TIMEOUT ${arg_TIMEOUT}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "${HULSE_TEST_ENV};HULSE_TEST_WATCHDOG_S=${watchdog};${arg_ENV}"
        WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    if(arg_SERIAL)
        set_tests_properties(${test} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# Notes what has to be built before a test can run, for tests/run PATTERN.
function(hulse_test_builds test)
    list(JOIN ARGN " " targets)
    set_property(GLOBAL APPEND_STRING PROPERTY HULSE_TEST_BUILDS "${test} ${targets}\n")
endfunction()

function(hulse_test_write_builds)
    get_property(text GLOBAL PROPERTY HULSE_TEST_BUILDS)
    file(WRITE "${PROJECT_BINARY_DIR}/test_builds.txt" "${text}")
endfunction()

# Reads the marker of a file into serial, scenario, label, timeout, not, libs of the caller.
function(hulse_test_marker file)
    set(serial OFF PARENT_SCOPE)
    set(scenario OFF PARENT_SCOPE)
    set(label "" PARENT_SCOPE)
    set(timeout "" PARENT_SCOPE)
    set(libs "" PARENT_SCOPE)
    set(not "")
    file(STRINGS "${file}" lines REGEX "HULSE_TEST: ")
    foreach(line IN LISTS lines)
        string(REGEX REPLACE ".*HULSE_TEST: *" "" line "${line}")
        string(REGEX REPLACE " *\\*/.*" "" line "${line}")
        string(REGEX MATCHALL "[^ ]+" words "${line}")
        foreach(word IN LISTS words)
            if(word STREQUAL "serial")
                set(serial ON PARENT_SCOPE)
            elseif(word STREQUAL "scenario")
                set(scenario ON PARENT_SCOPE)
            elseif(word MATCHES "^(label|timeout)=(.+)$")
                set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}" PARENT_SCOPE)
            elseif(word MATCHES "^not=(tsan|asan|coverage)$")
                list(APPEND not "${CMAKE_MATCH_1}")
            elseif(word MATCHES "^libs=(.+)$")
                string(REPLACE "," ";" list "${CMAKE_MATCH_1}")
                set(libs "${list}" PARENT_SCOPE)
            else()
                message(FATAL_ERROR "${file}: unknown HULSE_TEST word '${word}'")
            endif()
        endforeach()
    endforeach()
    set(not "${not}" PARENT_SCOPE)
endfunction()

# hulse_test_skipped_here(<list of sanitizers> <out>)
function(hulse_test_skipped_here not out)
    set(${out} OFF PARENT_SCOPE)
    if(("tsan" IN_LIST not AND HULSE_SANITIZE MATCHES thread)
       OR ("asan" IN_LIST not AND HULSE_SANITIZE MATCHES address)
       OR ("coverage" IN_LIST not AND HULSE_COVERAGE))
        set(${out} ON PARENT_SCOPE)
    endif()
endfunction()

# hulse_c_tests(<folder below the source tree> <default label>)
#
# Every test_*.c below the folder is one program and one test, named by its path without tests/
# and without .c. Other .c files in the same directory are linked into each test beside them.
function(hulse_c_tests folder default_label)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/test_*.c")
    foreach(file IN LISTS files)
        hulse_test_marker("${file}")
        hulse_test_skipped_here("${not}" skipped)
        if(skipped)
            continue()
        endif()
        if(NOT label)
            set(label ${default_label})
        endif()
        cmake_path(GET file PARENT_PATH directory)
        cmake_path(RELATIVE_PATH file BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests"
                   OUTPUT_VARIABLE name)
        string(REGEX REPLACE "\\.c$" "" name "${name}")
        string(MAKE_C_IDENTIFIER "${name}" target)
        cmake_path(RELATIVE_PATH directory BASE_DIRECTORY "${PROJECT_SOURCE_DIR}"
                   OUTPUT_VARIABLE place)
        file(GLOB beside CONFIGURE_DEPENDS "${directory}/*.c")
        list(FILTER beside EXCLUDE REGEX "/test_[^/]*\\.c$")

        set(helpers "")
        if(beside)
            string(MAKE_C_IDENTIFIER "helpers_${place}" helpers)
            if(NOT TARGET ${helpers})
                add_library(${helpers} OBJECT ${beside})
                hulse_target(${helpers})
                target_link_libraries(${helpers} PUBLIC hulse_daemon hulse_client hulse_test_support)
            endif()
        endif()

        add_executable(${target} "${file}")
        hulse_target(${target})
        cmake_path(GET file STEM stem)
        set_target_properties(${target} PROPERTIES OUTPUT_NAME "${stem}"
                              RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${place}")
        target_link_libraries(${target} PRIVATE ${helpers} hulse_test_runtime hulse_test_support
                              hulse_daemon hulse_client ${libs} m)
        hulse_needs_programs(${target})
        if(scenario)
            continue()
        endif()

        add_test(NAME "${name}" COMMAND ${HULSE_TEST_LAUNCHER} $<TARGET_FILE:${target}>)
        hulse_test_builds("${name}" ${target})
        set(options LABEL ${label} TIMEOUT ${timeout})
        if(serial)
            list(APPEND options SERIAL)
        endif()
        hulse_test_properties("${name}" ${options})
    endforeach()
endfunction()

# A test may start the programs, so building the test builds them.
function(hulse_needs_programs target)
    foreach(program hulsed hulse-cli)
        if(TARGET ${program})
            add_dependencies(${target} ${program})
        endif()
    endforeach()
endfunction()

# hulse_script_tests(<folder> <label> <glob>...)
function(hulse_script_tests folder default_label)
    list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/${folder}/" OUTPUT_VARIABLE patterns)
    file(GLOB files CONFIGURE_DEPENDS ${patterns})
    foreach(file IN LISTS files)
        hulse_test_marker("${file}")
        if(NOT label)
            set(label ${default_label})
        endif()
        cmake_path(RELATIVE_PATH file BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests"
                   OUTPUT_VARIABLE name)
        string(REGEX REPLACE "\\.(sh|py)$" "" name "${name}")
        add_test(NAME "${name}" COMMAND "${file}")
        set(options LABEL ${label} TIMEOUT ${timeout})
        if(serial)
            list(APPEND options SERIAL)
        endif()
        hulse_test_properties("${name}" ${options})
    endforeach()
endfunction()

# Every tests/fuzz/fuzz_*.c: with HULSE_FUZZ a libFuzzer program and a short run of it, otherwise
# a program that replays the committed corpus tests/fuzz/corpus/<name without fuzz_>/.
function(hulse_fuzz_tests)
    file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
    file(GLOB beside CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*.c")
    list(FILTER beside EXCLUDE REGEX "/(fuzz_[^/]*|replay_main)\\.c$")
    foreach(file IN LISTS files)
        hulse_test_marker("${file}")
        hulse_test_skipped_here("${not}" skipped)
        if(skipped)
            continue()
        endif()
        cmake_path(GET file STEM stem)
        string(REGEX REPLACE "^fuzz_" "" short "${stem}")
        set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${short}")
        add_executable(${stem} "${file}" ${beside})
        hulse_target(${stem})
        set_target_properties(${stem} PROPERTIES
                              RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/fuzz")
        target_link_libraries(${stem} PRIVATE hulse_daemon hulse_client ${libs} m)
        if(HULSE_FUZZ)
            target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
            add_test(NAME "fuzz/${stem}"
                     COMMAND ${HULSE_TEST_LAUNCHER} "${PROJECT_SOURCE_DIR}/tests/support/fuzz_smoke"
                             $<TARGET_FILE:${stem}> "${corpus}"
                             "${PROJECT_BINARY_DIR}/tests/fuzz/found/${short}")
        else()
            target_sources(${stem} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c")
            target_link_libraries(${stem} PRIVATE hulse_test_runtime)
            add_test(NAME "fuzz/${stem}"
                     COMMAND ${HULSE_TEST_LAUNCHER} $<TARGET_FILE:${stem}> "${corpus}")
        endif()
        hulse_test_builds("fuzz/${stem}" ${stem})
        hulse_test_properties("fuzz/${stem}" LABEL unit TIMEOUT ${timeout})
    endforeach()
endfunction()

# Every bench/micro/bench_*.c, run in its smoke mode.
function(hulse_micro_benchmarks)
    file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/micro/bench_*.c")
    file(GLOB beside CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/micro/*.c")
    list(FILTER beside EXCLUDE REGEX "/bench_[^/]*\\.c$")
    foreach(file IN LISTS files)
        hulse_test_marker("${file}")
        hulse_test_skipped_here("${not}" skipped)
        if(skipped)
            continue()
        endif()
        cmake_path(GET file STEM stem)
        add_executable(micro_${stem} "${file}" ${beside})
        hulse_target(micro_${stem})
        set_target_properties(micro_${stem} PROPERTIES OUTPUT_NAME ${stem}
                              RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench/micro")
        target_link_libraries(micro_${stem} PRIVATE hulse_daemon hulse_client ${libs} m)
        add_test(NAME "bench/micro/${stem}"
                 COMMAND ${HULSE_TEST_LAUNCHER} $<TARGET_FILE:micro_${stem}> --smoke)
        hulse_test_builds("bench/micro/${stem}" micro_${stem})
        hulse_test_properties("bench/micro/${stem}" LABEL performance TIMEOUT ${timeout} SERIAL)
    endforeach()
endfunction()
