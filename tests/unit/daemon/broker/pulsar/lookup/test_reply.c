/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an answer says what it says and nothing more: the address that the service URL's kind of connection needs, a
 *         failure in whatever form, or nonsense.
 * Method: answers of each form, with and without TLS.
 */
#include "daemon/broker/pulsar/lookup/reply.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

#define CONNECT PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Connect
#define REDIRECT PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Redirect
#define FAILED PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Failed

static void
read_lookup(Pulsar__CommandLookupTopicResponse *body, bool tls, struct lookup_reply *out)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    command.type = PULSAR__BASE_COMMAND__TYPE__LOOKUP_RESPONSE;
    command.lookuptopicresponse = body;
    hulse_lookup_reply_read(&command, LOOKUP_OWNER, tls, out);
}

static void test_the_address_is_that_of_the_service_url(void **state)
{
    static const struct {
        const char *plain;
        const char *with_tls;
        bool tls;
        bool proxy;
        const char *host; /* NULL: failed */
        uint16_t port;
    } cases[] = {
        {"pulsar://b:6650", NULL, false, false, "b", 6650},
        {"pulsar://b", NULL, false, false, "b", 6650},
        {"pulsar://b:6650", "pulsar+ssl://c:6651", false, false, "b", 6650},
        {"pulsar://b:6650", "pulsar+ssl://c:6651", true, false, "c", 6651},
        {"pulsar://[::1]:7", NULL, false, false, "::1", 7},
        /* Never a connection without TLS where it is wanted, nor the other way round. */
        {"pulsar://b:6650", "pulsar://b:6650", true, false, NULL, 0},
        {"pulsar://b:6650", NULL, true, false, NULL, 0},
        {"pulsar://b:6650", "", true, false, NULL, 0},
        {"pulsar+ssl://b:6651", "pulsar+ssl://b:6651", false, false, NULL, 0},
        {NULL, "pulsar+ssl://b:6651", false, false, NULL, 0},
        {NULL, NULL, false, false, NULL, 0},
        /* A proxy without TLS towards its brokers gives their names in either field. */
        {"pulsar://b:6650", "pulsar://b:6650", true, true, "b", 6650},
        {"pulsar://b:6650", NULL, true, true, NULL, 0},
        {"pulsar://b:6650,c:6650", NULL, false, false, NULL, 0},
        {"http://b:8080", NULL, false, false, NULL, 0},
        {"pulsar://user@b:6650", NULL, false, false, NULL, 0},
        {"pulsar://b:0", NULL, false, false, NULL, 0},
        {"\xff", NULL, false, false, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Pulsar__CommandLookupTopicResponse body = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;
        struct lookup_reply r;
        body.brokerserviceurl = (char *)(uintptr_t)cases[i].plain;
        body.brokerserviceurltls = (char *)(uintptr_t)cases[i].with_tls;
        body.has_response = 1;
        body.response = i % 2 == 0 ? CONNECT : REDIRECT;
        body.has_authoritative = 1;
        body.authoritative = i % 3 == 0;
        body.has_proxy_through_service_url = 1;
        body.proxy_through_service_url = cases[i].proxy;
        read_lookup(&body, cases[i].tls, &r);
        if (cases[i].host == NULL) {
            assert_int_equal(r.kind, LOOKUP_REPLY_FAILED);
            assert_int_equal(r.failure.status, HULSE_PROTOCOL);
            assert_int_equal(r.failure.verdict, PULSAR_AGAIN);
            assert_string_not_equal(r.failure.text, "");
            continue;
        }
        assert_int_equal(r.kind, i % 2 == 0 ? LOOKUP_REPLY_BROKER : LOOKUP_REPLY_REDIRECT);
        assert_string_equal(r.broker.name, cases[i].host);
        assert_int_equal(r.broker.port, cases[i].port);
        assert_int_equal(r.authoritative, i % 3 == 0);
        assert_int_equal(r.through_service, cases[i].proxy);
    }
}

static void test_a_failure_is_one_in_every_form(void **state)
{
    char message[] = "why";
    Pulsar__CommandLookupTopicResponse lookup = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;
    Pulsar__CommandPartitionedTopicMetadataResponse partitions =
        PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__INIT;
    Pulsar__CommandError error = PULSAR__COMMAND_ERROR__INIT;
    Pulsar__BaseCommand commands[] = {
        PULSAR__BASE_COMMAND__INIT, PULSAR__BASE_COMMAND__INIT, PULSAR__BASE_COMMAND__INIT};

    (void)state;
    lookup.has_response = 1;
    lookup.response = FAILED;
    lookup.has_error = partitions.has_error = 1;
    lookup.error = partitions.error = error.error = PULSAR__SERVER_ERROR__TopicNotFound;
    lookup.message = partitions.message = error.message = message;
    partitions.has_response = 1;
    partitions.response = PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__LOOKUP_TYPE__Failed;
    commands[0].type = PULSAR__BASE_COMMAND__TYPE__LOOKUP_RESPONSE;
    commands[0].lookuptopicresponse = &lookup;
    commands[1].type = PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA_RESPONSE;
    commands[1].partitionmetadataresponse = &partitions;
    commands[2].type = PULSAR__BASE_COMMAND__TYPE__ERROR;
    commands[2].error = &error;
    for (size_t i = 0; i < 2 * COUNT_OF(commands); i++) {
        struct lookup_reply r;
        hulse_lookup_reply_read(
            &commands[i / 2], i % 2 == 0 ? LOOKUP_PARTITIONS : LOOKUP_OWNER, false, &r);
        assert_int_equal(r.kind, LOOKUP_REPLY_FAILED);
        assert_int_equal(r.failure.status, HULSE_NO_TOPIC);
        assert_string_equal(r.failure.text, "TopicNotFound: why");
    }
}

static void test_what_lacks_its_reason_is_unknown(void **state)
{
    Pulsar__CommandLookupTopicResponse body = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;
    struct lookup_reply r;

    (void)state;
    for (int response = 0; response < 2; response++) {
        body.has_response = response;
        body.response = FAILED;
        read_lookup(&body, false, &r);
        assert_int_equal(r.kind, LOOKUP_REPLY_FAILED);
        assert_int_equal(r.failure.verdict, PULSAR_AGAIN);
        assert_string_equal(r.failure.text, "UnknownError");
    }
}

static void test_an_answer_to_something_else_is_nonsense(void **state)
{
    char url[] = "pulsar://b:6650";
    Pulsar__CommandLookupTopicResponse lookup = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;
    Pulsar__CommandPartitionedTopicMetadataResponse partitions =
        PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__INIT;
    Pulsar__CommandSuccess success = PULSAR__COMMAND_SUCCESS__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    struct lookup_reply r;

    (void)state;
    lookup.brokerserviceurl = url;
    lookup.has_response = 1;
    lookup.response = CONNECT;
    command.type = PULSAR__BASE_COMMAND__TYPE__LOOKUP_RESPONSE;
    command.lookuptopicresponse = &lookup;
    hulse_lookup_reply_read(&command, LOOKUP_PARTITIONS, false, &r);
    assert_int_equal(r.kind, LOOKUP_REPLY_NONSENSE);
    lookup.response = (Pulsar__CommandLookupTopicResponse__LookupType)99;
    hulse_lookup_reply_read(&command, LOOKUP_OWNER, false, &r);
    assert_int_equal(r.kind, LOOKUP_REPLY_NONSENSE);

    partitions.has_response = 1;
    partitions.response = PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__LOOKUP_TYPE__Success;
    command.type = PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA_RESPONSE;
    command.partitionmetadataresponse = &partitions;
    /* Without a number: it is not said to be none. */
    hulse_lookup_reply_read(&command, LOOKUP_PARTITIONS, false, &r);
    assert_int_equal(r.kind, LOOKUP_REPLY_NONSENSE);
    partitions.has_partitions = 1;
    hulse_lookup_reply_read(&command, LOOKUP_OWNER, false, &r);
    assert_int_equal(r.kind, LOOKUP_REPLY_NONSENSE);
    hulse_lookup_reply_read(&command, LOOKUP_PARTITIONS, false, &r);
    assert_int_equal(r.kind, LOOKUP_REPLY_PARTITIONS);
    assert_int_equal(r.partitions, 0);

    command.type = PULSAR__BASE_COMMAND__TYPE__SUCCESS;
    command.success = &success;
    hulse_lookup_reply_read(&command, LOOKUP_PARTITIONS, false, &r);
    assert_int_equal(r.kind, LOOKUP_REPLY_NONSENSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_address_is_that_of_the_service_url),
        cmocka_unit_test(test_a_failure_is_one_in_every_form),
        cmocka_unit_test(test_what_lacks_its_reason_is_unknown),
        cmocka_unit_test(test_an_answer_to_something_else_is_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
