/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=tsan */
/*
 * Goal:   a start has what was there, out of a checkpoint and the log behind it; a damaged checkpoint costs a longer
 *         scan, and both files damaged cost no message that the log still has.
 * Method: played stores (played_store) that are stopped anywhere and started again, with files
 *         removed, replaced by older ones, with single rows spoilt, with a map that is too small; by a process that is
 *         refused what it takes to look at them.
 */
#include "daemon/store/checkpoint.h"
#include "daemon/store/db_file.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/played_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
enum { ROUNDS = 6, SMALL_MAP = 96 << 10 };

static struct played_store p;

/* The same words, and the first message of everything where it was. */
static void check_nothing_lost(void)
{
    struct state_figures figures;

    hulse_words_equal(hulse_state_words(p.state), hulse_naive_words(&p.frames.naive));
    for (uint64_t t = 1; t < NAIVE_TOPICS; t++) {
        for (uint64_t position = 0; position < NAIVE_POSITIONS; position += 3) {
            const uint64_t there = hulse_naive_find(&p.frames.naive, t, position);
            struct state_place at = {0};
            assert_int_equal(hulse_state_find(p.state, t, position, &at), there != 0);
            const uint64_t lsn = at.lsn;
            assert_true(lsn <= there && lsn / RANDOM_SEGMENT_BYTES == there / RANDOM_SEGMENT_BYTES);
        }
    }
    for (uint64_t n = 0; n <= p.frames.lsn / RANDOM_SEGMENT_BYTES; n++) {
        assert_int_equal(hulse_state_needs(p.state, n), hulse_naive_needs(&p.frames.naive, n));
    }
    hulse_state_figures(p.state, &figures);
    assert_int_equal(figures.homeless_records, 0);
    assert_int_equal(figures.damaged_records, 0);
}

static void test_a_start_has_what_was_there(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool more = true;
        hulse_played_init(&p, test_random(&seed) | 1, 0);
        assert_true(p.found.none && !p.found.state_lost && !p.found.copy_lost);
        while (more) {
            more = hulse_played_run(&p, 1 + (unsigned)test_below(&seed, 400));
            hulse_played_stop(&p);
            hulse_played_start(&p);
            assert_false(p.found.state_lost || p.found.copy_lost || p.found.copy_used);
            assert_int_equal(p.found.bad_rows, 0);
            check_nothing_lost();
        }
        assert_true(p.commits > 3);
        hulse_played_fini(&p);
    }
}

