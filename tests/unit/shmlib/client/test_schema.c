/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   which schema a message was written with, and what the daemon says of it, whole or not at all; an older daemon is
 *         asked for nothing that it does not know.
 * Method: the library over a scripted daemon.
 */
#include "tests/unit/shmlib/client/check.h"

/* A definition of 3 bytes; two properties. */
static const char file[] = "def\1\0\2\0kvw\2\0\0\0ab";
#define FILE_BYTES (sizeof(file) - 1)

static hulse_consumer *begin(struct pair *pair, uint64_t features, struct fake_channel **ch)
{
    hulse_fake_features(pair->d, features, 0);
    pair->d->schema = (struct hulse_ctl_schema){
        .version = 5, .definition_bytes = 3, .properties_bytes = FILE_BYTES - 3};
    pair->d->schema_file = file;
    pair->d->schema_file_bytes = FILE_BYTES;
    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
    return open_consumer(pair, NULL, ch);
}

static void test_all_that_the_daemon_says(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_ctl_get_schema asked;
    struct hulse_schema *s = NULL;
    hulse_consumer *c = begin(pair, HULSE_FEATURE_SCHEMAS, &ch);

    assert_int_equal(hulse_schema_get(c, 5, &s, WAIT_MS), HULSE_OK);
    memcpy(&asked, hulse_fake_last(pair->d, HULSE_CTL_GET_SCHEMA).bytes, sizeof(asked));
    assert_int_equal(asked.handle, ch->handle);
    assert_int_equal(asked.version, 5);
    assert_int_equal(s->size, sizeof(*s));
    assert_int_equal(s->version, 5);
    assert_string_equal(s->type, "AVRO");
    assert_int_equal(s->definition_bytes, 3);
    assert_memory_equal(s->definition, "def", 3);
    assert_int_equal(s->property_count, 2);
    assert_memory_equal(s->properties[0].name, "k", 1);
    assert_int_equal(s->properties[0].value_bytes, 2);
    assert_memory_equal(s->properties[0].value, "vw", 2);
    assert_int_equal(s->properties[1].name_bytes, 2);
    assert_int_equal(s->properties[1].value_bytes, 0);
    hulse_schema_free(&s);
    assert_null(s);
    hulse_schema_free(&s);
    (void)hulse_consumer_close(&c, 0);
}

static void test_what_is_not_whole_is_none(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_schema *s = NULL;
    hulse_consumer *c = begin(pair, HULSE_FEATURE_SCHEMAS, &ch);

    pair->d->schema.definition_bytes = FILE_BYTES + 1;
    assert_int_equal(hulse_schema_get(c, 5, &s, WAIT_MS), HULSE_PROTOCOL);
    pair->d->schema.definition_bytes = 64U << 20U;
    assert_int_equal(hulse_schema_get(c, 5, &s, WAIT_MS), HULSE_PROTOCOL);
    pair->d->schema.definition_bytes = 3;
    pair->d->schema.properties_bytes = 6; /* ends within the first */
    assert_int_equal(hulse_schema_get(c, 5, &s, WAIT_MS), HULSE_OK);
    assert_int_equal(s->property_count, 0);
    hulse_schema_free(&s);
    pair->d->error_on = HULSE_CTL_GET_SCHEMA;
    assert_int_equal(hulse_schema_get(c, 5, &s, WAIT_MS), HULSE_NO_TOPIC);
    assert_null(s);
    assert_non_null(strstr(hulse_last_error(pair->s), "no such t!"));
    pair->d->error_on = 0;
    (void)hulse_consumer_close(&c, 0);
}

static uint32_t asked_of(struct pair *pair)
{
    struct hulse_ctl_get_schema asked;

    memcpy(&asked, hulse_fake_last(pair->d, HULSE_CTL_GET_SCHEMA).bytes, sizeof(asked));
    return asked.of_source;
}

