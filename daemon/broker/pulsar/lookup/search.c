/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - see the header.
 */
#include "daemon/broker/pulsar/lookup/search.h"

#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/broker/pulsar/lookup/reply.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

/*
 * One question gets a third of the time, so that a host that says nothing leaves some for others; and so does a wait, so
 * that whoever comes late to a search sees an attempt.
 */
#define QUESTIONS_IN_TIMEOUT 3U
#define QUESTION_MS_MIN 100U

struct search {
    LIST_ENTRY(search) link; /* of its bucket */
    struct pulsar_lookups *lookups;
    struct lookup_query_list queries;
    struct pulsar_user user;
    struct pulsar_request request;
    struct timer retry;
    struct backoff backoff;
    struct pulsar_endpoint to; /* whom it asks */
    uint32_t host;             /* of the service URL, of this attempt */
    uint32_t hosts_failed;     /* one after the other, without a wait */
    enum lookup_question question;
    uint32_t redirects;
    bool authoritative;
    bool create;
    bool asking; /* an attempt is under way */
    bool queued; /* it waits for one */
    TAILQ_ENTRY(search) queue;
    struct pulsar_failure last; /* of the last attempt; its class is BROKER_DONE before */
    uint64_t hash;
    size_t bytes; /* of this object */
    char topic[];
};

static const char no_connection[] = "no memory for a connection to a broker";

static bool ask_service(struct search *s);

static const struct pulsar_params *params_of(const struct search *s)
{
    return &s->lookups->worker->broker->params;
}

static const struct service_url *service_of(const struct search *s)
{
    return &s->lookups->worker->broker->service;
}

static struct timer_wheel *timers_of(const struct pulsar_lookups *l)
{
    return &l->worker->loop->timers;
}

static uint64_t now_ms(const struct pulsar_lookups *l)
{
    return hulse_loop_now_ms(l->worker->loop);
}

static uint32_t question_ms(const struct search *s)
{
    const uint32_t ms = params_of(s)->operation_timeout_ms / QUESTIONS_IN_TIMEOUT;
    return ms < QUESTION_MS_MIN ? QUESTION_MS_MIN : ms;
}

static void leave_connection(struct search *s)
{
    hulse_pulsar_cancel(&s->request);
    hulse_pulsar_detach(&s->user);
}

/* ---- how many ask at once ---- */

static void retry_fire(struct timer *timer);

static void wait_and_retry(struct search *s)
{
    const uint32_t delay_ms = hulse_backoff_ms(&s->backoff, &s->lookups->worker->jitter);
    const uint32_t delay_ms_max = question_ms(s);

    s->hosts_failed = 0;
    hulse_timer_start(timers_of(s->lookups),
                      &s->retry,
                      now_ms(s->lookups) + (delay_ms < delay_ms_max ? delay_ms : delay_ms_max));
}

static void begin_queued(struct pulsar_lookups *l)
{
    struct searches *all = &l->searches;

    while (!l->stopping && all->asking < PULSAR_LOOKUP_ASKING_MAX && !TAILQ_EMPTY(&all->queue)) {
        struct search *s = TAILQ_FIRST(&all->queue);
        TAILQ_REMOVE(&all->queue, s, queue);
        s->queued = false;
        s->asking = ask_service(s);
        all->asking += s->asking ? 1U : 0U;
        if (!s->asking) {
            hulse_pulsar_failure_status(&s->last, HULSE_NO_MEMORY, no_connection);
            wait_and_retry(s);
        }
    }
}

static void begin_attempt(struct search *s)
{
    HULSE_ASSERT(!s->asking && !s->queued);

    s->queued = true;
    TAILQ_INSERT_TAIL(&s->lookups->searches.queue, s, queue);
    begin_queued(s->lookups);
}

static void end_attempt(struct search *s)
{
    struct searches *all = &s->lookups->searches;

    leave_connection(s);
    if (s->queued) {
        s->queued = false;
        TAILQ_REMOVE(&all->queue, s, queue);
    }
    if (s->asking) {
        s->asking = false;
        all->asking -= 1;
        begin_queued(s->lookups);
    }
}

/* ---- the end ---- */

static void destroy(struct search *s)
{
    HULSE_ASSERT(TAILQ_EMPTY(&s->queries));

    end_attempt(s);
    hulse_timer_stop(timers_of(s->lookups), &s->retry);
    LIST_REMOVE(s, link);
    hulse_mem_free(HULSE_MEM_BROKER, s, s->bytes);
}

/* Takes a query out; what follows is its answer. */
static void release(struct search *s, struct lookup_query *q)
{
    TAILQ_REMOVE(&s->queries, q, link);
    q->search = NULL;
    hulse_timer_stop(timers_of(s->lookups), &q->deadline);
}

static void finish(struct search *s, const struct pulsar_lookup_result *result)
{
    while (!TAILQ_EMPTY(&s->queries)) {
        struct lookup_query *q = TAILQ_FIRST(&s->queries);
        release(s, q);
        q->result = *result;
        s->lookups->figures.failed += result->failure.class != BROKER_DONE ? 1 : 0;
        hulse_lookup_query_answer(q);
    }
    destroy(s);
}

