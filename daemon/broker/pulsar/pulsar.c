/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulsar - the broker, and its module on every worker.
 */
#include "daemon/broker/pulsar/pulsar.h"

#include "daemon/broker/pulsar/admin/admin.h"
#include "daemon/broker/pulsar/connection/tls_context.h"
#include "daemon/broker/pulsar/consumer/consumer.h"
#include "daemon/broker/pulsar/figures.h"
#include "daemon/broker/pulsar/producer/producer.h"
#include "daemon/broker/pulsar/schema/registry.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/broker/pulsar/worker.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* Of a message in chunks, until somebody says otherwise. */
#define CHUNKED_BYTES_DEFAULT (64U << 20U)
#define NS_PER_MS UINT64_C(1000000)

/* ---- the module ---- */

static void stop(void *state)
{
    struct pulsar_worker *pw = state;

    hulse_pulsar_senders_destroy(&pw->senders);
    hulse_pulsar_consumers_destroy(&pw->consumers);
    hulse_pulsar_lookups_destroy(&pw->lookups);
    hulse_pulsar_pool_destroy(&pw->pool);
    hulse_wire_contexts_destroy(&pw->contexts);
    free(pw);
}

static void *start(struct worker *w, void *shared, struct error *err)
{
    struct pulsar_worker *pw = calloc(1, sizeof(*pw));

    if (pw == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the client of Pulsar");
        return NULL;
    }
    pw->broker = shared;
    pw->worker = w;
    pw->loop = &w->loop;
    hulse_jitter_init(&pw->jitter);
    pw->contexts = hulse_wire_contexts_create();
    if (pw->contexts == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for compression");
        stop(pw);
        return NULL;
    }
    if ((pw->pool = hulse_pulsar_pool_create(pw, err)) == NULL ||
        (pw->lookups = hulse_pulsar_lookups_create(pw, err)) == NULL ||
        (pw->senders = hulse_pulsar_senders_create(pw, err)) == NULL ||
        (pw->consumers = hulse_pulsar_consumers_create(pw, err)) == NULL) {
        stop(pw);
        return NULL;
    }
    return pw;
}

static void flush(void *state)
{
    struct pulsar_worker *pw = state;

    hulse_pulsar_senders_flush(pw->senders);
    hulse_pulsar_consumers_flush(pw->consumers);
    hulse_pulsar_pool_flush(pw->pool);
}

static void report(void *state, struct worker_report *out)
{
    hulse_pulsar_figures_report(state, out);
}

static const struct worker_module module = {
    .name = "pulsar", .start = start, .stop = stop, .flush = flush, .report = report};

struct pulsar_worker *hulse_pulsar_worker(struct broker *b, struct worker *w)
{
    struct pulsar_worker *pw = hulse_worker_state(w, &module, b);
    HULSE_ASSERT(pw != NULL);
    return pw;
}

/* ---- the broker ---- */

/* An attempt that nobody has repeated for so long says nothing about now. */
#define FAILED_MS 60000U

/* Usable until an attempt has failed, and again when one succeeds; what is ready counts for more. Relaxed: figures. */
static bool healthy(const struct broker *b)
{
    const struct pulsar_broker *p = (const struct pulsar_broker *)(const void *)b;
    const uint64_t failed_ms = atomic_load_explicit(&p->failed_ms, memory_order_relaxed);
    const uint64_t now_ms = hulse_clock_coarse_ns() / NS_PER_MS;

    return failed_ms == 0 ||
           atomic_load_explicit(&p->connections_ready, memory_order_relaxed) != 0 ||
           now_ms > failed_ms + p->params.connect_timeout_ms + FAILED_MS;
}

static bool trouble(struct broker *b, struct broker_trouble *out)
{
    return hulse_pulsar_trouble_read(&((struct pulsar_broker *)(void *)b)->trouble, out);
}

static void refresh(struct broker *b, struct worker *w)
{
    hulse_pulsar_pool_refresh(hulse_pulsar_worker(b, w)->pool);
}

