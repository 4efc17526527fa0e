/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deep_health - see deep_health.h.
 */
#include "daemon/control/deep_health.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

/* What is asked, one after the other. */
enum step { STEP_TOPIC, STEP_API, STEPS };

struct deep_check {
    LIST_ENTRY(deep_check) link;
    struct deep_health *all;
    struct timer timer;
    enum step step; /* that is asked, or comes next */
    bool asking;    /* within the call that asks */
    bool heard;     /* it answered within that */
    bool starting;  /* within start */
    struct broker_lookup lookup;
    struct broker_admin admin;
    struct topic_name topic;
    struct deep_findings findings;
    /* NULL once it was called, or when nobody waits any more. */
    void (*done)(void *ctx, const struct admin_line *line);
    void *ctx;
};

void hulse_deep_health_init(struct deep_health *all,
                            struct loop *loop,
                            const struct flow *flow,
                            const struct config *config)
{
    const size_t tenant = strcspn(config->default_namespace, "/");

    *all = (struct deep_health){.loop = loop, .flow = flow, .config = config};
    LIST_INIT(&all->open);
    for (unsigned i = 0; i < flow->broker_count; i++) {
        if (flow->brokers[i] == flow->default_broker) {
            all->broker = flow->brokers[i];
        }
    }
    if (config->health.tenant[0] != '\0') {
        (void)snprintf(all->tenant, sizeof(all->tenant), "%s", config->health.tenant);
    } else {
        memcpy(all->tenant, config->default_namespace, tenant);
    }
}

void hulse_deep_health_fini(struct deep_health *all)
{
    HULSE_ASSERT(LIST_EMPTY(&all->open) && all->open_count == 0);
}

static void destroy(struct deep_check *c)
{
    hulse_timer_stop(&c->all->loop->timers, &c->timer);
    LIST_REMOVE(c, link);
    c->all->open_count -= 1;
    hulse_mem_free(HULSE_MEM_ADMIN, c, sizeof(*c));
}

/* ---- findings ---- */

static void broker_failed(struct deep_findings *f, const char *why)
{
    f->broker_healthy = false;
    (void)snprintf(f->broker_error, sizeof(f->broker_error), "%s", why);
}

static void api_failed(struct deep_findings *f, const char *why)
{
    f->api = DEEP_API_UNHEALTHY;
    (void)snprintf(f->api_error, sizeof(f->api_error), "%s", why);
}

static const char *word(bool healthy)
{
    return healthy ? "healthy" : "unhealthy";
}

static void compose(const struct deep_findings *f, struct admin_line *line)
{
    json_t *api =
        f->api == DEEP_API_NONE ? json_null() : json_string(word(f->api == DEEP_API_HEALTHY));
    json_t *count =
        f->api == DEEP_API_HEALTHY ? json_integer((json_int_t)f->namespaces) : json_null();

    (void)hulse_admin_answer(line,
                             json_pack("{s:s, s:s*, s:o, s:s*, s:o}",
                                       "pulsar_broker",
                                       word(f->broker_healthy),
                                       "error",
                                       f->broker_healthy ? NULL : f->broker_error,
                                       "admin_api",
                                       api,
                                       "admin_error",
                                       f->api == DEEP_API_UNHEALTHY ? f->api_error : NULL,
                                       "namespaces_count",
                                       count));
}

static void keep(struct deep_check *c)
{
    c->all->findings = c->findings;
    c->all->found = true;
    c->all->found_ms = hulse_loop_now_ms(c->all->loop);
}

/* ---- questions ---- */

/* Who answers looks the topic up, and says that there is none: it is there. */
static void take_topic(struct deep_check *c, hulse_status status, const char *why)
{
    if (status == HULSE_OK || status == HULSE_NO_TOPIC) {
        c->findings.broker_healthy = true;
    } else {
        broker_failed(&c->findings, why);
    }
}

static void take_api(struct deep_check *c, hulse_status status, const char *why)
{
    if (status == HULSE_OK) {
        c->findings.api = DEEP_API_HEALTHY;
        c->findings.namespaces = c->admin.name_count;
    } else if (status != HULSE_UNSUPPORTED) {
        api_failed(&c->findings, why);
    }
}

static void take(struct deep_check *c, hulse_status status, const char *why)
{
    if (c->step == STEP_TOPIC) {
        take_topic(c, status, why);
    } else {
        take_api(c, status, why);
    }
    c->step++;
}

static void advance(struct deep_check *c);

static void answered(struct deep_check *c, const struct broker_request *r)
{
    if (c->asking) {
        c->heard = true;
        take(c, r->status, r->text);
    } else if (c->done == NULL) {
        destroy(c);
    } else {
        take(c, r->status, r->text);
        advance(c);
    }
}

