/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - see the header.
 */
#include "tests/unit/daemon/broker/bed.h"

#include "daemon/broker/local/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAP_NS 200000

/* ---- workers ---- */

void hulse_bed_start(struct bed *bed, uint32_t workers, const struct local_params *params)
{
    struct error err = {0};
    memset(bed, 0, sizeof(*bed));
    if (params != NULL) {
        bed->params = *params;
    } else {
        hulse_local_params_default(&bed->params);
    }
    bed->broker = hulse_local_create("local", &bed->params, &err);
    assert_non_null(bed->broker);
    assert_true(bed->broker->ops->healthy(bed->broker));
    bed->count = workers;
    for (uint32_t i = 0; i < workers; i++) {
        struct worker_params wp = {
            .index = i, .worker_count = workers, .cpu = -1, .cpu_count = 2, .module_count = 1};
        wp.modules[0] = bed->broker->ops->module;
        wp.shared[0] = bed->broker;
        assert_int_equal(
            hulse_worker_start(&bed->workers[i], &wp, bed->peers, &bed->runnable, &err), HULSE_OK);
    }
}

void hulse_bed_stop_one(struct bed *bed, uint32_t worker)
{
    hulse_worker_stop(&bed->workers[worker]);
}

void hulse_bed_stop(struct bed *bed)
{
    for (uint32_t i = 0; i < bed->count; i++) {
        hulse_bed_stop_one(bed, i);
    }
    hulse_local_destroy(&bed->broker);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0) {
    }
}

struct errand {
    struct inbox_node node;
    void (*call)(void *arg);
    void *arg;
    sem_t done;
};

static void run_errand(struct inbox_node *node)
{
    struct errand *e = HULSE_CONTAINER(node, struct errand, node);
    e->call(e->arg);
    sem_post(&e->done);
}

void hulse_bed_on(struct bed *bed, uint32_t worker, void (*call)(void *arg), void *arg)
{
    struct errand e = {.node = {.run = run_errand}, .call = call, .arg = arg};
    sem_init(&e.done, 0, 0);
    hulse_worker_answer(bed->workers[worker], &e.node); /* cannot be refused */
    wait_for(&e.done);
    sem_destroy(&e.done);
}

static void run_blocker(struct inbox_node *node)
{
    struct bed_blocker *blocker = HULSE_CONTAINER(node, struct bed_blocker, node);
    sem_post(&blocker->standing);
    wait_for(&blocker->gate);
    sem_post(&blocker->standing);
}

void hulse_bed_block(struct bed *bed, uint32_t worker, struct bed_blocker *blocker)
{
    *blocker = (struct bed_blocker){.node = {.run = run_blocker}};
    sem_init(&blocker->standing, 0, 0);
    sem_init(&blocker->gate, 0, 0);
    hulse_worker_answer(bed->workers[worker], &blocker->node);
    wait_for(&blocker->standing);
}

void hulse_bed_release(struct bed_blocker *blocker)
{
    sem_post(&blocker->gate);
    wait_for(&blocker->standing);
    sem_destroy(&blocker->standing);
    sem_destroy(&blocker->gate);
}

struct question {
    bool (*done)(void *arg);
    void *arg;
    bool answer;
};

static void ask(void *arg)
{
    struct question *q = arg;
    q->answer = q->done(q->arg);
}

void hulse_bed_until(struct bed *bed, uint32_t worker, bool (*done)(void *arg), void *arg)
{
    struct question q = {.done = done, .arg = arg};
    for (;;) {
        hulse_bed_on(bed, worker, ask, &q);
        if (q.answer) {
            return;
        }
        const struct timespec nap = {.tv_nsec = NAP_NS};
        nanosleep(&nap, NULL);
    }
}

void hulse_bed_topic(
    const struct bed *bed, uint32_t owner, const char *stem, char *out, size_t bytes)
{
    unsigned i = 0;
    do {
        (void)snprintf(out, bytes, "non-persistent://public/default/%s-%u", stem, i++);
    } while (hulse_topic_hash(out) % bed->count != owner);
}

struct report_errand {
    struct bed *bed;
    uint32_t worker;
    struct worker_report report;
};

static void fill_report(void *arg)
{
    struct report_errand *r = arg;
    hulse_worker_report(r->bed->workers[r->worker], &r->report);
}

