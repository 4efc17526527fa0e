/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_name - {persistent|non-persistent}://tenant/namespace/name, and its short form.
 *
 * Threads: pure functions. Limits: full name <= HULSE_TOPIC_NAME_MAX - 1 bytes.
 */
#ifndef HULSE_TABLE_TOPIC_NAME_H
#define HULSE_TABLE_TOPIC_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define HULSE_TOPIC_NAME_MAX 1088U

struct topic_name {
    char full[HULSE_TOPIC_NAME_MAX]; /* terminated */
    bool persistent;
    /* Offsets into full. */
    unsigned tenant_at;
    unsigned namespace_at;
    unsigned name_at;
};

/*
 * Parses a full name, `tenant/namespace/name`, or a short name, which is completed by
 * `persistent://` and default_namespace ("tenant/namespace"). Valid UTF-8 without control
 * characters; no empty part. False with *why set to a static string.
 */
bool hulse_topic_name_parse(struct topic_name *out,
                            const char *text,
                            const char *default_namespace,
                            const char **why);

/* Of a full name: its topic stores messages. */
bool hulse_topic_keeps(const char *topic);
/* Of "…-partition-N" the bytes of the topic that it belongs to; of another name all. */
size_t hulse_topic_base_bytes(const char *topic);

#endif
