/* SPDX-License-Identifier: Apache-2.0 */
/* marks - where an earlier daemon's reader was (contract in broker_consumer.h). */
#include "daemon/broker/broker.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

struct broker_marks *hulse_broker_marks_create(void)
{
    struct broker_marks *m = hulse_mem_zalloc(HULSE_MEM_SESSION, sizeof(*m));
    if (m != NULL) {
        m->holders = 1;
    }
    return m;
}

bool hulse_broker_marks_add(struct broker_marks *m, const struct broker_mark *mark)
{
    if (m->count == m->room) {
        const uint32_t room = m->room == 0 ? 1 : 2 * m->room;
        struct broker_mark *at = hulse_mem_alloc(HULSE_MEM_SESSION, room * sizeof(*at));
        if (at == NULL) {
            return false;
        }
        if (m->count > 0) {
            memcpy(at, m->at, m->count * sizeof(*at));
        }
        hulse_mem_free(HULSE_MEM_SESSION, m->at, m->room * sizeof(*at));
        m->at = at;
        m->room = room;
    }
    m->at[m->count] = *mark;
    m->count += 1;
    return true;
}

/* The first that is not before (source, partition). */
static uint32_t find(const struct broker_marks *m, uint32_t source, uint32_t partition)
{
    uint32_t low = 0;
    uint32_t high = m->count;
    while (low < high) {
        const uint32_t middle = low + ((high - low) / 2);
        const struct broker_mark *at = &m->at[middle];
        if (at->source < source || (at->source == source && at->id.partition < partition)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct broker_marks *hulse_broker_marks_of(const struct broker_marks *m, uint32_t source)
{
    struct broker_marks *own = hulse_broker_marks_create();
    if (own == NULL) {
        return NULL;
    }
    own->all = m->all;
    own->begin = m->begin;
    for (uint32_t i = find(m, source, 0); i < m->count && m->at[i].source == source; i++) {
        const struct broker_mark mark = {.id = m->at[i].id};
        if (!hulse_broker_marks_add(own, &mark)) {
            hulse_broker_marks_let(&own);
            return NULL;
        }
    }
    return own;
}

struct broker_marks *hulse_broker_marks_hold(struct broker_marks *m)
{
    if (m != NULL) {
        m->holders += 1;
    }
    return m;
}

void hulse_broker_marks_let(struct broker_marks **marks)
{
    struct broker_marks *m = *marks;
    *marks = NULL;
    if (m == NULL) {
        return;
    }
    HULSE_ASSERT(m->holders > 0);
    m->holders -= 1;
    if (m->holders == 0) {
        hulse_mem_free(HULSE_MEM_SESSION, m->at, m->room * sizeof(*m->at));
        hulse_mem_free(HULSE_MEM_SESSION, m, sizeof(*m));
    }
}

static struct broker_position behind(const struct broker_mark *mark)
{
    return (struct broker_position){.kind = BROKER_AFTER_ID, .id = mark->id};
}

struct broker_position hulse_broker_marks_start(const struct broker_marks *m, uint32_t partition)
{
    const struct broker_position earliest = {.kind = BROKER_EARLIEST};
    const bool by_id = m->begin.kind == BROKER_AT_ID || m->begin.kind == BROKER_AFTER_ID;
    const uint32_t i = find(m, 0, partition);
    if (i < m->count && m->at[i].id.partition == partition) {
        return behind(&m->at[i]);
    }
    if (m->begin.kind == BROKER_LATEST) {
        return m->all ? earliest : m->begin;
    }
    return by_id && m->begin.id.partition != partition ? earliest : m->begin;
}

struct broker_position hulse_broker_marks_start_whole(const struct broker_marks *m)
{
    return m->count == 1 ? behind(&m->at[0]) : m->begin;
}
