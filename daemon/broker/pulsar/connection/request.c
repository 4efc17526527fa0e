/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - what was asked on a connection and not yet answered.
 *
 * All requests of a connection are one map, whatever was asked: a proxy answers PARTITIONED_METADATA with a
 * LOOKUP_RESPONSE (section 3.7).
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"

static struct pulsar_request_list *bucket_of(struct pulsar_connection *c, uint64_t id)
{
    return &c->requests[id % PULSAR_REQUEST_BUCKETS];
}

static void forget(struct pulsar_request *r)
{
    struct pulsar_connection *c = r->connection;

    LIST_REMOVE(r, link);
    hulse_timer_stop(&c->pool->loop->timers, &r->deadline);
    r->connection = NULL;
    c->request_count--;
    hulse_connection_less_used(c);
}

static void timed_out(struct timer *timer)
{
    struct pulsar_request *r = HULSE_CONTAINER(timer, struct pulsar_request, deadline);

    forget(r);
    r->done(r, PULSAR_REPLY_TIMED_OUT, NULL);
}

uint64_t hulse_pulsar_request_id(struct pulsar_connection *c, struct pulsar_request *r)
{
    r->id = ++c->pool->request_id;
    return r->id;
}

bool hulse_pulsar_ask(struct pulsar_connection *c,
                      struct pulsar_request *r,
                      const Pulsar__BaseCommand *command,
                      uint32_t timeout_ms)
{
    HULSE_ASSERT(r->connection == NULL && r->done != NULL);

    if (!hulse_pulsar_command(c, command)) {
        return false;
    }
    struct loop *loop = c->pool->loop;
    r->connection = c;
    r->deadline.fire = timed_out;
    c->request_count++;
    LIST_INSERT_HEAD(bucket_of(c, r->id), r, link);
    hulse_timer_stop(&loop->timers, &c->idle);
    hulse_timer_start(&loop->timers, &r->deadline, hulse_loop_now_ms(loop) + timeout_ms);
    return true;
}

void hulse_pulsar_await_another(struct pulsar_connection *c, struct pulsar_request *r)
{
    HULSE_ASSERT(r->connection == NULL && r->done != NULL);

    r->connection = c;
    c->request_count++;
    LIST_INSERT_HEAD(bucket_of(c, r->id), r, link);
    hulse_timer_stop(&c->pool->loop->timers, &c->idle);
}

void hulse_pulsar_cancel(struct pulsar_request *r)
{
    if (r->connection != NULL) {
        forget(r);
    }
}

bool hulse_request_answered(struct pulsar_connection *c,
                            uint64_t id,
                            const Pulsar__BaseCommand *answer)
{
    struct pulsar_request *r = NULL;

    LIST_FOREACH(r, bucket_of(c, id), link)
    {
        if (r->id == id) {
            forget(r);
            r->done(r, PULSAR_REPLY_ANSWER, answer);
            return true;
        }
    }
    return false;
}

void hulse_request_lose_all(struct pulsar_connection *c)
{
    for (uint32_t i = 0; i < PULSAR_REQUEST_BUCKETS && c->request_count > 0; i++) {
        struct pulsar_request *r = NULL;
        while ((r = LIST_FIRST(&c->requests[i])) != NULL) {
            forget(r);
            r->done(r, PULSAR_REPLY_LOST, NULL);
        }
    }
}
