/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks - a message that is too large for a broker goes as several entries: consecutive, with one sequence id and one
 * uuid (5.9), which are the same again after a loss. Its record is the last one's, whose receipt is the answer.
 *
 * Java and C++ compress the whole payload before they cut it, and put it together before they decompress; so does this.
 * A broker with deduplication judges the last chunk alone: what goes again after the daemon's end leaves the others behind.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_CHUNKS_H
#define HULSE_PULSAR_PRODUCER_CHUNKS_H

#include "daemon/broker/pulsar/producer/sender.h"
#include "daemon/broker/pulsar/wire/metadata.h"

enum chunks_rc {
    CHUNKS_PUT,
    CHUNKS_TOO_LARGE, /* its metadata leave no room beside them */
    CHUNKS_NO_MEMORY  /* for all of it; nothing was taken */
};

struct chunks_message {
    uint64_t token;
    uint64_t deadline_ns;
    struct broker_span payload; /* compressed as the draft says; copied */
    uint32_t message_bytes_max; /* of metadata and payload of each entry */
};

/* `d` has all but the chunks' fields. */
enum chunks_rc hulse_pulsar_chunks_put(struct pulsar_sender *s,
                                       struct pulsar_producer *p,
                                       struct wire_draft *d,
                                       const struct chunks_message *m);

#endif
