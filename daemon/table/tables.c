/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables - see tables.h.
 *
 * The order of a change: the policy is swapped, the entries are made anew, the generation moves on.
 * A handle that looks in between sees the new policy and, of an entry that is not yet new, that it
 * is of another generation; so what it gets is whole, old or new. It compares again with its next
 * message until the generation has moved.
 */
#include "daemon/table/tables.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A topic stays for two sweeps without a handle. */
#define SWEEPS_UNUSED 2U

/* One reading of the configuration, constant once published. */
struct policy {
    struct rcu_retired retired;
    uint64_t generation;
    struct topic_rules *rules;
    struct roles *roles;
    struct bucket_rates app_rate;
};

struct whole {
    struct tables tables; /* first: what others see */
    _Atomic(struct policy *) policy;
    struct topic_table topics;
    struct broker_names brokers;
    bool (*post)(void *ctx, struct inbox_node *node);
    void *ctx;
    bool closed;
};

static struct whole *whole_of(struct tables *t)
{
    return HULSE_CONTAINER(t, struct whole, tables);
}

/* ---- policy ---- */

static void policy_destroy(struct policy *p)
{
    hulse_roles_destroy(&p->roles);
    hulse_topic_rules_destroy(&p->rules);
    hulse_mem_free(HULSE_MEM_TABLE, p, sizeof(*p));
}

static void policy_reclaim(struct rcu_retired *retired)
{
    policy_destroy(caa_container_of(retired, struct policy, retired));
}

static hulse_status policy_create(struct policy **out,
                                  const struct whole *w,
                                  const struct config *config,
                                  const struct policy *before,
                                  struct error *err)
{
    struct policy *p = hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*p));

    *out = NULL;
    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the tables");
    }
    p->generation = before == NULL ? 1 : before->generation + 1;
    p->app_rate = hulse_bucket_rates(config->session_rate.messages, config->session_rate.bytes);
    hulse_status st =
        hulse_topic_rules_create(&p->rules, config->topics, config->topic_count, &w->brokers, err);
    if (st == HULSE_OK) {
        st = hulse_roles_create(&p->roles,
                                config->roles,
                                config->role_count,
                                before == NULL ? NULL : before->roles,
                                err);
    }
    if (st != HULSE_OK) {
        policy_destroy(p);
        return st;
    }
    *out = p;
    return HULSE_OK;
}

/* Inside a read section, or on the writer's thread. */
static const struct policy *policy_now(const struct whole *w)
{
    /* SYNC(tables.policy) acquire: the reading is complete before it is found. */
    return atomic_load_explicit(&w->policy, memory_order_acquire);
}

/* The swap. */
static void publish(struct whole *w, struct policy *fresh, const struct config *config)
{
    HULSE_ASSERT(fresh != NULL);

    /* Relaxed because this is the only writer. */
    struct policy *old = atomic_load_explicit(&w->policy, memory_order_relaxed);

    hulse_roles_limit(fresh->roles, config->roles);
    /* SYNC(tables.policy) release: the reading is complete before it is found. */
    atomic_store_explicit(&w->policy, fresh, memory_order_release);
    hulse_topic_table_refresh(&w->topics, fresh->rules, fresh->generation);
    /* SYNC(tables.generation) release: who sees the number sees the reading. */
    atomic_store_explicit(&w->tables.generation, fresh->generation, memory_order_release);
    if (old != NULL) {
        hulse_rcu_retire(&old->retired, policy_reclaim);
    }
}

/* ---- life ---- */

