/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_server - see admin_server.h.
 */
#include "daemon/control/admin_server.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_BYTES_MAX (HULSE_ADMIN_REQUEST_BYTES_MAX + 1U) /* with the newline */
#define IN_BYTES_MIN 65536U
#define IN_GROWTH 8U

static void close_conn(struct admin_conn *c)
{
    struct loop *loop = c->server->loop;

    HULSE_ASSERT(c->state != ADMIN_FREE);
    hulse_loop_remove(loop, &c->watch);
    hulse_timer_stop(&loop->timers, &c->timer);
    hulse_collect_forget(&c->reports);
    hulse_topic_order_forget(&c->order);
    hulse_topic_list_forget(&c->list);
    hulse_deep_health_forget(&c->check);
    hulse_store_order_forget(c->server->store, c);
    hulse_admin_line_fini(&c->out);
    hulse_admin_request_fini(&c->request);
    hulse_mem_free(HULSE_MEM_ADMIN, c->in, c->in_capacity);
    (void)close(c->watch.fd);
    c->in = NULL;
    c->state = ADMIN_FREE;
}

/* Enters a state; what has to happen before the next one has ten seconds from now. */
static void enter(struct admin_conn *c, enum admin_state state)
{
    struct loop *loop = c->server->loop;
    const uint32_t events = state == ADMIN_READING   ? EPOLLIN
                            : state == ADMIN_WRITING ? EPOLLOUT
                                                     : 0;

    c->state = state;
    hulse_timer_start(&loop->timers, &c->timer, hulse_loop_now_ms(loop) + HULSE_ADMIN_PROGRESS_MS);
    (void)hulse_loop_modify(loop, &c->watch, events);
}

