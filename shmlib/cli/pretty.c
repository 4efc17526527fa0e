/* SPDX-License-Identifier: Apache-2.0 */
/* pretty - JSON for people (contract in pretty.h). */
#include "shmlib/cli/pretty.h"

#include <stdio.h>
#include <string.h>

#define CELL_BYTES 640
#define COLUMNS_MAX 96U
#define COLUMNS_WIDE 12U /* a table with more is turned on its side */
#define DEPTH_MAX 8

struct column {
    const char *name;
    int width;
};

static bool is_plain(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

/* A control character from the daemon must not reach a terminal. */
static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            *text = '?';
        }
    }
}

static void cell_text(const json_t *value, char out[CELL_BYTES])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        (void)snprintf(out, CELL_BYTES, "%s", json_string_value(value));
        break;
    case JSON_INTEGER:
        (void)snprintf(out, CELL_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        (void)snprintf(out, CELL_BYTES, "%.3f", json_real_value(value));
        break;
    case JSON_TRUE:
        (void)snprintf(out, CELL_BYTES, "yes");
        break;
    case JSON_FALSE:
        (void)snprintf(out, CELL_BYTES, "no");
        break;
    case JSON_NULL:
        (void)snprintf(out, CELL_BYTES, "-");
        break;
    case JSON_ARRAY:
        (void)snprintf(out, CELL_BYTES, "%zu entries", json_array_size(value));
        break;
    case JSON_OBJECT:
    default:
        (void)snprintf(out, CELL_BYTES, "%zu members", json_object_size(value));
        break;
    }
    clean(out);
}

static int text_width(const char *text)
{
    int width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0U) != 0x80U; /* a code point, not a byte */
    }
    return width;
}

static void pad(struct hulse_cli_out *out, const char *text, int width)
{
    hulse_cli_out_text(out, text);
    for (int at = text_width(text); at < width; at++) {
        hulse_cli_out_text(out, " ");
    }
}

static void cell_of(const json_t *row, const char *name, char out[CELL_BYTES])
{
    const json_t *value = json_object_get(row, name);

    cell_text(value == NULL ? json_null() : value, out);
}

static bool has_column(const struct column *columns, unsigned count, const char *name)
{
    for (unsigned c = 0; c < count; c++) {
        if (strcmp(columns[c].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* One for each member that any of the rows has. */
static unsigned name_columns(json_t *rows, struct column columns[COLUMNS_MAX])
{
    const char *name = NULL;
    json_t *value = NULL;
    unsigned count = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_object_foreach(json_array_get(rows, i), name, value)
        {
            if (count < COLUMNS_MAX && !has_column(columns, count, name)) {
                columns[count] = (struct column){name, text_width(name)};
                count++;
            }
        }
    }
    return count;
}

static unsigned find_columns(json_t *rows, struct column columns[COLUMNS_MAX])
{
    char cell[CELL_BYTES];
    const unsigned count = name_columns(rows, columns);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (unsigned c = 0; c < count; c++) {
            cell_of(json_array_get(rows, i), columns[c].name, cell);
            const int width = text_width(cell);
            columns[c].width = width > columns[c].width ? width : columns[c].width;
        }
    }
    return count;
}

/* A line for each member, a column for each entry. */
static void
print_turned(struct hulse_cli_out *out, json_t *rows, const struct column *columns, unsigned count)
{
    char cell[CELL_BYTES];
    int name_width = 0;
    int width = 0;

    for (unsigned c = 0; c < count; c++) {
        const int w = text_width(columns[c].name);
        name_width = w > name_width ? w : name_width;
        for (size_t i = 0; i < json_array_size(rows); i++) {
            cell_of(json_array_get(rows, i), columns[c].name, cell);
            const int wide = text_width(cell);
            width = wide > width ? wide : width;
        }
    }
    for (unsigned c = 0; c < count; c++) {
        pad(out, "", 4);
        pad(out, columns[c].name, name_width + 2);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            cell_of(json_array_get(rows, i), columns[c].name, cell);
            pad(out, cell, i + 1 < json_array_size(rows) ? width + 2 : 0);
        }
        hulse_cli_out_text(out, "\n");
    }
}

static void print_table(struct hulse_cli_out *out, json_t *rows, int indent)
{
    struct column columns[COLUMNS_MAX];
    char cell[CELL_BYTES];
    const unsigned count = find_columns(rows, columns);

    if (count > COLUMNS_WIDE) {
        print_turned(out, rows, columns, count);
        return;
    }
    pad(out, "", indent);
    for (unsigned c = 0; c < count; c++) {
        pad(out, columns[c].name, c + 1 < count ? columns[c].width + 2 : 0);
    }
    hulse_cli_out_text(out, "\n");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        pad(out, "", indent);
        for (unsigned c = 0; c < count; c++) {
            cell_of(json_array_get(rows, i), columns[c].name, cell);
            pad(out, cell, c + 1 < count ? columns[c].width + 2 : 0);
        }
        hulse_cli_out_text(out, "\n");
    }
}

static void print_list(struct hulse_cli_out *out, json_t *list, int indent)
{
    char cell[CELL_BYTES];

    if (json_is_object(json_array_get(list, 0))) {
        print_table(out, list, indent);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        cell_text(json_array_get(list, i), cell);
        pad(out, "", indent);
        hulse_cli_out_format(out, "%s\n", cell);
    }
}

/* Plain members first, so that a heading and what belongs to it stay together. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by DEPTH_MAX */
static void print_object(struct hulse_cli_out *out, json_t *object, int depth)
{
    const int indent = 2 * depth;
    const char *name = NULL;
    json_t *value = NULL;
    char cell[CELL_BYTES];
    int width = 0;

    json_object_foreach(object, name, value)
    {
        const int w = is_plain(value) ? text_width(name) : 0;
        width = w > width ? w : width;
    }
    json_object_foreach(object, name, value)
    {
        if (is_plain(value)) {
            cell_text(value, cell);
            pad(out, "", indent);
            pad(out, name, width + 2);
            hulse_cli_out_format(out, "%s\n", cell);
        }
    }
    json_object_foreach(object, name, value)
    {
        if (is_plain(value)) {
            continue;
        }
        pad(out, "", indent);
        if (json_is_array(value)) {
            hulse_cli_out_format(out, "%s (%zu)\n", name, json_array_size(value));
            print_list(out, value, indent + 2);
        } else {
            hulse_cli_out_format(out, "%s\n", name);
            if (depth < DEPTH_MAX) {
                print_object(out, value, depth + 1);
            }
        }
    }
}

void hulse_cli_pretty(struct hulse_cli_out *out, json_t *value)
{
    char cell[CELL_BYTES];

    if (json_is_object(value)) {
        print_object(out, value, 0);
    } else if (json_is_array(value)) {
        print_list(out, value, 0);
    } else {
        cell_text(value, cell);
        hulse_cli_out_format(out, "%s\n", cell);
    }
}

void hulse_cli_print(struct hulse_cli *cli, json_t *value)
{
    if (cli->json) {
        (void)hulse_cli_out_json(&cli->out, value, JSON_COMPACT);
    } else {
        hulse_cli_pretty(&cli->out, value);
    }
}
