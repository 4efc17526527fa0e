/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - gathers the elements of a request, and reads them when it comes.
 *
 * Trust: the block is a private copy of what the app sent; each element is judged by the table here.
 */
#include "daemon/app/options.h"

#include "daemon/app/handle.h"
#include "daemon/app/handle_request.h"
#include "daemon/app/handle_start.h"
#include "daemon/app/metadata.h"
#include "daemon/app/session.h"
#include "daemon/core/mem.h"
#include "daemon/flow/multi.h"
#include "shmlib/ring/tlv.h"

#define ROOM_MIN 256U
/* The length of its name, and a name. */
#define PROPERTY_BYTES_MIN 3U

/* An element of the right size; NULL, or why it cannot be. */
typedef const char *(*set_producer)(struct producer_wish *wish, const struct hulse_tlv *option);
typedef const char *(*set_consumer)(struct consumer_wish *wish, const struct hulse_tlv *option);

/* One row for each enum hulse_option. */
struct option_rule {
    uint16_t least; /* bytes */
    uint16_t most;
    bool repeats;
    set_producer producer; /* NULL: not for one */
    set_consumer consumer;
};

static const char *set_priority(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    int32_t *priority = &wish->wishes.priority;
    memcpy(priority, option->value, sizeof(*priority));
    return *priority < 0 ? "a priority is not negative" : NULL;
}

static const char *set_compacted(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    (void)option;
    wish->wishes.compacted = true;
    return NULL;
}

static const char *set_replicated(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    (void)option;
    wish->wishes.replicated = true;
    return NULL;
}

static const char *set_any_key_order(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    (void)option;
    wish->wishes.any_order = true;
    return NULL;
}

/* The broker judges it (wishes of its client). */
static const char *add_key_range(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    memcpy(wish->room.bytes + wish->room.range_at, option->value, option->bytes);
    wish->room.range_at += option->bytes;
    wish->wishes.key_range_count += 1;
    return NULL;
}

static const char *
add_property(struct broker_span *to, uint8_t *room, size_t *at, const struct hulse_tlv *option)
{
    if (!hulse_tlv_property_valid(option)) {
        return "a property without a name, or that is not UTF-8";
    }
    const uint32_t bytes = hulse_property_in(option, room + *at);
    *at += bytes;
    to->bytes += bytes;
    return NULL;
}

static const char *add_own(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    struct wish_room *r = &wish->room;
    return add_property(&wish->wishes.properties, r->bytes, &r->own_at, option);
}

static const char *add_subscription(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    struct wish_room *r = &wish->room;
    return add_property(
        &wish->wishes.subscription_properties, r->bytes, &r->subscription_at, option);
}

static const char *set_access(struct producer_wish *wish, const struct hulse_tlv *option)
{
    static const enum broker_access modes[] = {[HULSE_ACCESS_MODE_SHARED] = BROKER_ACCESS_SHARED,
                                               [HULSE_ACCESS_MODE_EXCLUSIVE] =
                                                   BROKER_ACCESS_EXCLUSIVE,
                                               [HULSE_ACCESS_MODE_WAIT] = BROKER_ACCESS_WAIT,
                                               [HULSE_ACCESS_MODE_FENCING] = BROKER_ACCESS_TAKE};
    if (option->value[0] >= sizeof(modes) / sizeof(modes[0])) {
        return "unknown access mode";
    }
    wish->access = modes[option->value[0]];
    return NULL;
}

static const char *set_initial(struct producer_wish *wish, const struct hulse_tlv *option)
{
    return hulse_handle_text(wish->initial_subscription,
                             sizeof(wish->initial_subscription),
                             option->value,
                             option->bytes)
               ? NULL
               : "the initial subscription's name is not UTF-8 text";
}

static const char *set_topic(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    if (memchr(option->value, 0, option->bytes) != NULL ||
        !hulse_utf8_valid(option->value, option->bytes)) {
        return "a topic is not UTF-8 text";
    }
    if (wish->topics.names.count + 1 >= MULTI_TOPICS_MAX) {
        return "a consumer of more than 10000 topics";
    }
    return hulse_topic_texts_add(&wish->topics.names, option->value, option->bytes)
               ? NULL
               : "no memory for the names of topics";
}

static const char *set_pattern(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    wish->topics.is_pattern = true;
    wish->topics.mode = (enum topic_pattern_mode)option->value[0];
    return option->value[0] > TOPIC_PATTERN_ALL ? "an unknown kind of topics" : NULL;
}

static const char *set_topics_max(struct consumer_wish *wish, const struct hulse_tlv *option)
{
    memcpy(&wish->topics.max, option->value, sizeof(wish->topics.max));
    return wish->topics.max == 0 || wish->topics.max > MULTI_TOPICS_MAX
               ? "a consumer has 1 to 10000 topics"
               : NULL;
}

