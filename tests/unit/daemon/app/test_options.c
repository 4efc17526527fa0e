/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what comes in OPTIONS counts for the request with its number and for no other; what is unknown, stands twice, has
 *         another size, overruns or is too much is refused with the request and harms nothing else.
 * Method: the plane turned by hand between a scripted broker and a scripted app.
 */
#include "shmlib/ring/tlv.h"
#include "tests/unit/daemon/app/check.h"

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};

struct pair {
    struct hand_app app;
    struct hand_channel ch;
};

static void open_pair(struct hand *h, struct pair *p)
{
    hand_app_open(h, &p->app);
    hand_channel_open(&p->app, &p->ch, &ask);
}

static void close_pair(struct pair *p)
{
    hand_app_close(&p->app);
    hand_channel_close(&p->ch);
}

/* Sends elements for the request that comes `ahead` of the next one. */
static void send_options(struct pair *p, const void *elements, size_t bytes, uint32_t ahead)
{
    const struct hulse_ctl_options m = {.options_len = (uint16_t)bytes};
    struct hulse_packet packet;
    hulse_packet_begin(&packet, HULSE_CTL_OPTIONS, p->app.request + 1 + ahead, &m);
    hulse_packet_append(&packet, elements, bytes);
    assert_int_equal(hulse_packet_send(p->app.sock, packet.bytes, NULL, 0), HULSE_OK);
    hulse_session_read_control(p->app.session);
}

static void send_priority(struct pair *p, int32_t priority, uint32_t ahead)
{
    const struct hulse_tlv element = {
        .tag = HULSE_OPTION_PRIORITY, .bytes = sizeof(priority), .value = (const void *)&priority};
    uint8_t room[16];
    size_t at = 0;
    assert_true(hulse_tlv_put(room, sizeof(room), &at, &element));
    send_options(p, room, at, ahead);
}

static int open_consumer(struct pair *p)
{
    return hand_consumer(&p->app, &p->ch, BROKER_SHARED, 0, 0);
}

static void test_an_option_reaches_the_broker(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    send_priority(&p, 7, 0);
    assert_int_equal(open_consumer(&p), HULSE_OK);
    assert_int_equal(h->broker.wishes.priority, 7);
    close_pair(&p);
}

static size_t put_option(uint8_t *room, size_t at, uint8_t tag, const char *value, size_t bytes)
{
    const struct hulse_tlv element = {
        .tag = tag, .bytes = (uint16_t)bytes, .value = (const uint8_t *)value};
    assert_true(hulse_tlv_put(room, 256, &at, &element));
    return at;
}

/* In any order, those that repeat among each other; ranges, properties, properties of the subscription. */
/* NOLINTBEGIN(bugprone-string-literal-with-embedded-nul) */
static void test_all_that_a_consumer_may_wish(void **state)
{
    static const char wanted[] = "\x01\0\x02\0\xff\0\xff\xff"
                                 "\x01\0\x01\0ab\x02\0\0\0cd"
                                 "\x01\0\x03\0x123";
    struct hand *h = *state;
    struct pair p;
    uint8_t room[256];
    size_t at = put_option(room, 0, HULSE_OPTION_PROPERTY, "\x01\0ab", 4);
    at = put_option(room, at, HULSE_OPTION_KEY_RANGE, "\x01\0\x02\0", 4);
    at = put_option(room, at, HULSE_OPTION_ANY_KEY_ORDER, "", 0);
    at = put_option(room, at, HULSE_OPTION_SUBSCRIPTION_PROPERTY, "\x01\0x123", 6);
    at = put_option(room, at, HULSE_OPTION_COMPACTED, "", 0);
    at = put_option(room, at, HULSE_OPTION_PROPERTY, "\x02\0cd", 4);
    at = put_option(room, at, HULSE_OPTION_REPLICATED, "", 0);
    at = put_option(room, at, HULSE_OPTION_KEY_RANGE, "\xff\0\xff\xff", 4);
    open_pair(h, &p);
    const size_t before = hulse_mem_used(HULSE_MEM_SESSION);
    send_options(&p, room, at, 0);
    assert_int_equal(open_consumer(&p), HULSE_OK);
    const struct broker_wishes *w = &h->broker.wishes;
    assert_true(w->any_order && w->compacted && w->replicated);
    assert_int_equal(w->key_range_count, 2);
    assert_int_equal(w->properties.bytes, 12);
    assert_int_equal(w->subscription_properties.bytes, 8);
    assert_memory_equal(h->broker.wished, wanted, sizeof(wanted) - 1);
    assert_true(hand_close_handle(&p.app, &p.ch));
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), before);
    assert_int_equal(open_consumer(&p), HULSE_OK);
    assert_int_equal(w->key_range_count + w->properties.bytes + w->compacted, 0);
    close_pair(&p);
}
/* NOLINTEND(bugprone-string-literal-with-embedded-nul) */

