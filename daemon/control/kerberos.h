/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kerberos - logins to a broker by Kerberos (SASL, GSSAPI): who answers the steps of its connections (core/login.h).
 *
 * For each connection the helper runs the program hulse-kerberos, which stands beside the daemon's own: it gets tickets
 * by the key in the keytab and holds the context; the daemon carries its lines to and fro. What waits for a centre that
 * does not answer is a process of its own, at most CONCURRENT of a broker; more wait for those.
 *
 * Threads: control.
 * Trust:   what the program prints is base64 or the login has failed. Its complaints are texts of the library, bounded
 *          and printable; they hold no key and are told as the reason.
 * Limits:  32 KiB of a token; 3 KiB of what a broker answers.
 */
#ifndef HULSE_CONTROL_KERBEROS_H
#define HULSE_CONTROL_KERBEROS_H

#include "daemon/control/helper.h"
#include "daemon/core/login.h"

#include <sys/queue.h>

struct kerberos_clerk;

/* Of one broker. Zeros but for the first five, which are the configuration's. */
struct kerberos_desk {
    struct login_desk desk; /* what its connections ask */
    const char *principal;
    const char *keytab_file;
    const char *service;
    uint32_t timeout_ms; /* for a whole login, not 0 */
    const char *program; /* NULL: hulse-kerberos beside the daemon's own */
    struct helper *helper;
    unsigned running;
    bool closed;
    TAILQ_HEAD(kerberos_queue, kerberos_clerk) waiting;
    LIST_HEAD(, kerberos_clerk) all;
};

/* Before the workers, whose connections may ask from then on. */
void hulse_kerberos_begin(struct kerberos_desk *desks,
                          unsigned count,
                          struct helper *helper,
                          struct inbox *inbox);
/* No worker is there any more: nothing that they have asked is answered. */
void hulse_kerberos_close(struct kerberos_desk *desks, unsigned count);
/* And their last orders have come: ends what runs, and frees what nobody has asked to end. */
void hulse_kerberos_end(struct kerberos_desk *desks, unsigned count);

/*
 * Whether there could be logins: a keytab in the file (its first two bytes: 5, 2), and the program. IO; INVAL: it is
 * none; UNSUPPORTED: a build without the program.
 */
hulse_status hulse_kerberos_check(const char *keytab_file, struct error *err);

/*
 * The line that the program printed, without its end, as bytes of a new secret. NULL: it is no base64, or there is no
 * memory.
 */
struct secret *hulse_kerberos_decode(const char *line, size_t bytes);

#endif
