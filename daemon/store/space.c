/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space - see the header.
 */
#include "daemon/store/space.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool hulse_space_init(struct space *sp, uint64_t size_max, uint32_t segment_bytes, size_t files)
{
    *sp = (struct space){.segment_bytes = segment_bytes, .next.fd = -1};
    sp->files_max = (size_t)(size_max / segment_bytes);
    if (sp->files_max < SPACE_FILES_MIN) {
        sp->files_max = SPACE_FILES_MIN;
    }
    /* What is there may be more than files_max, and control records go on into the reserve. */
    sp->room = (sp->files_max > files ? sp->files_max : files) + SPACE_NAMES + 1;
    sp->used = calloc(sp->room, sizeof(*sp->used));
    sp->spare = calloc(sp->room, sizeof(*sp->spare));
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
    HULSE_ASSERT(sp->used_count < sp->room);
    HULSE_ASSERT(sp->used_count == 0 || sp->used[sp->used_count - 1] < number);
    sp->used[sp->used_count++] = number;
}

void hulse_space_add_spare(struct space *sp, uint64_t number)
{
    HULSE_ASSERT(sp->spare_count < sp->room);
    sp->spare[sp->spare_count++] = number;
}

static size_t in_reserve(const struct space *sp)
{
    size_t count = 0;

    for (size_t i = 0; i < SPACE_NAMES; i++) {
        count += sp->reserve[i] ? 1 : 0;
    }
    return count;
}

static size_t files(const struct space *sp)
{
    return sp->used_count + sp->spare_count + in_reserve(sp) + (sp->next.fd >= 0 ? 1 : 0);
}

/* As far as is known: on a full disk not more than there are. */
static size_t files_at_most(const struct space *sp)
{
    const size_t there = files(sp) + (sp->in_hand ? 1 : 0);

    return sp->no_disk && there < sp->files_max ? there : sp->files_max;
}

bool hulse_space_is_tight(const struct space *sp)
{
    return 2 * sp->used_count + SPACE_RESERVE > files_at_most(sp);
}

/* How many files the reserve is to have. */
static size_t reserve_at_most(const struct space *sp)
{
    const bool one_more = files_at_most(sp) >= SPACE_FILES_MANY && hulse_space_is_tight(sp);

    return SPACE_RESERVE + (one_more ? 1 : 0);
}

/* How many are there when it is whole: the last one may be missing as long as it can be made. */
static size_t reserve_whole(const struct space *sp)
{
    return sp->no_disk || files(sp) >= sp->files_max ? reserve_at_most(sp) : SPACE_RESERVE;
}

/* Of the reserve, what has to be left behind. */
static size_t left_by(const struct space *sp, enum space_user user)
{
    switch (user) {
    case SPACE_MESSAGE:
        return reserve_whole(sp);
    case SPACE_COPY:
        /* Control records may have used its file: what is moved makes more room than it takes. */
        return reserve_whole(sp) > SPACE_RESERVE ? SPACE_RESERVE - 1U : SPACE_RESERVE;
    default:
        return 0;
    }
}

bool hulse_space_takes(const struct space *sp, enum space_user user)
{
    /* What was taken from the reserve and is not begun still counts as such. */
    return in_reserve(sp) + (sp->next.fd >= 0 || sp->taking ? 1 : 0) >= left_by(sp, user);
}

static bool may_grow_with_messages(const struct space *sp)
{
    const size_t reserve = in_reserve(sp);
    const size_t whole = reserve_whole(sp);

    return reserve >= whole && (sp->next.fd >= 0 || sp->spare_count > 0 ||
                                files(sp) < sp->files_max || reserve > whole);
}

bool hulse_space_may_grow(const struct space *sp, enum space_user user)
{
    const size_t reserve = in_reserve(sp);
    const bool other =
        sp->next.fd >= 0 || sp->spare_count > 0 || (files(sp) < sp->files_max && !sp->no_disk);

    if (user == SPACE_CONTROL) {
        return other || sp->preparing || reserve > SPACE_RESERVE_START;
    }
    /* Moved messages leave as much as they find, or take the one that is theirs. */
    return may_grow_with_messages(sp) || (user == SPACE_COPY && reserve_whole(sp) > SPACE_RESERVE &&
                                          reserve + (other || sp->taking ? 1 : 0) >= SPACE_RESERVE);
}

