/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_grant - permission, topic and limits on the data path, and what a change of the tables costs.
 *
 * A publisher on the null broker: without rules the generation is compared and that is all; with a
 * role's, an application's and a topic's rate and a time to live everything is asked of each record.
 * Then the same while a writer replaces the reading 1,000 times a second. Lookups renew a grant of
 * one of so many topics, in random order.
 *
 * All of it runs on a worker's thread, from its inbox; its clock is moved by hand.
 *
 * Conservation: every record is answered once, and stored.
 */
#include "bench/micro/micro.h"
#include "daemon/broker/null/null.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/flow/publish.h"
#include "daemon/worker/worker.h"
#include "tests/support/own_tables.h"

#include <pthread.h>
#include <semaphore.h>

#define RULES 10000U
#define ROLES 1000U
#define WRITE_EVERY_NS 1000000

struct scene {
    struct flow flow;
    struct own_tables tables;
    struct identity me;
    uid_t own;
    struct config_topic_rule *rules;
    struct config_role *roles;
    uid_t *uids;
    char (*patterns)[64];
    uint32_t topics; /* known */
    uint64_t answered;
    struct publisher *publisher;
    struct bucket_pair app_rate;
    struct worker *worker;
    struct micro m;
    struct inbox_node node;
    sem_t done;
    pthread_t writer;
    _Atomic(bool) writing;
};

static const char *const everything[] = {"**"};

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    (void)ctx;
    (void)limits;
    micro_require(status == HULSE_OK, text);
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct scene *s = ctx;

    micro_require(token == s->answered && answer->outcome == HULSE_OUTCOME_STORED, "an answer");
    s->answered += 1;
}

static const struct publisher_events events = {.opened = opened, .answered = answered};

static void name_of(uint32_t topic, char *out, size_t out_bytes)
{
    (void)snprintf(out, out_bytes, "persistent://acme/shop-%u/orders-%u", topic % 100, topic);
}

static void no_answer(struct topic_request *request)
{
    micro_require(request->status == HULSE_OK, "a topic becomes known");
}

static void know(struct scene *s, uint32_t topics)
{
    struct topic_request request = {.answer = no_answer};

    for (; s->topics < topics; s->topics++) {
        name_of(s->topics, request.name, sizeof(request.name));
        micro_require(hulse_tables_ask(s->flow.tables, &request), "a wish");
    }
}

static void open_publisher(struct scene *s)
{
    struct error err = {0};
    char topic[64];

    name_of(0, topic, sizeof(topic));
    const struct publisher_params params = {.flow = &s->flow,
                                            .worker = s->worker,
                                            .who = &s->me,
                                            .topic = topic,
                                            .name = "bench",
                                            .app_rate = &s->app_rate,
                                            .events = &events,
                                            .ctx = s};
    micro_require(hulse_publisher_open(&s->publisher, &params, &err) == HULSE_OK, err.text);
}

static void apply(struct scene *s)
{
    micro_require(hulse_own_tables_apply(&s->tables) == HULSE_OK, "a reading");
}

/* Rules and roles as the configuration of a large host has them; limits that refuse nothing. */
static void configure(struct scene *s, uint32_t rules, uint32_t roles, bool limits)
{
    const struct config_rate rate =
        limits ? (struct config_rate){.messages = 10000000000U, .bytes = 10000000000U}
               : (struct config_rate){0};

    for (uint32_t i = 0; i < rules; i++) {
        (void)snprintf(s->patterns[i], sizeof(s->patterns[i]), "persistent://acme/*/orders-%u", i);
        s->rules[i] = (struct config_topic_rule){
            .match = s->patterns[i],
            .publish = {.rate = rate, .ttl_ms = limits ? 3600000 : 0, .auto_create = true}};
    }
    for (uint32_t i = 0; i < roles; i++) {
        s->uids[i] = i == 0 ? s->own : 100000 + i;
        s->roles[i] = (struct config_role){.name = "role",
                                           .uids = &s->uids[i],
                                           .uid_count = 1,
                                           .rate = rate,
                                           .produce = everything,
                                           .produce_count = 1};
    }
    s->tables.config.topics = s->rules;
    s->tables.config.topic_count = rules;
    s->tables.config.roles = s->roles;
    s->tables.config.role_count = roles;
    s->tables.config.session_rate = rate;
    apply(s);
}

static void publish(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    static const uint8_t payload[64];

    s->answered = 0;
    for (uint64_t i = 0; i < ops; i++) {
        s->worker->loop.now_ns += 100;
        const struct broker_record r = {.payload = {payload, sizeof(payload)},
                                        .token = i,
                                        .enqueued_ns = s->worker->loop.now_ns};
        hulse_publisher_publish(s->publisher, &r);
    }
    micro_require(s->answered == ops, "every record is answered");
}

