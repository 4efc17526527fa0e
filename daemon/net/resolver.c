/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver - see resolver.h.
 *
 * c-ares cannot cancel one lookup of many, so each has a query of its own on the heap that outlives
 * a cancelled lookup. c-ares may answer from within any of its calls; results are therefore kept
 * and handed out by a timer, where everything may be called again.
 */
#include "daemon/net/resolver.h"

#include "daemon/core/assert.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct resolver_query {
    struct resolver *resolver;
    struct resolver_lookup *lookup; /* NULL: cancelled */
    char name[HULSE_RESOLVER_NAME_BYTES];
};

/* A socket of c-ares. */
struct resolver_watch {
    struct watch watch;
    LIST_ENTRY(resolver_watch) link;
    struct resolver *resolver;
};

/* ---- sockets and time ---- */

/* After anything was done: when does c-ares want to be called next? */
static void plan(struct resolver *r)
{
    struct timeval room;

    hulse_timer_stop(&r->loop->timers, &r->retry);
    if (r->channel == NULL) {
        return;
    }
    const struct timeval *left = ares_timeout(r->channel, NULL, &room);
    if (left != NULL) {
        const uint64_t ms = (uint64_t)left->tv_sec * 1000U + (uint64_t)left->tv_usec / 1000U + 1;
        hulse_timer_start(&r->loop->timers, &r->retry, hulse_loop_now_ms(r->loop) + ms);
    }
}

static void process(struct resolver *r, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(r->channel, readable, writable);
    plan(r);
}

