/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   damaged messages of a persistent topic are passed over, said and counted once; a reader
 *         hears of them before what comes behind them, whichever worker it is on.
 * Method: flipped bytes in the files of a store; topic and reader on one worker and on two.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/broker/bed_durable.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOUND = 64 };

static uint64_t lost(void)
{
    struct topic_report r = {0};
    (void)hulse_bed_report(&bed, topic, &r);
    return r.lost;
}

/* False: there is no such text in the segment, which may be gone. */
static bool hurt_in(uint64_t segment, const char *mark, uint8_t *bytes)
{
    char path[256];
    char name[SEGMENT_NAME_BYTES];
    hulse_segment_name(segment, name);
    assert_true(snprintf(path, sizeof(path), "%s/log/%s", params->directory, name) <
                (int)sizeof(path));
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    assert_int_equal(pread(fd, bytes, BED_SEGMENT_BYTES, 0), BED_SEGMENT_BYTES);
    const uint8_t *at = memmem(bytes, BED_SEGMENT_BYTES, mark, strlen(mark));
    if (at != NULL) {
        assert_int_equal(pwrite(fd, "#", 1, at - bytes), 1);
    }
    assert_int_equal(close(fd), 0);
    return at != NULL;
}

/* Flips a byte in the body of each marked message, in whatever segment it is. */
static void hurt_marked(char first, char last)
{
    const uint64_t last_segment = hulse_local_store(bed.broker)->writer.end.seg.number;
    uint8_t *bytes = malloc(BED_SEGMENT_BYTES);
    assert_non_null(bytes);
    for (char c = first; c <= last; c++) {
        const char mark[] = {'m', 'a', 'r', 'k', '-', c, '\0'};
        uint64_t segment = 1;
        while (segment <= last_segment && !hurt_in(segment, mark, bytes)) {
            segment++;
        }
        assert_true(segment <= last_segment);
    }
    free(bytes);
}

static void publish_marked(struct bed_pub *pub, const char *mark)
{
    hulse_pub_send_record(
        pub,
        (struct broker_span){.data = (const uint8_t *)mark, .bytes = (uint32_t)strlen(mark)},
        NULL);
}

/* Damaged positions in what a window reads: said, counted once, and all the others come, each once. */
static void test_damage_inside_a_window(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    params = hulse_stored_begin();
    params->subscription_messages_max = BOUND;
    begin(1);
    open_sub(&sub);
    hulse_sub_close(&sub, false);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 100, 16);
    publish_marked(&pub, "mark-a");
    publish_marked(&pub, "mark-b");
    hulse_pub_send(&pub, 198, 16);
    publish_marked(&pub, "mark-c");
    hulse_pub_send(&pub, 99, 16);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    hurt_marked('a', 'c');
    open_sub(&sub);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait(&sub, 397);
    hulse_sub_wait_settled(&sub, 397);
    for (uint32_t i = 0; i < 397; i++) {
        const uint32_t entry = i < 100 ? i : i < 298 ? i + 2 : i + 3;
        assert_int_equal(sub.messages[i].at.entry, entry);
    }
    assert_int_equal(lost(), 3);
    assert_int_equal(backlog(), 0);
    hulse_sub_close(&sub, false);
    end();
}

/* ---- a reader ---- */

enum { STEP = 300, HURT = 'z' - 'a' + 1, SOUND = HURT * (STEP - 1) };

/* Every STEP-th, so each lies in a read of its own; the last message is one of them. */
static void publish_hurt(void)
{
    struct bed_pub pub = {.id = 1};
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    for (int c = 'a'; c <= 'z'; c++) {
        const char mark[] = {'m', 'a', 'r', 'k', '-', (char)c, '\0'};
        hulse_pub_send(&pub, STEP - 1, 8);
        publish_marked(&pub, mark);
    }
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    hurt_marked('a', 'z');
}

static struct consumer *consumer_of(const struct bed_sub *sub)
{
    return HULSE_CONTAINER(sub->consumer, struct consumer, base);
}

static bool permit_is_posted(void *arg)
{
    return consumer_of(arg)->permit_op.posted;
}

static bool all_is_read(void *arg)
{
    const struct subscription *s = consumer_of(arg)->seat->sub;
    return s->cursor->next_read == s->topic->durable->committed;
}

/* All of it is read and handed out while the reader's worker stands still. */
static void permit_to_a_slow_one(struct bed_sub *sub)
{
    struct bed_blocker topics;
    struct bed_blocker readers;
    hulse_bed_block(&bed, 1, &topics);
    hulse_sub_permit(sub, SOUND);
    hulse_bed_until(&bed, 0, permit_is_posted, sub);
    hulse_bed_block(&bed, 0, &readers);
    hulse_bed_release(&topics);
    hulse_bed_until(&bed, 1, all_is_read, sub);
    hulse_bed_release(&readers);
}

static void read_all(uint32_t workers)
{
    const struct bed_where where = {
        .topic = topic, .subscription = "", .type = BROKER_READER, .start = BROKER_EARLIEST};
    struct bed_sub sub;
    assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
    sub.ack_at_once = true;
    if (workers == 1) {
        hulse_sub_permit(&sub, SOUND);
    } else {
        permit_to_a_slow_one(&sub);
    }
    hulse_sub_wait_caught_up(&sub);
    assert_int_equal(sub.lost_caught_up, HURT);
    assert_int_equal(hulse_sub_count(&sub), SOUND);
    for (uint32_t i = 0; i < SOUND; i++) {
        const struct bed_message *m = &sub.messages[i];
        assert_int_equal(m->at.entry, i + i / (STEP - 1));
        assert_true(m->lost >= m->at.entry / STEP);
    }
    assert_int_equal(sub.lost, HURT);
    hulse_sub_close(&sub, false);
}

static void test_a_reader_hears_of_damage_before_what_is_behind(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_sub keeper;
        params = hulse_stored_begin();
        params->subscription_messages_max = HURT * STEP + 1; /* half of it without a permit */
        begin(workers);
        open_sub(&keeper); /* somebody needs the messages, so they stay */
        hulse_sub_close(&keeper, false);
        publish_hurt();
        read_all(workers);
        end();
    }
}

int main(void)
{
    hulse_mem_init(UINT64_C(1) << 30U);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_inside_a_window),
        cmocka_unit_test(test_a_reader_hears_of_damage_before_what_is_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
