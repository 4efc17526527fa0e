/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper_process - the other side of helper.h: a process with one thread and one poll loop.
 *
 * A command's answer is due when its shell has ended, whoever still holds its output open. Then,
 * or when its time is up, its keeper ends all that came of it (helper_command.h). What a keeper
 * leaves, because somebody killed it, comes here and is killed.
 *
 * Threads: one, in a process of its own.
 * Trust:   what commands write is bounded while it is read.
 * See:     helper_wire.h.
 */
#include "daemon/control/helper_command.h"
#include "daemon/control/helper_wire.h"
#include "daemon/core/clock.h"
#include "daemon/core/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_MS = 1000000,
    CHUNK_BYTES = 4096,
    TAIL_BYTES = 512, /* of standard error */
    STOP_MS = 2000,   /* for a keeper to end; more than it takes unless somebody stops it */
    /* For all of them when the daemon ends, and for what is left then; together less than it waits. */
    END_MS = 1000,
    END_KILL_MS = 500,
    /* Descriptors in poll(): socket and signals, three of each job. */
    POLL_MAX = 2 + 3 * HULSE_HELPER_CALLS_MAX
};

struct poll_set {
    size_t count;
    struct pollfd list[POLL_MAX];
};

struct job {
    pid_t pid; /* of its keeper; not waited for before it is free. 0 = free */
    int pidfd;
    int input_fd;  /* -1: it does not talk, or not any more */
    int output_fd; /* -1 once it is closed */
    int error_fd;
    uint64_t deadline_ns; /* running: of the command; else: of its keeper */
    size_t tail_bytes;
    char tail[TAIL_BYTES]; /* end of standard error */
    struct helper_answer answer;
};

/* Untouched, and so without memory, until a command runs. */
static struct job jobs[HULSE_HELPER_CALLS_MAX];

/* ---- ends ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

/* Ends a command early. Its answer follows when it is gone. */
static void stop_job(struct job *job, enum helper_end end)
{
    if (job->answer.end == HELPER_RUNNING) {
        job->answer.end = end;
        job->deadline_ns = hulse_clock_ns() + (uint64_t)STOP_MS * NS_PER_MS;
    }
    explicit_bzero(job->answer.output, job->answer.output_bytes);
    job->answer.output_bytes = 0;
    close_fd(&job->input_fd);
    close_fd(&job->output_fd);
    close_fd(&job->error_fd);
    (void)kill(job->pid, HULSE_HELPER_STOP);
}

static bool is_keeper(pid_t pid)
{
    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        if (jobs[i].pid == pid) {
            return true;
        }
    }
    return false;
}

/* Those who have ended and are no keepers. A keeper that has is handled first, then it goes on. */
static void reap_strays(void)
{
    siginfo_t ended = {0};

    while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0 &&
           !is_keeper(ended.si_pid)) {
        (void)waitpid(ended.si_pid, NULL, WNOHANG);
        ended.si_pid = 0;
    }
}

/* The last line that is not empty, in plain characters: it goes into texts for people. */
static void complain(struct job *job)
{
    size_t end = job->tail_bytes;
    size_t used = 0;

    while (end > 0 && (unsigned char)job->tail[end - 1] <= ' ') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && job->tail[begin - 1] != '\n' &&
           end - begin < HULSE_HELPER_COMPLAINT_BYTES - 1) {
        begin--;
    }
    while (begin < end) {
        const char c = job->tail[begin++];
        job->answer.complaint[used++] = (char)(c >= ' ' && c <= '~' ? c : '?');
    }
    job->answer.complaint[used] = '\0';
}

