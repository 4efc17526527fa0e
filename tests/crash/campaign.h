/* SPDX-License-Identifier: Apache-2.0 */
/*
 * campaign - one crash run: starts the daemon, a publisher and a consumer, kills at random instants,
 * starts again, and has the ledgers audited at the end.
 */
#ifndef HULSE_TESTS_CRASH_CAMPAIGN_H
#define HULSE_TESTS_CRASH_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>

enum campaign_victim {
    CAMPAIGN_DAEMON = 1,
    CAMPAIGN_PUBLISHER = 2,
    CAMPAIGN_CONSUMER = 4,
    CAMPAIGN_BOTH = 8 /* the daemon and the publisher at once */
};

struct campaign_wishes {
    const char *topic;
    unsigned seed;
    unsigned kills;
    unsigned victims; /* one of them is drawn for each kill */
    uint64_t messages;
    uint32_t body_bytes;
    uint32_t window;
    uint32_t pause_ms_max; /* between two kills */
    uint32_t patience_ms;
    bool exact; /* no second copy may arrive */
    uint32_t
        share; /* not 0: a slow consumer, and so many bytes of another topic for each of its messages */
    bool idle;                      /* S8: the publisher makes no call while the daemon is away */
    bool loses;                     /* the negative control: stored messages must be missing */
    bool keeps;                     /* the directory is left for who wants to look */
    const char *const *settings;    /* of the daemon, see daemon_process.h */
    const char *const *environment; /* of the daemon, may be NULL */
    /* Between a kill of the daemon and its next start; `dir` is its directory. May be NULL. */
    bool (*after_kill)(void *ctx, const char *dir);
    void *ctx;
};

/* Prints the ledgers' sums. True: nothing is wrong. */
bool hulse_campaign_run(const struct campaign_wishes *wishes);

#endif
