/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu - see rcu.h: what is not worth inlining.
 */
#include "daemon/core/rcu.h"

#include "daemon/core/assert.h"

#define TABLE_BUCKETS_MIN 64U

char hulse_rcu_order;

bool hulse_rcu_writer_start(void)
{
    HULSE_ASSERT(urcu_memb_get_thread_call_rcu_data() == NULL);

    struct call_rcu_data *reclaimer = urcu_memb_create_call_rcu_data(0, -1);
    urcu_memb_set_thread_call_rcu_data(reclaimer);
    return reclaimer != NULL;
}

void hulse_rcu_writer_stop(void)
{
    struct call_rcu_data *reclaimer = urcu_memb_get_thread_call_rcu_data();

    HULSE_ASSERT(reclaimer != NULL);
    hulse_rcu_drain();
    urcu_memb_set_thread_call_rcu_data(NULL);
    urcu_memb_call_rcu_data_free(reclaimer);
}

void hulse_rcu_drain(void)
{
    urcu_memb_barrier();
    HULSE_TSAN_ACQUIRE(&hulse_rcu_order);
}

void hulse_rcu_thread_begin(void)
{
    urcu_memb_register_thread();
}

void hulse_rcu_thread_end(void)
{
    HULSE_ASSERT(!hulse_rcu_reading());
    urcu_memb_unregister_thread();
}

static void reclaim(struct rcu_head *head)
{
    struct rcu_retired *retired = caa_container_of(head, struct rcu_retired, head);

    HULSE_TSAN_ACQUIRE(&hulse_rcu_order);
    HULSE_TSAN_ACQUIRE(retired);
    retired->reclaim(retired);
    HULSE_TSAN_RELEASE(&hulse_rcu_order);
}

void hulse_rcu_retire(struct rcu_retired *retired, void (*reclaim_it)(struct rcu_retired *retired))
{
    retired->reclaim = reclaim_it;
    HULSE_TSAN_RELEASE(retired);
    urcu_memb_call_rcu(&retired->head, reclaim);
}

struct cds_lfht *hulse_rcu_table_new(void)
{
    return cds_lfht_new_flavor(TABLE_BUCKETS_MIN,
                               TABLE_BUCKETS_MIN,
                               0,
                               CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
                               &urcu_memb_flavor,
                               NULL);
}

void hulse_rcu_table_destroy(struct cds_lfht **table)
{
    const int failed = cds_lfht_destroy(*table, NULL);

    HULSE_ASSERT(failed == 0);
    *table = NULL;
}
