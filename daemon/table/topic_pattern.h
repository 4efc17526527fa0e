/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_pattern - topics of one namespace by a regular expression, as Pulsar's clients have them.
 *
 * The text is [persistent://|non-persistent://]TENANT/NAMESPACE/REGEX, or REGEX alone of the default namespace. Tenant and
 * namespace stand for themselves; the expression (name_regex.h) is of the whole name behind them. Topics of a system's own,
 * whose names begin with two underscores, match nothing.
 *
 * Threads: an object has one owner.
 */
#ifndef HULSE_TABLE_TOPIC_PATTERN_H
#define HULSE_TABLE_TOPIC_PATTERN_H

#include "daemon/table/name_regex.h"

#include <stdbool.h>
#include <stddef.h>

#define TOPIC_PATTERN_BYTES_MAX 1023U

enum topic_pattern_mode {
    TOPIC_PATTERN_PERSISTENT = 0,
    TOPIC_PATTERN_NON_PERSISTENT,
    TOPIC_PATTERN_ALL
};

struct topic_pattern {
    struct name_regex *regex;
    enum topic_pattern_mode mode;
    char space[TOPIC_PATTERN_BYTES_MAX + 1]; /* "TENANT/NAMESPACE" */
    /* The same for a broker, of names without a scheme: "TENANT/NAMESPACE/REGEX". */
    char remote[TOPIC_PATTERN_BYTES_MAX + NAME_REGEX_BYTES_MAX + sizeof("/(?:)")];
};

/*
 * A scheme in front of it says the mode, ALL excepted, and one that says otherwise is refused. False: *why, static, says
 * what is wrong, and there is nothing to free.
 */
bool hulse_topic_pattern_parse(struct topic_pattern *out,
                               const char *text,
                               enum topic_pattern_mode mode,
                               const char *default_namespace,
                               const char **why);
void hulse_topic_pattern_free(struct topic_pattern *p);
/* Of a full name. */
bool hulse_topic_pattern_match(const struct topic_pattern *p, const char *topic);

#endif