static void retry_due(struct timer *timer)
{
    process(HULSE_CONTAINER(timer, struct resolver, retry), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void socket_fired(struct watch *watch, uint32_t events)
{
    const struct resolver_watch *w = HULSE_CONTAINER(watch, struct resolver_watch, watch);
    const int fd = watch->fd;

    /* An error is found by reading. c-ares may close the socket, and free the watch, meanwhile. */
    process(w->resolver,
            (events & ~(uint32_t)EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD,
            (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct resolver_watch *find_watch(struct resolver *r, int fd)
{
    struct resolver_watch *w = NULL;

    LIST_FOREACH(w, &r->watches, link)
    {
        if (w->watch.fd == fd) {
            return w;
        }
    }
    return NULL;
}

static void drop_watch(struct resolver *r, struct resolver_watch *w)
{
    hulse_loop_remove(r->loop, &w->watch);
    LIST_REMOVE(w, link);
    free(w);
}

/* Without memory or epoll the socket is not watched, and the lookup ends by its time. */
static void add_watch(struct resolver *r, int fd, uint32_t events)
{
    struct resolver_watch *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        return;
    }
    w->resolver = r;
    w->watch = (struct watch){.fd = fd, .fire = socket_fired};
    if (!hulse_loop_add(r->loop, &w->watch, events)) {
        free(w);
        return;
    }
    LIST_INSERT_HEAD(&r->watches, w, link);
}

/* c-ares opened a socket, wants something else of it, or is about to close it. */
static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = data;
    struct resolver_watch *w = find_watch(r, fd);
    const uint32_t events =
        (readable != 0 ? (uint32_t)EPOLLIN : 0) | (writable != 0 ? (uint32_t)EPOLLOUT : 0);

    if (events == 0) {
        if (w != NULL) {
            drop_watch(r, w);
        }
    } else if (w != NULL) {
        (void)hulse_loop_modify(r->loop, &w->watch, events);
    } else {
        add_watch(r, fd, events);
    }
}

/* ---- results ---- */

static hulse_status status_of(int ares_status)
{
    switch (ares_status) {
    case ARES_ETIMEOUT:
        return HULSE_TIMED_OUT;
    case ARES_ECONNREFUSED:
        return HULSE_IO;
    case ARES_ENOMEM:
        return HULSE_NO_MEMORY;
    default:
        return HULSE_FAILED;
    }
}

static void keep_ttl(struct resolver_result *result, int ttl_s)
{
    if (ttl_s > 0 && (result->ttl_s == 0 || (uint32_t)ttl_s < result->ttl_s)) {
        result->ttl_s = (uint32_t)ttl_s;
    }
}

static void take_addresses(struct resolver_lookup *lookup, const struct ares_addrinfo *info)
{
    struct resolver_result *result = &lookup->result;

    for (const struct ares_addrinfo_cname *c = info->cnames; c != NULL; c = c->next) {
        keep_ttl(result, c->ttl);
    }
    for (const struct ares_addrinfo_node *n = info->nodes;
         n != NULL && result->address_count < HULSE_RESOLVER_ADDRESSES_MAX;
         n = n->ai_next) {
        union resolver_address *to = &result->addresses[result->address_count];
        if (n->ai_family == AF_INET && n->ai_addrlen == sizeof(to->v4)) {
            memcpy(&to->v4, n->ai_addr, sizeof(to->v4));
            to->v4.sin_port = htons(lookup->port);
        } else if (n->ai_family == AF_INET6 && n->ai_addrlen == sizeof(to->v6)) {
            memcpy(&to->v6, n->ai_addr, sizeof(to->v6));
            to->v6.sin6_port = htons(lookup->port);
        } else {
            continue;
        }
        result->address_count++;
        keep_ttl(result, n->ai_ttl);
    }
}

static void finish(struct resolver_lookup *lookup, const char *name, int ares_status)
{
    struct resolver *r = lookup->resolver;
    struct resolver_result *result = &lookup->result;

    if (ares_status == ARES_SUCCESS && result->address_count == 0) {
        ares_status = ARES_ENODATA;
    }
    if (ares_status != ARES_SUCCESS) {
        result->status = status_of(ares_status);
        (void)snprintf(
            result->why, sizeof(result->why), "%s: %s", name, ares_strerror(ares_status));
    }
    lookup->query = NULL;
    lookup->finished = true;
    TAILQ_INSERT_TAIL(&r->finished, lookup, link);
    hulse_timer_start(&r->loop->timers, &r->deliver, hulse_loop_now_ms(r->loop));
}

static void answered(void *data, int ares_status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_query *q = data;

    (void)timeouts;
    q->resolver->queries--;
    if (q->lookup != NULL) {
        if (info != NULL) {
            take_addresses(q->lookup, info);
        }
        finish(q->lookup, q->name, ares_status);
    }
    ares_freeaddrinfo(info);
    free(q);
}

static void close_channel(struct resolver *r)
{
    if (r->channel != NULL) {
        ares_destroy(r->channel);
        r->channel = NULL;
        plan(r);
    }
}

static void deliver_due(struct timer *timer)
{
    struct resolver *r = HULSE_CONTAINER(timer, struct resolver, deliver);
    struct resolver_lookup *lookup = NULL;

    while ((lookup = TAILQ_FIRST(&r->finished)) != NULL) {
        TAILQ_REMOVE(&r->finished, lookup, link);
        lookup->finished = false;
        r->lookups--;
        lookup->done(lookup, &lookup->result);
    }
    if (r->lookups == 0) {
        close_channel(r);
    }
}

/* ---- lookups ---- */

void hulse_resolver_init(struct resolver *r,
                         struct loop *loop,
                         const struct resolver_params *params)
{
    *r = (struct resolver){
        .loop = loop,
        .params = *params,
        .retry.fire = retry_due,
        .deliver.fire = deliver_due,
    };
    LIST_INIT(&r->watches);
    TAILQ_INIT(&r->finished);
}

void hulse_resolver_fini(struct resolver *r)
{
    struct resolver_lookup *lookup = NULL;

    close_channel(r);
    hulse_timer_stop(&r->loop->timers, &r->deliver);
    while ((lookup = TAILQ_FIRST(&r->finished)) != NULL) {
        TAILQ_REMOVE(&r->finished, lookup, link);
        lookup->finished = false;
    }
    r->lookups = 0;
}

static hulse_status open_channel(struct resolver *r, struct error *err)
{
    struct ares_options options = {
        .timeout = (int)r->params.timeout_ms,
        .tries = (int)r->params.tries,
        .sock_state_cb = socket_changed,
        .sock_state_cb_data = r,
    };
    ares_channel channel = NULL;
    int mask = ARES_OPT_SOCK_STATE_CB;

#ifdef ARES_OPT_QUERY_CACHE
    /* From 1.31 on it caches for up to an hour unless told not to: whoever asks knows the time. */
    options.qcache_max_ttl = 0;
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    mask |= r->params.timeout_ms != 0 ? ARES_OPT_TIMEOUTMS : 0;
    mask |= r->params.tries != 0 ? ARES_OPT_TRIES : 0;
    int rc = ares_init_options(&channel, &options, mask);
    if (rc == ARES_SUCCESS && r->params.servers != NULL) {
        rc = ares_set_servers_ports_csv(channel, r->params.servers);
        if (rc != ARES_SUCCESS) {
            ares_destroy(channel);
        }
    }
    if (rc != ARES_SUCCESS) {
        return hulse_fail(err,
                          rc == ARES_ENOMEM ? HULSE_NO_MEMORY : HULSE_INVAL,
                          "name servers: %s",
                          ares_strerror(rc));
    }
    r->channel = channel;
    return HULSE_OK;
}

/* c-ares 1.18 asks a name server about an IPv4 address when any family will do. */
static bool take_literal(struct resolver_lookup *lookup, const char *name)
{
    union resolver_address *to = &lookup->result.addresses[0];

    if (inet_pton(AF_INET, name, &to->v4.sin_addr) == 1) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(lookup->port);
    } else if (inet_pton(AF_INET6, name, &to->v6.sin6_addr) == 1) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(lookup->port);
    } else {
        return false;
    }
    lookup->result.address_count = 1;
    return true;
}

static hulse_status
ask(struct resolver *r, struct resolver_lookup *lookup, const char *name, struct error *err)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC};

    if (r->queries == HULSE_RESOLVER_LOOKUPS_MAX) {
        return hulse_fail(
            err, HULSE_LIMIT, "at most %u lookups at once", HULSE_RESOLVER_LOOKUPS_MAX);
    }
    const hulse_status st = r->channel == NULL ? open_channel(r, err) : HULSE_OK;
    if (st != HULSE_OK) {
        return st;
    }
    struct resolver_query *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    q->resolver = r;
    q->lookup = lookup;
    memcpy(q->name, name, strlen(name) + 1);
    lookup->query = q;
    r->lookups++;
    r->queries++;
    ares_getaddrinfo(r->channel, name, NULL, &hints, answered, q);
    plan(r);
    return HULSE_OK;
}