bool hulse_bed_report(struct bed *bed, const char *topic, struct topic_report *out)
{
    struct report_errand r = {.bed = bed,
                              .worker = (uint32_t)(hulse_topic_hash(topic) % bed->count)};
    bool found = false;
    if (bed->workers[r.worker] == NULL) {
        return false;
    }
    hulse_bed_on(bed, r.worker, fill_report, &r);
    for (size_t i = 0; i < r.report.topic_count; i++) {
        if (strcmp(r.report.topics[i].name, topic) == 0) {
            *out = r.report.topics[i];
            found = true;
        }
    }
    hulse_report_fini(&r.report);
    return found;
}

/* ---- publishers ---- */

static void
pub_opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct bed_pub *pub = ctx;
    assert_false(pub->opened);
    pub->opened = true;
    pub->status = status;
    pub->text = text;
    if (status == HULSE_OK) {
        assert_int_equal(limits->message_bytes_max, pub->bed->params.message_bytes_max);
        assert_non_null(pub->producer);
    } else {
        pub->producer = NULL;
    }
}

static void pub_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct bed_pub *pub = ctx;
    pub->answered += 1;
    pub->outcomes[answer->outcome] += 1;
    if (answer->outcome == HULSE_OUTCOME_STORED) {
        assert_true(answer->has_id);
        assert_int_equal(answer->class, BROKER_DONE);
        assert_int_equal(answer->id.batch, -1);
        pub->disordered |=
            pub->stored > 0 && (answer->id.entry <= pub->last_entry || token <= pub->last_token);
        pub->last_token = token;
        pub->last_entry = answer->id.entry;
        pub->stored += 1;
    }
}

static void pub_failed(void *ctx, hulse_status status, const char *text)
{
    struct bed_pub *pub = ctx;
    (void)status;
    (void)text;
    pub->failed = true;
}

static const struct broker_producer_events pub_events = {
    .opened = pub_opened, .answered = pub_answered, .failed = pub_failed};

struct pub_errand {
    struct bed_pub *pub;
    const char *topic;
    const struct broker_meta *meta;
    uint32_t count;
    uint32_t bytes;
    hulse_status status;
};

static void pub_open_there(void *arg)
{
    struct pub_errand *e = arg;
    struct bed_pub *pub = e->pub;
    char name[16];
    struct error err = {0};
    (void)snprintf(name, sizeof(name), "p%u", pub->id);
    const struct broker_producer_params params = {
        .topic = e->topic, .name = name, .events = &pub_events, .ctx = pub};
    e->status = pub->bed->broker->ops->producer_open(
        pub->bed->broker, pub->bed->workers[pub->worker], &params, &pub->producer, &err);
}

static bool pub_is_opened(void *arg)
{
    return ((struct bed_pub *)arg)->opened;
}

hulse_status
hulse_pub_open(struct bed *bed, struct bed_pub *pub, uint32_t worker, const char *topic)
{
    const uint32_t id = pub->id;
    *pub = (struct bed_pub){.bed = bed, .worker = worker, .id = id};
    struct pub_errand e = {.pub = pub, .topic = topic};
    hulse_bed_on(bed, worker, pub_open_there, &e);
    if (e.status == HULSE_OK) {
        hulse_bed_until(bed, worker, pub_is_opened, pub);
        return pub->status;
    }
    assert_false(pub->opened);
    return e.status;
}

static void pub_send_there(void *arg)
{
    struct pub_errand *e = arg;
    struct bed_pub *pub = e->pub;
    uint32_t *payload = calloc(1, e->bytes);
    for (uint32_t i = 0; i < e->count; i++) {
        payload[0] = pub->id;
        payload[1] = pub->sent;
        const struct broker_record r = {.payload = {(const uint8_t *)payload, e->bytes},
                                        .meta = e->meta,
                                        .seq = pub->sent,
                                        .token = pub->sent};
        pub->sent += 1;
        pub->bed->broker->ops->send(pub->producer, &r);
    }
    free(payload);
}

void hulse_pub_send(struct bed_pub *pub, uint32_t count, uint32_t bytes)
{
    struct pub_errand e = {.pub = pub, .count = count, .bytes = bytes};
    hulse_bed_on(pub->bed, pub->worker, pub_send_there, &e);
}