static const struct option_rule rules[] = {
    [HULSE_OPTION_ACCESS] = {.least = 1, .most = 1, .producer = set_access},
    [HULSE_OPTION_INITIAL_SUBSCRIPTION] = {.least = 1,
                                           .most = HULSE_NAME_BYTES_MAX,
                                           .producer = set_initial},
    [HULSE_OPTION_PRIORITY] = {.least = 4, .most = 4, .consumer = set_priority},
    [HULSE_OPTION_COMPACTED] = {.consumer = set_compacted},
    [HULSE_OPTION_REPLICATED] = {.consumer = set_replicated},
    [HULSE_OPTION_ANY_KEY_ORDER] = {.consumer = set_any_key_order},
    [HULSE_OPTION_KEY_RANGE] = {.least = 4, .most = 4, .repeats = true, .consumer = add_key_range},
    [HULSE_OPTION_PROPERTY] = {.least = PROPERTY_BYTES_MIN,
                               .most = HULSE_OPTIONS_BYTES_MAX,
                               .repeats = true,
                               .consumer = add_own},
    [HULSE_OPTION_SUBSCRIPTION_PROPERTY] = {.least = PROPERTY_BYTES_MIN,
                                            .most = HULSE_OPTIONS_BYTES_MAX,
                                            .repeats = true,
                                            .consumer = add_subscription},
    [HULSE_OPTION_TOPIC] = {.least = 1,
                            .most = HULSE_TOPIC_BYTES_MAX,
                            .repeats = true,
                            .consumer = set_topic},
    [HULSE_OPTION_PATTERN] = {.least = 1, .most = 1, .consumer = set_pattern},
    [HULSE_OPTION_TOPICS_MAX] = {.least = 4, .most = 4, .consumer = set_topics_max},
};
static_assert(sizeof(struct broker_key_range) == 4 &&
                  sizeof(((struct broker_key_range *)0)->first) == 2,
              "KEY_RANGE is one, as it stands");
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
static_assert(RULE_COUNT <= 64, "seen options are one word");

/* ---- gathering ---- */

void hulse_option_block_free(struct option_block *b)
{
    if (b->bytes != NULL) {
        hulse_mem_free(HULSE_MEM_SESSION, b->bytes, b->room);
    }
    *b = (struct option_block){0};
}

static hulse_status make_room(struct option_block *b, uint32_t bytes)
{
    const uint32_t needed = b->used + bytes;
    uint32_t room = b->room == 0 ? ROOM_MIN : b->room;

    if (needed > HULSE_OPTIONS_TOTAL_MAX) {
        return HULSE_LIMIT;
    }
    while (room < needed) {
        room *= 2;
    }
    if (room == b->room) {
        return HULSE_OK;
    }
    uint8_t *larger = hulse_mem_alloc(HULSE_MEM_SESSION, room);
    if (larger == NULL) {
        return HULSE_NO_MEMORY;
    }
    if (b->bytes != NULL) {
        memcpy(larger, b->bytes, b->used);
        hulse_mem_free(HULSE_MEM_SESSION, b->bytes, b->room);
    }
    b->bytes = larger;
    b->room = room;
    return HULSE_OK;
}

void hulse_option_block_gather(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_options m;
    struct option_block *b = &s->options;

    memcpy(&m, p->bytes, sizeof(m));
    if ((s->features & HULSE_FEATURE_OPTIONS) == 0) {
        hulse_session_doom(s, HULSE_RULE_V5, "OPTIONS without their feature");
        return;
    }
    if (b->request != m.head.req) {
        hulse_option_block_free(b);
        b->request = m.head.req;
    }
    if (b->lost == HULSE_OK) {
        b->lost = make_room(b, m.options_len);
    }
    if (b->lost == HULSE_OK) {
        memcpy(b->bytes + b->used, p->bytes + sizeof(m), m.options_len);
        b->used += m.options_len;
    }
}

struct option_block hulse_option_block_take(struct session *s, uint32_t request)
{
    struct option_block taken = s->options;

    s->options = (struct option_block){0};
    if (taken.request != request) {
        hulse_option_block_free(&taken);
    }
    return taken;
}

/* ---- reading ---- */

