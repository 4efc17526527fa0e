/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - see the header.
 */
#include "daemon/broker/pulsar/admin/admin.h"

#include "daemon/broker/pulsar/admin/operations.h"
#include "daemon/core/assert.h"

static hulse_status refuse(const struct broker *b, struct error *err)
{
    return hulse_fail(
        err, HULSE_UNSUPPORTED, "%s: a broker of type %s does not do this", b->name, b->ops->type);
}

static hulse_status begin(struct broker *b, struct admin_errand *e, struct error *err)
{
    switch (e->admin->command) {
    case BROKER_ADMIN_CREATE:
        return hulse_admin_create(e, err);
    case BROKER_ADMIN_DELETE:
        return hulse_admin_delete(e, err);
    case BROKER_ADMIN_UNLOAD:
        return hulse_admin_unload(e, err);
    case BROKER_ADMIN_TOPICS:
        return hulse_admin_topics(e, err);
    case BROKER_ADMIN_NAMESPACES:
        return hulse_admin_namespaces(e, err);
    case BROKER_ADMIN_SUBSCRIPTIONS:
        return hulse_admin_subscriptions(e, err);
    case BROKER_ADMIN_SCHEMAS:
        return hulse_admin_schemas(e, err);
    case BROKER_ADMIN_SEEK:
        return hulse_admin_seek(e, err);
    case BROKER_ADMIN_SKIP:
        return hulse_admin_skip(e, err);
    case BROKER_ADMIN_UNSUBSCRIBE:
        return hulse_admin_unsubscribe(e, err);
    case BROKER_ADMIN_TERMINATE:
    case BROKER_ADMIN_TRUNCATE:
    case BROKER_ADMIN_SET_POLICY:
        break;
    }
    return refuse(b, err);
}

hulse_status hulse_pulsar_admin(struct broker *b, struct broker_admin *q, struct error *err)
{
    struct admin_errand *e = hulse_admin_errand_create(b, &q->request, err);

    if (e == NULL) {
        return err->status;
    }
    q->has_last = false;
    q->names = NULL;
    q->name_count = 0;
    q->schemas = NULL;
    q->schema_count = 0;
    e->admin = q;
    const hulse_status st = begin(b, e, err);
    if (st != HULSE_OK) {
        hulse_admin_errand_discard(&e);
    }
    return st;
}

hulse_status hulse_pulsar_stats(struct broker *b, struct broker_stats *q, struct error *err)
{
    struct admin_errand *e = hulse_admin_errand_create(b, &q->request, err);

    if (e == NULL) {
        return err->status;
    }
    e->stats = q;
    const hulse_status st = hulse_admin_stats(e, err);
    if (st != HULSE_OK) {
        hulse_admin_errand_discard(&e);
    }
    return st;
}
