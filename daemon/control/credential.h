/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential - the token that the daemon shows to one broker, kept fresh from where it comes.
 *
 *   TOKEN    the text itself
 *   FILE     read when its folder says that something has happened, and at every period; a change is
 *            found by its content
 *   COMMAND  run by the helper; again when 4/5 of its JWT's remaining life have passed, else at
 *            every period
 *   BASIC    a name, and a password that is in a file, which is read as above
 *   OAUTH2   fetched from an issuer; again as a command is, or by the life that the issuer tells
 *   ATHENZ   a role token, fetched from a ZTS; again when 4/5 of its remaining life have passed
 *
 * What fails is tried again (a file at its period, all else after 1 s, then twice as long each time,
 * up to 60 s); until then the token before stays in force, unless its time is over. The same token
 * again is no change, but its end is what was said last.
 *
 * Threads: control, as the writer that retires (rcu.h). `slot` and `trouble` may be read by any
 *          thread (secret.h) until the credential is destroyed.
 * Trust:   token.h. Texts of errors, and so the log, hold nothing of a token. What a command has
 *          said on its standard error may; it is kept apart for the operator who asks.
 */
#ifndef HULSE_CONTROL_CREDENTIAL_H
#define HULSE_CONTROL_CREDENTIAL_H

#include "daemon/control/athenz.h"
#include "daemon/control/folder_watch.h"
#include "daemon/control/helper.h"
#include "daemon/control/oauth2.h"
#include "daemon/core/error.h"
#include "daemon/core/secret.h"
#include "daemon/worker/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a broker, with the terminating zero. */
#define HULSE_CREDENTIAL_NAME_BYTES 128U

enum credential_kind {
    CREDENTIAL_NONE = 0, /* not yet set, or removed */
    CREDENTIAL_TOKEN,
    CREDENTIAL_FILE,
    CREDENTIAL_COMMAND,
    CREDENTIAL_BASIC,
    CREDENTIAL_OAUTH2,
    CREDENTIAL_ATHENZ
};

/* Read by set and not kept. */
struct credential_params {
    enum credential_kind kind;
    const char *text; /* the token, the path of its file or of the password's, or the command */
    const char *user; /* of BASIC */
    const struct oauth2_params *oauth2;
    const struct athenz_params *athenz;
    uint32_t period_ms;  /* of all but TOKEN, not 0 */
    uint32_t timeout_ms; /* of COMMAND, OAUTH2 and ATHENZ, not 0 */
};

/* What may be told about it. */
struct credential_status {
    uint64_t generation;      /* of the token in force, from 1; 0 = there is none */
    uint64_t expires_wall_ms; /* of the token in force; 0 = not known */
    uint32_t failures;        /* one after another, up to now */
    const char *why; /* of the last failure, and whose; empty without one; the credential's */
    /* With it: the last line of the command's standard error, printable, or empty; the
       credential's. It may hold a secret: never for the log, nor for others than the operator. */
    const char *complaint;
};

struct credential_surroundings {
    struct loop *loop;
    struct helper *helper;
    struct http_client *http;
    uint32_t backoff_ms; /* the first one; 0 = 1 s */
    /* Another token is in force, or none any more. From the loop, never from within a call. */
    void (*changed)(void *ctx, const char *name);
    void *ctx;
};

struct credential {
    const struct credential_surroundings *around;
    struct secret_slot slot;
    struct secret_slot
        trouble;            /* why the last attempt failed, for other threads; empty: it has not */
    struct secret *current; /* the slot's; NULL = none */
    enum credential_kind kind;
    char *text;                   /* NULL: OAUTH2, ATHENZ, or nothing */
    char *user;                   /* NULL: not BASIC */
    struct oauth2_source *oauth2; /* NULL: not OAUTH2 */
    struct athenz_source *athenz; /* NULL: not ATHENZ */
    uint32_t period_ms;
    uint32_t timeout_ms;
    struct timer timer;
    struct folder_watch watch; /* of FILE and BASIC */
    uint64_t refresh_ms;       /* on the loop's clock; 0 = by the wall clock or never */
    uint64_t refresh_wall_ms;  /* 0 = not by the wall clock */
    struct helper_call command;
    struct oauth2_fetch fetch;
    struct athenz_fetch role_fetch;
    uint64_t generation; /* of the newest there ever was */
    uint32_t failures;
    char name[HULSE_CREDENTIAL_NAME_BYTES];
    char why[256];
    char complaint[HULSE_HELPER_COMPLAINT_BYTES]; /* wiped with the failure it belongs to */
};

/* Without a token, and with nothing to get one from. NULL without memory. */
struct credential *hulse_credential_create(const char *name,
                                           const struct credential_surroundings *around);
/* No thread may look at its slot any more. */
void hulse_credential_destroy(struct credential **c);
/*
 * Where the token comes from now. The first attempt is the loop's next round; until it has
 * succeeded the token before, if any, stays in force. Nothing happens where it comes from there
 * already, so that a reload disturbs nobody. INVAL: nothing of this kind; NO_MEMORY.
 */
hulse_status hulse_credential_set(struct credential *c,
                                  const struct credential_params *params,
                                  struct error *err);
/* There is no token any more, and there will be none; changed() does not come. */
void hulse_credential_remove(struct credential *c);
/* A broker refused the token of this generation: unless there is another one, get one soon. */
void hulse_credential_refused(struct credential *c, uint64_t generation);
void hulse_credential_status(const struct credential *c, struct credential_status *out);

#endif
