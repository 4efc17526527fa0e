/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space - see the header.
 */
#include "daemon/store/space.h"

#include "daemon/core/assert.h"

#include <stdlib.h>
#include <string.h>

bool hulse_space_init(struct space *sp, uint64_t size_max, uint32_t segment_bytes, size_t files)
{
    *sp = (struct space){.segment_bytes = segment_bytes, .next.fd = -1};
    sp->files_max = (size_t)(size_max / segment_bytes);
    if (sp->files_max < SPACE_FILES_MIN) {
        sp->files_max = SPACE_FILES_MIN;
    }
    const size_t room = (sp->files_max > files ? sp->files_max : files) + 1;
    sp->used = calloc(room, sizeof(*sp->used));
    sp->spare = calloc(room, sizeof(*sp->spare));
    return sp->used != NULL && sp->spare != NULL;
}

void hulse_space_fini(struct space *sp)
{
    hulse_segment_close(&sp->next);
    free(sp->used);
    free(sp->spare);
    sp->used = NULL;
    sp->spare = NULL;
}

void hulse_space_add_used(struct space *sp, uint64_t number)
{
    HULSE_ASSERT(sp->used_count == 0 || sp->used[sp->used_count - 1] < number);
    sp->used[sp->used_count++] = number;
}

void hulse_space_add_spare(struct space *sp, uint64_t number)
{
    sp->spare[sp->spare_count++] = number;
}

bool hulse_space_may_grow(const struct space *sp, bool message)
{
    return sp->used_count + (message ? SPACE_RESERVE : 0) < sp->files_max;
}

bool hulse_space_enter_next(struct space *sp, struct segment *out)
{
    if (sp->next.fd < 0) {
        return false;
    }
    *out = sp->next;
    sp->next.fd = -1;
    hulse_space_add_used(sp, out->number);
    return true;
}

size_t hulse_space_free(struct space *sp, struct state *state)
{
    size_t kept = 0;
    size_t freed = 0;

    sp->wait_for = 0;
    for (size_t i = 0; i < sp->used_count; i++) {
        const uint64_t number = sp->used[i];
        const uint64_t end = (number + 1) * sp->segment_bytes;
        const bool last = i + 1 == sp->used_count;
        if (last || sp->held || number == sp->reading || hulse_state_needs(state, number)) {
            sp->used[kept++] = number;
        } else if (end > sp->covered) {
            sp->wait_for = sp->wait_for == 0 ? end : sp->wait_for;
            sp->used[kept++] = number;
        } else {
            hulse_state_forget_segment(state, number);
            hulse_space_add_spare(sp, number);
            freed++;
        }
    }
    sp->used_count = kept;
    return freed;
}

/* One that has the name already, for another would replace it; else the newest. */
static uint64_t take_spare(struct space *sp, uint64_t number)
{
    const size_t last = sp->spare_count - 1;

    for (size_t i = 0; i < last; i++) {
        if (sp->spare[i] == number) {
            sp->spare[i] = sp->spare[last];
            sp->spare[last] = number;
        }
    }
    return sp->spare[--sp->spare_count];
}

enum space_task hulse_space_begin_next(struct space *sp, uint64_t *number, uint64_t *old)
{
    *old = 0;
    if (sp->preparing || sp->next.fd >= 0 || sp->used_count == 0) {
        return SPACE_NOTHING;
    }
    *number = sp->used[sp->used_count - 1] + 1;
    if (sp->spare_count > 0) {
        *old = take_spare(sp, *number);
        sp->preparing = true;
        return SPACE_REUSE;
    }
    if (sp->used_count >= sp->files_max || *number > SEGMENT_NUMBER_MAX) {
        return SPACE_NOTHING;
    }
    sp->preparing = true;
    return SPACE_CREATE;
}

void hulse_space_end_next(struct space *sp, struct segment *seg, uint64_t old)
{
    sp->preparing = false;
    if (seg->fd >= 0) {
        sp->next = *seg;
        seg->fd = -1;
    } else if (old != 0) {
        hulse_space_add_spare(sp, old);
    }
}
