/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - see the header.
 */
#include "daemon/schema/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 16U

bool hulse_reader_fail(struct schema_reader *r, hulse_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (vsnprintf(r->why, sizeof(r->why), format, args) < 0) {
        r->why[0] = '\0';
    }
    va_end(args);
    r->status = status;
    return false;
}

bool hulse_reader_reserve(struct schema_reader *r,
                          struct schema_table *table,
                          uint32_t more,
                          uint32_t item_bytes)
{
    uint32_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity;

    if (more <= table->capacity - table->count) {
        return true;
    }
    /* Neither overflows: texts are shorter than the definition, items are counted. */
    while (capacity - table->count < more) {
        capacity *= 2;
    }
    void *items = realloc(table->items, (size_t)capacity * item_bytes);
    if (items == NULL) {
        return hulse_reader_fail(r, HULSE_NO_MEMORY, "no memory");
    }
    table->items = items;
    table->capacity = capacity;
    return true;
}

bool hulse_reader_append(struct schema_reader *r,
                         struct schema_table *table,
                         const void *item,
                         uint32_t item_bytes)
{
    if (table->count >= SCHEMA_NODES_MAX) {
        return hulse_reader_fail(
            r, HULSE_TOOBIG, "more than %u types, fields or words", SCHEMA_NODES_MAX);
    }
    if (!hulse_reader_reserve(r, table, 1, item_bytes)) {
        return false;
    }
    memcpy((char *)table->items + (size_t)table->count * item_bytes, item, item_bytes);
    table->count++;
    return true;
}

bool hulse_reader_word(struct schema_reader *r,
                       const char *text,
                       size_t bytes,
                       struct schema_word *out)
{
    struct schema_table *texts = &r->schema->texts;

    /* A namespace stands once and belongs to many names, so their sum has a bound of its own. */
    if (bytes > SCHEMA_NAME_BYTES_MAX || texts->count > 8 * SCHEMA_DEFINITION_BYTES_MAX) {
        return hulse_reader_fail(r, HULSE_TOOBIG, "names are too long");
    }
    if (bytes == 0) {
        *out = (struct schema_word){0};
        return true;
    }
    if (!hulse_reader_reserve(r, texts, (uint32_t)bytes, 1)) {
        return false;
    }
    *out = (struct schema_word){.at = texts->count, .bytes = (uint32_t)bytes};
    memcpy((char *)texts->items + texts->count, text, bytes);
    texts->count += (uint32_t)bytes;
    return true;
}

uint32_t hulse_reader_node(struct schema_reader *r, enum schema_kind kind)
{
    const struct schema_node node = {.kind = kind, .nullable = kind == KIND_NULL};
    const uint32_t place = r->schema->nodes.count;

    return hulse_reader_append(r, &r->schema->nodes, &node, sizeof(node)) ? place : SCHEMA_NONE;
}

struct schema_node *hulse_reader_at(struct schema_reader *r, uint32_t node)
{
    return (struct schema_node *)r->schema->nodes.items + node;
}
