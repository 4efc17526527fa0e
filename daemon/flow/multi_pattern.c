/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi_pattern - which topics match, as their brokers say.
 *
 * A name is judged here, whatever a broker has judged: it is well formed, it matches, the rules give it to the broker that
 * has told it, and the application may consume it.
 */
#include "daemon/core/hash.h"
#include "daemon/core/log.h"
#include "daemon/flow/multi_state.h"

#include <stdio.h>
#include <string.h>

enum verdict_on_name { NAME_FOREIGN, NAME_DENIED, NAME_GOOD };

/* By the rules as they are now. */
static enum verdict_on_name judge(const struct multi_watch *w, const char *text)
{
    const struct multi *m = w->multi;
    struct topic_name name;
    const char *why = NULL;
    struct grant grant = {0};
    if (!hulse_topic_name_parse(&name, text, m->as.flow->default_namespace, &why) ||
        strcmp(name.full, text) != 0 || !hulse_topic_pattern_match(&m->pattern, text)) {
        return NAME_FOREIGN;
    }
    hulse_grant_refresh(&grant, m->as.flow->tables, &m->who, text);
    const bool here = grant.topic->broker == w->broker;
    const bool allowed = (grant.permissions & PERMISSION_CONSUME) != 0;
    hulse_grant_release(&grant);
    return !here ? NAME_FOREIGN : allowed ? NAME_GOOD : NAME_DENIED;
}

/* It is to be consumed from now on, with its companion. */
static void want_member(struct multi_watch *w, struct member *b, bool known, bool paired)
{
    const struct multi *m = w->multi;
    struct error err = {0};
    /* What an earlier daemon's consumer has had goes on where it was; what comes back is another topic. */
    b->late = !b->kept && (known || m->opened || m->as.resumed);
    hulse_member_unkeep(b);
    b->broker = w->broker;
    b->listed = true;
    hulse_member_want(b);
    if (paired && hulse_member_pair(b, true, &err) != HULSE_OK) {
        w->multi->over_max += 1; /* or no memory: it is in the next list, too */
        b->listed = false;
        hulse_member_leave(b);
        return;
    }
    hulse_member_pair_again(b);
}

/* How it is with the retry topic of a topic that matches; of what has none, or is one: NOWHERE. */
static enum retry_place place_of(const struct multi *m, const char *topic)
{
    struct retry_name name;
    struct error err = {0}; /* the opening says it */
    const hulse_status st = hulse_retry_name(&name, m->as.flow, topic, m->as.subscription, &err);
    /* That of another subscription, perhaps: two patterns would make retry topics of each other's for ever. */
    return st == HULSE_OK && name.place == RETRY_BESIDE && !name.like ? RETRY_BESIDE
                                                                      : RETRY_NOWHERE;
}

/* `paired`: of those that have companions, which come before all others. */
static void take_name(struct multi_watch *w, const char *text, bool paired)
{
    struct multi *m = w->multi;
    struct member *b = hulse_multi_find(m, text);
    const bool known = b != NULL;
    const bool active = known && b->state != MEMBER_IDLE && b->state != MEMBER_LEAVING;

    if (active) {
        b->listed = b->listed || b->broker == w->broker;
        hulse_member_pair_again(b);
        return;
    }
    const enum verdict_on_name verdict = judge(w, text);
    const bool has = verdict == NAME_GOOD && place_of(m, text) == RETRY_BESIDE;
    m->denied += verdict == NAME_DENIED && !paired ? 1 : 0;
    if (verdict != NAME_GOOD || (paired && !has)) {
        return;
    }
    if (m->wanted - m->companions >= m->max || m->wanted + (has ? 2 : 1) > hulse_multi_most(m)) {
        m->over_max += has == paired ? 1 : 0;
        return;
    }
    b = known ? b : hulse_multi_add(m, text);
    if (b == NULL) {
        m->over_max += 1; /* or no memory: it is in the next list, too */
        return;
    }
    want_member(w, b, known, has);
}

static void take_names(struct multi_watch *w, const struct broker_topic_names *names)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        const char *at = names->names;
        for (uint32_t i = 0; i < names->count; i++) {
            take_name(w, at, pass == 0);
            at += strlen(at) + 1;
        }
    }
}

/* What is passed over, once for each change of it. */
static void say(struct multi *m)
{
    const uint64_t now = (uint64_t)m->wanted << 40U ^ (uint64_t)m->denied << 20U ^ m->over_max;
    if (now == m->said) {
        return;
    }
    m->said = now;
    HULSE_LOG_INFOF("consumer.pattern",
                    hulse_log_str("pattern", m->pattern.remote),
                    hulse_log_str("subscription", m->as.subscription),
                    hulse_log_u64("topics", m->wanted),
                    hulse_log_u64("denied", m->denied),
                    hulse_log_u64("over_limit", m->over_max));
}

