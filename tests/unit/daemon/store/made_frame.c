/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/store/made_frame.h"

#include "daemon/store/record.h"
#include "tests/unit/daemon/core/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOPICS_MAX = 4096 };

void hulse_made_frame(struct made_frame *out, const struct store_request *rq, uint64_t lsn)
{
    size_t bytes = 0;

    memset(out, 0, sizeof(*out));
    if (rq->kind != STORE_MESSAGE) {
        assert_true(hulse_record_bytes(rq, &bytes));
        assert_true(bytes <= MADE_BODY_BYTES);
        hulse_record_encode(rq, out->body);
    }
    out->f = (struct frame){.length = FRAME_HEADER_BYTES + (uint32_t)bytes,
                            .topic = rq->topic,
                            .position = rq->position,
                            .seq = rq->seq,
                            .time_ms = rq->time_ms,
                            .kind = (uint16_t)rq->kind};
    memcpy(out->f.handle, rq->handle, STORE_HANDLE_BYTES);
    out->lsn = lsn;
}

void hulse_made_epoch(struct made_frame *out,
                      uint32_t epoch,
                      uint64_t next_topic,
                      uint64_t next_sub)
{
    memset(out, 0, sizeof(*out));
    hulse_record_encode_epoch(next_topic, next_sub, out->body);
    out->f = (struct frame){
        .length = FRAME_HEADER_BYTES + RECORD_EPOCH_BYTES, .epoch = epoch, .kind = FRAME_EPOCH};
}

const struct frame *hulse_made_frame_at(struct made_frame *made)
{
    made->f.body = made->body;
    return &made->f;
}

struct words {
    char *topics[TOPICS_MAX];
    uint64_t ids[TOPICS_MAX];
    size_t count;
};

static int by_subscription_id(const void *a, const void *b)
{
    const struct store_subscription_info *one = a;
    const struct store_subscription_info *other = b;
    return one->id < other->id ? -1 : one->id > other->id ? 1 : 0;
}

static int by_handle(const void *a, const void *b)
{
    return memcmp(a, b, STORE_HANDLE_BYTES);
}

static void say_subscription(FILE *to, const struct store_subscription_info *sub)
{
    (void)fprintf(to, "  sub %" PRIu64 " %s acked", sub->id, sub->name);
    for (uint32_t i = 0; i < sub->acknowledged->count; i++) {
        (void)fprintf(to,
                      " %" PRIu64 "-%" PRIu64,
                      sub->acknowledged->list[i].first,
                      sub->acknowledged->list[i].end);
    }
    for (uint32_t i = 0; i < sub->redelivered_count; i++) {
        (void)fprintf(to,
                      " again %" PRIu64 "x%" PRIu32,
                      sub->redelivered[i].position,
                      sub->redelivered[i].count);
    }
    (void)fprintf(to, "\n");
}

static void say_lists(FILE *to, const struct store_topic_info *topic)
{
    const size_t subs_bytes = topic->subscription_count * sizeof(*topic->subscriptions);
    const size_t handles_bytes = topic->handle_count * sizeof(*topic->handles);
    struct store_subscription_info *subs = malloc(subs_bytes + 1);
    struct store_handle_info *handles = malloc(handles_bytes + 1);

    if (subs == NULL || handles == NULL) {
        abort();
    }
    if (topic->subscription_count > 0) {
        memcpy(subs, topic->subscriptions, subs_bytes);
        qsort(subs, topic->subscription_count, sizeof(*subs), by_subscription_id);
    }
    if (topic->handle_count > 0) {
        memcpy(handles, topic->handles, handles_bytes);
        qsort(handles, topic->handle_count, sizeof(*handles), by_handle);
    }
    for (uint32_t i = 0; i < topic->subscription_count; i++) {
        say_subscription(to, &subs[i]);
    }
    for (uint32_t i = 0; i < topic->handle_count; i++) {
        (void)fprintf(to,
                      "  handle %02x seq %" PRIu64 " seen %" PRIu64 "\n",
                      handles[i].handle[0],
                      handles[i].seq,
                      handles[i].seen_ms);
    }
    free(subs);
    free(handles);
}

static bool say_topic(void *ctx, const struct store_topic_info *topic)
{
    struct words *w = ctx;
    size_t bytes = 0;
    FILE *to = open_memstream(&w->topics[w->count], &bytes);

    assert_non_null(to);
    (void)fprintf(to,
                  "topic %" PRIu64 " %s%s%s first %" PRIu64 " next %" PRIu64 "\n",
                  topic->id,
                  topic->name,
                  topic->kept ? " kept" : "",
                  topic->terminated ? " terminated" : "",
                  topic->first_position,
                  topic->next_position);
    say_lists(to, topic);
    (void)fclose(to);
    w->ids[w->count++] = topic->id;
    assert_true(w->count < TOPICS_MAX);
    return true;
}

const char *hulse_state_words(const struct state *s)
{
    static char texts[2][DUMP_BYTES];
    static unsigned turn;
    static struct words w;
    char *text = texts[turn++ % 2];
    size_t at = 0;

    w.count = 0;
    text[0] = '\0';
    assert_true(hulse_state_each_topic(s, say_topic, &w));
    for (size_t i = 0; i < w.count; i++) {
        size_t next = 0;
        for (size_t k = 1; k < w.count; k++) {
            next = w.ids[k] < w.ids[next] ? k : next;
        }
        w.ids[next] = UINT64_MAX;
        const size_t bytes = strlen(w.topics[next]);
        assert_true(at + bytes < DUMP_BYTES);
        memcpy(text + at, w.topics[next], bytes + 1);
        at += bytes;
    }
    for (size_t i = 0; i < w.count; i++) {
        free(w.topics[i]);
    }
    return text;
}

void hulse_words_equal(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        const size_t a_bytes = strcspn(a, "\n");
        const size_t b_bytes = strcspn(b, "\n");
        if (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0) {
            fail_msg("\"%.*s\" is not \"%.*s\"", (int)a_bytes, a, (int)b_bytes, b);
        }
        a += a_bytes + (a[a_bytes] == '\n' ? 1 : 0);
        b += b_bytes + (b[b_bytes] == '\n' ? 1 : 0);
    }
}
