/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender - publishes messages in order, keeps the window full and counts the verdicts.
 *
 * The window is the ring: a message waits for room as long as it takes, or up to the timeout that
 * was asked for. With ids wanted every message has a receipt, read as they come; without, failures
 * are counted by the daemon and asked for at the end.
 *
 * Threads: one.
 */
#ifndef HULSE_CLI_SENDER_H
#define HULSE_CLI_SENDER_H

#include "shmlib/cli/cli.h"
#include "shmlib/cli/connect.h"

enum hulse_cli_wait_for { HULSE_CLI_WAIT_STORED, HULSE_CLI_WAIT_ACCEPTED };

struct hulse_cli_sender {
    bool away; /* the daemon; hulse_cli_presence() */
    struct hulse_cli *cli;
    hulse_session *session;
    hulse_producer *producer;
    bool receipts; /* mode full */
    bool ids;      /* print them */
    enum hulse_cli_wait_for wait_for;
    double rate; /* per second, 0 = as fast as it goes */
    double started_ms;
    uint64_t attempts;   /* messages begun, for the rate */
    uint64_t accepted;   /* are in the ring or have been */
    uint64_t answered;   /* of these, have their verdict */
    uint64_t failed;     /* of those accepted */
    uint64_t refused;    /* never accepted */
    uint64_t unknown;    /* accepted, and no verdict came */
    uint64_t unusable;   /* of failed and refused, because of what they are */
    unsigned told;       /* failures that were described */
    hulse_status broken; /* not OK: the session is of no use any more */
};

/* Returns when the message is in the ring or has failed, or a signal came. */
void hulse_cli_sender_publish(struct hulse_cli_sender *s,
                              const void *data,
                              size_t bytes,
                              const struct hulse_meta *meta);
/* Counts a message that could not even be tried. */
void hulse_cli_sender_refuse(struct hulse_cli_sender *s, const char *what, const char *why);
/* Makes what was published visible and sleeps as hulse_cli_sleep(); takes receipts. */
void hulse_cli_sender_sleep(struct hulse_cli_sender *s, struct hulse_cli_sleep *what);
/* Waits for the verdicts of everything; for those that do not come the fate is unknown. */
void hulse_cli_sender_finish(struct hulse_cli_sender *s);

#endif
