/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - see command.h.
 */
#include "daemon/control/command.h"

#include "daemon/control/config_answer.h"
#include "daemon/control/figures.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/observe/health.h"
#include "daemon/observe/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    return hulse_clock_ns() / 1000000U;
}

static uint64_t uptime_s(const struct command_scene *scene)
{
    return (now_ms() - scene->started_ms) / 1000U;
}

bool hulse_command_needs_reports(const struct admin_request *request)
{
    return request->command == ADMIN_STATS;
}

static bool had_trouble(struct broker *b, struct broker_trouble *out)
{
    return b->ops->trouble != NULL && b->ops->trouble(b, out);
}

/* False: nothing is shown to it. */
static bool
token_of(const struct command_scene *scene, const char *broker, struct credential_status *out)
{
    const struct credential *c = hulse_credentials_find(scene->credentials, broker);

    *out = (struct credential_status){.why = "", .complaint = ""};
    if (c != NULL) {
        hulse_credential_status(c, out);
    }
    return c != NULL;
}

/* ---- stats ---- */

static uint64_t age_s(uint64_t at_ms)
{
    const uint64_t now = now_ms();

    /* A clock that goes in steps may be ahead. */
    return now > at_ms ? (now - at_ms) / 1000U : 0;
}

static void add_broker_figures(struct stats *s, const struct broker_report *r)
{
    struct figure figures[HULSE_REPORT_FIGURES_MAX];

    for (uint32_t i = 0; i < r->count; i++) {
        const struct report_figure *f = &r->figures[i];
        figures[i] = (struct figure){.name = f->name, .value = f->value, .merge = f->merge};
    }
    hulse_stats_broker_figures(s, r->broker, figures, r->count);
}

static void add_worker(struct stats *s, const struct inquiry *q)
{
    struct figure figures[HULSE_FIGURES_MAX];

    if (q->state != INQUIRY_ANSWERED) {
        hulse_stats_worker_missing(s, q->worker);
        return;
    }
    size_t count = hulse_figures_of_worker(&q->report, figures);
    hulse_stats_worker(s, q->worker, figures, count);
    for (size_t i = 0; i < q->report.broker_count; i++) {
        add_broker_figures(s, &q->report.brokers[i]);
    }
    for (size_t i = 0; i < q->report.topic_count; i++) {
        count = hulse_figures_of_topic(&q->report.topics[i], figures);
        hulse_stats_topic(s, q->report.topics[i].name, figures, count);
    }
    for (size_t i = 0; i < q->report.subscription_count; i++) {
        const struct subscription_report *r = &q->report.subscriptions[i];
        hulse_stats_lag(s, r->topic, r->subscription, r->lag);
    }
}

static void add_broker(const struct command_scene *scene, struct stats *s, struct broker *b)
{
    struct broker_figure from[BROKER_FIGURES_MAX];
    struct figure figures[BROKER_FIGURES_MAX];
    const uint32_t count = b->ops->store_figures(b, from);
    struct broker_trouble trouble;
    struct credential_status token;
    const bool has_token = token_of(scene, b->name, &token);
    const bool failed = had_trouble(b, &trouble);
    const struct stats_broker broker = {
        .name = b->name,
        .type = b->ops->type,
        .healthy = b->ops->healthy(b),
        .failure = failed ? trouble.text : NULL,
        .failure_age_s = failed ? age_s(trouble.at_ms) : 0,
        .has_token = has_token,
        .token_failures = token.failures,
        .token_why = token.why,
    };

    hulse_stats_broker(s, &broker);
    for (uint32_t i = 0; i < count; i++) {
        figures[i] = (struct figure){.name = from[i].name, .value = from[i].value};
    }
    if (count != 0) {
        hulse_stats_store(s, b->name, figures, count);
    }
}

static json_t *stats(const struct command_scene *scene, const struct collection *reports)
{
    const struct stats_head head = {
        .version = scene->version,
        .uptime_s = uptime_s(scene),
        .config_generation = scene->reload->generation,
        .config_reload_failed = scene->reload->failed,
    };
    struct stats s;

    hulse_stats_begin(&s);
    for (unsigned i = 0; i < scene->flow->broker_count; i++) {
        add_broker(scene, &s, scene->flow->brokers[i]);
    }
    for (uint32_t i = 0; i < reports->count; i++) {
        add_worker(&s, &reports->inquiries[i]);
    }
    return hulse_stats_finish(&s, &head);
}

/* ---- health ---- */

