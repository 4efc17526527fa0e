/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles - the `roles` of a configuration: who has which, and what it may do.
 *
 * A token decides before the uid, the uid before the gid. The daemon's own uid, when no role lists
 * it, is the owner and may do everything. Who has no role may do nothing.
 *
 * Threads: constant once made; what changes is in role_state.h.
 * Limits:  HULSE_ROLES_MAX roles.
 */
#ifndef HULSE_TABLE_ROLES_H
#define HULSE_TABLE_ROLES_H

#include "daemon/config/rules.h"
#include "daemon/core/error.h"
#include "daemon/table/identity.h"
#include "daemon/table/role_state.h"

#define HULSE_ROLES_MAX 10000U
#define HULSE_ROLE_OWNER "(owner)"

enum permission { PERMISSION_PRODUCE = 1U, PERMISSION_CONSUME = 2U, PERMISSION_ADMIN = 4U };

struct app_role {
    struct role_state *state;
    struct bucket_rates rate;
    uint32_t index; /* of this reading of the configuration */
};

struct roles;

/*
 * `before` is the reading that this one follows, or NULL: a role of the same name keeps its state.
 * INVAL: a regular expression that does not compile, too many roles. NO_MEMORY.
 */
hulse_status hulse_roles_create(struct roles **out,
                                const struct config_role *roles,
                                size_t count,
                                const struct roles *before,
                                struct error *err);
/* *r becomes NULL; harmless on NULL. */
void hulse_roles_destroy(struct roles **r);
/* What the new reading allows from now on; the writer of the tables, when it is published. */
void hulse_roles_limit(const struct roles *r, const struct config_role *roles);
/* NULL: none. */
const struct app_role *hulse_roles_find(const struct roles *r, const struct identity *who);
/* A token that no role lists. */
bool hulse_roles_token_unknown(const struct roles *r, const struct identity *who);
/* Bits of enum permission. */
unsigned
hulse_roles_permissions(const struct roles *r, const struct app_role *role, const char *topic);
uint32_t hulse_roles_count(const struct roles *r);

#endif
