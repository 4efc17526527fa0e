/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every type of a schema is on the wire what it is here, and one that is not known here is refused; a version is
 *         eight bytes there, counted from 0, and nothing else is one.
 * Method: there and back; hostile bytes.
 */
#include "daemon/broker/pulsar/schema/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* last */
#include <cmocka.h>

static void test_types_there_and_back(void **state)
{
    (void)state;
    for (unsigned i = BROKER_SCHEMA_BYTES; i <= BROKER_SCHEMA_KEY_VALUE; i++) {
        const struct broker_schema told = {
            .type = (enum broker_schema_type)i,
            .definition = {.data = (const uint8_t *)"\"int\"", .bytes = 5}};
        enum broker_schema_type back = BROKER_SCHEMA_BYTES;
        Pulsar__Schema schema;

        hulse_pulsar_schema_fill(&told, &schema);
        assert_string_equal(schema.name, "");
        assert_int_equal(schema.schema_data.len, 5);
        assert_ptr_equal(schema.schema_data.data, told.definition.data);
        assert_true(hulse_pulsar_schema_type(schema.type, &back));
        assert_int_equal(back, told.type);
    }
}

static void test_types_that_are_not_known(void **state)
{
    static const int types[] = {-1, 22, 1000, INT32_MIN, INT32_MAX};
    enum broker_schema_type type = BROKER_SCHEMA_JSON;

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_false(hulse_pulsar_schema_type((Pulsar__Schema__Type)types[i], &type));
        assert_int_equal(type, BROKER_SCHEMA_JSON);
    }
}

static void test_versions_there_and_back(void **state)
{
    static const uint64_t versions[] = {1, 2, 256, 257, INT64_MAX};
    uint8_t bytes[PULSAR_VERSION_BYTES];
    const ProtobufCBinaryData in = {.data = bytes, .len = sizeof(bytes)};
    uint64_t back = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        hulse_pulsar_version_write(versions[i], bytes);
        assert_true(hulse_pulsar_version_read(&in, &back));
        assert_int_equal(back, versions[i]);
    }
    hulse_pulsar_version_write(258, bytes);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\1\1", sizeof(bytes));
}

static void test_versions_that_are_none(void **state)
{
    uint8_t bytes[PULSAR_VERSION_BYTES + 1] = {0};
    uint64_t version = 0;

    (void)state;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        const ProtobufCBinaryData in = {.data = len == 0 ? NULL : bytes, .len = len};
        assert_int_equal(hulse_pulsar_version_read(&in, &version), len == PULSAR_VERSION_BYTES);
    }
    const ProtobufCBinaryData in = {.data = bytes, .len = PULSAR_VERSION_BYTES};
    memset(bytes, 0xff, sizeof(bytes));
    assert_false(hulse_pulsar_version_read(&in, &version));
    bytes[0] = 0x7f;
    assert_false(hulse_pulsar_version_read(&in, &version));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_there_and_back),
        cmocka_unit_test(test_types_that_are_not_known),
        cmocka_unit_test(test_versions_there_and_back),
        cmocka_unit_test(test_versions_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
