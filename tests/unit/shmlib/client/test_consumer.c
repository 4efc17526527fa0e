/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   deliveries are handed out in place and in order, and their space goes back only when the
 *         application holds nothing before it.
 * Method: deliveries, skips and fragments are written by hand; region A is read from the daemon's
 *         side.
 */
#include "shmlib/ring/tlv.h"
#include "tests/unit/shmlib/client/check.h"

#include <stddef.h>
#include <stdlib.h>

static const struct hulse_delivery_header plain = {
    .type = HULSE_RECORD_MESSAGE, .ledger = 5, .batch = -1, .publish_time = 1000};

static void deliver(struct pair *pair, struct fake_channel *ch, uint64_t ref, const char *text)
{
    struct hulse_delivery_header h = plain;

    h.ref = ref;
    h.entry = ref;
    h.payload_len = (uint32_t)strlen(text);
    hulse_fake_channel_deliver(ch, &h, text, NULL);
    hulse_fake_channel_post(pair->d, ch);
}

static hulse_consumer *open_reader(struct pair *pair, uint32_t reassembly, struct fake_channel **ch)
{
    hulse_consumer_options *o = hulse_consumer_options_new();

    assert_int_equal(hulse_consumer_options_type(o, HULSE_READER), HULSE_OK);
    assert_int_equal(hulse_consumer_options_reassembly(o, reassembly), HULSE_OK);
    hulse_consumer *c = open_consumer(pair, o, ch);
    hulse_consumer_options_free(&o);
    return c;
}

static void test_a_message_is_handed_out_in_place_with_all_it_says(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    uint8_t meta[100];
    size_t used = 0;
    const uint64_t event_time = 777;
    const struct hulse_tlv_pair pair_of = {"color", 5, "red", 3};
    const struct hulse_tlv elements[] = {
        {.tag = HULSE_TAG_KEY, .bytes = 3, .value = (const uint8_t *)"key"},
        {.tag = HULSE_TAG_EVENT_TIME, .bytes = 8, .value = (const uint8_t *)&event_time},
        {.tag = HULSE_TAG_PRODUCER, .bytes = 4, .value = (const uint8_t *)"prod"},
        {.tag = HULSE_TAG_TOMBSTONE, .bytes = 0, .value = NULL},
        {.tag = 99, .bytes = 2, .value = (const uint8_t *)"??"}, /* of a newer daemon */
    };
    struct hulse_delivery_header h = plain;
    struct hulse_property property;

    for (size_t i = 0; i < 5; i++) {
        assert_true(hulse_tlv_put(meta, sizeof(meta), &used, &elements[i]));
    }
    assert_true(hulse_tlv_put_property(meta, sizeof(meta), &used, &pair_of));
    h.flags = HULSE_RECORD_LAST_ATTEMPT | HULSE_RECORD_LEFT_OUT;
    h.ref = 11;
    h.partition = 3;
    h.batch = 2;
    h.batch_size = 9;
    h.redelivery = 4;
    h.payload_len = 5;
    h.meta_len = (uint16_t)used;
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
    hulse_fake_channel_deliver(ch, &h, "hello", meta);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(m.data_bytes, 5);
    assert_memory_equal(m.data, "hello", 5);
    assert_int_equal(m.id.ref, 11);
    assert_int_equal(m.id.ledger, 5);
    assert_int_equal(m.id.batch, 2);
    assert_int_equal(m.id.batch_size, 9);
    assert_int_equal(m.id.partition, 3);
    assert_int_equal(m.publish_time_ms, 1000);
    assert_int_equal(m.event_time_ms, 777);
    assert_int_equal(m.redelivery_count, 4);
    assert_int_equal(m.flags,
                     HULSE_MESSAGE_LAST_ATTEMPT | HULSE_MESSAGE_PROPERTIES_LEFT_OUT |
                         HULSE_MESSAGE_TOMBSTONE);
    assert_int_equal(m.key_bytes, 3);
    assert_memory_equal(m.key, "key", 3);
    assert_memory_equal(m.producer, "prod", 4);
    assert_string_equal(m.topic, "persistent://public/default/t");
    assert_int_equal(hulse_message_property(&m, 0, &property), HULSE_OK);
    assert_memory_equal(property.value, "red", 3);
    assert_int_equal(hulse_message_property(&m, 1, &property), HULSE_AGAIN);
    assert_int_equal(hulse_message_property(NULL, 1, &property), HULSE_INVAL);
    assert_int_equal(atomic_load(&fake_a(ch)->down_started), m.end);
}

