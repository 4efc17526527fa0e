/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_program - see the header.
 */
#include "daemon/table/name_program.h"

#include <stdlib.h>
#include <string.h>

uint32_t hulse_name_code(const char **at)
{
    const uint8_t *p = (const uint8_t *)*at;
    unsigned more = p[0] < 0x80U ? 0U : p[0] < 0xe0U ? 1U : p[0] < 0xf0U ? 2U : 3U;
    uint32_t code = more == 0 ? p[0] : p[0] & (0x3fU >> more);

    *at += 1;
    while (more > 0 && **at != '\0') {
        code = code << 6U | ((uint8_t) * *at & 0x3fU);
        *at += 1;
        more -= 1;
    }
    return code;
}

bool hulse_name_program_fail(struct name_regex *r, const char *why)
{
    r->why = r->why == NULL ? why : r->why;
    return false;
}

struct step *hulse_name_program_put(struct name_regex *r, enum step_kind kind)
{
    if (r->count == NAME_REGEX_STEPS_MAX) {
        (void)hulse_name_program_fail(r, "the expression is too large");
        return NULL;
    }
    struct step *s = &r->steps[r->count];
    r->count += 1;
    *s = (struct step){.kind = kind};
    return s;
}

bool hulse_name_program_jump(struct name_regex *r, enum step_kind kind, int32_t to)
{
    struct step *s = hulse_name_program_put(r, kind);
    if (s != NULL) {
        s->jump.to = to;
    }
    return s != NULL;
}

bool hulse_name_program_code(struct name_regex *r, uint32_t code)
{
    struct step *s = hulse_name_program_put(r, STEP_CODE);
    if (s != NULL) {
        s->code = code;
    }
    return s != NULL;
}

bool hulse_name_program_split(struct name_regex *r, uint32_t start, int32_t to)
{
    struct step *steps = r->steps;
    if (hulse_name_program_put(r, STEP_SPLIT) == NULL) {
        return false;
    }
    memmove(&steps[start + 1], &steps[start], (r->count - 1 - start) * sizeof(steps[0]));
    steps[start] = (struct step){.kind = STEP_SPLIT, .jump = {.to = to}};
    return true;
}

static bool put_copy(struct name_regex *r, const struct step *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct step *s = hulse_name_program_put(r, STEP_ANY);
        if (s == NULL) {
            return false;
        }
        *s = from[i];
    }
    return true;
}

bool hulse_name_program_range(struct name_regex *r, uint32_t first, uint32_t last)
{
    if (first > last) {
        return hulse_name_program_fail(r, "a range of characters goes backwards");
    }
    if (r->range_count == NAME_RANGES_MAX) {
        return hulse_name_program_fail(r, "the expression is too large");
    }
    r->ranges[r->range_count] = (struct range){.first = first, .last = last};
    r->range_count += 1;
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct range *x = a;
    const struct range *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Those from `first` on: in rising order, none of which touches another. Gives how many. */
static uint32_t tidy(struct name_regex *r, uint32_t first)
{
    struct range *ranges = &r->ranges[first];
    const uint32_t count = r->range_count - first;
    uint32_t kept = 0;

    qsort(ranges, count, sizeof(ranges[0]), by_first);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || ranges[i].first > ranges[kept - 1].last + 1) {
            ranges[kept++] = ranges[i];
        } else if (ranges[i].last > ranges[kept - 1].last) {
            ranges[kept - 1].last = ranges[i].last;
        }
    }
    r->range_count = first + kept;
    return kept;
}

bool hulse_name_program_class(struct name_regex *r, uint32_t first, bool negated)
{
    const uint32_t count = tidy(r, first);
    struct step *s = hulse_name_program_put(r, STEP_CLASS);
    if (s != NULL) {
        s->class.first = (uint16_t)first;
        s->class.count = (uint16_t)count;
        s->class.negated = negated;
    }
    return s != NULL;
}

/* Up to `more` of what has that many steps, each only behind the one before. */
static bool
put_optional(struct name_regex *r, const struct step *one, uint32_t steps, uint32_t more)
{
    for (uint32_t left = more; left > 0; left--) {
        if (!hulse_name_program_jump(r, STEP_SPLIT, (int32_t)(left * (steps + 1))) ||
            !put_copy(r, one, steps)) {
            return false;
        }
    }
    return true;
}

bool hulse_name_program_repeat(struct name_regex *r, uint32_t start, uint32_t least, uint32_t most)
{
    const uint32_t steps = r->count - start;
    const struct step *one = &r->steps[start];

    if (most == 0 || steps == 0) {
        r->count = start;
        return true;
    }
    if (least == 0) {
        const bool forever = most == NAME_NO_LIMIT;
        if (!forever) {
            /* The first one moves by its split, and is copied from where it is then. */
            return hulse_name_program_split(r, start, (int32_t)(most * (steps + 1))) &&
                   put_optional(r, one + 1, steps, most - 1);
        }
        return hulse_name_program_split(r, start, (int32_t)steps + 2) &&
               hulse_name_program_jump(r, STEP_JUMP, -(int32_t)steps - 1);
    }
    for (uint32_t i = 1; i < least; i++) {
        if (!put_copy(r, one, steps)) {
            return false;
        }
    }
    return most == NAME_NO_LIMIT ? hulse_name_program_jump(r, STEP_SPLIT, -(int32_t)steps)
                                 : put_optional(r, one, steps, most - least);
}
