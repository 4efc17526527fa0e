/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login - see the header.
 */
#include "daemon/core/login.h"

#include "daemon/core/assert.h"

#include <stdio.h>
#include <stdlib.h>

static void drop_data(struct login *l)
{
    if (l->data != NULL) {
        hulse_secret_release(&l->data);
    }
}

/* ---- the asker's ---- */

static void arrive(struct inbox_node *node)
{
    struct login *l = HULSE_CONTAINER(node, struct login, node);

    l->desk->take(l->desk, l);
}

static void order(struct login *l, enum login_order what)
{
    l->order = what;
    l->away = true;
    l->node.run = arrive;
}

struct login *hulse_login_begin(struct login_desk *desk,
                                const char *host,
                                struct inbox *home,
                                void *owner,
                                void (*answered)(struct login *l))
{
    struct login *l = calloc(1, sizeof(*l));

    if (l == NULL) {
        return NULL;
    }
    l->desk = desk;
    l->home = home;
    l->owner = owner;
    l->answered = answered;
    (void)snprintf(l->host, sizeof(l->host), "%s", host);
    order(l, LOGIN_BEGIN);
    if (!hulse_inbox_post(desk->inbox, &l->node)) {
        free(l);
        return NULL;
    }
    return l;
}

bool hulse_login_step(struct login *l, const void *data, size_t bytes)
{
    HULSE_ASSERT(!l->away && l->owner != NULL);

    drop_data(l);
    l->data = hulse_secret_create(data, bytes);
    if (l->data == NULL) {
        return false;
    }
    order(l, LOGIN_STEP);
    hulse_inbox_answer(l->desk->inbox, &l->node);
    return true;
}

static void send_end(struct login *l)
{
    order(l, LOGIN_END);
    hulse_inbox_answer(l->desk->inbox, &l->node);
}

void hulse_login_drop(struct login **login)
{
    struct login *l = *login;

    *login = NULL;
    l->owner = NULL;
    if (!l->away) {
        send_end(l);
    }
}

static void come_back(struct inbox_node *node)
{
    struct login *l = HULSE_CONTAINER(node, struct login, node);

    l->away = false;
    if (l->owner == NULL) {
        drop_data(l);
        send_end(l);
        return;
    }
    l->answered(l);
}

/* ---- the desk's ---- */

void hulse_login_answer(struct login *l, hulse_status status, struct secret *data, const char *why)
{
    HULSE_ASSERT(l->order != LOGIN_END);

    drop_data(l);
    l->data = data;
    l->status = status;
    (void)snprintf(l->why, sizeof(l->why), "%s", why);
    l->node.run = come_back;
    hulse_inbox_answer(l->home, &l->node);
}

void hulse_login_free(struct login *l)
{
    drop_data(l);
    free(l);
}
