/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas - see the header.
 *
 *   worker: ask ──▶ control: kept? ──▶ answer
 *                             │ no: who asks for the same already is joined
 *                             ▼
 *                   broker: schema_get ──▶ control: keep, answer all who wait
 */
#include "daemon/flow/schemas.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "daemon/core/rcu.h"
#include "daemon/worker/worker.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 1024U

/* One version that is kept. */
struct entry {
    struct schema_known known;
    struct cds_lfht_node node;
    struct rcu_retired retired;
    TAILQ_ENTRY(entry) link; /* the oldest first */
    _Atomic(uint32_t) holders;
    uint64_t hash;
    uint64_t until_ms;
    uint64_t version; /* that was asked for */
    uint32_t broker;
    struct schema *made;
    size_t object_bytes; /* with topic, definition and properties */
    size_t bytes;        /* with what was made */
    char topic[];        /* terminated; then the two */
};

TAILQ_HEAD(entry_list, entry);

/* One asker. Control's from the post on, until it comes back. */
struct schema_wait {
    struct inbox_node node;
    STAILQ_ENTRY(schema_wait) link; /* of its inquiry */
    struct schemas *all;
    struct worker *worker;
    struct schema_wait **place; /* the owner's pointer to this; NULL = forgotten. The worker's */
    void *owner;
    void (*done)(void *owner,
                 hulse_status status,
                 const char *text,
                 const struct schema_known *known);
    const struct schema_known *known;
    hulse_status status;
    uint32_t broker;
    uint64_t version;
    size_t object_bytes;
    char text[BROKER_TEXT_BYTES];
    char topic[];
};

STAILQ_HEAD(wait_list, schema_wait);

/* What a broker is being asked. */
struct inquiry {
    struct broker_schema_request request;
    LIST_ENTRY(inquiry) link;
    struct schemas *all;
    struct wait_list waits;
    uint32_t broker;
    uint64_t version;
    size_t object_bytes;
    char topic[];
};

LIST_HEAD(inquiry_list, inquiry);

struct schemas {
    const struct flow *flow;
    struct inbox *home;
    struct cds_lfht *table;
    struct entry_list entries;
    struct inquiry_list inquiries;
    uint32_t count;
    size_t bytes;
    uint64_t asked;
    bool closed;
};

struct key {
    uint32_t broker;
    uint64_t version;
    const char *topic;
};

static struct entry *entry_of(struct cds_lfht_node *node)
{
    return caa_container_of(node, struct entry, node);
}

static uint64_t hash_of(const struct key *key)
{
    uint64_t hash = hulse_hash_text(key->topic) ^ (key->version * UINT64_C(0x9e3779b97f4a7c15)) ^
                    ((uint64_t)key->broker << 56U);

    return hash ^ (hash >> 32U);
}

static int same_key(struct cds_lfht_node *node, const void *key)
{
    const struct key *k = key;
    HULSE_TSAN_ACQUIRE(node);
    const struct entry *e = entry_of(node);

    return e->version == k->version && e->broker == k->broker && strcmp(e->topic, k->topic) == 0;
}

/* ---- entries ---- */

static void release(struct entry *e)
{
    /* SYNC(schemas.end) release: what each holder did comes before the end. */
    if (atomic_fetch_sub_explicit(&e->holders, 1, memory_order_release) != 1) {
        return;
    }
    /* SYNC(schemas.end) acquire: all of that is seen by the last one. */
    (void)atomic_load_explicit(&e->holders, memory_order_acquire);
    hulse_schema_destroy(&e->made);
    hulse_mem_give(HULSE_MEM_TABLE, e->bytes - e->object_bytes);
    hulse_mem_free(HULSE_MEM_TABLE, e, e->object_bytes);
}

void hulse_schema_known_release(const struct schema_known **known)
{
    const struct schema_known *k = *known;

    *known = NULL;
    if (k != NULL) {
        release(caa_container_of((struct schema_known *)(uintptr_t)k, struct entry, known));
    }
}

static void reclaim(struct rcu_retired *retired)
{
    release(caa_container_of(retired, struct entry, retired));
}

static void take_out(struct schemas *s, struct entry *e)
{
    hulse_rcu_read_lock();
    const int failed = cds_lfht_del(s->table, &e->node);
    hulse_rcu_read_unlock();

    HULSE_ASSERT(failed == 0);
    TAILQ_REMOVE(&s->entries, e, link);
    s->count -= 1;
    s->bytes -= e->bytes;
    hulse_rcu_retire(&e->retired, reclaim);
}

