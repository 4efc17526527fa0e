/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - the connections of one worker: one to publish and one to consume for each broker, and up to 4 for
 * producers that want their own (design section 6).
 *
 * An address that could not be reached, or refused, is left alone for a backoff with full jitter that all its users share;
 * whoever attaches meanwhile waits for the same attempt. Attempts: one at a time for each address.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONNECTION_POOL_H
#define HULSE_PULSAR_CONNECTION_POOL_H

#include "daemon/broker/pulsar/connection/connection.h"
#include "daemon/broker/pulsar/failure.h"
#include "daemon/core/error.h"

struct pulsar_pool;
struct pulsar_worker;

enum pulsar_purpose {
    PULSAR_FOR_PUBLISHING, /* lookups too */
    PULSAR_FOR_CONSUMING,
    PULSAR_FOR_ONE /* its own, while there are less than PULSAR_OWN_MAX to this broker; then shared among those */
};

#define PULSAR_OWN_MAX 4U

struct pulsar_pool *hulse_pulsar_pool_create(struct pulsar_worker *w, struct error *err);
/* Everybody who is attached is lost with CLOSED. */
void hulse_pulsar_pool_destroy(struct pulsar_pool **p);
/* `ready` or `lost` will come. False: no memory. */
bool hulse_pulsar_attach(struct pulsar_pool *p,
                         struct pulsar_user *u,
                         const struct pulsar_endpoint *to,
                         enum pulsar_purpose purpose);
/* An attempt there would have to wait for its backoff until then; 0: it would not. */
uint64_t hulse_pulsar_pool_rests_until_ms(struct pulsar_pool *p, const struct pulsar_endpoint *to);
/* What the last attempt there came to, also while the next one is made. False: there was none, or it was reached. */
bool hulse_pulsar_pool_last_failure(struct pulsar_pool *p,
                                    const struct pulsar_endpoint *to,
                                    struct pulsar_failure *out);
/* Looks whether files of certificates have changed, for connections to come and, if it is wanted, those there are. */
void hulse_pulsar_pool_refresh(struct pulsar_pool *p);
/* For pulsar_user.id: never given twice by this worker. */
uint64_t hulse_pulsar_user_id(struct pulsar_pool *p);
/* Writes what was sent since the last call; of the module's flush. */
void hulse_pulsar_pool_flush(struct pulsar_pool *p);

struct pulsar_pool_figures {
    uint64_t connections; /* ready */
    uint64_t connecting;
    uint64_t attempts;
    uint64_t failed_attempts; /* that did not become ready */
    uint64_t
        failures; /* attempts that did not become ready, and connections that ended with an error */
    uint64_t protocol_errors; /* those that ended because of what came */
    /* Connections that were ready, by what ended them. */
    uint64_t closed_idle;
    uint64_t closed_lost;     /* by the broker, or on the way */
    uint64_t closed_silent;   /* a PING was not answered */
    uint64_t closed_protocol; /* what came is not the protocol */
    uint64_t closed_denied;   /* our token is not good any more */
    uint64_t closed_renewed;  /* by us: it began with files that have changed since */
    uint64_t broken_frames;
    uint64_t
        tls_files_refused;   /* changes of files that cannot be used; each counts on one worker */
    uint64_t auth_refreshes; /* tokens shown on open connections, because the broker asked */
    /* From PING to PONG, smoothed, of the connection where it is longest; 0: none was measured. */
    uint64_t round_trip_us;
    /* Of the files as they are now; 0: none. */
    uint64_t certificate_expires_wall_ms; /* our own */
    uint64_t ca_expires_wall_ms; /* the first of the authorities that we were told to trust */
};

/* Looks at the certificates' files. */
void hulse_pulsar_pool_figures(struct pulsar_pool *p, struct pulsar_pool_figures *out);

#endif
