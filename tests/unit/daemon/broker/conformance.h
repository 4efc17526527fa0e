/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance - what broker.h and its parts promise, tried on any implementation.
 *
 * Each case starts the broker anew on its workers and is run for every place that the front ends
 * and the topic may have. A case that needs a capability the broker lacks is left out; that the
 * calls beyond the capabilities are refused is a case of its own. A broken promise fails the
 * process: events come on the workers' threads. So does a capability that no case here has tried:
 * whoever builds it writes the cases.
 *
 * Threads: the test's main thread.
 * See:     test_conformance_faults.c, which proves that each promise is looked at.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_CONFORMANCE_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_CONFORMANCE_H

#include "tests/unit/daemon/broker/bed.h"

/* Workers; the topic's is `owner`. */
struct conformance_place {
    uint32_t pub;
    uint32_t sub;
    uint32_t owner;
};

struct conformance_case {
    const char *name;
    uint32_t needs;   /* BROKER_CAN_…, all of them */
    uint32_t without; /* BROKER_CAN_…, none of them */
    void (*run)(struct bed *bed, const struct conformance_place *place);
};

/* Ended by one without a name. */
extern const struct conformance_case hulse_conformance_produce[];
extern const struct conformance_case hulse_conformance_consume[];
extern const struct conformance_case hulse_conformance_settle[];
extern const struct conformance_case hulse_conformance_share[];
extern const struct conformance_case hulse_conformance_ask[];
extern const struct conformance_case hulse_conformance_admin[];
extern const struct conformance_case hulse_conformance_durable[];
extern const struct conformance_case hulse_conformance_types[];
extern const struct conformance_case hulse_conformance_position[];
extern const struct conformance_case hulse_conformance_access[];

void hulse_conformance_run(const struct bed_house *house);

#endif
