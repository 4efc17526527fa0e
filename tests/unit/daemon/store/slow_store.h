/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow_store - a store in which a slow subscription leaves one message in each segment: figures, filling, and whether all that
 * it waits for is there.
 *
 * Everything asserts by cmocka. Messages are of BODY bytes; each PER_SEGMENTth of them is kept.
 */
#ifndef HULSE_TESTS_SLOW_STORE_H
#define HULSE_TESTS_SLOW_STORE_H

#include "tests/unit/daemon/store/store_bed.h"

enum { SEGMENTS = 20, BODY = 10000, BATCH = 50, TURNS_MAX = 60000 };
#define PER_SEGMENT UINT64_C(100)

struct store_figures hulse_slow_figures(const struct bed *bed);
/* A new store that may have so many segments. */
void hulse_slow_begin(struct bed *bed, uint64_t segments);
/* Like hulse_bed_publish(), for a store that may be full for good: that is a failure. At most BATCH. */
void hulse_slow_publish(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end);
bool hulse_slow_is_kept(uint64_t position);
/* All but what is kept. */
void hulse_slow_ack_others(
    struct bed *bed, uint64_t topic, uint64_t sub, uint64_t from, uint64_t end);
/* Publishes and acknowledges them; gives `end`. */
uint64_t
hulse_slow_fill(struct bed *bed, uint64_t topic, uint64_t sub, uint64_t from, uint64_t end);
/* Each message that was kept is there, once, in its order. */
void hulse_slow_check_kept(struct bed *bed, uint64_t topic, uint64_t end);

#endif
