/* SPDX-License-Identifier: Apache-2.0 */
/*
 * senders - all senders of a worker, found by what they send; those that have something to do when the turn ends.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_SENDERS_H
#define HULSE_PULSAR_PRODUCER_SENDERS_H

#include "daemon/broker/pulsar/producer/block.h"
#include "daemon/broker/pulsar/producer/producer.h"
#include "daemon/broker/pulsar/producer/sender.h"

#define PULSAR_SENDER_BUCKETS 1024U /* a power of two */

struct pulsar_senders {
    struct pulsar_worker *pw;
    struct pulsar_blocks blocks;
    LIST_HEAD(, pulsar_sender) buckets[PULSAR_SENDER_BUCKETS]; /* of a topic */
    LIST_HEAD(, pulsar_sender) dead;                           /* no new producer finds them */
    TAILQ_HEAD(, pulsar_sender) dirty;
    struct payload_schemas schemas; /* of senders and producers */
    uint64_t names_made;
    struct pulsar_producer_figures figures;
    struct timer wake;                  /* ends a turn, where none would */
    struct pulsar_producer_list parted; /* with partitions */
    struct pulsar_producer_list starved;
    struct timer feed; /* they may ask again */
    struct timer look; /* for stalled ones */
    struct timer park; /* for those that nobody uses */
    uint8_t *scratch;  /* for compression */
    uint32_t scratch_room;
    uint8_t *properties; /* of the record that is being gathered */
    uint32_t properties_room;
};

/* B8.1: one handle's alone, with the sequence ids of its records. */
static inline bool hulse_pulsar_is_own(const struct broker_producer_params *params)
{
    return params->own || params->access != BROKER_ACCESS_SHARED;
}

/*
 * A producer over the sender that it may use, or a new one. `bytes_max` not 0: it is open within the call, with that bound of
 * metadata and payload until a broker says another one. A status other than OK: nothing was begun.
 */
hulse_status hulse_pulsar_handle_open(struct pulsar_senders *all,
                                      const struct broker_producer_params *params,
                                      uint32_t bytes_max,
                                      struct broker_producer **out,
                                      struct error *err);
uint32_t hulse_pulsar_senders_bucket(const char *topic);
/* The next turn's end is the sender's too. */
void hulse_pulsar_senders_mark(struct pulsar_sender *s);
/* There was no memory for a record of the producer's: it may ask again soon, whoever gives some back. */
void hulse_pulsar_senders_starve(struct pulsar_senders *all, struct pulsar_producer *p);
/* At least `bytes`, until the next call. NULL: no memory. */
uint8_t *hulse_pulsar_senders_scratch(struct pulsar_senders *all, uint64_t bytes);
/* The same, of another memory. */
uint8_t *hulse_pulsar_senders_properties(struct pulsar_senders *all, uint32_t bytes);
/* `<daemon>/<wished name>/<handle id>`: of an own one, the same in the next life of the daemon. */
void hulse_pulsar_senders_own_name(const struct pulsar_senders *all,
                                   const struct broker_producer_params *params,
                                   char out[PULSAR_SENDER_NAME_BYTES]);
/* `<daemon>-<boot id>-<n>`, which no other sender of this daemon's has. */
void hulse_pulsar_senders_name(struct pulsar_senders *all, char out[PULSAR_SENDER_NAME_BYTES]);

#endif
