/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a command that talks is heard line by line and told what it asks for; a login is what such a program says, or
 *         the reason why there is none, and no more of them run at once than shall; what nobody wants is ended.
 * Method: the real helper process; shell scripts in the place of hulse-kerberos, each bound from both sides.
 */
#include "daemon/control/kerberos.h"
#include "daemon/core/assert.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_MS 60000U
#define SHORT_MS 20U
#define LOGINS 6U

struct asker {
    struct login *login;
    unsigned answers;
};

static struct loop loop;
static struct helper helper;
static struct kerberos_desk desk;
static struct asker askers[LOGINS];
static char dir[32];
static char program[64];
static char heard[4096];
static unsigned ends;
static hulse_status end_status;

/* ---- a command that talks ---- */

static void said(struct helper_call *call, const char *lines, size_t bytes)
{
    (void)call;
    (void)snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%.*s", (int)bytes, lines);
}

static void ended(struct helper_call *call, const struct helper_result *result)
{
    (void)call;
    ends++;
    end_status = result->status;
}

static int set_up(void **state)
{
    (void)state;
    memset(askers, 0, sizeof(askers));
    heard[0] = '\0';
    ends = 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/hulse-krb-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(program, sizeof(program), "%s/pro'gram", dir);
    assert_int_equal(hulse_helper_fork(&helper, NULL), HULSE_OK);
    assert_true(hulse_loop_init(&loop, 16));
    assert_int_equal(hulse_helper_attach(&helper, &loop, NULL), HULSE_OK);
    desk = (struct kerberos_desk){.principal = "me/here@R",
                                  .keytab_file = "/k $HOME'",
                                  .service = "broker",
                                  .timeout_ms = LONG_MS,
                                  .program = program};
    hulse_kerberos_begin(&desk, 1, &helper, &loop.inbox);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_kerberos_close(&desk, 1);
    while (hulse_inbox_run(&loop.inbox, 16) > 0) {
    }
    hulse_kerberos_end(&desk, 1);
    hulse_helper_close(&helper);
    hulse_loop_fini(&loop);
    assert_true(hulse_test_folder_remove(dir));
    return 0;
}

static void turn(void)
{
    (void)hulse_loop_round(&loop, 1000);
}

static void test_a_command_that_talks(void **state)
{
    struct helper_call call = {.said = said, .done = ended};

    (void)state;
    assert_int_equal(
        hulse_helper_talk(&helper,
                          &call,
                          "echo first; while read -r x; do echo \"<$x>\"; done; echo last; exit 0",
                          LONG_MS,
                          NULL),
        HULSE_OK);
    while (strcmp(heard, "first\n") != 0) {
        turn();
    }
    assert_int_equal(hulse_helper_say(&helper, &call, "a\nb\n", 4, NULL), HULSE_OK);
    while (strcmp(heard, "first\n<a>\n<b>\n") != 0) {
        turn();
    }
    char much[HULSE_HELPER_COMMAND_BYTES + 1] = {0};
    assert_int_equal(hulse_helper_say(&helper, &call, much, sizeof(much), NULL), HULSE_TOOBIG);
    assert_int_equal(ends, 0);
    hulse_helper_cancel(&helper, &call);
    assert_int_equal(hulse_helper_say(&helper, &call, "x\n", 2, NULL), HULSE_CLOSED);
}

static void test_a_command_that_talks_and_ends(void **state)
{
    struct helper_call call = {.said = said, .done = ended};

    (void)state;
    assert_int_equal(
        hulse_helper_talk(&helper, &call, "echo a; read -r x; echo $x; exit 3", LONG_MS, NULL),
        HULSE_OK);
    assert_int_equal(hulse_helper_say(&helper, &call, "b\n", 2, NULL), HULSE_OK);
    while (ends == 0) {
        turn();
    }
    assert_string_equal(heard, "a\nb\n");
    assert_int_equal(end_status, HULSE_FAILED);
    /* It reads nothing: it is not waited for when its pipe is full. */
    assert_int_equal(hulse_helper_talk(&helper, &call, "sleep 1000", LONG_MS, NULL), HULSE_OK);
    char much[HULSE_HELPER_COMMAND_BYTES] = {0};
    while (ends == 1) {
        for (unsigned i = 0; i < 20; i++) {
            (void)hulse_helper_say(&helper, &call, much, sizeof(much), NULL);
        }
        (void)hulse_loop_round(&loop, SHORT_MS);
    }
    assert_int_equal(end_status, HULSE_TIMED_OUT);
}

/* ---- logins ---- */

static void write_program(const char *text)
{
    char fresh[80];

    (void)snprintf(fresh, sizeof(fresh), "%s.new", program);
    FILE *f = fopen(fresh, "we");
    assert_non_null(f);
    (void)fprintf(f, "#!/bin/sh\n%s\n", text);
    (void)fclose(f);
    assert_int_equal(chmod(fresh, 0700), 0);
    assert_int_equal(rename(fresh, program), 0);
}

static void answered(struct login *l)
{
    struct asker *a = l->owner;

    a->answers++;
}

static struct login *begin(struct asker *a)
{
    a->login = hulse_login_begin(&desk.desk, "broker.test", &loop.inbox, a, answered);
    assert_non_null(a->login);
    return a->login;
}

static struct login *await(const struct asker *a, unsigned answers)
{
    while (a->answers < answers) {
        turn();
    }
    assert_int_equal(a->answers, answers);
    return a->login;
}

static void drop(struct asker *a)
{
    hulse_login_drop(&a->login);
    while (!LIST_EMPTY(&desk.all)) {
        turn();
    }
    assert_int_equal(desk.running, 0);
}

