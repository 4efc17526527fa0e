/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter_post - see the header.
 */
#include "daemon/flow/letter_post.h"

#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/publish.h"
#include "daemon/flow/schemas.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 256U
#define WAIT_MS 10000U /* for a producer */
#define IDLE_MS 60000U /* until a producer without letters is closed */
#define LOOK_MS 1000U  /* between looks at letters that wait */
#define RETRY_MS 1000U /* until a broken one is tried again, at first */
#define RETRY_MAX_MS 60000U
#define WHY_BYTES 192U

enum outlet_state { OUTLET_CLOSED = 0, OUTLET_OPENING, OUTLET_OPEN, OUTLET_BROKEN };

struct letter_outlet {
    LIST_ENTRY(letter_outlet) link;
    struct letter_post *post;
    enum outlet_state state;
    struct publisher *publisher; /* NULL unless opening or open */
    struct letter_list waiting;
    struct letter_list sent;
    uint64_t sequence;
    bool pumping;
    bool failing;
    uint64_t used_ms;
    uint64_t retry_ms; /* how long it stays broken the next time */
    uint64_t until_ms; /* broken: not before */
    char why[WHY_BYTES];
    struct timer timer;
    struct identity who;
    struct role_state *role;           /* held; NULL = none */
    const struct schema_known *schema; /* the same */
    bool refused;                      /* the topic cannot have it: letters go without */
    size_t object_bytes;
    const char *subscription; /* behind the topic */
    char topic[];             /* terminated */
};

LIST_HEAD(outlet_list, letter_outlet);

struct letter_post {
    struct worker *worker;
    const struct flow *flow;
    uint64_t stored[LETTER_KINDS];
    uint64_t failed[LETTER_KINDS];
    TAILQ_HEAD(, letter_guest) guests;
    struct outlet_list buckets[BUCKETS];
};

static uint64_t now_ms(const struct letter_post *p)
{
    return hulse_loop_now_ms(&p->worker->loop);
}

/* ---- letters ---- */

static void finish(struct letter_post *p, struct letter *l, const char *why)
{
    if (why == NULL) {
        p->stored[l->kind] += 1;
    } else {
        p->failed[l->kind] += 1;
    }
    if (l->done != NULL) {
        l->done(l->ctx, l, why);
    } else {
        hulse_letter_free(&l);
    }
}

/* Everything that it has; why is static or the outlet's own. */
static void fail_all(struct letter_outlet *o)
{
    struct letter *l = NULL;

    o->failing = true;
    while ((l = TAILQ_FIRST(&o->sent)) != NULL) {
        TAILQ_REMOVE(&o->sent, l, link);
        finish(o->post, l, o->why);
    }
    while ((l = TAILQ_FIRST(&o->waiting)) != NULL) {
        TAILQ_REMOVE(&o->waiting, l, link);
        finish(o->post, l, o->why);
    }
    o->failing = false;
}

static void break_off(struct letter_outlet *o, hulse_status status, const char *text)
{
    if (o->publisher != NULL) {
        hulse_publisher_close(&o->publisher);
    }
    o->state = OUTLET_BROKEN;
    (void)snprintf(
        o->why, sizeof(o->why), "%s", text[0] != '\0' ? text : hulse_status_text(status));
    o->until_ms = now_ms(o->post) + o->retry_ms;
    o->retry_ms = 2 * o->retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : 2 * o->retry_ms;
    HULSE_LOG_WARNF(
        "letter.unreachable", hulse_log_str("topic", o->topic), hulse_log_str("why", o->why));
    fail_all(o);
}

static struct broker_record
record_of(struct letter_outlet *o, struct letter *l, struct broker_meta *meta)
{
    const struct broker_delivery *d = l->d;

    *meta = (struct broker_meta){
        .key = d->meta.key,
        .ordering_key = d->meta.ordering_key,
        .properties = {.data = l->data, .bytes = l->property_bytes},
        .event_time_ms = d->meta.event_time_ms,
        .deliver_after_ms = l->kind == LETTER_RETRY && !l->waited ? l->delay_ms : 0,
        .ttl_ms = l->ttl_ms,
        .partition = -1,
        .has_key = d->meta.has_key,
        .has_ordering_key = d->meta.has_ordering_key,
        .tombstone = d->meta.tombstone,
    };
    o->sequence += 1;
    return (struct broker_record){.payload = d->payload,
                                  .meta = meta,
                                  .seq = o->sequence,
                                  .enqueued_ns = o->post->worker->loop.now_ns,
                                  .token = (uint64_t)(uintptr_t)l,
                                  .alone = true};
}

/* Sends what waits, while it is taken. Answers may come meanwhile, and more letters with them. */
static void pump(struct letter_outlet *o)
{
    struct letter *l = NULL;

    if (o->pumping) {
        return;
    }
    o->pumping = true;
    while (o->state == OUTLET_OPEN && !hulse_publisher_busy(o->publisher) &&
           (l = TAILQ_FIRST(&o->waiting)) != NULL) {
        struct broker_meta meta;
        const struct broker_record r = record_of(o, l, &meta);
        TAILQ_REMOVE(&o->waiting, l, link);
        TAILQ_INSERT_TAIL(&o->sent, l, link);
        l->sent = true;
        if (!hulse_publisher_publish(o->publisher, &r)) {
            TAILQ_REMOVE(&o->sent, l, link);
            TAILQ_INSERT_HEAD(&o->waiting, l, link);
            l->sent = false;
            break; /* until `freed` */
        }
    }
    o->pumping = false;
}

