/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_rules - see topic_rules.h.
 */
#include "daemon/table/topic_rules.h"

#include "daemon/config/config.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "daemon/table/pattern.h"
#include "daemon/table/topic_name.h"

#include <assert.h>
#include <string.h>

#define HASH_JOIN UINT64_C(0x9e3779b97f4a7c15)
#define NONE UINT32_MAX
/* Each is tried for every name. With beginnings in steps there are never more. */
#define SHAPES_MAX 256U
#define PREFIX_STEP 8U
static_assert(HULSE_TOPIC_NAME_MAX / PREFIX_STEP < SHAPES_MAX, "steps are few enough");

/* Lengths of a beginning and an end. */
struct shape {
    uint16_t prefix;
    uint16_t suffix;
};

struct rule {
    const struct topic_settings *settings; /* held */
    uint64_t hash;                         /* of beginning and end */
    struct shape shape;
    uint32_t next;               /* behind it in its bucket, later in the file */
    char *pattern;               /* in `text` */
    char *letters[LETTER_KINDS]; /* in `text`, templates; "" = none */
    char *letter_subscription;   /* the same, a name */
    struct topic_schema *schemas[TOPIC_SCHEMA_USES]; /* NULL: none */
};

struct topic_rules {
    const struct topic_settings *defaults; /* held */
    struct rule *rules;
    uint32_t count;
    uint32_t *buckets; /* first rule of each */
    uint64_t mask;
    char *text; /* all patterns and templates */
    size_t text_bytes;
    struct shape shapes[SHAPES_MAX];
    uint32_t shape_count;
};

/* Of the first `bytes`. */
static uint64_t hash_prefix(const char *text, size_t bytes)
{
    uint64_t hash = HULSE_HASH_START;

    for (size_t i = 0; i < bytes; i++) {
        hash = hulse_hash_byte(hash, text[i]);
    }
    return hash;
}

/* Of the last `bytes`, from the end on. */
static uint64_t hash_suffix(const char *text, size_t text_bytes, size_t bytes)
{
    uint64_t hash = HULSE_HASH_START;

    for (size_t i = 0; i < bytes; i++) {
        hash = hulse_hash_byte(hash, text[text_bytes - 1 - i]);
    }
    return hash;
}

static uint64_t join(uint64_t prefix, uint64_t suffix)
{
    const uint64_t both = prefix ^ (suffix * HASH_JOIN);

    return both ^ (both >> 32U);
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
        .own_producers = c->publish.dedup,
        .gathering = {.compression = c->publish.compression,
                      .batch_max = c->publish.batch_max,
                      .batch_bytes = (uint32_t)c->publish.batch_bytes,
                      .batch_by = c->publish.batch_by,
                      .batch_delay_ms = (uint32_t)c->publish.batch_delay_ms,
                      .eager_max = c->publish.eager_max,
                      .pending_max = c->publish.pending_max,
                      .pending_bytes = c->publish.pending_bytes,
                      .send_timeout_ms = c->publish.send_timeout_ms,
                      .chunking = c->publish.chunking,
                      .routing = c->publish.routing,
                      .hashing = c->publish.hashing},
        .ack_timeout_ms = c->consume.ack_timeout_ms,
        .nack_delay_ms = c->consume.nack_delay_ms,
        .nack_delay_max_ms = c->consume.nack_delay_max_ms,
        .nack_multiplier = c->consume.nack_multiplier,
        .redeliver_max = c->consume.redeliver_max,
        .chunks = {.pending_max = c->consume.chunks.pending_max,
                   .expire_ms = c->consume.chunks.expire_ms,
                   .auto_ack = c->consume.chunks.auto_ack},
        .replicate_subscription_state = c->consume.replicate_subscription_state,
    };
}

/* What every topic without a rule gets. */
static struct topic_settings default_settings(uint32_t broker)
{
    struct config_topic_rule c;

