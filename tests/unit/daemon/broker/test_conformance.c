/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   null and local keep what broker.h promises, wherever producer, consumer and topic are.
 * Method: the conformance suite, with one worker and with more.
 */
#include "daemon/broker/local/local.h"
#include "daemon/broker/null/null.h"
#include "tests/unit/daemon/broker/bed_stored.h"
#include "tests/unit/daemon/broker/conformance.h"

static struct broker *create_null(struct error *err)
{
    return hulse_null_create("null", 300000, err);
}

static struct broker *create_local(struct error *err)
{
    struct local_params params;
    hulse_local_params_default(&params);
    params.message_bytes_max = 300000;
    return hulse_local_create("local", &params, err);
}

/* With a store that goes with the broker. */
static struct broker *create_stored(struct error *err)
{
    hulse_stored_begin()->message_bytes_max = 300000;
    return hulse_stored_open(err);
}

static void destroy_stored(struct broker **b)
{
    hulse_local_destroy(b);
    hulse_stored_end();
}

static void run_null(uint32_t workers)
{
    const struct bed_house house = {.label = "null",
                                    .workers = workers,
                                    .create = create_null,
                                    .destroy = hulse_null_destroy,
                                    .every_topic = true};
    hulse_conformance_run(&house);
}

static void run_local(uint32_t workers)
{
    const struct bed_house house = {.label = "local",
                                    .workers = workers,
                                    .create = create_local,
                                    .destroy = hulse_local_destroy,
                                    .owner = hulse_bed_owner,
                                    .ordered = true};
    hulse_conformance_run(&house);
}

/* The same broker, its persistent topics. */
static void run_stored(uint32_t workers)
{
    const struct bed_house house = {.label = "local with a store",
                                    .workers = workers,
                                    .create = create_stored,
                                    .reopen = hulse_stored_reopen,
                                    .destroy = destroy_stored,
                                    .owner = hulse_bed_owner,
                                    .ordered = true,
                                    .scheme = "persistent"};
    hulse_conformance_run(&house);
}

static void test_null(void **state)
{
    (void)state;
    run_null(1);
    run_null(2);
}

static void test_local_one_worker(void **state)
{
    (void)state;
    run_local(1);
}

static void test_local_two_workers(void **state)
{
    (void)state;
    run_local(2);
}

/* The topic on a third worker. */
static void test_local_three_workers(void **state)
{
    (void)state;
    run_local(3);
}

static void test_stored_one_worker(void **state)
{
    (void)state;
    run_stored(1);
}

static void test_stored_two_workers(void **state)
{
    (void)state;
    run_stored(2);
}

static void test_stored_three_workers(void **state)
{
    (void)state;
    run_stored(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_local_one_worker),
        cmocka_unit_test(test_local_two_workers),
        cmocka_unit_test(test_local_three_workers),
        cmocka_unit_test(test_stored_one_worker),
        cmocka_unit_test(test_stored_two_workers),
        cmocka_unit_test(test_stored_three_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
