/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading - see the header.
 */
#include "daemon/flow/reading.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/schemas.h"
#include "daemon/schema/transcode.h"
#include "daemon/worker/worker.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_MS 1000U
#define QUEUE_MIN 64U
/* What a busy output keeps. */
#define OUTPUT_KEPT_BYTES (64U << 10U)

/* A payload that was turned into another. */
struct made {
    LIST_ENTRY(made) link;
    struct broker_delivery *of;
    struct broker_span written;
    size_t object_bytes;
    uint8_t data[];
};

LIST_HEAD(made_list, made);

/* What is to be done with payloads of a version. */
struct version {
    TAILQ_ENTRY(version) link; /* the oldest first */
    uint64_t number;           /* counted from 1 */
    enum { VERSION_SAME, VERSION_PLAN, VERSION_BAD } how;
    uint64_t again_ms; /* of BAD: to be asked for again then; 0: never */
    const struct schema_known *known;
    struct schema_plan *plan;
    size_t plan_bytes;
    char why[96];
};

TAILQ_HEAD(version_list, version);

struct reading {
    struct reading_params params;
    bool avro;
    struct schema_wait *asked; /* for `asked_version`; NULL: nothing is */
    uint64_t asked_version;
    bool *gone;                     /* set when it goes while it passes on what waited */
    struct broker_delivery **queue; /* a ring of those that wait */
    uint32_t queue_capacity;
    uint32_t first;
    uint32_t waiting;
    struct made_list made;
    struct schema_output output;
    struct version_list versions;
    uint32_t version_count;
    struct version first_version; /* so that there is room for one; most topics have no more */
};

/* ---- payloads ---- */

static void give_back_payload(struct made *m)
{
    m->of->payload = m->written;
    m->of->own_schema = false;
    m->of->resolved = NULL;
    LIST_REMOVE(m, link);
    hulse_mem_free(HULSE_MEM_MESSAGE, m, m->object_bytes);
}

static void log_unresolved(const struct reading *r,
                           const struct broker_delivery *d,
                           const char *path,
                           const char *why)
{
    HULSE_LOG_WARNF("consume.unresolved",
                    hulse_log_str("topic", r->params.topic),
                    hulse_log_u64("version", d->schema_version == 0 ? 0 : d->schema_version - 1),
                    hulse_log_str("path", path),
                    hulse_log_str("why", why));
}

/* A large one is not kept. */
static void shrink_output(struct reading *r)
{
    if (hulse_schema_output_memory(&r->output) > OUTPUT_KEPT_BYTES) {
        hulse_schema_output_fini(&r->output);
    }
}

/* The payload becomes that of the output. False: no memory. */
static bool replace_payload(struct reading *r, struct broker_delivery *d)
{
    const size_t bytes = sizeof(struct made) + r->output.bytes;
    struct made *m = hulse_mem_alloc(HULSE_MEM_MESSAGE, bytes);

    if (m == NULL) {
        return false;
    }
    m->of = d;
    m->written = d->payload;
    m->object_bytes = bytes;
    if (r->output.bytes > 0) {
        memcpy(m->data, r->output.data, r->output.bytes);
    }
    LIST_INSERT_HEAD(&r->made, m, link);
    d->payload = (struct broker_span){m->data, (uint32_t)r->output.bytes};
    d->resolved = m;
    return true;
}

static bool transcode(struct reading *r, const struct version *v, struct broker_delivery *d)
{
    const struct schema_bytes payload = {d->payload.data, d->payload.bytes};
    struct schema_fault fault;

    bool good = hulse_schema_transcode(v->plan, payload, &r->output, &fault);
    if (!good) {
        log_unresolved(r, d, fault.path, fault.why);
    } else if (!replace_payload(r, d)) {
        log_unresolved(r, d, "", "no memory");
        good = false;
    }
    shrink_output(r);
    return good;
}

/* Of the subscriber's schema as it is. */
static bool fits(struct reading *r, const struct broker_delivery *d)
{
    struct schema_fault fault;

    if (hulse_schema_check(r->params.own, d->payload.data, d->payload.bytes, &fault)) {
        return true;
    }
    log_unresolved(r, d, fault.path, fault.why);
    return false;
}

/* ---- versions ---- */

static struct version *find_version(const struct reading *r, uint64_t number)
{
    struct version *v = NULL;

    TAILQ_FOREACH(v, &r->versions, link)
    {
        if (v->number == number) {
            break;
        }
    }
    return v;
}

static void forget_version(struct version *v)
{
    hulse_schema_plan_destroy(&v->plan);
    hulse_mem_give(HULSE_MEM_TABLE, v->plan_bytes);
    hulse_schema_known_release(&v->known);
    v->plan_bytes = 0;
    v->again_ms = 0;
}

/* NULL: there are as many as may be, or there is no memory and one at least. */
static struct version *one_more(struct reading *r)
{
    struct version *v = NULL;

