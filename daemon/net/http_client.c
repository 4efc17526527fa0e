/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client - see http_client.h.
 *
 * A request is first a lookup, then a transfer of libcurl's. libcurl says which sockets it wants
 * watched and when it wants to be called; all of its results are fetched after each such call, so
 * that nothing of the caller's ever runs inside libcurl.
 */
#include "daemon/net/http_client.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/net/curl_library.h"
#include "daemon/net/http_exchange.h"
#include "daemon/net/http_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* For requests that come one after another: a handshake costs more than the rest. */
#define KEEP_MS 5000U
#define CONNECTIONS_KEPT 8L

/* A socket of libcurl. */
struct http_watch {
    struct watch watch;
    LIST_ENTRY(http_watch) link;
    struct http_client *client;
};

/* ---- ends ---- */

/* Out of everything; only its memory is left. */
static void detach(struct http_exchange *x)
{
    struct http_client *c = x->client;

    if (x->added) {
        (void)hulse_curl.multi_remove_handle(c->multi, x->easy);
        x->added = false;
    }
    hulse_resolver_cancel(&x->lookup);
    hulse_timer_stop(&c->loop->timers, &x->deadline);
    LIST_REMOVE(x, link);
    x->call->exchange = NULL;
    c->calls--;
    if (c->calls == 0) {
        hulse_timer_start(&c->loop->timers, &c->idle, hulse_loop_now_ms(c->loop) + KEEP_MS);
    }
}

static void finish(struct http_exchange *x, struct http_result result)
{
    struct http_call *call = x->call;

    detach(x);
    call->done(call, &result);
    hulse_http_exchange_destroy(&x);
}

/* A done() may end other transfers, and with them their results. */
static void fetch_results(struct http_client *c)
{
    const CURLMsg *message = NULL;
    int left = 0;

    while (c->multi != NULL && (message = hulse_curl.multi_info_read(c->multi, &left)) != NULL) {
        struct http_exchange *x = NULL;
        const CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            hulse_curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x) == CURLE_OK) {
            finish(x, hulse_http_exchange_end(x, code));
        }
    }
}

static void deadline_passed(struct timer *timer)
{
    struct http_exchange *x = HULSE_CONTAINER(timer, struct http_exchange, deadline);
    char why[64];

    (void)snprintf(why, sizeof(why), "no answer within %u ms", x->timeout_ms);
    finish(x, hulse_http_exchange_fail(x, HULSE_TIMED_OUT, why));
}

/* ---- sockets and time ---- */

/*
 * libcurl before 8.5 closes the socket of an address that did not answer, and asks for nothing: it
 * would turn to the next address only when something else has it called.
 */
static void act(struct http_client *c, curl_socket_t fd, int events)
{
    int running = 0;

    c->socket_gone = false;
    (void)hulse_curl.multi_socket_action(c->multi, fd, events, &running);
    while (c->socket_gone) {
        c->socket_gone = false;
        (void)hulse_curl.multi_socket_all(c->multi, &running);
    }
    fetch_results(c);
}

