/* SPDX-License-Identifier: Apache-2.0 */
/*
 * take_over - see the header.
 */
#include "daemon/program/take_over.h"

#include "daemon/config/directory.h"
#include "daemon/control/control.h"
#include "daemon/control/listen.h"
#include "daemon/control/replace.h"
#include "daemon/program/brokers.h"
#include "daemon/store/store.h"

#include <stdio.h>

/* Locks that a daemon with this configuration has as long as it runs. */
struct own_locks {
    char app[HULSE_LISTEN_LOCK_PATH_BYTES];
    char admin[HULSE_LISTEN_LOCK_PATH_BYTES];
    char stores[HULSE_CONFIG_BROKERS_MAX][HULSE_CONFIG_DIRECTORY_BYTES + sizeof(STORE_LOCK_NAME)];
    const char *list[2 + HULSE_CONFIG_BROKERS_MAX];
    size_t count;
};

static void find_locks(const struct config *config, struct own_locks *out)
{
    hulse_listen_lock_path(config->listen.socket, out->app);
    hulse_listen_lock_path(config->listen.admin_socket, out->admin);
    out->list[0] = out->app;
    out->list[1] = out->admin;
    out->count = 2;
    for (size_t i = 0; i < config->broker_count; i++) {
        char directory[HULSE_CONFIG_DIRECTORY_BYTES];
        char *path = out->stores[i];
        if (hulse_config_has_store(&config->brokers[i]) &&
            hulse_config_directory(config, &config->brokers[i], directory, sizeof(directory))) {
            (void)snprintf(path, sizeof(out->stores[i]), "%s/%s", directory, STORE_LOCK_NAME);
            out->list[out->count++] = path;
        }
    }
}

hulse_status hulse_take_over(const struct config *config, struct error *err)
{
    struct own_locks locks;
    const char *path = NULL;
    hulse_status st = hulse_control_able(config, err);

    /* Who cannot open its stores must not end the one that serves. */
    for (size_t i = 0; i < config->broker_count && st == HULSE_OK; i++) {
        st = hulse_brokers_look(config, &config->brokers[i], &path, err);
    }
    find_locks(config, &locks);
    const struct replace_params params = {
        .admin_socket = config->listen.admin_socket,
        .locks = locks.list,
        .lock_count = locks.count,
        .wait_ms = HULSE_REPLACE_WAIT_MS,
    };
    return st == HULSE_OK ? hulse_replace_run(&params, err) : st;
}