    if (r->version_count < READING_VERSIONS_MAX) {
        v = r->version_count == 0 ? &r->first_version
                                  : hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*v));
    }
    if (v != NULL) {
        TAILQ_INSERT_TAIL(&r->versions, v, link);
        r->version_count += 1;
    }
    return v;
}

/* Else in the place of the oldest. */
static struct version *new_version(struct reading *r, uint64_t number)
{
    struct version *v = find_version(r, number);

    v = v == NULL ? one_more(r) : v;
    v = v == NULL ? TAILQ_FIRST(&r->versions) : v;
    TAILQ_REMOVE(&r->versions, v, link);
    TAILQ_INSERT_TAIL(&r->versions, v, link);
    forget_version(v);
    v->number = number;
    return v;
}

static void forget_versions(struct reading *r)
{
    struct version *v = NULL;

    while ((v = TAILQ_FIRST(&r->versions)) != NULL) {
        TAILQ_REMOVE(&r->versions, v, link);
        forget_version(v);
        if (v != &r->first_version) {
            hulse_mem_free(HULSE_MEM_TABLE, v, sizeof(*v));
        }
    }
}

static bool same_definition(const struct schema *a, const struct schema *b)
{
    const struct schema_definition x = hulse_schema_definition(a);
    const struct schema_definition y = hulse_schema_definition(b);

    return x.bytes == y.bytes && memcmp(x.text, y.text, x.bytes) == 0;
}

static void set_bad(struct version *v, const char *why)
{
    v->how = VERSION_BAD;
    (void)snprintf(v->why, sizeof(v->why), "%.90s", why);
}

/* With what is known of it, which it takes. */
static void learn(struct reading *r, uint64_t number, const struct schema_known *known)
{
    struct version *v = new_version(r, number);
    struct error err = {0};

    v->known = known;
    if (known->schema == NULL) {
        set_bad(v, known->why);
    } else if (known->told.type != BROKER_SCHEMA_AVRO) {
        set_bad(v, "it was written with a schema of another type");
    } else if (same_definition(known->schema, r->params.own)) {
        v->how = VERSION_SAME;
    } else if (hulse_schema_plan_create(&v->plan, known->schema, r->params.own, &err) != HULSE_OK) {
        set_bad(v, err.text);
    } else if (!hulse_mem_take(HULSE_MEM_TABLE, hulse_schema_plan_memory(v->plan))) {
        hulse_schema_plan_destroy(&v->plan);
        set_bad(v, "no memory for a resolution");
    } else {
        v->plan_bytes = hulse_schema_plan_memory(v->plan);
        v->how = VERSION_PLAN;
    }
}

static uint64_t now_ms(const struct reading *r)
{
    return hulse_loop_now_ms(&r->params.worker->loop);
}

static void learn_failure(struct reading *r, uint64_t number, const char *why)
{
    struct version *v = new_version(r, number);

    set_bad(v, why);
    v->again_ms = now_ms(r) + RETRY_MS;
}

/* NULL: it has to be asked for. */
static struct version *version_of(struct reading *r, uint64_t number)
{
    struct version *v = find_version(r, number);

    if (v != NULL && (v->again_ms == 0 || now_ms(r) < v->again_ms)) {
        return v;
    }
    const struct schema_known *known =
        hulse_schemas_find(r->params.flow->schemas, r->params.broker, r->params.topic, number);
    if (known == NULL) {
        return NULL;
    }
    learn(r, number, known);
    return find_version(r, number);
}

/* ---- messages ---- */

static bool needs_schema(const struct reading *r, const struct broker_delivery *d)
{
    return r->avro && d->schema_version != 0 && !d->meta.tombstone;
}

static bool resolve(struct reading *r, struct broker_delivery *d)
{
    const struct version *v = find_version(r, d->schema_version);

    if (v->how == VERSION_BAD) {
        log_unresolved(r, d, "", v->why);
    }
    return v->how == VERSION_SAME || (v->how == VERSION_PLAN && transcode(r, v, d));
}

/* Its schema is known, or not needed. The last touch. */
static void pass_on(struct reading *r, struct broker_delivery *d)
{
    const bool good = needs_schema(r, d) ? resolve(r, d) : d->meta.tombstone || fits(r, d);

    d->own_schema = good && !d->meta.tombstone;
    r->params.pass(r->params.ctx, d, good);
}

static bool enqueue(struct reading *r, struct broker_delivery *d)
{
    if (r->waiting == r->queue_capacity) {
        const uint32_t capacity = r->queue_capacity == 0 ? QUEUE_MIN : 2 * r->queue_capacity;
        /* Pointers are what it needs. NOLINTBEGIN(bugprone-sizeof-expression) */
        struct broker_delivery **queue =
            hulse_mem_alloc(HULSE_MEM_TOPIC, capacity * sizeof(*queue));
        if (queue == NULL) {
            return false;
        }
        for (uint32_t i = 0; i < r->waiting; i++) {
            queue[i] = r->queue[(r->first + i) % r->queue_capacity];
        }
        hulse_mem_free(HULSE_MEM_TOPIC, r->queue, r->queue_capacity * sizeof(*queue));
        /* NOLINTEND(bugprone-sizeof-expression) */
        r->queue = queue;
        r->queue_capacity = capacity;
        r->first = 0;
    }
    r->queue[(r->first + r->waiting) % r->queue_capacity] = d;
    r->waiting += 1;
    return true;
}

