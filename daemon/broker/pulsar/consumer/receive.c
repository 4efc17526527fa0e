/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receive - what a broker says to a consumer. Nothing is believed; an entry that cannot be used is
 * discarded as the protocol says (7.12), and one that only this client cannot read is left where it is.
 */
#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/log.h"

#define ID_NONE UINT64_MAX

static void count_kind(struct pulsar_consumer_figures *f, Pulsar__CommandAck__ValidationError error)
{
    f->discarded += 1;
    switch (error) {
    case PULSAR__COMMAND_ACK__VALIDATION_ERROR__ChecksumMismatch:
        f->corrupted_checksum += 1;
        break;
    case PULSAR__COMMAND_ACK__VALIDATION_ERROR__UncompressedSizeCorruption:
        f->corrupted_size += 1;
        break;
    case PULSAR__COMMAND_ACK__VALIDATION_ERROR__DecompressionError:
        f->corrupted_compression += 1;
        break;
    default:
        f->corrupted_batch += 1;
        break;
    }
}

/* A reader has met it, and was told: its session began anew before that. */
static bool is_known(const struct pulsar_consumer *c, const Pulsar__MessageIdData *id)
{
    const struct hands *h = c->hands;
    return c->type == BROKER_READER && h->has_damaged && !c->non_persistent &&
           !hulse_entry_below(h->damaged_ledger, h->damaged_entry, id->ledgerid, id->entryid);
}

static void discard(struct pulsar_consumer *c,
                    const Pulsar__MessageIdData *id,
                    Pulsar__CommandAck__ValidationError error,
                    const char *why)
{
    hulse_hand_out_behind(c, id->ledgerid, id->entryid);
    if (!is_known(c, id)) {
        count_kind(&c->set->figures, error);
        HULSE_LOG_WARNF("pulsar.entry_damaged",
                        hulse_log_str("topic", c->topic),
                        hulse_log_u64("ledger", id->ledgerid),
                        hulse_log_u64("entry", id->entryid),
                        hulse_log_str("why", why));
    }
    if (c->non_persistent) {
        return; /* the broker has forgotten it */
    }
    struct entry *e = hulse_entry_find(&c->hands->entries, id->ledgerid, id->entryid);
    if (e == NULL) {
        e = hulse_pulsar_consumer_entry(c, id->ledgerid, id->entryid, 1);
    }
    if (e == NULL || e->refs > 0 || e->in_round) {
        return; /* of the copy that is in our hands we know better */
    }
    hulse_entry_unstray(c, e);
    hulse_again_stop(c, e);
    for (uint32_t i = 0; i < e->count; i++) {
        (void)hulse_entry_ack(e, i);
    }
    hulse_acks_add(c, e, (int32_t)error);
}

/* What was discarded, once. May be the last touch. */
static void tell_lost(struct pulsar_consumer *c, const Pulsar__MessageIdData *id)
{
    if (c->type != BROKER_READER || is_known(c, id)) {
        return;
    }
    c->hands->has_damaged = true;
    c->hands->damaged_ledger = id->ledgerid;
    c->hands->damaged_entry = id->entryid;
    if (c->base.events->lost != NULL) {
        c->base.events->lost(c->base.ctx, 1);
    }
}

/* Nor is it known what it cost: it begins anew, but not twice for the same one, or it would never come past it. */
static void
lose_with_cost(struct pulsar_consumer *c, const Pulsar__MessageIdData *id, const char *why)
{
    if (is_known(c, id)) {
        hulse_permits_charge(&c->permits, 1); /* at least; the broker is asked when it is silent */
        hulse_pulsar_consumer_dirty(c);
        return;
    }
    hulse_pulsar_consumer_renew(c, why);
    tell_lost(c, id);
}

