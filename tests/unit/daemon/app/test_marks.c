/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an app is told where its reader begins in each partition, before it is open; the daemon that comes after is told where
 *         it was, and believes no marks that cannot be.
 * Method: the plane turned by hand, between a scripted broker and an application that comes with a ring.
 */
#include "tests/unit/daemon/app/attach_scene.h"

/* A reader that was handed messages 1:4 of partition 0, and 1:6 of partition 2. */
static void set_reader(struct hand *h, struct scene *s)
{
    set(h, s);
    s->reader = true;
    s->app.session->features |= HULSE_FEATURE_MARKS;
    s->marks = (struct hulse_ctl_marks){.handle = HANDLE, .marks_len = 2 * sizeof(s->mark[0])};
    s->mark[0] = (struct hulse_ctl_mark){.ledger = 1, .entry = 4, .batch = -1};
    s->mark[1] = (struct hulse_ctl_mark){.ledger = 1, .entry = 6, .batch = 2, .partition = 2};
}

static void test_a_reader_goes_on_where_its_marks_say(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set_reader(h, &s);
    s.marks.flags = HULSE_MARKS_ALL;
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_READER);
    assert_int_equal(h->broker.mark_count, 2);
    assert_true(h->broker.marks_all);
    assert_int_equal(h->broker.marks[1].id.entry, 6);
    assert_int_equal(h->broker.marks[1].id.batch, 2);
    assert_int_equal(h->broker.marks[1].id.batch_size, 3); /* or more */
    assert_int_equal(h->broker.marks[1].id.partition, 2);
    strike(&s);
    set_reader(h, &s);
    s.marks.marks_len = sizeof(s.mark[0]);
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_READER);
    assert_int_equal(h->broker.start.kind, BROKER_AFTER_ID);
    assert_int_equal(h->broker.start.id.entry, 4);
    assert_false(h->broker.marks_all);
    strike(&s);
}

static void test_marks_that_cannot_be_end_the_session(void **state)
{
    struct hand *h = *state;
    for (unsigned fault = 0; fault < 12; fault++) {
        struct scene s;
        set_reader(h, &s);
        s.marks.handle += fault == 0 ? 1 : 0;
        s.marks.marks_len = fault == 1 ? 63 : fault == 2 ? 0 : 64;
        s.marks.flags = fault == 3 ? 2 : 0;
        s.mark[1].partition = fault == 4 ? 0 : 2;
        s.mark[0].source = fault == 5 ? 1 : 0;
        s.mark[1].source = fault == 6 ? HULSE_SOURCES_MAX : 0;
        s.mark[1].reserved = fault == 7 ? 1 : 0;
        s.mark[1].reserved0 = fault == 8 ? 1 : 0;
        s.reader = fault != 9;
        s.reader_flags = fault == 10 ? HULSE_ATTACH_HAS_LAST : 0;
        if (fault == 11) {
            s.app.session->features &= ~HULSE_FEATURE_MARKS;
        }
        assert_int_equal(offer(&s, HULSE_CHANNEL_CONSUMER, 0), 0);
        hand_settle(h);
        assert_false(hand_session_alive(&s.app));
        struct hulse_packet p;
        assert_false(hand_receive(&s.app, &p));
        assert_non_null(strstr(s.app.event, "marks"));
        strike(&s);
    }
}

/* A reader says where it is before it is answered; it is told where it begins likewise. */
static void test_a_reader_is_told_where_its_partitions_begin(void **state)
{
    static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};
    struct hand *h = *state;
    struct scene s = {0};
    struct broker_mark begins[300];
    for (uint32_t i = 0; i < 300; i++) {
        begins[i] = (struct broker_mark){.id = {.ledger = 3, .entry = i, .partition = (uint16_t)i}};
    }
    h->broker.reach = (struct broker_reach){.behind = {.ledger = 1},
                                            .behind_unknown = true,
                                            .marks = begins,
                                            .mark_count = 300,
                                            .all = true};
    hand_app_open(h, &s.app);
    s.app.session->features |= HULSE_FEATURE_MARKS;
    hand_channel_open(&s.app, &s.ch, &ask);
    const struct hulse_ctl_open_consumer m = {
        .channel = s.ch.id, .type = BROKER_READER, .topic_len = sizeof(TOPIC) - 1};
    uint32_t told = 0;
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CONSUMER, 0, &m);
    hulse_packet_append(&p, TOPIC, m.topic_len);
    unsigned type = hand_call(&s.app, &p, &p);
    while (type == HULSE_CTL_MARKS) {
        struct hulse_ctl_marks marks;
        memcpy(&marks, p.bytes, sizeof(marks));
        assert_int_equal(marks.flags, HULSE_MARKS_ALL);
        for (uint32_t i = 0; i < marks.marks_len / sizeof(struct hulse_ctl_mark); i++, told++) {
            struct hulse_ctl_mark mark;
            memcpy(&mark, p.bytes + sizeof(marks) + (i * sizeof(mark)), sizeof(mark));
            assert_int_equal(mark.partition, told);
            assert_int_equal(mark.entry, told);
        }
        assert_true(hand_receive(&s.app, &p));
        struct hulse_ctl_head head;
        memcpy(&head, p.bytes, sizeof(head));
        type = head.type;
    }
    assert_int_equal(told, 300);
    assert_int_equal(type, HULSE_CTL_READER);
    struct hulse_ctl_reader r;
    memcpy(&r, p.bytes, sizeof(r));
    assert_int_equal(r.flags, 0);
    h->broker.reach = (struct broker_reach){0};
    s.ch.handle = r.handle;
    strike(&s);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_a_reader_goes_on_where_its_marks_say),
        HAND_TEST(test_marks_that_cannot_be_end_the_session),
        HAND_TEST(test_a_reader_is_told_where_its_partitions_begin),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
