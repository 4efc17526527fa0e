/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/stage.h"

#include "daemon/broker/pulsar/wire/batch_writer.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/core/crc32c.h"
#include "tests/unit/daemon/core/check.h"

#include <stdlib.h>
#include <string.h>

#define START_NS UINT64_C(1000000000000)
#define ROOM (1U << 20U)

struct pulsar_connection {
    bool ready;
    struct pulsar_peer peer;
    LIST_HEAD(, pulsar_request) requests;
    uint64_t next_request;
};

struct stage stage;
static struct pulsar_connection connection;
static uint64_t next_user;

/* ---- what consumers find ---- */

struct pulsar_worker *hulse_pulsar_worker(struct broker *b, struct worker *w)
{
    (void)b;
    (void)w;
    return &stage.worker;
}

/* Of "TOPIC-partition-N" N. */
static uint32_t partition_of(const char *topic)
{
    static const char suffix[] = "-partition-";
    const char *at = strstr(topic, suffix);
    const size_t bytes = at == NULL ? strlen(topic) : (size_t)(at - topic);
    assert_true((bytes == strlen(STAGE_TOPIC) && memcmp(topic, STAGE_TOPIC, bytes) == 0) ||
                (bytes == strlen(STAGE_VOLATILE) && memcmp(topic, STAGE_VOLATILE, bytes) == 0));
    if (at == NULL) {
        return STAGE_WHOLE;
    }
    const unsigned long n = strtoul(at + sizeof(suffix) - 1, NULL, 10);
    assert_true(n < STAGE_PARTS_MAX);
    return (uint32_t)n;
}

static struct pulsar_lookup **lookup_of(uint32_t partition)
{
    return partition == stage.played ? &stage.lookup : &stage.lookups[partition];
}

static struct pulsar_user **user_of(uint32_t partition)
{
    return partition == stage.played ? &stage.user : &stage.users[partition];
}

void hulse_stage_play(uint32_t partition)
{
    stage.lookups[stage.played] = stage.lookup;
    stage.users[stage.played] = stage.user;
    stage.played = partition;
    stage.lookup = stage.lookups[partition];
    stage.user = stage.users[partition];
}

bool hulse_pulsar_lookup_start(struct pulsar_worker *w,
                               struct pulsar_lookup *l,
                               const char *topic,
                               bool create,
                               enum pulsar_lookup_how how)
{
    assert_ptr_equal(w, &stage.worker);
    struct pulsar_lookup **lookup = lookup_of(partition_of(topic));
    assert_null(*lookup);
    *lookup = l;
    stage.lookup_create = create;
    stage.lookup_how = how;
    return true;
}

void hulse_pulsar_lookup_cancel(struct pulsar_lookup *l)
{
    for (uint32_t i = 0; i <= STAGE_PARTS_MAX; i++) {
        if (*lookup_of(i) == l) {
            *lookup_of(i) = NULL;
        }
    }
}

void hulse_pulsar_lookups_count(struct pulsar_lookups *l, bool grown)
{
    (void)l;
    (void)grown;
}

uint64_t hulse_pulsar_user_id(struct pulsar_pool *p)
{
    (void)p;
    return ++next_user;
}

bool hulse_pulsar_attach(struct pulsar_pool *p,
                         struct pulsar_user *u,
                         const struct pulsar_endpoint *to,
                         enum pulsar_purpose purpose)
{
    (void)p;
    (void)to;
    assert_int_equal(purpose, PULSAR_FOR_CONSUMING);
    assert_null(stage.user);
    stage.user = u;
    stage.attached += 1;
    u->connection = &connection;
    return true;
}

void hulse_pulsar_detach(struct pulsar_user *u)
{
    for (uint32_t i = 0; i <= STAGE_PARTS_MAX; i++) {
        if (*user_of(i) == u) {
            *user_of(i) = NULL;
        }
    }
    u->connection = NULL;
}

bool hulse_pulsar_ready(const struct pulsar_connection *c)
{
    return c->ready;
}

const struct pulsar_peer *hulse_pulsar_peer(const struct pulsar_connection *c)
{
    return &c->peer;
}

bool hulse_pulsar_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command)
{
    static uint8_t room[ROOM];
    assert_true(c->ready);
    if (stage.refuse) {
        return false;
    }
    const size_t bytes = hulse_wire_command_write(command, room, sizeof(room));
    assert_true(bytes > 8);
    assert_true(stage.count < STAGE_SENT_MAX);
    stage.sent[stage.count] = pulsar__base_command__unpack(NULL, bytes - 8, room + 8);
    assert_non_null(stage.sent[stage.count]);
    stage.count += 1;
    return true;
}

