/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every line that is logged comes out once, whole and in its thread's order, or is counted
 *         where it was lost.
 * Method: stderr is a pipe or a file of the test; lines are parsed with jansson and compared.
 */
#include "daemon/core/log.h"
#include "daemon/core/log_writer.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* ---- stderr as a file -------------------------------------------------------------------- */

struct capture {
    int saved;
    int fd;
};

static struct capture capture_begin(void)
{
    char path[] = "/tmp/hulse-log-XXXXXX";
    struct capture c = {.saved = dup(STDERR_FILENO), .fd = mkstemp(path)};

    assert_true(c.saved >= 0 && c.fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_true(dup2(c.fd, STDERR_FILENO) >= 0);
    return c;
}

/* Gives the text, to be freed. */
static char *capture_end(const struct capture *c)
{
    const off_t bytes = lseek(c->fd, 0, SEEK_END);
    char *text = malloc((size_t)bytes + 1);

    assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(c->saved), 0);
    assert_non_null(text);
    assert_int_equal(pread(c->fd, text, (size_t)bytes, 0), bytes);
    assert_int_equal(close(c->fd), 0);
    text[bytes] = '\0';
    return text;
}

/* The next line of *text as JSON, NULL at the end. */
static json_t *next_line(char **text)
{
    json_error_t error;

    if (**text == '\0') {
        return NULL;
    }
    char *end = strchr(*text, '\n');
    assert_non_null(end);
    *end = '\0';
    json_t *line = json_loads(*text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL) {
        fail_msg("%s: %s", error.text, *text);
    }
    *text = end + 1;
    return line;
}

static const char *string_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    assert_non_null(text);
    return text;
}

static json_int_t number_of(const json_t *line, const char *key)
{
    const json_t *number = json_object_get(line, key);

    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

static const struct log_record *numbered(union log_record_room *room, uint64_t n, size_t texts)
{
    static const struct log_site site = {.event = "n", .level = HULSE_LOG_INFO};
    char text[HULSE_LOG_TEXT_BYTES];
    struct log_field fields[HULSE_LOG_FIELDS_MAX] = {hulse_log_u64("n", n)};

    memset(text, 't', sizeof(text));
    for (size_t i = 1; i <= texts; i++) {
        fields[i] = hulse_log_bytes("t", text, (n * 31 + i * 7) % sizeof(text));
    }
    hulse_log_record_build(room, &site, fields, 1 + texts, n);
    return &room->record;
}

/* ---- the logger -------------------------------------------------------------------------- */

static void check_four_lines(char *text)
{
    static const char *const events[] = {"first", "second", "third", "fourth"};
    static const char *const threads[] = {"-", "-", "main", "main"};

    for (size_t i = 0; i < COUNT_OF(events); i++) {
        json_t *line = next_line(&text);
        assert_non_null(line);
        assert_string_equal(string_of(line, "event"), events[i]);
        assert_string_equal(string_of(line, "thread"), threads[i]);
        assert_string_equal(string_of(line, "level"), "info");
        assert_int_equal(number_of(line, "n"), i + 1);
        json_decref(line);
    }
    assert_null(next_line(&text));
}

static void test_lines_before_start_and_after_stop_are_written(void **state)
{
    (void)state;
    const struct capture c = capture_begin();
    HULSE_LOG_STATE("first", hulse_log_u64("n", 1));
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    HULSE_LOG_STATE("second", hulse_log_u64("n", 2));
    assert_true(hulse_log_thread_attach("main"));
    HULSE_LOG_STATE("third", hulse_log_u64("n", 3));
    HULSE_LOG_DEBUGF("never", hulse_log_u64("n", 0));
    assert_true(hulse_log_stop());
    HULSE_LOG_STATE("fourth", hulse_log_u64("n", 4));
    hulse_log_level_set(HULSE_LOG_ERROR);
    HULSE_LOG_WARNF("never", hulse_log_u64("n", 0));
    hulse_log_level_set(HULSE_LOG_INFO);
    hulse_log_thread_detach();
    char *text = capture_end(&c);
    check_four_lines(text);
    free(text);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
}

/* It comes back, and what was logged is there for who reads later. */
static void test_stop_does_not_wait_for_a_reader(void **state)
{
    char filler[4096];
    char text[16384];
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, sizeof(filler)), sizeof(filler));
    memset(filler, '.', sizeof(filler));
    assert_int_equal(write(ends[1], filler, sizeof(filler)), sizeof(filler));
    const int saved = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    assert_true(hulse_log_thread_attach("main"));
    HULSE_LOG_STATE("late", hulse_log_u64("n", 1));
    const bool first = hulse_log_stop();
    assert_int_equal(read(ends[0], filler, sizeof(filler)), sizeof(filler));
    bool second = false;
    while (!second) { /* now it can */
        second = hulse_log_stop();
    }
    hulse_log_thread_detach();
    assert_true(dup2(saved, STDERR_FILENO) == STDERR_FILENO);
    assert_false(first);
    const ssize_t bytes = read(ends[0], text, sizeof(text) - 1);
    assert_true(bytes > 0);
    text[bytes] = '\0';
    assert_non_null(strstr(text, "late"));
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_a_site_is_limited_and_says_what_it_suppressed(void **state)
{
    static struct log_site site = {.event = "often", .level = HULSE_LOG_WARN, .per_second = 10};
    enum { CALLS = 5000 };

    (void)state;
    const struct capture c = capture_begin();
    assert_true(hulse_log_thread_attach("main"));
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    for (unsigned i = 0; i < CALLS; i++) {
        const struct log_field field = hulse_log_u64("n", i);
        hulse_log_write(&site, &field, 1);
    }
    /* The next second: a line passes and tells. Instead of waiting, the window is forgotten. */
    atomic_store(&site.window, 0);
    const struct log_field last = hulse_log_u64("n", CALLS);
    hulse_log_write(&site, &last, 1);
    hulse_log_thread_detach();
    assert_true(hulse_log_stop());
    char *text = capture_end(&c);
    char *at = text;

    json_int_t accounted = 0;
    unsigned lines = 0;
    bool last_told = false;
    for (json_t *line = next_line(&at); line != NULL; line = next_line(&at)) {
        const json_int_t suppressed =
            json_object_get(line, "suppressed") == NULL ? 0 : number_of(line, "suppressed");
        accounted += 1 + suppressed;
        last_told = suppressed > 0;
        lines++;
        json_decref(line);
    }
    assert_int_equal(accounted, CALLS + 1);
    assert_true(last_told);
    assert_true(lines >= 11 && lines < CALLS / 10);
    assert_int_equal(atomic_load(&site.suppressed), 0);
    free(text);
}