static void test_options_of_another_request_count_for_none(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    send_priority(&p, 7, 1);
    assert_int_equal(open_consumer(&p), HULSE_OK);
    assert_int_equal(h->broker.wishes.priority, 0);
    assert_true(hand_close_handle(&p.app, &p.ch));
    send_priority(&p, 8, 1);
    send_priority(&p, 9, 0);
    assert_int_equal(open_consumer(&p), HULSE_OK);
    assert_int_equal(h->broker.wishes.priority, 9);
    close_pair(&p);
}

static void test_what_cannot_be_is_refused_with_its_request(void **state)
{
    static const struct {
        uint8_t bytes[16];
        size_t count;
        hulse_status status;
    } cases[] = {
        {{0, 0, 0, 0}, 4, HULSE_UNSUPPORTED},
        {{63, 0, 0, 0}, 4, HULSE_UNSUPPORTED},
        {{255, 0, 0, 0}, 4, HULSE_UNSUPPORTED},
        {{HULSE_OPTION_PRIORITY, 0, 3, 0, 1, 0, 0}, 7, HULSE_INVAL},
        {{HULSE_OPTION_PRIORITY, 0, 5, 0, 1, 0, 0, 0, 0}, 9, HULSE_INVAL},
        {{HULSE_OPTION_PRIORITY, 0, 4, 0, 0, 0, 0, 0x80}, 8, HULSE_INVAL},
        {{HULSE_OPTION_PRIORITY, 1, 4, 0, 0, 0, 0, 0}, 8, HULSE_INVAL},
        {{HULSE_OPTION_PRIORITY, 0, 4, 0, 0, 0, 0}, 7, HULSE_INVAL},
        {{HULSE_OPTION_PRIORITY, 0}, 2, HULSE_INVAL},
        {{1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0}, 16, HULSE_INVAL},
        {{HULSE_OPTION_COMPACTED, 0, 1, 0, 0}, 5, HULSE_INVAL},
        {{HULSE_OPTION_COMPACTED, 0, 0, 0, HULSE_OPTION_COMPACTED, 0, 0, 0}, 8, HULSE_INVAL},
        {{HULSE_OPTION_KEY_RANGE, 0, 3, 0, 0, 0, 0}, 7, HULSE_INVAL},
        {{HULSE_OPTION_PROPERTY, 0, 2, 0, 0, 0}, 6, HULSE_INVAL},
        {{HULSE_OPTION_PROPERTY, 0, 3, 0, 0, 0, 'v'}, 7, HULSE_INVAL},
        {{HULSE_OPTION_PROPERTY, 0, 3, 0, 2, 0, 'n'}, 7, HULSE_INVAL},
        {{HULSE_OPTION_SUBSCRIPTION_PROPERTY, 0, 3, 0, 1, 0, 0xff}, 7, HULSE_INVAL},
    };
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        send_options(&p, cases[i].bytes, cases[i].count, 0);
        assert_int_equal(open_consumer(&p), cases[i].status);
    }
    assert_int_equal(open_consumer(&p), HULSE_OK);
    assert_int_equal(h->broker.consumers, 1);
    close_pair(&p);
}

static void test_a_producer_has_no_priority(void **state)
{
    static const struct hulse_ctl_open_channel producers = {.kind = HULSE_CHANNEL_PRODUCER};
    struct hand *h = *state;
    struct pair p;
    hand_app_open(h, &p.app);
    hand_channel_open(&p.app, &p.ch, &producers);
    send_priority(&p, 1, 0);
    assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_UNSUPPORTED);
    assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_OK);
    close_pair(&p);
}