/* It stays with the broker; a reader goes on behind it. */
static void unreadable(struct pulsar_consumer *c, const Pulsar__MessageIdData *id, const char *why)
{
    c->set->figures.unreadable += 1;
    hulse_hand_out_behind(c, id->ledgerid, id->entryid);
    if (!c->said_unreadable) {
        c->said_unreadable = true;
        HULSE_LOG_ERRORF("pulsar.unreadable",
                         hulse_log_str("topic", c->topic),
                         hulse_log_str("subscription", c->subscription),
                         hulse_log_u64("ledger", id->ledgerid),
                         hulse_log_u64("entry", id->entryid),
                         hulse_log_str("why", why));
    }
}

static bool is_cleared(const Pulsar__CommandMessage *m, uint32_t index)
{
    const size_t word = index / 64;
    return word >= m->n_ack_set || ((uint64_t)m->ack_set[word] >> (index % 64) & 1U) == 0;
}

/* What the broker counts for it: what is acknowledged of a batch by its ack_set costs nothing. */
static uint32_t cost_of(const Pulsar__CommandMessage *m, uint32_t count)
{
    uint32_t cost = 0;
    if (m->n_ack_set == 0) {
        return count;
    }
    for (size_t i = 0; i < m->n_ack_set && i * 64 < count; i++) {
        const uint32_t left = count - (uint32_t)(i * 64);
        const uint64_t mask = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        cost += (uint32_t)__builtin_popcountll((uint64_t)m->ack_set[i] & mask);
    }
    return cost;
}

static void
take_ack_set(struct pulsar_consumer *c, struct entry *e, const Pulsar__CommandMessage *m)
{
    for (uint32_t i = 0; m->n_ack_set > 0 && i < e->count; i++) {
        if (is_cleared(m, i) && !e->in_round) {
            hulse_entry_acked(c, e, i);
        }
    }
}

/* What compaction has taken out of a batch, and left no placeholder for. */
static void take_compaction(struct pulsar_consumer *c, struct entry *e, const struct body *b)
{
    if (!b->batch || b->reader.left == b->reader.batch_count) {
        return;
    }
    struct wire_compacted kept = b->reader.indexes;
    int32_t index = 0;
    uint32_t next = 0;
    while (hulse_wire_compacted_next(&kept, &index)) {
        for (; next < (uint32_t)index && next < e->count; next++) {
            if (!e->in_round) {
                hulse_entry_acked(c, e, next);
            }
        }
        next = (uint32_t)index + 1;
    }
    for (; next < e->count; next++) {
        if (!e->in_round) {
            hulse_entry_acked(c, e, next);
        }
    }
}

static void queue(struct pulsar_consumer *c, struct entry *e, struct body *b)
{
    b->entry = e;
    b->left = hulse_entry_waiting(e);
    e->refs += 1;
    hulse_entry_unstray(c, e);
    STAILQ_INSERT_TAIL(&c->hands->queue, b, link);
    hulse_permits_queue(&c->permits, b->left);
}

/* The entry of a body, new or known. NULL: it is not wanted, or there is no memory. */
static struct entry *
entry_for(struct pulsar_consumer *c, const Pulsar__MessageIdData *id, const struct body *b)
{
    struct entry *e = hulse_entry_find(&c->hands->entries, id->ledgerid, id->entryid);
    if (e != NULL && e->count != b->count) {
        if (e->refs > 0) {
            unreadable(c, id, "it has another number of messages than before");
            return NULL;
        }
        hulse_entry_end(c, e); /* known by an id alone, which was wrong */
        e = NULL;
    }
    if (e == NULL) {
        e = hulse_pulsar_consumer_entry(c, id->ledgerid, id->entryid, b->count);
        if (e == NULL) {
            hulse_pulsar_consumer_renew(c, "no memory for entries");
        }
    }
    return e;
}

