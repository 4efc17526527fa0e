/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver - names of hosts to addresses, by c-ares on the loop of its thread.
 *
 * IPv4 and IPv6, literal addresses, the hosts file, the name servers and search domains of
 * resolv.conf. That file is read when lookups begin after a time without any, in which the
 * resolver holds no descriptor. Nothing is cached, by c-ares neither: an answer carries the time it
 * may be kept.
 *
 * Threads: the loop's.
 * Trust:   answers come from a network; c-ares parses them, and what it gives is bounded here.
 * Limits:  256 lookups at once, 16 addresses each.
 */
#ifndef HULSE_NET_RESOLVER_H
#define HULSE_NET_RESOLVER_H

#include "daemon/core/error.h"
#include "daemon/worker/loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define HULSE_RESOLVER_LOOKUPS_MAX 256U
#define HULSE_RESOLVER_ADDRESSES_MAX 16U
/* Of a name (RFC 1035, 2.3.4), with the terminating zero. */
#define HULSE_RESOLVER_NAME_BYTES 254U

union resolver_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct resolver_result {
    /* OK: at least one address. FAILED: no such name, or it has none. TIMED_OUT, IO, NO_MEMORY. */
    hulse_status status;
    uint32_t address_count;
    /* The least of all records'; 0 when none says so: a literal, or the hosts file. */
    uint32_t ttl_s;
    union resolver_address addresses[HULSE_RESOLVER_ADDRESSES_MAX]; /* best first (RFC 6724) */
    char why[320];                                                  /* unless OK */
};

struct resolver_query;

/* One lookup. The caller's memory, until done() or cancel. */
struct resolver_lookup {
    TAILQ_ENTRY(resolver_lookup) link; /* among those finished */
    struct resolver_query *query;      /* NULL = none is on its way */
    struct resolver *resolver;
    uint16_t port;
    bool finished; /* done() is due */
    struct resolver_result result;
    /* Comes once, never from within start. The result is the lookup's own. */
    void (*done)(struct resolver_lookup *lookup, const struct resolver_result *result);
};

struct resolver_params {
    const char *servers; /* ADDRESS[:PORT],...; NULL = the system's */
    uint32_t timeout_ms; /* of the first try; 0 = the system's */
    uint32_t tries;      /* 0 = the system's */
};

struct resolver_watch;

struct resolver {
    struct loop *loop;
    struct resolver_params params;
    void *channel;    /* of c-ares; NULL while there is nothing to do */
    uint32_t lookups; /* whose done() is to come */
    uint32_t queries; /* in c-ares, those included that were cancelled */
    LIST_HEAD(, resolver_watch) watches;
    TAILQ_HEAD(, resolver_lookup) finished;
    struct timer retry;   /* c-ares wants to be called */
    struct timer deliver; /* results are due */
};

/* Opens nothing. params->servers is borrowed. */
void hulse_resolver_init(struct resolver *r,
                         struct loop *loop,
                         const struct resolver_params *params);
/* Lookups that are on their way get no done(). */
void hulse_resolver_fini(struct resolver *r);
/* INVAL: not a name; LIMIT: too many at once; NO_MEMORY. Addresses get the port. */
hulse_status hulse_resolver_start(struct resolver *r,
                                  struct resolver_lookup *lookup,
                                  const char *name,
                                  uint16_t port,
                                  struct error *err);
/* done() will not come. Harmless on a lookup that is not on its way. */
void hulse_resolver_cancel(struct resolver_lookup *lookup);

#endif
