/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_text - see the header.
 */
#include "daemon/admin/id_text.h"

#define PARTS_MAX 4U

/* Digits up to a colon or the end; "-1" gives UINT64_MAX. False: something else, or too large. */
static bool take_number(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t n = 0;

    if (at[0] == '-' && at[1] == '1' && (at[2] == ':' || at[2] == '\0')) {
        *out = UINT64_MAX;
        *text = at + 2;
        return true;
    }
    if (*at < '0' || *at > '9') {
        return false;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (n > ((uint64_t)INT64_MAX - digit) / 10) {
            return false;
        }
        n = 10 * n + digit;
    }
    *out = n;
    *text = at;
    return *at == ':' || *at == '\0';
}

bool hulse_id_text_parse(const char *text, struct id_text *out)
{
    uint64_t parts[PARTS_MAX] = {0, 0, UINT64_MAX, UINT64_MAX};
    unsigned count = 0;

    while (count < PARTS_MAX && take_number(&text, &parts[count])) {
        count++;
        if (*text == '\0') {
            break;
        }
        text++;
    }
    const bool has_partition = parts[2] != UINT64_MAX;
    const bool has_batch = parts[3] != UINT64_MAX;
    if (count < 2 || *text != '\0' || text[-1] == ':' || parts[0] == UINT64_MAX ||
        parts[1] == UINT64_MAX || (has_partition && parts[2] > UINT16_MAX) ||
        (has_batch && parts[3] > INT32_MAX)) {
        return false;
    }
    *out = (struct id_text){
        .ledger = parts[0],
        .entry = parts[1],
        .partition = has_partition ? (uint16_t)parts[2] : 0,
        .batch = has_batch ? (int32_t)parts[3] : -1,
    };
    return true;
}
