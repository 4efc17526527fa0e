/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulsar_rules - see the header.
 */
#include "daemon/config/pulsar_rules.h"

#include "daemon/config/body.h"
#include "daemon/config/key.h"
#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>

void hulse_config_choose_broker(struct config *c, struct config_problems *problems)
{
    const char *found = NULL;

    if (c->origins[hulse_key_index(hulse_key_find(KEY_GLOBAL, "default_broker"))].kind !=
        CONFIG_ORIGIN_DEFAULT) {
        return;
    }
    for (size_t i = 0; i < c->broker_count; i++) {
        if (c->brokers[i].type != CONFIG_BROKER_PULSAR) {
            continue;
        }
        if (found != NULL) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, i, "type"),
                              "default_broker is missing: brokers.%s and brokers.%s are both of "
                              "type pulsar",
                              found,
                              c->brokers[i].name);
            break;
        }
        found = c->brokers[i].name;
    }
    if (found != NULL) {
        (void)snprintf(c->default_broker, sizeof(c->default_broker), "%s", found);
    }
}

static void check_tokens(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_broker *b = &c->brokers[index];
    static const char *const paths[] = {"auth.token", "auth.token_file", "auth.token_command"};
    const char *const texts[] = {b->auth.token, b->auth.token_file, b->auth.token_command};
    const char *first = NULL;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (texts[i][0] != '\0' && first != NULL) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, index, paths[i]),
                              "brokers.%s: %s and %s are both given",
                              b->name,
                              first,
                              paths[i]);
        } else if (texts[i][0] != '\0') {
            first = paths[i];
        }
    }
    if ((b->auth.tls.cert_file[0] == '\0') != (b->auth.tls.key_file[0] == '\0')) {
        const char *path =
            b->auth.tls.cert_file[0] != '\0' ? "auth.tls.cert_file" : "auth.tls.key_file";
        hulse_problem_add(problems,
                          hulse_body_place_of(c, KEY_BROKER, index, path),
                          "brokers.%s: auth.tls needs cert_file and key_file",
                          b->name);
    }
}

/* A key that only the other types have. */
static void check_foreign(const struct config *c, size_t index, struct config_problems *problems)
{
    const bool pulsar = c->brokers[index].type == CONFIG_BROKER_PULSAR;
    struct config_broker defaults;

    hulse_config_broker_defaults(&defaults);

    for (size_t i = 0; i < hulse_key_count(KEY_BROKER); i++) {
        const struct key *key = hulse_key_at(KEY_BROKER, i);
        const struct config_origin *origin = hulse_body_origin(c, KEY_BROKER, index, key);
        const bool of_stores = (key->flags & KEY_STORE) != 0;
        if (strcmp(key->path, "type") != 0 && of_stores == pulsar &&
            !hulse_key_equal(key, &c->brokers[index], &defaults)) {
            hulse_problem_add(problems,
                              hulse_body_place(origin),
                              "brokers.%s.%s: only a broker of type %s has it",
                              c->brokers[index].name,
                              key->path,
                              pulsar ? "local" : "pulsar");
        }
    }
}

void hulse_pulsar_rules_check(const struct config *c, struct config_problems *problems)
{
    for (size_t i = 0; i < c->broker_count; i++) {
        const struct config_broker *b = &c->brokers[i];
        check_foreign(c, i, problems);
        if (b->type != CONFIG_BROKER_PULSAR) {
            continue;
        }
        if (b->service_url[0] == '\0') {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, i, "type"),
                              "brokers.%s: service_url is missing",
                              b->name);
        }
        check_tokens(c, i, problems);
    }
    for (size_t i = 0; i < c->topic_count; i++) {
        if (c->topics[i].publish.dedup && c->topics[i].publish.send_timeout_ms != 0) {
            hulse_problem_warn(problems,
                               hulse_body_place_of(c, KEY_TOPIC, i, "publish.dedup"),
                               "topics.%zu: with publish.dedup a message that failed by "
                               "send_timeout may be stored all the same; 0s waits for the verdict",
                               i);
        }
    }
}
