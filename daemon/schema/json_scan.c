/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_scan - see the header. RFC 8259.
 */
#include "daemon/schema/json_scan.h"

#include "daemon/core/utf8.h"

#include <string.h>

static const char not_json[] = "not JSON";

uint8_t hulse_json_peek(struct schema_walk *w)
{
    while (w->at < w->end &&
           (*w->at == ' ' || *w->at == '\n' || *w->at == '\r' || *w->at == '\t')) {
        w->at++;
    }
    return w->at < w->end ? *w->at : 0;
}

bool hulse_json_take(struct schema_walk *w, uint8_t byte)
{
    if (hulse_json_peek(w) != byte || w->at == w->end) {
        return false;
    }
    w->at++;
    return true;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20U;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The bytes of the escape at `at`, a backslash; 0: it is none. */
static size_t escape_bytes(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 2) {
        return 0;
    }
    if (at[1] != 'u') {
        return at[1] != 0 && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    }
    if (end - at < 6) {
        return 0;
    }
    for (unsigned i = 2; i < 6; i++) {
        if (hex_digit(at[i]) < 0) {
            return 0;
        }
    }
    return 6;
}

bool hulse_json_string(struct schema_walk *w, struct json_string *out)
{
    bool ascii = true;

    if (hulse_json_peek(w) != '"') {
        return schema_walk_fail(w, "no text");
    }
    const uint8_t *at = w->at + 1;
    *out = (struct json_string){.text = at};
    while (at < w->end && *at != '"') {
        if (*at == '\\') {
            const size_t n = escape_bytes(at, w->end);
            if (n == 0) {
                w->at = at;
                return schema_walk_fail(w, not_json);
            }
            out->escaped = true;
            at += n;
            continue;
        }
        if (*at < ' ') {
            w->at = at;
            return schema_walk_fail(w, "not JSON: a control character in a text");
        }
        ascii = ascii && *at < 0x80;
        at++;
    }
    if (at == w->end) {
        w->at = at;
        return schema_walk_fail(w, "not JSON: it ends within a text");
    }
    out->bytes = (size_t)(at - out->text);
    w->at = at + 1;
    return ascii || hulse_utf8_good(out->text, out->bytes) || schema_walk_fail(w, "not UTF-8");
}

static const uint8_t *digits(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static void take_magnitude(const uint8_t *at, const uint8_t *end, struct json_number *out)
{
    for (; at < end; at++) {
        if (__builtin_mul_overflow(out->magnitude, UINT64_C(10), &out->magnitude) ||
            __builtin_add_overflow(
                out->magnitude, (uint64_t)*at - (uint64_t)'0', &out->magnitude)) {
            out->large = true;
            return;
        }
    }
}

bool hulse_json_number(struct schema_walk *w, struct json_number *out)
{
    (void)hulse_json_peek(w);
    *out = (struct json_number){.integer = true};
    const uint8_t *at = w->at;
    if (at < w->end && *at == '-') {
        out->negative = true;
        at++;
    }
    const uint8_t *first = at;
    at = digits(at, w->end);
    if (at == first || (*first == '0' && at > first + 1)) {
        return schema_walk_fail(w, "no number");
    }
    take_magnitude(first, at, out);
    if (at < w->end && *at == '.') {
        out->integer = false;
        first = ++at;
        at = digits(at, w->end);
        if (at == first) {
            return schema_walk_fail(w, "no number");
        }
    }
    if (at < w->end && (*at | 0x20U) == 'e') {
        out->integer = false;
        at++;
        at += at < w->end && (*at == '+' || *at == '-') ? 1 : 0;
        first = at;
        at = digits(at, w->end);
        if (at == first) {
            return schema_walk_fail(w, "no number");
        }
    }
    w->at = at;
    return true;
}

bool hulse_json_word(struct schema_walk *w)
{
    static const char *const words[] = {"true", "false", "null"};

    (void)hulse_json_peek(w);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const size_t bytes = strlen(words[i]);
        if ((size_t)(w->end - w->at) >= bytes && memcmp(w->at, words[i], bytes) == 0) {
            w->at += bytes;
            return true;
        }
    }
    return schema_walk_fail(w, not_json);
}

