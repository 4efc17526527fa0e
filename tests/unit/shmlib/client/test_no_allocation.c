/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=asan not=tsan */
/*
 * Goal:   after an open call has returned nothing is allocated.
 * Method: the allocator's entry points are replaced by counting ones; every call but opens and
 *         closes is made, the paths that wait, fail and reassemble included.
 */
#include "tests/unit/shmlib/client/check.h"

#include <stdlib.h>

/* glibc's own allocator, under the names it keeps for replacements. */
extern void *__libc_malloc(size_t bytes);                 /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_calloc(size_t count, size_t bytes);   /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_realloc(void *old, size_t bytes);     /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_memalign(size_t align, size_t bytes); /* NOLINT(bugprone-reserved-identifier) */

static _Thread_local unsigned allocations;

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

/* Each fails the test by itself, so the call that allocates is named by its line. */
#define FREE_OF_ALLOCATION(expression)                                                             \
    do {                                                                                           \
        const unsigned before = allocations;                                                       \
        const bool zero = (expression) == 0;                                                       \
        const unsigned after = allocations;                                                        \
        (void)zero;                                                                                \
        assert_int_equal(after, before);                                                           \
    } while (0)

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
    struct hulse_receipt receipts[4];
    struct hulse_stats stats = {.size = sizeof(stats)};
    size_t accepted = 0;
    unsigned count = 0;
    void *at = NULL;

    assert_int_equal(hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL), HULSE_OK);
    hulse_producer *p = open_producer(pair, o, &ch);
    hulse_producer_options_free(&o);
    hulse_fake_channel_arm(ch);
    FREE_OF_ALLOCATION(hulse_claim(p, 8, &at));
    FREE_OF_ALLOCATION(hulse_commit(p, 8, &m, 1));
    FREE_OF_ALLOCATION(hulse_flush(p));
    FREE_OF_ALLOCATION(hulse_publish(p, "x", 1, &m, 1));
    FREE_OF_ALLOCATION(hulse_publish(p, large, sizeof(large), &m, 1));
    FREE_OF_ALLOCATION(hulse_publish(p, large, sizeof(large), &m, 1));
    FREE_OF_ALLOCATION(hulse_publish_wait(p, large, sizeof(large), &m, 1, 5));
    FREE_OF_ALLOCATION(hulse_publish_many(p, &item, 1, &accepted));
    FREE_OF_ALLOCATION(hulse_mt_publish(p, "x", 1, NULL, 1, 0));
    FREE_OF_ALLOCATION(hulse_wait_space(p, 30000, 5));
    FREE_OF_ALLOCATION(hulse_sync(p, 5, NULL));
    hulse_fake_channel_receipt(ch, 1, HULSE_OUTCOME_STORED, 1);
    hulse_fake_channel_post(pair->d, ch);
    FREE_OF_ALLOCATION(hulse_receipts(p, receipts, 4, &count));
    assert_int_equal(count, 1);
    FREE_OF_ALLOCATION(hulse_producer_stats(p, &stats));
    FREE_OF_ALLOCATION(hulse_producer_error(p));
}

static void test_consuming_and_waiting_allocate_nothing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_fragment_header f[2] = {{.count = 1, .total_len = 16}};
    struct hulse_delivery_header h = {.type = HULSE_RECORD_FRAGMENT,
                                      .flags = HULSE_RECORD_FIRST | HULSE_RECORD_LAST,
                                      .payload_len = sizeof(f)};
    unsigned count = 0;

    assert_int_equal(hulse_consumer_options_type(o, HULSE_READER), HULSE_OK);
    assert_int_equal(hulse_consumer_options_reassembly(o, 1000), HULSE_OK);
    hulse_consumer *reader = open_consumer(pair, o, &ch);
    hulse_consumer_options_free(&o);
    hulse_fake_channel_deliver(ch, &h, f, NULL);
    hulse_fake_channel_post(pair->d, ch);
    FREE_OF_ALLOCATION(hulse_next(reader, &m));
    assert_int_equal(m.data_bytes, 16);
    FREE_OF_ALLOCATION((hulse_release(reader, &m), 1));
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    const struct hulse_ctl_event source = {
        .event = HULSE_EVENT_SOURCE, .handle = ch->handle, .arg = 1};
    const struct hulse_ctl_event failed = {
        .event = HULSE_EVENT_HANDLE_FAILED, .handle = ch->handle, .status = HULSE_DENIED};
    h = (struct hulse_delivery_header){.type = HULSE_RECORD_MESSAGE};
    hulse_fake_channel_deliver(ch, &h, NULL, NULL);
    hulse_fake_channel_post(pair->d, ch);
    FREE_OF_ALLOCATION(hulse_next_batch(c, &m, 1, 10, 10, &count));
    FREE_OF_ALLOCATION(hulse_ack(c, &m.id));
    FREE_OF_ALLOCATION((hulse_release(c, &m), 1));
    FREE_OF_ALLOCATION(hulse_next_wait(c, &m, 5));
    FREE_OF_ALLOCATION(hulse_consumer_sync(c, 5));
    hulse_fake_event(pair->d, &source, "another");
    FREE_OF_ALLOCATION(hulse_poll(pair->s, 0));
    FREE_OF_ALLOCATION(hulse_arm(pair->s, 0));
    FREE_OF_ALLOCATION(hulse_wait(pair->s, 0, 5));
    hulse_fake_event(pair->d, &failed, "denied");
    FREE_OF_ALLOCATION(hulse_wait(pair->s, 0, 5));
    FREE_OF_ALLOCATION(hulse_last_error(pair->s));
    hulse_fake_die(pair->d);
    FREE_OF_ALLOCATION(hulse_poll(pair->s, 0));
    FREE_OF_ALLOCATION(hulse_next_wait(c, &m, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_counter_counts),
        PAIR_TEST(test_publishing_allocates_nothing),
        PAIR_TEST(test_consuming_and_waiting_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
