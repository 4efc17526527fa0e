/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempt - one attempt of a search: a host of the service URL, its questions, where the answers send it.
 */
#include "daemon/broker/pulsar/lookup/partition_name.h"
#include "daemon/broker/pulsar/lookup/search_state.h"
#include "daemon/broker/pulsar/lookup/watch.h"
#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>

/*
 * One question gets a third of the time, so that a host that says nothing leaves some for others; and so does a wait, so
 * that whoever comes late to a search sees an attempt.
 */
#define QUESTIONS_IN_TIMEOUT 3U
#define QUESTION_MS_MIN 100U
/* A broker says when it gives a topic up. */
#define OWNER_KEPT_MS 60000U

static const char no_connection[] = "no memory for a connection to a broker";

static const struct service_url *service_of(const struct search *s)
{
    const struct pulsar_broker *b = s->lookups->worker->broker;

    return hulse_pulsar_clusters_at(&b->clusters, &b->service, s->cluster);
}

uint32_t hulse_attempt_question_ms(const struct search *s)
{
    const uint32_t ms = hulse_search_params(s)->operation_timeout_ms / QUESTIONS_IN_TIMEOUT;
    return ms < QUESTION_MS_MIN ? QUESTION_MS_MIN : ms;
}

void hulse_attempt_leave(struct search *s)
{
    hulse_pulsar_cancel(&s->request);
    hulse_pulsar_detach(&s->user);
    hulse_web_forget(s);
}

void hulse_attempt_shun_host(struct search *s)
{
    uint32_t *host = &s->lookups->searches.hosts[s->cluster];

    if (*host == s->host) {
        *host = (s->host + 1) % service_of(s)->host_count;
    }
}

static void fail_status(struct search *s, hulse_status status, const char *text)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, status, text);
    hulse_search_attempt_failed(s, &f);
}

/* ---- questions ---- */

