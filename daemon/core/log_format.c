/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_format - see the header.
 */
#include "daemon/core/log_format.h"

#include "daemon/core/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct sink {
    char *at;
    const char *end;
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};
/* Syslog's err, warning, info, debug. */
static const char level_priorities[] = {'3', '4', '6', '7'};

static void put_bytes(struct sink *s, const char *bytes, size_t count)
{
    /* Only our own keys and events could be too long. */
    HULSE_ASSERT(count <= (size_t)(s->end - s->at));
    memcpy(s->at, bytes, count);
    s->at += count;
}

static void put_text(struct sink *s, const char *text)
{
    put_bytes(s, text, strlen(text));
}

static void put_char(struct sink *s, char c)
{
    put_bytes(s, &c, 1);
}

static void put_u64(struct sink *s, uint64_t value)
{
    char digits[24];
    char *at = digits + sizeof(digits);

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put_bytes(s, at, (size_t)(digits + sizeof(digits) - at));
}

static void put_i64(struct sink *s, int64_t value)
{
    if (value < 0) {
        put_char(s, '-');
    }
    put_u64(s, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* ---- foreign text ------------------------------------------------------------------------ */

/* Length of the character that begins here and its number; 1 and UINT32_MAX if it is none. */
static size_t decode_character(const unsigned char *text, size_t bytes, uint32_t *number)
{
    /* By the first byte: how many follow, the smallest number that needs so many. */
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char first = text[0];
    const size_t more = first < 0x80             ? 0
                        : (first & 0xE0) == 0xC0 ? 1
                        : (first & 0xF0) == 0xE0 ? 2
                        : (first & 0xF8) == 0xF0 ? 3
                                                 : SIZE_MAX;
    *number = UINT32_MAX;
    if (more >= bytes) {
        return 1;
    }
    uint32_t value = more == 0 ? first : first & (0x3FU >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 1;
        }
        value = value << 6 | (text[i] & 0x3FU);
    }
    if (value < smallest[more] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return 1;
    }
    *number = value;
    return more + 1;
}

/* Would change what a terminal or a reader of lines shows: C0, DEL, C1, line separators. */
static bool is_control(uint32_t number)
{
    return number < 0x20 || (number >= 0x7F && number < 0xA0) || number == 0x2028 ||
           number == 0x2029;
}

static void put_unicode_escape(struct sink *s, uint32_t number)
{
    char text[8];

    (void)snprintf(text, sizeof(text), "\\u%04" PRIx32, number & 0xFFFF);
    put_bytes(s, text, 6);
}

static void put_character(struct sink *s, const unsigned char *text, size_t bytes, uint32_t number)
{
    if (number == UINT32_MAX) {
        put_text(s, "\xEF\xBF\xBD");
    } else if (number == '"' || number == '\\') {
        put_char(s, '\\');
        put_char(s, (char)number);
    } else if (number == '\n') {
        put_text(s, "\\n");
    } else if (is_control(number)) {
        put_unicode_escape(s, number);
    } else {
        put_bytes(s, (const char *)text, bytes);
    }
}

static void put_quoted(struct sink *s, const char *text, size_t bytes, bool cut)
{
    const unsigned char *at = (const unsigned char *)text;

    put_char(s, '"');
    while (bytes > 0) {
        uint32_t number = 0;
        const size_t length = decode_character(at, bytes, &number);
        put_character(s, at, length, number);
        at += length;
        bytes -= length;
    }
    if (cut) {
        put_text(s, "\xE2\x80\xA6");
    }
    put_char(s, '"');
}

/* In text lines a word of ordinary characters needs no quotes. */
static bool is_plain(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const char c = text[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return bytes != 0;
}

/* ---- lines ------------------------------------------------------------------------------- */

static void put_time(struct sink *s, uint64_t wall_ns)
{
    const time_t seconds = (time_t)(wall_ns / 1000000000U);
    const unsigned micros = (unsigned)(wall_ns % 1000000000U / 1000U);
    struct tm tm;
    char text[64];

    (void)gmtime_r(&seconds, &tm);
    const size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + length, sizeof(text) - length, ".%06uZ", micros);
    put_text(s, text);
}

static void put_value(struct sink *s,
                      const struct log_record *r,
                      const struct log_item *item,
                      bool quote_always)
{
    const char *text = hulse_log_record_text(r, item);

    if (item->kind == HULSE_LOG_U64) {
        put_u64(s, item->number);
    } else if (item->kind == HULSE_LOG_I64) {
        put_i64(s, (int64_t)item->number);
    } else if (quote_always || item->cut != 0 || !is_plain(text, item->text_bytes)) {
        put_quoted(s, text, item->text_bytes, item->cut != 0);
    } else {
        put_bytes(s, text, item->text_bytes);
    }
}

static void put_json(struct sink *s, const struct log_record *r, const char *thread)
{
    const struct log_item *items = hulse_log_record_items(r);

    put_text(s, "{\"ts\":\"");
    put_time(s, r->wall_ns);
    put_text(s, "\",\"level\":\"");
    put_text(s, level_names[r->level]);
    put_text(s, "\",\"thread\":");
    put_quoted(s, thread, strlen(thread), false);
    put_text(s, ",\"event\":");
    put_quoted(s, r->event, strlen(r->event), false);
    for (size_t i = 0; i < r->count; i++) {
        put_char(s, ',');
        put_quoted(s, items[i].key, strlen(items[i].key), false);
        put_char(s, ':');
        put_value(s, r, &items[i], true);
    }
    if (r->suppressed != 0) {
        put_text(s, ",\"suppressed\":");
        put_u64(s, r->suppressed);
    }
    put_text(s, "}\n");
}

static void put_plain(struct sink *s, const struct log_record *r, const char *thread)
{
    const struct log_item *items = hulse_log_record_items(r);

    put_time(s, r->wall_ns);
    put_char(s, ' ');
    put_text(s, level_names[r->level]);
    put_char(s, ' ');
    put_text(s, thread);
    put_char(s, ' ');
    put_text(s, r->event);
    for (size_t i = 0; i < r->count; i++) {
        put_char(s, ' ');
        put_text(s, items[i].key);
        put_char(s, '=');
        put_value(s, r, &items[i], false);
    }
    if (r->suppressed != 0) {
        put_text(s, " suppressed=");
        put_u64(s, r->suppressed);
    }
    put_char(s, '\n');
}

size_t hulse_log_format_line(const struct log_record *r,
                             const char *thread,
                             const struct log_style *style,
                             char *out)
{
    struct sink s = {.at = out, .end = out + HULSE_LOG_LINE_BYTES};

    HULSE_ASSERT(r->level < sizeof(level_priorities));
    if (style->priority) {
        const char prefix[3] = {'<', level_priorities[r->level], '>'};
        put_bytes(&s, prefix, sizeof(prefix));
    }
    if (style->format == HULSE_LOG_JSON) {
        put_json(&s, r, thread);
    } else {
        put_plain(&s, r, thread);
    }
    return (size_t)(s.at - out);
}