/* ---- the producer's events ---- */

static void open_outlet(struct letter_outlet *o);

/* Rather without its schema, which a broker refuses in its answer, than not at all. */
static void cannot_open(struct letter_outlet *o, hulse_status status, const char *text)
{
    if (status != HULSE_REFUSED || o->schema == NULL || o->refused) {
        break_off(o, status, text);
        return;
    }
    o->refused = true;
    HULSE_LOG_WARNF(
        "letter.schema_refused", hulse_log_str("topic", o->topic), hulse_log_str("why", text));
    open_outlet(o);
}

static void opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *l)
{
    struct letter_outlet *o = ctx;
    (void)l;

    if (status != HULSE_OK) {
        o->publisher = NULL; /* is gone when this returns */
        cannot_open(o, status, text);
        return;
    }
    o->state = OUTLET_OPEN;
    pump(o);
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct letter_outlet *o = ctx;
    struct letter *l = (struct letter *)(uintptr_t)token;

    HULSE_ASSERT(l->outlet == o && l->sent);
    TAILQ_REMOVE(&o->sent, l, link);
    if (answer->outcome == HULSE_OUTCOME_STORED) {
        o->retry_ms = RETRY_MS;
        finish(o->post, l, NULL);
    } else {
        finish(o->post, l, hulse_outcome_text(answer->outcome));
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    break_off(ctx, status, text);
}

static void freed(void *ctx)
{
    pump(ctx);
}

static const struct publisher_events events = {
    .opened = opened, .answered = answered, .failed = failed, .freed = freed};

/* ---- outlets ---- */

static void destroy(struct letter_outlet *o)
{
    hulse_timer_stop(&o->post->worker->loop.timers, &o->timer);
    if (o->publisher != NULL) {
        hulse_publisher_forget(o->publisher);
        hulse_publisher_close(&o->publisher);
    }
    LIST_REMOVE(o, link);
    hulse_role_state_release(&o->role);
    hulse_schema_known_release(&o->schema);
    hulse_mem_free(HULSE_MEM_TOPIC, o, o->object_bytes);
}

/* Letters that have waited for too long. */
static void expire(struct letter_outlet *o, uint64_t now)
{
    struct letter *l = NULL;

    while ((l = TAILQ_FIRST(&o->waiting)) != NULL && now >= l->due_ms) {
        TAILQ_REMOVE(&o->waiting, l, link);
        finish(o->post, l, "no producer was to be had in time");
    }
}

static void look(struct timer *timer)
{
    struct letter_outlet *o = HULSE_CONTAINER(timer, struct letter_outlet, timer);
    const uint64_t now = now_ms(o->post);

    expire(o, now);
    if (!TAILQ_EMPTY(&o->waiting)) {
        hulse_timer_start(&o->post->worker->loop.timers, timer, now + LOOK_MS);
    } else if (TAILQ_EMPTY(&o->sent) && now >= o->used_ms + IDLE_MS) {
        destroy(o);
    } else {
        hulse_timer_start(&o->post->worker->loop.timers, timer, now + IDLE_MS);
    }
}

static void open_outlet(struct letter_outlet *o)
{
    uint8_t id[BROKER_HANDLE_ID_BYTES] = {0};
    struct error err = {0};
    const struct publisher_params params = {.flow = o->post->flow,
                                            .worker = o->post->worker,
                                            .who = &o->who,
                                            .topic = o->topic,
                                            .name = "",
                                            .initial_subscription = o->subscription,
                                            .as_written = true,
                                            .schema = o->refused ? NULL : o->schema,
                                            .handle_id = id,
                                            .events = &events,
                                            .ctx = o};

    /* Of its own for each life, so that no record is taken for one of an earlier producer. */
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id)) {
        memset(id, 0, sizeof(id));
    }
    o->state = OUTLET_OPENING;
    o->sequence = 0;
    const hulse_status st = hulse_publisher_open(&o->publisher, &params, &err);
    if (st != HULSE_OK) {
        o->publisher = NULL;
        break_off(o, st, err.text);
    }
}

static bool is_same(const struct schema_known *a, const struct schema_known *b)
{
    if (a == b || a == NULL || b == NULL) {
        return a == b;
    }
    const struct broker_span x = a->told.definition;
    const struct broker_span y = b->told.definition;

    return a->told.type == b->told.type && x.bytes == y.bytes &&
           (x.bytes == 0 || memcmp(x.data, y.data, x.bytes) == 0);
}

static struct letter_outlet *find(struct letter_post *p, const struct letter_address *to)
{
    struct letter_outlet *o = NULL;

