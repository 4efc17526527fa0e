/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - see options.h. One table row per option: its value's kind, range, modes and member.
 */
#include "bench/options.h"

#include "bench/record.h"
#include "bench/workload.h"
#include "daemon/config/value.h"
#include "shmlib/ring/layout.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MS 1000000ULL
#define DAEMON_MODES (BENCH_NULL | BENCH_LOCAL | BENCH_TUNE | BENCH_DISK_MODES)
#define ALL_MODES (BENCH_RING | DAEMON_MODES)
#define LOAD_MODES (BENCH_NULL | BENCH_LOCAL | BENCH_DURABLE) /* as many processes as wanted */
#define TIMED_MODES (BENCH_RING | BENCH_TUNE | LOAD_MODES | BENCH_SYNC)
#define DEFAULT_FLUSH 16U
#define RING_MIN ((uint64_t)(HULSE_RING_BYTES_MIN))
#define RING_MAX ((uint64_t)(HULSE_RING_BYTES_MAX))

enum kind {
    KIND_COUNT,
    KIND_BYTES,
    KIND_DURATION,
    KIND_TEXT,
    KIND_SET,
    KIND_CHOICE,
    KIND_TRUE,
    KIND_FALSE
};

struct option {
    const char *name;
    const char *value; /* shown in the help; NULL = takes none */
    const char *help;
    unsigned modes;
    enum kind kind;
    size_t offset;
    size_t bytes; /* of the member */
    uint64_t min;
    uint64_t max;
    const char *const *choices; /* ends with NULL; the member becomes the index */
};

static const char *const wait_names[] = {"stored", "accepted", NULL};
static const char *const beside_names[] = {"nobody", "busy", "bells", "control", "garbage", NULL};
static const char *const transport_names[] = {"shm", NULL};

#define AT(m) offsetof(struct bench_options, m), sizeof(((struct bench_options *)NULL)->m)
#define NOWHERE 0, 0

/* clang-format off */
static const struct option table[] = {
    {"size", "BYTES", "payload of a message; default 64; with a disk 1KiB or 128", ALL_MODES, KIND_BYTES, AT(size), BENCH_RECORD_BYTES_MIN, BENCH_SIZE_MAX, NULL},
    {"count", "N", "messages in all, instead of --duration; restart: in the log, default 1000000", BENCH_RING | LOAD_MODES | BENCH_SYNC | BENCH_RESTART, KIND_COUNT, AT(count), 1, 1ULL << 40, NULL},
    {"duration", "D", "length of a run; default 2s", TIMED_MODES, KIND_DURATION, AT(duration_ns), 10 * MS, 3600000 * MS, NULL},
    {"warmup", "D", "run before it, verified but not measured; default 200ms", TIMED_MODES, KIND_DURATION, AT(warmup_ns), 0, 600000 * MS, NULL},
    {"publishers", "N", "publishing processes; default 1", LOAD_MODES, KIND_COUNT, AT(publishers), 1, BENCH_WORKERS_MAX, NULL},
    {"consumers", "N", "consuming processes; default 1, durable: none", BENCH_LOCAL | BENCH_DURABLE, KIND_COUNT, AT(consumers), 0, BENCH_WORKERS_MAX, NULL},
    {"topics", "N", "publishers and consumers take turns; default 1", LOAD_MODES, KIND_COUNT, AT(topics), 1, BENCH_WORKERS_MAX, NULL},
    {"keys", "N", "messages carry one of N keys; default none", LOAD_MODES, KIND_COUNT, AT(keys), 0, 1000000, NULL},
    {"rate", "R", "messages per second in all; 0 = as fast as it goes", BENCH_RING | LOAD_MODES, KIND_COUNT, AT(rate), 0, 1000000000, NULL},
    {"window", "N", "in flight per publisher; default: what fits; durable: 4000; resume: 64", BENCH_RING | LOAD_MODES | BENCH_RESUME, KIND_COUNT, AT(window), 1, RING_MAX / 64, NULL},
    {"wait", "stored|accepted", "a receipt for each message, or none (default: stored; local: accepted)", BENCH_NULL | BENCH_LOCAL, KIND_CHOICE, AT(wait), 0, 0, wait_names},
    {"transport", "shm", "shared memory is the only one of these modes", ALL_MODES, KIND_CHOICE, NOWHERE, 0, 0, transport_names},
    {"ring-size", "BYTES", "ring of a publisher and of a consumer; default 512KiB, or what the window needs", BENCH_RING | LOAD_MODES, KIND_BYTES, AT(ring_bytes), RING_MIN, RING_MAX, NULL},
    {"receipts", "N", "receipt slots of a publisher; default 4096", LOAD_MODES, KIND_COUNT, AT(receipts), 2048, BENCH_RECEIPTS_MAX, NULL},
    {"flush", "N", "records between two flushes; default 16", BENCH_RING | LOAD_MODES, KIND_COUNT, AT(flush), 1, 4096, NULL},
    {"repeat", "N", "runs; the figures are medians; default 1", ALL_MODES, KIND_COUNT, AT(repeat), 1, 101, NULL},
    {"beside", "WHO", "nobody|busy|bells|control|garbage: another session meanwhile", BENCH_NULL, KIND_CHOICE, AT(beside), 0, 0, beside_names},
    {"idle", "D", "length of the idle measurement; default 2s, 0 = none", BENCH_NULL, KIND_DURATION, AT(idle_ns), 0, 600000 * MS, NULL},
    {"directory", "DIR", "the log's is made in it; default: the current one", BENCH_DISK_MODES, KIND_TEXT, AT(directory), 0, 0, NULL},
    {"kill", NULL, "end the daemon by SIGKILL, not by TERM", BENCH_RESTART, KIND_TRUE, AT(kill), 0, 0, NULL},
    {"kills", "N", "of the daemon, in one run; default 20", BENCH_RESUME, KIND_COUNT, AT(kills), 1, 10000, NULL},
    {"set", "PATH=VALUE", "for its own daemon; may be repeated", DAEMON_MODES, KIND_SET, NOWHERE, 0, 0, NULL},
    {"socket", "PATH", "use this daemon instead of its own", BENCH_NULL | BENCH_LOCAL, KIND_TEXT, AT(socket), 0, 0, NULL},
    {"hulsed", "PATH", "the daemon's program; default: beside this one, then in PATH", DAEMON_MODES, KIND_TEXT, AT(hulsed), 0, 0, NULL},
    {"no-pin", NULL, "leave the processes where the kernel puts them", ALL_MODES & ~BENCH_DISK_MODES, KIND_FALSE, AT(pin), 0, 0, NULL},
    {"no-syscalls", NULL, "leave out the pass that counts system calls", LOAD_MODES | BENCH_SYNC, KIND_FALSE, AT(syscalls), 0, 0, NULL},
    {"json", NULL, "the last line of the output is one JSON object", ALL_MODES, KIND_TRUE, AT(json), 0, 0, NULL},
};
/* clang-format on */

