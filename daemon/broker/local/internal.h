/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of the local broker call of each other.
 *
 * Threads: the worker of the object, unless a line says otherwise.
 */
#ifndef HULSE_BROKER_LOCAL_INTERNAL_H
#define HULSE_BROKER_LOCAL_INTERNAL_H

#include "daemon/broker/local/objects.h"

/* At most UINT32_MAX. */
static inline uint32_t hulse_local_add_permits(uint32_t a, uint32_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + b;
}

/* ---- local.c ---- */

extern const struct worker_module hulse_local_module;

static inline uint64_t hulse_local_now_ms(const struct local_worker *lw)
{
    return hulse_loop_now_ms(&lw->worker->loop);
}

/* ---- message.c ---- */

/* With refs 1. NULL over the memory cap. */
struct message *hulse_message_create(struct local_worker *lw,
                                     const struct producer *p,
                                     const struct broker_record *r);
/* Unix time of this turn. */
uint64_t hulse_local_wall_ms(struct local_worker *lw);
/* Topic's worker. */
void hulse_message_drop(struct message *m);
/* One of `workers` lets go; frees with the last. */
void hulse_message_let_go(struct message *m);
/* A delivery of a message for a subscription, holding it; NULL over the memory cap. */
struct delivery *hulse_delivery_create(struct local_worker *lw, struct message *m);
/* Memory for a delivery on a consumer's worker, uninitialised but for `memory`. */
struct delivery *hulse_delivery_take(struct local_worker *lw);
/* Gives memory back only. */
void hulse_delivery_free(struct local_worker *lw, struct delivery *dl);

/* ---- waste.c: deliveries that no subscription counts any more ---- */

/* Take all of a queue, of a heap: O(1). */
void hulse_waste_add_list(struct local_worker *lw, struct link *deliveries);
void hulse_waste_add_heap(struct local_worker *lw, struct heap *deliveries);
/* Frees some of them; returns how much it did, 0 when none are left. */
unsigned hulse_waste_free(struct local_worker *lw, unsigned budget);
bool hulse_waste_left(const struct local_worker *lw);

/* ---- table.c ---- */

uint64_t hulse_topic_hash(const char *name);
bool hulse_table_init(struct local_worker *lw);
void hulse_table_fini(struct local_worker *lw);
struct topic *hulse_table_find(const struct local_worker *lw, const char *name, uint64_t hash);
void hulse_table_add(struct local_worker *lw, struct topic *topic);
void hulse_table_remove(struct local_worker *lw, struct topic *topic);

/* ---- topic.c: on the topic's worker ---- */

struct topic_wish {
    const char *name;
    uint64_t hash;
    bool create;
};

void hulse_topic_attach_producer(struct local_worker *lw, struct open_request *rq);
void hulse_topic_detach_producer(struct topic *topic, struct handle *h, bool forget);
void hulse_topic_attach_consumer(struct local_worker *lw, struct open_request *rq);
/* Gives a position; every subscription takes the message or drops it. Takes the caller's ref. */
void hulse_topic_publish(struct topic *topic, struct message *m);
/* A topic that was on disk: in the table, not counted against topics_max. NULL over the memory cap. */
struct topic *hulse_topic_restore(struct local_worker *lw, const char *name);
/* The newest message's id; false: there was none. */
bool hulse_topic_last(const struct topic *topic, struct broker_id *out);
/* What a record is answered that came after the topic's end. */
uint8_t hulse_topic_refusal(enum topic_end end);
/* Starts or stops the clock of an unused topic. */
void hulse_topic_consider(struct topic *topic);
/* By its name, and no reader; NULL: it is not there. */
struct subscription *hulse_topic_subscription(const struct topic *topic, const char *name);
/* Ends it with everything in it. */
void hulse_topic_destroy(struct topic *topic);
/* The topic of a name, made if `create` and need be; NULL with a status and a text. */
struct topic *hulse_topic_find(struct local_worker *lw,
                               const struct topic_wish *wish,
                               hulse_status *status,
                               const char **text);