static uint32_t no_figures(const struct broker *b, struct broker_figure *out)
{
    (void)b;
    (void)out;
    return 0;
}

static const struct broker_ops every_call = {
    .type = "pulsar",
    .capabilities = BROKER_CAN_CONSUME | BROKER_CAN_FAILOVER | BROKER_CAN_KEY_SHARED |
                    BROKER_CAN_DURABLE | BROKER_CAN_SEEK | BROKER_CAN_START_ID | BROKER_CAN_DELAY |
                    BROKER_CAN_WISHES | BROKER_CAN_DEDUP | BROKER_CAN_EXCLUSIVE |
                    BROKER_CAN_PARTITIONS | BROKER_CAN_SCHEMA | BROKER_CAN_REPLICATE |
                    BROKER_CAN_INITIAL,
    .module = &module,
    .producer_open = hulse_pulsar_producer_open,
    .send = hulse_pulsar_producer_send,
    .flush = hulse_pulsar_producer_flush,
    .producer_close = hulse_pulsar_producer_close,
    .consumer_open = hulse_pulsar_consumer_open,
    .permit = hulse_pulsar_consumer_permit,
    .copied = hulse_pulsar_consumer_copied,
    .ack = hulse_pulsar_consumer_ack,
    .ack_cumulative = hulse_pulsar_consumer_ack_cumulative,
    .nack = hulse_pulsar_consumer_nack,
    .ack_id = hulse_pulsar_consumer_ack_id,
    .give_back = hulse_pulsar_consumer_give_back,
    .redeliver_all = hulse_pulsar_consumer_redeliver_all,
    .seek = hulse_pulsar_consumer_seek,
    .last_message_id = hulse_pulsar_consumer_last_message_id,
    .unsubscribe = hulse_pulsar_consumer_unsubscribe,
    .consumer_close = hulse_pulsar_consumer_close,
    .topics_watch = hulse_pulsar_topics_watch,
    .topics_again = hulse_pulsar_topics_again,
    .topics_close = hulse_pulsar_topics_close,
    .topic_lookup = hulse_pulsar_topic_lookup,
    .stats = hulse_pulsar_stats,
    .schema_get = hulse_pulsar_schema_get,
    .schema_put = hulse_pulsar_schema_put,
    .admin = hulse_pulsar_admin,
    .store_figures = no_figures,
    .healthy = healthy,
    .trouble = trouble,
    .refresh = refresh,
};

void hulse_pulsar_params_default(struct pulsar_params *p)
{
    *p = (struct pulsar_params){.connect_timeout_ms = 10000,
                                .operation_timeout_ms = 30000,
                                .keep_alive_ms = 30000,
                                .lag_period_ms = 15000,
                                .message_bytes_max = WIRE_MESSAGE_BYTES_DEFAULT,
                                .chunked_bytes_max = CHUNKED_BYTES_DEFAULT};
}

/* Brokers' own URLs may have a path, which means nothing; in a configuration it is a mistake. */
static bool has_path(const char *service_url)
{
    const char *hosts = strstr(service_url, "://");
    const char *path = hosts == NULL ? NULL : strpbrk(hosts + 3, "/?#");

    return path != NULL && strcmp(path, "/") != 0;
}

static hulse_status check_path(const char *url, const char *what, struct error *err)
{
    if (has_path(url)) {
        /* Not repeated: it may hold a secret. */
        return hulse_fail(
            err, HULSE_INVAL, "%s URL has nothing behind its hosts and their ports", what);
    }
    return HULSE_OK;
}

/* What a configuration has: topics may be looked up over HTTP. */
static hulse_status parse_url(const char *service_url, struct service_url *out, struct error *err)
{
    const bool http = strncasecmp(service_url, "http", 4) == 0;

    return http ? hulse_admin_url_parse(service_url, out, err)
                : hulse_service_url_parse(service_url, out, err);
}

hulse_status hulse_pulsar_url_check(const char *service_url, bool *tls, struct error *err)
{
    struct service_url url;
    const hulse_status st = parse_url(service_url, &url, err);

    *tls = st == HULSE_OK && url.tls;
    return st != HULSE_OK ? st : check_path(service_url, "a service", err);
}