static void looked_up(struct broker_request *r)
{
    answered(HULSE_CONTAINER(r, struct deep_check, lookup.request), r);
}

static void listed(struct broker_request *r)
{
    answered(HULSE_CONTAINER(r, struct deep_check, admin.request), r);
}

static hulse_status ask_one(struct deep_check *c, struct error *err)
{
    struct broker *b = c->all->broker;
    struct inbox *home = &c->all->loop->inbox;

    if (c->step == STEP_TOPIC) {
        c->lookup = (struct broker_lookup){.request = {.home = home, .done = looked_up},
                                           .topic = c->topic.full};
        return b->ops->topic_lookup(b, &c->lookup, err);
    }
    c->admin = (struct broker_admin){.request = {.home = home, .done = listed},
                                     .command = BROKER_ADMIN_NAMESPACES,
                                     .namespace_name = c->all->tenant};
    return b->ops->admin(b, &c->admin, err);
}

/* True: the answer is still to come. */
static bool ask(struct deep_check *c)
{
    struct error err = {0};

    c->heard = false;
    c->asking = true;
    const hulse_status st = ask_one(c, &err);
    c->asking = false;
    if (st != HULSE_OK) {
        take(c, st, err.text);
        return false;
    }
    return !c->heard;
}

/* Asks until an answer is to come, or all is known: then it tells, unless it is within the start. */
static void advance(struct deep_check *c)
{
    while (c->step < STEPS) {
        if (ask(c)) {
            return;
        }
    }
    keep(c);
    if (!c->starting) {
        struct admin_line line = {0};
        void (*done)(void *ctx, const struct admin_line *line) = c->done;
        void *ctx = c->ctx;
        compose(&c->findings, &line);
        destroy(c);
        done(ctx, &line);
    }
}

static void timed_out(struct timer *timer)
{
    struct deep_check *c = HULSE_CONTAINER(timer, struct deep_check, timer);
    void (*done)(void *ctx, const struct admin_line *line) = c->done;
    struct admin_line line = {0};

    if (done == NULL) {
        return;
    }
    c->done = NULL;
    if (c->step == STEP_TOPIC) {
        broker_failed(&c->findings, "it has not answered in time");
    } else {
        api_failed(&c->findings, "it has not answered in time");
    }
    keep(c);
    compose(&c->findings, &line);
    done(c->ctx, &line);
}

/* ---- begin ---- */

/* What is known without a question. */
static void look(struct deep_check *c)
{
    struct broker *b = c->all->broker;
    struct broker_trouble trouble;

    c->findings.broker_healthy = b->ops->healthy(b);
    if (!c->findings.broker_healthy) {
        const bool told = b->ops->trouble != NULL && b->ops->trouble(b, &trouble);
        broker_failed(&c->findings, told ? trouble.text : "it cannot be used");
    }
}

/* NULL: no memory, or too many. */
static struct deep_check *create(struct deep_health *all)
{
    const char *topic = all->config->health.topic;
    const char *why = NULL;
    struct deep_check *c = all->open_count >= HULSE_DEEP_HEALTH_MAX
                               ? NULL
                               : hulse_mem_zalloc(HULSE_MEM_ADMIN, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->all = all;
    c->timer.fire = timed_out;
    c->step = STEP_API;
    if (topic[0] != '\0') {
        c->step = STEP_TOPIC;
        if (!hulse_topic_name_parse(&c->topic, topic, all->flow->default_namespace, &why)) {
            c->topic.full[0] = '\0'; /* the broker refuses it, with a text */
        }
    }
    LIST_INSERT_HEAD(&all->open, c, link);
    all->open_count += 1;
    return c;
}

struct deep_check *hulse_deep_health_start(struct deep_health *all,
                                           void (*done)(void *ctx, const struct admin_line *line),
                                           void *ctx,
                                           struct admin_line *out)
{
    const uint64_t now_ms = hulse_loop_now_ms(all->loop);

    if (all->found && now_ms < all->found_ms + HULSE_DEEP_HEALTH_KEPT_MS) {
        compose(&all->findings, out);
        return NULL;
    }
    struct deep_check *c = create(all);
    if (c == NULL) {
        (void)hulse_admin_answer_error(
            out, HULSE_NO_MEMORY, "memory_max is reached, or too many requests are waiting");
        return NULL;
    }
    look(c);
    c->starting = true;
    advance(c);
    c->starting = false;
    if (c->step == STEPS) {
        compose(&c->findings, out);
        destroy(c);
        return NULL;
    }
    c->done = done;
    c->ctx = ctx;
    hulse_timer_start(
        &all->loop->timers, &c->timer, now_ms + all->config->health.timeout_ns / NS_PER_MS);
    return c;
}

void hulse_deep_health_forget(struct deep_check **check)
{
    if (*check != NULL) {
        (*check)->done = NULL;
    }
    *check = NULL;
}
