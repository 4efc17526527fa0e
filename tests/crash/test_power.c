/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=asan not=tsan */
/*
 * Goal:   S7's loss of power is one: after the cut a folder holds what finished syncs have covered and
 *         nothing else, names as well as bytes; with syncs that do nothing it holds what was there
 *         before. Several threads may write and sync at once.
 * Method: this program starts itself under the preload library, once for each story; the story writes,
 *         syncs some of it and is killed; the folder is cut, and looked at.
 */
#include "tests/crash/cut.h"
#include "tests/crash/power/shadow.h"
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"
#include "tests/support/folder.h"
#include "tests/support/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <hulse/hulse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

enum { THREADS = 4, THREAD_RECORDS = 2000, RECORD = 512, LIVES = 12, FILES = 200 };

/* ---- stories: each runs under the preload library, in the folder ---- */

static void must(bool condition, int line)
{
    if (!condition) {
        (void)fprintf(stderr, "story: line %d: %s\n", line, strerrordesc_np(errno));
        _exit(1);
    }
}
#define MUST(condition) must(condition, __LINE__)

static int make(const char *name, int flags)
{
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
    MUST(fd >= 0);
    return fd;
}

static void put(int fd, const char *text, off_t offset)
{
    MUST(pwrite(fd, text, strlen(text), offset) == (ssize_t)strlen(text));
}

static void sync_folder(const char *name)
{
    const int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(fd >= 0 && fsync(fd) == 0 && close(fd) == 0);
}

/* A file with durable bytes and a durable name. */
static int make_durable(const char *name, const char *text)
{
    const int fd = make(name, 0);
    put(fd, text, 0);
    MUST(fdatasync(fd) == 0);
    sync_folder(".");
    return fd;
}

static void story_bytes(void)
{
    const int fd = make_durable("a", "0123456789");
    put(fd, "XX", 2);
    put(fd, "more", 10);
    put(fd, "far", 100);
}

static void story_every_call(void)
{
    const int fd = make_durable("a", "");
    static char first[] = "cd";
    static char second[] = "ef";
    struct iovec parts[2] = {{.iov_base = first, .iov_len = 2}, {.iov_base = second, .iov_len = 2}};
    MUST(write(fd, "ab", 2) == 2);
    MUST(writev(fd, parts, 2) == 4);
    MUST(pwritev(fd, parts, 2, 6) == 4);
    MUST(pwritev2(fd, parts, 1, 10, 0) == 2);
    const int other = dup(fd);
    const int third = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    MUST(other >= 0 && third >= 100);
    put(other, "gh", 12);
    put(third, "ij", 14);
    const int end = open("a", O_WRONLY | O_APPEND | O_CLOEXEC);
    MUST(end >= 0 && write(end, "kl", 2) == 2);
    /* Through a descriptor that cannot read, and covers what the others wrote. */
    MUST(fsync(end) == 0);
    MUST(write(end, "lost", 4) == 4);
}

static void story_names(void)
{
    (void)make_durable("old", "old");
    (void)make_durable("gone", "gone");
    (void)make_durable("moved", "moved");
    (void)make_durable("late", "late");
    MUST(rename("moved", "there") == 0);
    sync_folder(".");
    const int synced = make("unnamed", 0);
    put(synced, "bytes without a name", 0);
    MUST(fsync(synced) == 0);
    MUST(rename("late", "later") == 0);
    MUST(unlink("gone") == 0);
}

static void story_named_but_not_synced(void)
{
    const int fd = make("a", 0);
    put(fd, "text", 0);
    sync_folder(".");
}

static void story_replaced_by_rename(void)
{
    (void)make_durable("state", "old");
    const int fd = make("state.new", 0);
    put(fd, "new", 0);
    MUST(fdatasync(fd) == 0);
    MUST(rename("state.new", "state") == 0);
}

static void story_folders(void)
{
    MUST(mkdir("in", 0700) == 0 && mkdir("out", 0700) == 0);
    sync_folder(".");
    const int in = make("in/a", 0);
    const int out = make("out/a", 0);
    put(in, "in", 0);
    put(out, "out", 0);
    MUST(fsync(in) == 0 && fsync(out) == 0);
    sync_folder("in");
    MUST(mkdir("never", 0700) == 0);
}

