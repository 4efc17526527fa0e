/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a watch over the local broker's topics says that they cannot be listed, also the first time, and lists them as soon
 *         as they can be, without waiting for a topic that comes or goes.
 * Method: watches on the worker that is asked first and on another; the memory cap refuses the question, or its answer.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"

#include <string.h>

#define WORKERS 2U
#define NAMESPACE "public/default"

static struct bed bed;
static char topic[BED_NAME_BYTES];

static struct watcher {
    struct broker_topics *topics;
    uint32_t lists;
    uint32_t failures;
    uint32_t names; /* of the last list */
    hulse_status status;
    uint64_t refused; /* of memory, before it is asked for */
    size_t left;
} watcher;

static void listed(void *ctx, const struct broker_topic_names *all)
{
    struct watcher *w = ctx;
    w->lists += 1;
    w->names = all->count;
    assert_true(all->count == 0 || strcmp(all->names, topic) == 0);
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct watcher *w = ctx;
    w->failures += 1;
    w->status = status;
    assert_true(text[0] != '\0');
}

static const struct broker_topics_events events = {.listed = listed, .failed = failed};

/* From now on there are so many bytes for what its worker asks. */
static void starve(struct watcher *w)
{
    w->refused = hulse_mem_refused();
    hulse_mem_init(hulse_mem_total() + w->left);
}

static void watch_there(void *arg)
{
    struct watcher *w = arg;
    struct error err = {0};
    const struct broker_topics_params params = {.namespace_name = NAMESPACE,
                                                .pattern = NAMESPACE "/.*",
                                                .persistent = true,
                                                .non_persistent = true,
                                                .events = &events,
                                                .ctx = w};
    assert_int_equal(
        hulse_local_topics_watch(bed.broker, hulse_worker_self(), &params, &w->topics, &err),
        HULSE_OK);
    starve(w); /* it asks from its loop */
}

static void again_there(void *arg)
{
    struct watcher *w = arg;
    starve(w);
    hulse_local_topics_again(bed.broker, w->topics);
}

static void close_there(void *arg)
{
    struct watcher *w = arg;
    hulse_local_topics_close(bed.broker, w->topics);
}

static bool was_refused_twice(void *arg)
{
    const struct watcher *w = arg;
    return hulse_mem_refused() >= w->refused + 2;
}

static bool has_failed(void *arg)
{
    return ((const struct watcher *)arg)->failures > 0;
}

static bool has_listed(void *arg)
{
    return ((const struct watcher *)arg)->lists > 0;
}

/* `call` makes it ask, and `left` bytes are not enough for that. */
static void fail_and_recover(uint32_t worker, void (*call)(void *arg), size_t left)
{
    watcher.lists = 0;
    watcher.failures = 0;
    watcher.left = left;
    hulse_bed_on(&bed, worker, call, &watcher);
    hulse_bed_until(&bed, worker, has_failed, &watcher);
    hulse_bed_until(&bed, worker, was_refused_twice, &watcher);
    assert_int_equal(watcher.failures, 1); /* told once */
    assert_int_equal(watcher.status, HULSE_NO_MEMORY);
    assert_int_equal(watcher.lists, 0);
    hulse_mem_init(SIZE_MAX);
    hulse_bed_until(&bed, worker, has_listed, &watcher);
    assert_int_equal(watcher.names, 1);
    assert_int_equal(watcher.failures, 1);
}

static void fail_twice(uint32_t worker, size_t left)
{
    hulse_bed_start(&bed, WORKERS, NULL);
    hulse_bed_topic(&bed, 0, "watch", topic, sizeof(topic));
    assert_int_equal(hulse_bed_create(&bed, topic), HULSE_OK);
    watcher = (struct watcher){0};
    fail_and_recover(worker, watch_there, left);
    fail_and_recover(worker, again_there, left);
    hulse_bed_on(&bed, worker, close_there, &watcher);
    hulse_bed_stop(&bed);
}

static void test_a_question_that_finds_no_memory(void **state)
{
    (void)state;
    fail_twice(0, 0);
}

static void test_an_answer_that_finds_no_memory(void **state)
{
    (void)state;
    fail_twice(1, sizeof(struct ask));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_that_finds_no_memory),
        cmocka_unit_test(test_an_answer_that_finds_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
