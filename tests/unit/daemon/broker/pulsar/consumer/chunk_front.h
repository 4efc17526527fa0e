/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk_front - messages in chunks that come to a front end, and what the broker hears of them.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_PULSAR_CONSUMER_CHUNK_FRONT_H
#define HULSE_TESTS_UNIT_PULSAR_CONSUMER_CHUNK_FRONT_H

#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

void hulse_chunks_open(const struct front_where *where, uint32_t permits);
/* Chunk `chunk` of `chunks` of a message, at that entry. */
void hulse_chunk_comes(uint8_t message, int32_t chunk, int32_t chunks, uint64_t entry);
/* In an attempt of our producer to send it. */
void hulse_attempt_comes(
    char attempt, uint8_t message, int32_t chunk, int32_t chunks, uint64_t entry);
void hulse_small_comes(uint32_t number, uint64_t entry);

/* The next command but FLOW acknowledges these entries, in any order, and no others. */
void hulse_front_acks(uint32_t count, const uint64_t *entries);
#define HULSE_FRONT_ACKS(...)                                                                      \
    hulse_front_acks(sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                         \
                     (uint64_t[]){__VA_ARGS__})
/* The next command but FLOW asks for so many again. */
void hulse_front_asks(uint32_t count);
void hulse_front_skip_flows(void);
/* Every ACK that was sent. */
void hulse_front_answer_acks(void);
/* A reader's session that has ended begins again, and what was acknowledged is answered. The entry that it starts at. */
uint64_t hulse_front_begin_again(void);
/* Nothing but FLOW comes. */
void hulse_front_says_nothing(void);

#endif
