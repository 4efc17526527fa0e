/* SPDX-License-Identifier: Apache-2.0 */
/* position - where reading begins (contract in position.h). */
#include "shmlib/cli/position.h"

#include "daemon/admin/id_text.h"
#include "shmlib/cli/kind.h"
#include "shmlib/cli/value.h"

#include <string.h>
#include <time.h>

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
    S_PER_MIN = 60,
    S_PER_HOUR = 3600,
    FRACTION_DIGITS = 3
};

static bool parse_id(const char *text, struct hulse_id *out)
{
    struct id_text id;

    if (!hulse_id_text_parse(text, &id)) {
        return false;
    }
    *out = (struct hulse_id){.size = sizeof(*out),
                             .ledger = id.ledger,
                             .entry = id.entry,
                             .partition = id.partition,
                             .batch = id.batch};
    return true;
}

/* ---- times ---- */

/* ".250": up to milliseconds, further digits are passed over. */
static const char *fraction(const char *at, uint64_t *ms)
{
    *ms = 0;
    if (*at != '.') {
        return at;
    }
    unsigned digits = 0;
    for (at++; *at >= '0' && *at <= '9'; at++, digits++) {
        if (digits < FRACTION_DIGITS) {
            *ms = *ms * 10 + (uint64_t)(*at - '0');
        }
    }
    for (unsigned i = digits; i < FRACTION_DIGITS; i++) {
        *ms *= 10;
    }
    return digits == 0 ? NULL : at;
}

/* "Z" or "+HH:MM" up to the end, in seconds east. */
static bool zone(const char *at, int64_t *seconds)
{
    struct tm t = {0};

    *seconds = 0;
    if (strcmp(at, "Z") == 0) {
        return true;
    }
    if (*at != '+' && *at != '-') {
        return false;
    }
    const char *end = strptime(at + 1, "%H:%M", &t);
    *seconds = (int64_t)t.tm_hour * S_PER_HOUR + (int64_t)t.tm_min * S_PER_MIN;
    *seconds = *at == '-' ? -*seconds : *seconds;
    return end != NULL && *end == '\0';
}

/* RFC 3339. */
static bool parse_date(const char *text, uint64_t *unix_ms)
{
    struct tm t = {0};
    uint64_t ms = 0;
    int64_t east = 0;
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);

    at = at == NULL ? NULL : fraction(at, &ms);
    if (at == NULL || !zone(at, &east)) {
        return false;
    }
    const int64_t seconds = (int64_t)timegm(&t) - east;
    if (seconds < 0) {
        return false;
    }
    *unix_ms = (uint64_t)seconds * MS_PER_S + ms;
    return true;
}

static bool parse_ago(const char *text, uint64_t *unix_ms)
{
    struct timespec now;
    int ago_ms = 0;

    if (*text != '-' || !hulse_cli_value_duration(text + 1, &ago_ms)) {
        return false;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t now_ms = (uint64_t)now.tv_sec * MS_PER_S + (uint64_t)now.tv_nsec / NS_PER_MS;
    *unix_ms = now_ms > (uint64_t)ago_ms ? now_ms - (uint64_t)ago_ms : 0;
    return true;
}

bool hulse_cli_position_parse(const char *text, struct hulse_cli_position *out)
{
    struct hulse_cli_position p = {0};
    const int word = hulse_cli_word_index(HULSE_CLI_FROM, text);

    if (word >= 0) {
        p.start = word == HULSE_CLI_WORD_LATEST ? HULSE_LATEST : HULSE_EARLIEST;
    } else if (parse_id(text, &p.id)) {
        p.start = HULSE_AT_ID;
    } else if (parse_date(text, &p.unix_ms) || parse_ago(text, &p.unix_ms)) {
        p.start = HULSE_AT_TIME;
    } else {
        return false;
    }
    *out = p;
    return true;
}

hulse_status hulse_cli_position_apply(const struct hulse_cli_position *p, hulse_consumer_options *o)
{
    switch (p->start) {
    case HULSE_AT_ID:
    case HULSE_AFTER_ID:
        return hulse_consumer_options_start_id(o, p->start, &p->id);
    case HULSE_AT_TIME:
        return hulse_consumer_options_start_time(o, p->unix_ms);
    case HULSE_LATEST:
    case HULSE_EARLIEST:
        break;
    }
    return hulse_consumer_options_start(o, p->start);
}
