/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_format - a record as a line of JSON or text.
 *
 *     {"ts":"2025-01-02T03:04:05.678901Z","level":"info","thread":"worker-0",
 *      "event":"session.open","session":7,"peer":"…"}                      (in one line)
 *     2025-01-02T03:04:05.678901Z info worker-0 session.open session=7 peer="…"
 *
 * Threads: any; pure.
 * Trust:   texts come from peers: control characters are escaped, invalid UTF-8 becomes U+FFFD; a
 *          text that was cut ends in U+2026.
 */
#ifndef HULSE_CORE_LOG_FORMAT_H
#define HULSE_CORE_LOG_FORMAT_H

#include "daemon/core/log_record.h"

/* The longest line: each byte of a text takes six at most; the rest is ours. */
#define HULSE_LOG_LINE_BYTES (HULSE_LOG_FIELDS_MAX * HULSE_LOG_TEXT_BYTES * 6U + 2432U)

struct log_style {
    enum log_format format;
    bool priority; /* "<6>" in front, as the journal reads it */
};

/* Writes one line with its end into `out` of HULSE_LOG_LINE_BYTES; gives its length. */
size_t hulse_log_format_line(const struct log_record *r,
                             const char *thread,
                             const struct log_style *style,
                             char *out);

#endif
