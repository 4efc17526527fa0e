/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_load - a state out of rows of a checkpoint.
 *
 * Threads: as state.h. Trust: rows may hold anything; what is not possible is BAD and changes nothing.
 */
#ifndef HULSE_STORE_STATE_LOAD_H
#define HULSE_STORE_STATE_LOAD_H

#include "daemon/store/checkpoint.h"
#include "daemon/store/state.h"

enum load_result { LOAD_OK = 0, LOAD_BAD, LOAD_NO_MEMORY };

/* The first row, then topics, then the others in any order. */
void hulse_state_load_meta(struct state *s, const struct value_meta *meta);
enum load_result hulse_state_load_row(struct state *s, const struct value_row *row);
/*
 * False: rows were left out. The whole log has to be applied again then: of topics and cursors that are here it changes
 * nothing, those left out and the index come back.
 */
void hulse_state_load_end(struct state *s, bool whole);

#endif