void hulse_pub_send_meta(struct bed_pub *pub, const struct broker_meta *meta)
{
    struct pub_errand e = {.pub = pub, .count = 1, .bytes = 8, .meta = meta};
    hulse_bed_on(pub->bed, pub->worker, pub_send_there, &e);
}

static bool pub_is_answered(void *arg)
{
    const struct bed_pub *pub = arg;
    return pub->answered == pub->sent;
}

void hulse_pub_wait(struct bed_pub *pub)
{
    hulse_bed_until(pub->bed, pub->worker, pub_is_answered, pub);
    assert_false(pub->disordered);
}

static void pub_close_there(void *arg)
{
    struct bed_pub *pub = arg;
    pub->bed->broker->ops->producer_close(pub->producer);
    pub->producer = NULL;
}

void hulse_pub_close(struct bed_pub *pub)
{
    hulse_bed_on(pub->bed, pub->worker, pub_close_there, pub);
}

/* ---- consumers ---- */

static void sub_opened(void *ctx, hulse_status status, const char *text)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->opened);
    sub->opened = true;
    sub->status = status;
    sub->text = text;
    if (status != HULSE_OK) {
        sub->consumer = NULL;
    }
}

static void sub_message(void *ctx, struct broker_delivery *d)
{
    struct bed_sub *sub = ctx;
    uint32_t head[2];
    if (sub->permits == 0) {
        sub->over = true;
    } else {
        sub->permits -= 1;
    }
    if (sub->count == sub->capacity) {
        sub->capacity = sub->capacity == 0 ? 64 : sub->capacity * 2;
        sub->messages = realloc(sub->messages, sub->capacity * sizeof(*sub->messages));
    }
    assert_true(d->payload.bytes >= sizeof(head));
    memcpy(head, d->payload.data, sizeof(head));
    d->slot = sub->count;
    sub->messages[sub->count] = (struct bed_message){.d = d,
                                                     .entry = d->id.entry,
                                                     .id = head[0],
                                                     .number = head[1],
                                                     .redelivery = d->redelivery};
    sub->count += 1;
    sub->held += 1;
    if (sub->ack_at_once) {
        sub->messages[sub->count - 1].d = NULL;
        sub->held -= 1;
        sub->permits += 1;
        sub->bed->broker->ops->ack(sub->consumer, d);
        sub->bed->broker->ops->permit(sub->consumer, 1);
    }
}

static void sub_failed(void *ctx, hulse_status status, const char *text)
{
    struct bed_sub *sub = ctx;
    (void)status;
    (void)text;
    sub->failed = true;
}

static const struct broker_consumer_events sub_events = {
    .opened = sub_opened, .message = sub_message, .failed = sub_failed};

enum sub_do { SUB_ACK, SUB_ACK_ALL, SUB_CUMULATIVE, SUB_NACK, SUB_GIVE_BACK, SUB_PERMIT };

struct sub_errand {
    struct bed_sub *sub;
    const struct bed_where *where;
    enum sub_do what;
    uint32_t index;
    uint32_t number;
    hulse_status status;
};

static void sub_open_there(void *arg)
{
    struct sub_errand *e = arg;
    struct bed_sub *sub = e->sub;
    struct error err = {0};
    const struct broker_consumer_params params = {.topic = e->where->topic,
                                                  .subscription = e->where->subscription,
                                                  .name = "c",
                                                  .type = e->where->type,
                                                  .events = &sub_events,
                                                  .ctx = sub};
    e->status = sub->bed->broker->ops->consumer_open(
        sub->bed->broker, sub->bed->workers[sub->worker], &params, &sub->consumer, &err);
}

static bool sub_is_opened(void *arg)
{
    return ((struct bed_sub *)arg)->opened;
}

hulse_status hulse_sub_open(struct bed *bed, struct bed_sub *sub, const struct bed_where *where)
{
    *sub = (struct bed_sub){.bed = bed, .worker = where->worker};
    struct sub_errand e = {.sub = sub, .where = where};
    hulse_bed_on(bed, where->worker, sub_open_there, &e);
    if (e.status == HULSE_OK) {
        hulse_bed_until(bed, where->worker, sub_is_opened, sub);
        return sub->status;
    }
    assert_false(sub->opened);
    return e.status;
}