/* 0, or the error number. It may wait for control; a control that is gone is seen by the loop. */
static int send_bytes(int socket_fd, const struct helper_answer *answer, size_t bytes)
{
    while (send(socket_fd, answer, bytes, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* One that the socket does not take goes without its output, so that its caller hears at once. */
static void send_answer(int socket_fd, const struct helper_answer *answer)
{
    static struct helper_answer brief;
    const size_t head = offsetof(struct helper_answer, output);
    const int failed = send_bytes(socket_fd, answer, head + answer->output_bytes);

    if (failed != 0) {
        brief = (struct helper_answer){.id = answer->id, .end = HELPER_UNABLE, .code = failed};
        (void)send_bytes(socket_fd, &brief, head);
    }
}

static void release(struct job *job)
{
    close_fd(&job->pidfd);
    close_fd(&job->input_fd);
    close_fd(&job->output_fd);
    close_fd(&job->error_fd);
    explicit_bzero(job->answer.output, job->answer.output_bytes);
    explicit_bzero(job->answer.complaint, sizeof(job->answer.complaint));
    explicit_bzero(job->tail, sizeof(job->tail));
    job->pid = 0;
}

/* ---- output ---- */

/* False: nothing more comes now. */
static bool read_output(struct job *job)
{
    struct helper_answer *a = &job->answer;
    char surplus = 0;
    const size_t room = sizeof(a->output) - a->output_bytes;
    const ssize_t n = room > 0 ? read(job->output_fd, a->output + a->output_bytes, room)
                               : read(job->output_fd, &surplus, 1);

    if (n < 0) {
        return errno == EINTR;
    }
    if (n == 0) {
        close_fd(&job->output_fd);
        return false;
    }
    if (room == 0) {
        stop_job(job, HELPER_VERBOSE);
        return false;
    }
    a->output_bytes += (uint32_t)n;
    return true;
}

static bool read_errors(struct job *job)
{
    char chunk[CHUNK_BYTES];
    const ssize_t n = read(job->error_fd, chunk, sizeof(chunk));

    if (n < 0) {
        return errno == EINTR;
    }
    if (n == 0) {
        close_fd(&job->error_fd);
        return false;
    }
    const size_t fresh = (size_t)n < TAIL_BYTES ? (size_t)n : TAIL_BYTES;
    const size_t kept = job->tail_bytes < TAIL_BYTES - fresh ? job->tail_bytes : TAIL_BYTES - fresh;
    memmove(job->tail, job->tail + job->tail_bytes - kept, kept);
    memcpy(job->tail + kept, chunk + n - fresh, fresh);
    job->tail_bytes = kept + fresh;
    explicit_bzero(chunk, sizeof(chunk));
    return true;
}

/* Of one that talks: whole lines are told while it runs. */
static void tell_lines(struct job *job, int socket_fd)
{
    struct helper_answer *a = &job->answer;

    if (job->input_fd >= 0 && a->output_bytes > 0 && a->output[a->output_bytes - 1] == '\n') {
        const enum helper_end end = a->end;
        a->end = HELPER_RUNNING;
        (void)send_bytes(socket_fd, a, offsetof(struct helper_answer, output) + a->output_bytes);
        a->end = end;
        explicit_bzero(a->output, a->output_bytes);
        a->output_bytes = 0;
    }
}

/* All of it has ended: what it wrote is in the pipes. */
static void finish(struct job *job, int socket_fd)
{
    int status = 0;

    while (job->output_fd >= 0 && read_output(job)) {
    }
    tell_lines(job, socket_fd);
    /* Bounded: somebody else may still be writing. */
    for (int i = 0; i < 2 * TAIL_BYTES && job->error_fd >= 0 && read_errors(job); i++) {
    }
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (job->answer.end == HELPER_RUNNING) {
        job->answer.end = WIFSIGNALED(status) ? HELPER_KILLED : HELPER_EXITED;
        job->answer.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    complain(job);
    send_answer(socket_fd, &job->answer);
    release(job);
}

/* ---- starting ---- */

/* False: errno says why. Nothing is left behind then. */
static bool launch(struct job *job, const char *command, bool talks)
{
    int input[2] = {-1, -1};
    int output[2] = {-1, -1};
    int errors[2] = {-1, -1};
    const pid_t helper = getpid();

    if ((!talks || pipe2(input, O_CLOEXEC) == 0) && pipe2(output, O_CLOEXEC) == 0 &&
        pipe2(errors, O_CLOEXEC) == 0) {
        job->pid = fork();
    } else {
        job->pid = -1;
    }
    if (job->pid == 0) {
        hulse_helper_keep(command, input[0], output[1], errors[1], helper);
    }
    if (job->pid > 0) {
        job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
    }
    const int error = errno;
    close_fd(&input[0]);
    close_fd(&output[1]);
    close_fd(&errors[1]);
    job->input_fd = input[1];
    job->output_fd = output[0];
    job->error_fd = errors[0];
    if (job->pid > 0 && job->pidfd >= 0) {
        (void)fcntl(job->output_fd, F_SETFL, O_NONBLOCK);
        (void)fcntl(job->error_fd, F_SETFL, O_NONBLOCK);
        if (talks) {
            (void)fcntl(job->input_fd, F_SETFL, O_NONBLOCK);
        }
        return true;
    }
    if (job->pid > 0) {
        (void)kill(job->pid, HULSE_HELPER_STOP);
        (void)waitpid(job->pid, NULL, 0);
    }
    errno = error;
    return false;
}

static struct job *free_job(void)
{
    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        if (jobs[i].pid == 0) {
            return &jobs[i];
        }
    }
    return NULL;
}

/* A cancelled command holds its place until it is gone, so there may be none for a moment. */
static void start_job(const struct helper_order *order, int socket_fd)
{
    struct job *job = free_job();

    if (job == NULL) {
        const struct helper_answer busy = {.id = order->id, .end = HELPER_UNABLE, .code = EAGAIN};
        send_answer(socket_fd, &busy);
        return;
    }
    job->pidfd = -1;
    job->input_fd = -1;
    job->tail_bytes = 0;
    job->answer.id = order->id;
    job->answer.end = HELPER_RUNNING;
    job->answer.code = 0;
    job->answer.output_bytes = 0;
    job->answer.complaint[0] = '\0';
    job->deadline_ns = hulse_clock_ns() + (uint64_t)order->timeout_ms * NS_PER_MS;
    if (!launch(job, order->command, order->kind == HELPER_TALK)) {
        job->answer.end = HELPER_UNABLE;
        job->answer.code = errno;
        send_answer(socket_fd, &job->answer);
        release(job);
    }
}

/* Its answer goes out as any other; nobody there waits for it. */
static void cancel_job(uint32_t id)
{
    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        if (jobs[i].pid != 0 && jobs[i].answer.id == id) {
            stop_job(&jobs[i], HELPER_LATE);
        }
    }
}

/*
 * There is room for it, unless it reads nothing; then it is ended. One that has ended gets nothing, and its answer is
 * on its way.
 */
static void say_to_job(const struct helper_order *order, size_t bytes)
{
    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        struct job *job = &jobs[i];
        if (job->pid == 0 || job->answer.id != order->id || job->input_fd < 0) {
            continue;
        }
        const ssize_t n = write(job->input_fd, order->command, bytes);
        if (n < 0 ? errno != EPIPE : n != (ssize_t)bytes) {
            stop_job(job, HELPER_LATE);
        }
    }
}

/* ---- the loop ---- */

_Noreturn static void end_all(void)
{
    const struct timespec pause = {.tv_nsec = NS_PER_MS};
    const uint64_t end_ns = hulse_clock_ns() + (uint64_t)END_MS * NS_PER_MS;

    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        if (jobs[i].pid != 0) {
            stop_job(&jobs[i], HELPER_LATE);
        }
    }
    /* Its keepers know better than we what to end. */
    while (waitpid(-1, NULL, WNOHANG) >= 0 && hulse_clock_ns() < end_ns) {
        (void)nanosleep(&pause, NULL);
    }
    (void)hulse_helper_clear_children(0, END_KILL_MS);
    _exit(0);
}