void hulse_pulsar_break(struct pulsar_connection *c, const char *text)
{
    (void)c;
    assert_true(text[0] != '\0');
    stage.broken += 1;
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
    assert_true(timeout_ms > 0);
    assert_null(r->connection);
    if (!hulse_pulsar_command(c, command)) {
        return false;
    }
    r->connection = c;
    LIST_INSERT_HEAD(&c->requests, r, link);
    return true;
}

void hulse_pulsar_cancel(struct pulsar_request *r)
{
    if (r->connection != NULL) {
        LIST_REMOVE(r, link);
        r->connection = NULL;
    }
}

/* ---- life ---- */

static const struct broker_ops ops = {
    .permit = hulse_pulsar_consumer_permit,
    .copied = hulse_pulsar_consumer_copied,
    .ack = hulse_pulsar_consumer_ack,
    .ack_cumulative = hulse_pulsar_consumer_ack_cumulative,
    .nack = hulse_pulsar_consumer_nack,
    .ack_id = hulse_pulsar_consumer_ack_id,
    .give_back = hulse_pulsar_consumer_give_back,
    .redeliver_all = hulse_pulsar_consumer_redeliver_all,
    .seek = hulse_pulsar_consumer_seek,
    .last_message_id = hulse_pulsar_consumer_last_message_id,
    .unsubscribe = hulse_pulsar_consumer_unsubscribe,
    .consumer_close = hulse_pulsar_consumer_close,
};

void hulse_stage_start(void)
{
    struct error err = {0};
    memset(&stage, 0, sizeof(stage));
    stage.played = STAGE_WHOLE;
    connection = (struct pulsar_connection){
        .ready = true, .peer = {.protocol_version = 21, .message_bytes_max = 65536}};
    hulse_mem_init(SIZE_MAX / 2);
    assert_true(hulse_loop_init(&stage.loop_owner.loop, 16));
    stage.loop_owner.loop.now_ns = START_NS;
    hulse_timer_wheel_init(&stage.loop_owner.loop.timers, START_NS / 1000000);
    /* What a daemon has in pulsar.c would bring the real connections with it. */
    stage.broker.params = (struct pulsar_params){.operation_timeout_ms = 30000,
                                                 .message_bytes_max = 65536,
                                                 .chunked_bytes_max = STAGE_CHUNKED_BYTES_MAX};
    stage.broker.base.ops = &ops;
    stage.worker.broker = &stage.broker;
    stage.worker.worker = &stage.loop_owner;
    stage.worker.loop = &stage.loop_owner.loop;
    hulse_jitter_init(&stage.worker.jitter);
    stage.worker.contexts = hulse_wire_contexts_create();
    stage.worker.consumers = hulse_pulsar_consumers_create(&stage.worker, &err);
    assert_non_null(stage.worker.consumers);
}

