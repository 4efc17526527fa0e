/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every key has its default, can be set from environment and flag up to its edges and not
 *         beyond, and the later source wins; mistakes are named with the nearest key and the range.
 * Method: a table with one row for each key, compared with the product's own table so that none is
 *         forgotten; the rest are directed cases.
 */
#include "daemon/config/config.h"
#include "daemon/config/key.h"
#include "tests/support/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static char *const no_environment[] = {NULL};

/* `low` and `high` are accepted, `below` and `above` are not. NULL = there is no such value. */
static const struct row {
    const char *path;
    const char *fallback; /* NULL = depends on the host */
    const char *low;
    const char *high;
    const char *below;
    const char *above;
} rows[] = {
    {"name", NULL, "x", "a pod named \xc3\xa9", "", "tab\there"},
    {"workers.count", "auto", "1", "64", "0", "65"},
    {"workers.pin", "false", "true", "false", "", "yes"},
    {"workers.cpus", "null", "0", "0-3,1023", "", "1024"},
    {"spin.mode", "auto", "off", "busy", "", "on"},
    {"spin.min", "2us", "0s", "10ms", "-1us", "10001us"},
    {"spin.max", "50us", "0s", "10ms", "-1us", "11ms"},
    {"session.publish_ring", "512KiB", "64KiB", "64MiB", "32KiB", "128MiB"},
    {"session.deliver_ring", "512KiB", "64KiB", "64MiB", "32KiB", "128MiB"},
    {"session.receipts", "4096", "2048", "1048576", "1024", "2097152"},
    {"session.verdict_ring", "128KiB", "64KiB", "64MiB", "65535", "65537"},
    {"session.unacked_max", "10000", "1", "1000000", "0", "1000001"},
    {"session.ring_max", "32MiB", "64KiB", "64MiB", "3MiB", "128MiB"},
    {"session.receipts_max", "65536", "2048", "1048576", "2047", "3000"},
    {"session.channels_max", "64", "1", "4096", "0", "4097"},
    {"session.memory_max", "256MiB", "1MiB", "64GiB", "1048575", "65GiB"},
    {"session.sessions_max", "1024", "1", "65536", "0", "65537"},
    {"session.rate.messages", "null", "1", "1000000000", "0", "1000000001"},
    {"session.rate.bytes", "null", "1KiB", "1024GiB", "1023", "1025GiB"},
    {"watch", "false", "true", "false", "", "yes"},
    {"memory_max", "auto", "16MiB", "1024GiB", "16777215", "1025GiB"},
    {"message_max", "5MiB", "1KiB", "256MiB", "1023", "257MiB"},
    {"chunked_max", "64MiB", "1KiB", "256MiB", "1023", "257MiB"},
    {"topics_max", "100000", "1", "10000000", "0", "10000001"},
    {"drain_timeout", "25s", "0s", "1d", "-1s", "86400001ms"},
    {"watchdog_timeout", "30s", "0s", "1d", "-1s", "86400001ms"},
    {"sandbox.filter", "true", "false", "true", "", "on"},
    {"sandbox.dumpable", "false", "true", "false", "", "no"},
    {"log.level", "info", "error", "debug", "", "trace"},
    {"log.format", "json", "text", "json", "", "xml"},
    {"listen.socket", NULL, "/s", "/run/a b/x.sock", "relative.sock", "/run/hulse/"},
    {"listen.mode", "0660", "0000", "0777", "7", "1777"},
    {"listen.group", "null", "hulse", "1000", "", "a\nb"},
    {"listen.admin_socket", NULL, "/s", "/run/admin.sock", "", "\xff"},
    {"default_broker", "local", "local", "null", "", "a.b"},
    {"health.topic", "null", "t", "persistent://a/b/c", "", "a\x01b"},
    {"health.tenant", "null", "t", "a tenant", "", "a\nb"},
    {"health.timeout", "5s", "100ms", "60s", "99ms", "60001ms"},
    {"default_namespace", "public/default", "a/b", "tenant/name-space", "public", "a/b/c"},
};

static const struct row *row_of(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].path, path) == 0) {
            return &rows[i];
        }
    }
    fail_msg("no row for the key %s", path);
    return NULL;
}

