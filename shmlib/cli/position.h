/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position - where reading begins, as an option's value: earliest, latest, a message's id, or a time. A pure function but
 * for the clock.
 */
#ifndef HULSE_CLI_POSITION_H
#define HULSE_CLI_POSITION_H

#include <hulse/hulse.h>
#include <stdbool.h>

struct hulse_cli_position {
    enum hulse_start start;
    struct hulse_id id;
    uint64_t unix_ms;
};

/*
 * "earliest"; "latest"; an id as the commands print it, "LEDGER:ENTRY[:PARTITION[:BATCH]]", this message included; a time:
 * "2026-11-30T09:30:00Z", "2026-11-30T09:30:00.250+01:00", or "-15m", a duration before now. False changes nothing.
 */
bool hulse_cli_position_parse(const char *text, struct hulse_cli_position *out);
/* INVAL: the options do not take it. */
hulse_status hulse_cli_position_apply(const struct hulse_cli_position *p,
                                      hulse_consumer_options *o);

#endif
