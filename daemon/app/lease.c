/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease - how long an application may be without a verdict on a message (consume.ack_timeout).
 *
 * What lies in the ring and was not begun with is the application's as long as it lives: its time begins with the
 * first look that finds the read cursor behind it. When it is over the message goes back as one that was refused,
 * its redelivery count one higher, and a verdict that comes later speaks of nothing (V13).
 *
 * Limits: a look at every slot each HULSE_BEAT_MS, of consumers with such a rule alone.
 */
#include "daemon/app/lease.h"

#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/session.h"
#include "daemon/app/verdict.h"
#include "daemon/app/worker_plane.h"

static bool is_leased(const struct channel *ch)
{
    return ch->slots_used > 0 && ch->state != CHANNEL_DRAIN && !ch->session->doomed &&
           ch->consumer != NULL && ch->consumer->subscriber != NULL &&
           ch->consumer->state != HANDLE_OPENING;
}

void hulse_lease_expire(struct channel *ch, uint64_t now_ms)
{
    if (!is_leased(ch)) {
        return;
    }
    struct subscriber *s = ch->consumer->subscriber;
    const uint64_t started = hulse_deliver_started(ch);
    for (uint32_t i = 0; i < ch->slot_count && ch->slots_used > 0; i++) {
        struct slot *slot = &ch->slot_table[i];
        struct broker_delivery *d = slot->delivery;
        if (d == NULL || slot->end == 0 || slot->end > started) {
            continue;
        }
        const uint64_t timeout_ms = hulse_subscriber_ack_timeout_ms(s, d);
        if (timeout_ms == 0 && !ch->consumer->several) {
            return; /* of one topic, one rule */
        }
        if (timeout_ms == 0) {
            continue;
        }
        if (slot->due_ms == 0) {
            slot->due_ms = now_ms + timeout_ms;
        } else if (now_ms >= slot->due_ms) {
            hulse_slot_free(ch, i);
            hulse_subscriber_time_out(s, d);
        }
    }
}
