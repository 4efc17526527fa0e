/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu - the only place that includes liburcu: the memb flavour, its hash table and its queue.
 *
 * A reader brackets its look at a table with hulse_rcu_read_lock() and _unlock(); a pointer it
 * found dies there. The writer publishes with a release store or hulse_rcu_add(), and frees what it
 * took out by hulse_rcu_retire(), which waits for all readers on a thread of its own.
 *
 * Under ThreadSanitizer liburcu 0.13's plain atomics look like races: _LGPL_SOURCE stays off so
 * that its code is not instrumented, and the wrappers here tell TSan what is ordered: a node's
 * bytes before its lookup, a reader's last look before the reclaim.
 *
 * Threads: each reader registers itself; one writer per table.
 * See:     liburcu's doc/rcu-api.md.
 */
#ifndef HULSE_CORE_RCU_H
#define HULSE_CORE_RCU_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>
#include <urcu/wfcqueue.h>
#pragma GCC diagnostic pop

#if defined(__SANITIZE_THREAD__) || defined(HULSE_TSAN)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HULSE_TSAN_ACQUIRE(address) __tsan_acquire(address)
#define HULSE_TSAN_RELEASE(address) __tsan_release(address)
#else
#define HULSE_TSAN_ACQUIRE(address) ((void)(address))
#define HULSE_TSAN_RELEASE(address) ((void)(address))
#endif

/* Stands for "every reader that was there has left" in TSan's eyes. */
extern char hulse_rcu_order;

/* Embedded in what is freed after a grace period. */
struct rcu_retired {
    struct rcu_head head;
    void (*reclaim)(struct rcu_retired *retired);
};

/*
 * Thread: the one writer. Starts the thread that runs what it retires, and ends it. False: no
 * thread, no memory. Stop drains first.
 */
bool hulse_rcu_writer_start(void);
void hulse_rcu_writer_stop(void);
/* Waits until everything retired so far has been reclaimed. Not from a reader. */
void hulse_rcu_drain(void);
/* Each thread that reads tables, around its whole life as a reader. */
void hulse_rcu_thread_begin(void);
void hulse_rcu_thread_end(void);
/* Thread: the writer. `reclaim_it` runs on a thread of its own when no reader can hold it any more. */
void hulse_rcu_retire(struct rcu_retired *retired, void (*reclaim_it)(struct rcu_retired *retired));

static inline void hulse_rcu_read_lock(void)
{
    urcu_memb_read_lock();
}

static inline void hulse_rcu_read_unlock(void)
{
    HULSE_TSAN_RELEASE(&hulse_rcu_order);
    urcu_memb_read_unlock();
}

static inline bool hulse_rcu_reading(void)
{
    return urcu_memb_read_ongoing() != 0;
}

/* A table that grows and shrinks by itself; NULL without memory. */
struct cds_lfht *hulse_rcu_table_new(void);
/* Empty, and no reader is left. */
void hulse_rcu_table_destroy(struct cds_lfht **table);

/* Writer: a node that the table does not have. */
static inline void
hulse_rcu_add(struct cds_lfht *table, unsigned long hash, struct cds_lfht_node *node)
{
    HULSE_TSAN_RELEASE(node);
    urcu_memb_read_lock(); /* the chain is walked */
    cds_lfht_add(table, hash, node);
    urcu_memb_read_unlock();
}

/* Reader, inside a read section; NULL when there is none. */
static inline struct cds_lfht_node *hulse_rcu_find(struct cds_lfht *table,
                                                   unsigned long hash,
                                                   cds_lfht_match_fct match,
                                                   const void *key)
{
    struct cds_lfht_iter it;

    cds_lfht_lookup(table, hash, match, key, &it);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&it);
    if (node != NULL) {
        HULSE_TSAN_ACQUIRE(node);
    }
    return node;
}

#endif