static void *write_tables(void *argument)
{
    struct scene *s = argument;
    const struct timespec pause = {.tv_nsec = WRITE_EVERY_NS};

    /* The thread that made the tables waits meanwhile, so there is one writer. */
    hulse_rcu_thread_begin();
    micro_require(hulse_rcu_writer_start(), "a writer");
    while (atomic_load(&s->writing)) {
        apply(s);
        (void)nanosleep(&pause, NULL);
    }
    hulse_rcu_writer_stop();
    hulse_rcu_thread_end();
    return NULL;
}

static void publish_under_change(void *argument, uint64_t ops)
{
    struct scene *s = argument;

    atomic_store(&s->writing, true);
    micro_require(pthread_create(&s->writer, NULL, write_tables, s) == 0, "a thread");
    publish(s, ops);
    atomic_store(&s->writing, false);
    micro_require(pthread_join(s->writer, NULL) == 0, "a thread");
}

static void look_up(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t random = 88172645463325252U;
    uint64_t found = 0;

    for (uint64_t i = 0; i < ops; i++) {
        struct grant g = {0};
        char topic[64];
        random ^= random << 13U;
        random ^= random >> 7U;
        random ^= random << 17U;
        name_of((uint32_t)(random % s->topics), topic, sizeof(topic));
        hulse_grant_refresh(&g, s->flow.tables, &s->me, topic);
        found += g.topic_state != NULL;
        hulse_grant_release(&g);
    }
    micro_require(found == ops, "every topic is known");
}

static void reload(void *argument, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        apply(argument);
    }
}

/* On the worker's thread. */
static void run(struct inbox_node *node)
{
    struct scene *s = HULSE_CONTAINER(node, struct scene, node);
    struct micro *m = &s->m;

    const uint64_t ops = micro_ops(m, 10000000, 1000);

    s->worker->loop.now_ns = micro_now_ns();
    hulse_own_tables_open(&s->tables, &s->flow);
    know(s, 1);
    open_publisher(s);
    micro_run(m, "publish, no rules", ops, publish, s);
    configure(s, 100, 10, true);
    micro_run(m, "publish, everything asked", ops, publish, s);
    micro_run(m, "the same, 1000 changes a second", ops, publish_under_change, s);
    hulse_publisher_close(&s->publisher);
    configure(s, m->smoke ? 100 : RULES, m->smoke ? 10 : ROLES, false);
    know(s, 100);
    micro_run(m, "renew, 100 topics", micro_ops(m, 1000000, 100), look_up, s);
    know(s, (uint32_t)micro_ops(m, 10000, 200));
    micro_run(m, "renew, 10000 topics", micro_ops(m, 1000000, 100), look_up, s);
    micro_run(m, "reload, 10000 rules, topics", micro_ops(m, 10, 1), reload, s);
    know(s, (uint32_t)micro_ops(m, 100000, 300));
    micro_run(m, "renew, 100000 topics", micro_ops(m, 1000000, 100), look_up, s);
    micro_run(m, "reload, 100000 topics", micro_ops(m, 5, 1), reload, s);
    printf("  %zu bytes for %u topics, %zu rules and %zu roles\n",
           hulse_mem_used(HULSE_MEM_TABLE),
           s->topics,
           s->tables.config.topic_count,
           s->tables.config.role_count);
    hulse_own_tables_close(&s->tables);
    sem_post(&s->done);
}

int main(int argc, char **argv)
{
    static struct scene s;
    struct error err = {0};
    struct worker *peers[1] = {NULL};
    _Atomic(uint32_t) runnable = 0;

    micro_begin(&s.m, "grant", argc, argv);
    struct broker *null = hulse_null_create("null", 1U << 20U, &err);
    s.rules = calloc(RULES, sizeof(*s.rules));
    s.roles = calloc(ROLES, sizeof(*s.roles));
    s.uids = calloc(ROLES, sizeof(*s.uids));
    s.patterns = calloc(RULES, sizeof(*s.patterns));
    micro_require(null != NULL && s.rules != NULL && s.roles != NULL && s.uids != NULL &&
                      s.patterns != NULL,
                  "memory");
    s.own = geteuid();
    s.me = (struct identity){.uid = s.own};
    s.flow = (struct flow){.brokers = {null},
                           .broker_count = 1,
                           .default_broker = null,
                           .default_namespace = "public/default",
                           .message_bytes_max = 1U << 20U};
    const struct worker_params params = {.worker_count = 1,
                                         .cpu = -1,
                                         .cpu_count = 1,
                                         .module_count = 1,
                                         .modules = {null->ops->module},
                                         .shared = {null}};
    micro_require(hulse_worker_start(&s.worker, &params, peers, &runnable, &err) == HULSE_OK,
                  err.text);
    (void)sem_init(&s.done, 0, 0);
    s.node.run = run;
    hulse_worker_answer(s.worker, &s.node);
    while (sem_wait(&s.done) != 0) {
    }
    hulse_worker_stop(&s.worker);
    hulse_null_destroy(&null);
    (void)sem_destroy(&s.done);
    free(s.rules);
    free(s.roles);
    free(s.uids);
    free(s.patterns);
    return micro_end(&s.m);
}