static void test_a_producers_options_reach_the_broker(void **state)
{
    static const struct hulse_ctl_open_channel producers = {.kind = HULSE_CHANNEL_PRODUCER};
    static const uint8_t wrong[][6] = {
        {HULSE_OPTION_ACCESS, 0, 1, 0, 4},
        {HULSE_OPTION_INITIAL_SUBSCRIPTION, 0, 1, 0, 0xff},
        {HULSE_OPTION_INITIAL_SUBSCRIPTION, 0, 1, 0, 0},
    };
    static const enum broker_access modes[] = {
        BROKER_ACCESS_SHARED, BROKER_ACCESS_EXCLUSIVE, BROKER_ACCESS_WAIT, BROKER_ACCESS_TAKE};
    uint8_t both[] = {
        HULSE_OPTION_ACCESS, 0, 1, 0, 0, HULSE_OPTION_INITIAL_SUBSCRIPTION, 0, 2, 0, 'i', 's'};
    static const char kept[] = "persistent://public/default/hand";
    struct hand *h = *state;
    struct pair p;
    hand_app_open(h, &p.app);
    hand_channel_open(&p.app, &p.ch, &producers);
    for (size_t mode = 0; mode < sizeof(modes) / sizeof(modes[0]); mode++) {
        both[4] = (uint8_t)mode;
        send_options(&p, both, sizeof(both), 0);
        assert_int_equal(hand_producer_of(&p.app, &p.ch, kept), HULSE_OK);
        assert_int_equal(h->broker.access, modes[mode]);
        assert_string_equal(h->broker.initial_subscription, "is");
    }
    send_options(&p, both, sizeof(both), 0);
    assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_INVAL); /* it keeps nothing */
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        send_options(&p, wrong[i], 5, 0);
        assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_INVAL);
    }
    assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_OK);
    assert_int_equal(h->broker.access, BROKER_ACCESS_SHARED);
    assert_string_equal(h->broker.initial_subscription, "");
    close_pair(&p);
}

/* Of a broker that knows neither. */
static void test_what_the_broker_cannot_is_refused(void **state)
{
    static const struct hulse_ctl_open_channel producers = {.kind = HULSE_CHANNEL_PRODUCER};
    static const uint8_t wishes[][6] = {{HULSE_OPTION_ACCESS, 0, 1, 0, 1},
                                        {HULSE_OPTION_INITIAL_SUBSCRIPTION, 0, 1, 0, 's'}};
    struct hand *h = *state;
    struct pair p;
    hand_app_open(h, &p.app);
    hand_channel_open(&p.app, &p.ch, &producers);
    const uint32_t before = h->broker.ops.capabilities;
    h->broker.ops.capabilities &= ~(BROKER_CAN_EXCLUSIVE | BROKER_CAN_INITIAL);
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        send_options(&p, wishes[i], 5, 0);
        assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_UNSUPPORTED);
    }
    assert_int_equal(hand_producer(&p.app, &p.ch), HULSE_OK);
    h->broker.ops.capabilities = before;
    close_pair(&p);
}

static void test_too_many_are_refused_and_forgotten(void **state)
{
    static uint8_t full[HULSE_OPTIONS_BYTES_MAX];
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    const size_t before = hulse_mem_used(HULSE_MEM_SESSION);
    for (size_t sent = 0; sent <= HULSE_OPTIONS_TOTAL_MAX; sent += sizeof(full)) {
        send_options(&p, full, sizeof(full), 0);
        assert_false(p.app.session->doomed);
    }
    assert_true(hulse_mem_used(HULSE_MEM_SESSION) - before <= HULSE_OPTIONS_TOTAL_MAX);
    assert_int_equal(open_consumer(&p), HULSE_LIMIT);
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), before);
    send_priority(&p, 3, 9); /* of a request that never comes: freed with the session */
    close_pair(&p);
}

static void test_without_their_feature_they_end_the_session(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    p.app.session->features &= ~HULSE_FEATURE_OPTIONS;
    send_priority(&p, 7, 0);
    assert_true(p.app.session->doomed);
    assert_int_equal(p.app.session->rule, HULSE_RULE_V5);
    close_pair(&p);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_an_option_reaches_the_broker),
        HAND_TEST(test_all_that_a_consumer_may_wish),
        HAND_TEST(test_options_of_another_request_count_for_none),
        HAND_TEST(test_what_cannot_be_is_refused_with_its_request),
        HAND_TEST(test_a_producer_has_no_priority),
        HAND_TEST(test_a_producers_options_reach_the_broker),
        HAND_TEST(test_what_the_broker_cannot_is_refused),
        HAND_TEST(test_too_many_are_refused_and_forgotten),
        HAND_TEST(test_without_their_feature_they_end_the_session),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