static void test_arguments_are_checked(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = 3};
    unsigned count = 0;

    assert_int_equal(hulse_next(c, &m), HULSE_INVAL);
    assert_int_equal(hulse_next(c, NULL), HULSE_INVAL);
    assert_int_equal(hulse_next(NULL, &m), HULSE_INVAL);
    assert_int_equal(hulse_next_wait(NULL, &m, 0), HULSE_INVAL);
    assert_int_equal(hulse_next_batch(c, &m, 0, 1, 0, &count), HULSE_INVAL);
    assert_int_equal(hulse_consumer_flush(NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_sync(NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_consumer_stats(NULL, NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_close(NULL, 0), HULSE_INVAL);
    hulse_release(NULL, NULL);
    hulse_release(c, NULL);
}

static void test_space_goes_back_in_batches_and_up_to_the_released_message(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m[20];

    for (unsigned i = 0; i < 20; i++) {
        deliver(pair, ch, i, "8 bytes!");
        m[i].size = sizeof(m[i]);
        assert_int_equal(hulse_next(c, &m[i]), HULSE_OK);
    }
    for (unsigned i = 0; i < 15; i++) {
        hulse_release(c, &m[i]);
    }
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), 0);
    hulse_release(c, &m[15]);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), m[15].end);
    hulse_release(c, &m[18]); /* with all before it */
    hulse_release(c, &m[17]); /* already given back: nothing */
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), m[18].end);
    struct hulse_message never = m[19];
    never.end += 4096;
    hulse_release(c, &never); /* not handed out: nothing */
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), m[18].end);
    hulse_release(c, &m[19]);
    struct hulse_message next = {.size = sizeof(next)};
    assert_int_equal(hulse_next(c, &next), HULSE_AGAIN); /* an empty look sends what waits */
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), m[19].end);
}

static void test_skips_are_passed_over_and_given_back(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_delivery_header skip = {.type = HULSE_RECORD_SKIP, .payload_len = 100};
    static const uint8_t filler[100];
    struct hulse_message m = {.size = sizeof(m)};

    hulse_fake_channel_deliver(ch, &skip, filler, NULL);
    deliver(pair, ch, 1, "a");
    hulse_fake_channel_deliver(ch, &skip, filler, NULL);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(m.id.ref, 1);
    struct hulse_message none = {.size = sizeof(none)};
    assert_int_equal(hulse_next(c, &none), HULSE_AGAIN);
    assert_true(atomic_load(&fake_a(ch)->down_head) < m.end); /* m is held */
    hulse_release(c, &m);
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), ch->down.published);
}

static void fragment(struct pair *pair,
                     struct fake_channel *ch,
                     const uint8_t *data,
                     const struct hulse_fragment_header *f,
                     uint32_t part)
{
    static uint8_t payload[40000];
    static const uint8_t key[] = {HULSE_TAG_KEY, 0, 1, 0, 'k'};
    struct hulse_delivery_header h = plain;

    memcpy(payload, f, sizeof(*f));
    memcpy(payload + sizeof(*f), data, part);
    h.type = HULSE_RECORD_FRAGMENT;
    h.ref = 21;
    h.payload_len = (uint32_t)sizeof(*f) + part;
    h.flags = (uint8_t)((f->index == 0 ? HULSE_RECORD_FIRST : 0) |
                        (f->index + 1 == f->count ? HULSE_RECORD_LAST : 0));
    h.meta_len = f->index == 0 ? sizeof(key) : 0;
    hulse_fake_channel_deliver(ch, &h, payload, key);
    hulse_fake_channel_post(pair->d, ch);
}

static void
deliver_fragments(struct pair *pair, struct fake_channel *ch, const uint8_t *data, uint32_t bytes)
{
    const uint32_t part = 10000;
    const uint32_t count = (bytes + part - 1) / part;

    for (uint32_t i = 0; i < count; i++) {
        const struct hulse_fragment_header f = {.index = i, .count = count, .total_len = bytes};
        fragment(
            pair, ch, data + ((size_t)i * part), &f, i + 1 == count ? bytes - (i * part) : part);
    }
}

