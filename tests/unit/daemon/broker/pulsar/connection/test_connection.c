/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a connection shakes hands as the protocol says, carries pieces, commands and requests in order, tells each
 *         user what is its own, and ends in the way that connection.h promises.
 * Method: a broker played by hand on a socket of the test's own.
 */
#include "daemon/core/assert.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name

static struct bed bed;
static struct peer peer;
static struct peer_line line;
static struct probe producer;
static struct probe consumer;

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    hulse_bed_start(&bed);
    line = (struct peer_line){.fd = -1};
    producer = (struct probe){0};
    consumer = (struct probe){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (line.bed != NULL) {
        hulse_peer_hang_up(&line);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
    return 0;
}

static void attach_producer(void)
{
    hulse_probe_attach(&producer, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
}

static void make_ready(void)
{
    attach_producer();
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_probe_await_ready(&producer);
}

/* ---- requests and pieces ---- */

struct question {
    struct pulsar_request request;
    unsigned answers;
    enum pulsar_reply reply;
    int32_t type;
};

static void
answered(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct question *q = HULSE_CONTAINER(r, struct question, request);

    assert_null(r->connection);
    q->answers++;
    q->reply = reply;
    q->type = answer == NULL ? -1 : (int32_t)answer->type;
}

static void ask(struct question *q, uint32_t timeout_ms)
{
    Pulsar__CommandPartitionedTopicMetadata body = PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    q->request.done = answered;
    body.topic = (char *)(uintptr_t) "persistent://public/default/t";
    body.request_id = hulse_pulsar_request_id(producer.user.connection, &q->request);
    base.type = TYPE(PARTITIONED_METADATA);
    base.partitionmetadata = &body;
    assert_true(hulse_pulsar_ask(producer.user.connection, &q->request, &base, timeout_ms));
}

struct parcel {
    struct pulsar_piece piece;
    unsigned released;
    bool written;
    uint8_t *data;
};

static void parcel_released(struct pulsar_piece *piece, bool written)
{
    struct parcel *p = HULSE_CONTAINER(piece, struct parcel, piece);

    p->released++;
    p->written = written;
}

/* A frame of so many bytes: a PING with a tail that nobody reads. */
static void make_parcel(struct parcel *p, uint32_t bytes)
{
    static const uint8_t head[] = {0, 0, 0, 5, 8, 0x12, 0x92, 1, 0};

    *p = (struct parcel){.data = calloc(1, bytes)};
    assert_non_null(p->data);
    const uint32_t total = bytes - 4;
    for (unsigned i = 0; i < 4; i++) {
        p->data[i] = (uint8_t)(total >> (24 - 8 * i));
    }
    memcpy(p->data + 4, head, sizeof(head));
    p->piece = (struct pulsar_piece){.data = p->data, .bytes = bytes, .released = parcel_released};
}

static void test_handshake_says_what_the_protocol_wants(void **state)
{
    (void)state;
    attach_producer();
    hulse_peer_accept(&peer, &bed, &line);
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);

    assert_int_equal(m->type, TYPE(CONNECT));
    assert_string_equal(m->connect->auth_method_name, "none");
    assert_false(m->connect->has_auth_data);
    assert_int_equal(m->connect->protocol_version, 21);
    assert_null(m->connect->proxy_to_broker_url);
    assert_null(m->connect->proxy_version);
    assert_true(m->connect->feature_flags->supports_auth_refresh);
    assert_true(m->connect->feature_flags->supports_broker_entry_metadata);
    assert_int_equal(producer.ready, 0);

    hulse_peer_say_connected(&line, 20, 1000000);
    hulse_probe_await_ready(&producer);
    const struct pulsar_peer *known = hulse_pulsar_peer(producer.user.connection);
    assert_int_equal(known->protocol_version, 20);
    assert_int_equal(known->message_bytes_max, 1000000);
    assert_true(known->topic_watchers);
    assert_true(known->topic_watcher_reconcile);
    assert_false(known->partitions_without_creation);
    assert_int_equal(bed.broker.connections_ready, 1);
}

static void test_users_of_one_purpose_share_a_connection(void **state)
{
    struct probe second = {0};
    struct peer_line other = {.fd = -1};

    (void)state;
    make_ready();
    hulse_probe_attach(&second, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
    assert_int_equal(second.ready, 0); /* never from within the call */
    hulse_probe_await_ready(&second);
    assert_ptr_equal(second.user.connection, producer.user.connection);

    hulse_probe_attach(&consumer, &bed, PULSAR_USER_CONSUMER, peer.port, PULSAR_FOR_CONSUMING);
    hulse_peer_welcome(&peer, &bed, &other);
    hulse_probe_await_ready(&consumer);
    assert_ptr_not_equal(consumer.user.connection, producer.user.connection);
    hulse_pulsar_detach(&second.user);
    hulse_pulsar_detach(&second.user);
    hulse_peer_hang_up(&other);
}

static void test_own_connections_are_shared_from_the_fifth_on(void **state)
{
    struct probe own[PULSAR_OWN_MAX + 1] = {0};
    struct peer_line lines[PULSAR_OWN_MAX];

    (void)state;
    for (unsigned i = 0; i <= PULSAR_OWN_MAX; i++) {
        hulse_probe_attach(&own[i], &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_ONE);
    }
    for (unsigned i = 0; i < PULSAR_OWN_MAX; i++) {
        hulse_peer_welcome(&peer, &bed, &lines[i]);
    }
    for (unsigned i = 0; i <= PULSAR_OWN_MAX; i++) {
        hulse_probe_await_ready(&own[i]);
        for (unsigned j = 0; i < PULSAR_OWN_MAX && j < i; j++) {
            assert_ptr_not_equal(own[i].user.connection, own[j].user.connection);
        }
    }
    assert_false(hulse_peer_has_caller(&peer));
    for (unsigned i = 0; i <= PULSAR_OWN_MAX; i++) {
        hulse_pulsar_detach(&own[i].user);
    }
    for (unsigned i = 0; i < PULSAR_OWN_MAX; i++) {
        hulse_peer_hang_up(&lines[i]);
    }
}

static void test_commands_reach_whom_they_name(void **state)
{
    (void)state;
    make_ready();
    hulse_probe_attach(&consumer, &bed, PULSAR_USER_CONSUMER, peer.port, PULSAR_FOR_PUBLISHING);
    hulse_probe_await_ready(&consumer);
    hulse_peer_say_receipt(&line, 999999, 1);           /* nobody's */
    hulse_peer_say_receipt(&line, consumer.user.id, 1); /* no producer */
    hulse_peer_say_receipt(&line, producer.user.id, 1);
    while (producer.commands == 0) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(producer.last, TYPE(SEND_RECEIPT));
    assert_int_equal(consumer.commands, 0);

    /* A message with what stands behind its command, in two parts with a pause within the frame. */
    static const uint8_t tail[] = {1, 2, 3, 4, 5, 6};
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;
    Pulsar__CommandMessage message = PULSAR__COMMAND_MESSAGE__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;
    uint8_t out[256];
    message.consumer_id = consumer.user.id;
    message.message_id = &id;
    base.type = TYPE(MESSAGE);
    base.message = &message;
    const size_t command = pulsar__base_command__pack(&base, out + 8);
    const size_t total = 4 + command + sizeof(tail);
    memset(out, 0, 8);
    out[3] = (uint8_t)total;
    out[7] = (uint8_t)command;
    memcpy(out + 8 + command, tail, sizeof(tail));
    hulse_peer_say_bytes(&line, out, 5);
    for (unsigned i = 0; i < 5; i++) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(consumer.commands, 0);
    hulse_peer_say_bytes(&line, out + 5, total + 4 - 5);
    while (consumer.commands == 0) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(consumer.last, TYPE(MESSAGE));
    assert_int_equal(consumer.rest_bytes, sizeof(tail));
    assert_int_equal(consumer.rest_sum, 21);
}

static void test_a_request_is_answered_once(void **state)
{
    struct question first = {0};
    struct question second = {0};
    struct question late = {0};

    (void)state;
    make_ready();
    ask(&first, 10000);
    ask(&second, 10000);
    ask(&late, 1);
    assert_int_equal(hulse_peer_hear(&line)->partitionmetadata->request_id, first.request.id);
    assert_int_equal(hulse_peer_hear(&line)->partitionmetadata->request_id, second.request.id);
    while (late.answers == 0) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(late.reply, PULSAR_REPLY_TIMED_OUT);
    hulse_peer_say_error(&line, late.request.id, PULSAR__SERVER_ERROR__MetadataError, "late");
    hulse_peer_say_error(&line, second.request.id, PULSAR__SERVER_ERROR__MetadataError, "no");
    while (second.answers == 0) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(second.reply, PULSAR_REPLY_ANSWER);
    assert_int_equal(second.type, TYPE(ERROR));
    hulse_peer_say_error(&line, second.request.id, PULSAR__SERVER_ERROR__MetadataError, "again");
    hulse_pulsar_cancel(&first.request);
    hulse_pulsar_cancel(&first.request);
    hulse_peer_say_error(&line, first.request.id, PULSAR__SERVER_ERROR__MetadataError, "gone");
    hulse_peer_say_receipt(&line, producer.user.id, 1);
    while (producer.commands == 0) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(first.answers, 0);
    assert_int_equal(second.answers, 1);
    assert_int_equal(late.answers, 1);
}

static void test_pieces_and_commands_keep_their_order(void **state)
{
    struct parcel a;
    struct parcel b;
    struct question q = {0};

    (void)state;
    make_ready();
    make_parcel(&a, 100);
    make_parcel(&b, 200000);
    hulse_pulsar_send(producer.user.connection, &a.piece);
    ask(&q, 10000);
    hulse_pulsar_send(producer.user.connection, &b.piece);
    assert_true(hulse_pulsar_unwritten(producer.user.connection) > 200100);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    assert_int_equal(line.taken, 100);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PARTITIONED_METADATA));
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    assert_int_equal(line.taken, 200000);
    assert_int_equal(a.released, 1);
    assert_int_equal(b.released, 1);
    assert_true(a.written && b.written);
    assert_int_equal(hulse_pulsar_unwritten(producer.user.connection), 0);
    hulse_pulsar_cancel(&q.request);
    free(a.data);
    free(b.data);
}