    hulse_config_topic_defaults(&c);
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

/* Notes the shape; false: there are too many. */
static bool note_shape(struct topic_rules *r, struct shape shape)
{
    for (uint32_t i = 0; i < r->shape_count; i++) {
        if (r->shapes[i].prefix == shape.prefix && r->shapes[i].suffix == shape.suffix) {
            return true;
        }
    }
    if (r->shape_count == SHAPES_MAX) {
        return false;
    }
    r->shapes[r->shape_count++] = shape;
    return true;
}

/* The whole of both ends; beginnings alone; beginnings in steps, of which there are few enough. */
enum { EXACT, PREFIXES, STEPS, PRECISIONS };

static struct shape shape_of(const char *pattern, int precision)
{
    const size_t prefix = hulse_pattern_prefix_bytes(pattern);

    return (struct shape){
        .prefix = (uint16_t)(precision == STEPS ? prefix - prefix % PREFIX_STEP : prefix),
        .suffix = precision == EXACT ? (uint16_t)hulse_pattern_suffix_bytes(pattern) : 0,
    };
}

/* False: there are too many. */
static bool give_shapes(struct topic_rules *r, int precision)
{
    r->shape_count = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        r->rules[i].shape = shape_of(r->rules[i].pattern, precision);
        if (!note_shape(r, r->rules[i].shape)) {
            return false;
        }
    }
    return true;
}

static void give_hash(struct rule *rule)
{
    rule->hash = join(hash_prefix(rule->pattern, rule->shape.prefix),
                      hash_suffix(rule->pattern, strlen(rule->pattern), rule->shape.suffix));
}

/* In front of its chain; called from the last rule to the first, so chains are in file order. */
static void enter(struct topic_rules *r, uint32_t index)
{
    struct rule *rule = &r->rules[index];
    uint32_t *bucket = &r->buckets[rule->hash & r->mask];

    rule->next = *bucket;
    *bucket = index;
}

/* The most precise shapes that are few enough to try each for every name. */
static void index_rules(struct topic_rules *r)
{
    int precision = EXACT;

    while (!give_shapes(r, precision)) {
        precision += 1;
        HULSE_ASSERT(precision < PRECISIONS);
    }
    for (uint32_t i = r->count; i > 0; i--) {
        give_hash(&r->rules[i - 1]);
        enter(r, i - 1);
    }
}

/* False: no memory. */
static bool fill_schema(struct topic_schema **out, const struct config_schema *c, bool validate)
{
    if (c->type == CONFIG_SCHEMA_NONE && c->bytes == 0) {
        return true;
    }
    *out = hulse_topic_schema_create(c->type, validate, c->text, c->bytes);
    return *out != NULL;
}

static bool fill_schemas(struct rule *rule, const struct config_topic_rule *c)
{
    return fill_schema(
               &rule->schemas[TOPIC_SCHEMA_PUBLISHED], &c->publish.schema, c->publish.validate) &&
           fill_schema(&rule->schemas[TOPIC_SCHEMA_CONSUMED], &c->consume.schema, false);
}

/* NULL: an empty one. The bytes that it takes. */
static size_t put_text(char *to, const char *text)
{
    const size_t bytes = text == NULL ? 1 : strlen(text) + 1;

    memcpy(to, text == NULL ? "" : text, bytes);
    return bytes;
}

static const char *letter_of(const struct config_topic_rule *rule, enum letter_kind kind)
{
    return kind == LETTER_RETRY ? rule->consume.retry_letter : rule->consume.dead_letter;
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
        struct topic_settings settings = settings_of(&rules[i], broker);
        settings.rule = i;
        rule->settings = hulse_topic_settings_share(&settings);
        if (rule->settings == NULL || !fill_schemas(rule, &rules[i])) {
            return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the topic rules");
        }
        const size_t bytes = strlen(rules[i].match) + 1;
        memcpy(text, rules[i].match, bytes);
        rule->pattern = text;
        text += bytes;
        for (unsigned kind = 0; kind < LETTER_KINDS; kind++) {
            rule->letters[kind] = text;
            text += put_text(text, letter_of(&rules[i], (enum letter_kind)kind));
        }
        rule->letter_subscription = text;
        text += put_text(text, rules[i].consume.dead_letter_subscription);
        if (bytes > HULSE_TOPIC_NAME_MAX) {
            return hulse_fail(err, HULSE_INVAL, "topics.%u.match: longer than any topic name", i);
        }
    }
    index_rules(r);
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
        for (unsigned kind = 0; kind < LETTER_KINDS; kind++) {
            const char *letter = letter_of(&rules[i], (enum letter_kind)kind);
            r->text_bytes += letter == NULL ? 1 : strlen(letter) + 1;
        }
        const char *subscription = rules[i].consume.dead_letter_subscription;
        r->text_bytes += subscription == NULL ? 1 : strlen(subscription) + 1;
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
    const struct topic_settings defaults = default_settings(brokers->default_broker);
    r->defaults = hulse_topic_settings_share(&defaults);
    hulse_status st = HULSE_OK;
    if (r->defaults == NULL || !allocate(r, rules)) {
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
        hulse_topic_settings_release(&r->defaults);
        for (uint32_t i = 0; r->rules != NULL && i < r->count; i++) {
            hulse_topic_settings_release(&r->rules[i].settings);
            for (unsigned use = 0; use < TOPIC_SCHEMA_USES; use++) {
                hulse_topic_schema_release(&r->rules[i].schemas[use]);
            }
        }
        hulse_mem_free(HULSE_MEM_TABLE, r->rules, r->count * sizeof(*r->rules));
        hulse_mem_free(HULSE_MEM_TABLE, r->buckets, (r->mask + 1) * sizeof(*r->buckets));
        hulse_mem_free(HULSE_MEM_TABLE, r->text, r->text_bytes);
        hulse_mem_free(HULSE_MEM_TABLE, r, sizeof(*r));
    }
}

