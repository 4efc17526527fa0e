/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_rules - see topic_rules.h.
 */
#include "daemon/table/topic_rules.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/pattern.h"
#include "daemon/table/topic_name.h"

#include <string.h>

/* FNV-1a, 64 bit. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)
#define NONE UINT32_MAX

struct rule {
    struct topic_settings settings;
    uint64_t hash;          /* of the beginning */
    uint32_t literal_bytes; /* its length */
    uint32_t next;          /* behind it in its bucket, later in the file */
    char *pattern;          /* in `text` */
};

struct topic_rules {
    struct topic_settings defaults;
    struct rule *rules;
    uint32_t count;
    uint32_t *buckets; /* first rule of each */
    uint64_t mask;
    char *text; /* all patterns */
    size_t text_bytes;
    uint64_t lengths[HULSE_TOPIC_NAME_MAX / 64]; /* bit n: beginnings of n bytes exist */
};
_Static_assert(HULSE_TOPIC_NAME_MAX % 64 == 0, "whole words");

static uint64_t hash_on(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * HASH_PRIME;
}

static bool has_length(const struct topic_rules *r, size_t bytes)
{
    return (r->lengths[bytes / 64] >> (bytes % 64) & 1) != 0;
}

static struct topic_settings settings_of(const struct config_topic_rule *c, uint32_t broker)
{
    return (struct topic_settings){
        .broker = broker,
        .auto_create = c->publish.auto_create,
        .verdicts = HULSE_VERDICTS_ALWAYS,
        .rate = hulse_bucket_rates(c->publish.rate.messages, c->publish.rate.bytes),
        .ttl_ms = c->publish.ttl_ms,
        .deliver_ttl_ms = c->policy.ttl_ms,
        .pending_bytes = c->publish.pending_bytes,
        .nack_delay_ms = c->consume.nack_delay_ms,
        .nack_delay_max_ms = c->consume.nack_delay_max_ms,
        .nack_multiplier = c->consume.nack_multiplier,
    };
}

/* What every topic without a rule gets: the defaults of the key table (interfaces 3). */
static struct topic_settings default_settings(uint32_t broker)
{
    const struct config_topic_rule c = {
        .publish = {.pending_bytes = UINT64_C(8) << 20U, .auto_create = true},
        .consume = {.nack_delay_ms = 1000, .nack_multiplier = 2, .nack_delay_max_ms = 60000},
    };
    struct topic_settings s = settings_of(&c, broker);

    s.rule = HULSE_TOPIC_RULE_NONE;
    return s;
}

