/* SPDX-License-Identifier: Apache-2.0 */
/* marks - see the header: one array in order, and a guess that the next message is of the same partition. */
#include "shmlib/client/marks.h"

#include "shmlib/client/session.h"

#include <stdlib.h>
#include <string.h>

#define MARKS_MAX (HULSE_MARKS_BYTES_MAX / sizeof(struct hulse_ctl_mark))

static uint64_t rank(uint32_t source, uint16_t partition)
{
    return ((uint64_t)source << 16U) | partition;
}

static bool is_at(const struct hulse_marks *k, uint32_t i, uint64_t wanted)
{
    return i < k->count && rank(k->at[i].source, k->at[i].partition) == wanted;
}

/* Where it is, or would be. */
static uint32_t find(const struct hulse_marks *k, uint64_t wanted)
{
    uint32_t low = 0;
    uint32_t high = k->count;

    while (low < high) {
        const uint32_t middle = low + ((high - low) / 2);
        if (rank(k->at[middle].source, k->at[middle].partition) < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool hulse_marks_reserve(struct hulse_marks *k)
{
    const uint32_t room = k->room == 0 ? 1 : 2 * k->room;

    if (k->count < k->room) {
        return true;
    }
    struct hulse_ctl_mark *at =
        room > HULSE_MARKS_TOTAL_MAX ? NULL : realloc(k->at, room * sizeof(*at));
    if (at != NULL) {
        k->at = at;
        k->room = room;
    }
    return at != NULL;
}

void hulse_marks_set(struct hulse_marks *k, const struct hulse_ctl_mark *mark)
{
    const uint64_t wanted = rank(mark->source, mark->partition);

    if (!is_at(k, k->last, wanted)) {
        k->last = find(k, wanted);
        if (!is_at(k, k->last, wanted)) {
            if (!hulse_marks_reserve(k)) {
                return;
            }
            memmove(k->at + k->last + 1, k->at + k->last, (k->count - k->last) * sizeof(*k->at));
            k->count += 1;
        }
    }
    k->at[k->last] = *mark;
}

void hulse_marks_forget(struct hulse_marks *k, const struct hulse_ctl_position *to)
{
    if (to == NULL) {
        k->count = 0;
        k->all = false;
        return;
    }
    const uint64_t wanted = rank(0, to->partition);
    const uint32_t i = find(k, wanted);
    if (is_at(k, i, wanted)) {
        k->count -= 1;
        memmove(k->at + i, k->at + i + 1, (k->count - i) * sizeof(*k->at));
    }
}

void hulse_marks_take(struct hulse_marks *k, const struct hulse_packet *p)
{
    struct hulse_ctl_marks m;
    struct hulse_ctl_mark mark;

    memcpy(&m, p->bytes, sizeof(m));
    k->all = (m.flags & HULSE_MARKS_ALL) != 0;
    for (size_t at = 0; at + sizeof(mark) <= m.marks_len; at += sizeof(mark)) {
        memcpy(&mark, p->bytes + sizeof(m) + at, sizeof(mark));
        hulse_marks_set(k, &mark);
    }
}

bool hulse_marks_offer(struct hulse_session *s, const struct hulse_marks *k, uint32_t handle)
{
    hulse_status st = HULSE_OK;

    for (uint32_t at = 0; at < k->count && st == HULSE_OK; at += MARKS_MAX) {
        const size_t count = k->count - at < MARKS_MAX ? k->count - at : MARKS_MAX;
        const struct hulse_ctl_marks m = {.handle = handle,
                                          .marks_len = (uint16_t)(count * sizeof(*k->at)),
                                          .flags = k->all ? HULSE_MARKS_ALL : 0};
        struct hulse_packet p;
        hulse_packet_begin(&p, HULSE_CTL_MARKS, ++s->req, &m);
        hulse_packet_append(&p, k->at + at, m.marks_len);
        st = hulse_control_send(s, &p, -1);
    }
    return st == HULSE_OK;
}
