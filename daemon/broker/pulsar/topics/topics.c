/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topics - see the header.
 *
 *   resting ──▶ attaching ──▶ asking ──list──▶ settled ──period, a topic that went, a wish──▶ asking
 *      ▲            └─────lost─────┴────error────┴──▶ resting (backoff)
 *
 * Settled with a watcher the broker tells what changes. What comes is passed on; where something goes, all is listed again,
 * because a partition that goes says little of its topic. Every period it is asked whether the list is still the one that is
 * known (its hash): by the same watcher where the broker takes that (feature 7), else by GET_TOPICS_OF_NAMESPACE. The two
 * hash different lists, so each keeps its own.
 */
#include "daemon/broker/pulsar/topics/topics.h"

#include "daemon/broker/pulsar/topics/topic_names.h"
#include "daemon/broker/pulsar/worker.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_name.h"

#include <stdio.h>
#include <string.h>

/* "xxxxxxxx" today; one that is longer is not sent back. */
#define HASH_BYTES 64U
/* After something went: what a broker lists may be a little behind what it tells. */
#define SOON_MS 1000U
#define REFRESH_MS_DEFAULT 60000U
/* A partition's name, of which only the owner is asked. */
#define ANY_TOPIC "watch-partition-0"

enum list_state { LIST_RESTING, LIST_ATTACHING, LIST_ASKING, LIST_SETTLED };
enum list_question { QUESTION_WATCH, QUESTION_GET, QUESTION_COUNT };

struct topics {
    struct broker_topics base; /* first */
    struct pulsar_worker *pw;
    struct pulsar_user user;
    struct pulsar_request request;
    struct pulsar_lookup lookup;
    struct pulsar_endpoint to;
    struct timer timer;    /* what `state` waits for */
    struct timer deadline; /* of the first list */
    struct backoff backoff;
    struct pulsar_failure last;
    enum list_state state;
    enum list_question question;
    uint32_t host;
    bool persistent;
    bool non_persistent;
    bool heard;    /* `listed` or `failed` was told */
    bool watching; /* on this connection */
    bool no_watch; /* its broker does not want to */
    bool anew;     /* the list is to be told, whatever its hash */
    bool again;    /* asked for while a question was on its way */
    bool soon;
    char hash[QUESTION_COUNT][HASH_BYTES]; /* empty: none */
    char *namespace_name;
    char *pattern;
    size_t bytes;
    char texts[];
};

static struct timer_wheel *timers_of(const struct topics *t)
{
    return &t->pw->loop->timers;
}

static void wait_ms(struct topics *t, uint64_t ms)
{
    hulse_timer_start(timers_of(t), &t->timer, hulse_loop_now_ms(t->pw->loop) + ms);
}

static void attach(struct topics *t);

/* ---- failures ---- */

/* Once, until there was a list; afterwards it is the broker's trouble, which others have too. May close it. */
static void tell_failed(struct topics *t)
{
    if (!t->heard) {
        t->heard = true;
        if (hulse_timer_pending(&t->deadline)) {
            hulse_timer_stop(timers_of(t), &t->deadline);
        }
        t->base.events->failed(t->base.ctx, t->last.status, t->last.text);
    }
}

static void leave_connection(struct topics *t)
{
    hulse_pulsar_lookup_cancel(&t->lookup);
    hulse_pulsar_cancel(&t->request);
    hulse_pulsar_detach(&t->user);
    t->pw->topics.watchers -= t->watching ? 1 : 0;
    t->watching = false;
}

/* Another attempt, on another connection, later. May close it. */
static void fail(struct topics *t, const struct pulsar_failure *f)
{
    leave_connection(t);
    t->pw->topics.failed += 1;
    t->last = *f;
    t->state = LIST_RESTING;
    t->host = (t->host + 1) % t->pw->broker->service.host_count;
    wait_ms(t, hulse_backoff_ms(&t->backoff, &t->pw->jitter));
    if (f->verdict != PULSAR_AGAIN && f->verdict != PULSAR_QUOTA) {
        tell_failed(t);
    }
}

static void fail_status(struct topics *t, hulse_status status, const char *text)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, status, text);
    fail(t, &f);
}

static void deadline_fire(struct timer *timer)
{
    struct topics *t = HULSE_CONTAINER(timer, struct topics, deadline);
    if (t->last.class == BROKER_DONE) {
        hulse_pulsar_failure_status(
            &t->last, HULSE_TIMED_OUT, "the broker has not listed its topics in time");
    }
    tell_failed(t);
}

/* ---- questions ---- */

