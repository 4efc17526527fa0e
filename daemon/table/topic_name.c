/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_name - see the header.
 */
#include "daemon/table/topic_name.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static const char persistent_prefix[] = "persistent://";
static const char non_persistent_prefix[] = "non-persistent://";

static bool refuse(const char **why, const char *text)
{
    *why = text;
    return false;
}

/* Appends to a terminated name of *len bytes; false when it would not fit. */
static bool append(struct topic_name *out, size_t *len, const char *text)
{
    const size_t bytes = strlen(text);
    if (bytes >= sizeof(out->full) - *len) {
        return false;
    }
    memcpy(out->full + *len, text, bytes + 1);
    *len += bytes;
    return true;
}

/* Bytes of the well-formed UTF-8 sequence at `in` (Unicode table 3-7), 0 for any other. */
static size_t sequence(const uint8_t *in, size_t left)
{
    const uint8_t lead = in[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t bytes = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        bytes = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        bytes = 3;
        low = lead == 0xe0 ? 0xa0 : low;   /* overlong */
        high = lead == 0xed ? 0x9f : high; /* surrogates */
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        bytes = 4;
        low = lead == 0xf0 ? 0x90 : low;   /* overlong */
        high = lead == 0xf4 ? 0x8f : high; /* beyond U+10FFFF */
    }
    if (bytes == 0 || bytes > left || in[1] < low || in[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < bytes; i++) {
        if ((in[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return bytes;
}

/* C0, DEL and C1. */
static bool is_control(const uint8_t *in)
{
    return in[0] < 0x20 || in[0] == 0x7f || (in[0] == 0xc2 && in[1] < 0xa0);
}

static bool text_good(const char *text, size_t len, const char **why)
{
    const uint8_t *in = (const uint8_t *)text;
    size_t at = 0;
    while (at < len) {
        const size_t bytes = sequence(in + at, len - at);
        if (bytes == 0) {
            return refuse(why, "the topic name is not valid UTF-8");
        }
        if (is_control(in + at)) {
            return refuse(why, "the topic name has a control character");
        }
        at += bytes;
    }
    return true;
}

/* Splits what follows the scheme into exactly three parts that are not empty. */
static bool split(struct topic_name *out, unsigned tenant_at, const char **why)
{
    const char *tenant = out->full + tenant_at;
    const char *first = strchr(tenant, '/');
    const char *second = first != NULL ? strchr(first + 1, '/') : NULL;
    if (second == NULL) {
        return refuse(why, "a full topic name is scheme://tenant/namespace/name");
    }
    if (strchr(second + 1, '/') != NULL) {
        return refuse(why, "the last part of a topic name must not contain '/'");
    }
    if (first == tenant || second == first + 1 || second[1] == '\0') {
        return refuse(why, "a part of the topic name is empty");
    }
    out->tenant_at = tenant_at;
    out->namespace_at = (unsigned)(first + 1 - out->full);
    out->name_at = (unsigned)(second + 1 - out->full);
    return true;
}

/* Makes the full name of a text without scheme: a name alone, or all three parts. */
static bool
complete(struct topic_name *out, const char *text, const char *default_namespace, const char **why)
{
    size_t len = 0;
    bool fits = append(out, &len, persistent_prefix);
    if (strchr(text, '/') == NULL) {
        if (default_namespace == NULL) {
            return refuse(why, "a short topic name needs a default namespace");
        }
        fits = fits && append(out, &len, default_namespace) && append(out, &len, "/");
    }
    if (!fits || !append(out, &len, text)) {
        return refuse(why, "the topic name is too long");
    }
    return true;
}

bool hulse_topic_name_parse(struct topic_name *out,
                            const char *text,
                            const char *default_namespace,
                            const char **why)
{
    *out = (struct topic_name){.persistent = true};
    *why = NULL;
    if (text[0] == '\0') {
        return refuse(why, "the topic name is empty");
    }
    if (strstr(text, "://") == NULL) {
        if (!complete(out, text, default_namespace, why)) {
            return false;
        }
    } else {
        size_t len = 0;
        if (!append(out, &len, text)) {
            return refuse(why, "the topic name is too long");
        }
    }
    size_t prefix = sizeof(persistent_prefix) - 1;
    if (strncmp(out->full, non_persistent_prefix, sizeof(non_persistent_prefix) - 1) == 0) {
        out->persistent = false;
        prefix = sizeof(non_persistent_prefix) - 1;
    } else if (strncmp(out->full, persistent_prefix, prefix) != 0) {
        return refuse(why, "the topic's scheme is neither persistent nor non-persistent");
    }
    return text_good(out->full, strlen(out->full), why) && split(out, (unsigned)prefix, why);
}

bool hulse_topic_keeps(const char *topic)
{
    return strncmp(topic, "persistent:", strlen("persistent:")) == 0;
}

size_t hulse_topic_base_bytes(const char *topic)
{
    static const char mark[] = "-partition-";
    const size_t bytes = strlen(topic);
    size_t end = bytes;

    while (end > 0 && isdigit((unsigned char)topic[end - 1]) != 0) {
        end -= 1;
    }
    const size_t mark_bytes = sizeof(mark) - 1;
    return end < bytes && end > mark_bytes &&
                   memcmp(topic + end - mark_bytes, mark, mark_bytes) == 0
               ? end - mark_bytes
               : bytes;
}
