/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscriptions - one subscription goes elsewhere, passes over messages, is forgotten.
 *
 * A cluster goes to a time in all partitions by itself; to an id in the one that it is of; to either end it is sent in
 * each of them, one after the other.
 */
#include "daemon/broker/pulsar/admin/operations.h"
#include "daemon/table/topic_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TARGET_BYTES (HULSE_TOPIC_NAME_MAX + 32U)
#define NO_PARTITION UINT32_MAX
#define BODY_BYTES 160U

/* Of the topic, or of one of its partitions, up to what is done. */
static void write_path(struct admin_errand *e, uint32_t partition, const char *what)
{
    char target[TARGET_BYTES];

    if (partition == NO_PARTITION) {
        (void)snprintf(target, sizeof(target), "%s", e->admin->topic);
    } else {
        (void)snprintf(target, sizeof(target), "%s-partition-%" PRIu32, e->admin->topic, partition);
    }
    (void)hulse_admin_errand_path(e, NULL, target);
    hulse_rest_path_add(&e->call.path, "/subscription");
    hulse_rest_path_segment(&e->call.path, e->admin->subscription, strlen(e->admin->subscription));
    hulse_rest_path_add(&e->call.path, what);
}

/* ---- seek ---- */

/* A message's id as the REST API writes it; both ends of a topic have ids, too. */
static void print_id(const struct broker_position *to, char out[BODY_BYTES])
{
    int64_t ledger = -1;
    int64_t entry = -1;
    int32_t batch = -1;

    if (to->kind == BROKER_LATEST) {
        ledger = INT64_MAX;
        entry = INT64_MAX;
    } else if (to->kind != BROKER_EARLIEST) {
        ledger = (int64_t)to->id.ledger;
        entry = (int64_t)to->id.entry;
        batch = to->id.batch;
    }
    (void)snprintf(out,
                   BODY_BYTES,
                   "{\"ledgerId\":%" PRId64 ",\"entryId\":%" PRId64
                   ",\"partitionIndex\":-1,\"batchIndex\":%" PRId32 ",\"isExcluded\":%s}",
                   ledger,
                   entry,
                   batch,
                   to->kind == BROKER_AFTER_ID ? "true" : "false");
}

static void seek_in(struct admin_errand *e,
                    uint32_t partition,
                    void (*answered)(struct admin_errand *e, const struct rest_answer *a))
{
    char body[BODY_BYTES];

    print_id(&e->admin->position, body);
    write_path(e, partition, "/resetcursor");
    hulse_admin_errand_ask_on(e, HTTP_POST, body, answered);
}

static void seek_in_next(struct admin_errand *e, const struct rest_answer *a)
{
    (void)a;
    if (e->at == e->partitions) {
        hulse_admin_errand_end(e, HULSE_OK, "");
        return;
    }
    seek_in(e, e->at++, seek_in_next);
}

static void seek_time(struct admin_errand *e)
{
    char what[64];

    (void)snprintf(what, sizeof(what), "/resetcursor/%" PRIu64, e->admin->position.time_ms);
    write_path(e, NO_PARTITION, what);
    hulse_admin_errand_ask_last(e, HTTP_POST, NULL);
}

static void seek_id(struct admin_errand *e)
{
    const uint32_t partition = e->admin->position.id.partition;

    if (e->partitions == 0) {
        seek_in(e, NO_PARTITION, hulse_admin_errand_done);
    } else if (partition < e->partitions) {
        seek_in(e, partition, hulse_admin_errand_done);
    } else {
        hulse_admin_errand_end(e, HULSE_INVAL, "the topic has no such partition as the id says");
    }
}

static void seek(struct admin_errand *e)
{
    switch (e->admin->position.kind) {
    case BROKER_AT_PUBLISHED:
        seek_time(e);
        break;
    case BROKER_AT_ID:
    case BROKER_AFTER_ID:
        seek_id(e);
        break;
    case BROKER_LATEST:
    case BROKER_EARLIEST:
        if (e->partitions == 0) {
            seek_in(e, NO_PARTITION, hulse_admin_errand_done);
        } else {
            seek_in(e, e->at++, seek_in_next);
        }
        break;
    }
}

hulse_status hulse_admin_seek(struct admin_errand *e, struct error *err)
{
    return hulse_admin_errand_begin(e, e->admin->topic, seek, err);
}

/* ---- skip and unsubscribe ---- */

static void skip(struct admin_errand *e)
{
    char what[32];

    if (e->admin->count != 0 && e->partitions != 0) {
        hulse_admin_errand_end(
            e,
            HULSE_UNSUPPORTED,
            "a number of messages is passed over in one partition alone: name it, "
            "TOPIC-partition-N");
        return;
    }
    (void)snprintf(what, sizeof(what), "/skip/%" PRIu64, e->admin->count);
    write_path(e, NO_PARTITION, e->admin->count == 0 ? "/skip_all" : what);
    hulse_admin_errand_ask_last(e, HTTP_POST, NULL);
}

hulse_status hulse_admin_skip(struct admin_errand *e, struct error *err)
{
    return hulse_admin_errand_begin(e, e->admin->topic, skip, err);
}

static void unsubscribe(struct admin_errand *e)
{
    write_path(e, NO_PARTITION, e->admin->force ? "?force=true" : "?force=false");
    hulse_admin_errand_ask_last(e, HTTP_DELETE, NULL);
}

hulse_status hulse_admin_unsubscribe(struct admin_errand *e, struct error *err)
{
    return hulse_admin_errand_begin(e, e->admin->topic, unsubscribe, err);
}