static void story_dsync(void)
{
    const int plain = make_durable("a", "..........");
    const int fd = open("a", O_WRONLY | O_DSYNC | O_CLOEXEC);
    MUST(fd >= 0);
    put(plain, "XX", 0);
    put(fd, "YY", 4);
}

static void story_length(void)
{
    const int cut_off = make_durable("cut", "0123456789");
    const int cut_synced = make_durable("cut-synced", "0123456789");
    const int grown_again = make_durable("grown", "0123456789");
    const int longer = make_durable("longer", "0123456789");
    const int reserved = make_durable("reserved", "0123456789");
    MUST(ftruncate(cut_off, 4) == 0);
    MUST(ftruncate(cut_synced, 4) == 0 && fdatasync(cut_synced) == 0);
    MUST(ftruncate(grown_again, 4) == 0 && ftruncate(grown_again, 10) == 0);
    MUST(fdatasync(grown_again) == 0);
    MUST(ftruncate(longer, 100) == 0);
    MUST(posix_fallocate(reserved, 0, (off_t)PAGE) == 0 && fdatasync(reserved) == 0);
    MUST(fallocate(reserved, 0, 0, (off_t)(2 * PAGE)) == 0);
    (void)make_durable("emptied", "0123456789");
    const int emptied = open("emptied", O_WRONLY | O_TRUNC | O_CLOEXEC);
    MUST(emptied >= 0);
}

static void story_mapping(void)
{
    const int fd = make_durable("a", "");
    MUST(ftruncate(fd, (off_t)(4 * PAGE)) == 0 && fdatasync(fd) == 0);
    char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(at != MAP_FAILED);
    at[0] = 'a';
    at[PAGE] = 'b';
    MUST(msync(at + PAGE, PAGE, MS_SYNC) == 0);
    at[2 * PAGE] = 'c';
    MUST(msync(at + 2 * PAGE, PAGE, MS_ASYNC) == 0);

    const int other = make_durable("b", "");
    MUST(ftruncate(other, (off_t)PAGE) == 0);
    char *there = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
    MUST(there != MAP_FAILED);
    there[0] = 'x';
    MUST(fdatasync(other) == 0);
    there[1] = 'y';
}

static void story_no_promise(void)
{
    const int fd = make_durable("a", "0123");
    put(fd, "XX", 0);
    MUST(sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0);
}

/*
 * The number of an inode is given again, on most file systems at once when nothing was synced in
 * between. "a" is of the life before.
 */
static void story_number_given_again(void)
{
    char name[32];
    struct stat old;
    struct stat fresh = {0};
    int other = -1;
    MUST(stat("a", &old) == 0 && unlink("a") == 0);
    for (int i = 0; i < FILES && fresh.st_ino != old.st_ino; i++) {
        (void)snprintf(name, sizeof(name), "b%d", i);
        other = make(name, 0);
        MUST(fstat(other, &fresh) == 0);
    }
    put(other, "new", 0);
    MUST(fdatasync(other) == 0);
}

static void story_children(void)
{
    const int fd = make_durable("a", "0123");
    const pid_t pid = fork();
    if (pid == 0) {
        /* A program, as the helper process starts them: it is not followed and follows nothing. */
        (void)execl("/bin/sh", "sh", "-c", "true", (char *)NULL);
        _exit(1);
    }
    int status = 0;
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    put(fd, "XX", 0);
    MUST(fdatasync(fd) == 0);
    put(fd, "YY", 2);
}

/* Continues what the life before has left. */
static void story_second_life(void)
{
    const int fd = open("a", O_RDWR | O_CLOEXEC);
    MUST(fd >= 0);
    put(fd, "Z", 0);
}

static void *write_records(void *number)
{
    const long mine = (long)(intptr_t)number;
    char name[32];
    char record[RECORD];
    const int told = open("told", O_RDWR | O_CLOEXEC);
    (void)snprintf(name, sizeof(name), "t%ld", mine / 2);
    const int fd = open(name, O_RDWR | O_CLOEXEC);
    MUST(fd >= 0 && told >= 0);
    /* Outside the folder's care: told is a link to a file that is not followed. */
    _Atomic(uint32_t) *done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, told, 0);
    MUST((void *)done != MAP_FAILED);
    for (uint32_t i = 0; i < THREAD_RECORDS; i++) {
        memset(record, (int)(i % 251 + 1), sizeof(record));
        /* Two threads in one file, each with every second record. */
        MUST(pwrite(fd, record, RECORD, (off_t)(i * 2 + (unsigned)(mine % 2)) * RECORD) == RECORD);
        MUST(fdatasync(fd) == 0);
        atomic_store(&done[mine], i + 1);
    }
    return NULL;
}

