/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topics - one topic is made, deleted, unloaded.
 */
#include "daemon/broker/pulsar/admin/operations.h"

#include <stdio.h>

hulse_status hulse_admin_create(struct admin_errand *e, struct error *err)
{
    char count[16];
    const char *body = NULL;

    if (!hulse_admin_errand_path(e, NULL, e->admin->topic)) {
        return hulse_fail(err, HULSE_INVAL, "not a topic's name, or too long");
    }
    if (e->admin->partitions != 0) {
        (void)snprintf(count, sizeof(count), "%u", e->admin->partitions);
        hulse_rest_path_add(&e->call.path, "/partitions");
        body = count;
    }
    return hulse_admin_errand_ask(e, HTTP_PUT, body, hulse_admin_errand_done, err);
}

/* The name was good for the question before. */
static void begin_path(struct admin_errand *e)
{
    (void)hulse_admin_errand_path(e, NULL, e->admin->topic);
}

static void delete_it(struct admin_errand *e)
{
    begin_path(e);
    if (e->partitions != 0) {
        hulse_rest_path_add(&e->call.path, "/partitions");
    }
    hulse_rest_path_add(&e->call.path, e->admin->force ? "?force=true" : "?force=false");
    hulse_admin_errand_ask_last(e, HTTP_DELETE, NULL);
}

hulse_status hulse_admin_delete(struct admin_errand *e, struct error *err)
{
    return hulse_admin_errand_begin(e, e->admin->topic, delete_it, err);
}

hulse_status hulse_admin_unload(struct admin_errand *e, struct error *err)
{
    if (!hulse_admin_errand_path(e, NULL, e->admin->topic)) {
        return hulse_fail(err, HULSE_INVAL, "not a topic's name, or too long");
    }
    hulse_rest_path_add(&e->call.path, "/unload");
    return hulse_admin_errand_ask(e, HTTP_PUT, NULL, hulse_admin_errand_done, err);
}