hulse_status
hulse_tables_create(struct tables **out, const struct tables_params *params, struct error *err)
{
    /* A line that every worker reads is kept apart, which takes more than malloc promises. */
    struct whole *w = aligned_alloc(alignof(struct whole), sizeof(*w));
    struct policy *first = NULL;

    *out = NULL;
    if (w == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the tables");
    }
    memset(w, 0, sizeof(*w));
    w->brokers = params->brokers;
    w->post = params->post;
    w->ctx = params->ctx;
    if (!hulse_rcu_writer_start()) {
        free(w);
        return hulse_fail(
            err, HULSE_NO_MEMORY, "the thread that frees what RCU retires does not start");
    }
    hulse_status st = policy_create(&first, w, params->config, NULL, err);
    if (st == HULSE_OK && !hulse_topic_table_init(&w->topics, params->config->topics_max)) {
        policy_destroy(first);
        st = hulse_fail(err, HULSE_NO_MEMORY, "no memory for the topic table");
    }
    if (st != HULSE_OK) {
        hulse_rcu_writer_stop();
        free(w);
        return st;
    }
    publish(w, first, params->config);
    *out = &w->tables;
    return HULSE_OK;
}

void hulse_tables_destroy(struct tables **tables)
{
    struct whole *w = whole_of(*tables);

    *tables = NULL;
    hulse_topic_table_fini(&w->topics);
    /* Relaxed because no reader is left. */
    policy_destroy(atomic_load_explicit(&w->policy, memory_order_relaxed));
    hulse_rcu_writer_stop();
    free(w);
}

hulse_status hulse_tables_apply(struct tables *t, const struct config *config, struct error *err)
{
    struct whole *w = whole_of(t);
    struct policy *fresh = NULL;
    const hulse_status st = policy_create(&fresh, w, config, policy_now(w), err);

    if (st == HULSE_OK) {
        publish(w, fresh, config);
    }
    return st;
}

void hulse_tables_sweep(struct tables *t)
{
    hulse_topic_table_sweep(&whole_of(t)->topics, SWEEPS_UNUSED);
}

void hulse_tables_close(struct tables *t)
{
    whole_of(t)->closed = true;
}

void hulse_tables_figures(const struct tables *t, struct tables_figures *out)
{
    const struct whole *w = (const struct whole *)t;
    const struct policy *p = policy_now(w);

    *out = (struct tables_figures){
        .generation = p->generation,
        .topics = w->topics.count,
        .topics_max = w->topics.entries_max,
        .roles = hulse_roles_count(p->roles),
    };
}

bool hulse_tables_inspect(const struct tables *t,
                          const char *topic,
                          struct topic_settings *settings,
                          uint64_t refused[TOPIC_REFUSALS])
{
    const struct whole *w = (const struct whole *)t;

    hulse_rcu_read_lock();
    const struct topic_entry *e = hulse_topic_table_find(&w->topics, topic);
    *settings = *hulse_topic_rules_find(policy_now(w)->rules, topic);
    for (unsigned i = 0; i < TOPIC_REFUSALS; i++) {
        refused[i] = e == NULL ? 0 : hulse_topic_state_refused(e->state, (enum topic_refusal)i);
    }
    hulse_rcu_read_unlock();
    return e != NULL;
}

/* ---- readers ---- */

hulse_status hulse_tables_admit(struct tables *t,
                                const struct identity *who,
                                struct role_state **role,
                                struct error *err)
{
    hulse_status st = HULSE_OK;

    *role = NULL;
    hulse_rcu_read_lock();
    const struct policy *p = policy_now(whole_of(t));
    if (hulse_roles_token_unknown(p->roles, who)) {
        st = hulse_fail(err, HULSE_DENIED, "no role has this token");
    } else {
        const struct app_role *found = hulse_roles_find(p->roles, who);
        *role = found == NULL ? NULL : hulse_role_state_hold(found->state);
    }
    hulse_rcu_read_unlock();
    return st;
}

static void
refresh_role(struct grant *g, const struct policy *p, const struct identity *who, const char *topic)
{
    const struct app_role *role = hulse_roles_find(p->roles, who);
    struct role_state *before = g->role_state;

    g->permissions = role == NULL ? 0U : hulse_roles_permissions(p->roles, role, topic);
    g->role_state = role == NULL ? NULL : hulse_role_state_hold(role->state);
    g->role_rate = role == NULL ? (struct bucket_rates){0} : role->rate;
    hulse_role_state_release(&before);
}

