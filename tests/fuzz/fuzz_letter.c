/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_letter - any properties of a message, merged into its copy: what is well formed before is so afterwards, names that are
 * added are there, those that are replaced once, and a retry counts one more than was read.
 *
 * Input: the kind, the cause, then properties: lengths of name and value (a name of 128 and more: one that letters know).
 */
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/flow/letter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAIRS_MAX 64U
#define PAIR_BYTES_MAX (4U + 255U + 255U)

static const char *const known[] = {"REAL_TOPIC",
                                    "ORIGIN_MESSAGE_ID",
                                    "RECONSUMETIMES",
                                    "DELAY_TIME",
                                    "hulse-reason",
                                    "hulse-expires-ms",
                                    "hulse-first-failure"};

struct cursor {
    const uint8_t *at;
    size_t left;
};

static uint8_t take(struct cursor *c)
{
    if (c->left == 0) {
        return 0;
    }
    c->left -= 1;
    return *c->at++;
}

static uint32_t pair(uint8_t *out, struct cursor *c)
{
    const uint8_t kind = take(c);
    const char *name =
        kind < 128 ? (const char *)c->at : known[kind % (sizeof(known) / sizeof(*known))];
    size_t name_bytes = kind < 128 ? kind : strlen(name);
    name_bytes = kind < 128 && name_bytes > c->left ? c->left : name_bytes;
    if (name_bytes > 0) {
        memcpy(out + 4, name, name_bytes); /* NOLINT(bugprone-not-null-terminated-result) */
    }
    if (kind < 128) {
        c->at += name_bytes;
        c->left -= name_bytes;
    }
    size_t value_bytes = take(c);
    value_bytes = value_bytes > c->left ? c->left : value_bytes;
    if (value_bytes > 0) {
        memcpy(out + 4 + name_bytes, c->at, value_bytes);
    }
    c->at += value_bytes;
    c->left -= value_bytes;
    hulse_put16(out, (uint16_t)name_bytes);
    hulse_put16(out + 2, (uint16_t)value_bytes);
    return (uint32_t)(4 + name_bytes + value_bytes);
}

/* How many have that name; all are whole. */
static uint32_t count_of(const uint8_t *at, uint32_t bytes, const char *name)
{
    uint32_t count = 0;
    while (bytes > 0) {
        HULSE_ASSERT(bytes >= 4);
        const uint32_t whole = 4U + hulse_get16(at) + hulse_get16(at + 2);
        HULSE_ASSERT(whole <= bytes);
        count += hulse_get16(at) == strlen(name) && memcmp(at + 4, name, strlen(name)) == 0 ? 1 : 0;
        at += whole;
        bytes -= whole;
    }
    return count;
}

static void check_retry(struct broker_span all, uint32_t retries)
{
    HULSE_ASSERT(count_of(all.data, all.bytes, "RECONSUMETIMES") == 1);
    HULSE_ASSERT(count_of(all.data, all.bytes, "DELAY_TIME") == 1);
    HULSE_ASSERT(hulse_letter_retries(all) == (retries < HULSE_RETRIES_MAX ? retries + 1 : 0));
}

static void check(const struct letter *l, uint32_t retries)
{
    const struct broker_span all = {.data = l->data, .bytes = l->property_bytes};

    HULSE_ASSERT(sizeof(*l) + l->property_bytes <= l->object_bytes);
    HULSE_ASSERT(count_of(all.data, all.bytes, "REAL_TOPIC") >= 1);
    HULSE_ASSERT(count_of(all.data, all.bytes, "hulse-expires-ms") == 0);
    if (l->cause == LETTER_RETRIED) {
        check_retry(all, retries);
    }
    if (l->kind == LETTER_DEAD) {
        HULSE_ASSERT(count_of(all.data, all.bytes, "hulse-reason") == 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {.at = data, .left = size};
    const struct letter_source from = {
        .topic = "t", .subscription = "s", .host = "h", .app = "a", .now_ms = 1};
    struct letter_reason why = {.kind = (enum letter_kind)(take(&c) % LETTER_KINDS),
                                .cause = (enum letter_cause)(take(&c) % LETTER_CAUSES)};
    uint8_t *own = malloc((size_t)PAIRS_MAX * PAIR_BYTES_MAX);
    uint32_t bytes = 0;

    if (own == NULL) {
        return 0;
    }
    why.cause = why.kind == LETTER_RETRY ? LETTER_RETRIED : why.cause;
    for (uint32_t i = 0; i < PAIRS_MAX && c.left > 0; i++) {
        bytes += pair(own + bytes, &c);
    }
    /* At its exact size, so that a look behind it is seen. */
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
    struct broker_delivery d = {.meta = {.properties = {.data = exact, .bytes = bytes}}};
    if (exact != NULL) {
        memcpy(exact, own, bytes);
        struct letter *l = hulse_letter_create(&d, &from, &why);
        HULSE_ASSERT(l != NULL);
        check(l, hulse_letter_retries(d.meta.properties));
        hulse_letter_free(&l);
    }
    free(exact);
    free(own);
    return 0;
}
