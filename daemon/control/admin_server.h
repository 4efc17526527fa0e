/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_server - the admin socket: connections, lines, and their answers in order.
 *
 * A connection is reading a line, waiting for reports, or writing an answer; it never does two of
 * them, so it needs one buffer each way. Ten seconds without progress to the next state end it, but for
 * what is asked of the store, which takes as long as it takes.
 *
 * Threads: control.
 * Trust:   peers with the daemon's uid, or root; others are refused. Their bytes may be anything.
 * Limits:  daemon/admin/protocol.h.
 */
#ifndef HULSE_CONTROL_ADMIN_SERVER_H
#define HULSE_CONTROL_ADMIN_SERVER_H

#include "daemon/admin/answer.h"
#include "daemon/admin/protocol.h"
#include "daemon/admin/request.h"
#include "daemon/control/collect.h"
#include "daemon/control/command.h"
#include "daemon/control/deep_health.h"
#include "daemon/control/store_order.h"
#include "daemon/control/topic_list.h"
#include "daemon/control/topic_order.h"
#include "daemon/worker/loop.h"

#define HULSE_ADMIN_PROGRESS_MS 10000U
#define HULSE_ADMIN_PAUSE_MS 1000U

struct admin_server;

enum admin_state {
    ADMIN_FREE = 0,
    ADMIN_READING,
    ADMIN_WAITING, /* for reports, or for what becomes of an order */
    ADMIN_WRITING
};

struct admin_conn {
    enum admin_state state;
    struct admin_server *server;
    struct watch watch;
    struct timer timer;
    char *in; /* grows up to HULSE_ADMIN_REQUEST_BYTES_MAX + 1 */
    size_t in_capacity;
    size_t in_bytes;
    bool ended; /* the peer sends no more; what it asked is answered */
    bool last;  /* close after the answer that is being written */
    struct admin_request request;
    /* One of them while WAITING. */
    struct collection *reports;
    struct topic_order *order;
    struct topic_list *list;
    struct deep_check *check;
    struct admin_line out;
    size_t out_written;
};

struct admin_server {
    struct loop *loop;
    struct collector *collector;
    struct topic_orders *orders;
    struct topic_lists lists;
    struct store_order *store;
    const struct command_scene *scene;
    struct watch watch; /* of the listening socket */
    struct timer pause; /* while descriptors are used up */
    bool open;
    struct admin_conn conns[HULSE_ADMIN_CONNECTIONS_MAX];
};

void hulse_admin_server_init(struct admin_server *s,
                             struct loop *loop,
                             struct collector *collector,
                             struct topic_orders *orders,
                             struct store_order *store,
                             const struct command_scene *scene);
/* Begins to accept; the socket stays the caller's. */
bool hulse_admin_server_open(struct admin_server *s, int listen_fd);
/* Closes all connections. Harmless when closed. */
void hulse_admin_server_close(struct admin_server *s);

#endif
