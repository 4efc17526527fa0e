/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - the main thread of the daemon: starts the workers, lets applications in, answers the
 * operator, and ends it all.
 *
 * Threads: main, which becomes the control thread.
 * See:     daemon/control/README.md.
 */
#ifndef HULSE_CONTROL_CONTROL_H
#define HULSE_CONTROL_CONTROL_H

#include "daemon/app/plane.h"
#include "daemon/config/config.h"
#include "daemon/control/broker_token.h"
#include "daemon/control/helper.h"
#include "daemon/control/kerberos.h"
#include "daemon/flow/flow.h"
#include "daemon/net/http_client.h"

struct control_params {
    const struct config *config;          /* at the start; stays valid */
    const struct config_sources *sources; /* to read it again */
    struct flow *flow;                    /* its tables are made by control */
    struct store *store;                  /* of the local broker; NULL = none */
    struct helper *helper;                /* forked; control attaches and closes it */
    struct http_client *http;             /* control begins and ends it; brokers may know it */
    struct broker_token *tokens;          /* of brokers that show one */
    unsigned token_count;
    struct kerberos_desk *logins; /* of brokers that want one for each connection */
    unsigned login_count;
    const char *version;
    const char *notify_socket; /* $NOTIFY_SOCKET, or NULL */
    uint64_t notify_every_ms;  /* WATCHDOG=1 to it; 0 = it does not watch */
    uint64_t generation;       /* of this process, never 0 */
};

/*
 * Runs until told to stop. OK after a drain; anything else did not start, and *err says why: INVAL
 * a setting that this host cannot follow, BUSY another daemon has the socket, DENIED capabilities
 * that cannot be dropped, IO the rest.
 */
hulse_status hulse_control_run(const struct control_params *params, struct error *err);

/*
 * What of that can be known without starting: INVAL. Whoever could not start anyway must not make
 * another daemon go.
 */
hulse_status hulse_control_able(const struct config *config, struct error *err);

/* The session limits of a configuration. */
void hulse_control_limits(const struct config *config, struct plane_limits *out);

#endif
