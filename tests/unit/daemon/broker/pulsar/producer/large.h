/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large - a publisher of messages in chunks, and the broker that the test plays for it.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_PULSAR_PRODUCER_LARGE_H
#define HULSE_TESTS_UNIT_PULSAR_PRODUCER_LARGE_H

#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#define LARGE_LIMIT 100000  /* of the broker's messages */
#define LARGE_BYTES 350000U /* four chunks */

extern struct large {
    struct bed bed;
    struct peer peer;
    struct line line;
    struct line second; /* after the first one */
    struct pub pub;
    uint8_t payload[BED_CHUNKED_BYTES_MAX + 1];
    uint8_t got[BED_CHUNKED_BYTES_MAX];
    char last_uuid[300];
} large;

void hulse_large_open_all(void);
/* Opens the publisher; gives its id. */
uint64_t hulse_large_open_pub(void);
/* Whatever is on the line is heard by nobody. */
void hulse_large_close_all(struct line *l);
struct broker_record hulse_large_record(uint32_t bytes);
void hulse_large_send(uint32_t bytes);
/* The next SEND is that chunk, and its part of the payload the next one of `got`. A first chunk has another uuid. */
void hulse_large_hear(
    struct line *l, struct heard *h, uint64_t sequence, int32_t chunk, uint32_t *at);
/* All four chunks of a message of LARGE_BYTES. */
void hulse_large_hear_all(struct line *l, struct heard *h, uint64_t sequence);
struct pulsar_sender *hulse_large_sender(void);
void hulse_large_await_in_flight(uint32_t count);

#endif