static void *stop_logging(void *argument)
{
    assert_true(hulse_log_stop());
    return argument;
}

/* A reader that stops: the ring fills, lines are dropped, and it is said how many. */
static void test_a_full_ring_drops_and_counts(void **state)
{
    enum { CALLS = 20000 };
    static struct log_site site = {.event = "flood", .level = HULSE_LOG_INFO};
    int ends[2];
    const int saved = dup(STDERR_FILENO);

    (void)state;
    assert_true(saved >= 0);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    assert_true(hulse_log_thread_attach("flooder"));
    for (unsigned i = 0; i < CALLS; i++) {
        const struct log_field field = hulse_log_u64("n", i);
        hulse_log_write(&site, &field, 1);
    }
    hulse_log_thread_detach();
    /* Now the reader reads, in a thread of its own as stop waits for it. */
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_logging, NULL), 0);
    json_int_t accounted = 0;
    json_int_t last = -1;
    bool told = false;
    FILE *in = fdopen(ends[0], "r");
    char *line = NULL;
    size_t room = 0;
    while (accounted < CALLS && getline(&line, &room, in) > 0) {
        json_t *parsed = json_loads(line, 0, NULL);
        assert_non_null(parsed);
        if (strcmp(string_of(parsed, "event"), "log.dropped") == 0) {
            assert_string_equal(string_of(parsed, "thread"), "flooder");
            accounted += number_of(parsed, "lines");
            told = true;
        } else {
            assert_true(number_of(parsed, "n") > last);
            last = number_of(parsed, "n");
            accounted++;
        }
        json_decref(parsed);
    }
    assert_int_equal(pthread_join(stopper, NULL), 0);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    assert_int_equal(accounted, CALLS);
    assert_true(told);
    free(line);
    (void)fclose(in);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
}

enum { PER_THREAD = 3000, THREADS = 2 };

static void *log_some(void *argument)
{
    static struct log_site site = {.event = "many", .level = HULSE_LOG_INFO};
    const size_t *thread = argument;
    char name[16];

    (void)snprintf(name, sizeof(name), "t%zu", *thread);
    if (!hulse_log_thread_attach(name)) {
        return NULL;
    }
    for (unsigned i = 0; i < PER_THREAD; i++) {
        const struct log_field fields[] = {
            hulse_log_u64("n", i),
            hulse_log_str("pad", "some text of the length that log texts have"),
        };
        hulse_log_write(&site, fields, COUNT_OF(fields));
        if (i % 100 == 0) {
            const struct timespec pause = {.tv_nsec = 200000};
            (void)nanosleep(&pause, NULL);
        }
    }
    hulse_log_thread_detach();
    return argument;
}

static void test_two_threads_keep_their_order_and_nothing_is_lost(void **state)
{
    pthread_t threads[THREADS];
    size_t numbers[THREADS];

    (void)state;
    const struct capture c = capture_begin();
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_some, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    assert_true(hulse_log_stop());
    char *text = capture_end(&c);
    char *at = text;
    json_int_t next[THREADS] = {0};

    for (json_t *line = next_line(&at); line != NULL; line = next_line(&at)) {
        const size_t thread = (size_t)(string_of(line, "thread")[1] - '0');
        assert_true(thread < THREADS);
        if (strcmp(string_of(line, "event"), "log.dropped") == 0) {
            next[thread] += number_of(line, "lines");
        } else {
            assert_true(number_of(line, "n") < PER_THREAD);
            next[thread]++;
        }
        json_decref(line);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(next[i], PER_THREAD);
    }
    free(text);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
}

