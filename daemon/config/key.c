/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - see key.h. The table is in the order in which --print-config prints it.
 */
#include "daemon/config/key.h"

#include "daemon/config/cpu_list.h"

#include <assert.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define US 1000ULL
#define MS (1000ULL * US)
#define SECOND (1000ULL * MS)
#define DAY (86400ULL * SECOND)

/* shmlib/ring/layout.h has the same; control asserts it. */
#define RING_BYTES_MIN (64 * KIB)
#define RING_BYTES_MAX (64 * MIB)

/* Shorter than this a path cannot be mistyped for another one. */
#define PATH_BYTES_MAX 64U

/* Stands for workers.count. */
#define SHORT_FORM "workers"

/* A text that can appear in names, logs and YAML. */
static bool valid_text(const char *text, const char **why)
{
    /* jansson accepts UTF-8 and nothing else. */
    json_t *string = json_string(text);

    *why = "UTF-8 without control characters is expected";
    if (string == NULL) {
        return false;
    }
    json_decref(string);
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool valid_socket(const char *text, const char **why)
{
    if (!valid_text(text, why)) {
        return false;
    }
    *why = "an absolute path that does not end in a slash is expected";
    return text[0] == '/' && text[strlen(text) - 1] != '/';
}

static bool valid_cpus(const char *text, const char **why)
{
    cpu_set_t set;

    return hulse_cpu_list_parse(text, &set, why);
}

static bool valid_namespace(const char *text, const char **why)
{
    const char *slash = strchr(text, '/');

    if (!valid_text(text, why)) {
        return false;
    }
    *why = "TENANT/NAMESPACE is expected";
    return slash != NULL && slash != text && slash[1] != '\0' && strchr(slash + 1, '/') == NULL &&
           strchr(text, ' ') == NULL;
}

static const char *const spin_names[] = {"auto", "off", "busy", NULL};
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_names[] = {"json", "text", NULL};
static const char *const broker_names[] = {"local", "null", NULL};

#define AT(member) .offset = offsetof(struct config, member)
#define TEXT_AT(member) AT(member), .bytes = sizeof(((struct config *)NULL)->member)

/* clang-format off */
static const struct key table[] = {
    {"name", KEY_STRING, KEY_RESTART, TEXT_AT(name), .valid = valid_text,
     .help = "this daemon in logs, producer names and metrics; default: the host's name"},

    {"workers.count", KEY_COUNT, KEY_AUTO | KEY_RESTART, AT(workers.count), .min = 1, .max = 64,
     .fallback = "auto", .help = "worker threads; auto = half the usable CPUs, 1 to 8"},
    {"workers.pin", KEY_BOOL, KEY_RESTART, AT(workers.pin), .fallback = "false",
     .help = "one CPU for each worker"},
    {"workers.cpus", KEY_STRING, KEY_NULL | KEY_RESTART, TEXT_AT(workers.cpus),
     .valid = valid_cpus, .fallback = "null",
     .help = "CPUs that the daemon may use; null = all it was given"},

    {"spin.mode", KEY_ENUM, KEY_RESTART, AT(spin.mode), .names = spin_names, .fallback = "auto",
     .help = "polling before sleeping: measured, never, or always (needs CPUs of its own)"},
    {"spin.min", KEY_DURATION, KEY_RESTART, AT(spin.min_ns), .min = 0, .max = 10 * MS,
     .fallback = "2us", .help = "lower bound of the measured window"},
    {"spin.max", KEY_DURATION, KEY_RESTART, AT(spin.max_ns), .min = 0, .max = 10 * MS,
     .fallback = "50us", .help = "upper bound of the measured window"},

    {"session.publish_ring", KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.publish_ring),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "512KiB",
     .help = "default ring of a publisher's channel"},
    {"session.deliver_ring", KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.deliver_ring),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "512KiB",
     .help = "default ring of a consumer's deliveries"},
    {"session.receipts", KEY_COUNT, KEY_POWER2 | KEY_RESTART, AT(session.receipts),
     .min = 2048, .max = 1U << 20, .fallback = "4096",
     .help = "default number of unread receipts of a channel"},
    {"session.verdict_ring", KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.verdict_ring),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "128KiB",
     .help = "default ring of a consumer's verdicts"},
    {"session.unacked_max", KEY_COUNT, KEY_RESTART, AT(session.unacked_max),
     .min = 1, .max = 1000000, .fallback = "10000",
     .help = "messages of a consumer without a verdict"},
    {"session.ring_max", KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.ring_max),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "32MiB",
     .help = "largest ring that an application may ask for"},
    {"session.receipts_max", KEY_COUNT, KEY_POWER2 | KEY_RESTART, AT(session.receipts_max),
     .min = 2048, .max = 1U << 20, .fallback = "65536",
     .help = "most unread receipts that an application may ask for"},
    {"session.channels_max", KEY_COUNT, KEY_RESTART, AT(session.channels_max),
     .min = 1, .max = 4096, .fallback = "64", .help = "channels of one session"},
    {"session.memory_max", KEY_SIZE, KEY_RESTART, AT(session.memory_max),
     .min = MIB, .max = 64 * GIB, .fallback = "256MiB",
     .help = "rings and tables of one session"},
    {"session.sessions_max", KEY_COUNT, KEY_RESTART, AT(session.sessions_max),
     .min = 1, .max = 65536, .fallback = "1024", .help = "sessions of the daemon"},

    {"memory_max", KEY_SIZE, KEY_AUTO | KEY_RESTART, AT(memory_max),
     .min = 16 * MIB, .max = 1024 * GIB, .fallback = "auto",
     .help = "hard cap for everything; auto = a quarter of the cgroup limit, at most 512MiB"},
    {"message_max", KEY_SIZE, KEY_RESTART, AT(message_max),
     .min = KIB, .max = 256 * MIB, .fallback = "5MiB",
     .help = "largest payload of one message"},
    {"topics_max", KEY_COUNT, KEY_RESTART, AT(topics_max), .min = 1, .max = 10000000,
     .fallback = "100000", .help = "topics that the daemon knows at one time"},
    {"drain_timeout", KEY_DURATION, KEY_RESTART, AT(drain_timeout_ns),
     .min = 0, .max = DAY, .fallback = "25s",
     .help = "time between TERM and exit while sessions are open"},

    {"log.level", KEY_ENUM, KEY_RESTART, AT(log.level), .names = level_names, .fallback = "info",
     .help = "least severe level that is written"},
    {"log.format", KEY_ENUM, KEY_RESTART, AT(log.format), .names = format_names,
     .fallback = "json", .help = "one JSON object per line, or text for people"},

    {"listen.socket", KEY_STRING, KEY_RESTART, TEXT_AT(listen.socket), .valid = valid_socket,
     .help = "socket for applications"},
    {"listen.mode", KEY_MODE, KEY_RESTART, AT(listen.mode), .fallback = "0660",
     .help = "its file mode"},
    {"listen.group", KEY_STRING, KEY_NULL | KEY_RESTART, TEXT_AT(listen.group),
     .valid = valid_text, .fallback = "null", .help = "its group, by name or number"},
    {"listen.admin_socket", KEY_STRING, KEY_RESTART, TEXT_AT(listen.admin_socket),
     .valid = valid_socket, .help = "socket for administration, mode 0600"},

    {"default_broker", KEY_ENUM, KEY_RESTART, AT(default_broker), .names = broker_names,
     .fallback = "local", .help = "broker of every topic that no rule sends elsewhere"},
    {"default_namespace", KEY_STRING, KEY_RESTART, TEXT_AT(default_namespace),
     .valid = valid_namespace, .fallback = "public/default",
     .help = "completes short topic names"},
};
/* clang-format on */

