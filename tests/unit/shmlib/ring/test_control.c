/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   V5's first half: one control message is accepted only when it is exactly well formed.
 * Method: one good message of each type with all its strings; every truncation, a surplus byte,
 *         each reserved member, each string one past its limit, each unknown type.
 */
#include "shmlib/ring/control.h"
#include "tests/unit/shmlib/ring/check.h"

#include <stdbool.h>
#include <string.h>

/* Written down here once more, by hand: the table in control.c is what is tested. */
struct expected {
    unsigned type;
    size_t bytes;
    unsigned fds;
    size_t lengths[3]; /* offsets of length members; 0 = none (no length is at 0) */
    size_t limits[3];
    size_t zeros[8]; /* offsets of bytes that must be 0; 0 = none */
};

static const struct expected all[] = {
    {HULSE_CTL_HELLO, 32, 0, {24, 26, 28}, {255, 255, 3000}, {30, 31}},
    {HULSE_CTL_WELCOME, 80, 2, {0}, {0}, {0}},
    {HULSE_CTL_REFUSED, 24, 0, {16}, {512}, {18, 19, 20, 21, 22, 23}},
    {HULSE_CTL_GROUP, 16, 0, {0}, {0}, {12, 13, 14, 15}},
    {HULSE_CTL_GROUP_OK, 16, 1, {0}, {0}, {12, 13, 14, 15}},
    {HULSE_CTL_OPEN_CHANNEL, 24, 0, {0}, {0}, {11}},
    {HULSE_CTL_CHANNEL, 24, 2, {0}, {0}, {20, 21, 22, 23}},
    {HULSE_CTL_CHANNEL_READY, 16, 0, {0}, {0}, {12, 13, 14, 15}},
    {HULSE_CTL_CHANNEL_OK, 16, 0, {0}, {0}, {12, 13, 14, 15}},
    {HULSE_CTL_CLOSE_CHANNEL, 16, 0, {0}, {0}, {12, 13, 14, 15}},
    {HULSE_CTL_OPEN_PRODUCER, 24, 0, {20}, {1024}, {22, 23}},
    {HULSE_CTL_PRODUCER, 48, 0, {40}, {255}, {0}},
    {HULSE_CTL_OPEN_CONSUMER, 32, 0, {24, 26, 28}, {1024, 255, 255}, {30, 31}},
    {HULSE_CTL_OPEN_CONSUMER_AT, 56, 0, {24, 26, 28}, {1024, 255, 255}, {30, 31}},
    {HULSE_CTL_SEEK, 40, 0, {0}, {0}, {13, 14, 15}},
    {HULSE_CTL_CONSUMER, 40, 0, {32}, {1024}, {34, 35, 36, 37, 38, 39}},
    {HULSE_CTL_READER, 80, 0, {72}, {1024}, {76, 77, 78, 79}},
    {HULSE_CTL_CLOSE_HANDLE, 16, 0, {0}, {0}, {0}},
    {HULSE_CTL_OK, 16, 0, {0}, {0}, {0}},
    {HULSE_CTL_ERR, 16, 0, {12}, {512}, {14, 15}},
    {HULSE_CTL_EVENT, 24, 0, {10}, {1024}, {0}},
    {HULSE_CTL_ATTACH, 40, 1, {0}, {0}, {11}},
    {HULSE_CTL_ATTACH_HANDLE,
     88,
     0,
     {66, 68, 70},
     {1024, 255, 255},
     {78, 79, 80, 81, 84, 85, 86, 87}},
    {HULSE_CTL_ATTACH_SOURCES, 24, 0, {18}, {4072}, {20, 21, 22, 23}},
    {HULSE_CTL_OPTIONS, 16, 0, {8}, {4080}, {10, 11, 12, 13, 14, 15}},
    {HULSE_CTL_GET_SCHEMA, 24, 0, {0}, {0}, {0}},
    {HULSE_CTL_SCHEMA, 32, 1, {24}, {32}, {26, 27, 28, 29, 30, 31}},
    {HULSE_CTL_MARKS, 16, 0, {12}, {4064}, {0}},
    {HULSE_CTL_ATTACH_END, 16, 0, {0}, {0}, {12, 13, 14, 15}},
};
#define ALL_COUNT (sizeof(all) / sizeof(all[0]))

static void put_u16(uint8_t *at, size_t value)
{
    const uint16_t v = (uint16_t)value;

    memcpy(at, &v, sizeof(v));
}

/* A good message of the type whose strings have the given lengths. */
static size_t
build(const struct expected *e, uint8_t out[static HULSE_CONTROL_MESSAGE_MAX], const size_t s[3])
{
    size_t len = e->bytes;

    memset(out, 0, HULSE_CONTROL_MESSAGE_MAX);
    for (size_t i = 0; i < 3; i++) {
        if (e->lengths[i] != 0) {
            put_u16(out + e->lengths[i], s[i]);
            memset(out + len, 'a', s[i]);
            len += s[i];
        }
    }
    put_u16(out, e->type);
    put_u16(out + 2, len);
    return len;
}

static bool good(const void *message, size_t bytes)
{
    const char *why = "unset";
    const int rc = hulse_control_check(message, bytes, &why);

    assert_true(rc == 0 || rc == 1);
    assert_true((rc == 1) == (why == NULL));
    return rc == 1;
}

static void test_numbers_of_each_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        assert_int_equal(hulse_control_bytes(all[i].type), all[i].bytes);
        assert_int_equal(hulse_control_fds(all[i].type), all[i].fds);
    }
}