static void story_threads(void)
{
    pthread_t threads[THREADS];
    (void)make_durable("t0", "");
    (void)make_durable("t1", "");
    for (long i = 0; i < THREADS; i++) {
        MUST(pthread_create(&threads[i], NULL, write_records, (void *)(intptr_t)i) == 0);
    }
    (void)pause();
}

static const struct story {
    const char *name;
    void (*tell)(void);
} stories[] = {
    {"bytes", story_bytes},
    {"every call", story_every_call},
    {"names", story_names},
    {"named", story_named_but_not_synced},
    {"rename", story_replaced_by_rename},
    {"folders", story_folders},
    {"dsync", story_dsync},
    {"length", story_length},
    {"mapping", story_mapping},
    {"no promise", story_no_promise},
    {"number", story_number_given_again},
    {"children", story_children},
    {"second life", story_second_life},
    {"threads", story_threads},
};

static _Noreturn void tell(const char *name)
{
    for (unsigned i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        if (strcmp(stories[i].name, name) == 0) {
            stories[i].tell();
            (void)raise(SIGKILL);
        }
    }
    _exit(2);
}

/* ---- the bed ---- */

struct bed {
    char base[64];
    char dir[80];
    char shadow[80];
};

static char library[512];

static void set_up(struct bed *bed)
{
    (void)snprintf(bed->base, sizeof(bed->base), "/tmp/hulse-power-XXXXXX");
    assert_non_null(mkdtemp(bed->base));
    (void)snprintf(bed->dir, sizeof(bed->dir), "%s/d", bed->base);
    (void)snprintf(bed->shadow, sizeof(bed->shadow), "%s/s", bed->base);
    assert_int_equal(mkdir(bed->dir, 0700), 0);
    assert_int_equal(mkdir(bed->shadow, 0700), 0);
}

static void tear_down(const struct bed *bed)
{
    assert_true(hulse_test_folder_remove(bed->base));
}

/* NOLINTBEGIN(concurrency-mt-unsafe): a child, before exec */
static pid_t begin(const struct bed *bed, const char *name, bool syncs)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(bed->dir) != 0 || setenv("LD_PRELOAD", library, 1) != 0 ||
            setenv(POWER_DIR, bed->dir, 1) != 0 || setenv(POWER_SHADOW, bed->shadow, 1) != 0 ||
            (!syncs && setenv(POWER_NO_SYNC, "1", 1) != 0)) {
            _exit(3);
        }
        (void)execl("/proc/self/exe", "test_power", "--story", name, (char *)NULL);
        _exit(4);
    }
    return pid;
}
/* NOLINTEND(concurrency-mt-unsafe) */

static void live(const struct bed *bed, const char *name, bool syncs)
{
    int status = 0;
    const pid_t pid = begin(bed, name, syncs);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(hulse_power_cut(bed->dir, bed->shadow));
}

static void lose_power(struct bed *bed, const char *name)
{
    set_up(bed);
    live(bed, name, true);
}

/* The file's bytes are exactly these; zeros stand as '0'-less dots. */
static void expect_file(const struct bed *bed, const char *name, const void *bytes, size_t count)
{
    char path[160];
    static char found[1 << 20];
    (void)snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_msg("%s is not there", name);
    }
    const ssize_t n = read(fd, found, sizeof(found));
    assert_int_equal(close(fd), 0);
    assert_int_equal(n, count);
    assert_memory_equal(found, bytes, count);
}

static void expect_text(const struct bed *bed, const char *name, const char *text)
{
    expect_file(bed, name, text, strlen(text));
}

static void expect_none(const struct bed *bed, const char *name)
{
    char path[160];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
    if (lstat(path, &info) == 0) {
        fail_msg("%s is there", name);
    }
}

/* ---- tests ---- */

static void test_unsynced_bytes_are_what_they_were(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "bytes");
    expect_text(&bed, "a", "0123456789");
    tear_down(&bed);
}

static void test_every_way_to_write_is_seen(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "every call");
    expect_text(&bed, "a", "abcdefcdefcdghijkl");
    tear_down(&bed);
}

