/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   each order is the request that the REST API wants for it, and what a cluster lists and counts comes
 *         back once, bounded, whatever else is in it.
 * Method: a server of the test's that tells what it was asked, and lists and figures of its own.
 */
#include "tests/support/check.h"
#include "tests/unit/daemon/broker/pulsar/admin/admin_bed.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct admin_bed bed;

static int set_up_all(void **state)
{
    (void)state;
    hulse_admin_bed_serve(&bed);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    hulse_admin_bed_end(&bed);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_admin_bed_stop(&bed);
    return 0;
}

#define T "persistent://t/n/"
#define P "/admin/v2/persistent/t/n/"
#define RESET(ledger, entry, batch, excluded)                                                      \
    "/subscription/s/resetcursor {\"ledgerId\":" ledger ",\"entryId\":" entry                      \
    ",\"partitionIndex\":-1,\"batchIndex\":" batch ",\"isExcluded\":" excluded "} -"
#define ID(sort, part, one)                                                                        \
    {                                                                                              \
        .kind = (sort), .id = {.ledger = 3, .entry = 4, .partition = (part), .batch = (one) }      \
    }

static void test_what_is_asked(void **state)
{
    static const struct {
        struct broker_admin q;
        const char *asked;
    } cases[] = {
        {{.command = BROKER_ADMIN_CREATE, .topic = T "tell"}, "PUT " P "tell - -"},
        {{.command = BROKER_ADMIN_CREATE, .topic = T "tell", .partitions = 3},
         "PUT " P "tell/partitions 3 -"},
        {{.command = BROKER_ADMIN_DELETE, .topic = T "0-tell"},
         "DELETE " P "0-tell?force=false - -"},
        {{.command = BROKER_ADMIN_DELETE, .topic = T "2-tell", .force = true},
         "DELETE " P "2-tell/partitions?force=true - -"},
        {{.command = BROKER_ADMIN_UNLOAD, .topic = "non-persistent://a b/\xc3\xa9/tell"},
         "PUT /admin/v2/non-persistent/a%20b/%C3%A9/tell/unload - -"},
        {{.command = BROKER_ADMIN_SKIP, .topic = T "0-tell", .subscription = "a/b?"},
         "POST " P "0-tell/subscription/a%2Fb%3F/skip_all - -"},
        {{.command = BROKER_ADMIN_SKIP, .topic = T "0-tell", .subscription = "..", .count = 9},
         "POST " P "0-tell/subscription/%2E%2E/skip/9 - -"},
        {{.command = BROKER_ADMIN_SKIP, .topic = T "2-tell", .subscription = "s"},
         "POST " P "2-tell/subscription/s/skip_all - -"},
        {{.command = BROKER_ADMIN_UNSUBSCRIBE, .topic = T "2-tell", .subscription = "s"},
         "DELETE " P "2-tell/subscription/s?force=false - -"},
        {{.command = BROKER_ADMIN_SEEK,
          .topic = T "2-tell",
          .subscription = "s",
          .position = {.kind = BROKER_AT_PUBLISHED, .time_ms = 1700000000123}},
         "POST " P "2-tell/subscription/s/resetcursor/1700000000123 - -"},
        {{.command = BROKER_ADMIN_SEEK,
          .topic = T "0-tell",
          .subscription = "s",
          .position = ID(BROKER_AT_ID, 5, -1)},
         "POST " P "0-tell" RESET("3", "4", "-1", "false")},
        {{.command = BROKER_ADMIN_SEEK,
          .topic = T "2-tell",
          .subscription = "s",
          .position = ID(BROKER_AFTER_ID, 1, 6)},
         "POST " P "2-tell-partition-1" RESET("3", "4", "6", "true")},
        {{.command = BROKER_ADMIN_SEEK,
          .topic = T "0-tell",
          .subscription = "s",
          .position = {.kind = BROKER_EARLIEST}},
         "POST " P "0-tell" RESET("-1", "-1", "-1", "false")},
        {{.command = BROKER_ADMIN_SEEK,
          .topic = T "2-tell",
          .subscription = "s",
          .position = {.kind = BROKER_LATEST}},
         "POST " P
         "2-tell-partition-0" RESET("9223372036854775807", "9223372036854775807", "-1", "false")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(hulse_admin_bed_ask(&bed, cases[i].q), HULSE_BUSY);
        assert_memory_equal(bed.text,
                            cases[i].asked,
                            strlen(cases[i].asked) < sizeof(bed.text) - 1 ? strlen(cases[i].asked)
                                                                          : sizeof(bed.text) - 1);
    }
}

static void test_what_is_refused_here(void **state)
{
    struct broker_admin q = {
        .command = BROKER_ADMIN_SKIP, .topic = T "2-done", .subscription = "s", .count = 1};

    (void)state;
    assert_int_equal(hulse_admin_bed_ask(&bed, q), HULSE_UNSUPPORTED);
    q.command = BROKER_ADMIN_SEEK;
    q.position = (struct broker_position)ID(BROKER_AT_ID, 2, -1);
    assert_int_equal(hulse_admin_bed_ask(&bed, q), HULSE_INVAL);
    q.command = BROKER_ADMIN_UNLOAD;
    q.topic = "persistent://t/n";
    assert_int_equal(hulse_admin_bed_ask(&bed, q), HULSE_INVAL);
    q.command = BROKER_ADMIN_SET_POLICY;
    assert_int_equal(hulse_admin_bed_ask(&bed, q), HULSE_UNSUPPORTED);
}

static void test_every_partition_is_moved(void **state)
{
    const struct broker_admin q = {.command = BROKER_ADMIN_SEEK,
                                   .topic = T "40-done",
                                   .subscription = "s",
                                   .position = {.kind = BROKER_LATEST}};

    (void)state;
    assert_int_equal(hulse_admin_bed_ask(&bed, q), HULSE_OK);
}

/* ---- lists ---- */

static hulse_status list(enum broker_admin_command command, const char *name)
{
    return hulse_admin_bed_ask(&bed,
                               (struct broker_admin){.command = command, .namespace_name = name});
}

static void test_partitions_are_one_name(void **state)
{
    (void)state;
    assert_int_equal(list(BROKER_ADMIN_TOPICS, "t/n"), HULSE_OK);
    assert_string_equal(bed.names,
                        "persistent://t/n/t persistent://t/n/t-partition- "
                        "persistent://t/n/t2 non-persistent://t/n/t ");
    assert_int_equal(list(BROKER_ADMIN_TOPICS, "pair"), HULSE_OK);
    assert_int_equal(bed.name_count, 8);
    assert_int_equal(list(BROKER_ADMIN_TOPICS, ""), HULSE_OK);
    assert_int_equal(bed.name_count, 8);
}

static void test_namespaces(void **state)
{
    (void)state;
    assert_int_equal(list(BROKER_ADMIN_NAMESPACES, "pair"), HULSE_OK);
    assert_string_equal(bed.names, "pair/a pair/b ");
    assert_int_equal(list(BROKER_ADMIN_NAMESPACES, "names"), HULSE_PROTOCOL);
    assert_int_equal(list(BROKER_ADMIN_NAMESPACES, "nobody"), HULSE_PROTOCOL);
    assert_int_equal(bed.name_count, 0);
    assert_int_equal(list(BROKER_ADMIN_TOPICS, "crowd"), HULSE_LIMIT);
    assert_non_null(strstr(bed.text, "name one of them"));
}

/* ---- figures ---- */

static void check_figures(const char *topic, enum broker_subscription type)
{
    const struct broker_topic_stats *t = &bed.total;

    assert_int_equal(hulse_admin_bed_stats(&bed, topic), HULSE_OK);
    assert_int_equal(t->producers, 2);
    assert_int_equal(t->consumers, 1);
    assert_int_equal(t->published, 7);
    assert_int_equal(t->published_bytes, 70);
    assert_int_equal(t->delivered, 0);
    assert_true(t->publish_rate > 1.4 && t->publish_rate < 1.6);
    assert_true(t->delivery_rate < 0.1);
    assert_true(t->acknowledged == BROKER_UNCOUNTED && t->lost == BROKER_UNCOUNTED);
    assert_int_equal(bed.subscription_count, 4);
    assert_int_equal(bed.subscriptions[0].type, BROKER_SHARED);
    assert_int_equal(bed.subscriptions[0].backlog, 5);
    assert_int_equal(bed.subscriptions[0].unacked, 2);
    assert_int_equal(bed.subscriptions[0].delayed, 1);
    assert_int_equal(bed.subscriptions[1].type, BROKER_KEY_SHARED);
    assert_int_equal(bed.subscriptions[1].consumers, 0);
    assert_int_equal(bed.subscriptions[2].type, type);
    assert_int_equal(bed.subscriptions[3].backlog, 0);
}

static void test_figures(void **state)
{
    (void)state;
    check_figures(T "0-figures", BROKER_READER);
    check_figures(T "3-figures", BROKER_READER);
    /* Nothing of it lasts anyway. */
    check_figures("non-persistent://t/n/0-figures", BROKER_EXCLUSIVE);
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SUBSCRIPTIONS, T "0-figures"),
                     HULSE_OK);
    assert_string_equal(bed.names, "a b odd ");
}

/* ---- schemas ---- */

static void test_schemas(void **state)
{
    (void)state;
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SCHEMAS, T "versions"), HULSE_OK);
    assert_int_equal(bed.version_count, 2);
    assert_int_equal(bed.versions[0].version, 1);
    assert_int_equal(bed.versions[0].type, BROKER_SCHEMA_JSON);
    assert_int_equal(bed.versions[0].created_ms, 1700000000000);
    assert_int_equal(bed.versions[1].version, 2);
    assert_int_equal(bed.versions[1].type, BROKER_SCHEMA_BYTES);
}

static void test_schemas_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SCHEMAS, T "odd"), HULSE_PROTOCOL);
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SCHEMAS, T "version"),
                     HULSE_PROTOCOL);
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SCHEMAS, "t/n"), HULSE_INVAL);
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SCHEMAS, T "tell"), HULSE_BUSY);
    assert_string_equal(bed.text, "GET /admin/v2/schemas/t/n/tell/schemas - -");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_asked),
        CASE(test_what_is_refused_here),
        CASE(test_every_partition_is_moved),
        CASE(test_partitions_are_one_name),
        CASE(test_namespaces),
        CASE(test_figures),
        CASE(test_schemas),
        CASE(test_schemas_that_are_none),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