static void take_body(struct pulsar_consumer *c, const Pulsar__CommandMessage *m, struct body *b)
{
    struct entry *e = entry_for(c, m->message_id, b);
    if (e == NULL) {
        hulse_body_release(b);
        return;
    }
    const int32_t partition = m->message_id->has_partition ? m->message_id->partition : -1;
    b->redelivery = m->has_redelivery_count ? m->redelivery_count : 0;
    c->set->figures.redelivered += b->redelivery > 0 ? 1 : 0;
    b->partition = partition > 0 && partition <= UINT16_MAX ? (uint16_t)partition : 0;
    if (!hulse_pulsar_consumer_shares(c)) {
        hulse_again_stop(c, e); /* here it is */
    }
    take_ack_set(c, e, m);
    take_compaction(c, e, b);
    if (hulse_entry_waiting(e) == 0) {
        c->set->figures.repeated += 1;
        hulse_body_release(b);
        hulse_entry_review(c, e);
        return;
    }
    queue(c, e, b);
    hulse_hand_out(c);
}

static void body_failed(struct pulsar_consumer *c,
                        const Pulsar__MessageIdData *id,
                        enum body_rc rc,
                        const char *why)
{
    switch (rc) {
    case BODY_TOO_LARGE:
        discard(c, id, PULSAR__COMMAND_ACK__VALIDATION_ERROR__UncompressedSizeCorruption, why);
        break;
    case BODY_DAMAGED:
        discard(c, id, PULSAR__COMMAND_ACK__VALIDATION_ERROR__DecompressionError, why);
        break;
    case BODY_METADATA:
    case BODY_BATCH:
        discard(c, id, PULSAR__COMMAND_ACK__VALIDATION_ERROR__BatchDeSerializeError, why);
        break;
    case BODY_UNKNOWN:
        unreadable(c, id, why);
        return;
    case BODY_NO_MEMORY:
    case BODY_OK:
        hulse_pulsar_consumer_renew(c, "no memory for messages");
        return;
    }
    tell_lost(c, id);
}

/* Whether there is any use in looking into it. */
static bool wanted(struct pulsar_consumer *c,
                   const Pulsar__MessageIdData *id,
                   const struct wire_metadata *meta,
                   uint32_t count)
{
    const struct entry *e = hulse_entry_find(&c->hands->entries, id->ledgerid, id->entryid);
    if (e != NULL && (e->in_round || hulse_timer_pending(&e->again) ||
                      (count == e->count && hulse_entry_waiting(e) == 0))) {
        c->set->figures.repeated += 1;
        hulse_hand_out_behind(c, id->ledgerid, id->entryid);
        return false;
    }
    if (hulse_wire_has(meta->has, WIRE_META_MARKER)) {
        return false; /* the broker's own */
    }
    if (hulse_wire_encrypted(meta)) {
        unreadable(c, id, "it is encrypted");
        return false;
    }
    return true;
}

/* A broker's maximum is that of what is sent to it: compressed, with Java's and C++'s clients too, more than that is one message. */
static uint32_t bytes_max(const struct pulsar_consumer *c)
{
    const struct pulsar_params *params = &c->worker->broker->params;
    const uint32_t ours = params->message_bytes_max > params->chunked_bytes_max
                              ? params->message_bytes_max
                              : params->chunked_bytes_max;
    const uint32_t theirs = hulse_pulsar_peer(c->user.connection)->message_bytes_max;
    return ours > theirs ? ours : theirs;
}

/* What the broker says beside the entry; what it says wrongly takes nothing from the entry. */
static void take_added(struct pulsar_consumer *c,
                       const Pulsar__CommandMessage *m,
                       struct broker_span added,
                       struct body *b)
{
    const char *why = NULL;
    if (added.data == NULL || hulse_wire_entry_read(added, &b->added, &why)) {
        return;
    }
    b->added = (struct wire_entry){.has = 0};
    c->set->figures.broker_metadata_damaged += 1;
    if (!c->said_damaged_metadata) {
        c->said_damaged_metadata = true;
        HULSE_LOG_WARNF("pulsar.broker_metadata_damaged",
                        hulse_log_str("topic", c->topic),
                        hulse_log_u64("ledger", m->message_id->ledgerid),
                        hulse_log_u64("entry", m->message_id->entryid),
                        hulse_log_str("why", why));
    }
}

