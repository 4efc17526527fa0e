/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers - see the header.
 */
#include "daemon/program/brokers.h"

#include "daemon/broker/local/local.h"
#include "daemon/broker/null/null.h"
#include "daemon/config/directory.h"
#include "daemon/core/assert.h"
#include "daemon/store/directory.h"

#include <assert.h>
#include <string.h>

static_assert(HULSE_CONFIG_BROKERS_MAX == HULSE_FLOW_BROKERS_MAX, "every broker has its place");

void hulse_brokers_destroy(const struct config *config, struct flow *flow)
{
    for (unsigned i = 0; i < flow->broker_count; i++) {
        if (config->brokers[i].type == CONFIG_BROKER_LOCAL) {
            hulse_local_destroy(&flow->brokers[i]);
        } else {
            hulse_null_destroy(&flow->brokers[i]);
        }
    }
    flow->broker_count = 0;
}

static struct broker *
make_broker(const struct config *config, const struct config_broker *wanted, struct error *err)
{
    const uint32_t message_max = (uint32_t)config->message_max;
    struct local_params local;

    if (wanted->type == CONFIG_BROKER_NULL) {
        return hulse_null_create(wanted->name, message_max, err);
    }
    hulse_local_params_default(&local);
    local.message_bytes_max = message_max;
    char directory[HULSE_CONFIG_DIRECTORY_BYTES];
    if (hulse_config_has_store(wanted)) {
        const bool known = hulse_config_directory(config, wanted, directory, sizeof(directory));
        HULSE_ASSERT(known); /* the configuration was checked */
        if (hulse_config_directory_make(wanted, directory, err) != HULSE_OK) {
            return NULL;
        }
        local.directory = directory;
        local.size_max = wanted->size_max;
    }
    return hulse_local_create(wanted->name, &local, err);
}

hulse_status hulse_brokers_look(const struct config *config,
                                const struct config_broker *wanted,
                                struct error *err)
{
    char directory[HULSE_CONFIG_DIRECTORY_BYTES];

    if (!hulse_config_has_store(wanted) ||
        !hulse_config_directory(config, wanted, directory, sizeof(directory))) {
        return HULSE_OK;
    }
    const hulse_status st = hulse_config_directory_check(wanted, directory, err);
    return st == HULSE_OK ? hulse_directory_look(directory, err) : st;
}

hulse_status hulse_brokers_make(const struct config *config, struct flow *flow, struct error *err)
{
    *flow = (struct flow){
        .default_namespace = config->default_namespace,
        .message_bytes_max = (uint32_t)config->message_max,
    };
    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *wanted = &config->brokers[i];
        flow->brokers[i] = make_broker(config, wanted, err);
        if (flow->brokers[i] == NULL) {
            hulse_brokers_destroy(config, flow);
            return err->status;
        }
        flow->broker_count++;
        if (strcmp(wanted->name, config->default_broker) == 0) {
            flow->default_broker = flow->brokers[i];
        }
    }
    return HULSE_OK;
}

struct store *hulse_brokers_store(const struct config *config, const struct flow *flow)
{
    struct store *found = NULL;

    for (size_t i = config->broker_count; i > 0; i--) {
        if (config->brokers[i - 1].type == CONFIG_BROKER_NULL) {
            continue;
        }
        struct broker *b = flow->brokers[i - 1];
        struct store *store = hulse_local_store(b);
        if (store != NULL && b == flow->default_broker) {
            return store;
        }
        found = store != NULL ? store : found;
    }
    return found;
}