void hulse_topic_report(const struct topic *topic, struct worker_report *out);

/* ---- subscription.c: on the topic's worker ---- */

struct subscription *
hulse_subscription_create(struct topic *topic, const char *name, enum broker_subscription type);
/* Forgets what waits, without a count; returns how many. Freed in portions. */
uint32_t hulse_subscription_shed(struct subscription *sub);
/* The same, counted as dropped. */
void hulse_subscription_drop_waiting(struct subscription *sub);
/* Hands out nothing more and goes with its last consumer. */
void hulse_subscription_cease(struct subscription *sub);
/* Drops what waits; freed in a turn, when the last delivery has come back. No seats. */
void hulse_subscription_forget(struct subscription *sub);
/* Not inside an event. Frees one that was forgotten, unless deliveries of it are under way. */
void hulse_subscription_bury(struct subscription *sub);
/* Both at once, when its topic ends: nothing of it is under way. */
void hulse_subscription_remove(struct subscription *sub);
void hulse_subscription_consider(struct subscription *sub);
/* Takes the message, or drops and counts it. */
void hulse_subscription_offer(struct subscription *sub, struct message *m);
/* Takes it, last in the queue; NULL without room or memory. */
struct delivery *hulse_subscription_keep(struct subscription *sub, struct message *m);
/* The last of the queue is taken out again as if it had never come. */
void hulse_subscription_unkeep(struct subscription *sub, struct delivery *dl);
/* Hands out what was just taken, if it is the next and somebody waits for it. */
void hulse_subscription_push(struct subscription *sub);
/* Hands out or drops as expired up to LOCAL_DISPATCH_MAX, the rest in later turns; how many. */
unsigned hulse_subscription_dispatch(struct subscription *sub);
/* Something may be handed out: in the next turn. */
void hulse_subscription_wake(struct subscription *sub);
/* Looked at in the next turn. */
void hulse_subscription_mark(struct subscription *sub);
/* Tells one consumer that all of a terminated topic is acknowledged, if that is so. */
void hulse_subscription_tell_end(struct subscription *sub);
/* A reader that has caught up is told so, once. */
void hulse_subscription_tell_caught_up(struct subscription *sub);
/* Back to the front, after delay_ms. The delivery is in no list. */
void hulse_subscription_requeue(struct subscription *sub, struct delivery *dl, uint32_t delay_ms);
/* The message is done with, for this subscription. The delivery is in no list. */
void hulse_subscription_finish(struct subscription *sub, struct delivery *dl, uint64_t *counter);
/* Everything below `entry` is acknowledged, wherever it waits. */
void hulse_subscription_end_below(struct subscription *sub, uint64_t entry);

/* ---- ack_id.c: on the topic's worker ---- */

/* Acknowledged by its id: whoever takes it out of a waiting place finishes it. */
bool hulse_ended_ids_has(const struct ended_ids *ids, uint64_t entry);
/* Counts and frees what waits among the ended, if it is time for that walk. */
void hulse_subscription_purge(struct subscription *sub);
/* OP_ACK_ID */
void hulse_ack_id_serve(const struct ack_id *a);
void hulse_ended_ids_free(struct ended_ids **ids);

/* ---- seat.c: on the topic's worker ---- */

/* NULL over the memory cap. */
struct seat *hulse_seat_create(struct subscription *sub, struct consumer *c, uint32_t worker);
void hulse_seat_permit(struct seat *seat, uint32_t count);
/* Hands out; the seat has a permit and the delivery is in no list. */
void hulse_seat_hand_out(struct seat *seat, struct delivery *dl);
void hulse_seat_verdict(struct delivery *dl, enum verdict verdict, uint32_t delay_ms);
/* All outstanding up to the entry of dl. */
void hulse_seat_ack_cumulative(struct seat *seat,
                               struct delivery *dl,
                               void (*ended)(void *ctx, struct broker_delivery *d));