static const struct key *key_of(const char *path)
{
    return hulse_key_find(KEY_GLOBAL, path);
}

/* Gives the first problem as a status with its text. */
static hulse_status first_of(const struct config_problems *problems, struct error *err)
{
    if (problems->errors == 0) {
        return HULSE_OK;
    }
    return hulse_fail(err, HULSE_INVAL, "%.200s", problems->list[0].text);
}

static hulse_status environment_into(struct config *c, char *const *environment, struct error *err)
{
    static struct config_problems problems;

    memset(&problems, 0, sizeof(problems));
    hulse_config_environment(c, environment, &problems);
    return first_of(&problems, err);
}

static hulse_status check(const struct config *c, struct error *err)
{
    static struct config_problems problems;

    memset(&problems, 0, sizeof(problems));
    hulse_config_check(c, &problems);
    return first_of(&problems, err);
}

static void check_value(const struct config *c, const char *path, const char *expected)
{
    char text[512];

    hulse_key_print(key_of(path), c, text, sizeof(text));
    assert_string_equal(text, expected);
}

/* The text after a trip through the product: sizes and durations get their largest unit. */
static void check_same_value(const struct key *key, const struct config *c, const char *text)
{
    struct config again = *c;
    char printed[512];

    hulse_key_print(key, c, printed, sizeof(printed));
    assert_int_equal(hulse_key_store(key, &again, NULL, text, NULL), HULSE_OK);
    assert_memory_equal(&again, c, sizeof(again));
    assert_int_equal(hulse_key_store(key, &again, NULL, printed, NULL), HULSE_OK);
    assert_memory_equal(&again, c, sizeof(again));
}

static hulse_status set(struct config *c, const char *path, const char *value, struct error *err)
{
    char assignment[600];

    (void)snprintf(assignment, sizeof(assignment), "%s=%s", path, value);
    return hulse_config_set(c, assignment, err);
}

static void test_defaults(void **state)
{
    struct config c;

    (void)state;
    hulse_config_init(&c, no_environment);
    assert_int_equal(hulse_key_count(KEY_GLOBAL), COUNT_OF(rows));
    for (size_t i = 0; i < hulse_key_count(KEY_GLOBAL); i++) {
        const struct row *row = row_of(hulse_key_at(KEY_GLOBAL, i)->path);
        if (row->fallback != NULL) {
            check_value(&c, row->path, row->fallback);
        }
    }
    assert_true(strlen(c.name) > 0);
    assert_int_equal(check(&c, NULL), HULSE_OK);
}

static void check_refused(const struct config *c, const char *path, const char *value)
{
    struct config after = *c;
    struct error err = {0};

    if (set(&after, path, value, &err) != HULSE_INVAL) {
        fail_msg("%s=%s was accepted", path, value);
    }
    assert_non_null(strstr(err.text, path));
    assert_memory_equal(&after, c, sizeof(after));
}

static void test_every_key_by_flag(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct key *key = key_of(rows[i].path);
        struct config c;
        hulse_config_init(&c, no_environment);
        assert_int_equal(set(&c, rows[i].path, rows[i].low, NULL), HULSE_OK);
        check_same_value(key, &c, rows[i].low);
        assert_int_equal(set(&c, rows[i].path, rows[i].high, NULL), HULSE_OK);
        check_same_value(key, &c, rows[i].high);
        check_refused(&c, rows[i].path, rows[i].below);
        check_refused(&c, rows[i].path, rows[i].above);
        /* A word of some keys is none of the others. */
        if (key->type <= KEY_DURATION) {
            const char *word = rows[i].fallback == NULL ? "" : rows[i].fallback;
            assert_int_equal(set(&c, rows[i].path, "auto", NULL),
                             strcmp(word, "auto") == 0 ? HULSE_OK : HULSE_INVAL);
            assert_int_equal(set(&c, rows[i].path, "null", NULL),
                             strcmp(word, "null") == 0 ? HULSE_OK : HULSE_INVAL);
        }
    }
}

