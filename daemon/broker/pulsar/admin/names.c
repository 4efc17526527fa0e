/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - see the header.
 */
#include "daemon/broker/pulsar/admin/names.h"

#include "daemon/broker/pulsar/lookup/partition_name.h"
#include "daemon/core/mem.h"

#include <string.h>

#define NAME_BYTES_MAX 2048U

hulse_status hulse_admin_names_add(json_t *set, const json_t *list, bool fold)
{
    size_t i = 0;
    const json_t *entry = NULL;
    char name[NAME_BYTES_MAX];

    if (!json_is_array(list)) {
        return HULSE_PROTOCOL;
    }
    json_array_foreach(list, i, entry)
    {
        const char *text = json_string_value(entry);
        size_t bytes = json_string_length(entry);
        if (text == NULL || bytes == 0 || bytes >= sizeof(name)) {
            return HULSE_PROTOCOL;
        }
        bytes = fold ? hulse_partition_whole_bytes(text, bytes) : bytes;
        memcpy(name, text, bytes);
        name[bytes] = '\0';
        if (json_object_set_new(set, name, json_true()) != 0) {
            return HULSE_NO_MEMORY;
        }
        if (json_object_size(set) > ADMIN_NAMES_MAX) {
            return HULSE_LIMIT;
        }
    }
    return HULSE_OK;
}

const char *hulse_admin_names_text(hulse_status status)
{
    switch (status) {
    case HULSE_LIMIT:
        return "more than 100000 names: ask for less at once, one namespace of them";
    case HULSE_NO_MEMORY:
        return "no memory for the names";
    default:
        return "the cluster's answer is not what was asked for";
    }
}

bool hulse_admin_names_give(struct admin_errand *e, json_t *set)
{
    const char *name = NULL;
    json_t *value = NULL;
    size_t bytes = 0;
    char *at = NULL;

    json_object_foreach(set, name, value)
    {
        bytes += strlen(name) + 1;
    }
    e->block = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
    if (e->block == NULL) {
        return false;
    }
    e->block_bytes = bytes;
    at = e->block;
    json_object_foreach(set, name, value)
    {
        const size_t n = strlen(name) + 1;
        memcpy(at, name, n);
        at += n;
    }
    e->admin->names = e->block;
    e->admin->name_count = (uint32_t)json_object_size(set);
    return true;
}