const char *hulse_bench_mode_name(enum bench_mode mode)
{
    switch (mode) {
    case BENCH_RING:
        return "ring";
    case BENCH_NULL:
        return "null";
    case BENCH_LOCAL:
        return "local";
    case BENCH_TUNE:
        return "tune";
    case BENCH_DURABLE:
        return "durable";
    case BENCH_SYNC:
        return "sync";
    case BENCH_RESTART:
        return "restart";
    case BENCH_RESUME:
        return "resume";
    }
    return "?";
}

const char *hulse_bench_beside_name(enum bench_beside beside)
{
    return beside_names[beside];
}

static void usage(FILE *to)
{
    (void)fputs("Usage: hulse-bench MODE [options]\n\n"
                "Modes:\n"
                "  ring    two processes and one ring, without a daemon\n"
                "  null    publisher -> daemon -> receipt, with a broker that answers at once\n"
                "  local   publisher -> daemon -> consumer over a non-persistent topic\n"
                "  tune    sweeps ring sizes and flush batches, and recommends\n"
                "  durable publisher -> daemon -> log on a disk -> receipt, and on to consumers\n"
                "  sync    the same, one message at a time, beside a bare fdatasync\n"
                "  restart how soon a daemon with messages in its log is ready\n"
                "  resume  how soon a publisher goes on when its daemon was killed\n\nOptions:\n",
                to);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char head[64];
        (void)snprintf(head,
                       sizeof head,
                       "--%s %s",
                       table[i].name,
                       table[i].value != NULL ? table[i].value : "");
        (void)fprintf(to, "  %-26s %s [", head, table[i].help);
        const char *gap = "";
        for (unsigned mode = BENCH_RING; mode <= BENCH_RESUME; mode *= 2) {
            if ((table[i].modes & mode) != 0) {
                (void)fprintf(to, "%s%s", gap, hulse_bench_mode_name((enum bench_mode)mode));
                gap = " ";
            }
        }
        (void)fputs("]\n", to);
    }
    (void)fputs("\nExit codes: 0 fine, 1 lost, doubled or out of order, 64 usage, 69 no daemon,\n"
                "74 input/output. What the figures mean: docs/benchmarks.md.\n",
                to);
}