/* HULSE_SESSION__RING_MAX=... */
static void make_variable(char *out, size_t out_bytes, const char *path, const char *value)
{
    size_t used = (size_t)snprintf(out, out_bytes, "HULSE_");

    for (; *path != '\0'; path++) {
        if (*path == '.') {
            out[used++] = '_';
            out[used++] = '_';
        } else {
            out[used++] = (char)toupper((unsigned char)*path);
        }
    }
    (void)snprintf(out + used, out_bytes - used, "=%s", value);
}

static void test_every_key_by_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct key *key = key_of(rows[i].path);
        char variable[700];
        char *const environment[] = {variable, NULL};
        struct config c;
        struct error err = {0};
        hulse_config_init(&c, no_environment);
        make_variable(variable, sizeof(variable), rows[i].path, rows[i].low);
        assert_int_equal(environment_into(&c, environment, &err), HULSE_OK);
        check_same_value(key, &c, rows[i].low);
        make_variable(variable, sizeof(variable), rows[i].path, rows[i].above);
        assert_int_equal(environment_into(&c, environment, &err), HULSE_INVAL);
        assert_non_null(strstr(err.text, "HULSE_"));
        assert_non_null(strstr(err.text, rows[i].path));
        hulse_config_fini(&c);
    }
}

static void test_rank_of_sources(void **state)
{
    static char variable[] = "HULSE_LOG__LEVEL=warn";
    static char own[] = "HULSE_LISTEN__SOCKET=/own.sock";
    static char short_name[] = "HULSE_SOCKET=/short.sock";
    static char admin[] = "HULSE_ADMIN_SOCKET=/admin.sock";
    static char workers[] = "HULSE_WORKERS=3";
    char *const environment[] = {variable, own, short_name, admin, workers, NULL};
    struct config c;

    (void)state;
    hulse_config_init(&c, environment);
    assert_int_equal(c.log.level, CONFIG_LEVEL_INFO);
    assert_int_equal(environment_into(&c, environment, NULL), HULSE_OK);
    assert_int_equal(c.log.level, CONFIG_LEVEL_WARN);
    assert_string_equal(c.listen.socket, "/own.sock");
    assert_string_equal(c.listen.admin_socket, "/admin.sock");
    assert_int_equal(c.workers.count, 3);
    assert_int_equal(hulse_config_set(&c, "log.level=debug", NULL), HULSE_OK);
    assert_int_equal(hulse_config_set(&c, "workers=2", NULL), HULSE_OK);
    assert_int_equal(c.log.level, CONFIG_LEVEL_DEBUG);
    assert_int_equal(c.workers.count, 2);
    assert_int_equal(hulse_config_set(&c, "workers=auto", NULL), HULSE_OK);
    assert_int_equal(c.workers.count, 0);
    hulse_config_fini(&c);
}

static void test_foreign_variables(void **state)
{
    static char prefix[] = "HULSE_PREFIX=/usr";
    static char kube[] = "HULSE_SERVICE_PORT=6650";
    static char lower[] = "HULSE_Log__Level=nonsense";
    static char empty[] = "HULSE_LOG__LEVEL=";
    static char empty_short[] = "HULSE_SOCKET=";
    static char other[] = "PATH=/bin";
    static char odd[] = "HULSE_WITHOUT_EQUALS";
    static char mistake[] = "HULSE_LISTEN__SOKCET=/x";
    char *const fine[] = {prefix, kube, lower, empty, empty_short, other, odd, NULL};
    char *const wrong[] = {mistake, NULL};
    struct config c;
    struct config before;
    struct error err = {0};

    (void)state;
    hulse_config_init(&c, no_environment);
    before = c;
    assert_int_equal(environment_into(&c, fine, &err), HULSE_OK);
    assert_memory_equal(&c, &before, sizeof(c));
    assert_int_equal(environment_into(&c, wrong, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "HULSE_LISTEN__SOKCET"));
    assert_non_null(strstr(err.text, "'listen.socket'"));
}

