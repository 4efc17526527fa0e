/* SPDX-License-Identifier: Apache-2.0 */
/* auth - names of the methods. */
#include "daemon/broker/pulsar/auth.h"

const char *hulse_pulsar_auth_method(enum pulsar_auth auth)
{
    static const char *const names[] = {"token", "basic", "athenz"};

    return names[auth];
}

const char *hulse_pulsar_auth_noun(enum pulsar_auth auth)
{
    static const char *const nouns[] = {"token", "name with a password", "role token"};

    return nouns[auth];
}