hulse_status hulse_resolver_start(struct resolver *r,
                                  struct resolver_lookup *lookup,
                                  const char *name,
                                  uint16_t port,
                                  struct error *err)
{
    const size_t bytes = strlen(name);

    HULSE_ASSERT(lookup->query == NULL && !lookup->finished);

    if (bytes == 0 || bytes >= HULSE_RESOLVER_NAME_BYTES) {
        return hulse_fail(
            err, HULSE_INVAL, "a name of a host has 1 to %u bytes", HULSE_RESOLVER_NAME_BYTES - 1);
    }
    lookup->resolver = r;
    lookup->port = port;
    lookup->result = (struct resolver_result){.status = HULSE_OK};
    if (take_literal(lookup, name)) {
        r->lookups++;
        finish(lookup, name, ARES_SUCCESS);
        return HULSE_OK;
    }
    return ask(r, lookup, name, err);
}

void hulse_resolver_cancel(struct resolver_lookup *lookup)
{
    struct resolver *r = lookup->resolver;

    if (lookup->finished) {
        TAILQ_REMOVE(&r->finished, lookup, link);
        lookup->finished = false;
    } else if (lookup->query != NULL) {
        lookup->query->lookup = NULL;
        lookup->query = NULL;
    } else {
        return;
    }
    r->lookups--;
    /* Where nothing is left, the timer closes the channel. */
    hulse_timer_start(&r->loop->timers, &r->deliver, hulse_loop_now_ms(r->loop));
}