/* A part of a message. */
static void take_chunk(struct pulsar_consumer *c,
                       const Pulsar__CommandMessage *m,
                       const struct wire_message *message,
                       const struct wire_metadata *meta)
{
    struct body *b = NULL;
    const char *why = NULL;
    const enum body_rc rc = hulse_chunks_take(c, m->message_id, message, meta, &b, &why);
    if (b != NULL) {
        take_added(c, m, message->entry, b); /* of the last one */
        take_body(c, m, b);
    } else if (rc != BODY_OK && !c->closed) {
        body_failed(c, m->message_id, rc, why);
    }
}

static void take_message(struct pulsar_consumer *c,
                         const Pulsar__CommandMessage *m,
                         const struct wire_message *message)
{
    struct wire_metadata meta;
    const char *why = NULL;
    if (!hulse_wire_metadata_read(message->metadata, &meta, &why)) {
        discard(
            c, m->message_id, PULSAR__COMMAND_ACK__VALIDATION_ERROR__BatchDeSerializeError, why);
        lose_with_cost(c, m->message_id, "damaged metadata");
        return;
    }
    const bool batch = hulse_wire_has(meta.has, WIRE_META_BATCH) && meta.batch_count > 0;
    const uint32_t count = batch ? (uint32_t)meta.batch_count : 1;
    const uint32_t cost = cost_of(m, count);
    const int64_t left = c->permits.broker > 0 ? c->permits.broker : 0;
    c->set->figures.permits_used += cost;
    c->set->figures.permits_overrun += cost > left ? (uint64_t)(cost - left) : 0;
    hulse_permits_charge(&c->permits, cost);
    hulse_pulsar_consumer_dirty(c);
    if (m->has_consumer_epoch && m->consumer_epoch < c->epoch) {
        /* Sent before everything was asked for again, with which it comes; if the broker has heard that. */
        if (hulse_pulsar_consumer_now_ms(c) - c->hands->rewound_ms > PULSAR_EPOCH_MS) {
            hulse_pulsar_consumer_renew(c, "the broker has not taken the new epoch");
        }
        return;
    }
    hulse_again_heard(
        c, m->message_id->ledgerid, m->message_id->entryid, m->has_consumer_epoch != 0);
    if (!wanted(c, m->message_id, &meta, count)) {
        return;
    }
    if (!batch && hulse_wire_has(meta.has, WIRE_META_CHUNKS) && meta.chunk_count > 1) {
        take_chunk(c, m, message, &meta);
        return;
    }
    c->hands->chunks.like = 0;
    struct body *b = NULL;
    const enum body_rc rc =
        hulse_body_create(&b, c->worker->contexts, message, &meta, bytes_max(c), &why);
    if (rc == BODY_OK) {
        take_added(c, m, message->entry, b);
        take_body(c, m, b);
    } else {
        body_failed(c, m->message_id, rc, why);
    }
}

static void
received(struct pulsar_consumer *c, const Pulsar__CommandMessage *m, struct broker_span rest)
{
    struct wire_message message;
    const char *why = NULL;
    if (c->state != SESSION_READY || c->renew != NULL) {
        return; /* of a session that is over */
    }
    c->proved = true;
    if (m->message_id->ledgerid == ID_NONE || m->message_id->entryid == ID_NONE) {
        hulse_pulsar_break(c->user.connection, "a message without an id");
        return;
    }
    hulse_stall_heard(c, m->message_id->ledgerid, m->message_id->entryid);
    if (!hulse_hands_take(c)) {
        hulse_pulsar_consumer_renew(c, "no memory for messages");
        return;
    }
    switch (hulse_wire_message_read(rest, &message, &why)) {
    case WIRE_MESSAGE_OK:
        take_message(c, m, &message);
        break;
    case WIRE_MESSAGE_CHECKSUM:
        discard(c,
                m->message_id,
                PULSAR__COMMAND_ACK__VALIDATION_ERROR__ChecksumMismatch,
                "its checksum is wrong");
        lose_with_cost(c, m->message_id, "a damaged entry");
        break;
    case WIRE_MESSAGE_BAD:
        hulse_pulsar_break(c->user.connection, why);
        return;
    }
    if (!c->closed) {
        hulse_pulsar_consumer_catch_up(c); /* behind what nobody gets */
    }
}