/* An older daemon answers for a consumer's only topic, and refuses several. */
static void test_by_a_message_of_one_of_several_topics(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    const struct hulse_id id = {.size = sizeof(id), .source = 6};
    struct hulse_schema *s = NULL;

    for (unsigned older = 0; older < 2; older++) {
        hulse_fake_features(pair->d, 0, HULSE_FEATURE_TOPIC_SCHEMAS);
        hulse_consumer *c = begin(
            pair, HULSE_FEATURE_SCHEMAS | (older != 0 ? 0 : HULSE_FEATURE_TOPIC_SCHEMAS), &ch);
        assert_int_equal(hulse_schema_get_of(c, &id, 5, &s, WAIT_MS), HULSE_OK);
        assert_int_equal(asked_of(pair), older != 0 ? 0 : 7);
        hulse_schema_free(&s);
        assert_int_equal(hulse_schema_get_of(c, NULL, 5, &s, WAIT_MS), HULSE_OK);
        assert_int_equal(asked_of(pair), 0);
        hulse_schema_free(&s);
        assert_int_equal(hulse_schema_get(c, 5, &s, WAIT_MS), HULSE_OK);
        assert_int_equal(asked_of(pair), 0);
        hulse_schema_free(&s);
        (void)hulse_consumer_close(&c, 0);
    }
}

static void test_an_older_daemon_is_not_asked(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_schema *s = NULL;
    hulse_consumer *c = begin(pair, 0, &ch);

    assert_int_equal(hulse_schema_get(c, 0, &s, WAIT_MS), HULSE_UNSUPPORTED);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_GET_SCHEMA), 0);
    assert_int_equal(hulse_schema_get(NULL, 0, &s, 0), HULSE_INVAL);
    assert_int_equal(hulse_schema_get(c, 0, NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_schema_get_of(c, &(struct hulse_id){.size = 1}, 0, &s, 0), HULSE_INVAL);
    (void)hulse_consumer_close(&c, 0);
}

static void test_a_message_says_its_version(void **state)
{
    static const uint8_t meta[] = {
        HULSE_TAG_OWN_SCHEMA, 0, 0, 0, HULSE_TAG_SCHEMA_VERSION, 0, 8, 0, 9, 0, 0, 0, 0, 0, 0, 1};
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    uint64_t version = 0;
    hulse_consumer *c = begin(pair, HULSE_FEATURE_SCHEMAS, &ch);
    const struct hulse_delivery_header h = {
        .type = HULSE_RECORD_MESSAGE, .batch = -1, .payload_len = 1, .meta_len = sizeof(meta)};
    const struct hulse_delivery_header none = {
        .type = HULSE_RECORD_MESSAGE, .ref = 1, .entry = 1, .batch = -1, .payload_len = 1};

    hulse_fake_channel_deliver(ch, &h, "x", meta);
    hulse_fake_channel_deliver(ch, &none, "x", NULL);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(m.flags & HULSE_MESSAGE_OWN_SCHEMA, HULSE_MESSAGE_OWN_SCHEMA);
    assert_int_equal(hulse_message_schema_version(&m, &version), HULSE_OK);
    assert_true(version == (UINT64_C(1) << 56U) + 9);
    assert_int_equal(hulse_next(c, &m), HULSE_OK);
    assert_int_equal(m.flags & HULSE_MESSAGE_OWN_SCHEMA, 0);
    assert_int_equal(hulse_message_schema_version(&m, &version), HULSE_AGAIN);
    assert_int_equal(hulse_message_schema_version(NULL, &version), HULSE_INVAL);
    assert_int_equal(hulse_message_schema_version(&m, NULL), HULSE_INVAL);
    (void)hulse_consumer_close(&c, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_all_that_the_daemon_says),
        PAIR_TEST(test_what_is_not_whole_is_none),
        PAIR_TEST(test_by_a_message_of_one_of_several_topics),
        PAIR_TEST(test_an_older_daemon_is_not_asked),
        PAIR_TEST(test_a_message_says_its_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