static void spoil_with(const char *name, const char *text)
{
    const int fd = open(hulse_played_path(&p, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void test_the_copy_stands_in_for_a_lost_checkpoint(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        hulse_played_init(&p, test_random(&seed) | 1, 0);
        (void)hulse_played_run(&p, 500);
        hulse_played_checkpoint(&p, true);
        (void)hulse_played_run(&p, 300);
        hulse_played_checkpoint(&p, false);
        hulse_played_stop(&p);
        if (round % 2 == 0) {
            assert_int_equal(unlink(hulse_played_path(&p, "state.mdb")), 0);
        } else {
            spoil_with("state.mdb", "this is no database");
        }
        hulse_played_start(&p);
        assert_true(p.found.state_lost && p.found.copy_used && !p.found.copy_lost);
        assert_true(p.found.state_why[0] != '\0');
        assert_int_equal(access(hulse_played_path(&p, "state.mdb.damaged-1"), F_OK),
                         round % 2 == 0 ? -1 : 0);
        check_nothing_lost();
        /* It is repaired by the next checkpoint, which is whole. */
        (void)hulse_played_run(&p, 50);
        hulse_played_checkpoint(&p, false);
        hulse_played_stop(&p);
        hulse_played_start(&p);
        assert_false(p.found.state_lost || p.found.copy_used || p.found.copy_lost);
        check_nothing_lost();
        hulse_played_fini(&p);
    }
}

static void test_a_checkpoint_older_than_its_copy_is_not_used(void **state)
{
    char older[PLAYED_DIR_BYTES + 16];

    (void)state;
    hulse_played_init(&p, test_seed(), 0);
    (void)hulse_played_run(&p, 300);
    hulse_played_checkpoint(&p, true);
    (void)snprintf(older, sizeof(older), "%s", hulse_played_path(&p, "older"));
    assert_int_equal(rename(hulse_played_path(&p, "state.good"), older), 0);
    (void)hulse_played_run(&p, 300);
    hulse_played_checkpoint(&p, true);
    hulse_played_stop(&p);
    assert_int_equal(rename(older, hulse_played_path(&p, "state.mdb")), 0);
    hulse_played_start(&p);
    assert_true(p.found.state_lost && p.found.copy_used);
    check_nothing_lost();
    hulse_played_fini(&p);
}

static void test_a_lost_copy_is_said_and_made_again(void **state)
{
    (void)state;
    hulse_played_init(&p, test_seed(), 0);
    (void)hulse_played_run(&p, 300);
    hulse_played_checkpoint(&p, true);
    hulse_played_stop(&p);
    spoil_with("state.good", "neither is this");
    hulse_played_start(&p);
    assert_true(p.found.copy_lost && !p.found.state_lost && !p.found.copy_used);
    assert_int_equal(hulse_state_db_covered(p.db), 0);
    check_nothing_lost();
    hulse_played_checkpoint(&p, true);
    assert_true(hulse_state_db_covered(p.db) > 0);
    hulse_played_fini(&p);
}

/* What is loaded of both files' rows when one of each table is spoilt, with the log from its beginning. */
static void spoil_rows(const char *name)
{
    struct db_file file = {0};
    struct error err = {0};
    MDB_txn *txn = NULL;

    assert_int_equal(hulse_db_file_open(&file, hulse_played_path(&p, name), 1 << 30, &err),
                     HULSE_OK);
    assert_int_equal(mdb_txn_begin(file.env, NULL, 0, &txn), 0);
    for (unsigned table = VALUE_TOPIC; table < VALUE_TABLES; table++) {
        MDB_cursor *cursor = NULL;
        MDB_val key;
        MDB_val value;
        uint8_t copy[65536];
        assert_int_equal(mdb_cursor_open(txn, file.tables[table], &cursor), 0);
        if (mdb_cursor_get(cursor, &key, &value, MDB_FIRST) == 0) {
            assert_true(value.mv_size <= sizeof(copy));
            memcpy(copy, value.mv_data, value.mv_size);
            copy[value.mv_size / 2] ^= 1U;
            value.mv_data = copy;
            assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
        }
        mdb_cursor_close(cursor);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    hulse_db_file_close(&file);
}

/* Every row that the copy has too and that is another one there becomes what it is there. */
static unsigned put_older_rows(void)
{
    struct db_file newer = {0};
    struct db_file older = {0};
    struct error err = {0};
    MDB_txn *write = NULL;
    MDB_txn *read = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    MDB_val there;
    unsigned count = 0;

    assert_int_equal(hulse_db_file_open(&newer, hulse_played_path(&p, "state.mdb"), 1 << 30, &err),
                     HULSE_OK);
    assert_int_equal(hulse_db_file_open_read(&older, hulse_played_path(&p, "state.good"), &err),
                     HULSE_OK);
    assert_int_equal(mdb_txn_begin(newer.env, NULL, 0, &write), 0);
    assert_int_equal(mdb_txn_begin(older.env, NULL, MDB_RDONLY, &read), 0);
    assert_int_equal(mdb_cursor_open(read, older.tables[VALUE_SUBSCRIPTION], &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        if (mdb_get(write, newer.tables[VALUE_SUBSCRIPTION], &key, &there) == 0 &&
            (there.mv_size != value.mv_size ||
             memcmp(there.mv_data, value.mv_data, value.mv_size) != 0)) {
            assert_int_equal(mdb_put(write, newer.tables[VALUE_SUBSCRIPTION], &key, &value, 0), 0);
            count++;
        }
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(read);
    assert_int_equal(mdb_txn_commit(write), 0);
    hulse_db_file_close(&older);
    hulse_db_file_close(&newer);
    return count;
}

static void test_rows_that_are_sound_and_older_are_found(void **state)
{
    uint64_t seed = test_seed();
    unsigned older = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        hulse_played_init(&p, test_random(&seed) | 1, 0);
        p.keep_segments = true;
        (void)hulse_played_run(&p, 500);
        hulse_played_checkpoint(&p, true);
        (void)hulse_played_run(&p, 30);
        hulse_played_checkpoint(&p, false);
        hulse_played_stop(&p);
        const unsigned count = put_older_rows();
        older += count;
        hulse_played_start(&p);
        assert_int_equal(p.found.state_lost, count > 0);
        assert_false(p.found.copy_lost);
        check_nothing_lost();
        hulse_played_fini(&p);
    }
    assert_true(older > 0);
}

static void test_with_both_damaged_the_rows_and_the_log_make_the_rest(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        hulse_played_init(&p, test_random(&seed) | 1, 0);
        p.keep_segments = true;
        (void)hulse_played_run(&p, 700);
        hulse_played_checkpoint(&p, true);
        (void)hulse_played_run(&p, 100);
        hulse_played_checkpoint(&p, false);
        hulse_played_stop(&p);
        spoil_rows("state.mdb");
        if (round % 2 == 0) {
            spoil_rows("state.good");
        } else {
            spoil_with("state.good", "no database");
        }
        hulse_played_start(&p);
        assert_true(p.found.state_lost && p.found.copy_lost && p.found.bad_rows > 0);
        assert_int_equal(p.found.scan_from, 0);
        check_nothing_lost();
        hulse_played_fini(&p);
    }
}

static void test_without_both_the_log_is_enough(void **state)
{
    (void)state;
    hulse_played_init(&p, test_seed(), 0);
    p.keep_segments = true;
    (void)hulse_played_run(&p, 600);
    hulse_played_checkpoint(&p, true);
    hulse_played_stop(&p);
    spoil_with("state.mdb", "no database");
    spoil_with("state.good", "");
    hulse_played_start(&p);
    assert_true(p.found.state_lost && p.found.copy_lost && !p.found.copy_used);
    check_nothing_lost();
    hulse_played_fini(&p);
}

/* ---- what cannot be looked at ---- */

enum { SOMEBODY = 65533, OPENED = 100, TO_SPARE = 32 << 20 };
static const char *const files[] = {"state.mdb", "state.good"};

static void no_process(void)
{
    const struct rlimit none = {0};

    if (setrlimit(RLIMIT_NPROC, &none) != 0 || setresuid(SOMEBODY, SOMEBODY, SOMEBODY) != 0) {
        _exit(OPENED + 2);
    }
}

static void no_permission(void)
{
    for (unsigned i = 0; i < COUNT_OF(files); i++) {
        if (chown(hulse_played_path(&p, files[i]), 0, 0) != 0) {
            _exit(OPENED + 2);
        }
    }
    if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY) != 0) {
        _exit(OPENED + 2);
    }
}

/* A sanitizer has the address space for itself. */
#ifdef HULSE_SANITIZED
enum { MEMORY_CAN_BE_LIMITED = 0 };
#else
enum { MEMORY_CAN_BE_LIMITED = 1 };
#endif

static uint64_t address_space(void)
{
    unsigned long long pages = 0;
    char text[64] = {0};
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || close(fd) != 0) {
        _exit(OPENED + 2);
    }
    pages = strtoull(text, NULL, 10);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void little_memory(void)
{
    const uint64_t bytes = address_space() + TO_SPARE;

    (void)setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = bytes, .rlim_max = bytes});
}