static void
heard(void *owner, hulse_status status, const char *text, const struct schema_known *known);

static void ask(struct reading *r, uint64_t number)
{
    const struct schema_question q = {.worker = r->params.worker,
                                      .broker = r->params.broker,
                                      .topic = r->params.topic,
                                      .version = number,
                                      .owner = r,
                                      .done = heard};
    struct error err = {0};

    r->asked_version = number;
    if (hulse_schemas_ask(r->params.flow->schemas, &r->asked, &q, &err) != HULSE_OK) {
        learn_failure(r, number, err.text);
    }
}

/* As many as are known. Whoever gets one may end others, or all of this, and be given more meanwhile. */
static void drain(struct reading *r)
{
    bool *outer = r->gone;
    bool gone = false;

    r->gone = &gone;
    while (!gone && r->waiting > 0 && r->asked == NULL) {
        struct broker_delivery *d = r->queue[r->first];
        if (needs_schema(r, d) && version_of(r, d->schema_version) == NULL) {
            ask(r, d->schema_version);
            continue;
        }
        r->first = (r->first + 1) % r->queue_capacity;
        r->waiting -= 1;
        pass_on(r, d);
    }
    if (!gone) {
        r->gone = outer;
    } else if (outer != NULL) {
        *outer = true;
    }
}

static void
heard(void *owner, hulse_status status, const char *text, const struct schema_known *known)
{
    struct reading *r = owner;

    if (status == HULSE_OK) {
        learn(r, r->asked_version, known);
    } else {
        learn_failure(r, r->asked_version, text);
    }
    drain(r);
}

bool hulse_reading_take(struct reading *r, struct broker_delivery *d)
{
    if (r->waiting == 0 && (!needs_schema(r, d) || version_of(r, d->schema_version) != NULL)) {
        pass_on(r, d);
        return true;
    }
    if (!enqueue(r, d)) {
        return false;
    }
    drain(r);
    return true;
}

static bool leave_queue(struct reading *r, const struct broker_delivery *d)
{
    for (uint32_t i = 0; i < r->waiting; i++) {
        if (r->queue[(r->first + i) % r->queue_capacity] != d) {
            continue;
        }
        for (uint32_t j = i; j + 1 < r->waiting; j++) {
            r->queue[(r->first + j) % r->queue_capacity] =
                r->queue[(r->first + j + 1) % r->queue_capacity];
        }
        r->waiting -= 1;
        return true;
    }
    return false;
}

bool hulse_reading_end(struct reading *r, struct broker_delivery *d)
{
    if (d->resolved != NULL) {
        give_back_payload(d->resolved);
        return false;
    }
    d->own_schema = false;
    return r->waiting > 0 && leave_queue(r, d);
}

const struct schema_known *hulse_reading_schema(const struct reading *r,
                                                const struct broker_delivery *d)
{
    const struct version *v = d->schema_version == 0 ? NULL : find_version(r, d->schema_version);

    return v == NULL || v->known == NULL || v->known->version == 0 ? NULL : v->known;
}

uint32_t hulse_reading_waiting(const struct reading *r)
{
    return r->waiting;
}

/* ---- life ---- */

struct reading *hulse_reading_create(const struct reading_params *params)
{
    const struct flow *flow = params->flow;
    struct reading *r = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*r));

    if (r != NULL) {
        r->params = *params;
        r->avro = hulse_schema_definition(params->own).type == SCHEMA_AVRO;
        /* A message that came in chunks is as any other. */
        r->output.bytes_max = flow->message_bytes_max > flow->chunked_bytes_max
                                  ? flow->message_bytes_max
                                  : flow->chunked_bytes_max;
        LIST_INIT(&r->made);
        TAILQ_INIT(&r->versions);
    }
    return r;
}

void hulse_reading_destroy(struct reading **reading)
{
    struct reading *r = *reading;

    *reading = NULL;
    if (r == NULL) {
        return;
    }
    if (r->gone != NULL) {
        *r->gone = true;
    }
    hulse_schemas_forget(&r->asked);
    while (!LIST_EMPTY(&r->made)) {
        give_back_payload(LIST_FIRST(&r->made));
    }
    forget_versions(r);
    hulse_schema_output_fini(&r->output);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers */
    hulse_mem_free(HULSE_MEM_TOPIC, r->queue, r->queue_capacity * sizeof(*r->queue));
    hulse_mem_free(HULSE_MEM_TOPIC, r, sizeof(*r));
}
