/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_answer - see the header.
 */
#include "daemon/broker/pulsar/admin/rest_answer.h"

#include <stdio.h>
#include <string.h>

static hulse_status status_of(enum http_method method, unsigned code)
{
    switch (code) {
    case 401:
    case 403:
        return HULSE_DENIED;
    case 404:
        return HULSE_NO_TOPIC;
    case 405:
        return HULSE_UNSUPPORTED;
    case 409:
        return HULSE_BUSY;
    case 412:
        return method == HTTP_DELETE ? HULSE_BUSY : HULSE_INVAL;
    case 429:
        return HULSE_LIMIT;
    default:
        break;
    }
    if (code >= 200 && code < 300) {
        return HULSE_OK;
    }
    if (code >= 400 && code < 500) {
        return HULSE_INVAL;
    }
    return code >= 500 && code < 600 ? HULSE_REFUSED : HULSE_PROTOCOL;
}

/* Copies what is printable; the rest becomes question marks. */
static void say(struct rest_answer *out, const char *reason, size_t bytes)
{
    size_t at = 0;

    if (bytes == 0) {
        (void)snprintf(
            out->text, sizeof(out->text), "the cluster gives no reason (HTTP %u)", out->code);
        return;
    }
    while (at < bytes && at + 1 < sizeof(out->text)) {
        const unsigned char c = (unsigned char)reason[at];
        out->text[at++] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
    }
    out->text[at] = '\0';
}

/* {"reason":"…"}; some answers are a text alone. A page of whoever stands between says nothing to people. */
static void say_why(struct rest_answer *out, const char *body, size_t bytes)
{
    const json_t *reason =
        json_is_string(out->json) ? out->json : json_object_get(out->json, "reason");

    if (json_is_string(reason)) {
        say(out, json_string_value(reason), json_string_length(reason));
    } else if (out->json == NULL && bytes > 0 && body[0] != '<') {
        say(out, body, bytes);
    } else {
        say(out, "", 0);
    }
}

void hulse_rest_answer_read(
    struct rest_answer *out, enum http_method method, unsigned code, const char *body, size_t bytes)
{
    *out = (struct rest_answer){.status = status_of(method, code), .code = code};
    out->json = bytes == 0 ? NULL : json_loadb(body, bytes, JSON_DECODE_ANY, NULL);
    if (out->status != HULSE_OK) {
        say_why(out, body, bytes);
        hulse_rest_answer_fini(out);
    }
}

void hulse_rest_answer_fini(struct rest_answer *a)
{
    json_decref(a->json);
    a->json = NULL;
}
