/* SPDX-License-Identifier: Apache-2.0 */
/*
 * question - see the header.
 */
#include "daemon/broker/pulsar/consumer/object.h"

struct pulsar_request *hulse_question_begin(struct question **at,
                                            struct pulsar_consumer *c,
                                            void (*done)(struct pulsar_request *r,
                                                         enum pulsar_reply reply,
                                                         const Pulsar__BaseCommand *answer))
{
    hulse_question_end(at);
    struct question *q = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*q));
    if (q == NULL) {
        return NULL;
    }
    q->consumer = c;
    q->request.done = done;
    *at = q;
    return &q->request;
}

void hulse_question_end(struct question **at)
{
    struct question *q = *at;
    *at = NULL;
    if (q != NULL) {
        hulse_pulsar_cancel(&q->request);
        hulse_mem_free(HULSE_MEM_TOPIC, q, sizeof(*q));
    }
}
