/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_bed - see the header.
 */
#include "tests/unit/daemon/store/store_bed.h"

#include "daemon/core/assert.h"
#include "daemon/store/store_internal.h"
#include "tests/support/folder.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INBOX_MAX = 1024, RUN_BUDGET = 64, READ_MESSAGES = 1000, READ_BYTES = 1 << 20 };

void hulse_bed_init(struct bed *bed)
{
    /* On disk: where a sync costs nothing the writer is ahead of the reader, who prepares its files. */
    *bed = (struct bed){.path = "/tmp/hulse-store-XXXXXX"};
    assert_non_null(mkdtemp(bed->path));
    hulse_store_params_default(&bed->params);
    bed->params.directory = bed->path;
    bed->params.segment_bytes = BED_SEGMENT_BYTES;
    /* Nothing is committed before a test has as much as that. */
    bed->params.soon_bytes = (uint32_t)STORE_CHECKPOINT_BYTES;
    bed->params.size_max = UINT64_C(32) * BED_SEGMENT_BYTES;
    assert_true(hulse_inbox_init(&bed->inbox, INBOX_MAX));
}

void hulse_bed_fini(struct bed *bed)
{
    assert_null(bed->store);
    hulse_inbox_fini(&bed->inbox);
    (void)hulse_test_folder_remove(bed->path);
}

bool hulse_bed_try_open(struct bed *bed, struct error *err)
{
    memset(&bed->report, 0, sizeof(bed->report));
    bed->store = hulse_store_open(&bed->params, &bed->report, err);
    if (bed->store == NULL) {
        return false;
    }
    hulse_store_client_init(&bed->client, bed->store, &bed->inbox);
    return true;
}

void hulse_bed_wait_prepared(const struct bed *bed)
{
    struct store *s = bed->store;
    const struct timespec little = {.tv_nsec = 1000000};
    bool ready = false;

    while (!ready) {
        (void)pthread_mutex_lock(&s->lock);
        ready = s->space.next.fd >= 0;
        (void)pthread_mutex_unlock(&s->lock);
        if (!ready) {
            (void)nanosleep(&little, NULL);
        }
    }
}

void hulse_bed_start(struct bed *bed)
{
    struct error err = {0};

    const bool fresh = bed->store->writer.end.seg.raw;
    assert_int_equal(hulse_store_start(bed->store, &err), HULSE_OK);
    if (fresh) {
        hulse_bed_wait_prepared(bed);
    }
}

void hulse_bed_open(struct bed *bed, bool start)
{
    struct error err = {0};

    if (!hulse_bed_try_open(bed, &err)) {
        fail_msg("%s", err.text);
    }
    if (start) {
        hulse_bed_start(bed);
    }
}

void hulse_bed_stop(struct bed *bed)
{
    hulse_store_stop(bed->store);
    hulse_bed_wait(bed, bed->done + bed->client.under_way);
    hulse_store_client_fini(&bed->client);
    hulse_store_close(&bed->store);
}

void hulse_bed_crash(struct bed *bed)
{
    /* A store that has failed writes nothing more, also when it stops. */
    atomic_store_explicit(&bed->store->failed, 1, memory_order_relaxed);
    hulse_bed_stop(bed);
}

void hulse_bed_wait(struct bed *bed, uint64_t done)
{
    while (bed->done < done) {
        if (hulse_inbox_run(&bed->inbox, RUN_BUDGET) != 0) {
            continue;
        }
        if (!hulse_inbox_park(&bed->inbox)) {
            struct pollfd p = {.fd = bed->inbox.fd, .events = POLLIN};
            (void)poll(&p, 1, -1);
        }
        hulse_inbox_unpark(&bed->inbox);
    }
}

void hulse_bed_turn(struct bed *bed)
{
    const struct timespec little = {.tv_nsec = 1000000};

    if (hulse_inbox_run(&bed->inbox, RUN_BUDGET) == 0) {
        (void)nanosleep(&little, NULL);
    }
}

void hulse_bed_fill(uint8_t *body, size_t bytes, uint64_t topic, uint64_t position)
{
    uint64_t state = topic * UINT64_C(0x9E3779B97F4A7C15) + position + 1;

    for (size_t i = 0; i < bytes; i++) {
        if (i % 8 == 0) {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
        }
        body[i] = (uint8_t)(state >> (8 * (i % 8)));
    }
}

static void request_done(struct store_request *rq)
{
    struct bed_request *r = HULSE_CONTAINER(rq, struct bed_request, rq);

    assert_int_equal(r->order, 0);
    r->order = ++r->bed->done;
}

static void read_done(struct store_read *rd)
{
    struct bed *bed = HULSE_CONTAINER(rd->client, struct bed, client);

    bed->done++;
}

struct bed_request *hulse_bed_request_new(struct bed *bed, enum store_kind kind)
{
    struct bed_request *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->bed = bed;
    r->rq.kind = kind;
    r->rq.done = request_done;
    return r;
}

void hulse_bed_request_free(struct bed_request *r)
{
    free(r->body);
    free(r);
}

struct bed_request *
hulse_bed_message(struct bed *bed, uint64_t topic, uint64_t position, size_t bytes)
{
    struct bed_request *r = hulse_bed_request_new(bed, STORE_MESSAGE);

    r->body = malloc(bytes + 1);
    assert_non_null(r->body);
    hulse_bed_fill(r->body, bytes, topic, position);
    r->rq.topic = topic;
    r->rq.position = position;
    r->rq.seq = position;
    r->rq.time_ms = 1000 + position;
    memcpy(r->rq.handle, "0123456789abcdef", STORE_HANDLE_BYTES);
    /* In three parts, one of them empty. */
    r->rq.body[0] = (struct store_span){.data = r->body, .bytes = bytes / 3};
    r->rq.body[2] = (struct store_span){.data = r->body + bytes / 3, .bytes = bytes - bytes / 3};
    hulse_store_submit(&bed->client, &r->rq);
    return r;
}