static void test_unknown_keys_name_the_nearest(void **state)
{
    static const struct {
        const char *assignment;
        const char *nearest;
    } cases[] = {
        {"sesion.ring_max=1MiB", "'session.ring_max'"},
        {"session.reciepts=4096", "'session.receipts'"},
        {"worker.count=2", "'workers.count'"},
        {"worker=1", "'workers'"},
        {"ring_max=1MiB", "'session.ring_max'"},
        {"log.lvl=info", "'log.level'"},
        {"drain-timeout=1s", "'drain_timeout'"},
        {"Name=x", "'name'"},
        {"topic.0.match=x", "'topics'"},
        {"session.rates=1", "'session.rate'"},
        {"roles.a.session_max=1", "'sessions_max'"},
        {"topics.0.publish.rat=1", "'publish.rate'"},
    };
    static const char *const hopeless[] = {
        "gateway.listen=1",
        "x=1",
        "session=1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1"};
    struct config c;
    struct error err = {0};

    (void)state;
    hulse_config_init(&c, no_environment);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(hulse_config_set(&c, cases[i].assignment, &err), HULSE_INVAL);
        if (strstr(err.text, cases[i].nearest) == NULL) {
            fail_msg("%s: %s", cases[i].assignment, err.text);
        }
    }
    for (size_t i = 0; i < COUNT_OF(hopeless); i++) {
        assert_int_equal(hulse_config_set(&c, hopeless[i], &err), HULSE_INVAL);
        assert_non_null(strstr(err.text, "unknown key"));
        assert_null(strstr(err.text, "nearest"));
    }
    hulse_config_fini(&c);
}

static void test_malformed_assignments(void **state)
{
    static const char *const bad[] = {"", "=", "=x", "log.level", "log.level info"};
    struct config c;

    (void)state;
    hulse_config_init(&c, no_environment);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(hulse_config_set(&c, bad[i], NULL), HULSE_INVAL);
    }
    /* What is behind the first equals sign is the value. */
    assert_int_equal(hulse_config_set(&c, "name=a=b", NULL), HULSE_OK);
    assert_string_equal(c.name, "a=b");
}

static void test_errors_state_the_range(void **state)
{
    struct config c;
    struct error err = {0};

    (void)state;
    hulse_config_init(&c, no_environment);
    assert_int_equal(hulse_config_set(&c, "workers.count=99", &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "auto or 1 to 64"));
    assert_int_equal(hulse_config_set(&c, "session.ring_max=3MiB", &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "64KiB to 64MiB, a power of two"));
    assert_int_equal(hulse_config_set(&c, "spin.mode=fast", &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "auto, off or busy"));
}

static void test_socket_paths_have_a_length(void **state)
{
    char path[160] = "listen.socket=/";
    struct config c;

    (void)state;
    hulse_config_init(&c, no_environment);
    const size_t used = strlen(path);
    memset(path + used, 'x', 106);
    path[used + 106] = '\0';
    assert_int_equal(hulse_config_set(&c, path, NULL), HULSE_OK);
    assert_int_equal(strlen(c.listen.socket), 107);
    path[used + 106] = 'x';
    path[used + 107] = '\0';
    assert_int_equal(hulse_config_set(&c, path, NULL), HULSE_INVAL);
}

static void test_default_sockets(void **state)
{
    static char runtime[] = "XDG_RUNTIME_DIR=/tmp/run";
    static char long_runtime[200] = "XDG_RUNTIME_DIR=/tmp/";
    char *const given[] = {runtime, NULL};
    char *const too_long[] = {long_runtime, NULL};
    char expected[64];
    struct config c;

    (void)state;
    memset(long_runtime + strlen(long_runtime), 'x', 120);
    hulse_config_init(&c, given);
    if (geteuid() == 0) {
        assert_string_equal(c.listen.socket, "/run/hulse/hulse.sock");
        assert_string_equal(c.listen.admin_socket, "/run/hulse/admin.sock");
        return;
    }
    assert_string_equal(c.listen.socket, "/tmp/run/hulse/hulse.sock");
    hulse_config_init(&c, no_environment);
    (void)snprintf(
        expected, sizeof(expected), "/run/user/%u/hulse/admin.sock", (unsigned)geteuid());
    assert_string_equal(c.listen.admin_socket, expected);
    hulse_config_init(&c, too_long);
    assert_int_equal(check(&c, NULL), HULSE_INVAL);
}

