/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_id - see the header. Pulsar protocol, sections 7.3 and 7.23.
 */
#include "daemon/broker/pulsar/wire/message_id.h"

#include <inttypes.h>
#include <stdio.h>

void hulse_wire_id_print(const struct wire_message_id *id, char out[WIRE_ID_TEXT_BYTES])
{
    if (id->batch == -1) {
        (void)snprintf(out,
                       WIRE_ID_TEXT_BYTES,
                       "%" PRId64 ":%" PRId64 ":%" PRId32,
                       id->ledger,
                       id->entry,
                       id->partition);
    } else {
        (void)snprintf(out,
                       WIRE_ID_TEXT_BYTES,
                       "%" PRId64 ":%" PRId64 ":%" PRId32 ":%" PRId32,
                       id->ledger,
                       id->entry,
                       id->partition,
                       id->batch);
    }
}

/* -1 or digits, up to `max`; *at is moved behind them. */
static bool parse_number(const char **at, int64_t max, int64_t *out)
{
    const char *c = *at;
    int64_t n = 0;

    if (c[0] == '-' && c[1] == '1') {
        *at = c + 2;
        *out = -1;
        return true;
    }
    if (*c < '0' || *c > '9') {
        return false;
    }
    for (; *c >= '0' && *c <= '9'; c++) {
        const int64_t digit = *c - '0';
        if (n > (max - digit) / 10) {
            return false;
        }
        n = 10 * n + digit;
    }
    *at = c;
    *out = n;
    return true;
}

bool hulse_wire_id_parse(const char *text, struct wire_message_id *out, const char **why)
{
    static const int64_t max[4] = {INT64_MAX, INT64_MAX, INT32_MAX, INT32_MAX};
    int64_t numbers[4] = {-1, -1, -1, -1};
    unsigned count = 0;
    const char *at = text;

    for (;;) {
        if (!parse_number(&at, max[count], &numbers[count])) {
            *why = "a message id consists of numbers, -1 or more: ledger:entry:partition[:batch]";
            return false;
        }
        count++;
        if (*at != ':' || count == 4) {
            break;
        }
        at++;
    }
    if (*at != '\0' || count < 3) {
        *why = "a message id has three or four numbers: ledger:entry:partition[:batch]";
        return false;
    }
    *out = (struct wire_message_id){.ledger = numbers[0],
                                    .entry = numbers[1],
                                    .partition = (int32_t)numbers[2],
                                    .batch = (int32_t)numbers[3]};
    return true;
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int hulse_wire_id_compare(const struct wire_message_id *a, const struct wire_message_id *b)
{
    int order = compare(a->ledger, b->ledger);

    order = order != 0 ? order : compare(a->entry, b->entry);
    order = order != 0 ? order : compare(a->partition, b->partition);
    return order != 0 ? order : compare(a->batch, b->batch);
}
