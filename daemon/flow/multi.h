/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi - one consumer of several topics: those of a list, or those of a namespace that match a pattern.
 *
 *     subscriber (of deliver.h) ─▶ multi ─┬─▶ subscriber of a topic ─▶ its broker
 *                                         └─▶ ...
 *
 * To its subscriber it is a consumer of broker_consumer.h; each topic has a subscriber of its own below, so permissions,
 * rules and brokers are those of each topic. Deliveries say in `source` which it is.
 *
 * A list opens when all of its topics are open, and fails with the first that cannot be opened, or that fails later. A
 * pattern opens when all that match have been tried. What fails there is tried again with backoff; what may not be consumed
 * is passed over; what comes later is consumed from its beginning, unless its subscription is there.
 *
 * A topic that has a retry topic (retry_name.h) comes with that, its companion: a topic of the whole like the others, under
 * the topic's rule, there as long as the topic is. One that the list or the pattern has anyhow is the same.
 *
 * Permits of the whole are handed to a topic one by one when it has a message, in turns, so none lies where nothing comes.
 * For that each topic may send one message ahead of them, more where they are used up quickly; those wait here. Over all
 * topics that is no more than one each and twice what the whole has permits for.
 *
 * Threads: the worker's.
 * Order:   any event may close the whole.
 * A reader reads a list: it begins in each of its topics at the same end, or time, and has caught up when it has in all.
 *
 * Limits:  MULTI_TOPICS_MAX topics, companions among them; a pattern is not read.
 */
#ifndef HULSE_FLOW_MULTI_H
#define HULSE_FLOW_MULTI_H

#include "daemon/flow/deliver.h"

#define MULTI_TOPICS_MAX 10000U
#define MULTI_TOPICS_DEFAULT 1000U

struct multi;

/*
 * `params->several` says which. As consumer_open of broker.h; *out and *consumer, which is what its subscriber calls, are set
 * before the first event.
 */
hulse_status hulse_multi_open(struct multi **out,
                              struct broker_consumer **consumer,
                              const struct subscriber_params *params,
                              const struct broker_consumer_events *events,
                              void *ctx,
                              struct error *err);
/* The subscriber of the topic that a delivery is of. */
struct subscriber *hulse_multi_of(const struct multi *m, const struct broker_delivery *d);
/* hulse_subscriber_of_source(). */
hulse_status hulse_multi_at(const struct multi *m,
                            uint32_t source,
                            const struct subscriber **out,
                            struct error *err);
/* That of the only topic, companions left out; NULL: there are several, or it is not there. */
struct subscriber *hulse_multi_only(const struct multi *m);
/* What is retried of its topic now comes from a companion that is consumed. */
bool hulse_multi_hears_retry(const struct multi *m, const struct broker_delivery *d);
/* broker.h, ack_id, of a topic. Of one that is not consumed it has no effect. */
void hulse_multi_ack_id(struct multi *m,
                        uint32_t source,
                        const struct broker_id *id,
                        bool cumulative);
/* The tables have changed. DENIED: of a list, one may not be consumed any more. */
enum subscriber_change hulse_multi_recheck(struct multi *m);
/* Those that any of its topics has. */
uint32_t hulse_multi_verdicts(const struct multi *m);
/* The name of a source, while `told` was not called since it has got it; NULL: there is no news. */
const char *hulse_multi_news(const struct multi *m, uint32_t source);
void hulse_multi_told(struct multi *m, uint32_t source);

#endif
