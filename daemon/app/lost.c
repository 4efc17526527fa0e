/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lost - records of an application that has gone which were not stored (ipc B8, item 8).
 *
 * As long as an application lives it hears of each of its records, or has them still. Once it has gone
 * nobody does: what is refused then, and what is left when the channel ends, is counted here, and told
 * with the topic when the session ends.
 */
#include "daemon/app/lost.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/publish_channel.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/log.h"

#include <stdio.h>

void hulse_lost_add(struct channel *ch, uint32_t number, uint64_t records)
{
    struct session *s = ch->session;
    struct lost *lost = &s->lost;
    struct handle *h = hulse_handle_find(s, number, s->plane->shared->limits.handles_max);

    lost->records += records;
    s->plane->lost_after_exit += records;
    if (h == NULL || h->lost) {
        return; /* a handle that was closed meanwhile has no topic any more */
    }
    h->lost = true;
    if (lost->producers == 0 && h->publisher != NULL) {
        (void)snprintf(lost->topic, sizeof(lost->topic), "%s", hulse_publisher_topic(h->publisher));
    }
    lost->producers += 1;
}

/* Whole messages that were committed and not taken, as far as they are well formed. */
static void add_unread(struct channel *ch)
{
    struct hulse_ring_rx rx = ch->rx;
    struct hulse_publish_header hdr;

    while (hulse_ring_rx_ready(&rx) >= HULSE_PUBLISH_HEADER_BYTES) {
        hulse_foreign_copy(&hdr, hulse_ring_rx_at(&rx, rx.read), sizeof(hdr));
        if (hulse_publish_check(&hdr, hulse_ring_rx_ready(&rx), ch->max_record) !=
            HULSE_RULE_NONE) {
            break;
        }
        if (hdr.type == HULSE_RECORD_MESSAGE ||
            (hdr.type == HULSE_RECORD_FRAGMENT && (hdr.flags & HULSE_RECORD_LAST) != 0)) {
            hulse_lost_add(ch, hdr.handle, 1);
        }
        hulse_ring_rx_take(&rx, hulse_record_stride(hdr.len));
    }
}

/* Those with the broker, whose answers nobody will hear. */
static void add_unanswered(struct channel *ch)
{
    const uint32_t max = ch->session->plane->shared->limits.handles_max;

    for (uint32_t i = 0; i < max; i++) {
        const struct handle *h = ch->session->handles[i];
        if (h != NULL && h->channel == ch && h->in_flight > 0) {
            hulse_lost_add(ch, h->number, h->in_flight);
        }
    }
}

void hulse_lost_rest(struct channel *ch)
{
    if (ch->state != CHANNEL_DRAIN || ch->kind != HULSE_CHANNEL_PRODUCER) {
        return;
    }
    hulse_publish_lost(ch);
    add_unanswered(ch);
    add_unread(ch);
}

void hulse_lost_tell(const struct session *s)
{
    if (s->lost.records == 0) {
        return;
    }
    /* Of each session: repeats are not folded, because who reads it looks for one topic. */
    HULSE_LOG_AT(HULSE_LOG_WARN,
                 0,
                 "session.lost_after_exit",
                 hulse_log_u64("session", s->number),
                 hulse_log_str("app", s->name),
                 hulse_log_u64("pid", (uint64_t)s->who.pid),
                 hulse_log_str("topic", s->lost.topic),
                 hulse_log_u64("producers", s->lost.producers),
                 hulse_log_u64("records", s->lost.records));
}
