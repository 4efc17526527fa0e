/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naive_state - the state as tables that are looked through from end to end: what daemon/store/state.h
 * has to agree with.
 */
#ifndef HULSE_TESTS_STORE_NAIVE_STATE_H
#define HULSE_TESTS_STORE_NAIVE_STATE_H

#include "daemon/store/store_request.h"

enum { NAIVE_TOPICS = 64, NAIVE_SUBS = 256, NAIVE_HANDLES = 256, NAIVE_POSITIONS = 2048 };

struct naive_topic {
    bool alive;
    bool kept;
    bool terminated;
    uint64_t end;
    uint64_t next;
    uint64_t trim;
    char name[16];
    uint64_t lsn[NAIVE_POSITIONS]; /* of a message; 0: none, or forgotten */
};

struct naive_sub {
    bool alive;
    uint64_t topic;
    char name[16];
    bool acked[NAIVE_POSITIONS];
    uint32_t counts[NAIVE_POSITIONS];
};

struct naive_handle {
    bool alive;
    uint64_t topic;
    uint8_t first; /* byte of the handle */
    uint64_t seq;
    uint64_t seen;
};

struct naive_state {
    uint32_t segment_bytes;
    struct naive_topic topics[NAIVE_TOPICS];
    struct naive_sub subs[NAIVE_SUBS];
    struct naive_handle handles[NAIVE_HANDLES];
};

void hulse_naive_apply(struct naive_state *n, const struct store_request *rq, uint64_t lsn);
void hulse_naive_forget(struct naive_state *n, uint64_t segment);
bool hulse_naive_needs(const struct naive_state *n, uint64_t segment);
/* The lsn of the first message at `position` or later; 0: none. */
uint64_t hulse_naive_find(const struct naive_state *n, uint64_t topic, uint64_t position);
/* As hulse_state_words(); static. */
const char *hulse_naive_words(const struct naive_state *n);

#endif