static void finish_failed(struct search *s, const struct pulsar_failure *f)
{
    const struct pulsar_lookup_result result = {.failure = *f};
    finish(s, &result);
}

static void deadline_fire(struct timer *timer)
{
    struct lookup_query *q = HULSE_CONTAINER(timer, struct lookup_query, deadline);
    struct search *s = q->search;

    q->result = (struct pulsar_lookup_result){.failure = s->last};
    if (s->last.class == BROKER_DONE) {
        char host[PULSAR_HOST_TEXT_BYTES] = "no broker";
        char text[BROKER_TEXT_BYTES];
        if (s->asking) {
            hulse_pulsar_host_print(&s->to.physical, host);
        }
        (void)snprintf(text, sizeof(text), "%.100s: no answer in operation_timeout", host);
        hulse_pulsar_failure_status(&q->result.failure, HULSE_TIMED_OUT, text);
    }
    release(s, q);
    s->lookups->figures.failed++;
    hulse_lookup_query_answer(q);
    if (TAILQ_EMPTY(&s->queries)) {
        destroy(s);
    }
}

/* ---- failed attempts ---- */

/* The next attempts of all searches begin at another host, unless one has seen to that. */
static void shun_host(struct search *s)
{
    struct searches *all = &s->lookups->searches;

    if (all->host == s->host) {
        all->host = (s->host + 1) % service_of(s)->host_count;
    }
}

static void retry_fire(struct timer *timer)
{
    begin_attempt(HULSE_CONTAINER(timer, struct search, retry));
}

static void fail_attempt(struct search *s, const struct pulsar_failure *f)
{
    end_attempt(s);
    if (f->verdict != PULSAR_AGAIN && f->verdict != PULSAR_QUOTA) {
        finish_failed(s, f);
        return;
    }
    s->last = *f;
    shun_host(s);
    wait_and_retry(s);
}

static void fail_status(struct search *s, hulse_status status, const char *text)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, status, text);
    fail_attempt(s, &f);
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
    return hulse_pulsar_ask(c, &s->request, &command, question_ms(s));
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
    body.advertised_listener_name = (char *)(uintptr_t)params_of(s)->listener;
    command.type = PULSAR__BASE_COMMAND__TYPE__LOOKUP;
    command.lookuptopic = &body;
    return hulse_pulsar_ask(c, &s->request, &command, question_ms(s));
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
    fail_attempt(s, &f);
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

/* False: no memory. */
static bool attach(struct search *s)
{
    return hulse_pulsar_attach(s->lookups->worker->pool, &s->user, &s->to, PULSAR_FOR_PUBLISHING);
}

/* "…-partition-N" is one partition and has none itself. */
static bool is_partition(const char *topic)
{
    static const char mark[] = "-partition-";
    const char *end = topic + strlen(topic);
    const char *digits = end;

    while (digits > topic && digits[-1] >= '0' && digits[-1] <= '9') {
        digits--;
    }
    const size_t before = (size_t)(digits - topic);
    return digits != end && before > sizeof(mark) - 1 &&
           memcmp(digits - (sizeof(mark) - 1), mark, sizeof(mark) - 1) == 0;
}

/* The next host in turn, those in their backoff passed over while there is another. */
static void choose_host(struct search *s)
{
    const struct service_url *service = service_of(s);
    struct searches *all = &s->lookups->searches;
    const uint32_t first = all->host;

    for (uint32_t i = 0; i <= service->host_count; i++) {
        s->host = (first + i) % service->host_count;
        s->to = (struct pulsar_endpoint){.physical = service->hosts[s->host],
                                         .logical = service->hosts[s->host],
                                         .tls = service->tls};
        if (!hulse_pulsar_pool_rests(s->lookups->worker->pool, &s->to)) {
            all->host = s->host;
            return;
        }
    }
}

/* False: no memory. */
static bool ask_service(struct search *s)
{
    choose_host(s);
    /* Of a partition too it is the one question that says whether it is there. */
    s->question = s->create && is_partition(s->topic) ? LOOKUP_OWNER : LOOKUP_PARTITIONS;
    s->redirects = 0;
    s->authoritative = false;
    return attach(s);
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
        finish_failed(s, &f);
        return;
    }
    s->redirects += 1;
    s->lookups->figures.redirects++;
    s->authoritative = r->authoritative;
    leave_connection(s);
    endpoint_of(s, r, &s->to);
    if (!attach(s)) {
        fail_status(s, HULSE_NO_MEMORY, no_connection);
    }
}

static void found(struct search *s, const struct pulsar_lookup_result *result)
{
    const struct lookup_key key = {.topic = s->topic, .hash = s->hash, .create = s->create};

    hulse_lookup_cache_put(&s->lookups->cache, &key, now_ms(s->lookups), result);
    finish(s, result);
}

static void take_partitions(struct search *s, const struct lookup_reply *r)
{
    if (r->partitions == 0) {
        s->question = LOOKUP_OWNER;
        ask(s);
        return;
    }
    const struct pulsar_lookup_result result = {.partitions = r->partitions};
    found(s, &result);
}

