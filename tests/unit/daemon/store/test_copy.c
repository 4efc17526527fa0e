/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 */
/*
 * Goal:   a segment that is mostly dead does not stay for the little that is needed of it: that is moved to the end of the
 *         log, is read in its order and once, whatever ends the store meanwhile, and what is damaged is said.
 * Method: stores of 20 segments of 1 MiB in which a slow subscription leaves a message here and there, filled many times
 *         over; a reference in memory for random runs with crashes, by seed.
 */
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/slow_store.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void test_a_slow_subscription_does_not_fill_the_store(void **state)
{
    struct bed bed;

    (void)state;
    hulse_slow_begin(&bed, SEGMENTS);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    const uint64_t end = hulse_slow_fill(&bed, topic, sub, 0, 80 * PER_SEGMENT);
    assert_true(hulse_slow_figures(&bed).moved_messages > 0);
    assert_true(hulse_slow_figures(&bed).log_bytes <= SEGMENTS * (uint64_t)BED_SEGMENT_BYTES);
    hulse_slow_check_kept(&bed, topic, end);

    /* The index knows it after a crash and after a stop. */
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(bed.report.lost_messages, 0);
    assert_int_equal(bed.report.missing_segments, 0);
    hulse_slow_check_kept(&bed, topic, end);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    hulse_slow_check_kept(&bed, topic, end);

    /* When the rest is acknowledged, all goes. */
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, end), HULSE_OK);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_true(hulse_slow_figures(&bed).segments <= 2);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* ---- killed -------------------------------------------------------------------------------- */

enum { KILLS = 20, MS_MAX = 400, NS_PER_MS = 1000000 };

/* What a process that is killed has come to; shared with who kills it. */
struct progress {
    _Atomic(uint64_t) stored; /* all below was answered OK */
};

static void
publish_until_killed(struct bed *bed, uint64_t topic, uint64_t sub, struct progress *progress)
{
    hulse_bed_open(bed, true);
    for (;;) {
        const uint64_t next = atomic_load_explicit(&progress->stored, memory_order_relaxed);
        hulse_slow_publish(bed, topic, next, next + BATCH);
        atomic_store_explicit(&progress->stored, next + BATCH, memory_order_relaxed);
        hulse_slow_ack_others(bed, topic, sub, next, next + BATCH);
    }
}

/* A process of the one that was killed, which walks a database, ends a little later. */
static void open_after_kill(struct bed *bed)
{
    struct error err = {0};

    while (!hulse_bed_try_open(bed, &err)) {
        assert_int_equal(err.status, HULSE_BUSY);
        hulse_bed_turn(bed);
    }
    hulse_bed_start(bed);
}

static void test_who_is_killed_has_moved_a_message_or_not(void **state)
{
    struct bed bed;
    uint64_t random = test_seed();
    struct progress *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(progress, MAP_FAILED);
    hulse_slow_begin(&bed, SEGMENTS);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    /* So much that something is moved whenever it is open. */
    atomic_store_explicit(&progress->stored,
                          hulse_slow_fill(&bed, topic, sub, 0, SEGMENTS * PER_SEGMENT),
                          memory_order_relaxed);
    hulse_bed_stop(&bed);
    for (unsigned i = 0; i < KILLS; i++) {
        const struct timespec pause = {.tv_nsec =
                                           (long)(1 + test_below(&random, MS_MAX)) * NS_PER_MS};
        int status = 0;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            publish_until_killed(&bed, topic, sub, progress);
            _exit(1);
        }
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        const uint64_t stored = atomic_load_explicit(&progress->stored, memory_order_relaxed);
        open_after_kill(&bed);
        assert_int_equal(bed.report.damaged_records, 0);
        assert_int_equal(bed.report.lost_messages, 0);
        assert_int_equal(bed.report.missing_segments, 0);
        hulse_slow_check_kept(&bed, topic, stored);
        hulse_slow_ack_others(&bed, topic, sub, 0, stored);
        hulse_slow_fill(&bed, topic, sub, stored, stored + BATCH);
        atomic_store_explicit(&progress->stored, stored + BATCH, memory_order_relaxed);
        hulse_bed_stop(&bed);
    }
    const uint64_t stored = atomic_load_explicit(&progress->stored, memory_order_relaxed);
    hulse_bed_open(&bed, true);
    (void)hulse_slow_fill(&bed, topic, sub, stored, stored + SEGMENTS * PER_SEGMENT);
    assert_true(hulse_slow_figures(&bed).moved_messages > 0);
    hulse_slow_check_kept(&bed, topic, stored + SEGMENTS * PER_SEGMENT);
    hulse_bed_stop(&bed);
    assert_int_equal(munmap(progress, sizeof(*progress)), 0);
    hulse_bed_fini(&bed);
}