    LIST_FOREACH(o, &p->buckets[hulse_hash_text(to->topic) % BUCKETS], link)
    {
        if (o->role == to->role && o->who.uid == to->who->uid && strcmp(o->topic, to->topic) == 0 &&
            strcmp(o->subscription, to->subscription) == 0 && is_same(o->schema, to->schema)) {
            return o;
        }
    }
    return NULL;
}

static struct letter_outlet *create(struct letter_post *p, const struct letter_address *to)
{
    const size_t topic_bytes = strlen(to->topic) + 1;
    const size_t subscription_bytes = strlen(to->subscription) + 1;
    const size_t bytes = sizeof(struct letter_outlet) + topic_bytes + subscription_bytes;
    struct letter_outlet *o = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);

    if (o != NULL) {
        o->post = p;
        o->who = *to->who;
        o->role = to->role == NULL ? NULL : hulse_role_state_hold(to->role);
        o->schema = hulse_schema_known_hold(to->schema);
        o->retry_ms = RETRY_MS;
        o->timer.fire = look;
        o->object_bytes = bytes;
        TAILQ_INIT(&o->waiting);
        TAILQ_INIT(&o->sent);
        memcpy(o->topic, to->topic, topic_bytes);
        o->subscription = memcpy(o->topic + topic_bytes, to->subscription, subscription_bytes);
        LIST_INSERT_HEAD(&p->buckets[hulse_hash_text(to->topic) % BUCKETS], o, link);
    }
    return o;
}

void hulse_letter_send(struct letter_post *p, struct letter *l, const struct letter_address *to)
{
    struct letter_outlet *o = find(p, to);
    const uint64_t now = now_ms(p);

    l->sent = false;
    o = o == NULL ? create(p, to) : o;
    if (o == NULL) {
        finish(p, l, "memory_max is reached");
        return;
    }
    l->outlet = o;
    o->used_ms = now;
    if (o->failing || (o->state == OUTLET_BROKEN && now < o->until_ms)) {
        finish(p, l, o->why);
        return;
    }
    l->due_ms = now + WAIT_MS;
    TAILQ_INSERT_TAIL(&o->waiting, l, link);
    if (o->state == OUTLET_CLOSED || o->state == OUTLET_BROKEN) {
        open_outlet(o);
    } else {
        pump(o);
    }
    hulse_timer_start(
        &p->worker->loop.timers, &o->timer, now + (TAILQ_EMPTY(&o->waiting) ? IDLE_MS : LOOK_MS));
}

bool hulse_letter_withdraw(struct letter *l)
{
    if (l->sent) {
        return false;
    }
    TAILQ_REMOVE(&l->outlet->waiting, l, link);
    return true;
}

void hulse_letter_abandon(struct letter *l)
{
    if (hulse_letter_withdraw(l)) {
        hulse_letter_free(&l);
    } else {
        l->done = NULL;
    }
}

void hulse_letter_guest_add(struct letter_post *p, struct letter_guest *guest)
{
    TAILQ_INSERT_TAIL(&p->guests, guest, link);
}

void hulse_letter_guest_remove(struct letter_post *p, struct letter_guest *guest)
{
    TAILQ_REMOVE(&p->guests, guest, link);
}

/* ---- the module ---- */

static void *start(struct worker *w, void *shared, struct error *err)
{
    struct letter_post *p = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*p));

    if (p == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for dead letters");
        return NULL;
    }
    p->worker = w;
    p->flow = shared;
    TAILQ_INIT(&p->guests);
    return p;
}

static void end_outlet(struct letter_outlet *o)
{
    struct letter *l = NULL;

    while ((l = TAILQ_FIRST(&o->sent)) != NULL) { /* of consumers that have gone */
        TAILQ_REMOVE(&o->sent, l, link);
        hulse_letter_free(&l);
    }
    HULSE_ASSERT(TAILQ_EMPTY(&o->waiting));
    destroy(o);
}

static void stop(void *state)
{
    struct letter_post *p = state;
    struct letter_guest *guest = NULL;

    while ((guest = TAILQ_FIRST(&p->guests)) != NULL) {
        guest->stop(guest);
        HULSE_ASSERT(TAILQ_FIRST(&p->guests) != guest);
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct letter_outlet *o = NULL;
        while ((o = LIST_FIRST(&p->buckets[i])) != NULL) {
            end_outlet(o);
        }
    }
    hulse_mem_free(HULSE_MEM_TOPIC, p, sizeof(*p));
}

static void report(void *state, struct worker_report *out)
{
    const struct letter_post *p = state;

    out->dead_letters += p->stored[LETTER_DEAD];
    out->dead_letters_failed += p->failed[LETTER_DEAD];
    out->retry_letters += p->stored[LETTER_RETRY];
    out->retry_letters_failed += p->failed[LETTER_RETRY];
}

const struct worker_module hulse_letter_module = {
    .name = "letters", .start = start, .stop = stop, .report = report};

struct letter_post *hulse_letter_post(struct worker *w)
{
    return hulse_worker_self() == w ? hulse_worker_state(w, &hulse_letter_module, NULL) : NULL;
}
