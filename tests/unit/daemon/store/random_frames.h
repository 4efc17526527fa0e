/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_frames - a log of frames that somebody could have written, from a seed: topics come and go, cursors
 * move, seek and fall behind, segments are passed and forgotten.
 */
#ifndef HULSE_TESTS_STORE_RANDOM_FRAMES_H
#define HULSE_TESTS_STORE_RANDOM_FRAMES_H

#include "tests/unit/daemon/store/made_frame.h"
#include "tests/unit/daemon/store/naive_state.h"

enum { RANDOM_SEGMENT_BYTES = 4 << 20, RANDOM_FRAMES_MAX = 4000 };

struct random_frames {
    uint64_t random;
    uint64_t lsn;
    uint64_t next_topic;
    uint64_t next_sub;
    struct naive_state naive;
    struct made_frame *made; /* RANDOM_FRAMES_MAX */
    unsigned count;
};

void hulse_random_frames_init(struct random_frames *r, uint64_t seed);
void hulse_random_frames_fini(struct random_frames *r);
/* One more: applied to the naive state, at the end of `made`. NULL: enough, ids or positions are used up. */
struct made_frame *hulse_random_frames_step(struct random_frames *r);

#endif