static json_t *health(const struct command_scene *scene)
{
    struct health_worker workers[HULSE_PLANE_WORKERS_MAX];
    struct health_broker brokers[HULSE_FLOW_BROKERS_MAX];
    struct broker_trouble troubles[HULSE_FLOW_BROKERS_MAX];

    for (uint32_t i = 0; i < scene->crew->count; i++) {
        workers[i] = (struct health_worker){
            .worker = i,
            .sessions = hulse_crew_sessions_of(scene->crew, i),
            /* Relaxed because only the number matters. */
            .beat_ms =
                atomic_load_explicit(&scene->crew->workers[i]->beat_ms, memory_order_relaxed),
        };
    }
    for (unsigned i = 0; i < scene->flow->broker_count; i++) {
        struct broker *b = scene->flow->brokers[i];
        struct credential_status token;
        (void)token_of(scene, b->name, &token);
        brokers[i] = (struct health_broker){
            .name = b->name,
            .type = b->ops->type,
            .healthy = b->ops->healthy(b) && (token.failures == 0 || token.generation > 0),
            .why = had_trouble(b, &troubles[i]) ? troubles[i].text : NULL,
            .token = token.failures > 0 ? token.why : NULL,
            .complaint = token.failures > 0 && token.complaint[0] != '\0' ? token.complaint : NULL,
        };
    }
    const struct health_input in = {
        .version = scene->version,
        .pid = (uint64_t)getpid(),
        .uptime_s = uptime_s(scene),
        .now_ms = now_ms(),
        .draining = scene->draining,
        .workers = workers,
        .worker_count = scene->crew->count,
        .brokers = brokers,
        .broker_count = scene->flow->broker_count,
    };
    return hulse_health_compose(&in);
}

/* ---- drain ---- */

static json_t *drain(const struct command_scene *scene, bool now)
{
    /* A second request to stop ends the daemon at once; asking twice for a drain is not that. */
    if (!scene->draining || now) {
        scene->drain(scene->ctx, now);
    }
    return json_pack("{s:b, s:I, s:I}",
                     "draining",
                     1,
                     "pid",
                     (json_int_t)getpid(),
                     "sessions",
                     (json_int_t)hulse_crew_sessions(scene->crew));
}

bool hulse_command_answer(const struct command_scene *scene,
                          const struct admin_request *request,
                          const struct collection *reports,
                          struct admin_line *out)
{
    HULSE_ASSERT(hulse_command_needs_reports(request) == (reports != NULL));

    switch (request->command) {
    case ADMIN_STATS:
        return hulse_admin_answer(out, stats(scene, reports));
    case ADMIN_CONFIG:
        return hulse_admin_answer(out, hulse_config_answer(scene->reload));
    case ADMIN_RELOAD:
        return hulse_admin_answer(out, hulse_reload_answer(scene->reload));
    case ADMIN_DRAIN:
        return hulse_admin_answer(out, drain(scene, request->now));
    case ADMIN_HEALTH:
        return hulse_admin_answer(out, health(scene));
    default:
        break;
    }
    HULSE_ASSERT(false);
}

static void log_worker(const struct inquiry *q)
{
    const struct worker_report *r = &q->report;

    if (q->state != INQUIRY_ANSWERED) {
        HULSE_LOG_STATE("dump.worker",
                        hulse_log_u64("worker", q->worker),
                        hulse_log_str("state", "unresponsive"));
        return;
    }
    HULSE_LOG_STATE("dump.worker",
                    hulse_log_u64("worker", q->worker),
                    hulse_log_u64("sessions", r->sessions),
                    hulse_log_u64("channels", r->channels),
                    hulse_log_u64("records", r->records_taken),
                    hulse_log_u64("deliveries", r->deliveries_posted),
                    hulse_log_u64("violations", r->rule_violations),
                    hulse_log_u64("missed_doorbells", r->missed_doorbells),
                    hulse_log_u64("turns", r->turns));
}

void hulse_command_log(const struct command_scene *scene, const struct collection *reports)
{
    HULSE_LOG_STATE("dump.daemon",
                    hulse_log_u64("uptime_s", uptime_s(scene)),
                    hulse_log_u64("workers", reports->count),
                    hulse_log_u64("sessions", hulse_crew_sessions(scene->crew)),
                    hulse_log_u64("memory_used", hulse_mem_total()),
                    hulse_log_u64("memory_cap", hulse_mem_cap()),
                    hulse_log_u64("memory_refused", hulse_mem_refused()));
    for (uint32_t i = 0; i < reports->count; i++) {
        log_worker(&reports->inquiries[i]);
    }
}