static const struct schema_known *find(const struct schemas *s, const struct key *key)
{
    hulse_rcu_read_lock();
    struct cds_lfht_node *node = hulse_rcu_find(s->table, hash_of(key), same_key, key);
    struct entry *e = node == NULL ? NULL : entry_of(node);
    if (e != NULL) {
        /* Relaxed because the table's hold goes only when no reader is left. */
        (void)atomic_fetch_add_explicit(&e->holders, 1, memory_order_relaxed);
    }
    hulse_rcu_read_unlock();
    return e == NULL ? NULL : &e->known;
}

const struct schema_known *hulse_schema_known_hold(const struct schema_known *known)
{
    if (known != NULL) {
        struct entry *e = HULSE_CONTAINER(known, struct entry, known);
        /* Relaxed because somebody's hold keeps it meanwhile. */
        (void)atomic_fetch_add_explicit(&e->holders, 1, memory_order_relaxed);
    }
    return known;
}

const struct schema_known *
hulse_schemas_find(const struct schemas *s, uint32_t broker, const char *topic, uint64_t version)
{
    const struct key key = {.broker = broker, .version = version, .topic = topic};

    return version == 0 ? NULL : find(s, &key);
}

/* A schema of it, where one can be made; else why not. */
static void make(struct entry *e)
{
    const struct broker_schema *told = &e->known.told;
    const struct schema_definition d = {.type = (enum schema_type)told->type,
                                        .text = (const char *)told->definition.data,
                                        .bytes = told->definition.bytes,
                                        .properties = (const char *)told->properties.data,
                                        .properties_bytes = told->properties.bytes};
    struct error err = {0};

    if (hulse_schema_create(&e->made, &d, &err) != HULSE_OK) {
        (void)snprintf(e->known.why, sizeof(e->known.why), "%.95s", err.text);
    } else if (!hulse_mem_take(HULSE_MEM_TABLE, hulse_schema_memory(e->made))) {
        hulse_schema_destroy(&e->made);
        (void)snprintf(e->known.why, sizeof(e->known.why), "no memory for the schema");
    } else {
        e->bytes += hulse_schema_memory(e->made);
    }
    e->known.schema = e->made;
}

/* With one holder. NULL: no memory. */
static struct entry *create(const struct inquiry *q)
{
    const struct broker_schema_request *r = &q->request;
    const bool missing = r->request.status != HULSE_OK;
    const struct broker_span definition = missing ? (struct broker_span){0} : r->schema.definition;
    const struct broker_span properties = missing ? (struct broker_span){0} : r->schema.properties;
    const size_t topic_bytes = strlen(q->topic) + 1;
    const size_t bytes = sizeof(struct entry) + topic_bytes + definition.bytes + properties.bytes;
    struct entry *e = hulse_mem_zalloc(HULSE_MEM_TABLE, bytes);

    if (e == NULL) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)e->topic + topic_bytes;
    memcpy(e->topic, q->topic, topic_bytes);
    e->object_bytes = bytes;
    e->bytes = bytes;
    e->broker = q->broker;
    e->version = q->version;
    e->until_ms = hulse_clock_ns() / 1000000 + (missing ? SCHEMAS_MISSING_MS : SCHEMAS_LIFE_MS);
    atomic_init(&e->holders, 1);
    if (missing) {
        (void)snprintf(e->known.why, sizeof(e->known.why), "%.90s", r->request.text);
        return e;
    }
    if (definition.bytes > 0) {
        memcpy(at, definition.data, definition.bytes);
    }
    if (properties.bytes > 0) {
        memcpy(at + definition.bytes, properties.data, properties.bytes);
    }
    e->known.version = r->version;
    e->known.told = (struct broker_schema){.type = r->schema.type,
                                           .definition = {at, definition.bytes},
                                           .properties = {at + definition.bytes, properties.bytes}};
    make(e);
    return e;
}

/* The newest one is another one tomorrow, and asked for each time. */
static void keep(struct schemas *s, struct entry *e)
{
    const struct key key = {.broker = e->broker, .version = e->version, .topic = e->topic};

    while (!TAILQ_EMPTY(&s->entries) &&
           (s->count >= SCHEMAS_MAX || s->bytes + e->bytes > SCHEMAS_BYTES_MAX)) {
        take_out(s, TAILQ_FIRST(&s->entries));
    }
    /* Relaxed because the creator's hold keeps it. */
    (void)atomic_fetch_add_explicit(&e->holders, 1, memory_order_relaxed);
    e->hash = hash_of(&key);
    hulse_rcu_add(s->table, e->hash, &e->node);
    TAILQ_INSERT_TAIL(&s->entries, e, link);
    s->count += 1;
    s->bytes += e->bytes;
}

