/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper - see helper.h.
 */
#include "daemon/control/helper.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* For the process to end what it runs, once told that nobody needs it. */
#define END_DEADLINE_MS 2000U
#define NS_PER_MS 1000000U

static const char gone[] = "the helper process has ended";
static const char silent[] = "the helper process does not answer";

hulse_status hulse_helper_fork(struct helper *h, struct error *err)
{
    int ends[2];

    memset(h, 0, sizeof(*h));
    h->watch.fd = -1;
    LIST_INIT(&h->calls);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return hulse_fail(err, HULSE_IO, "socketpair: %s", strerrordesc_np(errno));
    }
    const pid_t parent = getpid();
    /* Inherited as ignored, the kernel would wait for our child and give its number away. */
    (void)signal(SIGCHLD, SIG_DFL);
    h->pid = fork();
    if (h->pid == 0) {
        (void)close(ends[0]);
        hulse_helper_serve(ends[1], parent);
    }
    const int error = errno;
    (void)close(ends[1]);
    if (h->pid < 0) {
        (void)close(ends[0]);
        return hulse_fail(err, HULSE_IO, "fork: %s", strerrordesc_np(error));
    }
    h->watch.fd = ends[0];
    return HULSE_OK;
}

/*
 * A process that somebody has stopped must not keep the daemon from ending. One that is no child of
 * ours any more (ECHILD) has ended, and its number may be another's.
 */