/* ---- damaged ------------------------------------------------------------------------------- */

/* Flips a bit in the body of this message, wherever it lies. */
static void spoil(const struct bed *bed, uint64_t topic, uint64_t position)
{
    static uint8_t bytes[BED_SEGMENT_BYTES];
    uint8_t body[64];
    char log[256];
    char path[600];
    unsigned found = 0;

    hulse_bed_fill(body, sizeof(body), topic, position);
    hulse_bed_file(bed, "log", log, sizeof(log));
    DIR *dir = opendir(log);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".segment") == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", log, entry->d_name);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
        const uint8_t *at = memmem(bytes, sizeof(bytes), body, sizeof(body));
        if (at != NULL) {
            found++;
            assert_int_equal(fseek(file, at - bytes, SEEK_SET), 0);
            const int spoiled = (int)(*at ^ 1U);
            assert_int_equal(fputc(spoiled, file), spoiled);
        }
        assert_int_equal(fclose(file), 0);
    }
    (void)closedir(dir);
    assert_int_equal(found, 1);
}

static void test_a_damaged_message_is_told_and_not_moved(void **state)
{
    const uint64_t spoiled = PER_SEGMENT + PER_SEGMENT / 2;
    struct bed bed;
    struct store_read rd;

    (void)state;
    hulse_slow_begin(&bed, 64);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    uint64_t end = hulse_slow_fill(&bed, topic, sub, 0, 4 * PER_SEGMENT);
    assert_int_equal(hulse_slow_figures(&bed).moved_messages, 0);
    hulse_bed_stop(&bed);
    spoil(&bed, topic, spoiled);

    bed.params.size_max = SEGMENTS * (uint64_t)BED_SEGMENT_BYTES;
    hulse_bed_open(&bed, true);
    end = hulse_slow_fill(&bed, topic, sub, end, 40 * PER_SEGMENT);
    assert_true(hulse_slow_figures(&bed).moved_messages > 0);
    for (unsigned i = 0; i < 2; i++) {
        hulse_bed_read(&bed, &rd, topic, spoiled, spoiled + 1);
        assert_int_equal(rd.status, HULSE_OK);
        assert_int_equal(rd.count, 0);
        assert_int_equal(rd.damaged, 1);
        hulse_store_read_free(&rd);
        for (uint64_t p = PER_SEGMENT / 2; p < end; p += PER_SEGMENT) {
            assert_int_equal(hulse_bed_count(&bed, topic, p, p + 1), p == spoiled ? 0 : 1);
        }
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
    }
    /* Who was told goes on, and so does the segment. */
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, end), HULSE_OK);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_true(hulse_slow_figures(&bed).segments <= 2);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* ---- against a reference ----------------------------------------------------------------- */

enum { TOPICS = 3, SUBS = 2, POSITIONS = 30000, STEPS = 900, LIVE_MAX = 1000000, SMALL = 100 };

