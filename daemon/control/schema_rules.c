/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_rules - see the header.
 */
#include "daemon/control/schema_rules.h"

#include "daemon/config/body.h"
#include "daemon/schema/source.h"

static void check(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_topic_rule *rule = &c->topics[index];
    const bool file = rule->publish.schema.file[0] != '\0';
    const char *path = file ? "publish.schema.file" : "publish.schema.type";
    const struct schema_definition d = {.type = rule->publish.schema.type == CONFIG_SCHEMA_NONE
                                                    ? SCHEMA_AVRO
                                                    : (enum schema_type)rule->publish.schema.type,
                                        .text = rule->publish.schema.text,
                                        .bytes = rule->publish.schema.bytes};
    struct schema *s = NULL;
    struct error err = {0};

    if (!file && rule->publish.schema.type == CONFIG_SCHEMA_NONE) {
        if (rule->publish.validate) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_TOPIC, index, "publish.validate"),
                              "topics.%zu.publish.validate: there is no publish.schema",
                              index);
        }
        return;
    }
    if (hulse_schema_create_from(&s, &d, &err) != HULSE_OK) {
        hulse_problem_add(problems,
                          hulse_body_place_of(c, KEY_TOPIC, index, path),
                          "topics.%zu.%s: %.200s",
                          index,
                          path,
                          err.text);
    }
    hulse_schema_destroy(&s);
}

void hulse_schema_rules_check(const struct config *c, struct config_problems *problems)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        check(c, i, problems);
    }
}