static void test_fragments_become_one_message_and_their_space_goes_back_at_once(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_reader(pair, 100000, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_message second = {.size = sizeof(second)};
    uint8_t *data = malloc(45000);

    for (size_t i = 0; i < 45000; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    deliver_fragments(pair, ch, data, 45000);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(m.data_bytes, 45000);
    assert_memory_equal(m.data, data, 45000);
    assert_int_equal(m.key_bytes, 1);
    assert_int_equal(m.id.ref, 21);
    /* The ring takes a second one although the first is held, but it is not handed out. */
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    deliver_fragments(pair, ch, data, 45000);
    assert_int_equal(hulse_next(c, &second), HULSE_AGAIN);
    assert_int_equal(hulse_next_wait(c, &second, WAIT_MS), HULSE_AGAIN);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK); /* and is no reason not to sleep */
    assert_memory_equal(m.data, data, 45000);
    hulse_release(c, &m);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_AGAIN);
    assert_int_equal(hulse_next(c, &second), HULSE_OK);
    assert_memory_equal(second.data, data, 45000);
    hulse_release(c, &second);
    free(data);
}

static void test_fragments_wait_for_messages_held_before_them(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_reader(pair, 100000, &ch);
    struct hulse_message held = {.size = sizeof(held)};
    struct hulse_message m = {.size = sizeof(m)};
    static uint8_t data[30000];

    deliver(pair, ch, 1, "held");
    deliver_fragments(pair, ch, data, sizeof(data));
    assert_int_equal(hulse_next(c, &held), HULSE_OK);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), 0);
    assert_memory_equal(held.data, "held", 4);
    hulse_release(c, &held);
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_true(atomic_load(&fake_a(ch)->down_head) >= held.end);
    hulse_release(c, &m);
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), ch->down.published);
}

/* Its place was needed elsewhere: what came of it is forgotten, the next one begins anew. */
static void test_a_fragmented_message_that_is_given_up_leaves_no_trace(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_reader(pair, 100000, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    uint8_t *data = malloc(20000);
    const struct hulse_fragment_header first = {.index = 0, .count = 3, .total_len = 30000};

    memset(data, 'd', 20000);
    fragment(pair, ch, data, &first, 10000);
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
    deliver_fragments(pair, ch, data, 20000); /* by the next one's first fragment */
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(m.data_bytes, 20000);
    assert_memory_equal(m.data, data, 20000);
    hulse_release(c, &m);
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    fragment(pair, ch, data, &first, 10000);
    deliver(pair, ch, 1, "plain"); /* by a plain message */
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_memory_equal(m.data, "plain", 5);
    const struct hulse_fragment_header stale = {.index = 1, .count = 3, .total_len = 30000};
    fragment(pair, ch, data, &stale, 10000);
    assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
    free(data);
}

static void test_a_batch_is_bounded_by_count_and_bytes(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m[8];
    unsigned count = 9;

    assert_int_equal(hulse_next_batch(c, m, 8, 1000, 10, &count), HULSE_TIMED_OUT);
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < 6; i++) {
        deliver(pair, ch, i, "0123456789");
    }
    assert_int_equal(hulse_next_batch(c, m, 2, 1000, 0, &count), HULSE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(hulse_next_batch(c, m, 8, 29, 0, &count), HULSE_OK);
    assert_int_equal(count, 2); /* a third one would exceed 29 bytes */
    assert_int_equal(hulse_next_batch(c, m, 8, 5, 0, &count), HULSE_OK);
    assert_int_equal(count, 1); /* one in any case */
    assert_int_equal(hulse_next_batch(c, m, 8, 1000, 0, &count), HULSE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(m[0].id.ref, 5);
}

struct deliverer {
    struct pair *pair;
    struct fake_channel *ch;
};

static void *deliver_later(void *arg)
{
    const struct deliverer *later = arg;
    const struct timespec pause = {.tv_nsec = 20000000};

    (void)nanosleep(&pause, NULL);
    deliver(later->pair, later->ch, 8, "later");
    return NULL;
}

static void test_a_wait_ends_with_the_message(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct deliverer later = {.pair = pair, .ch = ch};
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_stats stats = {.size = sizeof(stats)};
    pthread_t thread;

    assert_int_equal(hulse_next_wait(c, &m, 0), HULSE_TIMED_OUT);
    assert_int_equal(hulse_next_wait(c, &m, 10), HULSE_TIMED_OUT);
    assert_int_equal(pthread_create(&thread, NULL, deliver_later, &later), 0);
    assert_int_equal(hulse_next_wait(c, &m, HULSE_FOREVER), HULSE_OK);
    (void)pthread_join(thread, NULL);
    assert_memory_equal(m.data, "later", 5);
    assert_int_equal(hulse_consumer_stats(c, &stats), HULSE_OK);
    assert_int_equal(stats.client_rechecks, 0);
    assert_int_equal(stats.size, sizeof(stats));
    /* Of a program that was built before the last member was there. */
    stats.size = offsetof(struct hulse_stats, lost);
    stats.lost = 77;
    assert_int_equal(hulse_consumer_stats(c, &stats), HULSE_OK);
    assert_int_equal(stats.lost, 77);
    assert_int_equal(stats.size, offsetof(struct hulse_stats, lost));
    stats.size--;
    assert_int_equal(hulse_consumer_stats(c, &stats), HULSE_INVAL);
}

static void test_sources_have_the_names_that_were_announced(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_delivery_header h = plain;
    const struct hulse_ctl_event source = {
        .event = HULSE_EVENT_SOURCE, .handle = ch->handle, .arg = 7};

    h.source = 7;
    hulse_fake_event(pair->d, &source, "persistent://public/default/other");
    hulse_fake_channel_deliver(ch, &h, "", NULL);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_OK); /* reads its socket first */
    assert_string_equal(m.topic, "persistent://public/default/other");
    assert_int_equal(m.id.source, 7);
    h.source = 8;
    hulse_fake_channel_deliver(ch, &h, "", NULL);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
}

static void test_more_sources_than_there_is_room_for_fail_the_handle(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    const struct hulse_ctl_event source = {
        .event = HULSE_EVENT_SOURCE, .handle = ch->handle, .arg = 1000000};

    hulse_fake_event(pair->d, &source, "t");
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_next(c, &m), HULSE_LIMIT);
    assert_non_null(strstr(hulse_consumer_error(c), "more topics"));
}

