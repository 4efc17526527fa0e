/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials - see credentials.h.
 */
#include "daemon/control/credentials.h"

#include <string.h>

void hulse_credentials_init(struct credentials *cs, const struct credential_surroundings *around)
{
    *cs = (struct credentials){.around = *around};
}

void hulse_credentials_fini(struct credentials *cs)
{
    while (cs->count > 0) {
        hulse_credential_destroy(&cs->all[--cs->count]);
    }
}

struct credential *hulse_credentials_find(struct credentials *cs, const char *name)
{
    for (unsigned i = 0; i < cs->count; i++) {
        if (strcmp(cs->all[i]->name, name) == 0) {
            return cs->all[i];
        }
    }
    return NULL;
}

/* A name that never gets a source must not take a place for ever. */
static hulse_status add(struct credentials *cs,
                        const char *name,
                        const struct credential_params *params,
                        struct error *err)
{
    if (name[0] == '\0' || strlen(name) >= HULSE_CREDENTIAL_NAME_BYTES) {
        return hulse_fail(
            err, HULSE_INVAL, "a broker's name has 1 to %u bytes", HULSE_CREDENTIAL_NAME_BYTES - 1);
    }
    if (cs->count == HULSE_CREDENTIALS_MAX) {
        return hulse_fail(
            err, HULSE_LIMIT, "at most %u brokers with credentials", HULSE_CREDENTIALS_MAX);
    }
    struct credential *c = hulse_credential_create(name, &cs->around);
    if (c == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    const hulse_status st = hulse_credential_set(c, params, err);
    if (st != HULSE_OK) {
        hulse_credential_destroy(&c);
        return st;
    }
    cs->all[cs->count++] = c;
    return HULSE_OK;
}

hulse_status hulse_credentials_set(struct credentials *cs,
                                   const char *name,
                                   const struct credential_params *params,
                                   struct error *err)
{
    struct credential *c = hulse_credentials_find(cs, name);

    return c != NULL ? hulse_credential_set(c, params, err) : add(cs, name, params, err);
}

void hulse_credentials_remove(struct credentials *cs, const char *name)
{
    struct credential *c = hulse_credentials_find(cs, name);

    if (c != NULL) {
        hulse_credential_remove(c);
    }
}
