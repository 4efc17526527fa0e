/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_ask - questions and orders to the broker of a bed, from a worker or from control.
 *
 * Threads: the test's, which is control.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_BED_ASK_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_BED_ASK_H

#include "tests/unit/daemon/broker/bed.h"

#define BED_CONTROL UINT32_MAX /* instead of a worker's number */
#define BED_NAMES_MAX 64U
#define BED_NAME_BYTES 128U

struct bed_names {
    uint32_t count;
    char names[BED_NAMES_MAX][BED_NAME_BYTES];
};

/*
 * Each waits for `done` and returns the request's status, or that of the call. `done` must come
 * once, and a refusal has a text.
 */
hulse_status hulse_bed_lookup(
    struct bed *bed, uint32_t from, const char *topic, bool create, struct broker_topic_info *out);

struct bed_stats {
    struct broker_topic_stats total;
    uint32_t subscription_count;
    struct broker_subscription_stats subscriptions[8];
    struct bed_names names; /* of the subscriptions */
};

hulse_status
hulse_bed_stats(struct bed *bed, uint32_t from, const char *topic, struct bed_stats *out);
hulse_status hulse_bed_schema(struct bed *bed, uint32_t from, const char *topic, bool put);

/* From control. `q` is what is asked, and its results but for names. */
hulse_status hulse_bed_admin(struct bed *bed, struct broker_admin *q, struct bed_names *names);
hulse_status hulse_bed_create(struct bed *bed, const char *topic);
hulse_status hulse_bed_delete(struct bed *bed, const char *topic, bool force);
bool hulse_bed_is_listed(struct bed *bed, const char *namespace_name, const char *topic);
bool hulse_bed_has_subscription(struct bed *bed, const char *topic, const char *name);

#endif
