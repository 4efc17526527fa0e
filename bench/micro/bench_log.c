/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_log - what a line costs the thread that logs: off, suppressed, and written while the log
 * thread formats beside it.
 *
 * Conservation: lines that came out, and those that the log says it dropped, are those that went in.
 */
#include "bench/micro/micro.h"
#include "daemon/core/log.h"

#include <sys/mman.h>

enum {
    BURST = 64, /* lines of one burst, fewer than a ring holds */
    PAUSE_NS = 200000
};

struct scene {
    int saved;
    int file;
    uint64_t written;
};

static void off(void *argument, uint64_t ops)
{
    (void)argument;
    for (uint64_t i = 0; i < ops; i++) {
        HULSE_LOG_DEBUGF("bench.off", hulse_log_u64("i", i));
    }
}

static void suppressed(void *argument, uint64_t ops)
{
    static struct log_site site = {.event = "bench.limited", .level = HULSE_LOG_INFO};
    struct scene *s = argument;

    site.per_second = 1;
    for (uint64_t i = 0; i < ops; i++) {
        const struct log_field field = hulse_log_u64("i", i);
        const uint64_t before = atomic_load_explicit(&site.suppressed, memory_order_relaxed);
        hulse_log_write(&site, &field, 1);
        /* A second has begun: one line passed. */
        s->written += atomic_load_explicit(&site.suppressed, memory_order_relaxed) <= before;
    }
}

static struct log_site written_site = {.event = "bench.line", .level = HULSE_LOG_INFO};

static void write_line(uint64_t i)
{
    const struct log_field fields[] = {
        hulse_log_u64("session", i),
        hulse_log_str("peer", "orders-service"),
        hulse_log_i64("why", -7),
    };

    hulse_log_write(&written_site, fields, 3);
}

static void flat_out(void *argument, uint64_t ops)
{
    struct scene *s = argument;

    for (uint64_t i = 0; i < ops; i++) {
        write_line(i);
    }
    s->written += ops;
}

/* Bursts that fit the ring, with time to drain it: only the calls are timed. */
static double bursts(struct scene *s, uint64_t ops)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    uint64_t spent_ns = 0;

    for (uint64_t i = 0; i < ops; i += BURST) {
        const uint64_t begun_ns = micro_now_ns();
        for (uint64_t k = 0; k < BURST; k++) {
            write_line(i + k);
        }
        spent_ns += micro_now_ns() - begun_ns;
        s->written += BURST;
        (void)nanosleep(&pause, NULL);
    }
    return (double)spent_ns / (double)ops;
}

/* Lines in the file, those counted that it says were dropped. */
static uint64_t accounted(int file, uint64_t *dropped)
{
    FILE *in = fdopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    uint64_t lines = 0;

    micro_require(in != NULL && fseek(in, 0, SEEK_SET) == 0, "the log's file");
    while (getline(&line, &room, in) > 0) {
        const char *number = strstr(line, "\"lines\":");
        if (strstr(line, "\"log.dropped\"") != NULL && number != NULL) {
            *dropped += strtoull(number + strlen("\"lines\":"), NULL, 10);
        } else {
            lines++;
        }
    }
    free(line);
    (void)fclose(in);
    return lines + *dropped;
}

int main(int argc, char **argv)
{
    struct scene s = {.saved = dup(STDERR_FILENO), .file = memfd_create("log", MFD_CLOEXEC)};
    struct micro m;
    uint64_t dropped = 0;

    micro_begin(&m, "log", argc, argv);
    printf("  3 fields, bursts of %d every %d us\n", BURST, PAUSE_NS / 1000);
    micro_require(s.saved >= 0 && s.file >= 0 && dup2(s.file, STDERR_FILENO) >= 0, "stderr");
    micro_require(hulse_log_start(HULSE_LOG_INFO, HULSE_LOG_JSON), "log thread");
    micro_require(hulse_log_thread_attach("bench"), "ring");
    const uint64_t ops = micro_ops(&m, 100032, 640);
    micro_add(&m, "burst", ops, bursts(&s, ops));
    micro_run(&m, "flat_out", micro_ops(&m, 100000, 1000), flat_out, &s);
    micro_run(&m, "suppressed", micro_ops(&m, 5000000, 10000), suppressed, &s);
    micro_run(&m, "off", micro_ops(&m, 50000000, 10000), off, &s);
    hulse_log_thread_detach();
    hulse_log_stop();
    micro_require(dup2(s.saved, STDERR_FILENO) >= 0 && close(s.saved) == 0, "stderr back");
    micro_require(accounted(s.file, &dropped) == s.written, "lines in, lines out or dropped");
    printf("  %" PRIu64 " lines, %" PRIu64 " of them dropped by a full ring\n", s.written, dropped);
    return micro_end(&m);
}