static bool ask_watch(struct topics *t)
{
    Pulsar__CommandWatchTopicList body = PULSAR__COMMAND_WATCH_TOPIC_LIST__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    char *hash = t->hash[QUESTION_WATCH];

    body.request_id = hulse_pulsar_request_id(t->user.connection, &t->request);
    body.watcher_id = t->user.id;
    body.namespace_ = t->namespace_name;
    body.topics_pattern = t->pattern;
    body.topics_hash = hash[0] == '\0' || t->anew ? NULL : hash;
    command.type = PULSAR__BASE_COMMAND__TYPE__WATCH_TOPIC_LIST;
    command.watchtopiclist = &body;
    return hulse_pulsar_ask(
        t->user.connection, &t->request, &command, t->pw->broker->params.operation_timeout_ms);
}

static bool ask_get(struct topics *t)
{
    Pulsar__CommandGetTopicsOfNamespace body = PULSAR__COMMAND_GET_TOPICS_OF_NAMESPACE__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    char *hash = t->hash[QUESTION_GET];

    body.request_id = hulse_pulsar_request_id(t->user.connection, &t->request);
    body.namespace_ = t->namespace_name;
    body.has_mode = 1;
    body.mode = !t->non_persistent ? PULSAR__COMMAND_GET_TOPICS_OF_NAMESPACE__MODE__PERSISTENT
                : !t->persistent   ? PULSAR__COMMAND_GET_TOPICS_OF_NAMESPACE__MODE__NON_PERSISTENT
                                   : PULSAR__COMMAND_GET_TOPICS_OF_NAMESPACE__MODE__ALL;
    body.topics_pattern = t->pattern;
    body.topics_hash = hash[0] == '\0' || t->anew ? NULL : hash;
    command.type = PULSAR__BASE_COMMAND__TYPE__GET_TOPICS_OF_NAMESPACE;
    command.gettopicsofnamespace = &body;
    return hulse_pulsar_ask(
        t->user.connection, &t->request, &command, t->pw->broker->params.operation_timeout_ms);
}

/* By a watcher: when it is the first question of a connection, and again where the broker takes that. */
static void ask(struct topics *t)
{
    const struct pulsar_peer *peer = hulse_pulsar_peer(t->user.connection);
    const bool may_watch = peer->topic_watchers && !t->non_persistent && !t->no_watch;

    t->state = LIST_ASKING;
    t->question = may_watch && (!t->watching || peer->topic_watcher_reconcile) ? QUESTION_WATCH
                                                                               : QUESTION_GET;
    const bool asked = t->question == QUESTION_WATCH ? ask_watch(t) : ask_get(t);
    if (!asked) {
        fail_status(t, HULSE_NO_MEMORY, "no memory to ask a broker for its topics");
    }
}

static void timer_fire(struct timer *timer)
{
    struct topics *t = HULSE_CONTAINER(timer, struct topics, timer);
    if (t->state == LIST_SETTLED) {
        ask(t);
    } else {
        attach(t);
    }
}

/* ---- answers ---- */

static void keep_hash(struct topics *t, enum list_question question, const char *hash)
{
    const size_t bytes = hash == NULL ? 0 : strnlen(hash, HASH_BYTES);
    t->hash[question][0] = '\0';
    if (bytes < HASH_BYTES) {
        memcpy(t->hash[question], hash == NULL ? "" : hash, bytes + 1);
    }
}

static void settle(struct topics *t)
{
    t->state = LIST_SETTLED;
    hulse_backoff_reset(&t->backoff);
    t->last = (struct pulsar_failure){.class = BROKER_DONE};
    t->pw->topics.lists += 1;
    if (hulse_timer_pending(&t->deadline)) {
        hulse_timer_stop(timers_of(t), &t->deadline);
    }
    const uint32_t given_ms = t->pw->broker->params.topics_refresh_ms;
    const uint32_t period_ms = given_ms == 0 ? REFRESH_MS_DEFAULT : given_ms;
    wait_ms(t, t->again ? 0 : t->soon && SOON_MS < period_ms ? SOON_MS : period_ms);
    t->anew = t->again;
    t->again = false;
    t->soon = false;
}

/* Its last touch: who hears it may close it. */
static void tell(struct topics *t,
                 void (*event)(void *ctx, const struct broker_topic_names *names),
                 size_t count,
                 char *const *names)
{
    struct topic_names n = {0};
    if (!hulse_topic_names_add(&n, count, names)) {
        hulse_topic_names_free(&n);
        t->hash[QUESTION_WATCH][0] = '\0';
        t->hash[QUESTION_GET][0] = '\0';
        fail_status(t, HULSE_NO_MEMORY, "no memory for the names of topics");
        return;
    }
    const struct broker_topic_names all = {.names = n.names, .count = n.count};
    t->heard = true;
    event(t->base.ctx, &all);
    hulse_topic_names_free(&n);
}

