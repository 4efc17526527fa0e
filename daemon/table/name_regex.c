/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_regex - see the header: all states of the program at once, from one character of the name to the next.
 */
#include "daemon/table/name_regex.h"

#include "daemon/core/mem.h"
#include "daemon/table/name_parser.h"

#include <string.h>

struct name_regex *hulse_name_regex_create(const char *text, const char **why)
{
    struct name_regex *r = NULL;

    if (strnlen(text, NAME_REGEX_BYTES_MAX + 1) > NAME_REGEX_BYTES_MAX) {
        *why = "a regular expression of more than 512 bytes";
        return NULL;
    }
    r = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*r));
    if (r == NULL) {
        *why = "no memory for a regular expression";
        return NULL;
    }
    if (!hulse_name_parse(r, text)) {
        *why = r->why;
        hulse_name_regex_destroy(&r);
    }
    return r;
}

void hulse_name_regex_destroy(struct name_regex **r)
{
    hulse_mem_free(HULSE_MEM_TOPIC, *r, sizeof(**r));
    *r = NULL;
}

/* ---- matching ---- */

static bool takes(const struct name_regex *r, const struct step *s, uint32_t code)
{
    if (s->kind != STEP_CLASS) {
        return s->kind == STEP_ANY ? code != '\n' : s->code == code;
    }
    /* The ranges are in order: which is the last that begins no later? */
    const struct range *ranges = &r->ranges[s->class.first];
    uint32_t low = 0;
    uint32_t high = s->class.count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (ranges[middle].first <= code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (low > 0 && code <= ranges[low - 1].last) != s->class.negated;
}

/* Where in the name the states are that are entered. */
struct place {
    uint32_t mark;
    bool begin;
    bool end;
};

/* Enters a state, and those that it leads to by itself. */
static uint32_t
enter(struct name_regex *r, uint16_t *list, uint32_t count, uint32_t state, struct place place)
{
    uint32_t depth = 0;
    r->stack[depth++] = (uint16_t)state;
    while (depth > 0) {
        const uint32_t at = r->stack[--depth];
        if (r->seen[at] == place.mark) {
            continue;
        }
        r->seen[at] = place.mark;
        const struct step *s = at < r->count ? &r->steps[at] : NULL;
        if (s == NULL || s->kind <= STEP_CLASS) {
            list[count++] = (uint16_t)at;
            continue;
        }
        const bool passes = (s->kind == STEP_BEGIN && place.begin) ||
                            (s->kind == STEP_END && place.end) || s->kind == STEP_SPLIT;
        if (s->kind == STEP_SPLIT || s->kind == STEP_JUMP) {
            r->stack[depth++] = (uint16_t)((int32_t)at + s->jump.to);
        }
        if (passes) {
            r->stack[depth++] = (uint16_t)(at + 1);
        }
    }
    return count;
}

bool hulse_name_regex_match(struct name_regex *r, const char *name)
{
    const char *at = name;
    uint16_t *here = r->here;
    uint16_t *next = r->next;
    struct place place = {.mark = 1, .begin = true, .end = *name == '\0'};

    memset(r->seen, 0, sizeof(r->seen));
    uint32_t count = enter(r, here, 0, 0, place);
    while (*at != '\0' && count > 0) {
        const uint32_t code = hulse_name_code(&at);
        uint32_t next_count = 0;
        place = (struct place){.mark = place.mark + 1, .end = *at == '\0'};
        for (uint32_t i = 0; i < count; i++) {
            if (here[i] < r->count && takes(r, &r->steps[here[i]], code)) {
                next_count = enter(r, next, next_count, here[i] + 1U, place);
            }
        }
        uint16_t *swap = here;
        here = next;
        next = swap;
        count = next_count;
    }
    return count > 0 && *at == '\0' && r->seen[r->count] == place.mark;
}