static struct broker_delivery *take(struct bed_sub *sub, uint32_t index)
{
    assert_true(index < sub->count);
    struct broker_delivery *d = sub->messages[index].d;
    assert_non_null(d);
    sub->messages[index].d = NULL;
    sub->held -= 1;
    return d;
}

static void sub_ended(void *ctx, struct broker_delivery *d)
{
    struct bed_sub *sub = ctx;
    assert_ptr_equal(take(sub, (uint32_t)d->slot), d);
    sub->ended += 1;
}

static void sub_there(void *arg)
{
    const struct sub_errand *e = arg;
    struct bed_sub *sub = e->sub;
    const struct broker_ops *ops = sub->bed->broker->ops;
    switch (e->what) {
    case SUB_ACK:
        ops->ack(sub->consumer, take(sub, e->index));
        break;
    case SUB_ACK_ALL:
        for (uint32_t i = 0; i < sub->count; i++) {
            if (sub->messages[i].d != NULL) {
                ops->ack(sub->consumer, take(sub, i));
            }
        }
        break;
    case SUB_CUMULATIVE:
        ops->ack_cumulative(sub->consumer, sub->messages[e->index].d, sub_ended);
        break;
    case SUB_NACK:
        ops->nack(sub->consumer, take(sub, e->index), e->number);
        break;
    case SUB_GIVE_BACK:
        ops->give_back(sub->consumer, take(sub, e->index));
        break;
    case SUB_PERMIT:
        sub->permits += e->number;
        ops->permit(sub->consumer, e->number);
        break;
    }
}

static void sub_do(struct bed_sub *sub, enum sub_do what, uint32_t index, uint32_t number)
{
    struct sub_errand e = {.sub = sub, .what = what, .index = index, .number = number};
    hulse_bed_on(sub->bed, sub->worker, sub_there, &e);
}

void hulse_sub_permit(struct bed_sub *sub, uint32_t count)
{
    sub_do(sub, SUB_PERMIT, 0, count);
}

struct sub_count {
    const struct bed_sub *sub;
    uint32_t count;
};

static bool sub_has(void *arg)
{
    const struct sub_count *c = arg;
    return c->sub->count >= c->count;
}

void hulse_sub_wait(struct bed_sub *sub, uint32_t count)
{
    struct sub_count c = {.sub = sub, .count = count};
    hulse_bed_until(sub->bed, sub->worker, sub_has, &c);
    assert_false(sub->over);
}

static void read_count(void *arg)
{
    struct sub_count *c = arg;
    c->count = c->sub->count;
}

uint32_t hulse_sub_count(struct bed_sub *sub)
{
    struct sub_count c = {.sub = sub};
    hulse_bed_on(sub->bed, sub->worker, read_count, &c);
    return c.count;
}

void hulse_sub_ack(struct bed_sub *sub, uint32_t index)
{
    sub_do(sub, SUB_ACK, index, 0);
}

void hulse_sub_ack_all(struct bed_sub *sub)
{
    sub_do(sub, SUB_ACK_ALL, 0, 0);
}

void hulse_sub_ack_cumulative(struct bed_sub *sub, uint32_t index)
{
    sub_do(sub, SUB_CUMULATIVE, index, 0);
}

void hulse_sub_nack(struct bed_sub *sub, uint32_t index, uint32_t delay_ms)
{
    sub_do(sub, SUB_NACK, index, delay_ms);
}

void hulse_sub_give_back(struct bed_sub *sub, uint32_t index)
{
    sub_do(sub, SUB_GIVE_BACK, index, 0);
}

struct sub_close {
    struct bed_sub *sub;
    bool unsubscribe;
};

static void sub_close_there(void *arg)
{
    const struct sub_close *e = arg;
    e->sub->bed->broker->ops->consumer_close(e->sub->consumer, e->unsubscribe);
}

void hulse_sub_close(struct bed_sub *sub, bool unsubscribe)
{
    struct sub_close e = {.sub = sub, .unsubscribe = unsubscribe};
    if (sub->consumer != NULL) {
        hulse_bed_on(sub->bed, sub->worker, sub_close_there, &e);
    }
    assert_false(sub->over);
    free(sub->messages);
    sub->messages = NULL;
    sub->consumer = NULL;
}
