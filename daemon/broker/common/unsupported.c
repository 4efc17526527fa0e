/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unsupported - see the header.
 */
#include "daemon/broker/common/unsupported.h"

static hulse_status refuse(const struct broker *b, const char *what, struct error *err)
{
    return hulse_fail(err,
                      HULSE_UNSUPPORTED,
                      "%s: a broker of type %s does not %s in this version",
                      b->name,
                      b->ops->type,
                      what);
}

hulse_status
hulse_unsupported_schema(struct broker *b, struct broker_schema_request *q, struct error *err)
{
    (void)q;
    return refuse(b, "keep schemas", err);
}

hulse_status hulse_unsupported_stats(struct broker *b, struct broker_stats *q, struct error *err)
{
    (void)q;
    return refuse(b, "tell figures of topics", err);
}

hulse_status hulse_unsupported_admin(struct broker *b, struct broker_admin *q, struct error *err)
{
    (void)q;
    return refuse(b, "create, delete or list topics", err);
}
