/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_rules - the `topics` of a configuration, found by name: the first that matches counts.
 *
 * Rules are indexed by what stands before their first star and behind their last: a name's
 * beginnings and ends are hashed once, and each pair of lengths that occurs is looked up. Where more
 * than 256 pairs occur, beginnings alone count. Rules with the same are a chain in the order of the
 * file.
 *
 * Threads: constant once made.
 * Limits:  HULSE_TOPIC_RULES_MAX rules.
 */
#ifndef HULSE_TABLE_TOPIC_RULES_H
#define HULSE_TABLE_TOPIC_RULES_H

#include "daemon/config/rules.h"
#include "daemon/core/error.h"
#include "daemon/table/bucket.h"
#include "daemon/table/topic_schema.h"
#include "daemon/table/topic_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_TOPIC_RULES_MAX 100000U
#define HULSE_TOPIC_RULE_NONE UINT32_MAX
/* Bit n: enum hulse_verdict n is configured. ack 1, nack 2, drop 5 always are. */
#define HULSE_VERDICTS_ALWAYS ((1U << 1U) | (1U << 2U) | (1U << 5U))

/* How records go to a broker that is elsewhere: broker_gathering and broker_routing of its interface. */
struct topic_gathering {
    uint32_t compression; /* enum config_compression */
    uint32_t batch_max;
    uint32_t batch_bytes;
    uint32_t batch_by; /* enum config_batch_by */
    uint32_t batch_delay_ms;
    uint32_t eager_max;
    uint32_t pending_max;
    uint64_t pending_bytes;
    uint64_t send_timeout_ms;
    bool chunking;
    uint32_t routing; /* enum config_routing */
    uint32_t hashing; /* enum config_hashing */
};

/* What a consumer does with messages of which it has some chunks: broker_chunking. */
struct topic_chunks {
    uint32_t pending_max;
    uint64_t expire_ms;
    bool auto_ack;
};

/* What a rule says of a topic. Shared by all of the rule's (topic_settings.h). */
struct topic_settings {
    uint32_t rule;   /* place in the file, or HULSE_TOPIC_RULE_NONE */
    uint32_t broker; /* place in the list of brokers */
    bool auto_create;
    bool own_producers;
    struct topic_gathering gathering;
    uint32_t verdicts;
    struct bucket_rates rate;
    uint64_t ttl_ms; /* given to messages without one of their own; 0 = none */
    uint64_t deliver_ttl_ms;
    uint64_t pending_bytes;
    uint64_t ack_timeout_ms; /* 0 = none */
    uint64_t nack_delay_ms;
    uint64_t nack_delay_max_ms;
    double nack_multiplier;
    uint32_t redeliver_max; /* with a dead-letter topic */
    struct topic_chunks chunks;
    bool replicate_subscription_state;
};

/* Where copies of messages go. */
enum letter_kind { LETTER_DEAD = 0, LETTER_RETRY, LETTER_KINDS };

/* The brokers of the daemon, in their order; borrowed during create. */
struct broker_names {
    const char *const *names;
    uint32_t count;
    uint32_t default_broker;
};

struct topic_rules;

/* INVAL: a rule names a broker that does not exist, or there are too many. NO_MEMORY. */
hulse_status hulse_topic_rules_create(struct topic_rules **out,
                                      const struct config_topic_rule *rules,
                                      size_t count,
                                      const struct broker_names *brokers,
                                      struct error *err);
/* *r becomes NULL; harmless on NULL. */
void hulse_topic_rules_destroy(struct topic_rules **r);
/* Always finds something: without a rule the defaults. Whoever keeps it longer than the rules holds it. */
const struct topic_settings *hulse_topic_rules_find(const struct topic_rules *r, const char *topic);
/* The schema of the same rule, held for the caller; NULL: it has none. */
struct topic_schema *
hulse_topic_rules_schema(const struct topic_rules *r, const char *topic, enum topic_schema_use use);
/* The template of the same rule's dead-letter or retry topic; empty: it has none. The rules' own. */
const char *
hulse_topic_rules_letter(const struct topic_rules *r, const char *topic, enum letter_kind kind);
/* The subscription that a dead-letter topic gets with its first letter; the rules' own. */
const char *hulse_topic_rules_letter_subscription(const struct topic_rules *r, const char *topic);

#endif
