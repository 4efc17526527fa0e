/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pulsar_send - what a published message costs the Pulsar client in the daemon: gathered, sealed, handed to a
 * connection that is none, its receipt, its answer. An operation is a message of 128 bytes.
 *
 * Conservation: every record is answered once, as stored; all bytes of the frames reach the sink.
 */
#include "bench/micro/pulsar_played.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "include/hulse/status.h"

#define PAYLOAD_BYTES 128U
#define TURN_RECORDS 256U
#define BEHIND_MAX 4096U
#define SINK_BYTES (1U << 20U)

static struct loop loop;
static struct pulsar_sender *sender;
static uint8_t sink[SINK_BYTES];
static uint64_t written;
/* Sent and not receipted: by sequence ids. */
static uint64_t behind[BEHIND_MAX][2];
static uint32_t behind_count;
static uint64_t answered;
static bool opened;

/* Written at once. */
void hulse_pulsar_send(struct pulsar_connection *c, struct pulsar_piece *piece)
{
    const struct pulsar_entry *e = HULSE_CONTAINER(piece, struct pulsar_entry, piece);

    (void)c;
    micro_require(piece->bytes <= SINK_BYTES && behind_count < BEHIND_MAX, "there is room");
    memcpy(sink, piece->data, piece->bytes);
    written += piece->bytes;
    behind[behind_count][0] = e->sequence;
    behind[behind_count][1] = e->highest;
    behind_count++;
    piece->released(piece, true);
}

/* ---- a producer ---- */

static void
hear_opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    (void)ctx;
    (void)text;
    (void)limits;
    micro_require(status == HULSE_OK, "opened");
    opened = true;
}

static void hear_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    (void)ctx;
    micro_require(answer->outcome == HULSE_OUTCOME_STORED && token == answered, "stored");
    answered++;
}

static const struct broker_producer_events events = {.opened = hear_opened,
                                                     .answered = hear_answered};

static void answer(Pulsar__BaseCommand__Type asked, Pulsar__BaseCommand *command)
{
    static Pulsar__CommandProducerSuccess success = PULSAR__COMMAND_PRODUCER_SUCCESS__INIT;

    (void)asked;
    success.producer_name = sender->name;
    command->type = PULSAR__BASE_COMMAND__TYPE__PRODUCER_SUCCESS;
    command->producer_success = &success;
}

static const struct pulsar_lookup_result one_partition = {.partitions = 1, .kept_ms = 3600000};

struct way {
    enum broker_compression compression;
    bool partitioned; /* the topic has one partition */
};

static struct broker_producer *open_one(const struct way *way)
{
    const struct broker_producer_params params = {.topic = "persistent://public/default/t",
                                                  .name = "",
                                                  .events = &events,
                                                  .create = true,
                                                  .gathering = {.compression = way->compression,
                                                                .pending_bytes = 1U << 30U,
                                                                .send_timeout_ms = 30000}};
    struct broker_producer *p = NULL;

    micro_require(hulse_pulsar_producer_open(&played.broker.base, NULL, &params, &p, NULL) ==
                      HULSE_OK,
                  "begun to open");
    if (way->partitioned) {
        played_found(&one_partition); /* which is looked up next */
    }
    played_arrive();
    sender = HULSE_CONTAINER(played.user, struct pulsar_sender, user);
    played_answer_all(answer);
    micro_require(opened, "open");
    return p;
}

static void receipt_all(void)
{
    Pulsar__CommandSendReceipt receipt = PULSAR__COMMAND_SEND_RECEIPT__INIT;
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    const struct broker_span nothing = {0};

    command.type = PULSAR__BASE_COMMAND__TYPE__SEND_RECEIPT;
    command.send_receipt = &receipt;
    receipt.message_id = &id;
    receipt.has_highest_sequence_id = true;
    for (uint32_t i = 0; i < behind_count; i++) {
        receipt.sequence_id = behind[i][0];
        receipt.highest_sequence_id = behind[i][1];
        id.entryid++;
        played.user->events->command(played.user, &command, nothing);
    }
    behind_count = 0;
}

static void publish(void *argument, uint64_t ops)
{
    static const uint8_t payload[PAYLOAD_BYTES] = {1, 2, 3};
    struct broker_producer *p = open_one(argument);
    struct broker_record r = {.payload = {.data = payload, .bytes = PAYLOAD_BYTES}};

    answered = 0;
    written = 0;
    for (uint64_t i = 0; i < ops; i++) {
        r.token = i;
        r.enqueued_ns = loop.now_ns;
        hulse_pulsar_producer_send(p, &r);
        if (i % TURN_RECORDS == TURN_RECORDS - 1) {
            hulse_pulsar_senders_flush(played.worker.senders);
            /* A busy broker: what it has of a dozen turns is receipted together. */
            if (i / TURN_RECORDS % 12 == 11) {
                receipt_all();
            }
        }
    }
    while (answered < ops) {
        hulse_pulsar_senders_flush(played.worker.senders);
        receipt_all();
    }
    micro_require(written > 0, "something was sent");
    hulse_pulsar_producer_close(p, true);
    hulse_pulsar_sender_destroy(sender);
    opened = false;
}

int main(int argc, char **argv)
{
    struct micro m;
    struct error err;
    struct way plain = {.compression = BROKER_PLAIN};
    struct way partitioned = {.compression = BROKER_PLAIN, .partitioned = true};
    struct way lz4 = {.compression = BROKER_LZ4};

    micro_begin(&m, "pulsar_send", argc, argv);
    hulse_mem_init(SIZE_MAX / 2);
    hulse_timer_wheel_init(&loop.timers, 1);
    loop.now_ns = hulse_clock_ns();
    played.worker.broker = &played.broker;
    played.worker.loop = &loop;
    played.worker.contexts = hulse_wire_contexts_create();
    played.worker.senders = hulse_pulsar_senders_create(&played.worker, &err);
    micro_require(played.worker.contexts != NULL && played.worker.senders != NULL, "memory");
    const uint64_t ops = micro_ops(&m, 3000000, 3000);
    micro_run(&m, "plain", ops, publish, &plain);
    micro_run(&m, "partitioned", ops, publish, &partitioned);
    micro_run(&m, "lz4", ops, publish, &lz4);
    hulse_pulsar_senders_destroy(&played.worker.senders);
    hulse_wire_contexts_destroy(&played.worker.contexts);
    return micro_end(&m);
}
