/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi_retry - the retry topics of several topics: each is consumed with its topic.
 */
#include "daemon/flow/multi_state.h"

#include <string.h>

uint32_t hulse_multi_most(const struct multi *m)
{
    const uint32_t all = 2 * m->max;

    return all < MULTI_TOPICS_MAX ? all : MULTI_TOPICS_MAX;
}

void hulse_member_count(struct member *b, int by)
{
    struct multi *m = b->multi;

    m->wanted += (uint32_t)by;
    m->companions += b->parent == MULTI_NONE ? 0 : (uint32_t)by;
}

static bool is_wanted(const struct member *b)
{
    return b->state != MEMBER_IDLE && b->state != MEMBER_LEAVING;
}

static void pair(struct member *b, struct member *c)
{
    b->companion = c->source;
    if (c->parent == MULTI_NONE) {
        c->parent = b->source;
        b->multi->companions += is_wanted(c) ? 1 : 0;
    }
}

static hulse_status find(const struct member *b, struct retry_name *name, struct error *err)
{
    const struct multi *m = b->multi;

    return hulse_retry_name(name, m->as.flow, b->name, m->as.subscription, err);
}

hulse_status hulse_member_pair(struct member *b, bool add, struct error *err)
{
    struct multi *m = b->multi;
    struct retry_name name;
    const hulse_status st = find(b, &name, err);

    if (st != HULSE_OK || name.place != RETRY_BESIDE || b->parent != MULTI_NONE) {
        return st;
    }
    if (m->as.one_source) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "the application's library is too old for the retry topic %s",
                          name.topic);
    }
    struct member *c = hulse_multi_find(m, name.topic);
    if (c == NULL && add) {
        m->numbers += m->numbers < hulse_multi_most(m) ? 1 : 0;
        c = hulse_multi_add(m, name.topic);
        if (c == NULL) {
            return hulse_fail(err,
                              HULSE_LIMIT,
                              "with their retry topics more than %u topics",
                              (unsigned)hulse_multi_most(m));
        }
    }
    if (c != NULL) {
        pair(b, c);
    }
    return HULSE_OK;
}

void hulse_member_pair_again(struct member *b)
{
    if (b->companion == MULTI_NONE) {
        return;
    }
    struct member *c = b->multi->members[b->companion];
    if (!is_wanted(c)) {
        c->broker = b->broker;
        c->late = b->late;
        hulse_member_unkeep(c);
        c->listed = true;
        hulse_member_want(c);
    }
    c->listed = true;
}

bool hulse_member_is_behind(const struct member *b)
{
    const struct member *c = b->companion == MULTI_NONE ? NULL : b->multi->members[b->companion];

    return c != NULL && (c->state == MEMBER_QUEUED || c->state == MEMBER_OPENING);
}

void hulse_member_let_follow(struct member *c)
{
    struct multi *m = c->multi;

    for (uint32_t i = 0; c->parent != MULTI_NONE && i < m->count; i++) {
        struct member *b = m->members[i];
        if (b != NULL && b->companion == c->source && b->state == MEMBER_BEHIND) {
            b->state = MEMBER_QUEUED;
            TAILQ_INSERT_TAIL(&m->queue, b, link);
        }
    }
}

hulse_status hulse_member_letter(const struct member *b,
                                 struct retry_name *name,
                                 struct retry_letter *out,
                                 bool *has,
                                 struct error *err)
{
    const struct multi *m = b->multi;
    const bool is_companion = b->parent != MULTI_NONE;
    const struct member *of = is_companion ? m->members[b->parent] : b;
    const hulse_status st = find(of, name, err);

    /* Of another subscription's retry topic that a pattern has: nothing is retried. */
    *has =
        name->place == RETRY_ITSELF || (name->place == RETRY_BESIDE && of->companion != MULTI_NONE);
    *out = (struct retry_letter){.topic = name->topic, .of = name->of, .rules = of->name};
    return st;
}

void hulse_member_unpair(struct member *b)
{
    struct multi *m = b->multi;

    b->companion = MULTI_NONE;
    b->parent = MULTI_NONE;
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *each = m->members[i];
        if (each != NULL && each->companion == b->source) {
            each->companion = MULTI_NONE;
        }
        if (each != NULL && each->parent == b->source) {
            each->parent = MULTI_NONE;
            m->companions -= is_wanted(each) ? 1 : 0;
        }
    }
}

bool hulse_multi_hears_retry(const struct multi *m, const struct broker_delivery *d)
{
    const struct member *b = m->members[d->source];
    const struct member *c = b->companion == MULTI_NONE ? NULL : m->members[b->companion];

    return c == NULL || (c->state == MEMBER_OPEN && !c->failed);
}
