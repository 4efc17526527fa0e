/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks - messages that come in several entries (7.10), put together until they are whole.
 *
 *   gathering --the last one--> whole, with the last one's entry: its verdict is that of all of them
 *       |                         `-- acknowledged: all are; refused, or forgotten: all come again
 *       `--too many, too old, a gap, no memory--> given up: only ids are left, and what came is acknowledged (auto_ack), or
 *                             asked of the broker again, all at once, when there may be room, or when more of it comes
 *
 * Where the broker sends all in order and nothing here was forgotten, a chunk that is missing is over for the subscription, and
 * what is left of its message is acknowledged. Elsewhere it is left as it is.
 *
 * A producer that begins a message anew has given its earlier attempt up: what there is of that is acknowledged. By another
 * uuid, as ours do it, only in a row, and else with the message, whichever attempt has brought it.
 *
 * Entries of a message are out as long as it is here, so what a broker sends again of it is passed over. A chunk that comes
 * again with another id was sent twice by its producer: the copy is acknowledged.
 *
 * Limits:  `pending_max` gathering messages of a consumer, and PULSAR_GIVEN_UP_MAX that were given up; their bytes, of all
 *          consumers of a worker, are a quarter of its share of the memory cap, or one message. PULSAR_CHUNKS_MAX of each.
 *          The entries of messages in chunks, whole ones too, count with these bytes.
 * Trust:   sizes and counts are judged before anything is allocated.
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONSUMER_CHUNKS_H
#define HULSE_PULSAR_CONSUMER_CHUNKS_H

#include "daemon/broker/pulsar/consumer/body.h"
#include "daemon/broker/pulsar/consumer/entry.h"

#include <pulsar_api.pb-c.h>

#define PULSAR_GIVEN_UP_MAX 100U
/* Of one message, as many as its id can say; each costs memory, however few bytes it has. */
#define PULSAR_CHUNKS_MAX UINT16_MAX
/* Messages that were acknowledged last, or are damaged, or a reader has lost: what comes of them afterwards is nobody's. */
#define PULSAR_CHUNKED_OVER 16U
/* Others may come in their place, and wait here. */
#define PULSAR_CHUNKS_AHEAD 16U
/* Acknowledged by their ids before they came. */
#define PULSAR_CHUNKED_ACKED_MAX 256U

struct chunked;
TAILQ_HEAD(chunked_list, chunked);

/* Of a consumer. */
struct chunks {
    struct chunked_list gathering; /* the one that began first is the first */
    struct chunked_list given_up;
    struct chunked_list whole;
    uint32_t gathering_count;
    uint32_t given_up_count;
    struct timer due;
    uint64_t over[PULSAR_CHUNKED_OVER];       /* hashes of their uuids */
    uint64_t over_stems[PULSAR_CHUNKED_OVER]; /* of ours, of their stems; else 0 */
    uint64_t lost_at[PULSAR_CHUNKED_OVER];    /* of a reader's losses, where they began; else 0 */
    uint32_t over_next;
    uint32_t like; /* chunks of the message that came last; 0: none has, or it was in none */
    struct broker_id *acked; /* PULSAR_CHUNKED_ACKED_MAX; NULL: there was none */
    uint32_t acked_count;
    bool forgot;       /* something of what this session has brought: what comes may belong to it */
    bool stepped_back; /* before the chunk that it was to begin at */
    uint64_t back_ms;  /* a reader begins its next session so early; 0: no */
    /*
     * Of a reader: before what it was given last, something was not whole when its session ended, and another one has not come
     * as far as that.
     */
    bool reaches_back;
    struct broker_id back;
};

/* What is done with them, defaults filled in. */
struct broker_chunking hulse_chunks_rule(const struct broker_chunking *wished);
/* Of zeros. */
void hulse_chunks_init(struct chunks *k);
/* There are none. */
void hulse_chunks_fini(struct chunks *k);
/* Nothing of any is here, or is to be remembered. */
bool hulse_chunks_are_forgotten(const struct chunks *k);

/*
 * One that is wanted; `id` is its entry's. OK: *whole is the message if it is that now, with the entry of that id; else NULL.
 * Otherwise as hulse_body_create.
 */
enum body_rc hulse_chunks_take(struct pulsar_consumer *c,
                               const Pulsar__MessageIdData *id,
                               const struct wire_message *message,
                               const struct wire_metadata *m,
                               struct body **whole,
                               const char **why);
/* The last one's entry is acknowledged: so are the others. */
void hulse_chunks_acked(struct pulsar_consumer *c, struct entry *last);
/* The same entry is in nobody's hands any more: nor are the others. */
void hulse_chunks_let_go(struct pulsar_consumer *c, struct entry *last);
/* It is to come again: the others too. */
void hulse_chunks_again(struct pulsar_consumer *c, struct entry *last, uint32_t delay_ms);
/* It belongs to a message that reaches beyond that entry: nothing before it settles that. */
bool hulse_chunks_reach_beyond(const struct entry *e, const struct entry *last);
/* One entry's part in it ends; it was acknowledged otherwise. */
void hulse_chunks_leave(struct pulsar_consumer *c, struct entry *e);
/* A message in chunks was acknowledged by its id: when it comes. False: it does not fit, and comes as if it was not. */
bool hulse_chunks_ack_id(struct pulsar_consumer *c, const struct broker_id *id);
/*
 * How many entries are to come that are not the last ones of their messages; at most PULSAR_CHUNKS_AHEAD. Of the next
 * message it is expected to be like the last one.
 */
uint32_t hulse_chunks_expected(const struct pulsar_consumer *c);
/* An entry has come, in the topic's order: a reader may have come back to where it was. */
void hulse_chunks_heard(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry);
/* The broker sends again what is not whole. */
void hulse_chunks_forget(struct pulsar_consumer *c);
/*
 * Whatever is whole too: the entries are on their own from here on. Nor is anything over: what was acknowledged may be asked
 * for once more.
 */
void hulse_chunks_end(struct pulsar_consumer *c);

#endif