static void test_keys_that_belong_together(void **state)
{
    static const char *const bad[][2] = {
        {"spin.min=60us", "spin.min"},
        {"spin.max=1us", "spin.max"},
        {"session.publish_ring=64MiB", "session.publish_ring"},
        {"session.deliver_ring=64MiB", "session.deliver_ring"},
        {"session.verdict_ring=64MiB", "session.verdict_ring"},
        {"session.receipts=131072", "session.receipts_max"},
        {"memory_max=16MiB", NULL},
    };
    struct config c;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        hulse_config_init(&c, no_environment);
        assert_int_equal(hulse_config_set(&c, bad[i][0], &err), HULSE_OK);
        if (bad[i][1] == NULL) {
            assert_int_equal(check(&c, &err), HULSE_OK);
            assert_int_equal(hulse_config_set(&c, "message_max=17MiB", &err), HULSE_OK);
            assert_int_equal(check(&c, &err), HULSE_INVAL);
            continue;
        }
        assert_int_equal(check(&c, &err), HULSE_INVAL);
        assert_non_null(strstr(err.text, bad[i][1]));
    }
    hulse_config_init(&c, no_environment);
    assert_int_equal(hulse_config_set(&c, "listen.socket=/a", NULL), HULSE_OK);
    assert_int_equal(hulse_config_set(&c, "listen.admin_socket=/a", NULL), HULSE_OK);
    assert_int_equal(check(&c, &err), HULSE_INVAL);
}

static void test_print_gives_the_same_configuration(void **state)
{
    static char variable[] = "HULSE_SPIN__MODE=off";
    static struct config_problems problems;
    char *const environment[] = {variable, NULL};
    struct config c;
    struct config again;
    char *yaml = NULL;
    size_t bytes = 0;

    (void)state;
    hulse_config_init(&c, no_environment);
    assert_int_equal(environment_into(&c, environment, NULL), HULSE_OK);
    assert_int_equal(
        hulse_config_set(&c, "name=a \"pod\": # x \xc2\x85\xe2\x80\xa8\xef\xbf\xbe", NULL),
        HULSE_OK);
    assert_int_equal(hulse_config_set(&c, "default_broker=null", NULL), HULSE_OK);
    assert_int_equal(hulse_config_set(&c, "workers.cpus=0-1", NULL), HULSE_OK);
    assert_int_equal(hulse_config_set(&c, "drain_timeout=1500", NULL), HULSE_OK);
    FILE *out = open_memstream(&yaml, &bytes);
    assert_non_null(out);
    hulse_config_print(&c, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(yaml, "\nspin:\n  mode: \"off\"  # environment HULSE_SPIN__MODE\n"));
    assert_non_null(strstr(yaml, "\ndefault_broker: \"null\"  # flag --set\n"));
    assert_non_null(strstr(yaml, "  mode: \"0660\"  # default\n"));
    assert_non_null(strstr(yaml, "  group: null  # default\n"));
    assert_non_null(strstr(yaml, "\ndrain_timeout: 1500ms  # flag --set\n"));

    hulse_config_init(&again, no_environment);
    hulse_config_yaml(&again, "printed", yaml, bytes, &problems);
    assert_int_equal(problems.errors, 0);
    for (size_t i = 0; i < hulse_key_count(KEY_GLOBAL); i++) {
        assert_true(hulse_key_equal(hulse_key_at(KEY_GLOBAL, i), &c, &again));
    }
    hulse_config_fini(&c);
    hulse_config_fini(&again);
    free(yaml);
}

static void test_keys_for_people(void **state)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    (void)state;
    assert_non_null(out);
    hulse_config_print_keys(out);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_non_null(strstr(text, rows[i].path));
        assert_true(strlen(key_of(rows[i].path)->help) > 0);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_key_by_flag),
        cmocka_unit_test(test_every_key_by_environment),
        cmocka_unit_test(test_rank_of_sources),
        cmocka_unit_test(test_foreign_variables),
        cmocka_unit_test(test_unknown_keys_name_the_nearest),
        cmocka_unit_test(test_malformed_assignments),
        cmocka_unit_test(test_errors_state_the_range),
        cmocka_unit_test(test_socket_paths_have_a_length),
        cmocka_unit_test(test_default_sockets),
        cmocka_unit_test(test_keys_that_belong_together),
        cmocka_unit_test(test_print_gives_the_same_configuration),
        cmocka_unit_test(test_keys_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