struct model_topic {
    uint64_t id;
    uint64_t subs[SUBS];
    uint64_t next;
    uint64_t oldest; /* below it nothing is waited for */
    uint32_t bytes[POSITIONS];
    bool acked[SUBS][POSITIONS];
    bool was_dead[POSITIONS]; /* nobody has waited for it once: it may be gone */
};

struct model {
    struct bed bed;
    uint64_t random;
    struct model_topic topics[TOPICS];
};

static struct model model;

static bool is_waited_for(const struct model_topic *t, uint64_t position)
{
    return !t->acked[0][position] || !t->acked[1][position];
}

static uint64_t live_bytes(struct model *m)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < TOPICS; i++) {
        struct model_topic *t = &m->topics[i];
        while (t->oldest < t->next && !is_waited_for(t, t->oldest)) {
            t->oldest++;
        }
        for (uint64_t p = t->oldest; p < t->next; p++) {
            bytes += is_waited_for(t, p) ? t->bytes[p] : 0;
        }
    }
    return bytes;
}

static void
model_ack(struct model *m, struct model_topic *t, unsigned sub, uint64_t from, uint64_t end)
{
    assert_int_equal(hulse_bed_ack(&m->bed, t->id, t->subs[sub], from, end), HULSE_OK);
    for (uint64_t p = from; p < end; p++) {
        t->acked[sub][p] = true;
        t->was_dead[p] = t->was_dead[p] || !is_waited_for(t, p);
    }
}

static void model_publish(struct model *m, struct model_topic *t)
{
    const uint64_t count = 1 + test_below(&m->random, BATCH);
    const uint64_t from = t->next;
    struct bed_request *all[BATCH];
    const uint64_t done = m->bed.done + count;

    for (uint64_t i = 0; i < count; i++) {
        t->bytes[t->next] = SMALL + (uint32_t)test_below(
                                        &m->random, test_below(&m->random, 20) == 0 ? 90000 : 9000);
        all[i] = hulse_bed_message(&m->bed, t->id, t->next, t->bytes[t->next]);
        t->next++;
    }
    hulse_store_flush(&m->bed.client);
    for (unsigned turns = 0; m->bed.done < done; turns++) {
        assert_true(turns < TURNS_MAX);
        hulse_bed_turn(&m->bed);
    }
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(all[i]);
    }
    /* One of them is quick and leaves out nothing, the other is as it likes. */
    model_ack(m, t, 0, from, t->next);
    for (uint64_t p = from; p < t->next; p++) {
        if (test_below(&m->random, 40) != 0) {
            const uint64_t end = p + 1 + test_below(&m->random, 20);
            model_ack(m, t, 1, p, end < t->next ? end : t->next);
            p = end;
        }
    }
}

static void model_seek(struct model *m, struct model_topic *t)
{
    const unsigned sub = (unsigned)test_below(&m->random, SUBS);
    const uint64_t back = 1 + test_below(&m->random, 300);
    const uint64_t to = t->next > back ? t->next - back : 0;
    struct bed_request *r = hulse_bed_request_new(&m->bed, STORE_SUBSCRIPTION_SEEK);

    r->rq.topic = t->id;
    r->rq.subscription = t->subs[sub];
    r->rq.position = to;
    assert_int_equal(hulse_bed_do(&m->bed, r), HULSE_OK);
    for (uint64_t p = 0; p < t->next; p++) {
        t->acked[sub][p] = p < to;
        t->was_dead[p] = t->was_dead[p] || !is_waited_for(t, p);
    }
    t->oldest = t->oldest < to ? t->oldest : to;
}

/* What is not there from `from` on, up to `end`, was not waited for. */
static void check_gap(const struct model_topic *t, uint64_t from, uint64_t end)
{
    for (uint64_t p = from; p < end; p++) {
        if (is_waited_for(t, p) && !t->was_dead[p]) {
            fail_msg("%llu is lost", (unsigned long long)p);
        }
    }
}