static void watched(struct topics *t, const Pulsar__CommandWatchTopicListSuccess *r)
{
    /* Where the hash was known and is the same, nothing is listed. */
    const bool same = !t->anew && t->heard && r->n_topic == 0 && r->topics_hash != NULL &&
                      strcmp(t->hash[QUESTION_WATCH], r->topics_hash) == 0;
    keep_hash(t, QUESTION_WATCH, r->topics_hash);
    t->pw->topics.watchers += t->watching ? 0 : 1;
    t->watching = true;
    settle(t);
    if (!same) {
        tell(t, t->base.events->listed, r->n_topic, r->topic);
    }
}

static void got(struct topics *t, const Pulsar__CommandGetTopicsOfNamespaceResponse *r)
{
    const bool same = r->has_changed && !r->changed && t->heard && !t->anew;
    keep_hash(t, QUESTION_GET, r->topics_hash);
    settle(t);
    if (!same) {
        tell(t, t->base.events->listed, r->n_topics, r->topics);
    }
}

/* A broker that will not be watched can still be asked; what it says to that counts. */
static void refused(struct topics *t, const Pulsar__CommandError *e)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_server(&f, (int32_t)e->error, e->message);
    if (t->question == QUESTION_WATCH && f.status != HULSE_DENIED) {
        t->no_watch = true;
        t->pw->topics.watchers -= t->watching ? 1 : 0;
        t->watching = false;
        ask(t);
        return;
    }
    fail(t, &f);
}

static void
answered(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct topics *t = HULSE_CONTAINER(r, struct topics, request);

    if (reply == PULSAR_REPLY_LOST) {
        return; /* `lost` follows */
    }
    if (reply == PULSAR_REPLY_TIMED_OUT) {
        fail_status(t, HULSE_TIMED_OUT, "the broker has not listed its topics");
    } else if (answer->type == PULSAR__BASE_COMMAND__TYPE__ERROR && answer->error != NULL) {
        refused(t, answer->error);
    } else if (t->question == QUESTION_WATCH &&
               answer->type == PULSAR__BASE_COMMAND__TYPE__WATCH_TOPIC_LIST_SUCCESS &&
               answer->watchtopiclistsuccess != NULL) {
        watched(t, answer->watchtopiclistsuccess);
    } else if (t->question == QUESTION_GET &&
               answer->type == PULSAR__BASE_COMMAND__TYPE__GET_TOPICS_OF_NAMESPACE_RESPONSE &&
               answer->gettopicsofnamespaceresponse != NULL) {
        got(t, answer->gettopicsofnamespaceresponse);
    } else {
        /* `lost` ends it. */
        hulse_pulsar_break(t->user.connection, "an answer about topics that is none");
    }
}

/* ---- what a broker tells ---- */

void hulse_pulsar_topics_again(struct broker *b, struct broker_topics *base)
{
    struct topics *t = (struct topics *)(void *)base;
    (void)b;
    if (t->state == LIST_SETTLED) {
        t->anew = true;
        wait_ms(t, 0);
    } else {
        t->again = true;
    }
}

static void
command(struct pulsar_user *u, const Pulsar__BaseCommand *command, struct broker_span rest)
{
    struct topics *t = HULSE_CONTAINER(u, struct topics, user);
    const Pulsar__CommandWatchTopicUpdate *m = command->watchtopicupdate;
    (void)rest;

    if (!t->watching) {
        return;
    }
    t->pw->topics.updates += 1;
    if (m->n_deleted_topics > 0) {
        t->soon = true;
        hulse_pulsar_topics_again(&t->pw->broker->base, &t->base);
        return;
    }
    keep_hash(t, QUESTION_WATCH, m->topics_hash);
    tell(t, t->base.events->added, m->n_new_topics, m->new_topics);
}

/* ---- the connection ---- */

static void ready(struct pulsar_user *u)
{
    struct topics *t = HULSE_CONTAINER(u, struct topics, user);
    t->no_watch = false;
    ask(t);
}

static void lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    struct topics *t = HULSE_CONTAINER(u, struct topics, user);
    fail_status(t, status, text);
}

static const struct pulsar_user_events user_events = {
    .ready = ready, .lost = lost, .command = command};