static bool is_default(const struct multi_watch *w)
{
    const struct flow *flow = w->multi->as.flow;
    return flow->brokers[w->broker] == flow->default_broker;
}

static void heard(struct multi_watch *w)
{
    struct multi *m = w->multi;
    w->heard = true;
    m->all_heard = true;
    for (uint32_t i = 0; i < m->watch_count; i++) {
        m->all_heard = m->all_heard && m->watches[i].heard;
    }
}

static void listed(void *ctx, const struct broker_topic_names *all)
{
    struct multi_watch *w = ctx;
    struct multi *m = w->multi;

    hulse_multi_enter(m);
    w->listed = true;
    m->default_failed = m->default_failed && !is_default(w);
    m->refusal = m->default_failed ? m->refusal : HULSE_OK;
    m->denied = 0;
    m->over_max = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->members[i] != NULL && m->members[i]->broker == w->broker) {
            m->members[i]->listed = false;
        }
    }
    take_names(w, all);
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *b = m->members[i];
        if (b != NULL && b->broker == w->broker && !b->listed) {
            hulse_member_leave(b);
        }
    }
    heard(w);
    say(m);
    hulse_multi_fill(m);
    hulse_multi_leave(m);
}

static void added(void *ctx, const struct broker_topic_names *more)
{
    struct multi_watch *w = ctx;
    struct multi *m = w->multi;

    hulse_multi_enter(m);
    take_names(w, more);
    say(m);
    hulse_multi_fill(m);
    hulse_multi_leave(m);
}

/*
 * Who opens hears it when no broker has told its topics, or the default one has not and the others have none: that the
 * daemon's own has answered helps nobody who waits for a cluster's.
 */
static void failed(void *ctx, hulse_status status, const char *text)
{
    struct multi_watch *w = ctx;
    struct multi *m = w->multi;
    bool any = false;

    hulse_multi_enter(m);
    for (uint32_t i = 0; i < m->watch_count; i++) {
        any = any || m->watches[i].listed;
    }
    const bool counts = is_default(w) && !m->as.resumed;
    m->default_failed = m->default_failed || counts;
    if ((!any && m->refusal == HULSE_OK) || counts) {
        m->refusal = status;
        (void)snprintf(m->refusal_text, sizeof(m->refusal_text), "%s", text);
    }
    HULSE_LOG_WARNF("consumer.pattern_not_listed",
                    hulse_log_str("pattern", m->pattern.remote),
                    hulse_log_str("broker", m->as.flow->brokers[w->broker]->name),
                    hulse_log_str("why", text));
    heard(w);
    hulse_multi_consider_open(m);
    hulse_multi_leave(m);
}

static const struct broker_topics_events events = {
    .listed = listed, .added = added, .failed = failed};

hulse_status hulse_multi_watch(struct multi *m, struct error *err)
{
    const struct flow *flow = m->as.flow;

    for (uint32_t i = 0; i < flow->broker_count; i++) {
        if (flow->brokers[i]->ops->topics_watch != NULL) {
            m->watches[m->watch_count] = (struct multi_watch){.multi = m, .broker = (uint8_t)i};
            m->watch_count += 1;
        }
    }
    if (m->watch_count == 0) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "no broker tells its topics");
    }
    for (uint32_t i = 0; i < m->watch_count && !m->over && !m->closed; i++) {
        struct multi_watch *w = &m->watches[i];
        struct broker *b = flow->brokers[w->broker];
        const struct broker_topics_params params = {
            .namespace_name = m->pattern.space,
            .pattern = m->pattern.remote,
            .persistent = m->pattern.mode != TOPIC_PATTERN_NON_PERSISTENT,
            .non_persistent = m->pattern.mode != TOPIC_PATTERN_PERSISTENT,
            .events = &events,
            .ctx = w};
        const hulse_status st = b->ops->topics_watch(b, m->as.worker, &params, &w->topics, err);
        if (st != HULSE_OK) {
            failed(w, st, err->text);
        }
    }
    return HULSE_OK;
}

void hulse_multi_unwatch(struct multi *m)
{
    for (uint32_t i = 0; i < m->watch_count; i++) {
        struct multi_watch *w = &m->watches[i];
        struct broker *b = m->as.flow->brokers[w->broker];
        if (w->topics != NULL) {
            b->ops->topics_close(b, w->topics);
            w->topics = NULL;
        }
    }
}

void hulse_multi_list_again(struct multi *m)
{
    for (uint32_t i = 0; i < m->watch_count; i++) {
        const struct multi_watch *w = &m->watches[i];
        struct broker *b = m->as.flow->brokers[w->broker];
        if (w->topics != NULL) {
            b->ops->topics_again(b, w->topics);
        }
    }
}
