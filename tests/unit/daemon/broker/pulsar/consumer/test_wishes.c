/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a consumer's own ranges of keys, its priority, its schema and its properties are said in each SUBSCRIBE; what cannot be is
 *         refused before anything is said.
 * Method: the connection is played by the test (stage.h).
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

#define SPAN(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct broker_key_range ranges[] = {{0, 99}, {200, 65535}};
static const struct broker_schema schema = {.type = BROKER_SCHEMA_JSON, .definition = SPAN("{}")};
static const struct front_where everything = {
    .type = BROKER_KEY_SHARED,
    .schema = &schema,
    .wishes.key_ranges = ranges,
    .wishes.key_range_count = 2,
    .wishes.any_order = true,
    .wishes.replicated = true,
    .wishes.properties = SPAN("\x01\0\x02\0abc\x02\0\0\0de"),
    .wishes.subscription_properties = SPAN("\x01\0\x01\0xy")};

static void check_subscribe(void)
{
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_false(s->has_priority_level);
    assert_true(s->has_replicate_subscription_state && s->replicate_subscription_state);
    assert_true(s->keysharedmeta->allowoutoforderdelivery);
    assert_false(s->has_read_compacted);
    assert_int_equal(s->schema->type, PULSAR__SCHEMA__TYPE__Json);
    assert_int_equal(s->schema->schema_data.len, 2);
    assert_memory_equal(s->schema->schema_data.data, "{}", 2);
    assert_int_equal(s->n_metadata, 2);
    assert_string_equal(s->metadata[0]->key, "a");
    assert_string_equal(s->metadata[0]->value, "bc");
    assert_string_equal(s->metadata[1]->key, "de");
    assert_string_equal(s->metadata[1]->value, "");
    assert_int_equal(s->n_subscription_properties, 1);
    assert_string_equal(s->subscription_properties[0]->key, "x");
    assert_string_equal(s->subscription_properties[0]->value, "y");
    assert_int_equal(s->keysharedmeta->keysharedmode, PULSAR__KEY_SHARED_MODE__STICKY);
    assert_int_equal(s->keysharedmeta->n_hashranges, 2);
    assert_int_equal(s->keysharedmeta->hashranges[0]->start, 0);
    assert_int_equal(s->keysharedmeta->hashranges[0]->end, 99);
    assert_int_equal(s->keysharedmeta->hashranges[1]->start, 200);
    assert_int_equal(s->keysharedmeta->hashranges[1]->end, 65535);
    hulse_stage_success(s->request_id);
    hulse_stage_turn();
}

static void are_said_in_each_session(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&everything), HULSE_OK);
    check_subscribe();
    hulse_stage_lose();
    hulse_stage_wait(1000);
    check_subscribe();
}

static void none_are_not_said(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&(struct front_where){.type = BROKER_KEY_SHARED}), HULSE_OK);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_false(s->has_priority_level);
    assert_false(s->has_read_compacted || s->has_replicate_subscription_state);
    assert_false(s->keysharedmeta->has_allowoutoforderdelivery);
    assert_null(s->schema);
    assert_int_equal(s->n_metadata + s->n_subscription_properties, 0);
    assert_int_equal(s->keysharedmeta->keysharedmode, PULSAR__KEY_SHARED_MODE__AUTO_SPLIT);
    hulse_stage_success(s->request_id);
}

static void those_of_a_failover_consumer_are_said_in_each_session(void **state)
{
    const struct front_where where = {.type = BROKER_FAILOVER,
                                      .wishes = {.compacted = true, .priority = 3}};
    (void)state;
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    for (unsigned i = 0; i < 2; i++) {
        hulse_stage_found();
        hulse_stage_ready();
        const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
        assert_true(s->has_read_compacted && s->read_compacted);
        assert_int_equal(s->priority_level, 3);
        hulse_stage_success(s->request_id);
        hulse_stage_turn();
        if (i == 0) {
            hulse_stage_lose();
            hulse_stage_wait(1000);
        }
    }
}

static void refused(const struct front_where *where)
{
    assert_int_not_equal(hulse_front_begin(where), HULSE_OK);
    assert_null(front.consumer);
    assert_null(stage.lookup);
}

static void what_cannot_be_is_refused(void **state)
{
    static const struct broker_key_range backwards[] = {{5, 4}};
    static const struct broker_key_range overlap[] = {{0, 10}, {20, 30}, {10, 15}};
    static const struct broker_key_range many[PULSAR_KEY_RANGES_MAX + 1];
    static const uint8_t large[PULSAR_WISHES_BYTES_MAX + 1];
    (void)state;
    refused(&(struct front_where){
        .type = BROKER_KEY_SHARED, .wishes.key_ranges = backwards, .wishes.key_range_count = 1});
    refused(&(struct front_where){
        .type = BROKER_KEY_SHARED, .wishes.key_ranges = overlap, .wishes.key_range_count = 3});
    refused(&(struct front_where){.type = BROKER_KEY_SHARED,
                                  .wishes.key_ranges = many,
                                  .wishes.key_range_count = PULSAR_KEY_RANGES_MAX + 1});
    refused(&(struct front_where){
        .type = BROKER_SHARED, .wishes.key_ranges = ranges, .wishes.key_range_count = 2});
    refused(&(struct front_where){.wishes.properties = SPAN("\x01\0\x02\0ab")});
    refused(&(struct front_where){.wishes.properties = SPAN("\x01\0\x01\0abc")});
    refused(&(struct front_where){.wishes.properties = SPAN("\0\0\x01\0a")});
    refused(&(struct front_where){.wishes.subscription_properties = SPAN("\x01\0\x01\0a\0")});
    refused(&(struct front_where){.wishes.properties = {large, sizeof(large)}});
}

static void a_wish_that_such_a_consumer_cannot_have_is_refused(void **state)
{
    (void)state;
    refused(&(struct front_where){.type = BROKER_SHARED, .wishes.compacted = true});
    refused(&(struct front_where){.type = BROKER_KEY_SHARED, .wishes.compacted = true});
    refused(&(struct front_where){
        .type = BROKER_READER, .non_persistent = true, .wishes.compacted = true});
    refused(&(struct front_where){.type = BROKER_READER, .wishes.replicated = true});
    refused(&(struct front_where){.non_persistent = true, .wishes.replicated = true});
    refused(&(struct front_where){.type = BROKER_SHARED, .wishes.any_order = true});
    refused(&(struct front_where){.type = BROKER_EXCLUSIVE, .wishes.priority = 1});
    refused(&(struct front_where){.type = BROKER_KEY_SHARED, .wishes.priority = 1});
    refused(&(struct front_where){.type = BROKER_READER, .wishes.priority = 1});
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(are_said_in_each_session),
                                       TEST(those_of_a_failover_consumer_are_said_in_each_session),
                                       TEST(none_are_not_said),
                                       TEST(what_cannot_be_is_refused),
                                       TEST(a_wish_that_such_a_consumer_cannot_have_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
