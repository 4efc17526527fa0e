/* SPDX-License-Identifier: Apache-2.0 */
/* topic_names - see the header. */
#include "daemon/broker/pulsar/topics/topic_names.h"

#include "daemon/broker/pulsar/lookup/partition_name.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_name.h"

#define ROOM_MIN 4096U

static bool make_room(struct topic_names *n, size_t bytes)
{
    size_t room = n->room == 0 ? ROOM_MIN : n->room;
    while (room - n->bytes < bytes) {
        room *= 2;
    }
    if (room == n->room) {
        return true;
    }
    char *larger = hulse_mem_alloc(HULSE_MEM_BROKER, room);
    if (larger == NULL) {
        return false;
    }
    if (n->bytes > 0) {
        memcpy(larger, n->names, n->bytes);
    }
    hulse_mem_free(HULSE_MEM_BROKER, n->names, n->room);
    n->names = larger;
    n->room = room;
    return true;
}

/* Partitions of one topic stand together, mostly; what is told twice all the same does no harm. */
static bool is_last(const struct topic_names *n, const char *name, size_t bytes)
{
    return n->count > 0 && n->bytes - n->last - 1 == bytes &&
           memcmp(n->names + n->last, name, bytes) == 0;
}

bool hulse_topic_names_add(struct topic_names *n, size_t count, char *const *names)
{
    for (size_t i = 0; i < count && n->count < TOPIC_NAMES_MAX; i++) {
        if (names[i] == NULL) {
            continue;
        }
        const size_t all = strnlen(names[i], (size_t)2 * HULSE_TOPIC_NAME_MAX);
        const size_t bytes = hulse_partition_whole_bytes(names[i], all);
        if (bytes == 0 || bytes >= HULSE_TOPIC_NAME_MAX || is_last(n, names[i], bytes)) {
            continue;
        }
        if (!make_room(n, bytes + 1)) {
            return false;
        }
        n->last = n->bytes;
        memcpy(n->names + n->bytes, names[i], bytes);
        n->names[n->bytes + bytes] = '\0';
        n->bytes += bytes + 1;
        n->count += 1;
    }
    return true;
}

void hulse_topic_names_free(struct topic_names *n)
{
    hulse_mem_free(HULSE_MEM_BROKER, n->names, n->room);
    *n = (struct topic_names){0};
}