static void take_owner(struct search *s, const struct lookup_reply *r)
{
    struct pulsar_lookup_result result = {.partitions = 0};
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
        fail_attempt(s, &r->failure);
        break;
    case LOOKUP_REPLY_NONSENSE:
        /* `lost` ends the attempt. */
        hulse_pulsar_break(s->user.connection, "an answer to a lookup that is none");
        break;
    }
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

/* Another host is tried at once, until all have failed. */
static void user_lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    struct search *s = HULSE_CONTAINER(u, struct search, user);
    const bool service_host = s->redirects == 0;

    if (service_host && ++s->hosts_failed < service_of(s)->host_count) {
        hulse_pulsar_failure_status(&s->last, status, text);
        hulse_pulsar_cancel(&s->request);
        shun_host(s);
        if (ask_service(s)) {
            return;
        }
    }
    fail_status(s, status, text);
}

static const struct pulsar_user_events user_events = {.ready = user_ready, .lost = user_lost};

/* ---- the beginning ---- */

static struct search *find(struct pulsar_lookups *l, const struct lookup_query *q)
{
    struct search *s = NULL;

    LIST_FOREACH(s, &l->searches.buckets[q->hash % SEARCH_BUCKETS], link)
    {
        if (s->hash == q->hash && s->create == q->create && strcmp(s->topic, q->topic) == 0) {
            return s;
        }
    }
    return NULL;
}

static struct search *create(struct pulsar_lookups *l, const struct lookup_query *q)
{
    const size_t topic_bytes = strlen(q->topic) + 1;
    const size_t bytes = sizeof(struct search) + topic_bytes;
    struct search *s = hulse_mem_zalloc(HULSE_MEM_BROKER, bytes);

    if (s == NULL) {
        return NULL;
    }
    s->lookups = l;
    s->bytes = bytes;
    s->hash = q->hash;
    s->create = q->create;
    memcpy(s->topic, q->topic, topic_bytes);
    TAILQ_INIT(&s->queries);
    s->user.events = &user_events;
    s->user.kind = PULSAR_USER_OTHER;
    s->request.done = request_done;
    s->retry.fire = retry_fire;
    LIST_INSERT_HEAD(&l->searches.buckets[q->hash % SEARCH_BUCKETS], s, link);
    return s;
}

void hulse_searches_init(struct pulsar_lookups *l)
{
    struct searches *all = &l->searches;

    for (uint32_t i = 0; i < SEARCH_BUCKETS; i++) {
        LIST_INIT(&all->buckets[i]);
    }
    TAILQ_INIT(&all->queue);
    all->host =
        (uint32_t)(hulse_jitter_next(&l->worker->jitter) % l->worker->broker->service.host_count);
}

void hulse_search_join(struct pulsar_lookups *l, struct lookup_query *q)
{
    struct search *s = find(l, q);
    const bool begin = s == NULL;

    if (begin) {
        s = create(l, q);
    }
    if (s == NULL) {
        hulse_pulsar_failure_status(
            &q->result.failure, HULSE_NO_MEMORY, "no memory to look a topic up");
        hulse_lookup_query_answer(q);
        return;
    }
    l->figures.collapsed += begin ? 0 : 1;
    q->search = s;
    TAILQ_INSERT_TAIL(&s->queries, q, link);
    q->deadline.fire = deadline_fire;
    hulse_timer_start(
        timers_of(l), &q->deadline, now_ms(l) + l->worker->broker->params.operation_timeout_ms);
    if (begin) {
        begin_attempt(s);
    }
}

/* ---- workers that end ---- */

static void forget(struct search *s, uint32_t worker)
{
    struct lookup_query *next = NULL;

    for (struct lookup_query *q = TAILQ_FIRST(&s->queries); q != NULL; q = next) {
        next = TAILQ_NEXT(q, link);
        if (q->asked_by == worker) {
            release(s, q);
            hulse_lookup_query_answer(q);
        }
    }
    if (TAILQ_EMPTY(&s->queries)) {
        destroy(s);
    }
}

void hulse_searches_forget(struct pulsar_lookups *l, uint32_t worker)
{
    for (uint32_t i = 0; i < SEARCH_BUCKETS; i++) {
        struct search *next = NULL;
        for (struct search *s = LIST_FIRST(&l->searches.buckets[i]); s != NULL; s = next) {
            next = LIST_NEXT(s, link);
            forget(s, worker);
        }
    }
}

static void send_back(struct search *s)
{
    while (!TAILQ_EMPTY(&s->queries)) {
        struct lookup_query *q = TAILQ_FIRST(&s->queries);
        release(s, q);
        q->returned = true;
        hulse_lookup_query_answer(q);
    }
    destroy(s);
}

void hulse_searches_return(struct pulsar_lookups *l)
{
    for (uint32_t i = 0; i < SEARCH_BUCKETS; i++) {
        while (!LIST_EMPTY(&l->searches.buckets[i])) {
            send_back(LIST_FIRST(&l->searches.buckets[i]));
        }
    }
}
