/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance - see the header.
 */
#include "tests/unit/daemon/broker/conformance.h"

static const struct conformance_case *const groups[] = {hulse_conformance_produce,
                                                        hulse_conformance_consume,
                                                        hulse_conformance_settle,
                                                        hulse_conformance_share,
                                                        hulse_conformance_ask,
                                                        hulse_conformance_admin,
                                                        hulse_conformance_durable,
                                                        hulse_conformance_types,
                                                        hulse_conformance_position,
                                                        hulse_conformance_access};

/*
 * PARTITIONS only says that there may be such topics: nothing here makes one. SCHEMA is about a registry that no bed has, REPLICATE
 * about other clusters, WISHES about what a broker shows and compacts, INITIAL about what it creates. Those of Pulsar have
 * scenarios.
 */
#define TRIED                                                                                      \
    (BROKER_CAN_CONSUME | BROKER_CAN_STATS | BROKER_CAN_ADMIN | BROKER_CAN_DURABLE |               \
     BROKER_CAN_DEDUP | BROKER_CAN_START_ID | BROKER_CAN_FAILOVER | BROKER_CAN_KEY_SHARED |        \
     BROKER_CAN_SEEK | BROKER_CAN_DELAY | BROKER_CAN_EXCLUSIVE | BROKER_CAN_PARTITIONS |           \
     BROKER_CAN_SCHEMA | BROKER_CAN_REPLICATE | BROKER_CAN_WISHES | BROKER_CAN_INITIAL)

static bool applies(const struct conformance_case *c, uint32_t capabilities)
{
    return (capabilities & c->needs) == c->needs && (capabilities & c->without) == 0;
}

static void run_case(const struct bed_house *house,
                     const struct conformance_case *c,
                     const struct conformance_place *place)
{
    struct bed bed;
    hulse_bed_start_house(&bed, house);
    assert_int_equal(bed.broker->ops->capabilities & ~TRIED, 0);
    if (applies(c, bed.broker->ops->capabilities)) {
        print_message("%s, %u workers, publisher %u, consumer %u, topic %u: %s\n",
                      house->label,
                      house->workers,
                      place->pub,
                      place->sub,
                      place->owner,
                      c->name);
        c->run(&bed, place);
    }
    hulse_bed_stop(&bed);
}

static void run_at(const struct bed_house *house, const struct conformance_place *place)
{
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        for (const struct conformance_case *c = groups[g]; c->name != NULL; c++) {
            run_case(house, c, place);
        }
    }
}

void hulse_conformance_run(const struct bed_house *house)
{
    /* Elsewhere there is no owner here, but publisher and consumer have places all the same. */
    const uint32_t owners = house->owner == NULL && !house->elsewhere ? 1 : house->workers;
    for (uint32_t owner = 0; owner < owners; owner++) {
        for (uint32_t pub = 0; pub < house->workers; pub++) {
            const struct conformance_place place = {
                .pub = pub, .sub = (pub + owner) % house->workers, .owner = owner};
            run_at(house, &place);
        }
    }
}