static int refuse(const char *option, const char *value, const char *why)
{
    (void)fprintf(stderr, "hulse-bench: --%s", option);
    if (value != NULL) {
        (void)fprintf(stderr, " %s", value);
    }
    (void)fprintf(stderr, ": %s\n", why);
    return BENCH_USAGE;
}

static const struct option *find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strlen(table[i].name) == bytes && memcmp(table[i].name, name, bytes) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static void store(struct bench_options *o, const struct option *opt, uint64_t number)
{
    uint8_t *member = (uint8_t *)o + opt->offset;

    if (opt->bytes == sizeof(uint64_t)) {
        memcpy(member, &number, sizeof number);
    } else if (opt->bytes == sizeof(uint32_t)) {
        const uint32_t narrow = (uint32_t)number;
        memcpy(member, &narrow, sizeof narrow);
    } else if (opt->bytes == sizeof(bool)) {
        const bool flag = number != 0;
        memcpy(member, &flag, sizeof flag);
    }
}

static_assert(sizeof(enum bench_wait) == sizeof(uint32_t), "choices are stored as 32 bits");

static int take_choice(struct bench_options *o, const struct option *opt, const char *value)
{
    for (uint32_t i = 0; value != NULL && opt->choices[i] != NULL; i++) {
        if (strcmp(opt->choices[i], value) == 0) {
            store(o, opt, i);
            return -1;
        }
    }
    return refuse(opt->name, value, "not one of the choices of this mode");
}

static int take_number(struct bench_options *o, const struct option *opt, const char *value)
{
    uint64_t number = 0;
    const char *why = NULL;
    bool valid = false;

    if (opt->kind == KIND_DURATION) {
        valid = hulse_value_duration(value, &number, &why);
    } else if (opt->kind == KIND_BYTES) {
        valid = hulse_value_size(value, &number, &why);
    } else {
        valid = hulse_value_count(value, &number, &why);
    }
    if (!valid) {
        return refuse(opt->name, value, why);
    }
    if (number < opt->min || number > opt->max) {
        char range[96];
        const bool time = opt->kind == KIND_DURATION;
        (void)snprintf(range,
                       sizeof range,
                       "%llu to %llu%s",
                       (unsigned long long)(time ? opt->min / MS : opt->min),
                       (unsigned long long)(time ? opt->max / MS : opt->max),
                       time ? " ms" : "");
        return refuse(opt->name, value, range);
    }
    store(o, opt, number);
    return -1;
}

static int take(struct bench_options *o, const struct option *opt, const char *value)
{
    switch (opt->kind) {
    case KIND_TRUE:
    case KIND_FALSE:
        store(o, opt, opt->kind == KIND_TRUE);
        return -1;
    case KIND_TEXT:
        memcpy((uint8_t *)o + opt->offset, (const void *)&value, sizeof value);
        return -1;
    case KIND_SET:
        if (o->set_count == BENCH_SETS_MAX) {
            return refuse(opt->name, value, "too many");
        }
        o->sets[o->set_count++] = value;
        return -1;
    case KIND_CHOICE:
        return take_choice(o, opt, value);
    default:
        return take_number(o, opt, value);
    }
}

static bool power_of_two(uint64_t n)
{
    return (n & (n - 1)) == 0;
}

/* What no option can say alone. */
static int check(const struct bench_options *o)
{
    if (!power_of_two(o->ring_bytes)) {
        return refuse("ring-size", NULL, "must be a power of two");
    }
    if (!power_of_two(o->receipts)) {
        return refuse("receipts", NULL, "must be a power of two");
    }
    const uint32_t ring = hulse_bench_ring_bytes(o);
    const uint64_t record = (uint64_t)o->size + HULSE_DELIVERY_HEADER_BYTES;
    if (record > ring / 4) {
        return refuse("ring-size", NULL, "must hold four messages of --size");
    }
    if (o->topics > o->publishers) {
        return refuse("topics", NULL, "each needs a publisher: raise --publishers");
    }
    if (o->mode == BENCH_LOCAL && o->consumers == 0) {
        return refuse("consumers", "0", "a topic that keeps nothing needs one");
    }
    if (hulse_bench_receives(o) && o->topics > o->consumers) {
        return refuse("topics", NULL, "each needs a consumer: raise --consumers");
    }
    if (o->mode == BENCH_LOCAL && o->window * record > ring / 2) {
        return refuse("window", NULL, "must fit half the ring: messages beyond it are dropped");
    }
    if (o->socket != NULL && (o->set_count != 0 || o->hulsed != NULL)) {
        return refuse("socket", o->socket, "excludes --set and --hulsed");
    }
    if (o->flush > ring / 2 / record) {
        return refuse("flush", NULL, "does not fit half the ring");
    }
    return -1;
}