hulse_status hulse_bed_finish(struct bed *bed, const struct bed_request *r)
{
    hulse_store_flush(&bed->client);
    while (r->order == 0) {
        hulse_bed_wait(bed, bed->done + 1);
    }
    return r->rq.status;
}

hulse_status hulse_bed_do(struct bed *bed, struct bed_request *r)
{
    hulse_store_submit(&bed->client, &r->rq);
    const hulse_status status = hulse_bed_finish(bed, r);
    hulse_bed_request_free(r);
    return status;
}

uint64_t hulse_bed_topic(struct bed *bed, const char *name)
{
    struct bed_request *r = hulse_bed_request_new(bed, STORE_TOPIC_CREATE);

    r->rq.name = name;
    hulse_store_submit(&bed->client, &r->rq);
    hulse_store_flush(&bed->client);
    hulse_bed_wait(bed, bed->done + 1);
    assert_int_equal(r->rq.status, HULSE_OK);
    const uint64_t topic = r->rq.topic;
    assert_int_not_equal(topic, 0);
    hulse_bed_request_free(r);
    return topic;
}

uint64_t
hulse_bed_subscription(struct bed *bed, uint64_t topic, const char *name, uint64_t position)
{
    struct bed_request *r = hulse_bed_request_new(bed, STORE_SUBSCRIPTION_CREATE);

    r->rq.topic = topic;
    r->rq.name = name;
    r->rq.position = position;
    hulse_store_submit(&bed->client, &r->rq);
    assert_int_equal(hulse_bed_finish(bed, r), HULSE_OK);
    const uint64_t subscription = r->rq.subscription;
    hulse_bed_request_free(r);
    return subscription;
}

void hulse_bed_publish(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end, size_t bytes)
{
    struct bed_request **all = calloc(end - from + 1, sizeof(struct bed_request *));

    assert_non_null(all);
    const uint64_t before = bed->done;
    for (uint64_t i = from; i < end; i++) {
        all[i - from] = hulse_bed_message(bed, topic, i, bytes);
        if (i % 64 == 0) {
            hulse_store_flush(&bed->client);
        }
    }
    hulse_store_flush(&bed->client);
    hulse_bed_wait(bed, before + end - from);
    for (uint64_t i = 0; i < end - from; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        assert_int_equal(all[i]->order, before + i + 1);
        hulse_bed_request_free(all[i]);
    }
    free(all);
}

hulse_status
hulse_bed_ack(struct bed *bed, uint64_t topic, uint64_t sub, uint64_t from, uint64_t end)
{
    struct bed_request *r = hulse_bed_request_new(bed, STORE_ACK);
    struct ranges ranges = {0};

    assert_true(hulse_ranges_add(&ranges, from, end));
    r->rq.topic = topic;
    r->rq.subscription = sub;
    r->rq.ranges = &ranges;
    const hulse_status status = hulse_bed_do(bed, r);
    hulse_ranges_clear(&ranges);
    return status;
}

void hulse_bed_read(
    struct bed *bed, struct store_read *rd, uint64_t topic, uint64_t from, uint64_t end)
{
    hulse_bed_read_on(bed, rd, topic, from, end, false);
}

void hulse_bed_read_on(struct bed *bed,
                       struct store_read *rd,
                       uint64_t topic,
                       uint64_t from,
                       uint64_t end,
                       bool give_up)
{
    const uint32_t under_way = bed->client.under_way;

    *rd = (struct store_read){.done = read_done,
                              .topic = topic,
                              .from = from,
                              .end = end,
                              .messages_max = READ_MESSAGES,
                              .bytes_max = READ_BYTES,
                              .give_up = give_up};
    hulse_store_read_submit(&bed->client, rd);
    while (bed->client.under_way > under_way) {
        hulse_bed_wait(bed, bed->done + 1);
    }
}

static void check_message(const struct store_message *m, uint64_t topic)
{
    uint8_t *expected = malloc(m->body_bytes + 1);

    assert_non_null(expected);
    hulse_bed_fill(expected, m->body_bytes, topic, m->position);
    if (memcmp(expected, m->body, m->body_bytes) != 0) {
        fail_msg("the body at position %llu is another one", (unsigned long long)m->position);
    }
    assert_int_equal(m->seq, m->position);
    assert_int_equal(m->time_ms, 1000 + m->position);
    assert_memory_equal(m->handle, "0123456789abcdef", STORE_HANDLE_BYTES);
    free(expected);
}

uint64_t hulse_bed_count(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end)
{
    uint64_t count = 0;

    while (from < end) {
        struct store_read rd;
        struct store_message m;
        size_t at = 0;
        uint64_t last = from;
        hulse_bed_read(bed, &rd, topic, from, end);
        assert_int_equal(rd.status, HULSE_OK);
        assert_true(rd.next > from && rd.next <= end);
        for (uint32_t i = 0; hulse_store_read_next(&rd, &at, &m); i++) {
            assert_true(m.position >= last && m.position < end);
            last = m.position + 1;
            check_message(&m, topic);
            count++;
        }
        from = rd.next;
        hulse_store_read_free(&rd);
    }
    return count;
}

void hulse_bed_file(const struct bed *bed, const char *name, char *out, size_t room)
{
    assert_true(snprintf(out, room, "%s/%s", bed->path, name) < (int)room);
}
