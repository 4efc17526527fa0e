/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - a configuration from all its sources, weakest first.
 */
#include "daemon/config/body.h"
#include "daemon/config/directory.h"
#include "daemon/config/pulsar_rules.h"
#include "daemon/config/schema_files.h"
#include "daemon/config/text_file.h"
#include "daemon/config/tokens.h"
#include "daemon/core/assert.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (16U << 20)
#define ENV_FILE_BYTES_MAX (1U << 20)
#define SYSTEM_FILE "/etc/hulse/hulse.yaml"

/* $XDG_CONFIG_HOME/hulse/hulse.yaml, else the system's; false when neither is there. */
static bool find_default(char *const *environment, char *out, size_t out_bytes)
{
    static const char name[] = "XDG_CONFIG_HOME=";

    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, sizeof(name) - 1) == 0) {
            const char *home = *environment + sizeof(name) - 1;
            const int n = snprintf(out, out_bytes, "%s/hulse/hulse.yaml", home);
            if (*home == '/' && n > 0 && (size_t)n < out_bytes && access(out, F_OK) == 0) {
                return true;
            }
        }
    }
    (void)snprintf(out, out_bytes, "%s", SYSTEM_FILE);
    return access(out, F_OK) == 0;
}

/* A file as text; false, and reported, when it cannot be read. */
static bool read_source(const char *path,
                        size_t bytes_max,
                        struct text_file *file,
                        struct config_problems *problems)
{
    const struct config_place begin = {.file = path, .line = 1, .column = 1};
    char why[128];

    if (hulse_text_file_read(file, path, bytes_max, why, sizeof(why))) {
        return true;
    }
    hulse_problem_add(problems, begin, "%s", why);
    return false;
}

static void read_yaml(struct config *c, const char *path, struct config_problems *problems)
{
    struct text_file file;

    if (!read_source(path, FILE_BYTES_MAX, &file, problems)) {
        return;
    }
    c->stamp = file.stamp;
    c->file = hulse_body_text(c, path, strlen(path));
    if (c->file == NULL) {
        hulse_problem_add(problems, (struct config_place){.file = path}, "no memory");
    } else {
        hulse_config_yaml(c, path, file.text, file.bytes, problems);
    }
    hulse_text_file_fini(&file);
}

static void read_env_file(struct config *c, const char *path, struct config_problems *problems)
{
    struct text_file file;

    if (read_source(path, ENV_FILE_BYTES_MAX, &file, problems)) {
        hulse_config_env_text(c, path, file.text, file.bytes, problems);
        hulse_text_file_fini(&file);
    }
}

static void
read_sets(struct config *c, const struct config_sources *sources, struct config_problems *problems)
{
    for (size_t i = 0; i < sources->set_count; i++) {
        struct error err = {0};
        if (hulse_config_set(c, sources->sets[i], &err) != HULSE_OK) {
            hulse_problem_add(problems, (struct config_place){0}, "%s", err.text);
        }
    }
}

struct config *hulse_config_load(const struct config_sources *sources,
                                 struct config_problems *problems)
{
    struct config *c = malloc(sizeof(*c));
    char path[PATH_MAX];

    memset(problems, 0, sizeof(*problems));
    if (c == NULL) {
        hulse_problem_add(problems, (struct config_place){0}, "no memory");
        return NULL;
    }
    hulse_config_init(c, sources->environment);
    if (sources->file != NULL) {
        read_yaml(c, sources->file, problems);
    } else if (find_default(sources->environment, path, sizeof(path))) {
        read_yaml(c, path, problems);
    }
    if (sources->env_file != NULL) {
        read_env_file(c, sources->env_file, problems);
    }
    hulse_config_environment(c, sources->environment, problems);
    read_sets(c, sources, problems);
    hulse_tokens_load(c, problems);
    hulse_schema_files_load(c, problems);
    /* After a mistake a check would find more that is none. */
    if (problems->errors == 0) {
        hulse_config_choose_broker(c, problems);
        hulse_config_find_unused(c);
        hulse_config_check(c, problems);
    }
    if (problems->errors > 0) {
        hulse_config_destroy(&c);
    }
    return c;
}

void hulse_config_destroy(struct config **c)
{
    if (*c != NULL) {
        hulse_config_fini(*c);
        free(*c);
        *c = NULL;
    }
}