/* The values of an object or an array behind its first byte. */
static bool skip_values(struct schema_walk *w, bool object)
{
    const uint8_t close = object ? '}' : ']';
    struct json_string key;

    if (hulse_json_take(w, close)) {
        return true;
    }
    do {
        if (object && (!hulse_json_string(w, &key) || !hulse_json_take(w, ':'))) {
            return schema_walk_fail(w, not_json);
        }
        if (!hulse_json_skip(w)) {
            return false;
        }
    } while (hulse_json_take(w, ','));
    return hulse_json_take(w, close) || schema_walk_fail(w, not_json);
}

bool hulse_json_skip(struct schema_walk *w)
{
    const uint8_t first = hulse_json_peek(w);
    struct json_string string;
    struct json_number number;

    if (first == '"') {
        return hulse_json_string(w, &string);
    }
    if (first != '{' && first != '[') {
        return first == '-' || (first >= '0' && first <= '9') ? hulse_json_number(w, &number)
                                                              : hulse_json_word(w);
    }
    if (w->depth >= SCHEMA_VALUE_DEPTH_MAX) {
        return schema_walk_fail(w, "nested too deeply");
    }
    w->at++;
    w->depth++;
    const bool good = skip_values(w, first == '{');
    w->depth--;
    return good;
}

/* As UTF-8; a surrogate without its other half cannot be written and gives 0 bytes. */
static size_t put_character(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0U | (c >> 6U));
        out[1] = (char)(0x80U | (c & 0x3fU));
        return 2;
    }
    if (c >= 0xd800 && c < 0xe000) {
        return 0;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0U | (c >> 12U));
        out[1] = (char)(0x80U | ((c >> 6U) & 0x3fU));
        out[2] = (char)(0x80U | (c & 0x3fU));
        return 3;
    }
    out[0] = (char)(0xf0U | (c >> 18U));
    out[1] = (char)(0x80U | ((c >> 12U) & 0x3fU));
    out[2] = (char)(0x80U | ((c >> 6U) & 0x3fU));
    out[3] = (char)(0x80U | (c & 0x3fU));
    return 4;
}

static uint32_t hex4(const uint8_t *at)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < 4; i++) {
        n = n << 4U | (uint32_t)hex_digit(at[i]);
    }
    return n;
}

/* The character of the escape at `at`, which is a good one; *bytes are its own. */
static uint32_t escaped_character(const uint8_t *at, const uint8_t *end, size_t *bytes)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";

    *bytes = 2;
    if (at[1] != 'u') {
        const char *letter = strchr(letters, at[1]);
        return letter == NULL ? at[1] : (uint32_t)meant[letter - letters];
    }
    *bytes = 6;
    const uint32_t high = hex4(at + 2);
    if (high < 0xd800 || high >= 0xdc00 || end - at < 12 || at[6] != '\\' || at[7] != 'u') {
        return high;
    }
    const uint32_t low = hex4(at + 8);
    if (low < 0xdc00 || low >= 0xe000) {
        return high;
    }
    *bytes = 12;
    return 0x10000 + ((high - 0xd800) << 10U) + (low - 0xdc00);
}

size_t hulse_json_unescape(const struct json_string *s, char *out, size_t room)
{
    const uint8_t *end = s->text + s->bytes;
    size_t written = 0;

    for (const uint8_t *at = s->text; at < end;) {
        char piece[4] = {(char)*at};
        size_t bytes = 1;
        size_t n = 1;
        if (*at == '\\') {
            n = put_character(escaped_character(at, end, &bytes), piece);
        }
        if (n > room - written) {
            return SIZE_MAX;
        }
        memcpy(out + written, piece, n);
        written += n;
        at += bytes;
    }
    return written;
}