/* A nack for all outstanding. */
void hulse_seat_redeliver_all(struct seat *seat,
                              void (*ended)(void *ctx, struct broker_delivery *d));
/* OP_DELIVER came back. */
void hulse_seat_returned(struct delivery *dl);
/* All of the terminated topic is acknowledged. The last touch of the seat: its consumer may close. */
void hulse_seat_tell_end(struct seat *seat);
void hulse_seat_tell_caught_up(struct seat *seat);
/* `count` damaged messages were passed over. */
void hulse_seat_tell_lost(struct seat *seat, uint64_t count);
/* OP_END_OF_TOPIC, OP_CAUGHT_UP, OP_LOST came back. */
void hulse_seat_end_returned(struct seat *seat);
void hulse_seat_caught_up_returned(struct seat *seat);
void hulse_seat_lost_returned(struct seat *seat);
/* A verdict of a persistent subscription was a call of its consumer: it is told when it is stored. */
void hulse_seat_called(struct seat *seat);
/* `count` more are final. Its consumer may close. */
void hulse_seat_settled(struct seat *seat, uint32_t count);
/* OP_SETTLED came back. */
void hulse_seat_settled_returned(struct seat *seat);
/* Gives back what is outstanding. */
void hulse_seat_close(struct seat *seat, bool unsubscribe);

/* ---- producer.c ---- */

hulse_status hulse_local_producer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_producer_params *params,
                                       struct broker_producer **out,
                                       struct error *err);
bool hulse_local_send(struct broker_producer *producer, const struct broker_record *r);
hulse_status hulse_local_flush(struct broker_producer *producer, struct error *err);
void hulse_local_producer_close(struct broker_producer *producer, bool forget);
void hulse_producer_opened(struct open_request *rq);
/* OP_PUBLISH is back with its outcome. */
void hulse_producer_answered(struct message *m);
void hulse_producer_closed(struct producer *p);
/* A record that was given to the store; it was sent in round `round`. */
void hulse_producer_stored(struct producer *p,
                           uint64_t token,
                           uint32_t round,
                           const struct broker_answer *answer);

/* ---- consumer.c ---- */

hulse_status hulse_local_consumer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_consumer_params *params,
                                       struct broker_consumer **out,
                                       struct error *err);
void hulse_local_permit(struct broker_consumer *consumer, uint32_t count);
void hulse_local_ack(struct broker_consumer *consumer, struct broker_delivery *d);
void hulse_local_ack_cumulative(struct broker_consumer *consumer,
                                struct broker_delivery *d,
                                void (*ended)(void *ctx, struct broker_delivery *d));
void hulse_local_nack(struct broker_consumer *consumer,
                      struct broker_delivery *d,
                      uint32_t delay_ms);
void hulse_local_give_back(struct broker_consumer *consumer, struct broker_delivery *d);
void hulse_local_ack_id(struct broker_consumer *consumer,
                        const struct broker_id *id,
                        bool cumulative);
void hulse_local_redeliver_all(struct broker_consumer *consumer,
                               void (*ended)(void *ctx, struct broker_delivery *d));
void hulse_local_consumer_close(struct broker_consumer *consumer, bool unsubscribe);
void hulse_consumer_opened(struct open_request *rq);
/* OP_DELIVER arrives. */
void hulse_consumer_receive(struct local_worker *lw, struct delivery *origin);
void hulse_consumer_permitted(struct consumer *c);
void hulse_consumer_closed(struct consumer *c);
/* OP_END_OF_TOPIC arrives. */
void hulse_consumer_end_of_topic(struct consumer *c);
void hulse_consumer_caught_up(struct consumer *c);
void hulse_consumer_lost(struct consumer *c, uint64_t count);
/* An op of its seat, which has lost so many by then, arrives: before what the op says. */
void hulse_consumer_lost_by_then(struct consumer *c, uint64_t total);
/* `count` more of its calls are final; OP_SETTLED arrives. */
void hulse_consumer_settled(struct consumer *c, uint32_t count);
/* Frees it when it is closed and nothing of it is under way any more. */
void hulse_consumer_release(struct consumer *c);

