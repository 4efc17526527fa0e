/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/store/naive_state.h"

#include "tests/unit/daemon/core/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void at_least(uint64_t *value, uint64_t to)
{
    *value = *value > to ? *value : to;
}

static struct naive_handle *handle_of(struct naive_state *n, const struct store_request *rq)
{
    struct naive_handle *empty = NULL;

    for (unsigned i = 0; i < NAIVE_HANDLES; i++) {
        struct naive_handle *h = &n->handles[i];
        if (h->alive && h->topic == rq->topic && h->first == rq->handle[0]) {
            return h;
        }
        empty = !h->alive ? h : empty;
    }
    assert_non_null(empty);
    *empty = (struct naive_handle){.topic = rq->topic, .first = rq->handle[0]};
    return empty;
}

static void apply_message(struct naive_state *n, const struct store_request *rq, uint64_t lsn)
{
    struct naive_topic *t = &n->topics[rq->topic];

    if (rq->handle[0] != 0) {
        struct naive_handle *h = handle_of(n, rq);
        h->alive = true;
        at_least(&h->seq, rq->seq);
        at_least(&h->seen, rq->time_ms);
    }
    if (rq->position >= t->end) {
        t->lsn[rq->position] = lsn;
        t->end = rq->position + 1;
        at_least(&t->next, t->end);
    }
}

static void apply_create(struct naive_state *n, const struct store_request *rq)
{
    struct naive_sub *sub = &n->subs[rq->subscription];

    *sub = (struct naive_sub){.alive = true, .topic = rq->topic};
    (void)snprintf(sub->name, sizeof(sub->name), "%s", rq->name);
    for (uint64_t p = 0; p < rq->position; p++) {
        sub->acked[p] = true;
    }
    at_least(&n->topics[rq->topic].next, rq->position);
}

static void apply_to_sub(struct naive_state *n, const struct store_request *rq)
{
    struct naive_sub *sub = &n->subs[rq->subscription];
    struct naive_topic *t = &n->topics[rq->topic];

    if (!sub->alive || sub->topic != rq->topic) {
        return;
    }
    if (rq->kind == STORE_SUBSCRIPTION_DELETE) {
        sub->alive = false;
    } else if (rq->kind == STORE_SUBSCRIPTION_SEEK) {
        memset(sub->acked, 0, sizeof(sub->acked));
        memset(sub->counts, 0, sizeof(sub->counts));
        memset(sub->acked, 1, rq->position);
        at_least(&t->next, rq->position);
    } else if (rq->kind == STORE_ACK) {
        for (uint32_t i = 0; i < rq->ranges->count; i++) {
            for (uint64_t p = rq->ranges->list[i].first; p < rq->ranges->list[i].end; p++) {
                sub->acked[p] = true;
                sub->counts[p] = 0;
            }
            at_least(&t->next, rq->ranges->list[i].end);
        }
    } else {
        for (uint32_t i = 0; i < rq->count; i++) {
            const uint64_t p = rq->counts[i].position;
            sub->counts[p] = sub->acked[p] ? 0 : rq->counts[i].count;
        }
    }
}

static void delete_topic(struct naive_state *n, uint64_t topic)
{
    n->topics[topic].alive = false;
    for (unsigned i = 0; i < NAIVE_SUBS; i++) {
        n->subs[i].alive = n->subs[i].alive && n->subs[i].topic != topic;
    }
    for (unsigned i = 0; i < NAIVE_HANDLES; i++) {
        n->handles[i].alive = n->handles[i].alive && n->handles[i].topic != topic;
    }
}

void hulse_naive_apply(struct naive_state *n, const struct store_request *rq, uint64_t lsn)
{
    struct naive_topic *t = &n->topics[rq->topic];

    if (rq->kind == STORE_TOPIC_CREATE) {
        *t = (struct naive_topic){.alive = true, .kept = rq->kept};
        (void)snprintf(t->name, sizeof(t->name), "%s", rq->name);
        return;
    }
    if (!t->alive) {
        return;
    }
    switch (rq->kind) {
    case STORE_MESSAGE:
        apply_message(n, rq, lsn);
        break;
    case STORE_SUBSCRIPTION_CREATE:
        apply_create(n, rq);
        break;
    case STORE_TOPIC_DELETE:
        delete_topic(n, rq->topic);
        break;
    case STORE_TOPIC_TERMINATE:
        t->terminated = true;
        break;
    case STORE_TOPIC_TRIM:
        at_least(&t->trim, rq->position);
        at_least(&t->next, rq->position);
        break;
    case STORE_HANDLE_CLOSE:
        handle_of(n, rq)->alive = false;
        break;
    default:
        apply_to_sub(n, rq);
    }
}

