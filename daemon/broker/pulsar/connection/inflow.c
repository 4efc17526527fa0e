/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflow - see the header.
 */
#include "daemon/broker/pulsar/connection/inflow.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

static bool grow(struct inflow *in, size_t wanted)
{
    const size_t held = in->end - in->begin;
    size_t room = in->room == 0 ? PULSAR_INFLOW_BYTES : 2 * in->room;

    if (room > wanted && wanted > PULSAR_INFLOW_BYTES) {
        room = wanted;
    }
    uint8_t *larger = hulse_mem_alloc(HULSE_MEM_BROKER, room);
    if (larger == NULL) {
        return false;
    }
    if (held > 0) {
        memcpy(larger, in->data + in->begin, held);
    }
    hulse_mem_free(HULSE_MEM_BROKER, in->data, in->room);
    *in = (struct inflow){.data = larger, .room = room, .end = held};
    return true;
}

bool hulse_inflow_reserve(struct inflow *in, size_t wanted)
{
    const size_t held = in->end - in->begin;

    if (in->end < in->room && (in->begin == 0 || in->room - in->begin >= wanted)) {
        return true;
    }
    if (held == in->room) {
        return grow(in, wanted);
    }
    memmove(in->data, in->data + in->begin, held);
    in->begin = 0;
    in->end = held;
    return true;
}

void hulse_inflow_take(struct inflow *in, size_t bytes)
{
    HULSE_ASSERT(bytes <= in->end - in->begin);

    in->begin += bytes;
    if (in->begin == in->end) {
        in->begin = 0;
        in->end = 0;
    }
}

void hulse_inflow_shrink(struct inflow *in)
{
    if (in->begin == in->end && in->room > PULSAR_INFLOW_BYTES) {
        hulse_inflow_fini(in);
    }
}

void hulse_inflow_fini(struct inflow *in)
{
    hulse_mem_free(HULSE_MEM_BROKER, in->data, in->room);
    *in = (struct inflow){0};
}
