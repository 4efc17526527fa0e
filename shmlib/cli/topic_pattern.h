/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_pattern - topics of one namespace by a regular expression.
 *
 * POSIX extended, of the whole name behind the namespace. Back references and repetition counts, which could cost any time
 * and memory, are refused; without them a match costs the length of the name times that of the expression.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_CLI_TOPIC_PATTERN_H
#define HULSE_CLI_TOPIC_PATTERN_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#define HULSE_CLI_PATTERN_BYTES_MAX 512U

struct hulse_cli_topic_pattern {
    char *space;          /* "persistent://TENANT/NAMESPACE/" */
    char *namespace_name; /* "TENANT/NAMESPACE" */
    regex_t regex;
};

/*
 * `text` is [persistent://|non-persistent://]TENANT/NAMESPACE/REGEX; REGEX alone is of persistent://public/default. False:
 * *why, static, says what is wrong, and there is nothing to free.
 */
bool hulse_cli_topic_pattern_parse(const char *text,
                                   struct hulse_cli_topic_pattern *out,
                                   const char **why);
void hulse_cli_topic_pattern_free(struct hulse_cli_topic_pattern *p);
/* Of a full name. Topics of the broker's own, whose names begin with two underscores, match nothing. */
bool hulse_cli_topic_pattern_match(const struct hulse_cli_topic_pattern *p, const char *topic);

#endif
