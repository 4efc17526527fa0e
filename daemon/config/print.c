/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print - the effective configuration as YAML that would give the same configuration again.
 */
#include "daemon/config/config.h"
#include "daemon/config/key.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES 1024U

/* Plain words that YAML takes for something else than text. */
static bool is_yaml_word(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "on", "off", "yes", "no", "~"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A JSON string is a double-quoted YAML scalar. */
static void quote(char *text, size_t text_bytes)
{
    json_t *string = json_string(text);
    char *dumped = string == NULL ? NULL : json_dumps(string, JSON_ENCODE_ANY);

    if (dumped != NULL) {
        (void)snprintf(text, text_bytes, "%s", dumped);
    }
    free(dumped);
    json_decref(string);
}

static void value_text(const struct key *key, const struct config *c, char *out, size_t out_bytes)
{
    hulse_key_print(key, c, out, out_bytes);
    const bool null = (key->flags & KEY_NULL) != 0 && strcmp(out, "null") == 0;
    if (key->type == KEY_MODE || (key->type == KEY_STRING && !null) ||
        (key->type == KEY_ENUM && is_yaml_word(out))) {
        quote(out, out_bytes);
    }
}

static const char *origin_text(const struct config *c, size_t index, char *out, size_t out_bytes)
{
    switch (c->origins[index].origin) {
    case CONFIG_ORIGIN_FLAG:
        return "flag --set";
    case CONFIG_ORIGIN_ENVIRONMENT:
        (void)snprintf(out, out_bytes, "environment %s", c->origins[index].name);
        return out;
    default:
        return "default";
    }
}

void hulse_config_print(const struct config *c, FILE *out)
{
    char value[VALUE_BYTES];
    char origin[128];
    char group[64] = "";

    for (size_t i = 0; i < hulse_key_count(); i++) {
        const struct key *key = hulse_key_at(i);
        const char *dot = strchr(key->path, '.');
        const size_t group_bytes = dot == NULL ? 0 : (size_t)(dot - key->path);

        if (dot != NULL &&
            (strlen(group) != group_bytes || strncmp(group, key->path, group_bytes) != 0)) {
            (void)snprintf(group, sizeof(group), "%.*s", (int)group_bytes, key->path);
            (void)fprintf(out, "%s:\n", group);
        }
        value_text(key, c, value, sizeof(value));
        (void)fprintf(out,
                      "%s%s: %s  # %s\n",
                      dot == NULL ? "" : "  ",
                      dot == NULL ? key->path : dot + 1,
                      value,
                      origin_text(c, i, origin, sizeof(origin)));
    }
}

void hulse_config_print_keys(FILE *out)
{
    char range[96];

    for (size_t i = 0; i < hulse_key_count(); i++) {
        const struct key *key = hulse_key_at(i);
        hulse_key_range(key, range, sizeof(range));
        (void)fprintf(out,
                      "  %s = %s\n      %s; %s\n",
                      key->path,
                      key->fallback == NULL ? "(by host)" : key->fallback,
                      key->help,
                      range);
    }
}
