/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_regex - see the header: a program of steps for an automaton that is in many states at once (Thompson, 1968).
 *
 * Jumps are relative and stay inside their expression, so what is repeated is copied, and what is put in front of an
 * expression moves it as it is.
 */
#include "daemon/table/name_regex.h"

#include "daemon/core/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX 0x10ffffU
#define REPEAT_MAX 1000U
#define DEPTH_MAX 64U
#define RANGES_MAX 1024U
#define NO_LIMIT UINT32_MAX

enum step_kind { STEP_CODE, STEP_ANY, STEP_CLASS, STEP_SPLIT, STEP_JUMP, STEP_BEGIN, STEP_END };

struct step {
    enum step_kind kind;
    union {
        uint32_t code;
        struct {
            uint16_t first; /* in `ranges` */
            uint16_t count;
            bool negated;
        } class;
        struct {
            int32_t to; /* from this step; a split goes on at the next one too */
        } jump;
    };
};

struct range {
    uint32_t first;
    uint32_t last;
};

struct name_regex {
    uint32_t count; /* steps; the state behind the last one is the match */
    uint32_t range_count;
    struct step steps[NAME_REGEX_STEPS_MAX];
    struct range ranges[RANGES_MAX];
    /* States that the next code is given to, and those that it leads to. */
    uint16_t here[NAME_REGEX_STEPS_MAX + 1];
    uint16_t next[NAME_REGEX_STEPS_MAX + 1];
    uint16_t stack[2 * (NAME_REGEX_STEPS_MAX + 1)];
    uint32_t seen[NAME_REGEX_STEPS_MAX + 1]; /* at which position it was last entered, + 1 */
};

struct compiler {
    struct name_regex *r;
    const char *at;
    const char *why;
    unsigned depth;
    bool quoted; /* between \Q and \E */
};

static bool fail(struct compiler *c, const char *why)
{
    c->why = c->why == NULL ? why : c->why;
    return false;
}

/* ---- text ---- */

static uint32_t decode(const char **at)
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

/* ---- steps ---- */

static struct step *put(struct compiler *c, enum step_kind kind)
{
    if (c->r->count == NAME_REGEX_STEPS_MAX) {
        (void)fail(c, "the expression is too large");
        return NULL;
    }
    struct step *s = &c->r->steps[c->r->count];
    c->r->count += 1;
    *s = (struct step){.kind = kind};
    return s;
}

static bool put_jump(struct compiler *c, enum step_kind kind, int32_t to)
{
    struct step *s = put(c, kind);
    if (s != NULL) {
        s->jump.to = to;
    }
    return s != NULL;
}

static bool put_code(struct compiler *c, uint32_t code)
{
    struct step *s = put(c, STEP_CODE);
    if (s != NULL) {
        s->code = code;
    }
    return s != NULL;
}

/* In front of what begins at `start`. */
static bool insert_split(struct compiler *c, uint32_t start, int32_t to)
{
    struct step *steps = c->r->steps;
    if (put(c, STEP_SPLIT) == NULL) {
        return false;
    }
    memmove(&steps[start + 1], &steps[start], (c->r->count - 1 - start) * sizeof(steps[0]));
    steps[start] = (struct step){.kind = STEP_SPLIT, .jump = {.to = to}};
    return true;
}

static bool put_copy(struct compiler *c, const struct step *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct step *s = put(c, STEP_ANY);
        if (s == NULL) {
            return false;
        }
        *s = from[i];
    }
    return true;
}

/* ---- classes ---- */

static bool add_range(struct compiler *c, uint32_t first, uint32_t last)
{
    if (first > last) {
        return fail(c, "a range of characters goes backwards");
    }
    if (c->r->range_count == RANGES_MAX) {
        return fail(c, "the expression is too large");
    }
    c->r->ranges[c->r->range_count] = (struct range){.first = first, .last = last};
    c->r->range_count += 1;
    return true;
}

/* Ranges one behind the other, as text: "09" is 0 to 9. Or all but those. */
static bool add_set(struct compiler *c, const char *set, bool negated)
{
    uint32_t from = 0;
    for (const char *at = set; *at != '\0'; at += 2) {
        const uint32_t first = (unsigned char)at[0];
        const uint32_t last = (unsigned char)at[1];
        if (!negated && !add_range(c, first, last)) {
            return false;
        }
        if (negated && first > from && !add_range(c, from, first - 1)) {
            return false;
        }
        from = last + 1;
    }
    return !negated || add_range(c, from, CODE_MAX);
}