/* Of children and of the daemon's end. */
static void take_signals(int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == HULSE_HELPER_STOP) {
            end_all();
        }
    }
    /* One that has come here may have brought others. */
    (void)hulse_helper_kill_children(is_keeper);
}

static void take_order(int socket_fd)
{
    static struct helper_order order;
    const ssize_t n = recv(socket_fd, &order, sizeof(order), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n < (ssize_t)offsetof(struct helper_order, command)) {
        end_all(); /* the daemon is gone */
    }
    switch ((enum helper_order_kind)order.kind) {
    case HELPER_RUN:
    case HELPER_TALK:
        start_job(&order, socket_fd);
        break;
    case HELPER_CANCEL:
        cancel_job(order.id);
        break;
    case HELPER_SAY:
        say_to_job(&order, (size_t)n - offsetof(struct helper_order, command));
        explicit_bzero(&order, (size_t)n);
        break;
    }
}

static void listen_to(struct poll_set *set, int fd)
{
    if (fd >= 0) {
        set->list[set->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

/* Only what is open: poll() refuses more entries than a process may have descriptors. */
static void fill(struct poll_set *set, int socket_fd, int signals)
{
    set->count = 0;
    listen_to(set, socket_fd);
    listen_to(set, signals);
    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        if (jobs[i].pid != 0) {
            listen_to(set, jobs[i].pidfd);
            listen_to(set, jobs[i].output_fd);
            listen_to(set, jobs[i].error_fd);
        }
    }
}

/* False also for one that is closed by now. */
static bool is_ready(const struct poll_set *set, int fd)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].fd == fd) {
            return set->list[i].revents != 0;
        }
    }
    return false;
}

