/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver - the loop that `hulse sub` and `hulse read` share: take, print, acknowledge.
 *
 * A message is acknowledged only after the write that carried it to standard output has succeeded,
 * so a reader of the pipe that goes away loses nothing.
 *
 * Threads: one; all consumers are in wait group 0.
 * Limits:  HULSE_CLI_PATTERNS_MAX patterns, or as many topics as a consumer may have.
 */
#ifndef HULSE_CLI_RECEIVER_H
#define HULSE_CLI_RECEIVER_H

#include "shmlib/cli/cli.h"
#include "shmlib/cli/connect.h"
#include "shmlib/cli/decode.h"
#include "shmlib/cli/position.h"

#define HULSE_CLI_UNWRITTEN_MAX 256U
#define HULSE_CLI_PATTERNS_MAX 16

struct hulse_cli_printed {
    hulse_consumer *consumer;
    struct hulse_id id;
};

struct hulse_cli_receiver {
    bool away; /* the daemon; hulse_cli_presence() */
    struct hulse_cli *cli;
    const char *command;
    const char *subscription; /* NULL = reader */
    enum hulse_subscription type;
    const char *type_name;
    struct hulse_cli_position from;
    hulse_consumer_options *options; /* with what was asked for; NULL: nothing was yet */
    uint64_t count;                  /* 0 = no end */
    bool acknowledge;
    bool cumulative; /* each with all before it, as a compacted subscription needs it */
    bool follow;     /* wait for more; else one consumer, a reader */
    bool ended;      /* it has been read to its end */
    bool json_format;
    bool decode; /* payloads are printed as JSON by their schemas */
    struct hulse_cli_decoder decoder;

    bool regex; /* topics are patterns, each with a consumer; else one consumer for all */

    hulse_session *session;
    hulse_consumer *consumers[HULSE_CLI_PATTERNS_MAX];
    int consumer_count;
    uint64_t received;
    uint64_t lost; /* a reader's: damaged, passed over */
    struct hulse_cli_printed printed[HULSE_CLI_UNWRITTEN_MAX]; /* not yet acknowledged */
    unsigned printed_count;
    bool stopping; /* told to, with verdicts that have no room: until `patience` */
    struct hulse_cli_deadline patience;
    int exit_code; /* of the first failure */
};

/* Option values; HULSE_CLI_OK or the usage error's code. */
int hulse_cli_receiver_from(struct hulse_cli_receiver *r, const char *text);
int hulse_cli_receiver_format(struct hulse_cli_receiver *r, const char *text);
int hulse_cli_receiver_compacted(struct hulse_cli_receiver *r);
/* FIRST-LAST */
int hulse_cli_receiver_key_range(struct hulse_cli_receiver *r, const char *text);
int hulse_cli_receiver_any_key_order(struct hulse_cli_receiver *r);
int hulse_cli_receiver_replicated(struct hulse_cli_receiver *r);
int hulse_cli_receiver_priority(struct hulse_cli_receiver *r, const char *text);
/* NAME=VALUE */
int hulse_cli_receiver_property(struct hulse_cli_receiver *r, const char *text);
int hulse_cli_receiver_subscription_property(struct hulse_cli_receiver *r, const char *text);
/* Harmless again. */
void hulse_cli_receiver_free(struct hulse_cli_receiver *r);
/* Opens, receives, closes; gives the command's exit code. */
int hulse_cli_receiver_run(struct hulse_cli_receiver *r, int topic_count, char **topics);

#endif