static enum bench_mode mode_of(const char *name)
{
    for (unsigned mode = BENCH_RING; mode <= BENCH_RESUME; mode *= 2) {
        if (strcmp(hulse_bench_mode_name((enum bench_mode)mode), name) == 0) {
            return (enum bench_mode)mode;
        }
    }
    return (enum bench_mode)0;
}

static int take_argument(struct bench_options *o, int argc, char **argv, int *at)
{
    const char *word = argv[*at];

    if (strncmp(word, "--", 2) != 0) {
        (void)fprintf(stderr, "hulse-bench: unexpected argument %s\n", word);
        return BENCH_USAGE;
    }
    word += 2;
    const size_t bytes = strcspn(word, "=");
    const struct option *opt = find(word, bytes);
    if (opt == NULL || (opt->modes & (unsigned)o->mode) == 0) {
        (void)fprintf(stderr,
                      "hulse-bench: --%.*s: no option of mode %s\n",
                      (int)bytes,
                      word,
                      hulse_bench_mode_name(o->mode));
        return BENCH_USAGE;
    }
    const char *value = word[bytes] == '=' ? word + bytes + 1 : NULL;
    if (opt->value == NULL && value != NULL) {
        return refuse(opt->name, value, "takes no value");
    }
    if (opt->value != NULL && value == NULL) {
        if (*at + 1 >= argc) {
            return refuse(opt->name, NULL, "needs a value");
        }
        *at += 1;
        value = argv[*at];
    }
    return take(o, opt, value);
}

/* What is no default of every mode. */
static void set_defaults(struct bench_options *o)
{
    if (o->mode == BENCH_LOCAL) {
        o->wait = BENCH_WAIT_ACCEPTED;
    }
    if (o->mode == BENCH_TUNE) {
        o->duration_ns = 300 * MS;
        o->warmup_ns = 50 * MS;
    }
    if ((o->mode & BENCH_DISK_MODES) == 0) {
        return;
    }
    /* Publisher, worker, writer and consumers share the CPUs as the scheduler likes it. */
    o->pin = false;
    o->size = o->mode == BENCH_DURABLE || o->mode == BENCH_RESTART ? 1024 : 128;
    o->consumers = 0;
    o->window = o->mode == BENCH_SYNC ? 1 : o->mode == BENCH_RESUME ? 64 : 4000;
    o->count = o->mode == BENCH_RESTART ? 1000000 : 0;
    o->kills = 20;
    o->syscalls = o->mode == BENCH_DURABLE || o->mode == BENCH_SYNC;
}

int hulse_bench_options(struct bench_options *o, int argc, char **argv)
{
    *o = (struct bench_options){.size = 64,
                                .duration_ns = 2000 * MS,
                                .warmup_ns = 200 * MS,
                                .idle_ns = 2000 * MS,
                                .publishers = 1,
                                .consumers = 1,
                                .topics = 1,
                                .repeat = 1,
                                .pin = true,
                                .syscalls = true};
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        (void)printf("hulse-bench %s\n", HULSE_VERSION);
        return BENCH_OK;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        usage(stdout);
        return BENCH_OK;
    }
    if (argc < 2 || mode_of(argv[1]) == 0) {
        if (argc >= 2) {
            (void)fprintf(stderr, "hulse-bench: %s: no such mode\n", argv[1]);
        }
        usage(stderr);
        return BENCH_USAGE;
    }
    o->mode = mode_of(argv[1]);
    set_defaults(o);
    for (int at = 2; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            usage(stdout);
            return BENCH_OK;
        }
        const int rc = take_argument(o, argc, argv, &at);
        if (rc >= 0) {
            return rc;
        }
    }
    if (o->flush == 0) {
        const uint64_t fits =
            hulse_bench_ring_bytes(o) / 2 / ((uint64_t)o->size + HULSE_DELIVERY_HEADER_BYTES);
        o->flush = fits < DEFAULT_FLUSH && fits != 0 ? (uint32_t)fits : DEFAULT_FLUSH;
    }
    return check(o);
}