static void test_the_request_says_what_the_options_say(void **state)
{
    struct pair *pair = *state;
    struct hulse_ctl_open_consumer ask;
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();

    assert_int_equal(hulse_consumer_options_type(o, HULSE_SHARED), HULSE_OK);
    assert_int_equal(hulse_consumer_options_start(o, HULSE_EARLIEST), HULSE_OK);
    assert_int_equal(hulse_consumer_options_name(o, "me"), HULSE_OK);
    assert_int_equal(hulse_consumer_options_unacked_max(o, 9), HULSE_OK);
    assert_int_equal(hulse_consumer_options_ring(o, 1024 * 1024), HULSE_OK);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "top", "sub", o), HULSE_OK);
    hulse_consumer_options_free(&o);
    const struct hulse_packet p = hulse_fake_last(pair->d, HULSE_CTL_OPEN_CONSUMER);
    memcpy(&ask, p.bytes, sizeof(ask));
    assert_int_equal(ask.type, HULSE_SHARED);
    assert_int_equal(ask.start, HULSE_EARLIEST);
    assert_int_equal(ask.unacked_max, 9);
    assert_memory_equal(p.bytes + sizeof(ask), "topsubme", 8);
    assert_int_equal(pair->d->channels[0].ask.kind, HULSE_CHANNEL_CONSUMER);
    assert_int_equal(pair->d->channels[0].b.ring_bytes, 1024 * 1024);
    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
    assert_null(c);
}

static uint32_t ring_for(struct pair *pair, uint32_t reassembly)
{
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_reader(pair, reassembly, &ch);
    const uint32_t bytes = ch->b.ring_bytes;

    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
    return bytes;
}

/* What comes in fragments wakes both sides with each half of the ring. */
static void test_who_expects_large_messages_has_a_larger_ring(void **state)
{
    struct pair *pair = *state;

    const uint32_t plain_ring = ring_for(pair, 100);
    assert_int_equal(ring_for(pair, 8 * plain_ring), plain_ring);
    assert_int_equal(ring_for(pair, 8 * plain_ring + 8), 2 * plain_ring);
    assert_int_equal(ring_for(pair, 200U << 20), 2U << 20);
    pair->d->quota = 1U << 20;
    assert_int_equal(ring_for(pair, 200U << 20), plain_ring);
    assert_int_equal(ring_for(pair, 8U << 20), 1U << 20);
}