static void no_memory(void)
{
    (void)setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = 1, .rlim_max = 1});
}

/* The status of an open in a process of its own; OPENED: it has what was there; OPENED + 1: it has not. */
static int open_without(void (*deny)(void))
{
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct error err = {0};
        deny();
        const hulse_status rc = hulse_state_db_open(&p.db, &p.state, &p.params, &p.found, &err);
        if (rc != HULSE_OK) {
            /* It says which file. */
            _exit(strstr(err.text, "state.mdb") != NULL || rc == HULSE_NO_MEMORY ? -rc
                                                                                 : OPENED + 2);
        }
        _exit(p.found.state_lost || p.found.copy_lost || p.found.none ? OPENED + 1 : OPENED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    for (unsigned i = 0; i < COUNT_OF(files); i++) {
        assert_int_equal(access(hulse_played_path(&p, files[i]), F_OK), 0);
    }
    return WEXITSTATUS(status);
}

static void test_what_cannot_be_looked_at_is_not_damaged(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    hulse_played_init(&p, test_seed(), 0);
    (void)hulse_played_run(&p, 300);
    hulse_played_checkpoint(&p, true);
    hulse_played_stop(&p);
    assert_int_equal(chown(p.directory, SOMEBODY, SOMEBODY), 0);
    for (unsigned i = 0; i < COUNT_OF(files); i++) {
        assert_int_equal(chown(hulse_played_path(&p, files[i]), SOMEBODY, SOMEBODY), 0);
    }
    assert_int_equal(open_without(no_process), -HULSE_IO);
    if (MEMORY_CAN_BE_LIMITED != 0) {
        assert_int_equal(open_without(no_memory), -HULSE_NO_MEMORY);
        assert_int_equal(open_without(little_memory), OPENED);
    }
    assert_int_equal(open_without(no_permission), -HULSE_DENIED);
    hulse_played_start(&p);
    assert_false(p.found.state_lost || p.found.copy_lost || p.found.copy_used);
    check_nothing_lost();
    hulse_played_fini(&p);
}

static void test_files_set_aside_are_few(void **state)
{
    char name[64];

    (void)state;
    hulse_played_init(&p, test_seed(), 0);
    (void)hulse_played_run(&p, 100);
    for (unsigned i = 1; i <= STATE_DB_DAMAGED_MAX + 3; i++) {
        hulse_played_checkpoint(&p, true);
        hulse_played_stop(&p);
        spoil_with("state.mdb", "no database");
        hulse_played_start(&p);
    }
    for (unsigned i = 1; i <= STATE_DB_DAMAGED_MAX + 3; i++) {
        (void)snprintf(name, sizeof(name), "state.mdb.damaged-%u", i);
        assert_int_equal(access(hulse_played_path(&p, name), F_OK), i <= 3 ? -1 : 0);
    }
    check_nothing_lost();
    hulse_played_fini(&p);
}

static void test_a_full_map_leaves_the_index_out(void **state)
{
    uint64_t seed = test_seed();
    unsigned reduced = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool more = true;
        hulse_played_init(&p, test_random(&seed) | 1, SMALL_MAP);
        p.keep_segments = true; /* so that the index grows */
        while (more) {
            more = hulse_played_run(&p, 400);
            hulse_played_checkpoint(&p, true);
            assert_true(hulse_state_db_covered(p.db) == p.frames.lsn + 1);
            hulse_played_stop(&p);
            hulse_played_start(&p);
            assert_false(p.found.state_lost || p.found.copy_lost);
            check_nothing_lost();
        }
        reduced += p.reduced;
        hulse_played_fini(&p);
    }
    assert_true(reduced > 0);
}