/* The first rule before `best` of that shape and hash that matches. */
static uint32_t find_in(const struct topic_rules *r,
                        const char *topic,
                        struct shape shape,
                        uint64_t hash,
                        uint32_t best)
{
    for (uint32_t i = r->buckets[hash & r->mask]; i < best; i = r->rules[i].next) {
        const struct rule *rule = &r->rules[i];
        if (rule->hash == hash && rule->shape.prefix == shape.prefix &&
            rule->shape.suffix == shape.suffix && hulse_pattern_match(rule->pattern, topic)) {
            return i;
        }
    }
    return best;
}

const struct topic_settings *hulse_topic_rules_find(const struct topic_rules *r, const char *topic)
{
    uint64_t prefixes[HULSE_TOPIC_NAME_MAX]; /* [n]: of the first n bytes */
    uint64_t suffixes[HULSE_TOPIC_NAME_MAX];
    const size_t bytes = strlen(topic);
    uint32_t best = NONE;

    HULSE_ASSERT(bytes < HULSE_TOPIC_NAME_MAX);
    if (r->count == 0) {
        return r->defaults;
    }
    prefixes[0] = HULSE_HASH_START;
    suffixes[0] = HULSE_HASH_START;
    for (size_t i = 0; i < bytes; i++) {
        prefixes[i + 1] = hulse_hash_byte(prefixes[i], topic[i]);
        suffixes[i + 1] = hulse_hash_byte(suffixes[i], topic[bytes - 1 - i]);
    }
    for (uint32_t i = 0; i < r->shape_count; i++) {
        const struct shape shape = r->shapes[i];
        if ((size_t)shape.prefix + shape.suffix <= bytes) {
            const uint64_t hash = join(prefixes[shape.prefix], suffixes[shape.suffix]);
            best = find_in(r, topic, shape, hash, best);
        }
    }
    return best == NONE ? r->defaults : r->rules[best].settings;
}

struct topic_schema *
hulse_topic_rules_schema(const struct topic_rules *r, const char *topic, enum topic_schema_use use)
{
    const uint32_t rule = hulse_topic_rules_find(r, topic)->rule;
    struct topic_schema *schema =
        rule == HULSE_TOPIC_RULE_NONE ? NULL : r->rules[rule].schemas[use];

    return schema == NULL ? NULL : hulse_topic_schema_hold(schema);
}

const char *
hulse_topic_rules_letter(const struct topic_rules *r, const char *topic, enum letter_kind kind)
{
    const uint32_t rule = hulse_topic_rules_find(r, topic)->rule;

    return rule == HULSE_TOPIC_RULE_NONE ? "" : r->rules[rule].letters[kind];
}

const char *hulse_topic_rules_letter_subscription(const struct topic_rules *r, const char *topic)
{
    const uint32_t rule = hulse_topic_rules_find(r, topic)->rule;

    return rule == HULSE_TOPIC_RULE_NONE ? "" : r->rules[rule].letter_subscription;
}
