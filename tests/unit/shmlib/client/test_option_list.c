/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   options go before the request that they belong to, in whole elements, again to the next daemon; one that does not
 *         know them is sent none, and opens nothing as if they had not been given.
 * Method: the library over a scripted daemon.
 */
#include "shmlib/client/options.h"
#include "shmlib/client/session.h"
#include "shmlib/ring/tlv.h"
#include "tests/unit/shmlib/client/check.h"

#define TOPICS 300
#define NAME_BYTES 50

static uint32_t req_of(struct pair *pair, unsigned type)
{
    struct hulse_ctl_head head;
    memcpy(&head, hulse_fake_last(pair->d, type).bytes, sizeof(head));
    return head.req;
}

static int32_t priority_of(const uint8_t *bytes, size_t count)
{
    struct hulse_tlv t;
    int32_t priority = -1;
    size_t at = 0;
    while (hulse_tlv_next(bytes, count, &at, &t) > 0) {
        if (t.tag == HULSE_OPTION_PRIORITY) {
            assert_int_equal(priority, -1);
            assert_int_equal(t.bytes, sizeof(priority));
            memcpy(&priority, t.value, sizeof(priority));
        }
    }
    assert_int_equal(at, count);
    return priority;
}

static int32_t sent_priority(struct pair *pair)
{
    struct hulse_ctl_options m;
    memcpy(&m, hulse_fake_last(pair->d, HULSE_CTL_OPTIONS).bytes, sizeof(m));
    return priority_of(hulse_fake_last(pair->d, HULSE_CTL_OPTIONS).bytes + sizeof(m),
                       m.options_len);
}

static void connect_again(struct pair *pair, uint64_t features)
{
    hulse_fake_features(pair->d, features, 0);
    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
}

static hulse_consumer_options *with_priority(int32_t priority)
{
    hulse_consumer_options *o = hulse_consumer_options_new();
    assert_non_null(o);
    assert_int_equal(hulse_consumer_options_type(o, HULSE_SHARED), HULSE_OK);
    assert_int_equal(hulse_consumer_options_priority(o, priority), HULSE_OK);
    return o;
}