static void test_names_last_when_their_folder_was_synced(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "names");
    expect_text(&bed, "old", "old");
    expect_text(&bed, "there", "moved");
    expect_none(&bed, "moved");
    expect_none(&bed, "unnamed");
    expect_text(&bed, "late", "late"); /* undone */
    expect_none(&bed, "later");
    expect_text(&bed, "gone", "gone"); /* undone */
    tear_down(&bed);

    lose_power(&bed, "named");
    expect_text(&bed, "a", "");
    tear_down(&bed);

    lose_power(&bed, "rename");
    expect_text(&bed, "state", "old");
    expect_none(&bed, "state.new");
    tear_down(&bed);
}

static void test_folders_below(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "folders");
    expect_text(&bed, "in/a", "in");
    expect_none(&bed, "out/a");
    expect_none(&bed, "never");
    tear_down(&bed);
}

static void test_synchronous_writes_cover_themselves(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "dsync");
    expect_text(&bed, "a", "....YY....");
    tear_down(&bed);
}

static void test_lengths(void **state)
{
    (void)state;
    static const char reserved[PAGE] = "0123456789";
    struct bed bed;
    lose_power(&bed, "length");
    expect_text(&bed, "cut", "0123456789");
    expect_text(&bed, "cut-synced", "0123");
    expect_file(&bed, "grown", "0123\0\0\0\0\0\0", 10);
    expect_text(&bed, "longer", "0123456789");
    expect_file(&bed, "reserved", reserved, PAGE);
    expect_text(&bed, "emptied", "0123456789");
    tear_down(&bed);
}

static void test_mappings(void **state)
{
    (void)state;
    static char first[4 * PAGE];
    static char second[PAGE];
    struct bed bed;
    first[PAGE] = 'b';
    second[0] = 'x';
    lose_power(&bed, "mapping");
    expect_file(&bed, "a", first, sizeof(first));
    expect_file(&bed, "b", second, sizeof(second));
    tear_down(&bed);
}

static void test_what_promises_nothing(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "no promise");
    expect_text(&bed, "a", "0123");
    tear_down(&bed);
}

static void test_a_number_that_is_given_again(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "bytes");
    live(&bed, "number", true);
    expect_text(&bed, "a", "0123456789");
    expect_none(&bed, "b0");
    tear_down(&bed);
}

static void test_children_are_not_followed(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "children");
    expect_text(&bed, "a", "XX23");
    tear_down(&bed);
}

static void test_the_next_life_begins_with_what_is_left(void **state)
{
    (void)state;
    struct bed bed;
    lose_power(&bed, "bytes");
    live(&bed, "second life", true);
    expect_text(&bed, "a", "0123456789");
    tear_down(&bed);
}

/* Who has not begun to be followed has changed nothing yet. */
static void test_death_at_the_start(void **state)
{
    (void)state;
    struct bed bed;
    char path[160];
    lose_power(&bed, "bytes");
    for (unsigned i = 0; i < 100; i++) {
        const pid_t pid = begin(&bed, "nothing", true);
        (void)usleep(i * 30);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(hulse_power_cut(bed.dir, bed.shadow));
        expect_text(&bed, "a", "0123456789");
    }
    /* In the midst of it, whenever that is. */
    assert_true(mkdir(bed.shadow, 0700) == 0 || errno == EEXIST);
    (void)snprintf(path, sizeof(path), "%s/owner", bed.shadow);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_true(hulse_power_cut(bed.dir, bed.shadow));
    expect_text(&bed, "a", "0123456789");
    tear_down(&bed);
}

/* The negative control: it must lose what it promised. */
static void test_syncs_that_do_nothing(void **state)
{
    (void)state;
    struct bed bed;
    set_up(&bed);
    live(&bed, "bytes", false);
    expect_none(&bed, "a");
    tear_down(&bed);

    lose_power(&bed, "bytes");
    live(&bed, "dsync", false);
    expect_text(&bed, "a", "0123456789");
    tear_down(&bed);
}

/* Every record whose sync had returned is there, and no byte is anything but a record's. */
static void expect_records(const struct bed *bed, unsigned number, uint32_t done)
{
    char path[160];
    char record[RECORD];
    char wanted[RECORD];
    (void)snprintf(path, sizeof(path), "%s/t%u", bed->dir, number / 2);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < done; i++) {
        memset(wanted, (int)(i % 251 + 1), sizeof(wanted));
        const off_t at = (off_t)(i * 2 + number % 2) * RECORD;
        assert_int_equal(pread(fd, record, RECORD, at), RECORD);
        assert_memory_equal(record, wanted, RECORD);
    }
    assert_int_equal(close(fd), 0);
}