static void apply_request(struct store_request rq)
{
    struct made_frame made;

    p.frames.lsn += 100;
    hulse_made_frame(&made, &rq, p.frames.lsn);
    assert_true(hulse_state_apply(p.state, hulse_made_frame_at(&made), made.lsn));
}

/* Hundreds of rows, so that what is removed is spread over pages. */
static void test_what_is_removed_is_gone_from_the_file(void **state)
{
    enum { TOPICS = 600 };
    struct state_figures figures;
    char name[24];

    (void)state;
    hulse_played_init(&p, test_seed(), 0);
    for (unsigned i = 1; i <= TOPICS; i++) {
        (void)snprintf(name, sizeof(name), "topic-%u", i);
        apply_request((struct store_request){.kind = STORE_TOPIC_CREATE, .topic = i, .name = name});
        apply_request((struct store_request){
            .kind = STORE_SUBSCRIPTION_CREATE, .topic = i, .subscription = i, .name = "s"});
        for (uint8_t h = 1; h <= 5; h++) {
            apply_request((struct store_request){
                .kind = STORE_MESSAGE, .topic = i, .position = h, .handle = {h}, .seq = 1});
        }
    }
    hulse_played_checkpoint(&p, false);
    for (unsigned i = 1; i <= TOPICS; i += 2) {
        apply_request((struct store_request){.kind = STORE_TOPIC_DELETE, .topic = i});
    }
    hulse_state_forget_segment(p.state, p.frames.lsn / RANDOM_SEGMENT_BYTES);
    hulse_played_checkpoint(&p, false);
    hulse_played_stop(&p);
    hulse_played_start(&p);
    hulse_state_figures(p.state, &figures);
    assert_int_equal(figures.topics, TOPICS / 2);
    assert_int_equal(figures.subscriptions, TOPICS / 2);
    assert_int_equal(figures.handles, TOPICS / 2 * 5);
    assert_int_equal(figures.index_entries, 0);
    hulse_played_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_has_what_was_there),
        cmocka_unit_test(test_the_copy_stands_in_for_a_lost_checkpoint),
        cmocka_unit_test(test_a_checkpoint_older_than_its_copy_is_not_used),
        cmocka_unit_test(test_a_lost_copy_is_said_and_made_again),
        cmocka_unit_test(test_rows_that_are_sound_and_older_are_found),
        cmocka_unit_test(test_with_both_damaged_the_rows_and_the_log_make_the_rest),
        cmocka_unit_test(test_without_both_the_log_is_enough),
        cmocka_unit_test(test_what_cannot_be_looked_at_is_not_damaged),
        cmocka_unit_test(test_files_set_aside_are_few),
        cmocka_unit_test(test_a_full_map_leaves_the_index_out),
        cmocka_unit_test(test_what_is_removed_is_gone_from_the_file),
    };

    return cmocka_run_group_tests_name("state_db", tests, NULL, NULL);
}