/* Milliseconds to the first deadline, rounded up; -1 without one. */
static int wait_ms(void)
{
    const uint64_t now_ns = hulse_clock_ns();
    uint64_t least_ms = UINT64_MAX;

    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        if (jobs[i].pid != 0) {
            const uint64_t left_ns =
                jobs[i].deadline_ns > now_ns ? jobs[i].deadline_ns - now_ns : 0;
            const uint64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
            least_ms = left_ms < least_ms ? left_ms : least_ms;
        }
    }
    if (least_ms == UINT64_MAX) {
        return -1;
    }
    return least_ms > INT_MAX ? INT_MAX : (int)least_ms;
}

static void run_out(struct job *job)
{
    if (job->answer.end == HELPER_RUNNING) {
        stop_job(job, HELPER_LATE);
        return;
    }
    /* Somebody has stopped the keeper. Those whom it keeps come here. */
    job->deadline_ns = hulse_clock_ns() + (uint64_t)STOP_MS * NS_PER_MS;
    (void)kill(job->pid, SIGKILL);
}

static void handle_jobs(const struct poll_set *set, int socket_fd)
{
    const uint64_t now_ns = hulse_clock_ns();

    for (size_t i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        struct job *job = &jobs[i];
        if (job->pid == 0) {
            continue;
        }
        if (is_ready(set, job->output_fd)) {
            (void)read_output(job);
            tell_lines(job, socket_fd);
        }
        if (is_ready(set, job->error_fd)) {
            (void)read_errors(job);
        }
        if (is_ready(set, job->pidfd)) {
            finish(job, socket_fd);
        } else if (now_ns >= job->deadline_ns) {
            run_out(job);
        }
    }
}

/*
 * Commands get what it has, so it has nothing to give: no capability, and no program that would
 * lend one (a command may not be setuid). The daemon, which asks for commands when it has dropped
 * all that itself, would otherwise get it back from here.
 */
static void give_up_rights(void)
{
    if (hulse_privileges_drop() != 0) {
        _exit(HULSE_PRIVILEGES_EXIT);
    }
    /* Its memory has outputs of commands in it. exec() lifts it again for the commands. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* The largest answer has to fit, and systems are configured with less. */
static void make_room(int socket_fd)
{
    const int bytes = (int)sizeof(struct helper_answer);

    (void)setsockopt(socket_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* A process that keeps nothing of the daemon but its socket, its environment and stderr. */
static int settle(int *socket_fd, int parent_pid)
{
    sigset_t all;
    sigset_t awaited;

    give_up_rights();
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void)sigemptyset(&awaited);
    (void)sigaddset(&awaited, HULSE_HELPER_STOP);
    (void)sigaddset(&awaited, SIGCHLD);
    /* Ignored, it would reap the commands behind our back. */
    (void)signal(SIGCHLD, SIG_DFL);
    (void)prctl(PR_SET_NAME, "hulse-helper");
    (void)prctl(PR_SET_PDEATHSIG, HULSE_HELPER_STOP);
    /* A daemon that is the first process of a container would get them, and waits for none. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (*socket_fd <= STDERR_FILENO) {
        *socket_fd = fcntl(*socket_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (*socket_fd < 0 || null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(null_fd, STDOUT_FILENO) < 0) {
        _exit(1);
    }
    (void)close_range(STDERR_FILENO + 1, (unsigned)*socket_fd - 1, 0);
    (void)close_range((unsigned)*socket_fd + 1, UINT_MAX, 0);
    const int signals = signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
    /* It may have ended before the kernel was told whom to tell. */
    if (signals < 0 || getppid() != parent_pid) {
        _exit(1);
    }
    return signals;
}

_Noreturn void hulse_helper_serve(int socket_fd, int parent_pid)
{
    struct poll_set set;
    const int signals = settle(&socket_fd, parent_pid);

    make_room(socket_fd);
    for (;;) {
        fill(&set, socket_fd, signals);
        if (poll(set.list, set.count, wait_ms()) < 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            /* It would fail for ever. The daemon sees the end of the socket and says so. */
            end_all();
        }
        if (is_ready(&set, signals)) {
            take_signals(signals);
        }
        handle_jobs(&set, socket_fd);
        reap_strays();
        if (is_ready(&set, socket_fd)) {
            take_order(socket_fd);
        }
    }
}