/* ---- errand.c ---- */

hulse_status hulse_local_seek(struct broker_consumer *consumer,
                              const struct broker_position *to,
                              void (*ended)(void *ctx, struct broker_delivery *d),
                              struct error *err);
hulse_status hulse_local_last_message_id(struct broker_consumer *consumer, struct error *err);
uint32_t hulse_local_store_figures(const struct broker *b, struct broker_figure *out);
hulse_status hulse_local_unsubscribe(struct broker_consumer *consumer, struct error *err);
/* On the topic's worker. */
void hulse_errand_serve(struct consumer *c);
/* At home again. */
void hulse_errand_done(struct consumer *c);

/* ---- open.c ---- */

/* Judges a topic name and gives its hash. */
hulse_status
hulse_open_check(const struct broker *b, const char *topic, uint64_t *hash, struct error *err);
/* A copy that travels, with its strings; NULL over the memory cap. */
struct open_request *hulse_open_copy(const struct open_request *rq);
void hulse_open_free(struct open_request *rq);

/* ---- ending.c ---- */

/*
 * On the topic's worker: takes it out of the table and tells who has it open. BUSY with *text: somebody has,
 * and it is not forced. NO_MEMORY: nothing has changed.
 */
hulse_status hulse_topic_delete(struct topic *topic, bool force, const char **text);
/* Nothing is published from here on. NO_MEMORY: nothing has changed. */
hulse_status hulse_topic_terminate(struct topic *topic, const char **text);
/* OP_ENDED: on the other worker, and back. */
void hulse_notice_arrived(struct local_worker *lw, const struct notice *notice);
void hulse_notice_returned(struct notice *notice);
/* Another worker has stopped: whoever has a topic of it open here is told. */
void hulse_ending_worker_gone(struct local_worker *lw, uint32_t gone);

/* ---- ask.c ---- */

hulse_status hulse_local_lookup(struct broker *b, struct broker_lookup *q, struct error *err);
hulse_status hulse_local_stats(struct broker *b, struct broker_stats *q, struct error *err);
hulse_status hulse_local_admin(struct broker *b, struct broker_admin *q, struct error *err);

/* ---- watch.c ---- */

/* A topic has entered the table of this worker, or left it. */
void hulse_watch_changed(struct local_worker *lw);
hulse_status hulse_local_topics_watch(struct broker *b,
                                      struct worker *w,
                                      const struct broker_topics_params *params,
                                      struct broker_topics **out,
                                      struct error *err);
void hulse_local_topics_again(struct broker *b, struct broker_topics *base);
void hulse_local_topics_close(struct broker *b, struct broker_topics *base);

/* ---- op.c ---- */

/* On the peer. A worker that stops takes nothing new in. */
void hulse_op_serve(struct local_worker *lw, struct op *op);
/* At home again. */
void hulse_op_complete(struct local_worker *lw, struct op *op);

/* ---- lane.c ---- */

void hulse_lane_init(struct lane *lane, struct local_worker *home, uint32_t peer);
/*
 * Sent with the next flush. When the peer has gone it is completed at once as if it had never been
 * served: what it carries says "failed" until its service says otherwise.
 */
void hulse_lane_add(struct local_worker *lw, uint32_t peer, struct op *op, enum op_kind kind);
/* An op that is not posted is taken out again. */
void hulse_lane_recall(struct op *op);
/* What a turn has for the store. */
void hulse_store_flush_here(struct local_worker *lw);
/* Posts what there is. */
void hulse_lanes_flush(struct local_worker *lw);
/* Thread: worker, in stop: everything sent is back and no peer will ever post here again. */
void hulse_lanes_close(struct local_worker *lw);
/* After it: waits until the store has everything of this worker. */
void hulse_lanes_settle(struct local_worker *lw);

#endif
