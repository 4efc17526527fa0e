/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers - the brokers of a configuration, made before the workers and destroyed after them.
 *
 * Threads: main.
 */
#ifndef HULSE_PROGRAM_BROKERS_H
#define HULSE_PROGRAM_BROKERS_H

#include "daemon/config/config.h"
#include "daemon/control/control.h"
#include "daemon/flow/flow.h"

struct store;

/* The tokens of brokers that want one, in the order of the configuration. */
struct broker_tokens {
    struct broker_token all[HULSE_CONFIG_BROKERS_MAX];
    unsigned count;
    /* Those of brokers that want a login by Kerberos for each connection. */
    struct kerberos_desk logins[HULSE_CONFIG_BROKERS_MAX];
    unsigned login_count;
};

/*
 * Could it be made, were nobody to have its store? Changes nothing; what can be known beforehand. Errors: those of the
 * store, INVAL (the service URL), IO (files of TLS), with the key and what is wrong; *path: the key's, within the broker.
 */
hulse_status hulse_brokers_look(const struct config *config,
                                const struct config_broker *wanted,
                                const char **path,
                                struct error *err);
/*
 * In the order of the configuration, which has checked that the default one is among them. *tokens and *http, which
 * control begins, outlive the brokers.
 */
hulse_status hulse_brokers_make(const struct config *config,
                                struct flow *flow,
                                struct broker_tokens *tokens,
                                struct http_client *http,
                                struct error *err);
void hulse_brokers_destroy(const struct config *config, struct flow *flow);
/* The default broker's, else the first that there is; NULL: there is none. */
struct store *hulse_brokers_store(const struct config *config, const struct flow *flow);

#endif
