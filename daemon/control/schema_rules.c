/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_rules - see the header.
 */
#include "daemon/control/schema_rules.h"

#include "daemon/config/body.h"
#include "daemon/schema/source.h"

static bool is_none(const struct config_schema *schema)
{
    return schema->file[0] == '\0' && schema->type == CONFIG_SCHEMA_NONE;
}

/* `paths`: of its file and of its type. */
static void check(const struct config *c,
                  size_t index,
                  const struct config_schema *schema,
                  const char *const paths[2],
                  struct config_problems *problems)
{
    const char *path = schema->file[0] != '\0' ? paths[0] : paths[1];
    const struct schema_definition d = {
        .type = schema->type == CONFIG_SCHEMA_NONE ? SCHEMA_AVRO : (enum schema_type)schema->type,
        .text = schema->text,
        .bytes = schema->bytes};
    struct schema *s = NULL;
    struct error err = {0};

    if (is_none(schema)) {
        return;
    }
    if (schema->type == CONFIG_SCHEMA_AUTO) {
        if (schema->file[0] != '\0') {
            hulse_problem_add(
                problems,
                hulse_body_place_of(c, KEY_TOPIC, index, path),
                "topics.%zu.%s: a schema of type auto is the topic's own, and has no file",
                index,
                path);
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
    static const char *const published[2] = {"publish.schema.file", "publish.schema.type"};
    static const char *const consumed[2] = {"consume.schema.file", "consume.schema.type"};

    for (size_t i = 0; i < c->topic_count; i++) {
        const struct config_topic_rule *rule = &c->topics[i];
        check(c, i, &rule->publish.schema, published, problems);
        check(c, i, &rule->consume.schema, consumed, problems);
        if (rule->publish.validate && is_none(&rule->publish.schema)) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_TOPIC, i, "publish.validate"),
                              "topics.%zu.publish.validate: there is no publish.schema",
                              i);
        }
    }
}
