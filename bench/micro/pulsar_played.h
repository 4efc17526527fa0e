/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulsar_played - what producers and consumers of the Pulsar client find around them, played: the worker's part, a lookup
 * that is answered by hand, one connection that takes everything. For one program each: it defines their functions.
 *
 * Threads: one.
 * Limits:  PLAYED_REQUESTS_MAX requests without an answer.
 */
#ifndef HULSE_BENCH_MICRO_PULSAR_PLAYED_H
#define HULSE_BENCH_MICRO_PULSAR_PLAYED_H

#include "bench/micro/micro.h"
#include "daemon/broker/pulsar/connection/pool.h"
#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/worker.h"

#define PLAYED_REQUESTS_MAX 64U
#define PLAYED_COMMAND_BYTES 65536U

struct pulsar_connection {
    struct pulsar_peer peer;
};

struct played_request {
    struct pulsar_request *request;
    Pulsar__BaseCommand__Type type; /* of what was asked */
};

static struct {
    struct pulsar_worker worker;
    struct pulsar_broker broker;
    struct pulsar_connection connection;
    struct pulsar_lookup *lookup; /* the last one that began */
    struct pulsar_user *user;     /* of the connection */
    struct played_request asked[PLAYED_REQUESTS_MAX];
    uint32_t asked_count;
    uint64_t next_request;
    void (*heard)(
        const Pulsar__BaseCommand *command); /* of each request; NULL: nobody wants to know */
} played = {.broker = {.params = {.operation_timeout_ms = 30000, .message_bytes_max = 5U << 20U}},
            .connection = {.peer = {.protocol_version = 21, .message_bytes_max = 5U << 20U}}};

struct pulsar_worker *hulse_pulsar_worker(struct broker *b, struct worker *w)
{
    (void)b;
    (void)w;
    return &played.worker;
}

bool hulse_pulsar_lookup_start(struct pulsar_worker *w,
                               struct pulsar_lookup *l,
                               const char *topic,
                               bool create,
                               enum pulsar_lookup_how how)
{
    (void)w;
    (void)topic;
    (void)create;
    (void)how;
    played.lookup = l;
    return true;
}

void hulse_pulsar_lookup_cancel(struct pulsar_lookup *l)
{
    (void)l;
}

void hulse_pulsar_lookups_count(struct pulsar_lookups *l, bool grown)
{
    (void)l;
    (void)grown;
}

uint64_t hulse_pulsar_user_id(struct pulsar_pool *p)
{
    (void)p;
    return 1;
}

bool hulse_pulsar_attach(struct pulsar_pool *p,
                         struct pulsar_user *u,
                         const struct pulsar_endpoint *to,
                         enum pulsar_purpose purpose)
{
    (void)p;
    (void)to;
    (void)purpose;
    played.user = u;
    u->connection = &played.connection;
    return true;
}

void hulse_pulsar_detach(struct pulsar_user *u)
{
    u->connection = NULL;
}

bool hulse_pulsar_ready(const struct pulsar_connection *c)
{
    (void)c;
    return true;
}

const struct pulsar_peer *hulse_pulsar_peer(const struct pulsar_connection *c)
{
    return &c->peer;
}

/* Encoded, as for a socket. */
bool hulse_pulsar_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command)
{
    static uint8_t room[PLAYED_COMMAND_BYTES];
    (void)c;
    return hulse_wire_command_write(command, room, sizeof(room)) > 0;
}

void hulse_pulsar_break(struct pulsar_connection *c, const char *text)
{
    (void)c;
    micro_require(false, text);
}

uint64_t hulse_pulsar_request_id(struct pulsar_connection *c, struct pulsar_request *r)
{
    (void)c;
    r->id = ++played.next_request;
    return r->id;
}

bool hulse_pulsar_ask(struct pulsar_connection *c,
                      struct pulsar_request *r,
                      const Pulsar__BaseCommand *command,
                      uint32_t timeout_ms)
{
    (void)timeout_ms;
    micro_require(played.asked_count < PLAYED_REQUESTS_MAX, "answers come");
    if (played.heard != NULL) {
        played.heard(command);
    }
    played.asked[played.asked_count++] = (struct played_request){r, command->type};
    return hulse_pulsar_command(c, command);
}

void hulse_pulsar_cancel(struct pulsar_request *r)
{
    (void)r;
}

void hulse_pulsar_await_another(struct pulsar_connection *c, struct pulsar_request *r)
{
    (void)c;
    (void)r;
}

/* Answers what was asked, one by one; `answer` makes the command, whose type is said by what was asked. */
static inline void played_answer_all(void (*answer)(Pulsar__BaseCommand__Type asked,
                                                    Pulsar__BaseCommand *command))
{
    struct played_request asked[PLAYED_REQUESTS_MAX];
    const uint32_t count = played.asked_count;

    memcpy(asked, played.asked, sizeof(asked));
    played.asked_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
        answer(asked[i].type, &command);
        asked[i].request->done(asked[i].request, PULSAR_REPLY_ANSWER, &command);
    }
}

/* What was asked for last. */
static inline void played_found(const struct pulsar_lookup_result *result)
{
    struct pulsar_lookup *l = played.lookup;

    micro_require(l != NULL, "a lookup");
    if (l != NULL) { /* which the analyzer does not see */
        l->done(l, result);
    }
}

/* Found at once, and connected. */
static inline void played_arrive(void)
{
    static const struct pulsar_lookup_result found = {.cached = true};

    played_found(&found);
    struct pulsar_user *u = played.user;
    micro_require(u != NULL, "a user of the connection");
    if (u != NULL) {
        u->events->ready(u);
    }
}

#endif
