/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finder - topics that match patterns, those that are there and those that come, as the admin socket lists them.
 *
 * Threads: one.
 * Limits:  HULSE_CLI_TOPICS_MAX topics, HULSE_CLI_PATTERNS_MAX patterns.
 */
#ifndef HULSE_CLI_FINDER_H
#define HULSE_CLI_FINDER_H

#include "shmlib/cli/cli.h"
#include "shmlib/cli/connect.h"
#include "shmlib/cli/topic_pattern.h"

#define HULSE_CLI_PATTERNS_MAX 16
#define HULSE_CLI_TOPICS_MAX 64
/* Between two looks. */
#define HULSE_CLI_LOOK_MS 10000

struct hulse_cli_finder {
    struct hulse_cli *cli;
    struct hulse_cli_topic_pattern patterns[HULSE_CLI_PATTERNS_MAX];
    int pattern_count;
    char *found[HULSE_CLI_TOPICS_MAX]; /* full names */
    int found_count;
    int too_many; /* topics that match beyond the limit, at the last look */
    struct hulse_cli_deadline next;
};

/* HULSE_CLI_OK, or a usage error that was said. hulse_cli_finder_end() in any case. */
int hulse_cli_finder_begin(struct hulse_cli_finder *f,
                           struct hulse_cli *cli,
                           int count,
                           char **texts);
/*
 * Asks what there is; topics that were not found before are behind the first `found_count` of before. HULSE_CLI_OK, or why
 * not, which was said.
 */
int hulse_cli_finder_look(struct hulse_cli_finder *f);
/* It may be found again. The others keep their order. */
void hulse_cli_finder_forget(struct hulse_cli_finder *f, int index);
void hulse_cli_finder_end(struct hulse_cli_finder *f);

#endif