hulse_status hulse_pulsar_admin_url_check(const char *admin_url, bool *tls, struct error *err)
{
    struct service_url url;
    const hulse_status st = hulse_admin_url_parse(admin_url, &url, err);

    *tls = st == HULSE_OK && url.tls;
    return st != HULSE_OK ? st : check_path(admin_url, "an admin", err);
}

hulse_status hulse_pulsar_tls_check(const struct pulsar_tls_params *params, struct error *err)
{
    struct tls_context t = {0};
    const hulse_status st = hulse_tls_context_update(&t, params, err);

    hulse_tls_context_fini(&t);
    return st;
}

/* A copy; NULL stays NULL. False: no memory. */
static bool keep(const char **text)
{
    if (*text != NULL) {
        *text = strdup(*text);
        return *text != NULL;
    }
    return true;
}

/* Takes over what params points to. */
static bool keep_params(struct pulsar_params *p, const struct pulsar_params *from)
{
    *p = *from;
    const char **texts[] = {&p->service_url,
                            &p->admin_url,
                            &p->listener,
                            &p->daemon_name,
                            &p->tls.ca_file,
                            &p->tls.cert_file,
                            &p->tls.key_file};
    bool all = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        all = keep(texts[i]) && all;
    }
    return all;
}

static void free_params(struct pulsar_params *p)
{
    free((char *)(uintptr_t)p->service_url);
    free((char *)(uintptr_t)p->admin_url);
    free((char *)(uintptr_t)p->listener);
    free((char *)(uintptr_t)p->daemon_name);
    free((char *)(uintptr_t)p->tls.ca_file);
    free((char *)(uintptr_t)p->tls.cert_file);
    free((char *)(uintptr_t)p->tls.key_file);
}

struct broker *
hulse_pulsar_create(const char *name, const struct pulsar_params *params, struct error *err)
{
    struct pulsar_broker *p = calloc(1, sizeof(*p));

    if (p == NULL || !keep_params(&p->params, params)) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the broker %s", name);
        goto failed;
    }
    bool tls = false;
    if (hulse_pulsar_url_check(params->service_url, &tls, err) != HULSE_OK ||
        parse_url(params->service_url, &p->service, err) != HULSE_OK) {
        goto failed;
    }
    if (params->admin_url != NULL &&
        (hulse_pulsar_admin_url_check(params->admin_url, &tls, err) != HULSE_OK ||
         hulse_admin_url_parse(params->admin_url, &p->rest.url, err) != HULSE_OK)) {
        goto failed;
    }
    if (getrandom(p->boot_id, sizeof(p->boot_id), 0) != (ssize_t)sizeof(p->boot_id)) {
        (void)hulse_fail(err, HULSE_IO, "the system gives no random bytes");
        goto failed;
    }
    if (params->admin_url == NULL && p->service.http) {
        p->rest.url = p->service;
    }
    p->rest.params = &p->params;
    hulse_web_desk_init(&p->web, &p->params);
    p->web.rest.url = p->service;
    p->ops = every_call;
    p->ops.capabilities |= p->rest.url.host_count > 0 ? PULSAR_ADMIN_CAPABILITIES : 0;
    p->base = (struct broker){.ops = &p->ops, .name = name};
    hulse_pulsar_trouble_init(&p->trouble);
    hulse_lag_table_init(&p->lags);
    hulse_pulsar_clusters_init(&p->clusters);
    return &p->base;
failed:
    if (p != NULL) {
        free_params(&p->params);
        free(p);
    }
    return NULL;
}

void hulse_pulsar_destroy(struct broker **b)
{
    struct pulsar_broker *p = (struct pulsar_broker *)(void *)*b;

    hulse_pulsar_trouble_fini(&p->trouble);
    hulse_lag_table_fini(&p->lags);
    hulse_pulsar_clusters_fini(&p->clusters);
    free_params(&p->params);
    free(p);
    *b = NULL;
}