/* Writes what is there. False: the connection was closed. */
static bool write_some(struct admin_conn *c)
{
    while (c->out_written < c->out.bytes) {
        const ssize_t n = send(c->watch.fd,
                               c->out.data + c->out_written,
                               c->out.bytes - c->out_written,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            c->out_written += (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return true;
        } else if (n == 0 || errno != EINTR) {
            close_conn(c);
            return false;
        }
    }
    hulse_admin_line_fini(&c->out);
    c->out_written = 0;
    if (c->last) {
        close_conn(c);
        return false;
    }
    enter(c, ADMIN_READING);
    return true;
}

/* An answer is in c->out. False: the connection was closed. */
static bool begin_writing(struct admin_conn *c, bool have_line)
{
    if (!have_line) {
        close_conn(c); /* no memory even to say so */
        return false;
    }
    enter(c, ADMIN_WRITING);
    return write_some(c);
}

static bool take_lines(struct admin_conn *c);

/* More room for a line that fills it. False: there is none, and an answer says so. */
static bool make_room(struct admin_conn *c, bool *open)
{
    const size_t wanted = IN_GROWTH * c->in_capacity;
    const size_t capacity = wanted < IN_BYTES_MAX ? wanted : IN_BYTES_MAX;
    const bool full = c->in_capacity == IN_BYTES_MAX;
    char *in = full ? NULL : hulse_mem_alloc(HULSE_MEM_ADMIN, capacity);

    if (in == NULL) {
        c->last = true;
        *open = begin_writing(
            c,
            hulse_admin_answer_error(&c->out,
                                     full ? HULSE_TOOBIG : HULSE_NO_MEMORY,
                                     full ? "the line is too long" : "memory_max is reached"));
        return false;
    }
    memcpy(in, c->in, c->in_bytes);
    hulse_mem_free(HULSE_MEM_ADMIN, c->in, c->in_capacity);
    c->in = in;
    c->in_capacity = capacity;
    return true;
}

static void reports_done(void *ctx, struct collection *reports)
{
    struct admin_conn *c = ctx;

    HULSE_ASSERT(c->state == ADMIN_WAITING);
    c->reports = NULL;
    if (begin_writing(c, hulse_command_answer(c->server->scene, &c->request, reports, &c->out)) &&
        c->state == ADMIN_READING) {
        (void)take_lines(c);
    }
}

static void order_done(void *ctx, const struct admin_line *line)
{
    struct admin_conn *c = ctx;

    HULSE_ASSERT(c->state == ADMIN_WAITING);
    c->order = NULL;
    c->list = NULL;
    c->check = NULL;
    c->out = *line;
    if (begin_writing(c, line->data != NULL) && c->state == ADMIN_READING) {
        (void)take_lines(c);
    }
}

/* Who does it has a time of its own. */
static void wait_for_it(struct admin_conn *c)
{
    enter(c, ADMIN_WAITING);
    hulse_timer_stop(&c->server->loop->timers, &c->timer);
}

/* False: the connection was closed. */
static bool begin_list(struct admin_conn *c)
{
    c->list = hulse_topic_list_start(
        &c->server->lists, c->request.namespace_name, order_done, c, &c->out);
    if (c->list == NULL) {
        return begin_writing(c, c->out.data != NULL);
    }
    wait_for_it(c);
    return true;
}

/* False: the connection was closed. */
static bool begin_check(struct admin_conn *c)
{
    c->check = hulse_deep_health_start(c->server->scene->deep, order_done, c, &c->out);
    if (c->check == NULL) {
        return begin_writing(c, c->out.data != NULL);
    }
    wait_for_it(c);
    return true;
}

/* False: the connection was closed. */
static bool begin_order(struct admin_conn *c)
{
    c->order = hulse_topic_order_start(c->server->orders, &c->request, order_done, c, &c->out);
    if (c->order == NULL) {
        return begin_writing(c, c->out.data != NULL);
    }
    wait_for_it(c);
    return true;
}

/* False: the connection was closed. */
static bool begin_store_order(struct admin_conn *c)
{
    if (!hulse_store_order_start(c->server->store, &c->request, order_done, c, &c->out)) {
        return begin_writing(c, c->out.data != NULL);
    }
    wait_for_it(c);
    return true;
}

/* One request. False: the connection was closed. */
static bool handle_line(struct admin_conn *c, const char *line, size_t bytes)
{
    struct error err = {0};

    hulse_admin_request_fini(&c->request);
    const hulse_status st = hulse_admin_parse(line, bytes, &c->request, &err);

    if (st != HULSE_OK) {
        return begin_writing(c, hulse_admin_answer_error(&c->out, st, err.text));
    }
    if (c->request.command == ADMIN_HEALTH && c->request.deep) {
        return begin_check(c);
    }
    if (c->request.command == ADMIN_TOPICS_LIST) {
        return begin_list(c);
    }
    if (hulse_topic_order_is(&c->request)) {
        return begin_order(c);
    }
    if (hulse_store_order_is(&c->request)) {
        return begin_store_order(c);
    }
    if (!hulse_command_needs_reports(&c->request)) {
        return begin_writing(c, hulse_command_answer(c->server->scene, &c->request, NULL, &c->out));
    }
    c->reports = hulse_collect_start(c->server->collector, reports_done, c);
    if (c->reports == NULL) {
        return begin_writing(c,
                             hulse_admin_answer_error(&c->out,
                                                      HULSE_NO_MEMORY,
                                                      "memory_max is reached, or too many "
                                                      "requests are waiting"));
    }
    enter(c, ADMIN_WAITING);
    return true;
}

/*
 * Handles whole lines as long as their answers go out at once. False: the connection was closed.
 */
static bool take_lines(struct admin_conn *c)
{
    while (c->state == ADMIN_READING) {
        const char *newline = memchr(c->in, '\n', c->in_bytes);
        if (newline == NULL) {
            bool open = true;
            if (c->in_bytes == c->in_capacity && !make_room(c, &open)) {
                return open;
            }
            if (c->ended) {
                close_conn(c);
                return false;
            }
            return true;
        }
        const size_t line_bytes = (size_t)(newline - c->in);
        const size_t used = line_bytes + 1;
        const bool open = handle_line(c, c->in, line_bytes);
        if (!open) {
            return false;
        }
        memmove(c->in, c->in + used, c->in_bytes - used);
        c->in_bytes -= used;
    }
    return true;
}

static void read_some(struct admin_conn *c)
{
    HULSE_ASSERT(c->in_bytes < c->in_capacity);
    const ssize_t n =
        recv(c->watch.fd, c->in + c->in_bytes, c->in_capacity - c->in_bytes, MSG_DONTWAIT);

    if (n > 0) {
        c->in_bytes += (size_t)n;
    } else if (n == 0) {
        c->ended = true;
    } else if (errno == EAGAIN || errno == EINTR) {
        return;
    } else {
        close_conn(c);
        return;
    }
    (void)take_lines(c);
}

static void conn_fired(struct watch *watch, uint32_t events)
{
    struct admin_conn *c = HULSE_CONTAINER(watch, struct admin_conn, watch);

    if (c->state == ADMIN_READING && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read_some(c);
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        close_conn(c); /* nobody is left to read the answer */
    } else if (c->state == ADMIN_WRITING && write_some(c)) {
        (void)take_lines(c);
    }
}

static void conn_timed_out(struct timer *timer)
{
    struct admin_conn *c = HULSE_CONTAINER(timer, struct admin_conn, timer);

    HULSE_LOG_DEBUGF("admin.timed_out", hulse_log_u64("state", (uint64_t)c->state));
    close_conn(c);
}

static struct admin_conn *free_conn(struct admin_server *s)
{
    for (unsigned i = 0; i < HULSE_ADMIN_CONNECTIONS_MAX; i++) {
        if (s->conns[i].state == ADMIN_FREE) {
            return &s->conns[i];
        }
    }
    return NULL;
}

static bool may_command(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* Says why and closes, without waiting. */
static void turn_away(int fd, hulse_status status, const char *why)
{
    struct admin_line line = {0};

    HULSE_LOG_WARNF("admin.refused", hulse_log_str("why", why));
    if (hulse_admin_answer_error(&line, status, why)) {
        /* Whoever cannot take it sees the connection close. */
        (void)!send(fd, line.data, line.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    hulse_admin_line_fini(&line);
    (void)close(fd);
}

static void let_in(struct admin_server *s, int fd)
{
    struct admin_conn *c = free_conn(s);
    char *in = NULL;

    if (!may_command(fd)) {
        turn_away(fd, HULSE_DENIED, "the daemon's own user or root is expected");
        return;
    }
    if (c != NULL) {
        in = hulse_mem_alloc(HULSE_MEM_ADMIN, IN_BYTES_MIN);
    }
    if (c == NULL || in == NULL) {
        turn_away(fd, c == NULL ? HULSE_LIMIT : HULSE_NO_MEMORY, "too many admin connections");
        return;
    }
    *c = (struct admin_conn){
        .server = s,
        .state = ADMIN_READING,
        .in = in,
        .in_capacity = IN_BYTES_MIN,
        .watch = {.fd = fd, .fire = conn_fired},
        .timer = {.fire = conn_timed_out},
    };
    if (!hulse_loop_add(s->loop, &c->watch, EPOLLIN)) {
        close_conn(c);
        return;
    }
    enter(c, ADMIN_READING);
}

static void server_fired(struct watch *watch, uint32_t events)
{
    struct admin_server *s = HULSE_CONTAINER(watch, struct admin_server, watch);

    (void)events;
    /* One a round: the next follows at once, and requests of others come in between. */
    const int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        let_in(s, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        /* Left pending it would fire without end. */
        HULSE_LOG_ERRORF("accept.failed",
                         hulse_log_str("socket", "admin"),
                         hulse_log_str("why", strerrordesc_np(errno)));
        (void)hulse_loop_modify(s->loop, &s->watch, 0);
        hulse_timer_start(
            &s->loop->timers, &s->pause, hulse_loop_now_ms(s->loop) + HULSE_ADMIN_PAUSE_MS);
    }
}

static void pause_over(struct timer *timer)
{
    struct admin_server *s = HULSE_CONTAINER(timer, struct admin_server, pause);

    (void)hulse_loop_modify(s->loop, &s->watch, EPOLLIN);
}

void hulse_admin_server_init(struct admin_server *s,
                             struct loop *loop,
                             struct collector *collector,
                             struct topic_orders *orders,
                             struct store_order *store,
                             const struct command_scene *scene)
{
    memset(s, 0, sizeof(*s));
    s->loop = loop;
    s->collector = collector;
    s->orders = orders;
    hulse_topic_lists_init(&s->lists, loop, orders->flow);
    s->store = store;
    s->scene = scene;
}

bool hulse_admin_server_open(struct admin_server *s, int listen_fd)
{
    HULSE_ASSERT(!s->open);
    s->watch = (struct watch){.fd = listen_fd, .fire = server_fired};
    s->pause.fire = pause_over;
    s->open = hulse_loop_add(s->loop, &s->watch, EPOLLIN);
    return s->open;
}

void hulse_admin_server_close(struct admin_server *s)
{
    if (s->open) {
        hulse_loop_remove(s->loop, &s->watch);
        hulse_timer_stop(&s->loop->timers, &s->pause);
        s->open = false;
    }
    for (unsigned i = 0; i < HULSE_ADMIN_CONNECTIONS_MAX; i++) {
        if (s->conns[i].state != ADMIN_FREE) {
            close_conn(&s->conns[i]);
        }
    }
}