/* In its place; a message behind it takes it back. */
static void test_the_end_of_a_topic(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_delivery_header skip = {.type = HULSE_RECORD_SKIP,
                                         .flags = HULSE_RECORD_END_OF_TOPIC};
    hulse_consumer *c = open_consumer(pair, NULL, &ch);

    deliver(pair, ch, 1, "one");
    hulse_fake_channel_deliver(ch, &skip, "", NULL);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(hulse_end_of_topic(c), HULSE_AGAIN);
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
    assert_int_equal(hulse_end_of_topic(c), HULSE_OK);
    skip.flags = 0;
    hulse_fake_channel_deliver(ch, &skip, "", NULL);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
    assert_int_equal(hulse_end_of_topic(c), HULSE_OK);
    deliver(pair, ch, 2, "two");
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(hulse_end_of_topic(c), HULSE_AGAIN);
    assert_int_equal(hulse_end_of_topic(NULL), HULSE_INVAL);
}

/* Where an end is known the message itself ends it, else the daemon's word, in its place. */
static void test_a_reader_knows_when_it_has_caught_up(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_delivery_header skip = {.type = HULSE_RECORD_SKIP,
                                         .flags = HULSE_RECORD_CAUGHT_UP};
    hulse_consumer *c = NULL;

    hulse_fake_features(pair->d, HULSE_FEATURE_READER, 0);
    pair->d->reader = (struct hulse_ctl_reader){.end_ledger = 5, .end_entry = 2, .end_batch = -1};
    for (unsigned end_known = 0; end_known < 2; end_known++) {
        pair->d->reader.flags = end_known != 0 ? HULSE_READER_END : 0;
        c = open_reader(pair, 0, &ch);
        deliver(pair, ch, 1, "one");
        assert_int_equal(hulse_reader_caught_up(c), HULSE_AGAIN);
        assert_int_equal(hulse_next(c, &m), HULSE_OK);
        assert_int_equal(hulse_reader_caught_up(c), HULSE_AGAIN);
        if (end_known == 0) {
            hulse_fake_channel_deliver(ch, &skip, "", NULL);
            deliver(pair, ch, 3, "three");
        } else {
            deliver(pair, ch, 2, "two");
        }
        assert_int_equal(hulse_reader_caught_up(c), HULSE_AGAIN); /* not handed out yet */
        assert_int_equal(hulse_next(c, &m), HULSE_OK);
        assert_int_equal(hulse_reader_caught_up(c), HULSE_OK);
        assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
        assert_int_equal(hulse_reader_caught_up(c), HULSE_OK);
        assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
    }
    assert_int_equal(hulse_reader_caught_up(NULL), HULSE_INVAL);
    c = open_consumer(pair, NULL, &ch);
    assert_int_equal(hulse_reader_caught_up(c), HULSE_INVAL);
    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
    hulse_fake_features(pair->d, 0, UINT64_MAX); /* an older one answers CONSUMER */
    c = open_reader(pair, 0, &ch);
    assert_int_equal(hulse_reader_caught_up(c), HULSE_UNSUPPORTED);
    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_a_message_is_handed_out_in_place_with_all_it_says),
        PAIR_TEST(test_arguments_are_checked),
        PAIR_TEST(test_space_goes_back_in_batches_and_up_to_the_released_message),
        PAIR_TEST(test_skips_are_passed_over_and_given_back),
        PAIR_TEST(test_fragments_become_one_message_and_their_space_goes_back_at_once),
        PAIR_TEST(test_fragments_wait_for_messages_held_before_them),
        PAIR_TEST(test_a_fragmented_message_that_is_given_up_leaves_no_trace),
        PAIR_TEST(test_a_batch_is_bounded_by_count_and_bytes),
        PAIR_TEST(test_a_wait_ends_with_the_message),
        PAIR_TEST(test_sources_have_the_names_that_were_announced),
        PAIR_TEST(test_more_sources_than_there_is_room_for_fail_the_handle),
        PAIR_TEST(test_the_end_of_a_topic),
        PAIR_TEST(test_a_reader_knows_when_it_has_caught_up),
        PAIR_TEST(test_the_request_says_what_the_options_say),
        PAIR_TEST(test_who_expects_large_messages_has_a_larger_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
