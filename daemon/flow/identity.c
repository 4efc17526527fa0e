/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - see the header.
 */
#include "daemon/flow/identity.h"

#include <unistd.h>

bool hulse_identity_may_produce(const struct identity *who, const char *topic)
{
    (void)topic;
    return who->uid == geteuid();
}

bool hulse_identity_may_consume(const struct identity *who, const char *topic)
{
    (void)topic;
    return who->uid == geteuid();
}