static void model_check(struct model *m, struct model_topic *t, uint64_t begin_at)
{
    uint64_t expected = begin_at;

    for (uint64_t from = begin_at; from < t->next;) {
        struct store_read rd;
        struct store_message msg;
        size_t at = 0;
        hulse_bed_read(&m->bed, &rd, t->id, from, t->next);
        assert_int_equal(rd.status, HULSE_OK);
        assert_int_equal(rd.damaged, 0);
        while (hulse_store_read_next(&rd, &at, &msg)) {
            static uint8_t body[100000];
            assert_true(msg.position >= expected && msg.position < t->next);
            check_gap(t, expected, msg.position);
            expected = msg.position + 1;
            /* It is there and waited for: it stays. */
            t->was_dead[msg.position] =
                t->was_dead[msg.position] && !is_waited_for(t, msg.position);
            assert_int_equal(msg.body_bytes, t->bytes[msg.position]);
            hulse_bed_fill(body, msg.body_bytes, t->id, msg.position);
            assert_memory_equal(body, msg.body, msg.body_bytes);
        }
        assert_true(rd.next > from);
        from = rd.next;
        hulse_store_read_free(&rd);
    }
    check_gap(t, expected, t->next);
}

static void model_reopen(struct model *m)
{
    if (test_below(&m->random, 3) == 0) {
        hulse_bed_stop(&m->bed);
    } else {
        hulse_bed_crash(&m->bed);
    }
    hulse_bed_open(&m->bed, true);
    assert_int_equal(m->bed.report.damaged_records, 0);
    for (size_t i = 0; i < TOPICS; i++) {
        model_check(m, &m->topics[i], 0);
    }
}

static void model_step(struct model *m)
{
    struct model_topic *t = &m->topics[test_below(&m->random, TOPICS)];
    const uint64_t what = test_below(&m->random, 100);

    if (what < 70 && t->next + BATCH < POSITIONS) {
        model_publish(m, t);
    } else if (what < 90) {
        model_check(m, t, test_below(&m->random, t->next + 1));
    } else if (what < 95) {
        model_seek(m, t);
        model_check(m, t, 0);
    } else if (what < 98) {
        model_reopen(m);
    }
    for (size_t i = 0; live_bytes(m) > LIVE_MAX; i = (i + 1) % TOPICS) {
        struct model_topic *large = &m->topics[i];
        for (unsigned sub = 0; sub < SUBS && large->oldest < large->next; sub++) {
            const uint64_t end = large->oldest + (large->next - large->oldest + 1) / 2;
            model_ack(m, large, sub, large->oldest, end);
        }
    }
}

static void test_nothing_is_lost_or_comes_twice(void **state)
{
    struct model *m = &model;
    char name[8];

    (void)state;
    memset(m, 0, sizeof(*m));
    m->random = test_seed();
    hulse_slow_begin(&m->bed, SEGMENTS);
    for (unsigned i = 0; i < TOPICS; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i);
        m->topics[i].id = hulse_bed_topic(&m->bed, name);
        for (unsigned sub = 0; sub < SUBS; sub++) {
            (void)snprintf(name, sizeof(name), "s%u", sub);
            m->topics[i].subs[sub] = hulse_bed_subscription(&m->bed, m->topics[i].id, name, 0);
        }
    }
    uint64_t copied = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        model_step(m);
        copied += hulse_slow_figures(&m->bed).moved_messages != 0 ? 1 : 0;
    }
    assert_true(copied > 0);
    model_reopen(m);
    assert_true(hulse_slow_figures(&m->bed).log_bytes <= SEGMENTS * (uint64_t)BED_SEGMENT_BYTES);
    hulse_bed_stop(&m->bed);
    hulse_bed_fini(&m->bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_subscription_does_not_fill_the_store),
        cmocka_unit_test(test_who_is_killed_has_moved_a_message_or_not),
        cmocka_unit_test(test_a_damaged_message_is_told_and_not_moved),
        cmocka_unit_test(test_nothing_is_lost_or_comes_twice),
    };

    return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