static void test_unknown_types(void **state)
{
    uint8_t m[64] = {0};

    (void)state;
    for (unsigned type = 0; type < 70000; type = type < 300 ? type + 1 : type + 4099) {
        bool known = false;
        for (size_t i = 0; i < ALL_COUNT; i++) {
            known = known || all[i].type == type;
        }
        if (!known) {
            assert_int_equal(hulse_control_bytes(type), 0);
            assert_int_equal(hulse_control_fds(type), 0);
            put_u16(m, type);
            put_u16(m + 2, sizeof(m));
            assert_true(type > UINT16_MAX || !good(m, sizeof(m)));
        }
    }
}

static void test_every_length_but_the_right_one(void **state)
{
    static const size_t lengths[3] = {3, 2, 5};
    uint8_t m[HULSE_CONTROL_MESSAGE_MAX + 1] = {0};

    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        const size_t len = build(&all[i], m, lengths);
        assert_true(good(m, len));
        for (size_t n = 0; n < len + 9; n++) {
            put_u16(m + 2, len);
            assert_true(good(m, n) == (n == len)); /* packet shorter or longer than it says */
            put_u16(m + 2, n);
            assert_true(good(m, n) == (n == len));   /* the head says so too */
            assert_true(good(m, len) == (n == len)); /* only the head is wrong */
        }
    }
}

static void test_reserved_members(void **state)
{
    static const size_t lengths[3] = {1, 1, 1};
    uint8_t m[HULSE_CONTROL_MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        const size_t len = build(&all[i], m, lengths);
        for (size_t z = 0; z < 8 && all[i].zeros[z] != 0; z++) {
            m[all[i].zeros[z]] = 0x80;
            assert_false(good(m, len));
            m[all[i].zeros[z]] = 0;
            assert_true(good(m, len));
        }
    }
}

static void test_string_limits(void **state)
{
    uint8_t m[HULSE_CONTROL_MESSAGE_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        for (size_t s = 0; s < 3 && all[i].lengths[s] != 0; s++) {
            size_t lengths[3] = {0, 0, 0};
            assert_true(good(m, build(&all[i], m, lengths)));
            lengths[s] = all[i].limits[s];
            assert_true(good(m, build(&all[i], m, lengths)));
            lengths[s]++;
            assert_false(good(m, build(&all[i], m, lengths)));
        }
    }
}

static void test_strings_that_do_not_add_up(void **state)
{
    static const size_t lengths[3] = {10, 10, 10};
    uint8_t m[HULSE_CONTROL_MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        for (size_t s = 0; s < 3 && all[i].lengths[s] != 0; s++) {
            const size_t len = build(&all[i], m, lengths);
            put_u16(m + all[i].lengths[s], 9);
            assert_false(good(m, len));
            put_u16(m + all[i].lengths[s], 11);
            assert_false(good(m, len));
            put_u16(m + all[i].lengths[s], UINT16_MAX);
            assert_false(good(m, len));
        }
    }
}

static void test_longer_than_a_message(void **state)
{
    static const uint8_t zeros[HULSE_CONTROL_MESSAGE_MAX + 1];

    (void)state;
    assert_false(good(zeros, sizeof(zeros)));
    assert_false(good(zeros, 0));
    assert_false(good(zeros, 7));
}

static void test_built_messages_are_good(void **state)
{
    struct hulse_packet p;
    struct hulse_ctl_open_consumer fixed = {
        .topic_len = 5, .subscription_len = 0, .name_len = 4, .channel = 9};
    struct hulse_ctl_head head;

    (void)state;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CONSUMER, 77, &fixed);
    hulse_packet_append(&p, "topic", 5);
    hulse_packet_append(&p, NULL, 0);
    hulse_packet_append(&p, "name", 4);
    assert_int_equal(p.len, sizeof(fixed) + 9);
    assert_true(good(p.bytes, p.len));
    memcpy(&head, p.bytes, sizeof(head));
    assert_int_equal(head.type, HULSE_CTL_OPEN_CONSUMER);
    assert_int_equal(head.req, 77);
    assert_memory_equal(p.bytes + sizeof(fixed), "topicname", 9);
}

static void test_builder_never_overflows(void **state)
{
    static const uint8_t text[HULSE_CONTROL_MESSAGE_MAX];
    static struct hulse_packet p;
    const struct hulse_ctl_ok fixed = {.value = 1};

    (void)state;
    hulse_packet_begin(&p, HULSE_CTL_OK, 1, &fixed);
    hulse_packet_append(&p, text, HULSE_CONTROL_MESSAGE_MAX - sizeof(fixed));
    assert_int_equal(p.len, HULSE_CONTROL_MESSAGE_MAX);
    hulse_packet_append(&p, text, 1);
    assert_int_equal(p.len, 0);
    hulse_packet_append(&p, text, 1);
    assert_int_equal(p.len, 0);
    hulse_packet_begin(&p, HULSE_CTL_OPTIONS + 1, 1, &fixed);
    assert_int_equal(p.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_each_type),
        cmocka_unit_test(test_unknown_types),
        cmocka_unit_test(test_every_length_but_the_right_one),
        cmocka_unit_test(test_reserved_members),
        cmocka_unit_test(test_string_limits),
        cmocka_unit_test(test_strings_that_do_not_add_up),
        cmocka_unit_test(test_longer_than_a_message),
        cmocka_unit_test(test_built_messages_are_good),
        cmocka_unit_test(test_builder_never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