#define KEY_COUNT_OF_TABLE (sizeof(table) / sizeof(table[0]))
static_assert(KEY_COUNT_OF_TABLE <= HULSE_CONFIG_KEYS_MAX,
              "struct config has room for all origins");

size_t hulse_key_count(void)
{
    return KEY_COUNT_OF_TABLE;
}

const struct key *hulse_key_at(size_t index)
{
    return index < KEY_COUNT_OF_TABLE ? &table[index] : NULL;
}

const struct key *hulse_key_find(const char *path)
{
    const char *full = strcmp(path, SHORT_FORM) == 0 ? "workers.count" : path;

    for (size_t i = 0; i < KEY_COUNT_OF_TABLE; i++) {
        if (strcmp(table[i].path, full) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein distance; both are shorter than PATH_BYTES_MAX. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[PATH_BYTES_MAX];
    const size_t b_bytes = strlen(b);

    for (size_t j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            const size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_bytes];
}

const char *hulse_key_nearest(const char *path)
{
    const size_t bytes = strlen(path);
    const char *nearest = "";
    size_t best = 2 + bytes / 4; /* further away nothing is meant */

    if (bytes >= PATH_BYTES_MAX) {
        return nearest;
    }
    const size_t short_form = edit_distance(path, SHORT_FORM);
    if (short_form <= best) {
        best = short_form;
        nearest = SHORT_FORM;
    }
    for (size_t i = 0; i < KEY_COUNT_OF_TABLE; i++) {
        const char *dot = strrchr(table[i].path, '.');
        size_t distance = edit_distance(path, table[i].path);
        if (dot != NULL && strchr(path, '.') == NULL) {
            /* Somebody may have left out the group. */
            const size_t last = edit_distance(path, dot + 1) + 1;
            distance = last < distance ? last : distance;
        }
        if (distance <= best && (distance < best || *nearest == '\0')) {
            best = distance;
            nearest = table[i].path;
        }
    }
    return nearest;
}
