/* SPDX-License-Identifier: Apache-2.0 */
/* drain - `hulse drain`: asks the daemon to end as TERM does, and can wait for its end. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/connect.h"
#include "shmlib/cli/pretty.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/stop.h"
#include "shmlib/cli/value.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OPT_WAIT = 1 };

static const struct hulse_cli_option options[] = {{OPT_WAIT, 0, "wait", HULSE_CLI_TEXT},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

/*
 * A descriptor of the process behind the connection. Opened before the drain is asked for: later
 * the process may be gone and its number another's. The pid of the answer would not do, it counts
 * in the daemon's own PID namespace.
 */
static int open_process(int fd, int *process)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) {
        return hulse_cli_fail(HULSE_IO, "admin socket", strerrordesc_np(errno));
    }
    if (peer.pid <= 0) {
        return hulse_cli_fail(
            HULSE_UNSUPPORTED, "--wait", "the daemon's process cannot be seen from here");
    }
    *process = pidfd_open(peer.pid, 0);
    if (*process < 0) {
        return hulse_cli_fail(HULSE_UNSUPPORTED, "--wait", strerrordesc_np(errno));
    }
    return HULSE_CLI_OK;
}

static int await_end(int process, struct hulse_cli_deadline until)
{
    for (;;) {
        const uint64_t now = hulse_cli_now_ms();
        struct pollfd fds[] = {{.fd = process, .events = POLLIN},
                               {.fd = hulse_cli_stop_fd(), .events = POLLIN}};
        const int left_ms = now >= until.at_ms ? 0 : (int)(until.at_ms - now);
        const int ready = poll(fds, 2, left_ms);
        if (ready > 0 && fds[0].revents != 0) {
            return HULSE_CLI_OK;
        }
        if (hulse_cli_stop_requested() || left_ms == 0) {
            return hulse_cli_fail(HULSE_TIMED_OUT, "drain", "the daemon has not ended yet");
        }
    }
}

/* The answer is printed before the wait, so that who reads along knows that the drain has begun. */
static int ask(struct hulse_cli *cli, int fd)
{
    json_t *result = NULL;
    const int rc = hulse_cli_admin_ask_on(fd, cli, HULSE_ADMIN_DRAIN, NULL, &result);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    hulse_cli_print(cli, result);
    json_decref(result);
    return hulse_cli_out_flush(&cli->out) ? HULSE_CLI_OK : hulse_cli_output_failed(&cli->out);
}

static int drain(struct hulse_cli *cli, int wait_ms)
{
    const struct hulse_cli_deadline until = hulse_cli_deadline_in(wait_ms);
    int fd = -1;
    int process = -1;
    int rc = hulse_cli_admin_open(cli, &fd);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    if (wait_ms >= 0) {
        rc = open_process(fd, &process);
    }
    if (rc == HULSE_CLI_OK) {
        rc = ask(cli, fd);
    }
    (void)close(fd);
    if (process >= 0) {
        if (rc == HULSE_CLI_OK) {
            rc = await_end(process, until);
        }
        (void)close(process);
    }
    return rc;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    int wait_ms = -1;
    int rc = HULSE_CLI_OK;
    int id = HULSE_CLI_ARGS_END;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    while ((id = hulse_cli_args_next(&args)) == OPT_WAIT) {
        if (!hulse_cli_value_duration(args.value, &wait_ms)) {
            return hulse_cli_usage(
                "drain", "--wait %s: not a duration such as 250ms, 30s, 5m", args.value);
        }
    }
    return hulse_cli_args_alone(&args, id, &rc) ? drain(cli, wait_ms) : rc;
}

const struct hulse_cli_command hulse_cli_drain = {
    .name = "drain",
    .summary = "ask the daemon to finish its work and end",
    .help =
        "hulse drain [--wait DURATION]\n"
        "\n"
        "Begins what TERM begins: the daemon is no longer ready, serves its sessions until they\n"
        "have closed or drain_timeout is nearly over, answers what is in the rings, and ends\n"
        "with 0. Asking again changes nothing; a TERM after it ends the daemon at once.\n"
        "\n"
        "      --wait DURATION  wait until the process has ended, at most this long\n"
        "\n"
        "Exit: 0 the drain has begun, with --wait the process has ended; 69 no daemon, or with\n"
        "--wait one whose process cannot be seen from here; 75 no answer within --timeout (5s),\n"
        "or it has not ended within --wait; 77 no permission.\n",
    .options = options,
    .run = run,
};
