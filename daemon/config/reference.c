/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference - the table of keys for people: for `hulsed --help` and as a page.
 */
#include "daemon/config/key.h"

#include <string.h>

#define RANGE_BYTES 256U

/* "topics[].publish.ttl", "roles.NAME.uids". */
static void print_path(const struct key *key, FILE *out)
{
    if (key->scope != KEY_GLOBAL) {
        const struct key_list *list = hulse_key_list(key->scope);
        (void)fprintf(out, "%s%s.", list->path, list->named ? ".NAME" : "[]");
    }
    (void)fprintf(out, "%s", key->path);
}

static const char *default_of(const struct key *key)
{
    if ((key->flags & KEY_REQUIRED) != 0) {
        return "(required)";
    }
    if (key->fallback != NULL) {
        return key->fallback;
    }
    return key->scope == KEY_GLOBAL ? "(by host)" : "[]";
}

void hulse_config_print_keys(FILE *out)
{
    char range[RANGE_BYTES];

    for (enum key_scope scope = KEY_GLOBAL; scope < KEY_SCOPES; scope++) {
        for (size_t i = 0; i < hulse_key_count(scope); i++) {
            const struct key *key = hulse_key_at(scope, i);
            hulse_key_range(key, range, sizeof(range));
            (void)fprintf(out, "  ");
            print_path(key, out);
            (void)fprintf(out, " = %s\n      %s; %s\n", default_of(key), key->help, range);
        }
    }
}

/* A bar would end the cell. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
}

static void print_row(const struct key *key, FILE *out)
{
    char range[RANGE_BYTES];

    hulse_key_range(key, range, sizeof(range));
    (void)fprintf(out, "| `");
    print_path(key, out);
    (void)fprintf(out, "` | `%s` | ", default_of(key));
    print_cell(range, out);
    (void)fprintf(out, " | ");
    print_cell(key->help, out);
    (void)fprintf(out, " | %s |\n", (key->flags & KEY_RESTART) != 0 ? "restart" : "reload");
}

static void print_short_forms(FILE *out)
{
    const char *separator = "";

    for (enum key_scope scope = KEY_GLOBAL; scope < KEY_SCOPES; scope++) {
        for (size_t i = 0; i < hulse_key_count(scope); i++) {
            const struct key *key = hulse_key_at(scope, i);
            if ((key->flags & KEY_SHORT) != 0) {
                const char *dot = strrchr(key->path, '.');
                (void)fprintf(out, "%s`%.*s`", separator, (int)(dot - key->path), key->path);
                (void)fprintf(out, " for `%s`", key->path);
                separator = ", ";
            }
        }
    }
}

void hulse_config_print_reference(FILE *out)
{
    (void)fprintf(out,
                  "<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
                  "# Configuration keys\n"
                  "\n"
                  "Made from the daemon's own table by `hulsed --print-reference`. What the keys "
                  "mean together is in the\n"
                  "[user guide](user-guide.md#configuration).\n"
                  "\n"
                  "Durations: `250ms`, `30s`, `5m`, `2h`, `7d`, or milliseconds; sizes: `64KiB`, "
                  "`5MiB`, `1GiB`, or bytes. The\n"
                  "last column says when a change counts. Short forms: ");
    print_short_forms(out);
    (void)fprintf(out, ".\n");
    for (enum key_scope scope = KEY_GLOBAL; scope < KEY_SCOPES; scope++) {
        if (scope == KEY_GLOBAL) {
            (void)fprintf(out, "\n## The daemon\n");
        } else {
            const struct key_list *list = hulse_key_list(scope);
            (void)fprintf(
                out, "\n## %s\n\n%s; at most %zu.\n", list->path, list->help, list->item_max);
        }
        (void)fprintf(out,
                      "\n| Key | Default | Values | Meaning | Change |\n|---|---|---|---|---|\n");
        for (size_t i = 0; i < hulse_key_count(scope); i++) {
            print_row(hulse_key_at(scope, i), out);
        }
    }
}