void hulse_schemas_sweep(struct schemas *s, uint64_t now_ms)
{
    struct entry *e = NULL;
    struct entry *next = NULL;

    for (e = TAILQ_FIRST(&s->entries); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e->until_ms <= now_ms) {
            take_out(s, e);
        }
    }
}

/* ---- answers ---- */

static void destroy_wait(struct schema_wait *w)
{
    hulse_schema_known_release(&w->known);
    hulse_mem_free(HULSE_MEM_TOPIC, w, w->object_bytes);
}

/* Back on the worker. */
static void heard(struct inbox_node *node)
{
    struct schema_wait *w = HULSE_CONTAINER(node, struct schema_wait, node);

    if (w->place != NULL) {
        *w->place = NULL;
        const struct schema_known *known = w->known;
        w->known = NULL;
        w->done(w->owner, w->status, w->text, known);
    }
    destroy_wait(w);
}

static void
answer(struct schema_wait *w, hulse_status status, const char *text, struct entry *of_it)
{
    if (w->all->closed) {
        destroy_wait(w); /* its worker has gone, and the owner before */
        return;
    }
    w->status = status;
    (void)snprintf(w->text, sizeof(w->text), "%s", text);
    if (of_it != NULL) {
        /* Relaxed because the caller's hold keeps it. */
        (void)atomic_fetch_add_explicit(&of_it->holders, 1, memory_order_relaxed);
        w->known = &of_it->known;
    }
    w->node.run = heard;
    hulse_worker_answer(w->worker, &w->node);
}

static void answer_all(struct inquiry *q, hulse_status status, const char *text, struct entry *e)
{
    struct schema_wait *w = NULL;

    while ((w = STAILQ_FIRST(&q->waits)) != NULL) {
        STAILQ_REMOVE_HEAD(&q->waits, link);
        answer(w, status, text, e);
    }
}

static void destroy_inquiry(struct inquiry *q)
{
    HULSE_ASSERT(STAILQ_EMPTY(&q->waits));
    LIST_REMOVE(q, link);
    hulse_mem_free(HULSE_MEM_TABLE, q, q->object_bytes);
}

/* That there is none of that version is an answer; so is a kind that is not known here. */
static bool is_lasting(const struct inquiry *q, hulse_status status)
{
    return q->version != 0 && (status == HULSE_NO_TOPIC || status == HULSE_UNSUPPORTED);
}

static void told(struct broker_request *request)
{
    struct inquiry *q = HULSE_CONTAINER(request, struct inquiry, request.request);
    struct schemas *s = q->all;
    struct entry *e = NULL;

    if (request->status == HULSE_OK || is_lasting(q, request->status)) {
        e = create(q);
        if (e == NULL) {
            answer_all(q, HULSE_NO_MEMORY, "no memory for a schema", NULL);
        } else {
            if (q->version != 0 && !s->closed) {
                keep(s, e);
            }
            answer_all(q, HULSE_OK, "", e);
            release(e);
        }
    } else {
        answer_all(q, request->status, request->text, NULL);
    }
    destroy_inquiry(q);
}

/* ---- questions ---- */

static struct inquiry *under_way(const struct schemas *s, const struct schema_wait *w)
{
    struct inquiry *q = NULL;

    LIST_FOREACH(q, &s->inquiries, link)
    {
        if (q->version == w->version && q->broker == w->broker && strcmp(q->topic, w->topic) == 0) {
            return q;
        }
    }
    return NULL;
}

static struct inquiry *create_inquiry(struct schemas *s, const struct schema_wait *w)
{
    const size_t topic_bytes = strlen(w->topic) + 1;
    const size_t bytes = sizeof(struct inquiry) + topic_bytes;
    struct inquiry *q = hulse_mem_zalloc(HULSE_MEM_TABLE, bytes);

    if (q != NULL) {
        q->all = s;
        q->object_bytes = bytes;
        q->broker = w->broker;
        q->version = w->version;
        memcpy(q->topic, w->topic, topic_bytes);
        q->request = (struct broker_schema_request){
            .request = {.home = s->home, .done = told}, .topic = q->topic, .version = q->version};
        STAILQ_INIT(&q->waits);
        LIST_INSERT_HEAD(&s->inquiries, q, link);
    }
    return q;
}