static void socket_fired(struct watch *watch, uint32_t events)
{
    const struct http_watch *w = HULSE_CONTAINER(watch, struct http_watch, watch);
    int wanted = (events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;

    wanted |= (events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    wanted |= (events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
    /* The watch may be gone afterwards. */
    act(w->client, watch->fd, wanted);
}

static void drop_watch(struct http_watch *w)
{
    hulse_loop_remove(w->client->loop, &w->watch);
    LIST_REMOVE(w, link);
    free(w);
}

/* Without memory or epoll the socket is not watched, and the request ends by its time. */
static void add_watch(struct http_client *c, curl_socket_t fd, uint32_t events)
{
    struct http_watch *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        return;
    }
    w->client = c;
    w->watch = (struct watch){.fd = fd, .fire = socket_fired};
    if (!hulse_loop_add(c->loop, &w->watch, events)) {
        free(w);
        return;
    }
    LIST_INSERT_HEAD(&c->watches, w, link);
    (void)hulse_curl.multi_assign(c->multi, fd, w);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct http_client *c = ctx;
    struct http_watch *w = known;
    const uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                            ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        c->socket_gone = true;
        if (w != NULL) {
            drop_watch(w);
        }
    } else if (w != NULL) {
        (void)hulse_loop_modify(c->loop, &w->watch, events);
    } else {
        add_watch(c, fd, events);
    }
    return 0;
}

static int time_changed(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http_client *c = ctx;

    (void)multi;
    if (timeout_ms < 0) {
        hulse_timer_stop(&c->loop->timers, &c->timer);
    } else {
        hulse_timer_start(
            &c->loop->timers, &c->timer, hulse_loop_now_ms(c->loop) + (uint64_t)timeout_ms);
    }
    return 0;
}

static void time_came(struct timer *timer)
{
    act(HULSE_CONTAINER(timer, struct http_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* ---- libcurl's handle for all ---- */

static void close_multi(struct http_client *c)
{
    struct http_watch *next = NULL;

    if (c->multi == NULL) {
        return;
    }
    (void)hulse_curl.multi_cleanup(c->multi);
    c->multi = NULL;
    for (struct http_watch *w = LIST_FIRST(&c->watches); w != NULL; w = next) {
        next = LIST_NEXT(w, link);
        drop_watch(w);
    }
    hulse_timer_stop(&c->loop->timers, &c->timer);
    hulse_curl.global_cleanup();
}

static hulse_status open_multi(struct http_client *c, struct error *err)
{
    if (c->multi != NULL) {
        return HULSE_OK;
    }
    const hulse_status st = hulse_curl_library_load(err);
    if (st != HULSE_OK) {
        return st;
    }
    if (!hulse_http_memory_start_curl()) {
        return hulse_fail(err, HULSE_NO_MEMORY, "libcurl does not start");
    }
    CURLM *multi = hulse_curl.multi_init();
    if (multi == NULL) {
        hulse_curl.global_cleanup();
        return hulse_fail(err, HULSE_NO_MEMORY, "libcurl does not start");
    }
    c->multi = multi;
    (void)hulse_curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    (void)hulse_curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    (void)hulse_curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, time_changed);
    (void)hulse_curl.multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    (void)hulse_curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    return HULSE_OK;
}

static void kept_long_enough(struct timer *timer)
{
    struct http_client *c = HULSE_CONTAINER(timer, struct http_client, idle);

    HULSE_ASSERT(c->calls == 0);
    close_multi(c);
}

/*
 * libcurl, and OpenSSL as some build it, write the keys of every connection where this says: with
 * them a capture shows the secrets.
 */
static void forget_key_log(void)
{
    static const char name[] = "SSLKEYLOGFILE";

    /* Before there are others who read the environment. NOLINTBEGIN(concurrency-mt-unsafe) */
    if (getenv(name) != NULL) {
        HULSE_LOG_WARNF("http.key_log", hulse_log_str("ignored", name));
        (void)unsetenv(name);
    }
    /* NOLINTEND(concurrency-mt-unsafe) */
}

void hulse_http_client_init(struct http_client *c, struct loop *loop, struct resolver *resolver)
{
    forget_key_log();
    *c = (struct http_client){
        .loop = loop,
        .resolver = resolver,
        .timer.fire = time_came,
        .idle.fire = kept_long_enough,
    };
    LIST_INIT(&c->exchanges);
    LIST_INIT(&c->watches);
}

void hulse_http_client_close(struct http_client *c)
{
    struct http_exchange *x = NULL;

    c->closed = true;
    while ((x = LIST_FIRST(&c->exchanges)) != NULL) {
        finish(x, hulse_http_exchange_fail(x, HULSE_CLOSED, "the daemon is stopping"));
    }
}

void hulse_http_client_fini(struct http_client *c)
{
    struct http_exchange *x = NULL;

    while ((x = LIST_FIRST(&c->exchanges)) != NULL) {
        detach(x);
        hulse_http_exchange_destroy(&x);
    }
    hulse_timer_stop(&c->loop->timers, &c->idle);
    close_multi(c);
}

/* ---- calls ---- */

static void located(struct resolver_lookup *lookup, const struct resolver_result *where)
{
    struct http_exchange *x = HULSE_CONTAINER(lookup, struct http_exchange, lookup);
    const uint64_t now_ms = hulse_loop_now_ms(x->client->loop);
    const uint64_t end_ms = x->deadline.due_ms;
    const uint32_t left_ms = end_ms > now_ms ? (uint32_t)(end_ms - now_ms) : 1;

    if (where->status != HULSE_OK) {
        finish(x, hulse_http_exchange_fail(x, where->status, where->why));
    } else if (!hulse_http_exchange_locate(x, where, left_ms) ||
               hulse_curl.multi_add_handle(x->client->multi, x->easy) != CURLM_OK) {
        finish(x, hulse_http_exchange_fail(x, HULSE_NO_MEMORY, "no memory"));
    } else {
        x->added = true;
    }
}

hulse_status hulse_http_client_start(struct http_client *c,
                                     struct http_call *call,
                                     const struct http_request *request,
                                     struct error *err)
{
    struct http_exchange *x = NULL;

    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    HULSE_ASSERT(call->exchange == NULL);

    if (c->closed) {
        return hulse_fail(err, HULSE_CLOSED, "the daemon is stopping");
    }
    if (c->calls == HULSE_HTTP_CALLS_MAX) {
        return hulse_fail(err, HULSE_LIMIT, "at most %u requests at once", HULSE_HTTP_CALLS_MAX);
    }
    hulse_status st = open_multi(c, err);
    if (st != HULSE_OK) {
        return st;
    }
    st = hulse_http_exchange_create(&x, request, err);
    if (st == HULSE_OK) {
        x->lookup.done = located;
        st = hulse_resolver_start(c->resolver, &x->lookup, x->host, x->port, err);
        if (st != HULSE_OK) {
            hulse_http_exchange_destroy(&x);
        }
    }
    if (st != HULSE_OK) {
        if (c->calls == 0) {
            hulse_timer_start(&c->loop->timers, &c->idle, hulse_loop_now_ms(c->loop) + KEEP_MS);
        }
        return st;
    }
    x->client = c;
    x->call = call;
    x->deadline.fire = deadline_passed;
    call->exchange = x;
    LIST_INSERT_HEAD(&c->exchanges, x, link);
    c->calls++;
    hulse_timer_stop(&c->loop->timers, &c->idle);
    hulse_timer_start(&c->loop->timers, &x->deadline, hulse_loop_now_ms(c->loop) + x->timeout_ms);
    return HULSE_OK;
}

void hulse_http_client_cancel(struct http_call *call)
{
    struct http_exchange *x = call->exchange;

    if (x != NULL) {
        detach(x);
        hulse_http_exchange_destroy(&x);
    }
}