/* What \d, \s and \w stand for, in rising order; NULL: it is no such letter. */
static const char *perl_set(char letter)
{
    switch (letter) {
    case 'd':
    case 'D':
        return "09";
    case 's':
    case 'S':
        return "\t\n\f\r  ";
    case 'w':
    case 'W':
        return "09AZ__az";
    default:
        return NULL;
    }
}

static bool is_upper(char letter)
{
    return letter >= 'A' && letter <= 'Z';
}

static const struct {
    const char *name;
    const char *set;
} posix_sets[] = {
    {"[:alnum:]", "09AZaz"},
    {"[:alpha:]", "AZaz"},
    {"[:blank:]", "\t\t  "},
    {"[:digit:]", "09"},
    {"[:graph:]", "!~"},
    {"[:lower:]", "az"},
    {"[:print:]", " ~"},
    {"[:punct:]", "!/:@[`{~"},
    {"[:space:]", "\t\r  "},
    {"[:upper:]", "AZ"},
    {"[:word:]", "09AZ__az"},
    {"[:xdigit:]", "09AFaf"},
};

/* A named one at the place. False: there is none, or `why` is set. */
static bool take_posix(struct compiler *c)
{
    for (size_t i = 0; i < sizeof(posix_sets) / sizeof(posix_sets[0]); i++) {
        const size_t bytes = strlen(posix_sets[i].name);
        if (strncmp(c->at, posix_sets[i].name, bytes) == 0) {
            c->at += bytes;
            return add_set(c, posix_sets[i].set, false);
        }
    }
    return strncmp(c->at, "[:", 2) == 0 ? fail(c, "an unknown class of characters") : false;
}

static bool hex_digit(char digit, uint32_t *value)
{
    const char *lower = "0123456789abcdef";
    const char *upper = "0123456789ABCDEF";
    const char *at = digit == '\0' ? NULL : strchr(lower, digit);
    if (at != NULL) {
        *value = (uint32_t)(at - lower);
        return true;
    }
    at = digit == '\0' ? NULL : strchr(upper, digit);
    *value = at != NULL ? (uint32_t)(at - upper) : 0;
    return at != NULL;
}

/* Behind \x: two digits, or any number of them in braces. */
static bool take_hex(struct compiler *c, uint32_t *code)
{
    const bool braces = *c->at == '{';
    uint32_t digit = 0;
    unsigned count = 0;

    c->at += braces ? 1 : 0;
    *code = 0;
    while ((braces || count < 2) && hex_digit(*c->at, &digit)) {
        *code = *code * 16 + digit;
        c->at += 1;
        count += 1;
        if (*code > CODE_MAX) {
            return fail(c, "no such character");
        }
    }
    if (count == 0 || (!braces && count != 2) || (braces && *c->at != '}')) {
        return fail(c, "\\x needs two hexadecimal digits, or some in braces");
    }
    c->at += braces ? 1 : 0;
    return true;
}

/* Behind a backslash: one character. */
static bool take_escape(struct compiler *c, uint32_t *code)
{
    static const char letters[] = "afnrtv";
    static const char meanings[] = "\a\f\n\r\t\v";
    const char letter = *c->at;
    const char *at = letter == '\0' ? NULL : strchr(letters, letter);

    if (letter == '\0') {
        return fail(c, "a backslash at the end");
    }
    if (letter == 'x') {
        c->at += 1;
        return take_hex(c, code);
    }
    if (letter >= '0' && letter <= '9') {
        return fail(c, "back references are not for topics");
    }
    if (at == NULL && ((letter >= 'a' && letter <= 'z') || is_upper(letter))) {
        return fail(c, "an escape that is not known here");
    }
    *code = at != NULL ? (unsigned char)meanings[at - letters] : decode(&c->at);
    c->at += at != NULL ? 1 : 0;
    return true;
}

/* One character of a class, which may be the end of a range. */
static bool take_member(struct compiler *c, uint32_t *code)
{
    if (*c->at == '\0') {
        return fail(c, "a class without its ]");
    }
    if (*c->at == '\\') {
        c->at += 1;
        return take_escape(c, code);
    }
    *code = decode(&c->at);
    return true;
}

