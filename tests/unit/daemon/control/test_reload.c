/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is accepted is applied once and as a whole, what takes a restart keeps its running
 *         value and is named, what is rejected changes nothing; a watched file is read again
 *         however it was put in its place.
 * Method: a file in a folder, a real loop, and a hook that looks at both configurations.
 */
#include "daemon/config/text_file.h"
#include "daemon/control/reload.h"
#include "daemon/core/thread.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *const no_environment[] = {NULL};
static char folder[64];
static char path[96];
static struct config_sources sources;
static struct config *initial;
static struct loop loop;
static struct reload reload;
static const struct config *applied;
static unsigned applied_count;
static bool refuse_next;

static void put_at(const char *where, const char *text)
{
    FILE *file = fopen(where, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void put(const char *text)
{
    put_at(path, text);
}

static hulse_status apply(void *ctx, const struct config *fresh, struct error *err)
{
    (void)ctx;
    if (refuse_next) {
        refuse_next = false;
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for its tables");
    }
    /* The one before is still there to be looked at. */
    assert_true(strlen(reload.running->name) > 0);
    assert_ptr_not_equal(reload.running, fresh);
    applied = fresh;
    applied_count++;
    return HULSE_OK;
}

static void begin(const char *text)
{
    static struct config_problems problems;
    struct error err = {0};

    put(text);
    initial = hulse_config_load(&sources, &problems);
    assert_non_null(initial);
    const struct reload_params params = {
        .loop = &loop, .sources = &sources, .initial = initial, .apply = apply};
    hulse_reload_init(&reload, &params);
    assert_int_equal(hulse_reload_open(&reload, &err), HULSE_OK);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hulse-reload-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/h.yaml", folder);
    sources = (struct config_sources){.file = path, .environment = no_environment};
    assert_true(hulse_loop_init(&loop, 16));
    applied_count = 0;
    applied = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_reload_close(&reload);
    hulse_reload_close(&reload);
    hulse_config_destroy(&initial);
    hulse_loop_fini(&loop);
    assert_true(hulse_test_folder_remove(folder));
    return 0;
}

static bool has(const char *const *list, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void test_what_can_change_changes(void **state)
{
    (void)state;
    begin("{name: a, log: {level: info}}\n");
    put("{name: a, log: {level: debug}, session: {rate: 5}, topics: [{match: x}], "
        "roles: {r: {uids: [1]}}}\n");
    assert_true(hulse_reload_run(&reload, "test"));
    assert_int_equal(applied_count, 1);
    assert_ptr_equal(reload.running, applied);
    assert_int_equal(applied->log.level, CONFIG_LEVEL_DEBUG);
    assert_int_equal(applied->session_rate.messages, 5);
    assert_int_equal(applied->topic_count, 1);
    assert_int_equal(reload.generation, 2);
    assert_int_equal(reload.change.restart_count, 0);
    assert_int_equal(reload.change.applied_count, 4);
    static const char *const words[] = {"log.level", "session.rate.messages", "topics", "roles"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(has(reload.change.applied, reload.change.applied_count, words[i]));
    }
    /* Once more: nothing differs, and it is a generation all the same. */
    assert_true(hulse_reload_run(&reload, "test"));
    assert_int_equal(reload.change.applied_count, 0);
    assert_int_equal(reload.generation, 3);
    assert_int_equal(applied_count, 2);
}

static void test_every_member_of_a_list_counts(void **state)
{
    static const char *const steps[] = {
        "roles: {r: {uids: [1]}}\n",
        "roles: {r: {uids: [2]}}\n",
        "roles: {r: {uids: [2, 3]}}\n",
        "roles: {s: {uids: [2, 3]}}\n",
        "roles: {s: {uids: [2, 3], produce: [a]}}\n",
        "roles: {s: {uids: [2, 3], produce: [b]}}\n",
        "roles: {s: {uids: [2, 3], produce: [b], topic_name: x}}\n",
        "roles: {}\n",
    };

    (void)state;
    begin("{}\n");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        put(steps[i]);
        assert_true(hulse_reload_run(&reload, "test"));
        assert_true(has(reload.change.applied, reload.change.applied_count, "roles"));
        assert_true(hulse_reload_run(&reload, "test"));
        assert_false(has(reload.change.applied, reload.change.applied_count, "roles"));
    }
}

static void test_what_needs_a_restart_stays(void **state)
{
    (void)state;
    begin("{name: a, workers: 1, log: {level: info}}\n");
    put("{name: b, workers: 2, log: {level: warn}, brokers: {more: {type: local}}}\n");
    for (unsigned i = 0; i < 2; i++) {
        /* It differs until the restart, and is named each time. */
        assert_true(hulse_reload_run(&reload, "test"));
        assert_int_equal(reload.change.restart_count, 3);
        assert_true(has(reload.change.restart, 3, "name"));
        assert_true(has(reload.change.restart, 3, "workers.count"));
        assert_true(has(reload.change.restart, 3, "brokers"));
        assert_string_equal(applied->name, "a");
        assert_int_equal(applied->workers.count, 1);
        assert_int_equal(applied->broker_count, 2);
        assert_int_equal(applied->log.level, CONFIG_LEVEL_WARN);
    }
    /* A rule for a broker that is not there yet cannot be followed. */
    put("{brokers: {more: {type: local}}, topics: [{match: x, broker: more}]}\n");
    assert_false(hulse_reload_run(&reload, "test"));
    assert_non_null(strstr(reload.problems.list[0].text, "no broker 'more'"));
    assert_int_equal(reload.problems.list[0].line, 1);
    assert_non_null(strstr(reload.problems.list[1].text, "until a restart"));
}

static void test_what_is_rejected_changes_nothing(void **state)
{
    (void)state;
    begin("{log: {level: info}}\n");
    put("log: {level: debug}\nroles: [\n");
    assert_false(hulse_reload_run(&reload, "test"));
    assert_true(reload.failed);
    assert_int_equal(applied_count, 0);
    assert_ptr_equal(reload.running, initial);
    assert_int_equal(reload.generation, 1);
    assert_int_equal(reload.change.applied_count, 0);
    assert_int_equal(reload.problems.errors, 1);
    assert_int_equal(unlink(path), 0);
    assert_false(hulse_reload_run(&reload, "test"));
    put("{log: {level: debug}}\n");
    assert_true(hulse_reload_run(&reload, "test"));
    assert_false(reload.failed);
    assert_int_equal(applied_count, 1);
}

#define CLUSTER "main: {type: pulsar, service_url: 'pulsar://h'"

/* What is not taken is that of the running one as a whole. */
static void test_brokers_stay_with_all_they_have(void **state)
{
    (void)state;
    begin("{brokers: {" CLUSTER ", auth: {token_file: /t}}}}\n");
    put("{brokers: {" CLUSTER ", listener: x}}}\n");
    assert_true(hulse_reload_run(&reload, "test"));
    assert_true(has(reload.change.restart, reload.change.restart_count, "brokers"));
    const struct config_broker *b = &applied->brokers[2];
    assert_string_equal(b->service_url, "pulsar://h");
    assert_string_equal(b->auth.token_file, "/t");
    assert_string_equal(b->listener, "");
}

/* No store was opened for it. */
static void test_a_rule_cannot_lead_to_what_nothing_needed(void **state)
{
    (void)state;
    begin("{brokers: {" CLUSTER "}}}\n");
    assert_true(initial->brokers[0].unused);
    put("{brokers: {" CLUSTER "}}, topics: [{match: x, broker: local}]}\n");
    assert_false(hulse_reload_run(&reload, "test"));
    assert_non_null(strstr(reload.problems.list[0].text, "nothing needed 'local'"));
    assert_int_equal(applied_count, 0);
    put("{brokers: {" CLUSTER "}}, topics: [{match: x}]}\n");
    assert_true(hulse_reload_run(&reload, "test"));
    assert_true(applied->brokers[0].unused);
}

/* The store is there, whatever needs it now. */
static void test_a_store_that_was_needed_stays(void **state)
{
    (void)state;
    begin("{brokers: {" CLUSTER "}}, topics: [{match: x, broker: local}]}\n");
    assert_false(initial->brokers[0].unused);
    put("{brokers: {" CLUSTER "}}}\n");
    assert_true(hulse_reload_run(&reload, "test"));
    assert_int_equal(reload.change.restart_count, 0);
    assert_false(applied->brokers[0].unused);
    put("{brokers: {" CLUSTER "}}, topics: [{match: y, broker: local}]}\n");
    assert_true(hulse_reload_run(&reload, "test"));
}

static void test_what_cannot_be_applied_is_rejected(void **state)
{
    (void)state;
    begin("{session: {rate: 1}}\n");
    put("{session: {rate: 2}}\n");
    assert_true(hulse_reload_run(&reload, "test"));
    put("{session: {rate: 3}}\n");
    refuse_next = true;
    assert_false(hulse_reload_run(&reload, "test"));
    assert_true(reload.failed);
    assert_ptr_equal(reload.running, applied);
    assert_int_equal(reload.running->session_rate.messages, 2);
    assert_int_equal(reload.generation, 2);
    assert_string_equal(reload.problems.list[0].text, "no memory for its tables");
    assert_true(hulse_reload_run(&reload, "test"));
    assert_int_equal(reload.running->session_rate.messages, 3);
}

/* Rounds until the hook was called that often. */
static void await_applied(unsigned count)
{
    while (applied_count < count) {
        (void)hulse_loop_round(&loop, -1);
    }
    assert_int_equal(applied_count, count);
}

static void test_a_watched_file_is_read_again(void **state)
{
    char other[128];

    (void)state;
    begin("{watch: true, log: {level: info}}\n");
    put("{watch: true, log: {level: debug}}\n");
    await_applied(1);
    assert_int_equal(applied->log.level, CONFIG_LEVEL_DEBUG);
    /* Another file in its place. */
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    put_at(other, "{watch: true, log: {level: error}}\n");
    assert_int_equal(rename(other, path), 0);
    await_applied(2);
    assert_int_equal(applied->log.level, CONFIG_LEVEL_ERROR);
    /* Gone for a while. */
    assert_int_equal(unlink(path), 0);
    (void)hulse_loop_round(&loop, 10);
    put("{watch: true, log: {level: warn}}\n");
    await_applied(3);
    assert_false(reload.failed);
    assert_int_equal(applied->log.level, CONFIG_LEVEL_WARN);
}

/* h.yaml -> ..data/h.yaml, ..data -> v1: as a mounted configuration map is. */
static void test_a_link_to_a_folder_is_swapped(void **state)
{
    char text[160];
    char name[160];

    (void)state;
    for (unsigned v = 1; v <= 2; v++) {
        (void)snprintf(name, sizeof(name), "%s/v%u", folder, v);
        assert_int_equal(mkdir(name, 0700), 0);
        (void)snprintf(name, sizeof(name), "%s/v%u/h.yaml", folder, v);
        (void)snprintf(text, sizeof(text), "{watch: true, session: {rate: %u}}\n", v);
        put_at(name, text);
    }
    (void)snprintf(name, sizeof(name), "%s/..data", folder);
    assert_int_equal(symlink("v1", name), 0);
    assert_int_equal(symlink("..data/h.yaml", path), 0);
    begin("{watch: true, session: {rate: 1}}\n"); /* through the links */
    char fresh[160];
    (void)snprintf(fresh, sizeof(fresh), "%s/..data_tmp", folder);
    assert_int_equal(symlink("v2", fresh), 0);
    assert_int_equal(rename(fresh, name), 0);
    await_applied(1);
    assert_int_equal(applied->session_rate.messages, 2);
}

static void test_the_folder_may_be_replaced(void **state)
{
    char away[128];

    (void)state;
    begin("{watch: true}\n");
    (void)snprintf(away, sizeof(away), "%s.away", folder);
    assert_int_equal(rename(folder, away), 0);
    (void)hulse_loop_round(&loop, 10);
    assert_int_equal(mkdir(folder, 0700), 0);
    put("{watch: true, session: {rate: 3}}\n");
    await_applied(1);
    assert_int_equal(applied->session_rate.messages, 3);
    /* The one that is there now is the one that is watched. */
    put("{watch: true, session: {rate: 4}}\n");
    await_applied(2);
    (void)snprintf(away, sizeof(away), "%s.away/h.yaml", folder);
    assert_int_equal(unlink(away), 0);
    (void)snprintf(away, sizeof(away), "%s.away", folder);
    assert_int_equal(rmdir(away), 0);
}

/* Another file in the folder, and all that comes of it. */
static void put_other(void)
{
    char other[128];

    (void)snprintf(other, sizeof(other), "%s/other", folder);
    put_at(other, "x");
    (void)hulse_loop_round(&loop, -1);
    while (hulse_timer_pending(&reload.watch.settle)) {
        (void)hulse_loop_round(&loop, -1);
    }
}

static void test_other_files_do_not_count(void **state)
{
    (void)state;
    begin("{watch: true}\n");
    put_other();
    assert_int_equal(applied_count, 0);
    assert_false(reload.failed);
    /* A file that is gone is no file that is wrong. */
    assert_int_equal(unlink(path), 0);
    put_other();
    assert_int_equal(applied_count, 0);
    assert_false(reload.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_can_change_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_member_of_a_list_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_needs_a_restart_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_rejected_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_brokers_stay_with_all_they_have, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_rule_cannot_lead_to_what_nothing_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_store_that_was_needed_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_applied_is_rejected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_watched_file_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_link_to_a_folder_is_swapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_folder_may_be_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_files_do_not_count, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
