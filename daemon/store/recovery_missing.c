/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments that should be there.
 */
#include "daemon/core/log.h"
#include "daemon/store/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool has_file(const struct recovery *r, uint64_t number)
{
    /* Without one there is no list either, which bsearch() must not be given. */
    return r->count > 0 &&
           bsearch(&number, r->numbers, r->count, sizeof(number), compare_numbers) != NULL;
}

struct missing {
    struct recovery *r;
    uint64_t *list;
    size_t count;
    size_t room;
};

static bool note_segment(void *ctx, uint64_t segment)
{
    struct missing *m = ctx;

    if (m->count == m->room) {
        m->room = m->room == 0 ? 16 : 2 * m->room;
        uint64_t *grown = realloc(m->list, m->room * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        m->list = grown;
    }
    m->list[m->count++] = segment;
    return true;
}

/* *end: of what its file has, 0: nothing of it is there any more. 0, or the error number: nobody knows. */
static int look_at(const struct recovery *r, uint64_t number, uint64_t *end)
{
    struct segment seg = {.number = number, .fd = -1};
    struct stat st = {0};

    *end = 0;
    int failed = hulse_segment_open(&r->at, &seg, false);
    if (failed == 0) {
        failed = fstat(seg.fd, &st) == 0 ? 0 : errno;
        *end = failed == 0 ? (uint64_t)st.st_size : 0;
        hulse_segment_close(&seg);
    }
    const bool gone = failed == ENOENT || failed == EBADMSG || failed == ENODATA ||
                      failed == ESTALE || failed == EIO;
    return gone ? 0 : failed;
}

/*
 * One that holds messages by the index: what of it is not there any more is lost. The index keeps it, so that
 * who reads in it is told.
 */
static int judge_segment(struct recovery *r, uint64_t number)
{
    const uint64_t sb = r->at.segment_bytes;
    uint64_t end = 0;

    if (!hulse_state_needs(r->state, number)) {
        if (!has_file(r, number)) {
            hulse_state_forget_segment(r->state,
                                       number); /* it was used again after the checkpoint */
        }
        return 0;
    }
    const int failed = look_at(r, number, &end);
    if (failed != 0 || end >= sb) {
        return failed;
    }
    if (!r->look_only) {
        HULSE_LOG_AT(HULSE_LOG_ERROR,
                     0,
                     "store.segment_lost",
                     hulse_log_u64("segment", number),
                     hulse_log_u64("first_lost_byte", end),
                     hulse_log_u64("segment_bytes", sb));
    }
    /* Behind the checkpoint what it does not have was met in the log. */
    r->report->missing_segments += number < r->from / sb || (end == 0 && has_file(r, number));
    return hulse_state_lost(r->state, number * sb + end, (number + 1) * sb) ? 0 : ENOMEM;
}

/* None is used again before a checkpoint covers it: what is missing behind that is damage. */
static bool note_missing(void *ctx, uint64_t segment)
{
    struct missing *m = ctx;
    const bool covered = (segment + 1) * m->r->at.segment_bytes <= m->r->from;

    return !covered || has_file(m->r, segment) || note_segment(m, segment);
}

void hulse_recovery_forget_segments(struct recovery *r)
{
    size_t kept = 0;

    if (!r->missing_known) {
        /* What the log adds is there. Without memory for the list they count as missed. */
        struct missing m = {.r = r};
        hulse_state_each_segment(r->state, note_missing, &m);
        r->missing = m.list;
        r->missing_count = m.count;
        r->missing_known = true;
    }
    for (size_t i = 0; i < r->missing_count; i++) {
        if (hulse_state_needs(r->state, r->missing[i])) {
            r->missing[kept++] = r->missing[i];
        } else {
            hulse_state_forget_segment(r->state, r->missing[i]);
        }
    }
    r->missing_count = kept;
}

int hulse_recovery_judge_segments(struct recovery *r)
{
    struct missing m = {.r = r};
    int failed = 0;

    hulse_state_each_segment(r->state, note_segment, &m);
    for (size_t i = 0; failed == 0 && i < m.count; i++) {
        failed = judge_segment(r, m.list[i]);
    }
    free(m.list);
    return failed;
}

void hulse_recovery_count_missing(struct recovery *r)
{
    uint64_t expected = r->from / r->at.segment_bytes;

    if (expected == 0) {
        return;
    }
    if (r->end_number < expected) {
        r->report->missing_segments++;
    }
    for (size_t i = 0; i < r->count && r->numbers[i] <= r->end_number; i++) {
        if (r->numbers[i] >= expected) {
            r->report->missing_segments += (uint32_t)(r->numbers[i] - expected);
            expected = r->numbers[i] + 1;
        }
    }
}