static void lose_power_under_threads(void)
{
    struct bed bed;
    char told[128];
    char link_path[128];
    set_up(&bed);
    (void)snprintf(told, sizeof(told), "%s/told", bed.base);
    (void)snprintf(link_path, sizeof(link_path), "%s/told", bed.dir);
    const int fd = open(told, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, (off_t)PAGE) == 0);
    assert_int_equal(symlink(told, link_path), 0);
    const _Atomic(uint32_t) *done = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    assert_true((const void *)done != MAP_FAILED);

    const pid_t pid = begin(&bed, "threads", true);
    int status = 0;
    /* Far enough for some to be under way; the records are more than one can wait for. */
    while (atomic_load(&done[0]) < 5 || atomic_load(&done[THREADS - 1]) < 5) {
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        (void)usleep(1000);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(hulse_power_cut(bed.dir, bed.shadow));
    for (unsigned i = 0; i < THREADS; i++) {
        expect_records(&bed, i, atomic_load(&done[i]));
    }
    assert_int_equal(munmap((void *)(uintptr_t)done, PAGE), 0);
    assert_int_equal(close(fd), 0);
    tear_down(&bed);
}

static void test_threads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LIVES; i++) {
        lose_power_under_threads();
    }
}

/*
 * The daemon under the library: its own filter of system calls stands, the helper is forked, and an
 * application gets its verdicts.
 */
static void test_the_daemon_lives_under_it(void **state)
{
    (void)state;
    static char preload[600];
    static const char *const environment[] = {
        preload, POWER_DIR "={dir}/store", POWER_SHADOW "={dir}/shadow", NULL};
    static const char *const settings[] = {"workers=2", NULL};
    struct daemon_process d;
    char owner[128];
    hulse_session *s = NULL;
    hulse_producer *p = NULL;

    (void)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
    hulse_test_daemon_prepare(&d, settings);
    d.environment = environment;
    hulse_test_daemon_launch(&d);
    assert_true(hulse_test_daemon_ready(&d));
    (void)snprintf(owner, sizeof(owner), "%s/shadow/owner", d.dir);
    assert_int_equal(access(owner, F_OK), 0);

    hulse_options *o = hulse_options_new();
    assert_int_equal(hulse_options_socket(o, d.socket), HULSE_OK);
    assert_int_equal(hulse_open(&s, o), HULSE_OK);
    hulse_options_free(&o);
    assert_int_equal(hulse_producer_open(s, &p, "non-persistent://public/default/power", NULL),
                     HULSE_OK);
    assert_int_equal(hulse_publish(p, "text", 4, NULL, 1), HULSE_OK);
    assert_int_equal(hulse_sync(p, 20000, NULL), HULSE_OK);
    assert_int_equal(hulse_close(&s, 20000), HULSE_OK);
    assert_true(hulse_test_daemon_alive(&d));
    assert_true(hulse_test_daemon_stop(&d));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsynced_bytes_are_what_they_were),
        cmocka_unit_test(test_every_way_to_write_is_seen),
        cmocka_unit_test(test_names_last_when_their_folder_was_synced),
        cmocka_unit_test(test_folders_below),
        cmocka_unit_test(test_synchronous_writes_cover_themselves),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_what_promises_nothing),
        cmocka_unit_test(test_a_number_that_is_given_again),
        cmocka_unit_test(test_children_are_not_followed),
        cmocka_unit_test(test_the_next_life_begins_with_what_is_left),
        cmocka_unit_test(test_death_at_the_start),
        cmocka_unit_test(test_syncs_that_do_nothing),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_the_daemon_lives_under_it),
    };
    /* No other thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *build = getenv("HULSE_BUILD_DIR");
    if (argc == 3 && strcmp(argv[1], "--story") == 0) {
        tell(argv[2]);
    }
    (void)snprintf(library,
                   sizeof(library),
                   "%s/tests/crash/libhulse_power.so",
                   build == NULL ? "build/debug" : build);
    HULSE_TEST_SKIP_UNLESS(access(library, R_OK) == 0, "libhulse_power.so is not built");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