void hulse_stage_stop(void)
{
    hulse_pulsar_consumers_destroy(&stage.worker.consumers);
    hulse_wire_contexts_destroy(&stage.worker.contexts);
    assert_int_equal(stage.loop_owner.loop.timers.count, 0);
    hulse_loop_fini(&stage.loop_owner.loop);
    hulse_stage_forget();
    for (uint32_t i = 0; i <= STAGE_PARTS_MAX; i++) {
        assert_null(*lookup_of(i));
        assert_null(*user_of(i));
    }
    assert_true(LIST_EMPTY(&connection.requests));
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

void hulse_stage_protocol(int32_t version)
{
    connection.peer.protocol_version = version;
}

void hulse_stage_turn(void)
{
    hulse_pulsar_consumers_flush(stage.worker.consumers);
}

void hulse_stage_wait(uint32_t ms)
{
    struct loop *l = &stage.loop_owner.loop;
    hulse_stage_turn();
    for (uint32_t i = 0; i <= ms; i++) {
        (void)hulse_timer_advance(&l->timers, hulse_loop_now_ms(l));
        hulse_stage_turn();
        l->now_ns += i < ms ? 1000000 : 0;
    }
}

/* ---- lookups, the connection ---- */

static void answer_lookup(const struct pulsar_lookup_result *result)
{
    struct pulsar_lookup *l = stage.lookup;
    assert_non_null(l);
    stage.lookup = NULL;
    l->done(l, result);
}

void hulse_stage_found(void)
{
    static const struct pulsar_lookup_result found = {
        .endpoint = {.physical = {.name = "h", .port = 6650},
                     .logical = {.name = "h", .port = 6650}}};
    answer_lookup(&found);
}

void hulse_stage_not_found(int32_t error, uint32_t partitions)
{
    struct pulsar_lookup_result result = {.partitions = partitions, .kept_ms = STAGE_KEPT_MS};
    if (partitions == 0) {
        hulse_pulsar_failure_server(&result.failure, error, "said");
    }
    answer_lookup(&result);
}

void hulse_stage_ready(void)
{
    assert_non_null(stage.user);
    connection.ready = true;
    stage.user->events->ready(stage.user);
}

void hulse_stage_lose(void)
{
    struct pulsar_user *u = NULL;
    struct pulsar_request *r = NULL;
    assert_non_null(stage.user);
    while ((r = LIST_FIRST(&connection.requests)) != NULL) {
        hulse_pulsar_cancel(r);
        r->done(r, PULSAR_REPLY_LOST, NULL);
    }
    for (uint32_t i = 0; i <= STAGE_PARTS_MAX; i++) {
        u = *user_of(i);
        if (u != NULL) {
            hulse_pulsar_detach(u);
            u->events->lost(u, HULSE_IO, "the connection is gone");
        }
    }
}

void hulse_stage_session(void)
{
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    hulse_stage_turn();
}

/* ---- what was sent ---- */

const Pulsar__BaseCommand *hulse_stage_next(Pulsar__BaseCommand__Type type)
{
    hulse_stage_turn();
    if (stage.first == stage.count) {
        fail_msg("nothing was sent where a %d should be", (int)type);
    }
    const Pulsar__BaseCommand *c = stage.sent[stage.first++];
    assert_int_equal(c->type, type);
    return c;
}

void hulse_stage_nothing(void)
{
    hulse_stage_turn();
    if (stage.first != stage.count) {
        fail_msg("a %d was sent where nothing should be", (int)stage.sent[stage.first]->type);
    }
}

void hulse_stage_forget(void)
{
    for (uint32_t i = 0; i < stage.count; i++) {
        pulsar__base_command__free_unpacked(stage.sent[i], NULL);
    }
    stage.first = 0;
    stage.count = 0;
}

uint32_t hulse_stage_flow(void)
{
    return hulse_stage_next(TYPE(FLOW))->flow->messagepermits;
}

/* ---- what comes ---- */

static void reply(uint64_t request_id, enum pulsar_reply how, const Pulsar__BaseCommand *answer)
{
    struct pulsar_request *r = NULL;
    LIST_FOREACH(r, &connection.requests, link)
    {
        if (r->id == request_id) {
            hulse_pulsar_cancel(r);
            r->done(r, how, answer);
            return;
        }
    }
}

void hulse_stage_success(uint64_t request_id)
{
    Pulsar__CommandSuccess s = PULSAR__COMMAND_SUCCESS__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(SUCCESS);
    c.success = &s;
    s.request_id = request_id;
    reply(request_id, PULSAR_REPLY_ANSWER, &c);
}

void hulse_stage_error(uint64_t request_id, Pulsar__ServerError error)
{
    Pulsar__CommandError e = PULSAR__COMMAND_ERROR__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(ERROR);
    c.error = &e;
    e.request_id = request_id;
    e.error = error;
    e.message = (char *)(uintptr_t) "said";
    reply(request_id, PULSAR_REPLY_ANSWER, &c);
}

void hulse_stage_time_out(uint64_t request_id)
{
    reply(request_id, PULSAR_REPLY_TIMED_OUT, NULL);
}

void hulse_stage_acked(uint64_t request_id)
{
    Pulsar__CommandAckResponse a = PULSAR__COMMAND_ACK_RESPONSE__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(ACK_RESPONSE);
    c.ackresponse = &a;
    a.has_request_id = true;
    a.request_id = request_id;
    reply(request_id, PULSAR_REPLY_ANSWER, &c);
}

void hulse_stage_last_id(uint64_t request_id, uint64_t ledger, uint64_t entry, int32_t batch)
{
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;
    Pulsar__CommandGetLastMessageIdResponse l = PULSAR__COMMAND_GET_LAST_MESSAGE_ID_RESPONSE__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(GET_LAST_MESSAGE_ID_RESPONSE);
    c.getlastmessageidresponse = &l;
    l.request_id = request_id;
    l.last_message_id = &id;
    id.ledgerid = ledger;
    id.entryid = entry;
    id.has_batch_index = batch >= 0;
    id.batch_index = batch;
    reply(request_id, PULSAR_REPLY_ANSWER, &c);
}

void hulse_stage_stats(uint64_t request_id, struct stage_stats stats)
{
    Pulsar__CommandConsumerStatsResponse s = PULSAR__COMMAND_CONSUMER_STATS_RESPONSE__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(CONSUMER_STATS_RESPONSE);
    c.consumerstatsresponse = &s;
    s.request_id = request_id;
    s.has_error_code = stats.error;
    s.has_availablepermits = !stats.error;
    s.availablepermits = (uint64_t)stats.permits;
    s.has_blockedconsumeronunackedmsgs = stats.blocked;
    s.blockedconsumeronunackedmsgs = stats.blocked;
    s.has_msgbacklog = stats.has_backlog;
    s.msgbacklog = stats.backlog;
    reply(request_id, PULSAR_REPLY_ANSWER, &c);
}

static void tell(const Pulsar__BaseCommand *c, struct broker_span rest)
{
    assert_non_null(stage.user);
    stage.user->events->command(stage.user, c, rest);
}

void hulse_stage_close_consumer(const char *assigned)
{
    Pulsar__CommandCloseConsumer x = PULSAR__COMMAND_CLOSE_CONSUMER__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(CLOSE_CONSUMER);
    c.close_consumer = &x;
    x.request_id = UINT64_MAX;
    x.assignedbrokerserviceurl = (char *)(uintptr_t)assigned;
    tell(&c, (struct broker_span){0});
}

void hulse_stage_active(bool active)
{
    Pulsar__CommandActiveConsumerChange x = PULSAR__COMMAND_ACTIVE_CONSUMER_CHANGE__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(ACTIVE_CONSUMER_CHANGE);
    c.active_consumer_change = &x;
    x.has_is_active = active;
    x.is_active = active;
    tell(&c, (struct broker_span){0});
}

void hulse_stage_end_of_topic(void)
{
    Pulsar__CommandReachedEndOfTopic x = PULSAR__COMMAND_REACHED_END_OF_TOPIC__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(REACHED_END_OF_TOPIC);
    c.reachedendoftopic = &x;
    tell(&c, (struct broker_span){0});
}

/* ---- messages ---- */

static struct broker_span one_payload(const struct stage_entry *e, uint32_t number)
{
    static uint8_t payload[ROOM];
    const uint32_t bytes = e->bytes > sizeof(number) ? e->bytes : sizeof(number);
    memset(payload, 'x', bytes);
    memcpy(payload, &number, sizeof(number));
    return (struct broker_span){payload, bytes};
}

/* The payload of the entry; gives its bytes. */
static uint32_t write_payload(const struct stage_entry *e, uint8_t *out, struct wire_draft *d)
{
    if (e->batch == 0) {
        const struct broker_record r = {.meta = e->meta};
        hulse_wire_draft_record(d, &r);
        const struct broker_span payload = one_payload(e, e->number);
        memcpy(out, payload.data, payload.bytes);
        return payload.bytes;
    }
    struct wire_batch b;
    hulse_wire_batch_begin(&b, out, ROOM);
    for (uint32_t i = 0; i < e->batch; i++) {
        const uint32_t number = e->number + i;
        const struct broker_record r = {.payload = one_payload(e, number), .meta = e->meta};
        assert_true(hulse_wire_batch_add(&b, &r, number));
    }
    hulse_wire_batch_draft(&b, d);
    if (e->bad_payload) {
        memset(out + b.bytes / 2, 0xff, b.bytes - b.bytes / 2);
    }
    return b.bytes;
}

static uint32_t
compress(const struct stage_entry *e, uint8_t *payload, uint32_t bytes, struct wire_draft *d)
{
    static uint8_t room[ROOM];
    if (e->compression == 0) {
        return bytes;
    }
    uint32_t small = 0;
    assert_int_equal(hulse_wire_compress(stage.worker.contexts,
                                         e->compression,
                                         (struct broker_span){payload, bytes},
                                         room,
                                         sizeof(room),
                                         &small),
                     WIRE_COMPRESSION_OK);
    memcpy(payload, room, small);
    d->compression = e->compression;
    d->has_uncompressed_bytes = true;
    d->uncompressed_bytes = e->claimed == 0 ? bytes : e->claimed;
    return small;
}

/* Of ours all chunks but the last one say the number before their message's. */
static uint64_t sequence_of(const struct stage_entry *e)
{
    return e->attempt == 0 ? e->number
                           : (uint64_t)e->message - (e->chunk + 1 < e->chunks ? 1U : 0U);
}

static struct broker_span write_rest(const struct stage_entry *e)
{
    static uint8_t rest[2 * ROOM];
    static uint8_t payload[ROOM];
    struct wire_draft d = {.producer_name = {(const uint8_t *)"p", 1},
                           .sequence_id = sequence_of(e),
                           .publish_time_ms = 1000 + e->number};
    uint32_t bytes = write_payload(e, payload, &d);
    d.producer_name = (struct broker_span){(const uint8_t *)"p", 1};
    d.publish_time_ms = 1000 + e->number;
    bytes = compress(e, payload, bytes, &d);
    uint8_t *at = hulse_wire_draft_put(rest + 10, &d);
    if (e->chunks != 0) {
        const uint32_t all = bytes * (uint32_t)e->chunks;
        char uuid[32];
        const int uuid_bytes =
            e->attempt == 0 ? snprintf(uuid, sizeof(uuid), "%c", 'a' + e->message)
                            : snprintf(uuid, sizeof(uuid), "p-%u-%c", e->message, e->attempt);
        at = hulse_wire_put_span(
            at, WIRE_META_UUID, (struct broker_span){(const uint8_t *)uuid, (uint32_t)uuid_bytes});
        at = hulse_wire_put_number(at, WIRE_META_CHUNKS, (uint32_t)e->chunks);
        at = hulse_wire_put_number(
            at, WIRE_META_CHUNKED_BYTES, e->chunked_bytes == 0 ? all : e->chunked_bytes);
        at = hulse_wire_put_number(at, WIRE_META_CHUNK, (uint32_t)e->chunk);
    }
    if (e->encrypted) {
        static const uint8_t key[] = {10, 1, 'k', 18, 1, 'v'};
        at = hulse_wire_put_span(at, WIRE_META_ENCRYPTION, (struct broker_span){key, sizeof(key)});
    }
    hulse_put16_big(rest, 0x0e01);
    hulse_put32_big(rest + 6, (uint32_t)(at - (rest + 10)));
    memcpy(at, payload, bytes);
    at += bytes;
    uint64_t seed = e->seed;
    for (uint32_t i = 0; i < e->changes; i++) {
        rest[10 + test_below(&seed, (uint64_t)(at - rest) - 10)] = (uint8_t)test_random(&seed);
    }
    const uint32_t crc = ~hulse_crc32c(UINT32_MAX, rest + 6, (size_t)(at - (rest + 6)));
    hulse_put32_big(rest + 2, e->bad_checksum ? ~crc : crc);
    return (struct broker_span){rest, (uint32_t)(at - rest)};
}

/* Behind what a broker says beside it. */
static struct broker_span write_added(struct broker_span added, struct broker_span rest)
{
    static uint8_t whole[2 * ROOM + 100];
    if (added.data == NULL) {
        return rest;
    }
    assert_true(added.bytes < 90);
    hulse_put16_big(whole, 0x0e02);
    hulse_put32_big(whole + 2, added.bytes);
    memcpy(whole + 6, added.data, added.bytes);
    memcpy(whole + 6 + added.bytes, rest.data, rest.bytes);
    return (struct broker_span){whole, 6 + added.bytes + rest.bytes};
}

void hulse_stage_message(const struct stage_entry *e)
{
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;
    Pulsar__CommandMessage m = PULSAR__COMMAND_MESSAGE__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    c.type = TYPE(MESSAGE);
    c.message = &m;
    m.message_id = &id;
    id.ledgerid = e->ledger;
    id.entryid = e->entry;
    m.has_redelivery_count = e->redelivery > 0;
    m.redelivery_count = e->redelivery;
    m.has_consumer_epoch = e->epoch > 0;
    m.consumer_epoch = e->epoch;
    m.ack_set = (int64_t *)(uintptr_t)e->ack_set;
    m.n_ack_set = e->ack_words;
    tell(&c, write_added(e->added, write_rest(e)));
}
