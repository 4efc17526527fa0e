/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a list has the topics of every broker once, sorted; who does not tell is named with why, in time;
 *         a late answer harms nobody.
 * Method: two scripted fakes, which answer when the test says so; a loop of the test.
 */
#include "daemon/control/topic_list.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"

#include <jansson.h>
#include <string.h>

static struct fake_broker first;
static struct fake_broker second;
static struct flow flow;
static struct loop loop;
static struct topic_lists lists;
static struct admin_line heard;
static uint32_t times;

static int setup(void **state)
{
    (void)state;
    hulse_fake_init(&first);
    hulse_fake_init(&second);
    first.base.name = "first";
    second.base.name = "second";
    flow = (struct flow){.brokers = {&first.base, &second.base}, .broker_count = 2};
    assert_true(hulse_loop_init(&loop, 16));
    hulse_topic_lists_init(&lists, &loop, &flow);
    heard = (struct admin_line){0};
    times = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hulse_admin_line_fini(&heard);
    hulse_topic_lists_fini(&lists);
    assert_int_equal(hulse_timer_next(&loop.timers), HULSE_TIMER_NEVER);
    hulse_loop_fini(&loop);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    return 0;
}

/* The line is not terminated. */
static bool was_heard(const char *part)
{
    return memmem(heard.data, heard.bytes, part, strlen(part)) != NULL;
}

static void done(void *ctx, const struct admin_line *line)
{
    assert_ptr_equal(ctx, &heard);
    hulse_admin_line_fini(&heard);
    heard = *line;
    times += 1;
}

static struct topic_list *start(const char *namespace_name)
{
    hulse_admin_line_fini(&heard);
    return hulse_topic_list_start(&lists, namespace_name, done, &heard, &heard);
}

static void tell(struct fake_broker *f, const char *names, uint32_t count)
{
    f->admin->names = names;
    f->admin->name_count = count;
    hulse_fake_request_done(&f->admin->request, HULSE_OK);
}

static void assert_heard(const char *answer)
{
    json_t *object = json_loadb(heard.data, heard.bytes, 0, NULL);
    char *text = json_dumps(json_object_get(object, "result"), JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, answer);
    void (*give)(void *) = NULL;
    json_get_alloc_funcs(NULL, &give);
    give(text);
    json_decref(object);
}

static void test_all_brokers_are_asked(void **state)
{
    (void)state;
    assert_non_null(start("t/n"));
    assert_int_equal(first.admin->command, BROKER_ADMIN_TOPICS);
    assert_string_equal(first.admin->namespace_name, "t/n");
    assert_null(second.admin);
    tell(&first, "c\0a", 2);
    assert_int_equal(times, 0);
    tell(&second, "b\0a", 2);
    assert_int_equal(times, 1);
    assert_heard("{\"topics\":[\"a\",\"b\",\"c\"],\"unlisted\":[]}");
}

static void test_who_does_not_tell_is_named(void **state)
{
    (void)state;
    assert_non_null(start(""));
    hulse_fake_request_done(&first.admin->request, HULSE_DENIED);
    tell(&second, "b", 1);
    assert_heard(
        "{\"topics\":[\"b\"],\"unlisted\":[{\"broker\":\"first\",\"type\":\"fake\",\"why\":"
        "\"text of the fake\"}]}");
}

static void test_refused_at_once(void **state)
{
    (void)state;
    first.refuse_call = HULSE_UNSUPPORTED;
    second.refuse_call = HULSE_LIMIT;
    assert_null(start(""));
    assert_int_equal(times, 0);
    json_t *object = json_loadb(heard.data, heard.bytes, 0, NULL);
    const json_t *result = json_object_get(object, "result");
    assert_int_equal(json_array_size(json_object_get(result, "unlisted")), 2);
    json_decref(object);
}

/* The time of the loop is moved on. */
static void wait_in_vain(void)
{
    const uint64_t until_ms = hulse_loop_now_ms(&loop) + HULSE_TOPIC_LIST_TIMEOUT_MS;
    (void)hulse_timer_advance(&loop.timers, until_ms + 1);
}

static void test_a_late_answer(void **state)
{
    (void)state;
    assert_non_null(start(""));
    tell(&first, "a", 1);
    wait_in_vain();
    assert_int_equal(times, 1);
    assert_heard(
        "{\"topics\":[\"a\"],\"unlisted\":[{\"broker\":\"second\",\"type\":\"fake\",\"why\":"
        "\"it has not answered in time\"}]}");
    assert_int_equal(lists.open_count, 1);
    tell(&second, "b", 1);
    assert_int_equal(times, 1);
    assert_int_equal(lists.open_count, 0);
}

static void test_nobody_waits_any_more(void **state)
{
    (void)state;
    struct topic_list *l = start("");
    hulse_topic_list_forget(&l);
    assert_null(l);
    tell(&first, "a", 1);
    assert_null(second.admin);
    assert_int_equal(times, 0);
    assert_int_equal(lists.open_count, 0);
}

static void test_those_that_wait_are_bounded(void **state)
{
    static struct broker_admin *waiting[HULSE_TOPIC_LISTS_MAX];
    (void)state;
    for (unsigned i = 0; i < HULSE_TOPIC_LISTS_MAX; i++) {
        struct topic_list *l = start("");
        assert_non_null(l);
        waiting[i] = first.admin;
        hulse_topic_list_forget(&l);
    }
    assert_null(start(""));
    assert_true(was_heard("HULSE_NO_MEMORY"));
    for (unsigned i = 0; i < HULSE_TOPIC_LISTS_MAX; i++) {
        hulse_fake_request_done(&waiting[i]->request, HULSE_OK);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_all_brokers_are_asked),
        CASE(test_who_does_not_tell_is_named),
        CASE(test_refused_at_once),
        CASE(test_a_late_answer),
        CASE(test_nobody_waits_any_more),
        CASE(test_those_that_wait_are_bounded),
    };

    hulse_mem_init((size_t)16 << 20U);
    hulse_admin_memory_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
