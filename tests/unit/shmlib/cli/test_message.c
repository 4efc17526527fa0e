/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   a JSON line becomes exactly the message it describes, or a reason that names the field; a
 *         delivered message becomes an object in the documented order, base64 only where needed.
 * Method: one line per rule; a hand-made delivery with and without UTF-8.
 */
#include "shmlib/cli/message.h"
#include "tests/unit/shmlib/cli/check.h"

#include <stdlib.h>
#include <string.h>

static struct hulse_cli_message message; /* large */
static char why[HULSE_CLI_WHY_BYTES];

static bool read_line(const char *line, size_t bytes)
{
    static const struct hulse_meta defaults = {
        .size = sizeof(struct hulse_meta), .key = "dk", .key_bytes = 2, .ttl_ms = 9};

    why[0] = '\0';
    return hulse_cli_message_read(&message, &defaults, line, bytes, why);
}

static void expect_payload(const char *line, const char *payload, size_t bytes)
{
    assert_true(read_line(line, strlen(line)));
    assert_int_equal(message.data_bytes, bytes);
    assert_memory_equal(message.data, payload, bytes);
    hulse_cli_message_fini(&message);
}

static void test_payloads(void **state)
{
    (void)state;
    expect_payload("{\"payload\":\"text \\u00e4\"}", "text \xc3\xa4", 7);
    expect_payload("{\"payload\":\"a\\u0000b\"}", "a\0b", 3);
    expect_payload("{\"payload\":\"\"}", "", 0);
    expect_payload(
        "{\"payload\": {\"b\": 1, \"a\": [true, null]}}", "{\"b\":1,\"a\":[true,null]}", 23);
    expect_payload("{\"payload\":null}", "null", 4);
    expect_payload("{\"payload\":7}", "7", 1);
    expect_payload("{\"payload_base64\":\"/wA=\"}", "\xff\0", 2);
    expect_payload("{\"payload_base64\":\"\"}", "", 0);
}

static void test_all_fields(void **state)
{
    static const char line[] =
        "{\"payload\":\"p\",\"key\":\"k\",\"properties\":{\"n\":\"v\",\"m\":\"\"},"
        "\"event_time_ms\":12,\"deliver_after_ms\":34}";

    (void)state;
    assert_true(read_line(line, sizeof(line) - 1));
    assert_int_equal(message.meta.key_bytes, 1);
    assert_memory_equal(message.meta.key, "k", 1);
    assert_int_equal(message.meta.property_count, 2);
    assert_memory_equal(message.meta.properties[0].name, "n", 1);
    assert_memory_equal(message.meta.properties[0].value, "v", 1);
    assert_int_equal(message.meta.properties[1].value_bytes, 0);
    assert_int_equal(message.meta.event_time_ms, 12);
    assert_int_equal(message.meta.deliver_after_ms, 34);
    assert_int_equal(message.meta.ttl_ms, 9);
    hulse_cli_message_fini(&message);
}

static void test_what_is_left_out_comes_from_the_options(void **state)
{
    static const char line[] = "{\"payload\":\"p\",\"key\":null}";

    (void)state;
    assert_true(read_line(line, sizeof(line) - 1));
    assert_int_equal(message.meta.key_bytes, 2);
    assert_memory_equal(message.meta.key, "dk", 2);
    hulse_cli_message_fini(&message);
}

static void test_refusals_name_the_field(void **state)
{
    static const struct {
        const char *line;
        const char *reason; /* is part of why */
    } bad[] = {
        {"{", "column"},
        {"[1]", "object"},
        {"{}", "payload"},
        {"{\"payload\":1,\"payload_base64\":\"\"}", "exactly one"},
        {"{\"payload_base64\":\"x\"}", "payload_base64"},
        {"{\"payload_base64\":null}", "payload_base64"},
        {"{\"payload_base64\":3}", "payload_base64"},
        {"{\"payload\":1,\"key\":3}", "key"},
        {"{\"payload\":1,\"properties\":[]}", "properties"},
        {"{\"payload\":1,\"properties\":{\"a\":1}}", "properties"},
        {"{\"payload\":1,\"properties\":{\"\":\"x\"}}", "properties"},
        {"{\"payload\":1,\"event_time_ms\":-1}", "event_time_ms"},
        {"{\"payload\":1,\"event_time_ms\":1.5}", "event_time_ms"},
        {"{\"payload\":1,\"deliver_after_ms\":\"1\"}", "deliver_after_ms"},
        {"{\"payload\":1,\"paylod\":2}", "unknown field"},
        {"{\"payload\":1,\"payload\":2}", "duplicate"},
        {"{\"payload\":\"\xff\"}", "column"},
        {"{\"payload\":1} {}", "column"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(read_line(bad[i].line, strlen(bad[i].line)));
        assert_non_null(strstr(why, bad[i].reason));
        hulse_cli_message_fini(&message);
    }
}

static struct hulse_message delivery(const void *data, size_t bytes)
{
    return (struct hulse_message){.size = sizeof(struct hulse_message),
                                  .data = data,
                                  .data_bytes = bytes,
                                  .id = {.ledger = 1, .entry = 2, .batch = -1, .partition = 3},
                                  .publish_time_ms = 5,
                                  .redelivery_count = 6,
                                  .topic = "t",
                                  .producer = "p",
                                  .producer_bytes = 1};
}

static void expect_json(const struct hulse_message *m, const char *wanted)
{
    json_t *object = hulse_cli_message_json(m, NULL);
    char *text = json_dumps(object, JSON_COMPACT);

    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(object);
}

static void test_delivery_as_json(void **state)
{
    struct hulse_message m = delivery("hi", 2);

    (void)state;
    expect_json(&m,
                "{\"id\":\"1:2:3:-1\",\"topic\":\"t\",\"key\":null,\"properties\":{},"
                "\"publish_time_ms\":5,\"event_time_ms\":null,\"redelivery_count\":6,"
                "\"producer\":\"p\",\"payload\":\"hi\"}");
    m = delivery("\xc3", 1); /* cut UTF-8 */
    m.key = "\xff";
    m.key_bytes = 1;
    m.event_time_ms = 4;
    m.producer_bytes = 0;
    expect_json(&m,
                "{\"id\":\"1:2:3:-1\",\"topic\":\"t\",\"key_base64\":\"/w==\",\"properties\":{},"
                "\"publish_time_ms\":5,\"event_time_ms\":4,\"redelivery_count\":6,"
                "\"producer\":null,\"payload_base64\":\"ww==\"}");
    m = delivery(NULL, 0);
    m.key = "";
    expect_json(&m,
                "{\"id\":\"1:2:3:-1\",\"topic\":\"t\",\"key\":\"\",\"properties\":{},"
                "\"publish_time_ms\":5,\"event_time_ms\":null,\"redelivery_count\":6,"
                "\"producer\":\"p\",\"payload\":\"\"}");
}

static void test_ids(void **state)
{
    struct hulse_id id = {.ledger = UINT64_MAX - 1, .entry = UINT64_MAX, .partition = 65535};
    char text[HULSE_CLI_ID_BYTES];

    (void)state;
    id.batch = INT32_MIN;
    hulse_cli_message_id(&id, text);
    assert_string_equal(text, "18446744073709551614:18446744073709551615:65535:-2147483648");
    id.ledger = UINT64_MAX;
    hulse_cli_message_id(&id, text);
    assert_string_equal(text, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_what_is_left_out_comes_from_the_options),
        cmocka_unit_test(test_refusals_name_the_field),
        cmocka_unit_test(test_delivery_as_json),
        cmocka_unit_test(test_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
