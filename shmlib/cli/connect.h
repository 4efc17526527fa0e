/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - a command's session with the daemon, its sleep, and its clock.
 */
#ifndef HULSE_CLI_CONNECT_H
#define HULSE_CLI_CONNECT_H

#include "shmlib/cli/cli.h"

#include <hulse/hulse.h>
#include <stdint.h>

/* Opens a session; on failure says why and gives the exit code, else HULSE_CLI_OK. */
int hulse_cli_connect(const struct hulse_cli *cli, hulse_session **out);
/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t hulse_cli_now_ms(void);

/* A point in time; UINT64_MAX = never. */
struct hulse_cli_deadline {
    uint64_t at_ms;
};
/* From now; a negative timeout never comes. */
struct hulse_cli_deadline hulse_cli_deadline_in(int timeout_ms);
bool hulse_cli_deadline_passed(struct hulse_cli_deadline d);

/* What to sleep for, beside the session and the stop signals. */
struct hulse_cli_sleep {
    struct hulse_cli_deadline until;
    int input;  /* descriptor to read from, or -1 */
    int output; /* descriptor whose reader may go away, or -1 */
    bool input_ready;
    bool output_gone;
};
/*
 * Sleeps until something happens and handles the session's events. It may return early for no
 * reason. Status: OK, or what hulse_arm() and hulse_poll() say when the session has ended.
 */
hulse_status hulse_cli_sleep(hulse_session *s, struct hulse_cli_sleep *what);
/*
 * What a sleep gave, to go by: a daemon that has gone is no failure, the library awaits the next one.
 * A note says its going and its coming, once each; *away remembers.
 */
hulse_status hulse_cli_presence(const struct hulse_cli *cli, bool *away, hulse_status st);

#endif
