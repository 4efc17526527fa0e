/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_context - what we trust and who we are, from files, made again when one of them has changed.
 *
 * Connections that are there keep what they began with. Files that cannot be used replace nothing.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONNECTION_TLS_CONTEXT_H
#define HULSE_PULSAR_CONNECTION_TLS_CONTEXT_H

#include "daemon/broker/pulsar/connection/tls_news.h"
#include "daemon/broker/pulsar/pulsar.h"

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { PULSAR_TLS_FILES = 3 }; /* CA, certificate, key */

/* Which file a name means now; all zero without one. */
struct tls_stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec written;
    struct timespec changed;
};

/* All zero but `news`: nothing is loaded. */
struct tls_context {
    SSL_CTX *ctx;
    struct tls_stamp stamps[PULSAR_TLS_FILES];
    struct tls_news *news; /* what is said once for all workers; NULL: nothing is said */
    uint32_t generation;   /* one more with each change that was taken */
    uint64_t failures;     /* changes that could not be used, and that nobody else has said */
    uint64_t own_expires_wall_ms; /* our certificate; 0: none */
    uint64_t ca_expires_wall_ms;  /* the first in ca_file; 0: no file */
};

/* Looks at the files. Not OK: there is nothing to use, with *err filled. */
hulse_status hulse_tls_context_update(struct tls_context *t,
                                      const struct pulsar_tls_params *params,
                                      struct error *err);
void hulse_tls_context_fini(struct tls_context *t);

#endif
