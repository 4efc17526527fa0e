/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=asan not=tsan */
/*
 * Goal:   after an open call has returned nothing is allocated.
 * Method: the allocator's entry points are replaced by counting ones; every call but opens and
 *         closes is made, the paths that wait, fail and reassemble included.
 */
#include "tests/unit/shmlib/client/check.h"

#include <stdlib.h>

static _Thread_local unsigned allocations;
static unsigned baseline;

/* The names are glibc's: its own allocator, kept for replacements like these. */
/* NOLINTBEGIN(readability-identifier-naming,readability-inconsistent-declaration-parameter-name,cert-*,bugprone-reserved-identifier) */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

void *malloc(size_t bytes)
{
    allocations += 1;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations += 1;
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    allocations += 1;
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    allocations += 1;
    return __libc_memalign(align, bytes);
}
/* NOLINTEND(readability-identifier-naming,readability-inconsistent-declaration-parameter-name,cert-*,bugprone-reserved-identifier) */

static void judge(bool result, int line)
{
    (void)result;
    if (allocations != baseline) {
        fail_msg("the call in line %d allocates", line);
    }
}

/* Whatever the call returned; opens in between set the baseline anew. */
#define NONE_IN(call) judge((call) == 0, __LINE__)

static void test_the_counter_counts(void **state)
{
    const unsigned before = allocations;
    hulse_options *o = hulse_options_new();

    (void)state;
    assert_int_equal(allocations, before + 1);
    hulse_options_free(&o);
}

static void test_publishing_allocates_nothing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer_options *o = hulse_producer_options_new();
    static uint8_t large[50000];
    struct hulse_property property = {"n", 1, "v", 1};
    const struct hulse_meta m = {.size = sizeof(m),
                                 .key = "k",
                                 .key_bytes = 1,
                                 .properties = &property,
                                 .property_count = 1};
    struct hulse_item item = {.size = sizeof(item), .data = "x", .bytes = 1, .meta = &m};
    struct hulse_stats stats = {.size = sizeof(stats)};
    size_t accepted = 0;
    void *at = NULL;

    assert_int_equal(hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL), HULSE_OK);
    hulse_producer *p = open_producer(pair, o, &ch);
    hulse_producer_options_free(&o);
    hulse_fake_channel_arm(ch);
    baseline = allocations;
    NONE_IN(hulse_claim(p, 8, &at));
    NONE_IN(hulse_commit(p, 8, &m, 1));
    NONE_IN(hulse_flush(p));
    NONE_IN(hulse_publish(p, "x", 1, &m, 1));
    NONE_IN(hulse_publish(p, large, sizeof(large), &m, 1));
    NONE_IN(hulse_publish(p, large, sizeof(large), &m, 1));
    NONE_IN(hulse_publish_wait(p, large, sizeof(large), &m, 1, 5));
    NONE_IN(hulse_publish_many(p, &item, 1, &accepted));
    NONE_IN(hulse_mt_publish(p, "x", 1, NULL, 1, 0));
    NONE_IN(hulse_wait_space(p, 30000, 5));
    NONE_IN(hulse_sync(p, 5, NULL));
    NONE_IN(hulse_producer_stats(p, &stats));
    NONE_IN(hulse_producer_error(p));
}

static void test_reading_receipts_allocates_nothing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    struct hulse_receipt receipts[4];
    unsigned count = 0;

    baseline = allocations;
    hulse_fake_channel_receipt(ch, 1, HULSE_OUTCOME_STORED, 1);
    hulse_fake_channel_post(pair->d, ch);
    NONE_IN(hulse_receipts(p, receipts, 4, &count));
    assert_int_equal(count, 1);
}

static void test_reassembling_allocates_nothing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_fragment_header f[2] = {{.count = 1, .total_len = 16}};
    const struct hulse_delivery_header h = {.type = HULSE_RECORD_FRAGMENT,
                                            .flags = HULSE_RECORD_FIRST | HULSE_RECORD_LAST,
                                            .payload_len = sizeof(f)};

    assert_int_equal(hulse_consumer_options_type(o, HULSE_READER), HULSE_OK);
    assert_int_equal(hulse_consumer_options_reassembly(o, 1000), HULSE_OK);
    hulse_consumer *reader = open_consumer(pair, o, &ch);
    hulse_consumer_options_free(&o);
    baseline = allocations;
    hulse_fake_channel_deliver(ch, &h, f, NULL);
    hulse_fake_channel_post(pair->d, ch);
    NONE_IN(hulse_next(reader, &m));
    assert_int_equal(m.data_bytes, 16);
    hulse_release(reader, &m);
    NONE_IN(hulse_consumer_flush(reader));
}

static void test_consuming_and_waiting_allocate_nothing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    const struct hulse_delivery_header h = {.type = HULSE_RECORD_MESSAGE};
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    const struct hulse_ctl_event source = {
        .event = HULSE_EVENT_SOURCE, .handle = ch->handle, .arg = 1};
    unsigned count = 0;

    baseline = allocations;
    hulse_fake_channel_deliver(ch, &h, NULL, NULL);
    hulse_fake_channel_post(pair->d, ch);
    NONE_IN(hulse_next_batch(c, &m, 1, 10, 10, &count));
    NONE_IN(hulse_ack(c, &m.id));
    hulse_release(c, &m);
    NONE_IN(hulse_next_wait(c, &m, 5));
    NONE_IN(hulse_consumer_sync(c, 5));
    hulse_fake_event(pair->d, &source, "another");
    NONE_IN(hulse_poll(pair->s, 0));
    NONE_IN(hulse_arm(pair->s, 0));
    NONE_IN(hulse_wait(pair->s, 0, 5));
}

static void test_failures_allocate_nothing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    const struct hulse_ctl_event failed = {
        .event = HULSE_EVENT_HANDLE_FAILED, .handle = ch->handle, .status = HULSE_DENIED};

    baseline = allocations;
    hulse_fake_event(pair->d, &failed, "denied");
    NONE_IN(hulse_wait(pair->s, 0, 5));
    NONE_IN(hulse_next(c, &m));
    hulse_fake_die(pair->d);
    NONE_IN(hulse_poll(pair->s, 0));
    NONE_IN(hulse_next_wait(c, &m, 5));
    NONE_IN(hulse_last_error(pair->s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_counter_counts),
        PAIR_TEST(test_publishing_allocates_nothing),
        PAIR_TEST(test_reading_receipts_allocates_nothing),
        PAIR_TEST(test_reassembling_allocates_nothing),
        PAIR_TEST(test_failures_allocate_nothing),
        PAIR_TEST(test_consuming_and_waiting_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
