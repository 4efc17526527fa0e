/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stopped_store - see the header.
 */
#include "daemon/program/stopped_store.h"

#include "daemon/core/privileges.h"
#include "daemon/program/exit.h"
#include "daemon/store/look.h"

#include <inttypes.h>
#include <stdio.h>

static int store_exit_code(hulse_status st)
{
    switch (st) {
    case HULSE_BUSY:
        return HULSE_EXIT_UNAVAILABLE;
    case HULSE_DENIED:
        return HULSE_PRIVILEGES_EXIT;
    case HULSE_INVAL:
    case HULSE_UNSUPPORTED:
        return HULSE_EXIT_BAD_DATA;
    default:
        return HULSE_EXIT_IO;
    }
}

int hulse_stopped_store_check(const char *directory)
{
    struct store_findings found;
    struct store_finding list[STORE_FINDINGS_MAX];
    struct error err = {0};
    const hulse_status st = hulse_store_check(directory, &found, &err);

    if (st != HULSE_OK) {
        return hulse_exit_with(store_exit_code(st), err.text);
    }
    const size_t count = hulse_store_findings_list(&found, list);
    for (size_t i = 0; i < count; i++) {
        (void)printf("%-18s %" PRIu64 "\n", list[i].name, list[i].count);
    }
    return hulse_store_findings_good(&found)
               ? HULSE_EXIT_FINE
               : hulse_exit_with(HULSE_EXIT_BAD_DATA, "the store is damaged");
}

int hulse_stopped_store_backup(const char *directory, const char *to)
{
    struct store_backup done;
    struct error err = {0};
    const hulse_status st = hulse_store_backup(directory, to, &done, &err);

    if (st != HULSE_OK) {
        return hulse_exit_with(store_exit_code(st), err.text);
    }
    (void)printf(
        "%-18s %" PRIu64 "\n%-18s %" PRIu64 "\n", "segments", done.segments, "bytes", done.bytes);
    return HULSE_EXIT_FINE;
}
