/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privileges - see the header.
 */
#include "daemon/core/privileges.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static int drop_bounding(void)
{
    /* The kernel's own number, which may be above that of the headers. */
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        if (cap_get_bound(cap) > 0 && cap_drop_bound(cap) != 0) {
            return errno;
        }
    }
    return 0;
}

static bool may_drop_bounding(cap_t held)
{
    cap_flag_value_t value = CAP_CLEAR;

    return cap_get_flag(held, CAP_SETPCAP, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
}

/* A container may forbid capset(); one that leaves nothing to drop is not asked. */
static int clear_sets(cap_t held)
{
    cap_t none = cap_init();
    int failed = none == NULL ? errno : 0;

    if (none != NULL && cap_compare(held, none) != 0 && cap_set_proc(none) != 0) {
        failed = errno;
    }
    (void)cap_free(none);
    return failed;
}

int hulse_privileges_drop(void)
{
    cap_t held = cap_get_proc();

    if (held == NULL) {
        return errno;
    }
    int failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
    /* A capability leaves the ambient set with the permitted one; a kernel without it has none. */
    (void)cap_reset_ambient();
    if (failed == 0 && may_drop_bounding(held)) {
        failed = drop_bounding();
    }
    if (failed == 0) {
        failed = clear_sets(held);
    }
    (void)cap_free(held);
    return failed;
}