static bool take_class_part(struct compiler *c)
{
    uint32_t first = 0;
    uint32_t last = 0;
    const char *set = c->at[0] == '\\' ? perl_set(c->at[1]) : NULL;

    if (take_posix(c)) {
        return true;
    }
    if (c->why != NULL) {
        return false;
    }
    if (set != NULL) {
        c->at += 2;
        return add_set(c, set, is_upper(c->at[-1]));
    }
    if (!take_member(c, &first)) {
        return false;
    }
    last = first;
    if (c->at[0] == '-' && c->at[1] != ']' && c->at[1] != '\0') {
        c->at += 1;
        if (!take_member(c, &last)) {
            return false;
        }
    }
    return add_range(c, first, last);
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

/* Of the ranges from `first` on. */
static bool put_class(struct compiler *c, uint32_t first, bool negated)
{
    const uint32_t count = tidy(c->r, first);
    struct step *s = put(c, STEP_CLASS);
    if (s != NULL) {
        s->class.first = (uint16_t)first;
        s->class.count = (uint16_t)count;
        s->class.negated = negated;
    }
    return s != NULL;
}

/* Behind its [. */
static bool take_class(struct compiler *c)
{
    const uint32_t first = c->r->range_count;
    const bool negated = *c->at == '^';
    bool begun = false;

    c->at += negated ? 1 : 0;
    while (*c->at != ']' || !begun) {
        begun = true;
        if (!take_class_part(c)) {
            return false;
        }
    }
    c->at += 1;
    return put_class(c, first, negated);
}

/* ---- expressions ---- */

/* Groups are DEPTH_MAX deep at most. NOLINTBEGIN(misc-no-recursion) */
static bool take_alternatives(struct compiler *c);

/* Behind its (. */
static bool take_group(struct compiler *c)
{
    if (strncmp(c->at, "?:", 2) == 0) {
        c->at += 2;
    } else if (strncmp(c->at, "?P<", 3) == 0 ||
               (strncmp(c->at, "?<", 2) == 0 && c->at[2] != '=' && c->at[2] != '!')) {
        c->at = strchr(c->at, '>');
        if (c->at == NULL) {
            return fail(c, "the name of a group without its >");
        }
        c->at += 1;
    } else if (*c->at == '?') {
        return fail(c, "flags and look-around are not for topics");
    }
    if (c->depth == DEPTH_MAX) {
        return fail(c, "groups nested too deeply");
    }
    c->depth += 1;
    if (!take_alternatives(c)) {
        return false;
    }
    c->depth -= 1;
    if (*c->at != ')') {
        return fail(c, "a group without its )");
    }
    c->at += 1;
    return true;
}

/* Behind a backslash, outside of a class. */
static bool take_escaped(struct compiler *c)
{
    const char letter = *c->at;
    const char *set = perl_set(letter);
    uint32_t code = 0;

    if (set != NULL) {
        const uint32_t first = c->r->range_count;
        c->at += 1;
        return add_set(c, set, is_upper(letter)) && put_class(c, first, false);
    }
    if (letter == 'A' || letter == 'z') {
        c->at += 1;
        return put(c, letter == 'A' ? STEP_BEGIN : STEP_END) != NULL;
    }
    return take_escape(c, &code) && put_code(c, code);
}

static bool take_atom(struct compiler *c)
{
    const char first = *c->at;
    if (c->quoted) {
        return put_code(c, decode(&c->at));
    }
    if (first == '*' || first == '+' || first == '?') {
        return fail(c, "a repetition of nothing");
    }
    if (strchr("([.^$\\", first) == NULL) {
        return put_code(c, decode(&c->at));
    }
    c->at += 1;
    switch (first) {
    case '(':
        return take_group(c);
    case '[':
        return take_class(c);
    case '.':
        return put(c, STEP_ANY) != NULL;
    case '^':
        return put(c, STEP_BEGIN) != NULL;
    case '$':
        return put(c, STEP_END) != NULL;
    default:
        return take_escaped(c);
    }
}

static bool take_number(struct compiler *c, const char **at, uint32_t *out)
{
    const char *begin = *at;
    uint32_t value = 0;
    while (**at >= '0' && **at <= '9' && value <= REPEAT_MAX) {
        value = value * 10 + (uint32_t)(**at - '0');
        *at += 1;
    }
    if (value > REPEAT_MAX) {
        return fail(c, "a repetition count of more than 1000");
    }
    *out = value;
    return *at != begin;
}

/* {n}, {n,}, {n,m}. False: it is none, and stands for itself, or `why` is set. */
static bool take_counts(struct compiler *c, uint32_t *least, uint32_t *most)
{
    const char *at = c->at + 1;
    if (!take_number(c, &at, least)) {
        return false;
    }
    *most = *least;
    if (*at == ',') {
        at += 1;
        if (*at == '}') {
            *most = NO_LIMIT;
        } else if (!take_number(c, &at, most)) {
            return false;
        }
    }
    if (*at != '}') {
        return false;
    }
    if (*most < *least) {
        return fail(c, "repetition counts that go backwards");
    }
    c->at = at + 1;
    return true;
}

/* False: none is here, or `why` is set. */
static bool take_operator(struct compiler *c, uint32_t *least, uint32_t *most)
{
    switch (c->quoted ? '\0' : *c->at) {
    case '*':
        *least = 0;
        *most = NO_LIMIT;
        break;
    case '+':
        *least = 1;
        *most = NO_LIMIT;
        break;
    case '?':
        *least = 0;
        *most = 1;
        break;
    case '{':
        return take_counts(c, least, most);
    default:
        return false;
    }
    c->at += 1;
    return true;
}

/* Up to `more` of what has `bytes` steps before it, each only behind the one before. */
static bool put_optional(struct compiler *c, const struct step *one, uint32_t steps, uint32_t more)
{
    for (uint32_t left = more; left > 0; left--) {
        if (!put_jump(c, STEP_SPLIT, (int32_t)(left * (steps + 1))) || !put_copy(c, one, steps)) {
            return false;
        }
    }
    return true;
}

/* What begins at `start` becomes so many of it. */
static bool repeat(struct compiler *c, uint32_t start, uint32_t least, uint32_t most)
{
    const uint32_t steps = c->r->count - start;
    const struct step *one = &c->r->steps[start];

    if (most == 0 || steps == 0) {
        c->r->count = start;
        return true;
    }
    if (least == 0) {
        const bool forever = most == NO_LIMIT;
        if (!forever) {
            /* The first one moves by its split, and is copied from where it is then. */
            return insert_split(c, start, (int32_t)(most * (steps + 1))) &&
                   put_optional(c, one + 1, steps, most - 1);
        }
        return insert_split(c, start, (int32_t)steps + 2) &&
               put_jump(c, STEP_JUMP, -(int32_t)steps - 1);
    }
    for (uint32_t i = 1; i < least; i++) {
        if (!put_copy(c, one, steps)) {
            return false;
        }
    }
    return most == NO_LIMIT ? put_jump(c, STEP_SPLIT, -(int32_t)steps)
                            : put_optional(c, one, steps, most - least);
}

static bool take_repeated(struct compiler *c)
{
    const uint32_t start = c->r->count;
    uint32_t least = 0;
    uint32_t most = 0;

    if (!take_atom(c)) {
        return false;
    }
    if (!take_operator(c, &least, &most)) {
        return c->why == NULL;
    }
    if (!repeat(c, start, least, most)) {
        return false;
    }
    /* Which match is preferred makes no difference to whether there is one. */
    c->at += *c->at == '?' ? 1 : 0;
    if (take_operator(c, &least, &most)) {
        return fail(c, "a repetition of a repetition");
    }
    return c->why == NULL;
}

/* \Q and \E; what is between them stands for itself. */
static void take_quotes(struct compiler *c)
{
    while (c->at[0] == '\\' && c->at[1] == (c->quoted ? 'E' : 'Q')) {
        c->quoted = !c->quoted;
        c->at += 2;
    }
}

static bool take_sequence(struct compiler *c)
{
    take_quotes(c);
    while (*c->at != '\0' && (c->quoted || (*c->at != '|' && *c->at != ')'))) {
        if (!take_repeated(c)) {
            return false;
        }
        take_quotes(c);
    }
    return true;
}

static bool take_alternatives(struct compiler *c)
{
    uint32_t start = c->r->count;
    uint16_t jumps[NAME_REGEX_BYTES_MAX];
    uint32_t jump_count = 0;

    while (take_sequence(c)) {
        if (*c->at != '|') {
            for (uint32_t i = 0; i < jump_count; i++) {
                c->r->steps[jumps[i]].jump.to = (int32_t)c->r->count - jumps[i];
            }
            return true;
        }
        c->at += 1;
        if (!insert_split(c, start, (int32_t)(c->r->count - start) + 2) ||
            !put_jump(c, STEP_JUMP, 0)) {
            return false;
        }
        jumps[jump_count] = (uint16_t)(c->r->count - 1);
        jump_count += 1;
        start = c->r->count;
    }
    return false;
}
/* NOLINTEND(misc-no-recursion) */

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
    struct compiler c = {.r = r, .at = text};
    if (take_alternatives(&c) && *c.at != '\0') {
        (void)fail(&c, "a ) without its group");
    }
    if (c.why != NULL) {
        *why = c.why;
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
        const uint32_t code = decode(&at);
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