/* Lines of two threads that lie in the rings together come out in the order of their times. */
static void test_a_round_is_in_the_order_of_time(void **state)
{
    struct log_ring *a = hulse_log_ring_create("a");
    struct log_ring *b = hulse_log_ring_create("b");

    (void)state;
    const struct capture c = capture_begin();
    assert_true(hulse_log_writer_add(a) && hulse_log_writer_add(b));
    for (uint64_t n = 0; n < 100; n++) {
        union log_record_room room;
        assert_true(hulse_log_ring_put(n % 3 == 0 ? a : b, numbered(&room, n, 1)) != 0);
    }
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    hulse_log_writer_close(a);
    hulse_log_writer_close(b);
    assert_true(hulse_log_stop());
    char *text = capture_end(&c);
    char *at = text;

    for (json_int_t n = 0; n < 100; n++) {
        json_t *line = next_line(&at);
        assert_non_null(line);
        assert_int_equal(number_of(line, "n"), n);
        assert_string_equal(string_of(line, "thread"), n % 3 == 0 ? "a" : "b");
        json_decref(line);
    }
    assert_null(next_line(&at));
    free(text);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
}

/* A line that comes while the log thread sleeps without a timer wakes it. */
static void test_a_sleeping_writer_is_woken(void **state)
{
    int ends[2];
    const int saved = dup(STDERR_FILENO);

    (void)state;
    assert_true(saved >= 0);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    assert_true(hulse_log_thread_attach("main"));
    for (unsigned i = 0; i < 20; i++) {
        char line[1024];
        HULSE_LOG_STATE("ping", hulse_log_u64("i", i));
        /* Blocks for ever when the wake-up is lost; the watchdog ends the test then. */
        assert_true(read(ends[0], line, sizeof(line)) > 0);
        const struct timespec longer_than_a_nap = {.tv_nsec = 25000000};
        (void)nanosleep(&longer_than_a_nap, NULL);
    }
    hulse_log_thread_detach();
    assert_true(hulse_log_stop());
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    assert_int_equal(close(ends[0]), 0);
}

/* The sum of all that the lines tell was dropped; there are no others. */
static json_int_t told_dropped(char *text)
{
    json_int_t sum = 0;

    for (json_t *line = next_line(&text); line != NULL; line = next_line(&text)) {
        assert_string_equal(string_of(line, "event"), "log.dropped");
        sum += number_of(line, "lines");
        json_decref(line);
    }
    return sum;
}

/* A stderr that takes nothing loses lines, and the daemon goes on; later it is said how many. */
static void test_a_broken_stderr_loses_lines_only(void **state)
{
    enum {
        CALLS = 20000 /* enough for drops by the ring as well, whose reports are lost, too */
    };
    static struct log_site site = {.event = "unheard", .level = HULSE_LOG_INFO};
    const int saved = dup(STDERR_FILENO);
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(saved >= 0 && full >= 0);
    assert_true(dup2(full, STDERR_FILENO) >= 0);
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    assert_true(hulse_log_thread_attach("main"));
    for (unsigned i = 0; i < CALLS; i++) {
        const struct log_field field = hulse_log_u64("n", i);
        hulse_log_write(&site, &field, 1);
    }
    assert_true(hulse_log_stop());
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    const struct capture c = capture_begin();
    assert_true(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON));
    hulse_log_thread_detach();
    assert_true(hulse_log_stop());
    char *text = capture_end(&c);
    assert_int_equal(told_dropped(text), CALLS);
    free(text);
    assert_int_equal(close(saved), 0);
    assert_int_equal(close(full), 0);
}

static void test_no_memory_for_a_ring_is_a_refusal(void **state)
{
    (void)state;
    hulse_mem_init(1000);
    assert_false(hulse_log_thread_attach("main"));
    hulse_mem_init(SIZE_MAX);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_before_start_and_after_stop_are_written),
        cmocka_unit_test(test_stop_does_not_wait_for_a_reader),
        cmocka_unit_test(test_a_site_is_limited_and_says_what_it_suppressed),
        cmocka_unit_test(test_a_full_ring_drops_and_counts),
        cmocka_unit_test(test_two_threads_keep_their_order_and_nothing_is_lost),
        cmocka_unit_test(test_a_round_is_in_the_order_of_time),
        cmocka_unit_test(test_a_sleeping_writer_is_woken),
        cmocka_unit_test(test_a_broken_stderr_loses_lines_only),
        cmocka_unit_test(test_no_memory_for_a_ring_is_a_refusal),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
