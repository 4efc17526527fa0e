/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty_broker - see the header.
 */
#include "tests/unit/daemon/broker/faulty_broker.h"

#include "tests/unit/daemon/broker/faulty_objects.h"

static uint32_t store_figures(const struct broker *b, struct broker_figure *out)
{
    const struct faulty *f = (const struct faulty *)(const void *)b;
    return f->inner->ops->store_figures(f->inner, out);
}

static bool healthy(const struct broker *b)
{
    const struct faulty *f = hulse_faulty_of(b);
    return f->fault != FAULT_UNHEALTHY && f->inner->ops->healthy(f->inner);
}

static const struct broker_ops ops = {.type = "faulty",
                                      .producer_open = hulse_faulty_producer_open,
                                      .send = hulse_faulty_send,
                                      .flush = hulse_faulty_flush,
                                      .producer_close = hulse_faulty_producer_close,
                                      .consumer_open = hulse_faulty_consumer_open,
                                      .permit = hulse_faulty_permit,
                                      .ack = hulse_faulty_ack,
                                      .ack_cumulative = hulse_faulty_ack_cumulative,
                                      .nack = hulse_faulty_nack,
                                      .give_back = hulse_faulty_give_back,
                                      .ack_id = hulse_faulty_ack_id,
                                      .redeliver_all = hulse_faulty_redeliver_all,
                                      .seek = hulse_faulty_seek,
                                      .last_message_id = hulse_faulty_last_message_id,
                                      .unsubscribe = hulse_faulty_unsubscribe,
                                      .consumer_close = hulse_faulty_consumer_close,
                                      .topic_lookup = hulse_faulty_lookup,
                                      .stats = hulse_faulty_stats,
                                      .schema_get = hulse_faulty_schema,
                                      .schema_put = hulse_faulty_schema,
                                      .admin = hulse_faulty_admin,
                                      .store_figures = store_figures,
                                      .healthy = healthy};

struct broker *hulse_faulty_create(struct broker *inner, enum fault fault)
{
    struct faulty *f = calloc(1, sizeof(*f));
    HULSE_ASSERT(f != NULL);
    f->ops = ops;
    f->ops.capabilities = fault == FAULT_CLAIMS_ALL ? UINT32_MAX : inner->ops->capabilities;
    f->ops.module = inner->ops->module;
    f->base = (struct broker){.ops = &f->ops, .name = "faulty"};
    f->inner = inner;
    f->fault = fault;
    return &f->base;
}

struct broker *hulse_faulty_inner(struct broker *b)
{
    return hulse_faulty_of(b)->inner;
}

void hulse_faulty_destroy(struct broker **b)
{
    free(*b);
    *b = NULL;
}

#define NAME(fault) [fault] = #fault

static const char *const names[FAULTS] = {NAME(FAULT_NONE),
                                          NAME(FAULT_ANSWER_TWICE),
                                          NAME(FAULT_ANSWER_LOST),
                                          NAME(FAULT_ANSWER_WITHOUT_ID),
                                          NAME(FAULT_IDS_REPEAT),
                                          NAME(FAULT_LIMIT_ONE_LESS),
                                          NAME(FAULT_FLUSH_EARLY),
                                          NAME(FAULT_FLUSH_LOST),
                                          NAME(FAULT_FLUSH_TWICE_TAKEN),
                                          NAME(FAULT_LATE_ANSWER),
                                          NAME(FAULT_CREATE_ALWAYS),
                                          NAME(FAULT_NAME_TAKEN),
                                          NAME(FAULT_ACCESS_TAKEN),
                                          NAME(FAULT_OWN_TAKEN),
                                          NAME(FAULT_PRODUCER_UNTOLD),
                                          NAME(FAULT_PRODUCER_TOLD_TWICE),
                                          NAME(FAULT_REFUSAL_LOST),
                                          NAME(FAULT_PAYLOAD),
                                          NAME(FAULT_KEY),
                                          NAME(FAULT_PROPERTIES),
                                          NAME(FAULT_PRODUCER_NAME),
                                          NAME(FAULT_ORDER),
                                          NAME(FAULT_OVER_PERMIT),
                                          NAME(FAULT_NACK_UNCOUNTED),
                                          NAME(FAULT_GIVE_BACK_COUNTED),
                                          NAME(FAULT_DELAY_IGNORED),
                                          NAME(FAULT_CUMULATIVE_ONE),
                                          NAME(FAULT_CUMULATIVE_FIRST),
                                          NAME(FAULT_REDELIVER_UNTOLD),
                                          NAME(FAULT_SETTLED_LOST),
                                          NAME(FAULT_SETTLED_TWICE),
                                          NAME(FAULT_SETTLED_GIVE_BACK),
                                          NAME(FAULT_ACK_ID_IGNORED),
                                          NAME(FAULT_ACK_ID_ONE),
                                          NAME(FAULT_ACK_ID_MANY),
                                          NAME(FAULT_CLOSE_ACKS),
                                          NAME(FAULT_LAST_ID),
                                          NAME(FAULT_ERRAND_LOST),
                                          NAME(FAULT_UNSUBSCRIBE_NOTHING),
                                          NAME(FAULT_SEEK_TAKEN),
                                          NAME(FAULT_TYPE_TAKEN),
                                          NAME(FAULT_EXCLUSIVE_SHARED),
                                          NAME(FAULT_TRANSIENT_STAYS),
                                          NAME(FAULT_READER_SUBSCRIBES),
                                          NAME(FAULT_CONSUMER_UNTOLD),
                                          NAME(FAULT_CONSUMER_TOLD_TWICE),
                                          NAME(FAULT_CAUGHT_UP_UNTOLD),
                                          NAME(FAULT_END_UNTOLD),
                                          NAME(FAULT_END_EARLY),
                                          NAME(FAULT_LOOKUP_LIES),
                                          NAME(FAULT_DONE_TWICE),
                                          NAME(FAULT_SCHEMA_TAKEN),
                                          NAME(FAULT_STATS),
                                          NAME(FAULT_STATS_SUBSCRIPTION),
                                          NAME(FAULT_MADE_TWICE),
                                          NAME(FAULT_DELETE_FORCED),
                                          NAME(FAULT_TRUNCATE_NOTHING),
                                          NAME(FAULT_LIST_ALL),
                                          NAME(FAULT_LAST_OF_TERMINATED),
                                          NAME(FAULT_PARTITIONS_IGNORED),
                                          NAME(FAULT_UNHEALTHY),
                                          NAME(FAULT_CLAIMS_ALL),
                                          NAME(FAULT_STORED_NONE),
                                          NAME(FAULT_COPY_STORED),
                                          NAME(FAULT_ACK_UNSTORED)};

const char *hulse_fault_name(enum fault fault)
{
    return names[fault];
}