static void attach_to(struct topics *t, const struct pulsar_endpoint *to)
{
    t->to = *to;
    if (!hulse_pulsar_attach(t->pw->pool, &t->user, &t->to, PULSAR_FOR_PUBLISHING)) {
        fail_status(t, HULSE_NO_MEMORY, "no memory for a connection");
    }
}

static void found(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct topics *t = HULSE_CONTAINER(l, struct topics, lookup);
    if (result->failure.class != BROKER_DONE) {
        fail(t, &result->failure);
        return;
    }
    attach_to(t, &result->endpoint);
}

/* Any broker will do: a host of the service URL, or over HTTP the one that would have a topic there. That is not made by asking. */
static void attach(struct topics *t)
{
    const struct service_url *service = &t->pw->broker->service;
    char topic[HULSE_TOPIC_NAME_MAX];

    t->state = LIST_ATTACHING;
    if (!service->http) {
        attach_to(t,
                  &(struct pulsar_endpoint){.physical = service->hosts[t->host],
                                            .logical = service->hosts[t->host],
                                            .tls = service->tls});
        return;
    }
    (void)snprintf(topic, sizeof(topic), "persistent://%.1000s/" ANY_TOPIC, t->namespace_name);
    if (!hulse_pulsar_lookup_start(t->pw, &t->lookup, topic, true, PULSAR_LOOKUP_ANY)) {
        fail_status(t, HULSE_NO_MEMORY, "no memory to look for a broker");
    }
}

/* ---- the watch ---- */

hulse_status hulse_pulsar_topics_watch(struct broker *b,
                                       struct worker *w,
                                       const struct broker_topics_params *params,
                                       struct broker_topics **out,
                                       struct error *err)
{
    const size_t namespace_bytes = strlen(params->namespace_name) + 1;
    const size_t pattern_bytes = strlen(params->pattern) + 1;
    const size_t bytes = sizeof(struct topics) + namespace_bytes + pattern_bytes;
    struct topics *t = hulse_mem_zalloc(HULSE_MEM_BROKER, bytes);

    if (t == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory to watch topics");
    }
    t->base = (struct broker_topics){.events = params->events, .ctx = params->ctx};
    t->pw = hulse_pulsar_worker(b, w);
    t->bytes = bytes;
    t->namespace_name = memcpy(t->texts, params->namespace_name, namespace_bytes);
    t->pattern = memcpy(t->texts + namespace_bytes, params->pattern, pattern_bytes);
    t->persistent = params->persistent;
    t->non_persistent = params->non_persistent;
    t->user = (struct pulsar_user){.events = &user_events,
                                   .kind = PULSAR_USER_WATCHER,
                                   .id = hulse_pulsar_user_id(t->pw->pool)};
    t->request.done = answered;
    t->lookup.done = found;
    t->timer.fire = timer_fire;
    t->deadline.fire = deadline_fire;
    t->last.class = BROKER_DONE;
    t->pw->topics.watches += 1;
    *out = &t->base;
    hulse_timer_start(timers_of(t),
                      &t->deadline,
                      hulse_loop_now_ms(t->pw->loop) + t->pw->broker->params.operation_timeout_ms);
    attach(t);
    return HULSE_OK;
}

static void say_goodbye(struct topics *t)
{
    Pulsar__CommandWatchTopicListClose body = PULSAR__COMMAND_WATCH_TOPIC_LIST_CLOSE__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    body.request_id = hulse_pulsar_request_id(t->user.connection, &t->request);
    body.watcher_id = t->user.id;
    command.type = PULSAR__BASE_COMMAND__TYPE__WATCH_TOPIC_LIST_CLOSE;
    command.watchtopiclistclose = &body;
    (void)hulse_pulsar_command(t->user.connection, &command); /* its answer is nobody's */
}

void hulse_pulsar_topics_close(struct broker *b, struct broker_topics *base)
{
    struct topics *t = (struct topics *)(void *)base;
    (void)b;
    hulse_pulsar_cancel(&t->request);
    if (t->watching && t->user.connection != NULL) {
        say_goodbye(t);
    }
    leave_connection(t);
    if (hulse_timer_pending(&t->timer)) {
        hulse_timer_stop(timers_of(t), &t->timer);
    }
    if (hulse_timer_pending(&t->deadline)) {
        hulse_timer_stop(timers_of(t), &t->deadline);
    }
    t->pw->topics.watches -= 1;
    hulse_mem_free(HULSE_MEM_BROKER, t, t->bytes);
}