static void test_the_end_answers_for_everything(void **state)
{
    struct parcel parcels[8];
    struct question q = {0};

    (void)state;
    make_ready();
    ask(&q, 10000);
    for (unsigned i = 0; i < 8; i++) {
        make_parcel(&parcels[i], 4U << 20U);
        hulse_pulsar_send(producer.user.connection, &parcels[i].piece);
    }
    for (unsigned i = 0; i < 5; i++) {
        hulse_bed_turn(&bed);
    }
    hulse_peer_hang_up(&line);
    hulse_probe_await_lost(&producer);
    assert_int_equal(producer.status, HULSE_IO);
    assert_int_equal(q.answers, 1);
    assert_int_equal(q.reply, PULSAR_REPLY_LOST);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(parcels[i].released, 1);
        free(parcels[i].data);
    }
    assert_false(parcels[7].written);
    assert_int_equal(bed.broker.connections_ready, 0);
    line.bed = NULL;
}

static void test_nobody_listens(void **state)
{
    struct pulsar_pool_figures figures;

    (void)state;
    hulse_peer_close(&peer);
    attach_producer();
    hulse_probe_await_lost(&producer);
    assert_int_equal(producer.status, HULSE_IO);
    assert_non_null(strstr(producer.text, "Connection refused"));
    assert_int_equal(producer.ready, 0);
    hulse_pulsar_pool_figures(bed.pool, &figures);
    assert_int_equal(figures.attempts, 1);
    assert_int_equal(figures.failures, 1);
}

static void test_the_pool_ends_with_closed(void **state)
{
    (void)state;
    make_ready();
    hulse_probe_attach(&consumer, &bed, PULSAR_USER_CONSUMER, peer.port, PULSAR_FOR_CONSUMING);
    hulse_pulsar_pool_destroy(&bed.pool);
    assert_int_equal(producer.status, HULSE_CLOSED);
    assert_int_equal(consumer.status, HULSE_CLOSED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_handshake_says_what_the_protocol_wants),
        CASE(test_users_of_one_purpose_share_a_connection),
        CASE(test_own_connections_are_shared_from_the_fifth_on),
        CASE(test_commands_reach_whom_they_name),
        CASE(test_a_request_is_answered_once),
        CASE(test_pieces_and_commands_keep_their_order),
        CASE(test_the_end_answers_for_everything),
        CASE(test_nobody_listens),
        CASE(test_the_pool_ends_with_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
