/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: scenario not=asan not=tsan not=coverage */
/*
 * Goal:   the client of Pulsar keeps what broker.h promises, in front of a real broker.
 * Method: the conformance suite against the cluster that HULSE_TEST_PULSAR_URL names, with one worker
 *         and with two, in a namespace with deduplication: public/once.
 *         tests/scenario/pulsar_broker/test_conformance.py starts one.
 */
#include "daemon/broker/pulsar/pulsar.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <stdio.h>
#include <stdlib.h>

static const char *url;

static struct broker *create(struct error *err)
{
    struct pulsar_params params;
    hulse_pulsar_params_default(&params);
    params.service_url = url;
    params.daemon_name = "conformance";
    params.message_bytes_max = 300000;
    return hulse_pulsar_create("main", &params, err);
}

static struct broker *reopen(struct broker **b, struct error *err)
{
    hulse_pulsar_destroy(b);
    return create(err);
}

static void run(uint32_t workers)
{
    const struct bed_house house = {.label = "pulsar",
                                    .workers = workers,
                                    .create = create,
                                    .reopen = reopen,
                                    .destroy = hulse_pulsar_destroy,
                                    .scheme = "persistent",
                                    .namespace_name = "public/once",
                                    .elsewhere = true};
    hulse_conformance_run(&house);
}

static void test_one_worker(void **state)
{
    (void)state;
    run(1);
}

static void test_two_workers(void **state)
{
    (void)state;
    run(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_worker),
        cmocka_unit_test(test_two_workers),
    };
    url = getenv("HULSE_TEST_PULSAR_URL"); /* NOLINT(concurrency-mt-unsafe) */
    if (url == NULL) {
        (void)fprintf(stderr, "HULSE_TEST_PULSAR_URL is not set\n");
        return 64;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
