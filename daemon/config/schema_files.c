/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_files - see the header.
 */
#include "daemon/config/schema_files.h"

#include "daemon/config/body.h"
#include "daemon/config/text_file.h"

static void load(struct config *c,
                 size_t index,
                 const char *path,
                 struct config_schema *schema,
                 struct config_problems *problems)
{
    const struct key *key = hulse_key_find(KEY_TOPIC, path);
    struct text_file file;
    char why[128];

    const struct config_origin *origin = hulse_body_origin(c, KEY_TOPIC, index, key);
    if (!hulse_text_file_read(&file, schema->file, HULSE_SCHEMA_FILE_BYTES_MAX, why, sizeof(why))) {
        hulse_problem_add(problems,
                          hulse_body_place(origin),
                          "topics.%zu.%s: %.160s %s",
                          index,
                          path,
                          schema->file,
                          why);
        return;
    }
    schema->text = hulse_body_text(c, file.text, file.bytes);
    schema->bytes = file.bytes;
    if (schema->text == NULL) {
        hulse_problem_add(problems, hulse_body_place(origin), "no memory");
    }
    hulse_text_file_fini(&file);
}

void hulse_schema_files_load(struct config *c, struct config_problems *problems)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        struct config_topic_rule *rule = hulse_body_item_mutable(c, KEY_TOPIC, i);
        if (rule->publish.schema.file[0] != '\0') {
            load(c, i, "publish.schema.file", &rule->publish.schema, problems);
        }
        if (rule->consume.schema.file[0] != '\0') {
            load(c, i, "consume.schema.file", &rule->consume.schema, problems);
        }
    }
}
