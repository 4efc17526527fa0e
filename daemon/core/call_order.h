/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_order - which part of a consumer (a partition, a topic) each verdict went to, so that they are told as settled in the order of the calls, while
 * each part settles its own in an order of its own.
 *
 * Calls in a row to one part are one run. Without memory for another run the calls behind it are settled together,
 * when nothing is unsettled any more.
 *
 * Threads: pure.
 */
#ifndef HULSE_CORE_CALL_ORDER_H
#define HULSE_CORE_CALL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct call_run;

/* Of a part; zeros at first. It stays where it is. */
struct call_credit {
    uint64_t settled; /* calls that are not told yet */
    uint32_t era;
};

/* Zeros: empty. */
struct call_order {
    struct call_run *runs; /* a ring */
    uint32_t first;
    uint32_t count;
    uint32_t room;
    uint64_t unsettled; /* calls whose part has not settled them */
    uint64_t behind;    /* calls after the last run */
    uint32_t era;       /* credit from before it counts no more */
};

void hulse_call_order_fini(struct call_order *o);
/* A call to the part that counts in *credit; NULL: it is settled at once. */
void hulse_call_order_add(struct call_order *o, struct call_credit *credit);
/* That part has settled `count` more of its calls. */
void hulse_call_order_settle(struct call_order *o, struct call_credit *credit, uint32_t count);
/* How many more calls are settled, with all before them; they are forgotten. At most UINT32_MAX at a time. */
uint32_t hulse_call_order_take(struct call_order *o);

#endif
