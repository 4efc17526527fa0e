/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open - what opening a producer and a consumer have in common.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"
#include "daemon/table/topic_name.h"

#include <string.h>

hulse_status
hulse_open_check(const struct broker *b, const char *topic, uint64_t *hash, struct error *err)
{
    const struct local_broker *broker = (const struct local_broker *)(const void *)b;
    struct topic_name name;
    const char *why = NULL;
    if (!hulse_topic_name_parse(&name, topic, NULL, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    if (name.persistent && broker->store == NULL) {
        return hulse_fail(err,
                          HULSE_NO_TOPIC,
                          "persistent topics need a store (brokers.%s.durability: disk); "
                          "use non-persistent://%s",
                          broker->base.name,
                          name.full + name.tenant_at);
    }
    *hash = hulse_topic_hash(name.full);
    return HULSE_OK;
}

struct open_request *hulse_open_copy(const struct open_request *rq)
{
    const size_t topic_bytes = strlen(rq->topic) + 1;
    const size_t subscription_bytes = strlen(rq->subscription) + 1;
    const size_t bytes = sizeof(*rq) + topic_bytes + subscription_bytes;
    struct open_request *copy = hulse_mem_alloc(HULSE_MEM_TOPIC, bytes);
    if (copy != NULL) {
        *copy = *rq;
        copy->object_bytes = bytes;
        memcpy(copy->strings, rq->topic, topic_bytes);
        memcpy(copy->strings + topic_bytes, rq->subscription, subscription_bytes);
        copy->topic = copy->strings;
        copy->subscription = copy->strings + topic_bytes;
        copy->status = HULSE_CLOSED;
        copy->text = "the daemon is stopping";
    }
    return copy;
}

void hulse_open_free(struct open_request *rq)
{
    hulse_mem_free(HULSE_MEM_TOPIC, rq, rq->object_bytes);
}