static bool ask_partitions(struct search *s, struct pulsar_connection *c)
{
    Pulsar__CommandPartitionedTopicMetadata body = PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    body.topic = s->topic;
    body.request_id = hulse_pulsar_request_id(c, &s->request);
    if (!s->create) {
        body.has_metadata_auto_creation_enabled = 1;
        body.metadata_auto_creation_enabled = 0;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA;
    command.partitionmetadata = &body;
    return hulse_pulsar_ask(c, &s->request, &command, hulse_attempt_question_ms(s));
}

static bool ask_owner(struct search *s, struct pulsar_connection *c)
{
    Pulsar__CommandLookupTopic body = PULSAR__COMMAND_LOOKUP_TOPIC__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    body.topic = s->topic;
    body.request_id = hulse_pulsar_request_id(c, &s->request);
    body.has_authoritative = 1;
    body.authoritative = s->authoritative;
    /* protobuf-c has no constant texts; nothing writes to it. */
    body.advertised_listener_name = (char *)(uintptr_t)hulse_search_params(s)->listener;
    command.type = PULSAR__BASE_COMMAND__TYPE__LOOKUP;
    command.lookuptopic = &body;
    return hulse_pulsar_ask(c, &s->request, &command, hulse_attempt_question_ms(s));
}

/* A broker that does not know the field would create the topic. */
static bool may_ask(struct search *s, const struct pulsar_connection *c)
{
    if (s->create || s->question != LOOKUP_PARTITIONS ||
        hulse_pulsar_peer(c)->partitions_without_creation) {
        return true;
    }
    struct pulsar_failure f;
    hulse_pulsar_failure_status(
        &f,
        HULSE_UNSUPPORTED,
        "this broker is too old to say whether a topic is there without creating it");
    f.verdict = PULSAR_REFUSED;
    f.class = BROKER_FAIL;
    hulse_search_attempt_failed(s, &f);
    return false;
}

static void ask(struct search *s)
{
    struct pulsar_connection *c = s->user.connection;

    if (!may_ask(s, c)) {
        return;
    }
    const bool asked = s->question == LOOKUP_PARTITIONS ? ask_partitions(s, c) : ask_owner(s, c);
    if (!asked) {
        fail_status(s, HULSE_NO_MEMORY, "no memory to ask a broker for a topic");
    }
}

static void ask_on(struct search *s)
{
    if (!service_of(s)->http) {
        ask(s);
    } else if (!hulse_web_ask(s)) {
        fail_status(s, HULSE_NO_MEMORY, "no memory to ask a broker for a topic");
    }
}

/* False: no memory. */
static bool attach(struct search *s)
{
    return hulse_pulsar_attach(s->lookups->worker->pool, &s->user, &s->to, PULSAR_FOR_PUBLISHING);
}

/* One partition, which has none itself. */
static bool is_partition(const char *topic)
{
    const size_t bytes = strlen(topic);
    return hulse_partition_whole_bytes(topic, bytes) != bytes;
}

static struct pulsar_endpoint service_endpoint(const struct search *s, uint32_t at)
{
    const struct service_url *service = service_of(s);

    return (struct pulsar_endpoint){
        .physical = service->hosts[at], .logical = service->hosts[at], .tls = service->tls};
}

/* The next host in turn, those in their backoff passed over; without another, the one that may be tried first. */
static void choose_host(struct search *s)
{
    uint32_t *host = &s->lookups->searches.hosts[s->cluster];
    const uint32_t count = service_of(s)->host_count;
    uint64_t soonest_ms = UINT64_MAX;

    for (uint32_t i = 0; i < count && soonest_ms > 0; i++) {
        const uint32_t at = (*host + i) % count;
        const struct pulsar_endpoint to = service_endpoint(s, at);
        const uint64_t until_ms = hulse_pulsar_pool_rests_until_ms(s->lookups->worker->pool, &to);
        if (until_ms < soonest_ms) {
            soonest_ms = until_ms;
            s->host = at;
            s->to = to;
        }
    }
    if (soonest_ms == 0) {
        *host = s->host;
    }
}

/* A host is the HTTP client's to choose; what is told of a wait names one. */
static bool begin(struct search *s)
{
    if (service_of(s)->http) {
        s->to = service_endpoint(s, 0);
        return hulse_web_ask(s);
    }
    return attach(s);
}

bool hulse_attempt_begin(struct search *s)
{
    if (!service_of(s)->http) {
        choose_host(s);
    }
    /* Of a partition too it is the one question that says whether it is there. */
    s->question = s->create && is_partition(s->topic) ? LOOKUP_OWNER : LOOKUP_PARTITIONS;
    s->redirects = 0;
    s->authoritative = false;
    return begin(s);
}

/* ---- answers ---- */

/* Where the broker of an answer is reached. */
static void
endpoint_of(const struct search *s, const struct lookup_reply *r, struct pulsar_endpoint *out)
{
    const struct service_url *service = service_of(s);

    out->logical = r->broker;
    out->physical = r->through_service ? service->hosts[s->host] : r->broker;
    out->tls = service->tls;
    out->proxied = !hulse_pulsar_host_same(&out->physical, &out->logical);
}

static void redirect(struct search *s, const struct lookup_reply *r)
{
    if (s->redirects == PULSAR_REDIRECTS_MAX) {
        struct pulsar_failure f;
        char text[BROKER_TEXT_BYTES];
        (void)snprintf(text,
                       sizeof(text),
                       "brokers have sent a lookup from one to the other more than %u times",
                       PULSAR_REDIRECTS_MAX);
        hulse_pulsar_failure_status(&f, HULSE_PROTOCOL, text);
        hulse_search_finish_failed(s, &f);
        return;
    }
    s->redirects += 1;
    s->lookups->figures.redirects++;
    s->authoritative = r->authoritative;
    hulse_attempt_leave(s);
    endpoint_of(s, r, &s->to);
    if (!attach(s)) {
        fail_status(s, HULSE_NO_MEMORY, no_connection);
    }
}

/* What has partitions is there already, whoever asked. */
static void found(struct search *s, const struct pulsar_lookup_result *result)
{
    const struct lookup_key key = {.topic = s->topic,
                                   .hash = s->hash,
                                   .cluster = s->cluster,
                                   .create = s->create && result->partitions == 0};

    hulse_lookup_cache_put(
        &s->lookups->cache, &key, hulse_loop_now_ms(s->lookups->worker->loop), result);
    hulse_search_finish(s, result);
}

static void take_partitions(struct search *s, const struct lookup_reply *r)
{
    if (r->partitions == 0) {
        s->question = LOOKUP_OWNER;
        ask_on(s);
        return;
    }
    const struct pulsar_lookup_result result = {
        .partitions = r->partitions, .kept_ms = hulse_pulsar_partitions_ms(s->lookups->worker)};
    found(s, &result);
}

static void take_owner(struct search *s, const struct lookup_reply *r)
{
    struct pulsar_lookup_result result = {.kept_ms = OWNER_KEPT_MS};
    endpoint_of(s, r, &result.endpoint);
    found(s, &result);
}

static void take_reply(struct search *s, const struct lookup_reply *r)
{
    switch (r->kind) {
    case LOOKUP_REPLY_PARTITIONS:
        take_partitions(s, r);
        break;
    case LOOKUP_REPLY_BROKER:
        take_owner(s, r);
        break;
    case LOOKUP_REPLY_REDIRECT:
        redirect(s, r);
        break;
    case LOOKUP_REPLY_FAILED:
        hulse_search_attempt_failed(s, &r->failure);
        break;
    case LOOKUP_REPLY_NONSENSE:
        /* `lost` ends the attempt. */
        hulse_pulsar_break(s->user.connection, "an answer to a lookup that is none");
        break;
    }
}

/* Whether the cluster is there, for who asks the daemon: no connection tells it. */
static void tell_of_host(const struct search *s, const struct lookup_reply *r)
{
    struct pulsar_broker *b = s->lookups->worker->broker;
    const bool failed = r->kind == LOOKUP_REPLY_FAILED && r->failure.verdict == PULSAR_AGAIN;
    char host[PULSAR_HOST_TEXT_BYTES];

    if (failed) {
        hulse_pulsar_host_print(&s->to.physical, host);
        hulse_pulsar_trouble_note(&b->trouble, host, r->failure.text);
    }
    /* Relaxed: a figure. */
    atomic_store_explicit(&b->failed_ms,
                          failed ? hulse_loop_now_ms(s->lookups->worker->loop) : 0,
                          memory_order_relaxed);
}

void hulse_attempt_answered(struct search *s, const struct lookup_reply *r)
{
    tell_of_host(s, r);
    take_reply(s, r);
}

static void request_done(struct pulsar_request *request,
                         enum pulsar_reply reply,
                         const Pulsar__BaseCommand *answer)
{
    struct search *s = HULSE_CONTAINER(request, struct search, request);
    struct lookup_reply read;

    switch (reply) {
    case PULSAR_REPLY_ANSWER:
        hulse_lookup_reply_read(answer, s->question, service_of(s)->tls, &read);
        take_reply(s, &read);
        break;
    case PULSAR_REPLY_LOST: /* `lost` says why */
        break;
    case PULSAR_REPLY_TIMED_OUT:
        fail_status(s, HULSE_TIMED_OUT, "a broker has not answered a lookup");
        break;
    }
}

static void user_ready(struct pulsar_user *u)
{
    ask(HULSE_CONTAINER(u, struct search, user));
}

/* Another host is tried at once; where all have failed, the one whose backoff ends first, and it waits there. */
static void user_lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    struct search *s = HULSE_CONTAINER(u, struct search, user);

    if (hulse_pulsar_is_gated(&s->to, status)) {
        hulse_pulsar_failure_status(&s->last, status, text);
        s->last.gated = true;
        hulse_pulsar_cancel(&s->request);
        if (s->redirects == 0) {
            hulse_attempt_shun_host(s);
        }
        if (hulse_attempt_begin(s)) {
            return;
        }
    }
    fail_status(s, status, text);
}

static const struct pulsar_user_events user_events = {.ready = user_ready, .lost = user_lost};

void hulse_attempt_init(struct search *s)
{
    s->user.events = &user_events;
    s->user.kind = PULSAR_USER_OTHER;
    s->request.done = request_done;
}