static bool broker_of(const struct broker_names *brokers, const char *name, uint32_t *out)
{
    *out = brokers->default_broker;
    if (name == NULL || name[0] == '\0') {
        return true;
    }
    for (uint32_t i = 0; i < brokers->count; i++) {
        if (strcmp(brokers->names[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* In front of its chain; called from the last rule to the first, so chains are in file order. */
static void enter(struct topic_rules *r, uint32_t index)
{
    struct rule *rule = &r->rules[index];
    uint32_t *bucket = &r->buckets[rule->hash & r->mask];

    rule->next = *bucket;
    *bucket = index;
    r->lengths[rule->literal_bytes / 64] |= UINT64_C(1) << (rule->literal_bytes % 64);
}

static hulse_status fill(struct topic_rules *r,
                         const struct config_topic_rule *rules,
                         const struct broker_names *brokers,
                         struct error *err)
{
    char *text = r->text;

    for (uint32_t i = 0; i < r->count; i++) {
        struct rule *rule = &r->rules[i];
        uint32_t broker = 0;
        if (!broker_of(brokers, rules[i].broker, &broker)) {
            return hulse_fail(
                err, HULSE_INVAL, "topics.%u.broker: no broker '%.64s'", i, rules[i].broker);
        }
        rule->settings = settings_of(&rules[i], broker);
        rule->settings.rule = i;
        const size_t bytes = strlen(rules[i].match) + 1;
        memcpy(text, rules[i].match, bytes);
        rule->pattern = text;
        text += bytes;
        const size_t literal = hulse_pattern_literal_bytes(rule->pattern);
        if (literal >= HULSE_TOPIC_NAME_MAX) {
            return hulse_fail(err, HULSE_INVAL, "topics.%u.match: longer than any topic name", i);
        }
        rule->literal_bytes = (uint32_t)literal;
        rule->hash = HASH_START;
        for (size_t at = 0; at < literal; at++) {
            rule->hash = hash_on(rule->hash, rule->pattern[at]);
        }
    }
    for (uint32_t i = r->count; i > 0; i--) {
        enter(r, i - 1);
    }
    return HULSE_OK;
}

static bool allocate(struct topic_rules *r, const struct config_topic_rule *rules)
{
    uint64_t buckets = 1;

    while (buckets < r->count) {
        buckets *= 2;
    }
    r->mask = buckets - 1;
    for (uint32_t i = 0; i < r->count; i++) {
        r->text_bytes += strlen(rules[i].match) + 1;
    }
    r->rules = hulse_mem_zalloc(HULSE_MEM_TABLE, r->count * sizeof(*r->rules));
    r->buckets = hulse_mem_alloc(HULSE_MEM_TABLE, buckets * sizeof(*r->buckets));
    r->text = hulse_mem_alloc(HULSE_MEM_TABLE, r->text_bytes);
    if (r->rules == NULL || r->buckets == NULL || r->text == NULL) {
        return false;
    }
    memset(r->buckets, 0xff, buckets * sizeof(*r->buckets)); /* NONE */
    return true;
}

hulse_status hulse_topic_rules_create(struct topic_rules **out,
                                      const struct config_topic_rule *rules,
                                      size_t count,
                                      const struct broker_names *brokers,
                                      struct error *err)
{
    HULSE_ASSERT(brokers->default_broker < brokers->count);

    *out = NULL;
    if (count > HULSE_TOPIC_RULES_MAX) {
        return hulse_fail(err, HULSE_INVAL, "topics: more than %u rules", HULSE_TOPIC_RULES_MAX);
    }
    struct topic_rules *r = hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*r));
    if (r == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the topic rules");
    }
    r->count = (uint32_t)count;
    r->defaults = default_settings(brokers->default_broker);
    hulse_status st = HULSE_OK;
    if (!allocate(r, rules)) {
        st = hulse_fail(err, HULSE_NO_MEMORY, "no memory for the topic rules");
    } else {
        st = fill(r, rules, brokers, err);
    }
    if (st != HULSE_OK) {
        hulse_topic_rules_destroy(&r);
    }
    *out = r;
    return st;
}

void hulse_topic_rules_destroy(struct topic_rules **rules)
{
    struct topic_rules *r = *rules;

    *rules = NULL;
    if (r != NULL) {
        hulse_mem_free(HULSE_MEM_TABLE, r->rules, r->count * sizeof(*r->rules));
        hulse_mem_free(HULSE_MEM_TABLE, r->buckets, (r->mask + 1) * sizeof(*r->buckets));
        hulse_mem_free(HULSE_MEM_TABLE, r->text, r->text_bytes);
        hulse_mem_free(HULSE_MEM_TABLE, r, sizeof(*r));
    }
}

/* The first rule before `best` whose beginning is the first `bytes` of the topic and that matches. */
static uint32_t
find_in(const struct topic_rules *r, const char *topic, size_t bytes, uint64_t hash, uint32_t best)
{
    for (uint32_t i = r->buckets[hash & r->mask]; i < best; i = r->rules[i].next) {
        const struct rule *rule = &r->rules[i];
        if (rule->hash == hash && rule->literal_bytes == bytes &&
            hulse_pattern_match(rule->pattern, topic)) {
            return i;
        }
    }
    return best;
}

const struct topic_settings *hulse_topic_rules_find(const struct topic_rules *r, const char *topic)
{
    uint64_t hash = HASH_START;
    uint32_t best = NONE;

    for (size_t bytes = 0; bytes < HULSE_TOPIC_NAME_MAX; bytes++) {
        if (has_length(r, bytes)) {
            best = find_in(r, topic, bytes, hash, best);
        }
        if (topic[bytes] == '\0') {
            break;
        }
        hash = hash_on(hash, topic[bytes]);
    }
    return best == NONE ? &r->defaults : &r->rules[best].settings;
}
