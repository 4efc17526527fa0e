/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/store/random_frames.h"

#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { NAMES = 6, SUB_NAMES = 3, POSITIONS = NAIVE_POSITIONS - 64 };

static const char *const names[NAMES] = {"t0", "t1", "t2", "t3", "t4", "t5"};
static const char *const sub_names[SUB_NAMES] = {"s0", "s1", "s2"};

void hulse_random_frames_init(struct random_frames *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->random = seed;
    r->next_topic = 1;
    r->next_sub = 1;
    r->lsn = (uint64_t)RANDOM_SEGMENT_BYTES * 3;
    r->naive.segment_bytes = RANDOM_SEGMENT_BYTES;
    r->made = calloc(RANDOM_FRAMES_MAX, sizeof(*r->made));
    assert_non_null(r->made);
}

void hulse_random_frames_fini(struct random_frames *r)
{
    free(r->made);
    r->made = NULL;
}

static uint64_t below(struct random_frames *r, uint64_t n)
{
    return test_below(&r->random, n);
}

/* One that lives as a rule; now and then one that is gone. */
static uint64_t some_topic(struct random_frames *r)
{
    for (unsigned try = 0; try < 30; try++) {
        const uint64_t id = 1 + below(r, r->next_topic - 1);
        if ((r->naive.topics[id].alive || below(r, 40) == 0)) {
            return id;
        }
    }
    return 1;
}

static uint64_t some_sub(struct random_frames *r, uint64_t topic)
{
    for (unsigned try = 0; try < 60; try++) {
        const uint64_t id = 1 + below(r, r->next_sub);
        const struct naive_sub *sub = &r->naive.subs[id % NAIVE_SUBS];
        if (id < NAIVE_SUBS && sub->topic == topic && (sub->alive || below(r, 40) == 0)) {
            return id;
        }
    }
    return 0;
}

static bool create_topic(struct random_frames *r, struct store_request *rq)
{
    const char *name = names[below(r, NAMES)];

    for (unsigned t = 0; t < NAIVE_TOPICS; t++) {
        if (r->naive.topics[t].alive && strcmp(r->naive.topics[t].name, name) == 0) {
            return false;
        }
    }
    rq->kind = STORE_TOPIC_CREATE;
    rq->topic = r->next_topic++;
    rq->name = name;
    rq->kept = below(r, 2) == 0;
    return true;
}

static bool create_sub(struct random_frames *r, struct store_request *rq)
{
    const char *name = sub_names[below(r, SUB_NAMES)];

    for (unsigned i = 0; i < NAIVE_SUBS; i++) {
        const struct naive_sub *sub = &r->naive.subs[i];
        if (sub->alive && sub->topic == rq->topic && strcmp(sub->name, name) == 0) {
            return false;
        }
    }
    rq->kind = STORE_SUBSCRIPTION_CREATE;
    rq->subscription = r->next_sub++;
    rq->name = name;
    rq->position = below(r, r->naive.topics[rq->topic].next + 3);
    return true;
}

static void message(struct random_frames *r, struct store_request *rq)
{
    const struct naive_topic *t = &r->naive.topics[rq->topic];

    rq->kind = STORE_MESSAGE;
    rq->position = t->next + (below(r, 8) == 0 ? below(r, 3) : 0);
    if (t->next > 0 && below(r, 30) == 0) {
        rq->position = below(r, t->next);
    }
    rq->handle[0] = (uint8_t)below(r, 4);
    rq->seq = below(r, 1000);
    rq->time_ms = below(r, 1000);
}

/* About one subscription; false: there is none. */
static bool about_sub(struct random_frames *r,
                      struct store_request *rq,
                      struct ranges *ranges,
                      struct store_count *counts)
{
    const uint64_t next = r->naive.topics[rq->topic].next + 1;
    const uint64_t what = below(r, 20);

    rq->subscription = some_sub(r, rq->topic);
    if (rq->subscription == 0) {
        return false;
    }
    if (what < 12) {
        rq->kind = STORE_ACK;
        for (uint64_t i = below(r, 4); i > 0; i--) {
            const uint64_t first = below(r, next);
            assert_true(hulse_ranges_add(ranges, first, first + below(r, 12)));
        }
        if (below(r, 3) == 0) {
            assert_true(hulse_ranges_add(ranges, 0, below(r, next)));
        }
        rq->ranges = ranges;
    } else if (what < 17) {
        rq->kind = STORE_REDELIVERED;
        rq->count = (uint32_t)below(r, 4);
        for (uint32_t i = 0; i < rq->count; i++) {
            counts[i] = (struct store_count){.position = below(r, next),
                                             .count = 1 + (uint32_t)below(r, 9)};
        }
        rq->counts = counts;
    } else if (what < 19) {
        rq->kind = STORE_SUBSCRIPTION_SEEK;
        rq->position = below(r, next + 2);
    } else {
        rq->kind = STORE_SUBSCRIPTION_DELETE;
    }
    return true;
}

static bool about_topic(struct random_frames *r, struct store_request *rq)
{
    switch (below(r, 24)) {
    case 0:
        rq->kind = STORE_TOPIC_DELETE;
        return true;
    case 1:
    case 2:
        rq->kind = STORE_TOPIC_TERMINATE;
        return true;
    case 3:
    case 4:
    case 5:
    case 6:
        rq->kind = STORE_TOPIC_TRIM;
        rq->position = below(r, r->naive.topics[rq->topic].next + 1);
        return true;
    case 7:
    case 8:
    case 9:
        rq->kind = STORE_HANDLE_CLOSE;
        rq->handle[0] = (uint8_t)(1 + below(r, 3));
        return true;
    default:
        return create_sub(r, rq);
    }
}

struct made_frame *hulse_random_frames_step(struct random_frames *r)
{
    struct ranges ranges = {0};
    struct store_count counts[4];

    while (r->count < RANDOM_FRAMES_MAX && r->next_topic < NAIVE_TOPICS - 1 &&
           r->next_sub < NAIVE_SUBS - 1) {
        const bool first = r->next_topic == 1;
        struct store_request rq = {.topic = first ? 0 : some_topic(r)};
        const uint64_t what = first ? 0 : below(r, 100);
        bool made = true;
        if (r->naive.topics[rq.topic].next > POSITIONS) {
            return NULL;
        }
        if (what < 3) {
            made = create_topic(r, &rq);
        } else if (what < 60) {
            message(r, &rq);
        } else if (what < 93) {
            made = about_sub(r, &rq, &ranges, counts);
        } else {
            made = about_topic(r, &rq);
        }
        if (made) {
            struct made_frame *out = &r->made[r->count++];
            r->lsn += 80 + below(r, below(r, 10) == 0 ? 2U << 20 : 4000);
            hulse_made_frame(out, &rq, r->lsn);
            hulse_naive_apply(&r->naive, &rq, r->lsn);
            hulse_ranges_clear(&ranges);
            return out;
        }
    }
    return NULL;
}
