/* SPDX-License-Identifier: Apache-2.0 */
/*
 * branch - see the header. In every event the whole producer may be closed; it stays while it is pinned.
 */
#include "daemon/broker/pulsar/producer/branch.h"

#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX_BYTES 32U

void hulse_pulsar_branch_count(struct pulsar_branch *b)
{
    struct pulsar_producer *p = b->of->producer;
    const uint64_t now = hulse_pulsar_branch_inner(b)->pending;

    p->pending += now - b->pending;
    b->pending = now;
}

/* ---- events of the inner producer ---- */

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct pulsar_branch *b = ctx;
    struct pulsar_partitions *parts = b->of;

    if (status != HULSE_OK) {
        b->inner = NULL;
        hulse_pulsar_partitions_refuse(parts, status, text);
        return;
    }
    if (limits->message_bytes_max < parts->message_bytes_max) {
        parts->message_bytes_max = limits->message_bytes_max;
    }
    parts->wire_bytes_max = hulse_pulsar_branch_inner(b)->sender->message_bytes_max;
    if (parts->opening > 0) {
        hulse_pulsar_partitions_opened(parts);
    }
}

/* Not at the bound's edge, as for one without partitions. */
static bool has_room_again(const struct pulsar_producer *p)
{
    return p->pending <= p->pending_bytes / 2 &&
           (p->pending_max == 0 || p->unanswered <= p->pending_max / 2);
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct pulsar_branch *b = ctx;
    struct pulsar_producer *p = b->of->producer;
    struct broker_answer whole = *answer;

    whole.id.partition = (uint16_t)b->index;
    p->unanswered -= 1;
    hulse_pulsar_branch_count(b);
    if (__builtin_expect(p->base.busy && has_room_again(p), 0)) {
        hulse_pulsar_handle_pin(p);
        hulse_pulsar_handle_feed(p);
        if (!hulse_pulsar_handle_unpin(p)) {
            return;
        }
    }
    p->base.events->answered(p->base.ctx, token, &whole);
}

/* The topic ends as a whole: who sends to the others hears it with the first. */
static void end_whole(struct pulsar_branch *b, hulse_status status, const char *text, bool fenced)
{
    struct pulsar_partitions *parts = b->of;
    struct pulsar_producer *p = parts->producer;

    if (parts->failure.class != BROKER_DONE) {
        return;
    }
    parts->failure = hulse_pulsar_branch_inner(b)->sender->failure;
    if (fenced) {
        p->base.events->fenced(p->base.ctx, text);
    } else {
        p->base.events->failed(p->base.ctx, status, text);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    end_whole(ctx, status, text, false);
}

static void fenced(void *ctx, const char *text)
{
    end_whole(ctx, HULSE_CLOSED, text, true);
}

static void flushed(void *ctx)
{
    const struct pulsar_branch *b = ctx;
    struct pulsar_producer *p = b->of->producer;

    b->of->flushing -= 1;
    if (b->of->flushing == 0) {
        p->flushing = false;
        p->base.events->flushed(p->base.ctx);
    }
}

/* There was no memory for a record of it. */
static void freed(void *ctx)
{
    const struct pulsar_branch *b = ctx;

    if (b->of->producer->base.busy) {
        hulse_pulsar_handle_feed(b->of->producer);
    }
}

/* A sender of Pulsar never suspends. */
static const struct broker_producer_events events = {.opened = opened,
                                                     .answered = answered,
                                                     .failed = failed,
                                                     .fenced = fenced,
                                                     .flushed = flushed,
                                                     .freed = freed};

/* ---- life ---- */

static struct pulsar_sender *sender_of(const struct pulsar_branch *b)
{
    return b == NULL || b->inner == NULL ? NULL
                                         : ((struct pulsar_producer *)(void *)b->inner)->sender;
}

/* What it takes before its broker has told the schema's version has that of the others. */
static void expect_version(struct pulsar_branch *b)
{
    const struct pulsar_partitions *parts = b->of;
    struct pulsar_sender *s = sender_of(b);

    for (uint32_t i = 0; s != NULL && s->version.bytes == 0 && i < parts->count; i++) {
        const struct pulsar_sender *other = sender_of(parts->branches[i]);
        if (other != NULL) {
            s->version = other->version;
        }
    }
}

/* The open; what it says has come through `opened`, or will. */
static hulse_status open_inner(struct pulsar_branch *b, bool lazily, struct error *err)
{
    struct pulsar_partitions *parts = b->of;
    const size_t bytes = strlen(parts->topic) + SUFFIX_BYTES;
    char *topic = hulse_mem_alloc(HULSE_MEM_TOPIC, bytes);

    if (topic == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a partition");
    }
    (void)snprintf(topic, bytes, "%s-partition-%" PRIu32, parts->topic, b->index);
    /* It belongs to a topic that is there: brokers remove one that nobody uses, and it comes back. */
    struct broker_producer_params params = {.topic = topic,
                                            .name = parts->name,
                                            .events = &events,
                                            .ctx = b,
                                            .create = true,
                                            .own = parts->own,
                                            .access = parts->access,
                                            .initial_subscription = parts->initial_subscription,
                                            .gathering = parts->gathering,
                                            .schema = parts->schema == NULL ? NULL
                                                                            : &parts->schema->told};
    params.gathering.pending_bytes = UINT64_MAX; /* bounds are the whole one's */
    params.gathering.pending_max = 0;
    const hulse_status st = hulse_pulsar_handle_open(
        parts->all, &params, lazily ? parts->wire_bytes_max : 0, &b->inner, err);
    hulse_mem_free(HULSE_MEM_TOPIC, topic, bytes);
    if (st == HULSE_OK && lazily && parts->schema != NULL) {
        expect_version(b);
    }
    return st;
}

bool hulse_pulsar_branch_open(struct pulsar_partitions *parts,
                              uint32_t index,
                              bool lazily,
                              struct error *err)
{
    struct pulsar_branch *b = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*b));

    if (b == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for a partition");
        return false;
    }
    b->of = parts;
    b->index = index;
    parts->branches[index] = b;
    if (open_inner(b, lazily, err) != HULSE_OK) {
        parts->branches[index] = NULL;
        hulse_pulsar_branch_destroy(&b);
        return false;
    }
    return true;
}

void hulse_pulsar_branch_close(struct pulsar_branch *b)
{
    if (b->inner != NULL) {
        hulse_pulsar_producer_close(b->inner, false);
        b->inner = NULL;
    }
}

void hulse_pulsar_branch_destroy(struct pulsar_branch **b)
{
    hulse_mem_free(HULSE_MEM_TOPIC, *b, sizeof(**b));
    *b = NULL;
}
