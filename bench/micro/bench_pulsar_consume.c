/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pulsar_consume - a consumer of Pulsar between its connection and its front end: an entry of 128-byte messages
 * comes, each is handed out, acknowledged and replaced by a permit; a turn ends after some entries. An operation is a message.
 * Lookups and the connection are played.
 *
 * Conservation: every message is handed out once and settled; every entry is acknowledged.
 */
#include "bench/micro/micro.h"
#include "daemon/broker/pulsar/connection/pool.h"
#include "daemon/broker/pulsar/consumer/consumer.h"
#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/broker/pulsar/wire/batch_writer.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/worker.h"
#include "daemon/core/bytes.h"
#include "daemon/core/crc32c.h"
#include "daemon/core/mem.h"

#define PAYLOAD_BYTES 128U
#define ROOM_BYTES (512U << 10U)
#define REQUESTS_MAX 64U

struct pulsar_connection {
    struct pulsar_peer peer;
    uint64_t next_request;
    struct pulsar_request *asked[REQUESTS_MAX]; /* and not answered */
    bool acks[REQUESTS_MAX];
    uint32_t asked_count;
};

struct scene {
    struct pulsar_connection connection;
    struct worker owner;
    struct pulsar_broker broker;
    struct pulsar_worker worker;
    struct pulsar_lookup *lookup;
    struct pulsar_user *user;
    struct broker_consumer *consumer;
    bool opened;
    uint64_t entry;
    uint64_t messages;
    uint64_t settled;
    uint64_t acked; /* entries */
    uint8_t rest[ROOM_BYTES];
    uint32_t rest_bytes;
    uint32_t batch;   /* 0: none */
    uint32_t entries; /* of a turn */
};

static struct scene scene;

/* ---- what a consumer finds ---- */

struct pulsar_worker *hulse_pulsar_worker(struct broker *b, struct worker *w)
{
    (void)b;
    (void)w;
    return &scene.worker;
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
    scene.lookup = l;
    return true;
}

void hulse_pulsar_lookup_cancel(struct pulsar_lookup *l)
{
    (void)l;
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
    scene.user = u;
    u->connection = &scene.connection;
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

bool hulse_pulsar_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command)
{
    static uint8_t room[65536];
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
    r->id = ++c->next_request;
    return r->id;
}

bool hulse_pulsar_ask(struct pulsar_connection *c,
                      struct pulsar_request *r,
                      const Pulsar__BaseCommand *command,
                      uint32_t timeout_ms)
{
    (void)timeout_ms;
    micro_require(c->asked_count < REQUESTS_MAX, "answers come");
    c->acks[c->asked_count] = command->type == PULSAR__BASE_COMMAND__TYPE__ACK;
    if (c->acks[c->asked_count]) {
        scene.acked += command->ack->n_message_id;
    }
    c->asked[c->asked_count++] = r;
    return hulse_pulsar_command(c, command);
}

void hulse_pulsar_cancel(struct pulsar_request *r)
{
    (void)r;
}

static void answer_all(void)
{
    Pulsar__CommandSuccess success = PULSAR__COMMAND_SUCCESS__INIT;
    Pulsar__CommandAckResponse response = PULSAR__COMMAND_ACK_RESPONSE__INIT;
    struct pulsar_connection *c = &scene.connection;
    const uint32_t count = c->asked_count;
    c->asked_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        Pulsar__BaseCommand a = PULSAR__BASE_COMMAND__INIT;
        a.type = c->acks[i] ? PULSAR__BASE_COMMAND__TYPE__ACK_RESPONSE
                            : PULSAR__BASE_COMMAND__TYPE__SUCCESS;
        a.success = &success;
        a.ackresponse = &response;
        c->asked[i]->done(c->asked[i], PULSAR_REPLY_ANSWER, &a);
    }
}

/* ---- the front end ---- */

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    (void)ctx;
    (void)reach;
    micro_require(status == HULSE_OK, text);
    scene.opened = true;
}

static void message(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    micro_require(d->payload.bytes == PAYLOAD_BYTES, "its payload");
    scene.messages += 1;
    hulse_pulsar_consumer_ack(scene.consumer, d);
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    (void)status;
    micro_require(false, text);
}

static void settled(void *ctx, uint32_t count)
{
    (void)ctx;
    scene.settled += count;
}

static const struct broker_consumer_events events = {
    .opened = opened, .message = message, .failed = failed, .settled = settled};

/* ---- entries ---- */

