/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials - one credential for each broker that needs one, by the broker's name.
 *
 * Threads: control, between hulse_rcu_writer_start() and _stop(). The slots are read by any thread.
 * Limits:  16 names ever; one that was removed keeps its place, because others may know its slot.
 */
#ifndef HULSE_CONTROL_CREDENTIALS_H
#define HULSE_CONTROL_CREDENTIALS_H

#include "daemon/control/credential.h"

/* Those of a configuration, and as many that earlier ones had. */
#define HULSE_CREDENTIALS_MAX 16U

struct credentials {
    struct credential_surroundings around;
    struct credential *all[HULSE_CREDENTIALS_MAX];
    unsigned count;
};

/* `around` is copied; what it names is borrowed until fini. */
void hulse_credentials_init(struct credentials *cs, const struct credential_surroundings *around);
/* No thread may look at a slot any more. */
void hulse_credentials_fini(struct credentials *cs);
/* Adds the name or gives it another source: hulse_credential_set(). LIMIT: too many names. */
hulse_status hulse_credentials_set(struct credentials *cs,
                                   const char *name,
                                   const struct credential_params *params,
                                   struct error *err);
/* hulse_credential_remove(); harmless on a name that is not there. */
void hulse_credentials_remove(struct credentials *cs, const char *name);
/* NULL: the name was never set. Valid until fini. */
struct credential *hulse_credentials_find(struct credentials *cs, const char *name);

#endif
