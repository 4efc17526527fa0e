/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_list - what an application asks for beyond the members of a request, as elements of OPTIONS.
 *
 * Threads: an object has one owner.
 * Owns:    its bytes; zeros are an empty list.
 * Limits:  HULSE_OPTIONS_TOTAL_MAX bytes.
 */
#ifndef HULSE_CLIENT_OPTION_LIST_H
#define HULSE_CLIENT_OPTION_LIST_H

#include "shmlib/ring/control.h"

#include <stdbool.h>

struct hulse_session;

struct hulse_option_list {
    uint8_t *bytes;
    uint32_t used;
    uint32_t room;
};

/* Adds an element. NO_MEMORY; TOOBIG: the list would be too long, or the value; nothing has changed then. */
hulse_status hulse_option_list_add(struct hulse_option_list *list,
                                   enum hulse_option option,
                                   const void *value,
                                   size_t bytes);
/* The same instead of those that there are of this option. */
hulse_status hulse_option_list_set(struct hulse_option_list *list,
                                   enum hulse_option option,
                                   const void *value,
                                   size_t bytes);
/* False without memory. */
bool hulse_option_list_copy(struct hulse_option_list *to, const struct hulse_option_list *from);
void hulse_option_list_clear(struct hulse_option_list *list);
/*
 * Sends what goes before the request `req`, if there is something. UNSUPPORTED: the daemon is older, and
 * was sent nothing. Requires: session lock. Blocks: as hulse_control_send().
 */
hulse_status
hulse_option_list_send(struct hulse_session *s, const struct hulse_option_list *list, uint32_t req);

#endif