static void write_rest(uint32_t batch, uint32_t entries)
{
    static uint8_t payload[ROOM_BYTES];
    static const uint8_t one[PAYLOAD_BYTES] = {1};
    const struct broker_record r = {.payload = {one, PAYLOAD_BYTES}};
    struct wire_draft d = {0};
    struct wire_batch b;
    uint32_t bytes = PAYLOAD_BYTES;

    if (batch == 0) {
        memcpy(payload, one, PAYLOAD_BYTES);
    } else {
        hulse_wire_batch_begin(&b, payload, ROOM_BYTES);
        for (uint32_t i = 0; i < batch; i++) {
            micro_require(hulse_wire_batch_add(&b, &r, i), "there is room");
        }
        hulse_wire_batch_draft(&b, &d);
        bytes = b.bytes;
    }
    d.producer_name = (struct broker_span){(const uint8_t *)"standalone-0-1", 14};
    d.publish_time_ms = UINT64_C(1700000000000);
    uint8_t *at = hulse_wire_draft_put(scene.rest + 10, &d);
    hulse_put16_big(scene.rest, 0x0e01);
    hulse_put32_big(scene.rest + 6, (uint32_t)(at - (scene.rest + 10)));
    memcpy(at, payload, bytes);
    at += bytes;
    const size_t checked = (size_t)(at - (scene.rest + 6));
    hulse_put32_big(scene.rest + 2, ~hulse_crc32c(UINT32_MAX, scene.rest + 6, checked));
    scene.rest_bytes = (uint32_t)(at - scene.rest);
    scene.batch = batch;
    scene.entries = entries;
}

static void consume(void *argument, uint64_t ops)
{
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;
    Pulsar__CommandMessage m = PULSAR__COMMAND_MESSAGE__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    const uint32_t count = scene.batch == 0 ? 1 : scene.batch;
    const uint64_t before = scene.messages;
    (void)argument;

    c.type = PULSAR__BASE_COMMAND__TYPE__MESSAGE;
    c.message = &m;
    m.message_id = &id;
    id.ledgerid = 1;
    for (uint64_t done = 0; done < ops;) {
        hulse_pulsar_consumer_permit(scene.consumer, scene.entries * count);
        for (uint32_t i = 0; i < scene.entries; i++, done += count) {
            id.entryid = scene.entry++;
            scene.user->events->command(
                scene.user, &c, (struct broker_span){scene.rest, scene.rest_bytes});
        }
        hulse_pulsar_consumers_flush(scene.worker.consumers);
        answer_all();
    }
    micro_require(scene.messages - before == ops, "every message once");
    micro_require(scene.settled == scene.messages, "all are settled");
    micro_require(scene.acked == scene.entry, "every entry is acknowledged");
}

/* ---- the scene ---- */

static void set(void)
{
    static const struct pulsar_lookup_result found = {.cached = true};
    struct error err = {0};
    const struct broker_consumer_params params = {.topic = "persistent://public/default/t",
                                                  .subscription = "s",
                                                  .name = "c",
                                                  .type = BROKER_SHARED,
                                                  .events = &events,
                                                  .create = true};
    hulse_mem_init(SIZE_MAX / 2);
    scene.connection.peer =
        (struct pulsar_peer){.protocol_version = 21, .message_bytes_max = 5U << 20U};
    scene.broker.params =
        (struct pulsar_params){.operation_timeout_ms = 30000, .message_bytes_max = 5U << 20U};
    micro_require(hulse_loop_init(&scene.owner.loop, 16), "a loop");
    scene.worker.broker = &scene.broker;
    scene.worker.loop = &scene.owner.loop;
    hulse_jitter_init(&scene.worker.jitter);
    scene.worker.consumers = hulse_pulsar_consumers_create(&scene.worker, &err);
    micro_require(scene.worker.consumers != NULL, "consumers");
    micro_require(hulse_pulsar_consumer_open(
                      &scene.broker.base, &scene.owner, &params, &scene.consumer, &err) == HULSE_OK,
                  "a consumer");
    scene.lookup->done(scene.lookup, &found);
    scene.user->events->ready(scene.user);
    answer_all();
    micro_require(scene.opened, "it is open");
}

int main(int argc, char **argv)
{
    struct micro m;
    micro_begin(&m, "pulsar_consume", argc, argv);
    set();
    write_rest(1000, 1);
    micro_run(&m, "batch_1000", micro_ops(&m, 2000000, 1000), consume, NULL);
    write_rest(10, 10);
    micro_run(&m, "batch_10, 10 a turn", micro_ops(&m, 1000000, 1000), consume, NULL);
    write_rest(0, 100);
    micro_run(&m, "single, 100 a turn", micro_ops(&m, 500000, 1000), consume, NULL);
    write_rest(0, 1);
    micro_run(&m, "single, 1 a turn", micro_ops(&m, 500000, 1000), consume, NULL);
    hulse_pulsar_consumer_close(scene.consumer, false);
    answer_all();
    hulse_pulsar_consumers_destroy(&scene.worker.consumers);
    hulse_loop_fini(&scene.owner.loop);
    return micro_end(&m);
}