void hulse_naive_forget(struct naive_state *n, uint64_t segment)
{
    for (unsigned t = 0; t < NAIVE_TOPICS; t++) {
        for (unsigned p = 0; p < NAIVE_POSITIONS; p++) {
            if (n->topics[t].lsn[p] / n->segment_bytes == segment) {
                n->topics[t].lsn[p] = 0;
            }
        }
    }
}

static bool topic_needs(const struct naive_state *n, unsigned topic, uint64_t segment)
{
    const struct naive_topic *t = &n->topics[topic];
    unsigned first = NAIVE_POSITIONS;
    unsigned last = 0;
    bool subscribed = false;
    uint64_t newest = 0;

    for (unsigned p = 0; p < NAIVE_POSITIONS; p++) {
        if (t->lsn[p] != 0 && t->lsn[p] / n->segment_bytes == segment) {
            first = first < p ? first : p;
            last = p;
        }
        newest = t->lsn[p] != 0 ? t->lsn[p] / n->segment_bytes : newest;
    }
    if (first == NAIVE_POSITIONS || last < t->trim) {
        return false;
    }
    for (unsigned i = 0; i < NAIVE_SUBS; i++) {
        const struct naive_sub *sub = &n->subs[i];
        subscribed = subscribed || (sub->alive && sub->topic == topic);
        for (unsigned p = first; sub->alive && sub->topic == topic && p <= last; p++) {
            if (p >= t->trim && !sub->acked[p]) {
                return true;
            }
        }
    }
    return !subscribed && newest == segment;
}

bool hulse_naive_needs(const struct naive_state *n, uint64_t segment)
{
    for (unsigned t = 0; t < NAIVE_TOPICS; t++) {
        if (n->topics[t].alive && topic_needs(n, t, segment)) {
            return true;
        }
    }
    return false;
}

uint64_t hulse_naive_find(const struct naive_state *n, uint64_t topic, uint64_t position)
{
    const struct naive_topic *t = &n->topics[topic];

    for (uint64_t p = position; t->alive && p < NAIVE_POSITIONS; p++) {
        if (t->lsn[p] != 0) {
            return t->lsn[p];
        }
    }
    return 0;
}

static void say_sub(FILE *to, const struct naive_sub *sub, unsigned id)
{
    (void)fprintf(to, "  sub %u %s acked", id, sub->name);
    for (unsigned p = 0; p < NAIVE_POSITIONS; p++) {
        unsigned end = p;
        while (end < NAIVE_POSITIONS && sub->acked[end]) {
            end++;
        }
        if (end > p) {
            (void)fprintf(to, " %u-%u", p, end);
            p = end;
        }
    }
    for (unsigned p = 0; p < NAIVE_POSITIONS; p++) {
        if (sub->counts[p] != 0) {
            (void)fprintf(to, " again %ux%" PRIu32, p, sub->counts[p]);
        }
    }
    (void)fprintf(to, "\n");
}

static void say_handles(FILE *to, const struct naive_state *n, unsigned topic)
{
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned i = 0; i < NAIVE_HANDLES; i++) {
            const struct naive_handle *h = &n->handles[i];
            if (h->alive && h->topic == topic && h->first == first) {
                (void)fprintf(
                    to, "  handle %02x seq %" PRIu64 " seen %" PRIu64 "\n", first, h->seq, h->seen);
            }
        }
    }
}

static uint64_t first_position(const struct naive_topic *t)
{
    for (unsigned p = 0; p < NAIVE_POSITIONS; p++) {
        if (t->lsn[p] != 0) {
            return p > t->trim ? p : t->trim;
        }
    }
    return t->end > t->trim ? t->end : t->trim;
}

const char *hulse_naive_words(const struct naive_state *n)
{
    static char text[1 << 20];
    FILE *to = fmemopen(text, sizeof(text), "w");

    assert_non_null(to);
    text[0] = '\0';
    for (unsigned t = 1; t < NAIVE_TOPICS; t++) {
        const struct naive_topic *topic = &n->topics[t];
        if (!topic->alive) {
            continue;
        }
        (void)fprintf(to,
                      "topic %u %s%s%s first %" PRIu64 " next %" PRIu64 "\n",
                      t,
                      topic->name,
                      topic->kept ? " kept" : "",
                      topic->terminated ? " terminated" : "",
                      first_position(topic),
                      topic->next);
        for (unsigned i = 0; i < NAIVE_SUBS; i++) {
            if (n->subs[i].alive && n->subs[i].topic == t) {
                say_sub(to, &n->subs[i], i);
            }
        }
        say_handles(to, n, t);
    }
    (void)fclose(to);
    return text;
}
