/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial - from the name of a host to a stream that is open: every address is tried in turn. The name and each address have
 * their time.
 *
 * Threads: the worker's.
 * Limits:  one name and one socket at a time.
 */
#ifndef HULSE_PULSAR_CONNECTION_DIAL_H
#define HULSE_PULSAR_CONNECTION_DIAL_H

#include "daemon/broker/pulsar/connection/service_url.h"
#include "daemon/broker/pulsar/connection/stream.h"
#include "daemon/net/resolver.h"

#define PULSAR_DIAL_TEXT_BYTES 256U

struct dial_params {
    struct loop *loop;
    struct resolver *resolver;
    uint32_t timeout_ms; /* for the name, and for each address */
    SSL_CTX *tls;        /* NULL: plain; held while it is needed */
    bool any_host;
};

/* Zeros before the first begin. */
struct dial {
    struct dial_params params;
    struct resolver_lookup lookup;
    struct watch watch;
    struct timer timer;
    struct stream stream;
    uint32_t at;  /* which address */
    bool trying;  /* the stream is this one's */
    bool shaking; /* of TLS */
    char host[PULSAR_HOST_BYTES];
    char text[PULSAR_DIAL_TEXT_BYTES]; /* what the last address said */
    /*
     * Once, from the loop. OK: the stream is open and the caller's. IO, TIMED_OUT, NO_MEMORY with the
     * text otherwise.
     */
    void (*done)(struct dial *d, hulse_status status);
};

/* Not OK: text says why, done() does not come. */
hulse_status
hulse_dial_begin(struct dial *d, const struct dial_params *params, const struct pulsar_host *to);
/* done() does not come. Harmless when nothing is on its way; due after done() too. */
void hulse_dial_cancel(struct dial *d);

#endif
