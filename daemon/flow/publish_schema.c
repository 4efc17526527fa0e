/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish_schema - a publisher with its topic's own schema (publish.schema: auto) when that has become another one.
 *
 *   a payload does not fit ──▶ the topic is asked ──▶ a producer with the new schema ──▶ the old one's records have their answers
 *                                                                                   ──▶ it is closed, what waits goes on
 *
 * Whatever goes wrong on the way leaves the publisher as it was, and the payload is refused. A producer with a name of its own or
 * exclusive access is not opened twice: it keeps its schema.
 */
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/flow/publisher.h"
#include "daemon/flow/schemas.h"
#include "daemon/worker/worker.h"

#include <string.h>

/* Records without an answer that the producer has. */
static uint64_t unanswered(const struct publisher *p)
{
    const struct publisher_counters *c = &p->counters;
    uint64_t answered = c->stored + c->failed + p->hold.records;

    for (unsigned i = 0; i < PUBLISH_CHECKS; i++) {
        answered += c->refused[i];
    }
    return c->published - answered;
}

/* The publisher stays as it is. It may be closed then. */
static void give_up(struct publisher *p)
{
    p->renewal.producer = NULL;
    hulse_schema_known_release(&p->renewal.known);
    hulse_publisher_go_on(p);
}

static bool is_same(const struct schema_known *a, const struct schema_known *b)
{
    const struct broker_span x = a->told.definition;
    const struct broker_span y = b->told.definition;

    return a->version == b->version && a->told.type == b->told.type && x.bytes == y.bytes &&
           (x.bytes == 0 || memcmp(x.data, y.data, x.bytes) == 0);
}

static void
heard(void *owner, hulse_status status, const char *text, const struct schema_known *known)
{
    struct publisher *p = owner;
    struct publisher_renewal *n = &p->renewal;
    struct error err = {0};

    (void)text;
    n->known = known;
    if (status != HULSE_OK || is_same(known, p->schema.known)) {
        give_up(p);
        return;
    }
    const bool typed = known->told.type != BROKER_SCHEMA_BYTES;
    const hulse_status st =
        hulse_publisher_open_producer(p, typed ? &known->told : NULL, &n->producer, &err);
    if (st != HULSE_OK) {
        hulse_publisher_renewal_opened(p, st, err.text);
    }
}

void hulse_publisher_renewal_opened(struct publisher *p, hulse_status status, const char *text)
{
    if (status != HULSE_OK) {
        HULSE_LOG_WARNF("publish.schema_not_renewed",
                        hulse_log_str("topic", p->topic),
                        hulse_log_str("why", text));
        give_up(p);
        return;
    }
    p->renewal.open = true;
    p->renewal.behind = p->hold.records;
    if (hulse_publisher_renew(p)) {
        hulse_publisher_go_on(p);
    }
}

bool hulse_publisher_ask_again(struct publisher *p)
{
    struct publisher_renewal *n = &p->renewal;
    const bool waits = p->hold.records_max == 0;
    const uint64_t now_ms = p->worker == NULL ? 0 : hulse_loop_now_ms(&p->worker->loop);
    const struct schema_question question = {
        .worker = p->worker, .broker = p->broker, .topic = p->topic, .owner = p, .done = heard};
    struct error err = {0};

    if (!hulse_flow_schema_is_auto(&p->schema)) {
        return false;
    }
    if (p->schema_wait != NULL || n->producer != NULL) {
        return waits;
    }
    if (p->worker == NULL || p->access != BROKER_ACCESS_SHARED || p->grant.topic->own_producers ||
        p->broker != p->grant.topic->broker ||
        (n->asked_ms != 0 && now_ms - n->asked_ms < HULSE_SCHEMA_AGAIN_MS)) {
        return false;
    }
    n->asked_ms = now_ms;
    return hulse_schemas_ask(p->flow->schemas, &p->schema_wait, &question, &err) == HULSE_OK &&
           waits;
}

const struct schema *hulse_publisher_schema(const struct publisher *p)
{
    return p->renewal.open ? p->renewal.known->schema : p->schema.schema;
}

bool hulse_publisher_renew(struct publisher *p)
{
    struct publisher_renewal *n = &p->renewal;

    if (unanswered(p) > 0 || n->behind > 0) {
        return false;
    }
    p->producer->ops->producer_close(p->producer, false);
    p->producer = n->producer;
    hulse_schema_known_release(&p->schema.known);
    hulse_flow_schema_adopt(&p->schema, n->known);
    p->asks &= p->schema.validate ? ~0U : ~ASK_SCHEMA;
    HULSE_LOG_STATE("publish.schema_renewed",
                    hulse_log_str("topic", p->topic),
                    hulse_log_u64("version", n->known->version - 1));
    *n = (struct publisher_renewal){.asked_ms = n->asked_ms};
    return true;
}

void hulse_publisher_renewal_fini(struct publisher *p)
{
    struct publisher_renewal *n = &p->renewal;

    if (n->producer != NULL) {
        n->producer->ops->producer_close(n->producer, false);
    }
    hulse_schema_known_release(&n->known);
}
