/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_durable - what the tests of persistent topics begin with: one broker over a store, one topic.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_BED_DURABLE_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_BED_DURABLE_H

#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_stored.h"
#include "tests/unit/daemon/broker/bed_sub.h"

static struct bed bed;
static char topic[128];
static struct local_params *params;

static struct bed_house house = {.label = "durable",
                                 .workers = 1,
                                 .create = hulse_stored_open,
                                 .destroy = hulse_local_destroy,
                                 .reopen = hulse_stored_reopen,
                                 .owner = hulse_bed_owner,
                                 .ordered = true,
                                 .scheme = "persistent"};

static inline void begin(uint32_t workers)
{
    house.workers = workers;
    hulse_bed_start_house(&bed, &house);
    hulse_bed_topic(&bed, workers - 1, "durable", topic, sizeof(topic));
}

static inline void end(void)
{
    hulse_bed_stop(&bed);
    hulse_stored_end();
}

static inline struct bed_where shared(void)
{
    return (struct bed_where){
        .topic = topic, .subscription = "s", .type = BROKER_SHARED, .start = BROKER_EARLIEST};
}

static inline void open_sub(struct bed_sub *sub)
{
    const struct bed_where where = shared();
    assert_int_equal(hulse_sub_open(&bed, sub, &where), HULSE_OK);
}

static inline void publish(uint32_t count, uint32_t bytes)
{
    struct bed_pub pub = {.id = 1};
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, count, bytes);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, count);
    hulse_pub_close(&pub);
}

static inline uint64_t backlog(void)
{
    struct topic_report r = {.backlog = UINT64_MAX};
    (void)hulse_bed_report(&bed, topic, &r);
    return r.backlog;
}

#endif
