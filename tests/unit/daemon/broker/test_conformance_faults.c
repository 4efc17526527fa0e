/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 */
/*
 * Goal:   the conformance suite notices every broken promise, and none where there is none.
 * Method: the local broker behind one that breaks a promise; the suite runs in a process of its
 *         own, which must fail: by an assertion, or because what it waits for never comes.
 */
#include "daemon/core/clock.h"
#include "tests/support/folder.h"
#include "tests/unit/daemon/broker/bed_stored.h"
#include "tests/unit/daemon/broker/conformance.h"
#include "tests/unit/daemon/broker/faulty_broker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* For what never comes: many times what the suite takes when nothing is wrong, on this machine. */
#define PATIENCE_TIMES 8U
#define PATIENCE_MIN_S 3U
#define PATIENCE_ALONE_S 60U
#define CHILDREN_MAX 8U

static enum fault planted;

static bool is_stored(enum fault fault)
{
    return fault >= FAULT_STORED_NONE;
}

static struct broker *open_inner(struct error *err)
{
    struct local_params params;
    hulse_local_params_default(&params);
    params.message_bytes_max = 300000;
    struct broker *inner =
        is_stored(planted) ? hulse_stored_open(err) : hulse_local_create("local", &params, err);
    assert_non_null(inner);
    return hulse_faulty_create(inner, planted);
}

static void end_inner(struct broker **b)
{
    struct broker *inner = hulse_faulty_inner(*b);
    hulse_faulty_destroy(b);
    hulse_local_destroy(&inner);
}

static struct broker *create(struct error *err)
{
    if (is_stored(planted)) {
        hulse_stored_begin()->message_bytes_max = 300000;
    }
    return open_inner(err);
}

static struct broker *reopen(struct broker **b, struct error *err)
{
    end_inner(b);
    return open_inner(err);
}

static void destroy(struct broker **b)
{
    end_inner(b);
    if (is_stored(planted)) {
        hulse_stored_end();
    }
}

static void *shared(struct broker *b)
{
    return hulse_faulty_inner(b);
}

/* In a process of its own, without cmocka around it: an assertion ends it. */
static int run_suite(enum fault fault)
{
    const struct bed_house house = {.label = hulse_fault_name(fault),
                                    .workers = 2,
                                    .create = create,
                                    .destroy = destroy,
                                    .reopen = reopen,
                                    .scheme = is_stored(fault) ? "persistent" : NULL,
                                    .shared = shared,
                                    .owner = hulse_bed_owner};
    planted = fault;
    hulse_conformance_run(&house);
    return EXIT_SUCCESS;
}

/* What the suite takes without a fault, in memory and over a store. */
static uint64_t fine_ns;
static uint64_t fine_stored_ns;

static pid_t start(enum fault fault, unsigned patience)
{
    char number[16];
    char seconds[16];
    (void)snprintf(seconds, sizeof(seconds), "%u", patience);
    (void)snprintf(number, sizeof(number), "%d", (int)fault);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
        (void)setenv("HULSE_TEST_WATCHDOG_S", seconds, 1);
        (void)execl("/proc/self/exe", "test_conformance_faults", number, (char *)NULL);
        _exit(EXIT_SUCCESS);
    }
    return child;
}

/* True: the suite has passed. */
static bool passes(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void test_passes_without_a_fault(void **state)
{
    (void)state;
    const uint64_t before = hulse_clock_ns();
    assert_true(passes(start(FAULT_NONE, PATIENCE_ALONE_S)));
    const uint64_t between = hulse_clock_ns();
    assert_true(passes(start(FAULT_STORED_NONE, PATIENCE_ALONE_S)));
    fine_ns = between - before;
    fine_stored_ns = hulse_clock_ns() - between;
}

static unsigned patience_s(enum fault fault)
{
    const uint64_t ns = is_stored(fault) ? fine_stored_ns : fine_ns;
    return PATIENCE_MIN_S + (unsigned)(PATIENCE_TIMES * ns / UINT64_C(1000000000));
}

/* Several at once, because most that are not wrong wait for something. */
static void test_notices_every_fault(void **state)
{
    uint32_t missed = 0;
    (void)state;
    for (unsigned first = FAULT_NONE + 1; first < FAULTS; first += CHILDREN_MAX) {
        pid_t children[CHILDREN_MAX];
        unsigned count = 0;
        for (; count < CHILDREN_MAX && first + count < FAULTS; count++) {
            const enum fault fault = (enum fault)(first + count);
            children[count] = start(fault, patience_s(fault));
        }
        for (unsigned i = 0; i < count; i++) {
            const bool fine = first + i == FAULT_STORED_NONE;
            if (passes(children[i]) && !fine) {
                print_error("not noticed: %s\n", hulse_fault_name((enum fault)(first + i)));
                missed += 1;
            }
        }
    }
    assert_int_equal(missed, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_without_a_fault),
        cmocka_unit_test(test_notices_every_fault),
    };
    if (argc == 2) {
        return run_suite((enum fault)strtol(argv[1], NULL, 10));
    }
    /* Those that fail leave what they had. */
    char directory[BED_DIRECTORY_BYTES];
    hulse_bed_directory(directory);
    (void)setenv("HULSE_BED_DIRECTORY", directory, 1); /* NOLINT(concurrency-mt-unsafe) */
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)hulse_test_folder_remove(directory);
    return failed;
}
