/* SPDX-License-Identifier: Apache-2.0 */
/* say - messages to people and exit codes (contract in say.h). */
#include "shmlib/cli/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 2048
/* In the words of the library, which alone tell that the limit is not the daemon's. */
#define STARVED_TEXT "this process is out of descriptors"

struct answer {
    hulse_status status;
    int exit_code;
    const char *next; /* what to do, or NULL */
};

static const struct answer answers[] = {
    {HULSE_OK, HULSE_CLI_OK, NULL},
    {HULSE_AGAIN, HULSE_CLI_TIMED_OUT, NULL},
    {HULSE_TOOBIG, HULSE_CLI_BAD_DATA, "send less, or split it into several messages"},
    {HULSE_ORPHAN,
     HULSE_CLI_UNREACHABLE,
     "the daemon has gone away; see its log, start it again, then repeat the command"},
    {HULSE_REFUSED,
     HULSE_CLI_UNREACHABLE,
     "if it was not the broker: compare `hulse version` with `hulsed --version`; both must speak "
     "one ABI"},
    {HULSE_CLOSED, HULSE_CLI_UNREACHABLE, "the daemon's log says why it closed the session"},
    {HULSE_INVAL,
     HULSE_CLI_USAGE,
     "`hulse help COMMAND` explains its options; a topic is persistent://TENANT/NAMESPACE/NAME or "
     "its NAME alone"},
    {HULSE_FAILED, HULSE_CLI_SOME_FAILED, "run with -v to see which and why"},
    {HULSE_RECEIPTS, HULSE_CLI_TIMED_OUT, NULL},
    {HULSE_TIMED_OUT, HULSE_CLI_TIMED_OUT, "allow more with --timeout, or look at `hulse stats`"},
    {HULSE_NO_DAEMON,
     HULSE_CLI_UNREACHABLE,
     "start `hulsed`, or name its socket with --socket or HULSE_SOCKET"},
    {HULSE_DENIED,
     HULSE_CLI_NO_PERMISSION,
     "only the user the daemon runs as may use it; run the command as that user, or, if a Pulsar "
     "cluster has refused it, allow it to the daemon's token there"},
    {HULSE_NO_TOPIC,
     HULSE_CLI_BAD_DATA,
     "`hulse topics list` shows the daemon's own, `hulse topics create` makes one; a Pulsar "
     "cluster's "
     "are listed and made there"},
    {HULSE_LIMIT, HULSE_CLI_UNREACHABLE, "close other sessions or raise the daemon's limit"},
    {HULSE_NO_MEMORY, HULSE_CLI_UNREACHABLE, "raise memory_max, or use smaller rings"},
    /* The daemon's word for what it needs itself; files and output of a command are its own. */
    {HULSE_IO,
     HULSE_CLI_UNREACHABLE,
     "if it was the topic's broker, it is away or has failed; `hulse health` says how it is"},
    {HULSE_NOT_CONFIGURED, HULSE_CLI_CONFIG, NULL},
    {HULSE_BUSY,
     HULSE_CLI_UNREACHABLE,
     "end the other one; a subscription may have another name, or -t shared on all of its "
     "consumers; a producer may wait for its turn, --access wait-for-exclusive"},
    {HULSE_UNSUPPORTED, HULSE_CLI_UNREACHABLE, NULL},
    {HULSE_PROTOCOL, HULSE_CLI_UNREACHABLE, "the daemon's log says more"},
};

static const struct answer *answer_of(hulse_status status)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].status == status) {
            return &answers[i];
        }
    }
    return NULL;
}

/* What to do, or NULL. A limit is the daemon's, or of the process that runs the command. */
static const char *next_of(const struct answer *a, const char *detail)
{
    if (a == NULL) {
        return NULL;
    }
    return a->status == HULSE_LIMIT && strstr(detail, STARVED_TEXT) != NULL
               ? "raise the limit of the command itself with `ulimit -n`"
               : a->next;
}

static bool colour_wanted(void)
{
    const char *no_color = getenv("NO_COLOR");

    return (no_color == NULL || no_color[0] == '\0') && isatty(STDERR_FILENO) != 0;
}

/* One write per line, so that lines of several processes on one terminal do not mix. */
__attribute__((format(printf, 2, 0))) static void
say_line(const char *prefix, const char *format, va_list args)
{
    char text[LINE_BYTES];
    char line[LINE_BYTES + 64];

    (void)vsnprintf(text, sizeof(text), format, args);
    (void)snprintf(line, sizeof(line), "%s%s\n", prefix, text);
    (void)fputs(line, stderr);
}

void hulse_cli_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(colour_wanted() ? "\033[31mhulse:\033[0m " : "hulse: ", format, args);
    va_end(args);
}

void hulse_cli_note(const struct hulse_cli *cli, const char *format, ...)
{
    va_list args;

    if (cli->quiet) {
        return;
    }
    va_start(args, format);
    say_line("", format, args);
    va_end(args);
}

int hulse_cli_usage(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(colour_wanted() ? "\033[31mhulse:\033[0m " : "hulse: ", format, args);
    va_end(args);
    if (command != NULL) {
        (void)fprintf(stderr, "`hulse help %s` explains the command\n", command);
    } else {
        (void)fputs("`hulse help` lists the commands\n", stderr);
    }
    return HULSE_CLI_USAGE;
}

int hulse_cli_exit_code(hulse_status status)
{
    const struct answer *a = answer_of(status);

    return a == NULL ? HULSE_CLI_UNREACHABLE : a->exit_code;
}

int hulse_cli_fail(hulse_status status, const char *what, const char *detail)
{
    const struct answer *a = answer_of(status);

    if (detail == NULL || detail[0] == '\0') {
        detail = hulse_status_text(status);
    }
    hulse_cli_error("%s: %s", what, detail);
    const char *next = next_of(a, detail);
    if (next != NULL) {
        (void)fprintf(stderr, "%s\n", next);
    }
    return hulse_cli_exit_code(status);
}

int hulse_cli_output_failed(const struct hulse_cli_out *out)
{
    /* A reader that has seen enough, as in `hulse sub ... | head`, is no news to anybody. */
    if (out->error != EPIPE) {
        const char *why = strerrordesc_np(out->error);
        hulse_cli_error("standard output: %s", why == NULL ? "write failed" : why);
    }
    return HULSE_CLI_IO;
}
