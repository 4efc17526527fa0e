/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - structured lines: event name first, then key=value; formatted by a thread of its own.
 *
 * The caller fills a fixed record in its thread's ring; the log thread formats and writes it to
 * stderr as JSON or text. A full ring drops the record and counts it; each call site is limited in
 * rate and says how many it suppressed. Never payloads, tokens or keys; peer strings are escaped.
 *
 * Threads: any thread that called hulse_log_thread_attach(); others write directly.
 * Limits:  HULSE_LOG_FIELDS_MAX fields, strings cut at HULSE_LOG_TEXT_BYTES.
 */
#ifndef HULSE_CORE_LOG_H
#define HULSE_CORE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_LOG_FIELDS_MAX 8U
#define HULSE_LOG_TEXT_BYTES 120U
#define HULSE_LOG_STOP_MS 1000U

enum log_level {
    HULSE_LOG_ERROR = 0, /* a person must act */
    HULSE_LOG_WARN,      /* degraded, recovering */
    HULSE_LOG_INFO,      /* state changes */
    HULSE_LOG_DEBUG      /* off in production */
};
enum log_format { HULSE_LOG_JSON = 0, HULSE_LOG_TEXT };
enum log_kind { HULSE_LOG_U64, HULSE_LOG_I64, HULSE_LOG_STRING };

struct log_field {
    const char *key; /* static */
    enum log_kind kind;
    uint64_t number;
    const char *text; /* borrowed until the call returns */
    size_t text_bytes;
};

/* One per call site, static. */
struct log_site {
    const char *event; /* static, e.g. "session.closed" */
    enum log_level level;
    uint32_t per_second;      /* 0 = unlimited (state changes) */
    _Atomic(uint64_t) window; /* second counted in, and lines in it */
    _Atomic(uint64_t) suppressed;
};

/* Starts the log thread; before it lines go straight to stderr. */
bool hulse_log_start(enum log_level level, enum log_format format);
/*
 * Writes everything and ends the thread. False: whoever reads stderr has taken nothing for
 * HULSE_LOG_STOP_MS; the thread is left with what it holds, and another stop may find it ended.
 */
bool hulse_log_stop(void);
void hulse_log_level_set(enum log_level level);
/* Gives the calling thread a ring, named in each line. False: too many threads, or no memory. */
bool hulse_log_thread_attach(const char *name);
void hulse_log_thread_detach(void);
void hulse_log_write(struct log_site *site, const struct log_field *fields, size_t count);
bool hulse_log_enabled(enum log_level level);

static inline struct log_field hulse_log_u64(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .kind = HULSE_LOG_U64, .number = value};
}

static inline struct log_field hulse_log_i64(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = HULSE_LOG_I64, .number = (uint64_t)value};
}

/* A terminated string; NULL is written as an empty one. */
struct log_field hulse_log_str(const char *key, const char *value);
struct log_field hulse_log_bytes(const char *key, const void *value, size_t bytes);

#define HULSE_LOG_AT(level_, per_second_, event_, ...)                                             \
    do {                                                                                           \
        if (hulse_log_enabled(level_)) {                                                           \
            static struct log_site site_ = {                                                       \
                .event = (event_), .level = (level_), .per_second = (per_second_)};                \
            const struct log_field fields_[] = {__VA_ARGS__};                                      \
            _Static_assert(sizeof(fields_) / sizeof(fields_[0]) <= HULSE_LOG_FIELDS_MAX,           \
                           "too many fields");                                                     \
            hulse_log_write(&site_, fields_, sizeof(fields_) / sizeof(fields_[0]));                \
        }                                                                                          \
    } while (0)

/* Each takes at least one field. */
#define HULSE_LOG_ERRORF(event_, ...) HULSE_LOG_AT(HULSE_LOG_ERROR, 10, event_, __VA_ARGS__)
#define HULSE_LOG_WARNF(event_, ...) HULSE_LOG_AT(HULSE_LOG_WARN, 10, event_, __VA_ARGS__)
#define HULSE_LOG_INFOF(event_, ...) HULSE_LOG_AT(HULSE_LOG_INFO, 100, event_, __VA_ARGS__)
#define HULSE_LOG_DEBUGF(event_, ...) HULSE_LOG_AT(HULSE_LOG_DEBUG, 1000, event_, __VA_ARGS__)
#define HULSE_LOG_STATE(event_, ...) HULSE_LOG_AT(HULSE_LOG_INFO, 0, event_, __VA_ARGS__)

#endif