/* ---- notices ---- */

static void change_active(struct pulsar_consumer *c, bool active)
{
    if (c->type != BROKER_FAILOVER || c->active == active) {
        return;
    }
    c->active = active;
    if (active) {
        if (c->base.events->active != NULL) {
            c->base.events->active(c->base.ctx);
        }
        return;
    }
    /* The other one gets what nobody has in hand here. */
    hulse_receive_forget_queue(c);
    hulse_verdicts_forget_kept(c);
    hulse_again_forget(c);
    if (c->base.events->inactive != NULL) {
        c->base.events->inactive(c->base.ctx);
    }
}

void hulse_receive_inactive(struct pulsar_consumer *c)
{
    change_active(c, false);
}

static void end_of_topic(struct pulsar_consumer *c)
{
    if (!c->end_told) {
        c->end_told = true;
        if (c->base.events->end_of_topic != NULL) {
            c->base.events->end_of_topic(c->base.ctx);
        }
    }
}

/*
 * The topic is another cluster's from here on, whose ids say nothing of what was before. A broker moves a consumer whose
 * subscription has nothing left; one with something in hand stays where that can be acknowledged, and hears of it again.
 */
static void migrated(struct pulsar_consumer *c, const Pulsar__CommandTopicMigrated *command)
{
    const uint32_t before = c->lookup.cluster;
    if (!TAILQ_EMPTY(&c->hands->held)) {
        return;
    }
    hulse_pulsar_lookup_migrated(c->worker, &c->lookup, command);
    if (c->lookup.cluster == before) {
        return;
    }
    hulse_acks_retire(c);
    hulse_verdicts_release_all(c);
    /* What was published there before anybody subscribed is not to be missed. */
    hulse_hands_start(c, &(struct broker_position){.kind = BROKER_EARLIEST});
    if (c->hands->consumer != NULL) {
        hulse_hands_forget_place(c);
    }
}

void hulse_receive_command(struct pulsar_user *u,
                           const Pulsar__BaseCommand *command,
                           struct broker_span rest)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(u, struct pulsar_consumer, user);
    if (c->state == SESSION_CLOSING) {
        return;
    }
    hulse_pulsar_consumer_enter(c);
    switch (command->type) {
    case PULSAR__BASE_COMMAND__TYPE__MESSAGE:
        received(c, command->message, rest);
        break;
    case PULSAR__BASE_COMMAND__TYPE__CLOSE_CONSUMER:
        hulse_pulsar_session_closed_by_broker(c, command->close_consumer);
        break;
    case PULSAR__BASE_COMMAND__TYPE__ACTIVE_CONSUMER_CHANGE:
        change_active(c, command->active_consumer_change->is_active != 0);
        break;
    case PULSAR__BASE_COMMAND__TYPE__TOPIC_MIGRATED:
        migrated(c, command->topicmigrated);
        break;
    case PULSAR__BASE_COMMAND__TYPE__REACHED_END_OF_TOPIC:
        end_of_topic(c);
        break;
    default:
        break;
    }
    hulse_pulsar_consumer_leave(c);
}

void hulse_receive_forget_queue(struct pulsar_consumer *c)
{
    struct body *b = NULL;
    hulse_chunks_forget(c);
    if (c->hands->consumer != NULL) {
        c->hands->passes = false; /* it comes again, too */
    }
    while ((b = STAILQ_FIRST(&c->hands->queue)) != NULL) {
        struct entry *e = b->entry;
        STAILQ_REMOVE_HEAD(&c->hands->queue, link);
        hulse_permits_drop(&c->permits, b->left);
        e->refs -= 1;
        hulse_body_release(b);
        hulse_entry_review(c, e);
    }
}