/* As they stand in the list; what cannot be changes nothing. */
static void test_what_a_subscription_is_told(void **state)
{
    static const char wanted[] = "\x14\0\0\0"
                                 "\x15\0\0\0"
                                 "\x17\0\0\0"
                                 "\x16\0\x04\0\x01\0\xff\xff"
                                 "\x16\0\x04\0\0\0\0\0"
                                 "\x18\0\x05\0\x02\0abc"
                                 "\x19\0\x03\0\x01\0x";
    static char large[HULSE_OPTIONS_BYTES_MAX];
    hulse_consumer_options *o = hulse_consumer_options_new();

    (void)state;
    assert_non_null(o);
    memset(large, 'v', sizeof(large) - 1);
    assert_int_equal(hulse_consumer_options_compacted(o), HULSE_OK);
    assert_int_equal(hulse_consumer_options_replicated(o), HULSE_OK);
    assert_int_equal(hulse_consumer_options_any_key_order(o), HULSE_OK);
    assert_int_equal(hulse_consumer_options_key_range(o, 1, 65535), HULSE_OK);
    assert_int_equal(hulse_consumer_options_key_range(o, 0, 0), HULSE_OK);
    assert_int_equal(hulse_consumer_options_key_range(o, 2, 1), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(o, "ab", "c"), HULSE_OK);
    assert_int_equal(hulse_consumer_options_property(o, "", "c"), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(o, NULL, "c"), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(o, "ab", NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(o, "\xff", "c"), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(o, "a", "\xc3"), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(o, "a", large), HULSE_TOOBIG);
    assert_int_equal(hulse_consumer_options_subscription_property(o, "x", ""), HULSE_OK);
    assert_int_equal(o->more.used, sizeof(wanted) - 1);
    assert_memory_equal(o->more.bytes, wanted, sizeof(wanted) - 1);
    hulse_consumer_options_free(&o);
    assert_int_equal(hulse_consumer_options_compacted(NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_replicated(NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_any_key_order(NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_key_range(NULL, 0, 1), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_property(NULL, "a", "b"), HULSE_INVAL);
}

static void test_an_option_is_set_once_and_added_often(void **state)
{
    struct hulse_option_list list = {0};
    struct hulse_option_list copy;
    const int32_t one = 1;
    const int32_t two = 2;
    (void)state;
    assert_int_equal(hulse_option_list_set(&list, HULSE_OPTION_PRIORITY, &one, sizeof(one)), 0);
    assert_int_equal(hulse_option_list_add(&list, 200, "abc", 3), HULSE_OK);
    assert_int_equal(hulse_option_list_add(&list, 200, "", 0), HULSE_OK);
    assert_int_equal(hulse_option_list_set(&list, HULSE_OPTION_PRIORITY, &two, sizeof(two)), 0);
    assert_int_equal(list.used, 7 + 4 + 8);
    assert_int_equal(priority_of(list.bytes, list.used), 2);
    assert_memory_equal(list.bytes, "\310\0\3\0abc\310\0\0\0", 11);
    assert_true(hulse_option_list_copy(&copy, &list));
    assert_memory_equal(copy.bytes, list.bytes, list.used);
    hulse_option_list_clear(&copy);
    hulse_option_list_clear(&list);
    assert_int_equal(list.used, 0);
}

static void test_a_list_has_an_end(void **state)
{
    static const uint8_t value[HULSE_OPTIONS_BYTES_MAX];
    struct hulse_option_list list = {0};
    (void)state;
    assert_int_equal(hulse_option_list_add(&list, 200, value, HULSE_OPTIONS_BYTES_MAX - 3),
                     HULSE_TOOBIG);
    assert_int_equal(list.used, 0);
    while (hulse_option_list_add(&list, 200, value, HULSE_OPTIONS_BYTES_MAX - 4) == HULSE_OK) {
    }
    assert_int_equal(list.used,
                     HULSE_OPTIONS_TOTAL_MAX / HULSE_OPTIONS_BYTES_MAX * HULSE_OPTIONS_BYTES_MAX);
    hulse_option_list_clear(&list);
}

static void test_they_go_before_the_request_and_to_the_next_daemon(void **state)
{
    struct pair *pair = *state;
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = with_priority(5);

    connect_again(pair, HULSE_FEATURE_OPTIONS | HULSE_FEATURE_RESUME);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", "sub", o), HULSE_OK);
    hulse_consumer_options_free(&o);
    assert_int_equal(sent_priority(pair), 5);
    assert_int_equal(req_of(pair, HULSE_CTL_OPTIONS), req_of(pair, HULSE_CTL_OPEN_CONSUMER));
    hulse_fake_set(pair->d, &pair->d->hang_up_on, HULSE_CTL_ATTACH_END);
    hulse_fake_die(pair->d);
    while (hulse_fake_seen(pair->d, HULSE_CTL_ATTACH_END) == 0) {
        (void)hulse_wait(pair->s, 0, 10);
    }
    /* It is offered again at once: what has been sent is heard to its end. */
    while (hulse_fake_seen(pair->d, HULSE_CTL_OPTIONS) !=
           hulse_fake_seen(pair->d, HULSE_CTL_ATTACH_HANDLE) + 1) {
    }
    assert_int_equal(sent_priority(pair), 5);
    assert_int_equal(req_of(pair, HULSE_CTL_OPTIONS), req_of(pair, HULSE_CTL_ATTACH_HANDLE));
    (void)hulse_consumer_close(&c, 0);
}

static void test_many_come_in_packets_of_whole_elements(void **state)
{
    struct pair *pair = *state;
    struct hulse_option_list list = {0};
    char name[NAME_BYTES] = {0};

    connect_again(pair, HULSE_FEATURE_OPTIONS);
    for (unsigned i = 0; i < TOPICS; i++) {
        assert_int_equal(hulse_option_list_add(&list, 200, name, sizeof(name)), HULSE_OK);
    }
    (void)pthread_mutex_lock(&pair->s->lock);
    assert_int_equal(hulse_option_list_send(pair->s, &list, 77), HULSE_OK);
    (void)pthread_mutex_unlock(&pair->s->lock);
    const unsigned whole = HULSE_OPTIONS_BYTES_MAX / (NAME_BYTES + 4);
    const unsigned packets = (TOPICS + whole - 1) / whole;
    while (hulse_fake_seen(pair->d, HULSE_CTL_OPTIONS) < packets) {
    }
    struct hulse_ctl_options m;
    memcpy(&m, hulse_fake_last(pair->d, HULSE_CTL_OPTIONS).bytes, sizeof(m));
    assert_int_equal(m.head.req, 77);
    assert_int_equal(m.options_len, (TOPICS - ((packets - 1) * whole)) * (NAME_BYTES + 4));
    hulse_option_list_clear(&list);
}

static void test_an_older_daemon_is_sent_none(void **state)
{
    struct pair *pair = *state;
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = with_priority(5);

    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", "sub", o), HULSE_UNSUPPORTED);
    assert_non_null(strstr(hulse_last_error(pair->s), "older"));
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_OPTIONS), 0);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_OPEN_CONSUMER), 0);
    hulse_consumer_options_free(&o);
}

static void test_an_older_daemon_is_not_offered_what_it_would_misunderstand(void **state)
{
    struct pair *pair = *state;
    struct hulse_message m = {.size = sizeof(m)};
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = with_priority(5);
    hulse_status st = HULSE_AGAIN;

    connect_again(pair, HULSE_FEATURE_OPTIONS | HULSE_FEATURE_RESUME);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", "sub", o), HULSE_OK);
    hulse_consumer_options_free(&o);
    hulse_fake_features(pair->d, 0, HULSE_FEATURE_OPTIONS);
    hulse_fake_die(pair->d);
    while (st == HULSE_AGAIN || st == HULSE_TIMED_OUT) {
        st = hulse_next_wait(c, &m, 10);
    }
    assert_int_equal(st, HULSE_UNSUPPORTED);
    assert_non_null(strstr(hulse_consumer_error(c), "older"));
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_ATTACH), 0);
    (void)hulse_consumer_close(&c, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_subscription_is_told),
        cmocka_unit_test(test_an_option_is_set_once_and_added_often),
        cmocka_unit_test(test_a_list_has_an_end),
        PAIR_TEST(test_they_go_before_the_request_and_to_the_next_daemon),
        PAIR_TEST(test_many_come_in_packets_of_whole_elements),
        PAIR_TEST(test_an_older_daemon_is_sent_none),
        PAIR_TEST(test_an_older_daemon_is_not_offered_what_it_would_misunderstand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