bool hulse_space_may_move_on(const struct space *sp, struct state *state)
{
    return sp->next.fd >= 0 && in_reserve(sp) + 1 == reserve_whole(sp) && sp->used_count > 0 &&
           !hulse_state_needs(state, sp->used[sp->used_count - 1]);
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
    sp->kept = false;
    for (size_t i = 0; i < sp->used_count; i++) {
        const uint64_t number = sp->used[i];
        const uint64_t own_end = (number + 1) * sp->segment_bytes;
        const uint64_t moved = hulse_state_moved(state, number);
        const uint64_t end = moved > own_end ? moved : own_end;
        const bool last = i + 1 == sp->used_count;
        if (last || hulse_state_needs(state, number)) {
            sp->used[kept++] = number;
        } else if (sp->held || number == sp->reading) {
            sp->used[kept++] = number;
            sp->kept = true;
        } else if (end > sp->covered) {
            sp->wait_for = sp->wait_for == 0 || end < sp->wait_for ? end : sp->wait_for;
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

/* The last one there is, or the first that is not; SPACE_NAMES: none. */
static size_t find_reserve(const struct space *sp, bool there)
{
    size_t i = there ? SPACE_NAMES : 0;

    if (there) {
        while (i > 0 && !sp->reserve[i - 1]) {
            i--;
        }
        return i > 0 ? i - 1 : SPACE_NAMES;
    }
    while (i < SPACE_NAMES && sp->reserve[i]) {
        i++;
    }
    return i;
}

static enum space_task
begin_next(struct space *sp, bool may_create, uint64_t *number, uint64_t *old)
{
    *number = sp->used[sp->used_count - 1] + 1;
    if (*number > SEGMENT_NUMBER_MAX) {
        return SPACE_NOTHING;
    }
    if (sp->spare_count > 0) {
        *old = take_spare(sp, *number);
        return SPACE_REUSE;
    }
    if (files(sp) < sp->files_max && may_create) {
        return SPACE_CREATE;
    }
    if (in_reserve(sp) > SPACE_RESERVE_START) {
        const size_t i = find_reserve(sp, true);
        sp->reserve[i] = false;
        sp->taking = true;
        *old = SEGMENT_RESERVE(i);
        return SPACE_REUSE;
    }
    return SPACE_NOTHING;
}

static enum space_task
begin_reserve(struct space *sp, bool may_create, uint64_t *number, uint64_t *old)
{
    const size_t i = find_reserve(sp, false);

    if (in_reserve(sp) >= reserve_at_most(sp)) {
        return SPACE_NOTHING;
    }
    *number = SEGMENT_RESERVE(i);
    if (sp->spare_count > 0) {
        *old = sp->spare[--sp->spare_count];
        return SPACE_PUT_BY;
    }
    return files(sp) < sp->files_max && may_create ? SPACE_RESERVE_MAKE : SPACE_NOTHING;
}

enum space_task
hulse_space_begin(struct space *sp, bool may_create, uint64_t *number, uint64_t *old)
{
    *old = 0;
    if (sp->preparing || sp->used_count == 0) {
        return SPACE_NOTHING;
    }
    const enum space_task task = sp->next.fd < 0 ? begin_next(sp, may_create, number, old)
                                                 : begin_reserve(sp, may_create, number, old);
    sp->preparing = task != SPACE_NOTHING;
    sp->in_hand = *old != 0;
    return task;
}

static void add_file(struct space *sp, uint64_t number)
{
    if (number > SEGMENT_NUMBER_MAX) {
        sp->reserve[number - SEGMENT_RESERVE(0)] = true;
    } else {
        hulse_space_add_spare(sp, number);
    }
}

void hulse_space_end(
    struct space *sp, struct segment *seg, uint64_t number, uint64_t old, int failed)
{
    sp->preparing = false;
    sp->in_hand = false;
    sp->taking = false;
    if (failed != 0 && old != 0) {
        /* One that is not there under its name has one already, or was taken away. */
        if (failed != ENOENT) {
            add_file(sp, old);
        }
    } else if (failed == 0 && seg != NULL) {
        sp->next = *seg;
        seg->fd = -1;
    } else if (failed == 0) {
        add_file(sp, number);
    }
    if (old == 0) {
        sp->no_disk = failed != 0;
    }
}