/* The rule of an element that may be here, or NULL. */
static const struct option_rule *
rule_of(const struct hulse_tlv *option, bool consumer, uint64_t *seen, struct error *err)
{
    const struct option_rule *rule = option->tag < RULE_COUNT ? &rules[option->tag] : NULL;
    const bool meant = rule != NULL && (consumer ? rule->consumer != NULL : rule->producer != NULL);

    if (!meant) {
        (void)hulse_fail(err,
                         HULSE_UNSUPPORTED,
                         "this daemon does not know option %u of a %s",
                         option->tag,
                         consumer ? "consumer" : "producer");
        return NULL;
    }
    const uint64_t bit = UINT64_C(1) << option->tag;
    const bool again = !rule->repeats && (*seen & bit) != 0;
    *seen |= bit;
    if (again || option->bytes < rule->least || option->bytes > rule->most) {
        (void)hulse_fail(err,
                         HULSE_INVAL,
                         "option %u %s",
                         option->tag,
                         again ? "stands twice" : "has a wrong size");
        return NULL;
    }
    return rule;
}

/* Of either kind; the wish of the other is NULL. */
static hulse_status read_all(const struct option_block *b,
                             struct producer_wish *producer,
                             struct consumer_wish *consumer,
                             struct error *err)
{
    struct hulse_tlv option;
    size_t at = 0;
    uint64_t seen = 0;

    if (b->lost != HULSE_OK) {
        return hulse_fail(err,
                          b->lost,
                          b->lost == HULSE_LIMIT ? "the options have more than %u bytes"
                                                 : "no memory for options of up to %u bytes",
                          HULSE_OPTIONS_TOTAL_MAX);
    }
    int rc = hulse_tlv_next(b->bytes, b->used, &at, &option);
    while (rc > 0) {
        const struct option_rule *rule = rule_of(&option, consumer != NULL, &seen, err);
        if (rule == NULL) {
            return err->status;
        }
        const char *wrong = consumer != NULL ? rule->consumer(consumer, &option)
                                             : rule->producer(producer, &option);
        if (wrong != NULL) {
            return hulse_fail(err, HULSE_INVAL, "%s", wrong);
        }
        rc = hulse_tlv_next(b->bytes, b->used, &at, &option);
    }
    return rc == 0 ? HULSE_OK : hulse_fail(err, HULSE_INVAL, "an option overruns its packet");
}

hulse_status hulse_option_block_producer(const struct option_block *b,
                                         struct producer_wish *wish,
                                         struct error *err)
{
    return read_all(b, wish, NULL, err);
}

/* Room for all that may stand more than once: ranges are 4 bytes, a property's own head 4 as well. */
static hulse_status
make_wish_room(const struct option_block *b, struct wish_room *r, struct error *err)
{
    struct hulse_tlv option;
    size_t at = 0;
    size_t own = 0;
    size_t rest = 0;

    while (hulse_tlv_next(b->bytes, b->used, &at, &option) > 0) {
        if (option.tag == HULSE_OPTION_KEY_RANGE) {
            r->own_at += option.bytes;
        } else if (option.tag == HULSE_OPTION_PROPERTY) {
            own += HULSE_TLV_HEADER_BYTES + (size_t)option.bytes;
        } else if (option.tag == HULSE_OPTION_SUBSCRIPTION_PROPERTY) {
            rest += HULSE_TLV_HEADER_BYTES + (size_t)option.bytes;
        }
    }
    r->subscription_at = r->own_at + own;
    r->size = r->subscription_at + rest;
    if (r->size == 0) {
        return HULSE_OK;
    }
    r->bytes = hulse_mem_alloc(HULSE_MEM_SESSION, r->size);
    return r->bytes != NULL ? HULSE_OK : hulse_fail(err, HULSE_NO_MEMORY, "no memory for options");
}

hulse_status hulse_option_block_consumer(const struct option_block *b,
                                         struct consumer_wish *wish,
                                         struct error *err)
{
    struct broker_wishes *w = &wish->wishes;
    struct wish_room *r = &wish->room;
    const hulse_status st = make_wish_room(b, r, err);

    if (st != HULSE_OK) {
        return st;
    }
    if (r->bytes != NULL) {
        w->key_ranges = (const void *)r->bytes;
        w->properties.data = r->bytes + r->own_at;
        w->subscription_properties.data = r->bytes + r->subscription_at;
    }
    const hulse_status read = read_all(b, NULL, wish, err);
    if (read == HULSE_OK && wish->topics.is_pattern && wish->topics.names.count > 0) {
        return hulse_fail(err, HULSE_INVAL, "a pattern stands alone, without further topics");
    }
    return read;
}

void hulse_option_wish_free(struct consumer_wish *wish)
{
    if (wish->room.bytes != NULL) {
        hulse_mem_free(HULSE_MEM_SESSION, wish->room.bytes, wish->room.size);
    }
    wish->room = (struct wish_room){0};
    hulse_topic_texts_free(&wish->topics.names);
}
