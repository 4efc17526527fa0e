/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pulsar_consume - a consumer of Pulsar between its connection and its front end: an entry of 128-byte messages
 * comes, each is handed out, acknowledged and replaced by a permit; a turn ends after some entries. An operation is a message.
 * Lookups and the connection are played.
 *
 * Conservation: every message is handed out once and settled; every entry is acknowledged.
 */
#include "bench/micro/pulsar_played.h"
#include "daemon/broker/pulsar/consumer/consumer.h"
#include "daemon/broker/pulsar/wire/batch_writer.h"
#include "daemon/core/bytes.h"
#include "daemon/core/crc32c.h"
#include "daemon/core/mem.h"

#define PAYLOAD_BYTES 128U
#define ROOM_BYTES (512U << 10U)

struct scene {
    struct worker owner;
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

/* ---- what the broker hears and says ---- */

static void heard(const Pulsar__BaseCommand *command)
{
    if (command->type == PULSAR__BASE_COMMAND__TYPE__ACK) {
        scene.acked += command->ack->n_message_id;
    }
}

static void answer(Pulsar__BaseCommand__Type asked, Pulsar__BaseCommand *command)
{
    static Pulsar__CommandSuccess success = PULSAR__COMMAND_SUCCESS__INIT;
    static Pulsar__CommandAckResponse response = PULSAR__COMMAND_ACK_RESPONSE__INIT;

    command->type = asked == PULSAR__BASE_COMMAND__TYPE__ACK
                        ? PULSAR__BASE_COMMAND__TYPE__ACK_RESPONSE
                        : PULSAR__BASE_COMMAND__TYPE__SUCCESS;
    command->success = &success;
    command->ackresponse = &response;
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
            played.user->events->command(
                played.user, &c, (struct broker_span){scene.rest, scene.rest_bytes});
        }
        hulse_pulsar_consumers_flush(played.worker.consumers);
        played_answer_all(answer);
    }
    micro_require(scene.messages - before == ops, "every message once");
    micro_require(scene.settled == scene.messages, "all are settled");
    micro_require(scene.acked == scene.entry, "every entry is acknowledged");
}

/* ---- the scene ---- */

static void set(void)
{
    struct error err = {0};
    const struct broker_consumer_params params = {.topic = "persistent://public/default/t",
                                                  .subscription = "s",
                                                  .name = "c",
                                                  .type = BROKER_SHARED,
                                                  .events = &events,
                                                  .create = true};
    hulse_mem_init(SIZE_MAX / 2);
    played.heard = heard;
    micro_require(hulse_loop_init(&scene.owner.loop, 16), "a loop");
    played.worker.broker = &played.broker;
    played.worker.worker = &scene.owner;
    played.worker.loop = &scene.owner.loop;
    hulse_jitter_init(&played.worker.jitter);
    played.worker.consumers = hulse_pulsar_consumers_create(&played.worker, &err);
    micro_require(played.worker.consumers != NULL, "consumers");
    micro_require(hulse_pulsar_consumer_open(
                      &played.broker.base, &scene.owner, &params, &scene.consumer, &err) ==
                      HULSE_OK,
                  "a consumer");
    played_arrive();
    played_answer_all(answer);
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
    played_answer_all(answer);
    hulse_pulsar_consumers_destroy(&played.worker.consumers);
    hulse_loop_fini(&scene.owner.loop);
    return micro_end(&m);
}
