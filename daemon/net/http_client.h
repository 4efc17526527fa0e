/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client - HTTP requests to the outside, by libcurl on the control loop.
 *
 * HTTP/1.1 over TCP or TLS (1.2 and later). Addresses come from the resolver, so that libcurl never
 * starts a thread; where there are several, one that does not answer has 4 s at most, and less when
 * the request's time is shorter. Redirects are not followed; no proxy, no .netrc, no cookies,
 * whatever the environment says. Connections are kept for some seconds; then the client holds
 * nothing.
 *
 * Threads: control, with SIGPIPE ignored.
 * Trust:   servers are foreign: time, head and body of an answer are bounded. Requests and answers
 *          carry secrets: they are never logged, and wiped where they are ours or libcurl's. Of
 *          TLS, OpenSSL's buffers may keep a copy when they are freed.
 * Limits:  32 requests at once, 64 KiB of head in an answer; time and body as each request says.
 *          Bodies of answers count as HULSE_MEM_HTTP.
 */
#ifndef HULSE_NET_HTTP_CLIENT_H
#define HULSE_NET_HTTP_CLIENT_H

#include "daemon/core/error.h"
#include "daemon/net/resolver.h"
#include "daemon/worker/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define HULSE_HTTP_CALLS_MAX 32U

enum http_method { HTTP_GET = 0, HTTP_POST, HTTP_PUT, HTTP_DELETE };

/* Names of PEM files, read when a connection is made. */
struct http_tls {
    const char *ca_file;   /* NULL = what the system trusts */
    const char *cert_file; /* of ours, with its key_file; NULL = none */
    const char *key_file;
    bool any_host;          /* the server's certificate may be for another host */
    bool version_1_3_alone; /* else 1.2 as well */
};

/* Read by start and not kept. */
struct http_request {
    const char *url; /* http:// or https://, without user or password */
    enum http_method method;
    const char *const *headers; /* "Name: value", a NULL at the end; NULL = none */
    const void *body;           /* of POST and PUT */
    size_t body_bytes;
    uint32_t timeout_ms; /* from the name to the last byte; not 0 */
    size_t answer_bytes_max;
    struct http_tls tls;
};

struct http_result {
    /*
     * OK: the server answered, whatever its code. TIMED_OUT; TOOBIG: more than the request allows;
     * IO: not connected, or cut off; PROTOCOL: not HTTP; FAILED: name, certificate, the rest;
     * NO_MEMORY; CLOSED: the client was closed.
     */
    hulse_status status;
    unsigned code;    /* 200, 404, …; 0 unless OK */
    const char *body; /* borrowed during done(); not terminated */
    size_t body_bytes;
    const char *redirect; /* where a 3xx points to, as a whole URL; NULL: nowhere. As body */
    const char *why;      /* unless OK: whom, and what went wrong; nothing of path or query */
    bool reached;         /* the server may have got the request; unless OK */
};

struct http_exchange;
struct http_watch;

/* One request on its way. The caller's memory, until done() or cancel. */
struct http_call {
    struct http_exchange *exchange; /* NULL = not on its way */
    /* Comes once, never from within start. It may start and cancel calls. */
    void (*done)(struct http_call *call, const struct http_result *result);
};

struct http_client {
    struct loop *loop;
    struct resolver *resolver;
    void *multi; /* of libcurl; NULL while there is nothing to do */
    uint32_t calls;
    bool socket_gone; /* while libcurl ran */
    bool closed;
    LIST_HEAD(, http_exchange) exchanges;
    LIST_HEAD(, http_watch) watches;
    struct timer timer; /* libcurl wants to be called */
    struct timer idle;  /* connections are no longer kept */
};

/*
 * Opens nothing. The resolver is borrowed until fini. Takes SSLKEYLOGFILE out of the environment, so
 * no other thread may read that meanwhile.
 */
void hulse_http_client_init(struct http_client *c, struct loop *loop, struct resolver *resolver);
/*
 * Ends calls that are on their way, each with its done() (CLOSED), and refuses all that come (CLOSED).
 * Not from within a done().
 */
void hulse_http_client_close(struct http_client *c);
/* Calls that are on their way get no done(). Not from within a done(). */
void hulse_http_client_fini(struct http_client *c);
/* INVAL: no URL of ours, or a header with control characters; LIMIT: too many at once; NO_MEMORY; CLOSED. */
hulse_status hulse_http_client_start(struct http_client *c,
                                     struct http_call *call,
                                     const struct http_request *request,
                                     struct error *err);
/* done() will not come. Harmless on a call that is not on its way. */
void hulse_http_client_cancel(struct http_call *call);

#endif