static int await_end(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = 0;

    for (unsigned ms = 0; ms < END_DEADLINE_MS; ms++) {
        const pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid || (ended < 0 && errno == ECHILD)) {
            return status;
        }
        (void)nanosleep(&pause, NULL);
    }
    if (kill(pid, SIGKILL) != 0) {
        return 0; /* behind the filter (sandbox.h): it goes by itself once somebody lets it run */
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* The end of its socket tells it to go, if it has not gone already. */
static int end_process(struct helper *h)
{
    if (h->loop != NULL) {
        hulse_loop_remove(h->loop, &h->watch);
        hulse_timer_stop(&h->loop->timers, &h->timer);
    }
    (void)close(h->watch.fd);
    h->watch.fd = -1;
    return await_end(h->pid);
}

void hulse_helper_close(struct helper *h)
{
    struct helper_call *call = NULL;

    while ((call = LIST_FIRST(&h->calls)) != NULL) {
        LIST_REMOVE(call, link);
        call->id = 0;
    }
    h->running = 0;
    if (h->watch.fd >= 0) {
        (void)end_process(h);
    }
}

/* ---- answers ---- */

/* One timer for all of them: there are few. */
static void plan(struct helper *h)
{
    const struct helper_call *call = NULL;
    uint64_t due_ms = UINT64_MAX;

    LIST_FOREACH(call, &h->calls, link)
    {
        due_ms = call->due_ms < due_ms ? call->due_ms : due_ms;
    }
    hulse_timer_stop(&h->loop->timers, &h->timer);
    if (due_ms != UINT64_MAX) {
        hulse_timer_start(&h->loop->timers, &h->timer, due_ms);
    }
}

static void forget(struct helper *h, struct helper_call *call)
{
    LIST_REMOVE(call, link);
    call->id = 0;
    h->running--;
    plan(h);
}

static void lose(struct helper *h)
{
    const struct helper_result result = {.status = HULSE_CLOSED, .why = gone, .complaint = ""};
    struct helper_call *call = NULL;
    siginfo_t seen = {0};

    /* Not even its number is known to be its own, if somebody else has waited for it. */
    if (waitid(P_PID, (id_t)h->pid, &seen, WEXITED | WNOHANG | WNOWAIT) == 0 && seen.si_pid == 0) {
        (void)kill(h->pid, SIGKILL);
    }
    const int status = end_process(h);
    HULSE_LOG_ERRORF("helper.ended",
                     hulse_log_u64("signal", WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0),
                     hulse_log_u64("exit", WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0),
                     hulse_log_u64("commands", h->running));
    while ((call = LIST_FIRST(&h->calls)) != NULL) {
        forget(h, call);
        call->done(call, &result);
    }
}

static hulse_status explain(const struct helper_answer *a, char *why, size_t why_bytes)
{
    switch (a->end) {
    case HELPER_EXITED:
        (void)snprintf(why, why_bytes, "exit status %d", a->code);
        return a->code == 0 ? HULSE_OK : HULSE_FAILED;
    case HELPER_KILLED:
        (void)snprintf(why, why_bytes, "signal %d", a->code);
        return HULSE_FAILED;
    case HELPER_LATE:
        (void)snprintf(why, why_bytes, "it took too long");
        return HULSE_TIMED_OUT;
    case HELPER_VERBOSE:
        (void)snprintf(why, why_bytes, "more than %u bytes of output", HULSE_HELPER_OUTPUT_BYTES);
        return HULSE_TOOBIG;
    default:
        (void)snprintf(why, why_bytes, "it cannot be run: %s", strerrordesc_np(a->code));
        return HULSE_FAILED;
    }
}

static void hand_over(struct helper *h, const struct helper_answer *a)
{
    char why[128];
    struct helper_call *call = LIST_FIRST(&h->calls);

    while (call != NULL && call->id != a->id) {
        call = LIST_NEXT(call, link);
    }
    if (call == NULL) {
        return; /* cancelled while the answer was under way */
    }
    if (a->end == HELPER_RUNNING) {
        if (call->said != NULL) {
            call->said(call, a->output, a->output_bytes);
        }
        return;
    }
    struct helper_result result = {
        .status = explain(a, why, sizeof(why)), .why = why, .complaint = a->complaint};
    if (result.status == HULSE_OK) {
        result.output = a->output;
        result.output_bytes = a->output_bytes;
        result.why = "";
        result.complaint = "";
    }
    forget(h, call);
    call->done(call, &result);
}

static bool well_formed(const struct helper_answer *a, size_t bytes)
{
    const size_t head = offsetof(struct helper_answer, output);

    return bytes >= head && a->output_bytes == bytes - head &&
           memchr(a->complaint, '\0', sizeof(a->complaint)) != NULL;
}

static void fired(struct watch *watch, uint32_t events)
{
    struct helper *h = HULSE_CONTAINER(watch, struct helper, watch);

    (void)events;
    while (h->watch.fd >= 0) {
        const ssize_t n = recv(h->watch.fd, &h->answer, sizeof(h->answer), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0 || !well_formed(&h->answer, (size_t)n)) {
            lose(h);
            return;
        }
        hand_over(h, &h->answer);
        explicit_bzero(&h->answer, (size_t)n);
    }
}

static struct helper_call *find_overdue(struct helper *h, uint64_t now_ms)
{
    struct helper_call *call = LIST_FIRST(&h->calls);

    while (call != NULL && call->due_ms > now_ms) {
        call = LIST_NEXT(call, link);
    }
    return call;
}

/* It should have answered by itself. It is not given up: whoever has stopped it may let it go on. */
static void came_due(struct timer *timer)
{
    struct helper *h = HULSE_CONTAINER(timer, struct helper, timer);
    const struct helper_result result = {.status = HULSE_TIMED_OUT, .why = silent, .complaint = ""};
    const uint64_t now_ms = hulse_loop_now_ms(h->loop);
    struct helper_call *call = NULL;

    while ((call = find_overdue(h, now_ms)) != NULL) {
        HULSE_LOG_ERRORF("helper.silent", hulse_log_u64("commands", h->running));
        hulse_helper_cancel(h, call);
        call->done(call, &result);
    }
    plan(h);
}

hulse_status hulse_helper_attach(struct helper *h, struct loop *loop, struct error *err)
{
    HULSE_ASSERT(h->loop == NULL);
    HULSE_ASSERT(h->watch.fd >= 0);

    h->watch.fire = fired;
    h->timer.fire = came_due;
    if (!hulse_loop_add(loop, &h->watch, EPOLLIN)) {
        return hulse_fail(err, HULSE_IO, "epoll: %s", strerrordesc_np(errno));
    }
    h->loop = loop;
    return HULSE_OK;
}

/* ---- orders ---- */

static bool post(struct helper *h, const struct helper_order *order, size_t command_bytes)
{
    const size_t bytes = offsetof(struct helper_order, command) + command_bytes;

    return send(h->watch.fd, order, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)bytes;
}

static hulse_status begin(struct helper *h,
                          struct helper_call *call,
                          enum helper_order_kind kind,
                          const char *command,
                          uint32_t timeout_ms,
                          struct error *err)
{
    struct helper_order order = {.kind = kind, .timeout_ms = timeout_ms};
    const size_t bytes = strlen(command) + 1;

    HULSE_ASSERT(h->loop != NULL);
    HULSE_ASSERT(call->id == 0);

    if (h->watch.fd < 0) {
        return hulse_fail(err, HULSE_CLOSED, "%s", gone);
    }
    if (bytes > sizeof(order.command)) {
        return hulse_fail(
            err, HULSE_TOOBIG, "a command has at most %u bytes", HULSE_HELPER_COMMAND_BYTES - 1);
    }
    if (h->running == HULSE_HELPER_CALLS_MAX) {
        return hulse_fail(
            err, HULSE_LIMIT, "at most %u commands run at once", HULSE_HELPER_CALLS_MAX);
    }
    h->last_id = h->last_id == UINT32_MAX ? 1 : h->last_id + 1;
    order.id = h->last_id;
    memcpy(order.command, command, bytes);
    if (!post(h, &order, bytes)) {
        return hulse_fail(err, HULSE_IO, "helper process: %s", strerrordesc_np(errno));
    }
    call->id = order.id;
    call->due_ms = hulse_clock_ns() / NS_PER_MS + timeout_ms + HULSE_HELPER_GRACE_MS;
    LIST_INSERT_HEAD(&h->calls, call, link);
    h->running++;
    plan(h);
    return HULSE_OK;
}

hulse_status hulse_helper_run(struct helper *h,
                              struct helper_call *call,
                              const char *command,
                              uint32_t timeout_ms,
                              struct error *err)
{
    return begin(h, call, HELPER_RUN, command, timeout_ms, err);
}

hulse_status hulse_helper_talk(struct helper *h,
                               struct helper_call *call,
                               const char *command,
                               uint32_t timeout_ms,
                               struct error *err)
{
    HULSE_ASSERT(call->said != NULL);
    return begin(h, call, HELPER_TALK, command, timeout_ms, err);
}

hulse_status hulse_helper_say(
    struct helper *h, struct helper_call *call, const char *text, size_t bytes, struct error *err)
{
    struct helper_order order = {.kind = HELPER_SAY, .id = call->id};

    if (h->watch.fd < 0 || call->id == 0) {
        return hulse_fail(err, HULSE_CLOSED, "%s", gone);
    }
    if (bytes > sizeof(order.command)) {
        return hulse_fail(
            err, HULSE_TOOBIG, "a command is told at most %u bytes", HULSE_HELPER_COMMAND_BYTES);
    }
    memcpy(order.command, text, bytes);
    const bool posted = post(h, &order, bytes);
    const int error = errno;
    explicit_bzero(order.command, bytes);
    return posted ? HULSE_OK
                  : hulse_fail(err, HULSE_IO, "helper process: %s", strerrordesc_np(error));
}

void hulse_helper_cancel(struct helper *h, struct helper_call *call)
{
    struct helper_order order = {.kind = HELPER_CANCEL, .id = call->id};

    if (call->id == 0) {
        return;
    }
    forget(h, call);
    /* If it cannot be told, the command's own time ends it, and nobody waits for the answer. */
    (void)post(h, &order, 0);
}