/* Each word comes whole, whatever is in it. */
static void test_a_login(void **state)
{
    (void)state;
    write_program("printf '%s|' \"$@\" | base64 -w0; echo; read -r x; "
                  "printf %s \"$x\" | base64 -d | tr a-z A-Z | base64 -w0; echo");
    begin(&askers[0]);
    const struct login *l = await(&askers[0], 1);
    assert_string_equal(l->why, "");
    assert_int_equal(l->status, HULSE_OK);
    assert_string_equal(l->data->data, "/k $HOME'|me/here@R|broker|broker.test|");
    assert_true(hulse_login_step(askers[0].login, "challenge", 9));
    l = await(&askers[0], 2);
    assert_int_equal(l->status, HULSE_OK);
    assert_string_equal(l->data->data, "CHALLENGE");
    /* It has ended, and knows no more steps. */
    while (desk.running > 0) {
        turn();
    }
    assert_true(hulse_login_step(askers[0].login, "x", 1));
    assert_string_equal(await(&askers[0], 3)->why,
                        "Kerberos: the broker answers too late, or asks for more than a login");
    drop(&askers[0]);
}

static void check_refused(const char *script, hulse_status status, const char *why)
{
    write_program(script);
    askers[0].answers = 0;
    begin(&askers[0]);
    const struct login *l = await(&askers[0], 1);
    if (strcmp(l->why, why) != 0) {
        fail_msg("'%s', expected '%s'", l->why, why);
    }
    assert_int_equal(l->status, status);
    assert_null(l->data);
    drop(&askers[0]);
}

static void test_no_login(void **state)
{
    (void)state;
    check_refused("echo 'no ticket' >&2; exit 1", HULSE_FAILED, "Kerberos: no ticket");
    check_refused("exit 1", HULSE_FAILED, "Kerberos: exit status 1");
    check_refused("exit 0", HULSE_FAILED, "Kerberos: hulse-kerberos has ended too soon");
    check_refused("echo '?'; sleep 1000",
                  HULSE_PROTOCOL,
                  "Kerberos: hulse-kerberos prints something else than a token");
    desk.timeout_ms = 100;
    check_refused(
        "sleep 1000", HULSE_TIMED_OUT, "Kerberos: no ticket within its time: no centre answers");
    desk.timeout_ms = LONG_MS;
    desk.program = "/nowhere/hulse-kerberos";
    write_program("exit 0");
    begin(&askers[0]);
    askers[0].answers = 0;
    assert_non_null(strstr(await(&askers[0], 1)->why, "not found"));
    drop(&askers[0]);
}

static void test_a_challenge_that_is_too_long(void **state)
{
    char much[3001] = {0};

    (void)state;
    write_program("echo YWJj; read -r x; echo \"$x\"");
    begin(&askers[0]);
    (void)await(&askers[0], 1);
    assert_true(hulse_login_step(askers[0].login, much, 3000));
    assert_int_equal(await(&askers[0], 2)->status, HULSE_OK);
    assert_int_equal(askers[0].login->data->bytes, 3000);
    drop(&askers[0]);
    askers[0].answers = 0;
    begin(&askers[0]);
    (void)await(&askers[0], 1);
    assert_true(hulse_login_step(askers[0].login, much, 3001));
    assert_string_equal(await(&askers[0], 2)->why, "Kerberos: the broker's challenge is too long");
    drop(&askers[0]);
}

static void test_so_many_at_once(void **state)
{
    (void)state;
    write_program("echo YWJj; read -r x; echo YWJj");
    for (size_t i = 0; i < LOGINS; i++) {
        begin(&askers[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)await(&askers[i], 1);
    }
    (void)hulse_loop_round(&loop, SHORT_MS);
    assert_int_equal(desk.running, 4);
    assert_int_equal(askers[4].answers, 0);
    /* One that waits is dropped, one that runs makes room. */
    hulse_login_drop(&askers[4].login);
    hulse_login_drop(&askers[0].login);
    (void)await(&askers[5], 1);
    assert_int_equal(desk.running, 4);
    assert_int_equal(askers[4].answers, 0);
    for (size_t i = 1; i < LOGINS; i++) {
        if (askers[i].login != NULL) {
            hulse_login_drop(&askers[i].login);
        }
    }
    while (!LIST_EMPTY(&desk.all)) {
        turn();
    }
    assert_int_equal(desk.running, 0);
}

/* Whatever is under way: see tear_down(). */
static void test_the_end(void **state)
{
    (void)state;
    write_program("echo YWJj; sleep 1000");
    for (size_t i = 0; i < LOGINS; i++) {
        begin(&askers[i]);
    }
    (void)await(&askers[0], 1);
    hulse_login_drop(&askers[1].login);
    assert_true(hulse_login_step(askers[0].login, "x", 1));
}

static void test_a_keytab(void **state)
{
    char path[64];
    struct error err = {0};

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/keytab", dir);
    assert_int_equal(hulse_kerberos_check(path, &err), HULSE_IO);
    FILE *f = fopen(path, "we");
    (void)fputs("\005\001x", f);
    (void)fclose(f);
    assert_int_equal(hulse_kerberos_check(path, &err), HULSE_INVAL);
    f = fopen(path, "we");
    (void)fputs("\005\002x", f);
    (void)fclose(f);
    /* It is not beside this test. */
    assert_int_equal(hulse_kerberos_check(path, &err), HULSE_UNSUPPORTED);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_command_that_talks),
        CASE(test_a_command_that_talks_and_ends),
        CASE(test_a_login),
        CASE(test_no_login),
        CASE(test_a_challenge_that_is_too_long),
        CASE(test_so_many_at_once),
        CASE(test_the_end),
        CASE(test_a_keytab),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