void hulse_grant_refresh(struct grant *g,
                         struct tables *t,
                         const struct identity *who,
                         const char *topic)
{
    const struct whole *w = whole_of(t);

    hulse_rcu_read_lock();
    const struct policy *p = policy_now(w);
    const struct topic_entry *e = hulse_topic_table_find(&w->topics, topic);
    g->generation = p->generation;
    g->app_rate = p->app_rate;
    refresh_role(g, p, who, topic);
    const struct topic_settings *before = g->topic;
    g->topic = hulse_topic_settings_hold(e != NULL && e->generation == p->generation
                                             ? e->settings
                                             : hulse_topic_rules_find(p->rules, topic));
    hulse_topic_settings_release(&before);
    if (e != NULL && g->topic_state == NULL && hulse_topic_state_hold(e->state)) {
        g->topic_state = e->state;
    }
    hulse_rcu_read_unlock();
}

struct topic_schema *
hulse_tables_schema(const struct tables *t, const char *topic, enum topic_schema_use use)
{
    const struct whole *w = HULSE_CONTAINER(t, const struct whole, tables);

    hulse_rcu_read_lock();
    struct topic_schema *schema = hulse_topic_rules_schema(policy_now(w)->rules, topic, use);
    hulse_rcu_read_unlock();
    return schema;
}

bool hulse_tables_letter(const struct tables *t,
                         const char *topic,
                         enum letter_kind kind,
                         const struct letter_words *words,
                         char name[HULSE_TOPIC_NAME_MAX])
{
    const struct whole *w = HULSE_CONTAINER(t, const struct whole, tables);

    hulse_rcu_read_lock();
    const char *template = hulse_topic_rules_letter(policy_now(w)->rules, topic, kind);
    const bool fits = hulse_letter_name(name, HULSE_TOPIC_NAME_MAX, template, words);
    hulse_rcu_read_unlock();
    return fits;
}

bool hulse_tables_retry_of(const struct tables *t,
                           const char *topic,
                           const struct letter_words *words,
                           char of[HULSE_TOPIC_NAME_MAX],
                           bool *like)
{
    const struct whole *w = HULSE_CONTAINER(t, const struct whole, tables);

    hulse_rcu_read_lock();
    const char *template = hulse_topic_rules_letter(policy_now(w)->rules, topic, LETTER_RETRY);
    const bool found = hulse_letter_topic(of, HULSE_TOPIC_NAME_MAX, template, words, topic);
    *like = hulse_letter_like(template, topic);
    hulse_rcu_read_unlock();
    return found;
}

void hulse_tables_letter_subscription(const struct tables *t,
                                      const char *topic,
                                      char name[HULSE_CONFIG_TEXT_BYTES])
{
    const struct whole *w = HULSE_CONTAINER(t, const struct whole, tables);

    hulse_rcu_read_lock();
    (void)snprintf(name,
                   HULSE_CONFIG_TEXT_BYTES,
                   "%s",
                   hulse_topic_rules_letter_subscription(policy_now(w)->rules, topic));
    hulse_rcu_read_unlock();
}

void hulse_grant_release(struct grant *g)
{
    if (g->topic_state != NULL) {
        hulse_topic_state_release(&g->topic_state);
    }
    hulse_role_state_release(&g->role_state);
    hulse_topic_settings_release(&g->topic);
}

/* ---- requests ---- */

static void serve(struct inbox_node *node)
{
    struct topic_request *request = HULSE_CONTAINER(node, struct topic_request, node);
    struct whole *w = whole_of(request->tables);

    if (w->closed) {
        request->abandon(request);
        return;
    }
    const struct policy *p = policy_now(w);
    request->status = hulse_topic_table_ensure(&w->topics, request->name, p->rules, p->generation);
    request->answer(request);
}

bool hulse_tables_ask(struct tables *t, struct topic_request *request)
{
    const struct whole *w = whole_of(t);

    request->tables = t;
    request->node.run = serve;
    return w->post(w->ctx, &request->node);
}
