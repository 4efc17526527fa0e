/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_in - a consumer of a topic with partitions: one consumer on each of them, behind the object that the front end has.
 *
 *   fan_in     the partitions' consumers, their events, how it ends
 *   fan_out    what flow permits, in turns to those that have something
 *   fan_calls  verdicts to the partition that they are of
 *   fan_errand what it is asked for, of all of them
 *   fan_grow   partitions that the topic gets later
 *
 * A seek to an id is one of its partition, where the others give back what is out. A reader says where each partition begins,
 * and after the daemon's death it is told where it was in each. Of an application that knows one id only it goes on there, and
 * in the others from their beginning, so that it misses nothing.
 *
 * The object was opened as any other, and became this when its lookup had said that the topic has partitions: its table
 * of functions is another one from there on. A delivery knows the consumer that it is of, and its id the partition.
 *
 * Threads: the worker's.
 * Order:   as of a consumer: who makes an event holds the whole (hulse_pulsar_consumer_enter, _leave) and looks at `closed`
 *          afterwards; parts and fan_in are there until it is left.
 */
#ifndef HULSE_PULSAR_CONSUMER_FAN_IN_H
#define HULSE_PULSAR_CONSUMER_FAN_IN_H

#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/broker/pulsar/lookup/watch.h"
#include "daemon/core/call_order.h"

/* Of a topic that is consumed: each is a consumer on the wire. What a broker says beyond it is not believed. */
#define FAN_PARTITIONS_MAX 16384U
/* Of one partition, before the next one that has something has its turn. */
#define PULSAR_TURN_BYTES (32U << 10U)

/* One partition. */
struct part {
    struct fan_in *fan;
    struct pulsar_consumer
        *consumer; /* NULL: it could not be opened; the next growth tries again */
    TAILQ_ENTRY(part) ready_link;
    uint32_t index;
    struct call_credit credit;
    uint64_t used; /* messages since since_ms: is what may come ahead enough? */
    uint64_t since_ms;
    bool ready; /* has something to hand out, and waits for its turn */
    bool opened;
    bool late; /* not there when the whole was opened */
    bool active;
    bool ended; /* its topic is terminated, and all of it acknowledged */
};

TAILQ_HEAD(part_list, part);

/* What all of them were asked for. */
struct fan_errand {
    bool active;
    enum broker_errand kind;
    uint32_t left;       /* answers */
    hulse_status status; /* the first failure */
    char text[BROKER_TEXT_BYTES];
    bool has_id;
    struct broker_id id;
};

struct fan_in {
    struct broker_ops ops;
    struct pulsar_consumer *whole; /* what the front end has */
    struct part **parts;
    uint32_t count;
    uint32_t first_count; /* when it was opened */
    uint32_t wanted;      /* heard of since; there may have been no memory for them */
    uint32_t opened;      /* of them */
    uint32_t active;
    uint32_t caught_up;
    uint32_t ended;
    bool over;         /* `failed` was told, or it is closed */
    bool ending;       /* `ended` is told */
    bool handing;      /* handing out is on the stack */
    struct part *turn; /* of whom */
    uint64_t turn_bytes;
    struct part_list ready;
    struct broker_marks *begins; /* of a reader, until it is open: where its partitions begin */
    uint64_t pool;               /* permits of flow */
    uint64_t pool_top;           /* about the most there were lately */
    uint64_t ahead;              /* over all parts, beyond one each */
    bool asked;                  /* flow has given a permit ever */
    struct pulsar_watch watch;
    struct call_order calls;
    struct fan_errand errand;
    void (*told)(void *ctx, struct broker_delivery *d); /* `ended` of the call under way */
};

/* fan_in */
/* Its lookup has said that the topic of `c`, which is not open yet, has partitions. May be the last touch. */
void hulse_fan_in_begin(struct pulsar_consumer *c, const struct pulsar_lookup_result *known);
/* Nobody wants it any more: closes all. `unsubscribe` as of a consumer. Harmless when that was done. */
void hulse_fan_in_close(struct fan_in *f, bool unsubscribe);
/* After close. */
void hulse_fan_in_free(struct fan_in **fan);
/* A consumer for a partition that has none. False: no memory, or it was refused at once. */
bool hulse_fan_in_open_part(struct fan_in *f, struct part *p, struct broker_position start);
/* More of them, without consumers. False: no memory. */
bool hulse_fan_in_reserve(struct fan_in *f, uint32_t count);
/* Its consumer is somewhere else now. */
void hulse_fan_in_not_ended(struct part *p);
/* What has been settled is told. Last touch. */
void hulse_fan_in_tell_settled(struct fan_in *f);

/* fan_out */
/* The consumer of the part may have something to hand out. */
void hulse_fan_out_ready(struct part *p);
/* It has left its session or is gone: nothing of it is handed out. */
void hulse_fan_out_not_ready(struct part *p);
/* Hands out. May be the last touch. */
void hulse_fan_out(struct fan_in *f);
void hulse_fan_out_permit(struct broker_consumer *consumer, uint32_t count);
/* A part is open; what may come ahead of permits is. */
void hulse_fan_out_opened(struct part *p);

/* fan_calls: of struct broker_ops */
void hulse_fan_calls_use(struct broker_ops *ops);
/* `ended` of a part's call; ctx is the part. */
void hulse_fan_calls_ended(void *ctx, struct broker_delivery *d);

/* fan_errand */
void hulse_fan_errand_use(struct broker_ops *ops);
void hulse_fan_errand_done(void *ctx,
                           enum broker_errand kind,
                           hulse_status status,
                           const char *text,
                           const struct broker_id *id);

/* fan_grow */
/* From here on it looks for more than the known ones. */
void hulse_fan_grow_watch(struct fan_in *f, const struct pulsar_lookup_result *known);

#endif
