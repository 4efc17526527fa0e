/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made_frame - frames as recovery would hand them over, made from requests; and a state in words.
 */
#ifndef HULSE_TESTS_STORE_MADE_FRAME_H
#define HULSE_TESTS_STORE_MADE_FRAME_H

#include "daemon/store/state.h"

enum { MADE_BODY_BYTES = 1024, DUMP_BYTES = 1 << 20 };

struct made_frame {
    struct frame f;
    uint64_t lsn;
    uint8_t body[MADE_BODY_BYTES];
};

/* The record of a control request, or an empty message. */
void hulse_made_frame(struct made_frame *out, const struct store_request *rq, uint64_t lsn);
void hulse_made_epoch(struct made_frame *out,
                      uint32_t epoch,
                      uint64_t next_topic,
                      uint64_t next_sub);
/* f.body points into the frame: to be called on a copy. */
const struct frame *hulse_made_frame_at(struct made_frame *made);
/* Everything hulse_state_each_topic() says, in the order of ids. Static; valid until the next call but one. */
const char *hulse_state_words(const struct state *s);
/* Fails with the first line that differs. */
void hulse_words_equal(const char *a, const char *b);

#endif