/* `done` may come before the call returns. */
static void inquire(struct schemas *s, struct schema_wait *w)
{
    struct broker *b = s->flow->brokers[w->broker];
    struct error err = {0};
    struct inquiry *q = create_inquiry(s, w);

    if (q == NULL) {
        answer(w, HULSE_NO_MEMORY, "no memory to ask for a schema", NULL);
        return;
    }
    STAILQ_INSERT_TAIL(&q->waits, w, link);
    s->asked += 1;
    const hulse_status st = b->ops->schema_get(b, &q->request, &err);
    if (st != HULSE_OK) {
        answer_all(q, st, err.text, NULL);
        destroy_inquiry(q);
    }
}

/* On control. */
static void serve(struct inbox_node *node)
{
    struct schema_wait *w = HULSE_CONTAINER(node, struct schema_wait, node);
    struct schemas *s = w->all;

    if (s->closed) {
        destroy_wait(w);
        return;
    }
    const struct schema_known *known = hulse_schemas_find(s, w->broker, w->topic, w->version);
    if (known != NULL) {
        answer(w,
               HULSE_OK,
               "",
               caa_container_of((struct schema_known *)(uintptr_t)known, struct entry, known));
        hulse_schema_known_release(&known);
        return;
    }
    struct inquiry *q = under_way(s, w);
    if (q != NULL) {
        STAILQ_INSERT_TAIL(&q->waits, w, link);
        return;
    }
    inquire(s, w);
}

hulse_status hulse_schemas_ask(struct schemas *s,
                               struct schema_wait **out,
                               const struct schema_question *q,
                               struct error *err)
{
    const struct broker *b = s->flow->brokers[q->broker];
    const size_t topic_bytes = strlen(q->topic) + 1;
    const size_t bytes = sizeof(struct schema_wait) + topic_bytes;

    *out = NULL;
    if ((b->ops->capabilities & BROKER_CAN_SCHEMA) == 0) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "a broker of type %s keeps no schemas", b->ops->type);
    }
    struct schema_wait *w = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (w == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory to ask for a schema");
    }
    w->node.run = serve;
    w->all = s;
    w->worker = q->worker;
    w->place = out;
    w->owner = q->owner;
    w->done = q->done;
    w->broker = q->broker;
    w->version = q->version;
    w->object_bytes = bytes;
    memcpy(w->topic, q->topic, topic_bytes);
    *out = w;
    if (!hulse_inbox_post(s->home, &w->node)) {
        *out = NULL;
        hulse_mem_free(HULSE_MEM_TOPIC, w, bytes);
        return hulse_fail(err, HULSE_LIMIT, "the control thread has too much to do: try again");
    }
    return HULSE_OK;
}

void hulse_schemas_forget(struct schema_wait **w)
{
    if (*w != NULL) {
        (*w)->place = NULL;
        *w = NULL;
    }
}

/* ---- life ---- */

struct schemas *hulse_schemas_create(const struct flow *flow, struct inbox *home)
{
    struct schemas *s = hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->flow = flow;
    s->home = home;
    s->table = hulse_rcu_table_new();
    TAILQ_INIT(&s->entries);
    LIST_INIT(&s->inquiries);
    if (s->table == NULL) {
        hulse_mem_free(HULSE_MEM_TABLE, s, sizeof(*s));
        return NULL;
    }
    hulse_rcu_table_resize(s->table, BUCKETS);
    return s;
}

void hulse_schemas_close(struct schemas *s)
{
    s->closed = true;
}

void hulse_schemas_destroy(struct schemas **schemas)
{
    struct schemas *s = *schemas;

    *schemas = NULL;
    if (s == NULL) {
        return;
    }
    HULSE_ASSERT(LIST_EMPTY(&s->inquiries));
    while (!TAILQ_EMPTY(&s->entries)) {
        take_out(s, TAILQ_FIRST(&s->entries));
    }
    hulse_rcu_drain();
    hulse_rcu_table_destroy(&s->table);
    hulse_mem_free(HULSE_MEM_TABLE, s, sizeof(*s));
}

void hulse_schemas_figures(const struct schemas *s, struct schemas_figures *out)
{
    *out = (struct schemas_figures){.versions = s->count, .asked = s->asked};
}
