/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth - the methods by which a client shows who it is.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_PULSAR_AUTH_H
#define HULSE_PULSAR_AUTH_H

/* What is shown to brokers, and by which method of theirs (CommandConnect.auth_method_name). */
enum pulsar_auth {
    PULSAR_AUTH_TOKEN = 0, /* "token" */
    PULSAR_AUTH_BASIC,     /* "basic": USER:PASSWORD */
    PULSAR_AUTH_ATHENZ     /* "athenz": a role token */
};

/* Its name on the wire, and what people call what it shows. */
const char *hulse_pulsar_auth_method(enum pulsar_auth auth);
const char *hulse_pulsar_auth_noun(enum pulsar_auth auth);

#endif
