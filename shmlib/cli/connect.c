/* SPDX-License-Identifier: Apache-2.0 */
/* connect - session, sleep and clock of a command (contract in connect.h). */
#include "shmlib/cli/connect.h"

#include "shmlib/cli/say.h"
#include "shmlib/cli/stop.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* The library looks after a silent daemon only when it is called: at least this often. */
#define SLEEP_MS_MAX 1000

int hulse_cli_connect(const struct hulse_cli *cli, hulse_session **out)
{
    char name[64];
    hulse_options *o = hulse_options_new();
    hulse_status st = HULSE_NO_MEMORY;

    if (o == NULL) {
        return hulse_cli_fail(st, "cannot connect", NULL);
    }
    (void)snprintf(name, sizeof(name), "hulse-%ld", (long)getpid());
    st = hulse_options_name(o, name);
    if (st == HULSE_OK && cli->socket != NULL) {
        st = hulse_options_socket(o, cli->socket);
        if (st != HULSE_OK) {
            hulse_options_free(&o);
            return hulse_cli_fail(st, "--socket", "not a usable path (empty or too long)");
        }
    }
    if (st == HULSE_OK && cli->timeout_ms >= 0) {
        /* 0 would mean not to wait for the daemon's answer at all. */
        st = hulse_options_connect_timeout(o, cli->timeout_ms > 0 ? cli->timeout_ms : 1);
        st = st == HULSE_OK
                 ? hulse_options_open_timeout(o, cli->timeout_ms > 0 ? cli->timeout_ms : 1)
                 : st;
    }
    if (st == HULSE_OK && cli->timeout_ms < 0 && cli->patient) {
        st = hulse_options_open_timeout(o, HULSE_FOREVER);
    }
    if (st == HULSE_OK) {
        st = hulse_open(out, o);
    }
    hulse_options_free(&o);
    return st == HULSE_OK ? HULSE_CLI_OK : hulse_cli_fail(st, "cannot connect", hulse_open_error());
}

uint64_t hulse_cli_now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct hulse_cli_deadline hulse_cli_deadline_in(int timeout_ms)
{
    return (struct hulse_cli_deadline){timeout_ms < 0 ? UINT64_MAX
                                                      : hulse_cli_now_ms() + (uint64_t)timeout_ms};
}

bool hulse_cli_deadline_passed(struct hulse_cli_deadline d)
{
    return d.at_ms != UINT64_MAX && hulse_cli_now_ms() >= d.at_ms;
}

static int sleep_ms(struct hulse_cli_deadline until)
{
    const uint64_t now = until.at_ms == UINT64_MAX ? 0 : hulse_cli_now_ms();

    if (now >= until.at_ms) {
        return 0;
    }
    return until.at_ms - now < SLEEP_MS_MAX ? (int)(until.at_ms - now) : SLEEP_MS_MAX;
}

hulse_status hulse_cli_sleep(hulse_session *s, struct hulse_cli_sleep *what)
{
    struct pollfd fds[] = {
        {.fd = hulse_fd(s, 0), .events = POLLIN},
        {.fd = hulse_cli_stop_fd(), .events = POLLIN},
        {.fd = what->input, .events = POLLIN},
        {.fd = what->output, .events = 0}, /* only POLLERR: the reader has closed */
    };
    const hulse_status armed = hulse_arm(s, 0);

    what->input_ready = false;
    what->output_gone = false;
    if (armed != HULSE_OK && armed != HULSE_AGAIN) {
        return armed;
    }
    /* An interrupted poll is one of the early returns. */
    const int n = poll(fds, 4, armed == HULSE_AGAIN ? 0 : sleep_ms(what->until));
    if (n > 0) {
        what->input_ready = fds[2].revents != 0;
        what->output_gone = (fds[3].revents & POLLERR) != 0;
    }
    return hulse_poll(s, 0);
}

hulse_status hulse_cli_presence(const struct hulse_cli *cli, bool *away, hulse_status st)
{
    if (st == HULSE_ORPHAN && !*away) {
        hulse_cli_note(cli, "the daemon has gone; the next one is awaited");
    } else if (st == HULSE_OK && *away) {
        hulse_cli_note(cli, "a daemon is there again");
    }
    *away = st == HULSE_ORPHAN;
    return st == HULSE_ORPHAN ? HULSE_OK : st;
}
