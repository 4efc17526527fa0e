/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks - MARKS: where a reader begins in each partition of its topics, told when it is opened, and where it was, heard when
 *         it is offered again.
 *
 * Trust: what an app says of itself is judged for its form alone: one that lies repeats or skips its own messages.
 */
#include "daemon/app/marks.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/reply.h"
#include "daemon/app/session.h"

#define MARKS_MAX (HULSE_MARKS_BYTES_MAX / sizeof(struct hulse_ctl_mark))

/* ---- told ---- */

static void tell(struct handle *h, const struct broker_mark *at, uint32_t count, bool all)
{
    struct session *s = h->channel->session;
    struct hulse_ctl_mark marks[MARKS_MAX] = {0};
    struct hulse_packet p;
    for (uint32_t i = 0; i < count; i++) {
        marks[i] = (struct hulse_ctl_mark){.ledger = at[i].id.ledger,
                                           .entry = at[i].id.entry,
                                           .batch = at[i].id.batch,
                                           .source = at[i].source,
                                           .partition = at[i].id.partition};
    }
    const struct hulse_ctl_marks m = {.handle = h->number,
                                      .marks_len = (uint16_t)(count * sizeof(marks[0])),
                                      .flags = all ? HULSE_MARKS_ALL : 0};
    hulse_packet_begin(&p, HULSE_CTL_MARKS, h->request, &m);
    hulse_packet_append(&p, marks, m.marks_len);
    hulse_session_reply_more(s, &p);
}

void hulse_marks_tell(struct handle *h, const struct broker_reach *reach)
{
    const struct session *s = h->channel->session;
    if (reach == NULL || h->attach != NULL || h->close_wanted ||
        (s->features & HULSE_FEATURE_MARKS) == 0) {
        return; /* one that is offered again knows where it is */
    }
    const uint32_t count =
        reach->mark_count < HULSE_MARKS_TOTAL_MAX ? reach->mark_count : HULSE_MARKS_TOTAL_MAX;
    const bool all = reach->all && count == reach->mark_count;
    for (uint32_t i = 0; i < count; i += MARKS_MAX) {
        tell(h, reach->marks + i, count - i < MARKS_MAX ? count - i : MARKS_MAX, all);
    }
}

/* ---- heard ---- */

static bool follows(const struct broker_marks *m, const struct hulse_ctl_mark *mark)
{
    const struct broker_mark *last = m->count == 0 ? NULL : &m->at[m->count - 1];
    return last == NULL || mark->source > last->source ||
           (mark->source == last->source && mark->partition > last->id.partition);
}

hulse_status hulse_marks_hear(struct broker_marks *to, const struct hulse_packet *p)
{
    struct hulse_ctl_marks m;
    memcpy(&m, p->bytes, sizeof(m));
    const uint32_t count = m.marks_len / sizeof(struct hulse_ctl_mark);
    if (count == 0 || m.marks_len % sizeof(struct hulse_ctl_mark) != 0 ||
        (m.flags & ~HULSE_MARKS_ALL) != 0 || count > HULSE_MARKS_TOTAL_MAX - to->count) {
        return HULSE_PROTOCOL;
    }
    to->all = (m.flags & HULSE_MARKS_ALL) != 0;
    for (uint32_t i = 0; i < count; i++) {
        struct hulse_ctl_mark mark;
        memcpy(&mark, p->bytes + sizeof(m) + (i * sizeof(mark)), sizeof(mark));
        if (mark.reserved0 != 0 || mark.reserved != 0 || mark.source >= HULSE_SOURCES_MAX ||
            !follows(to, &mark)) {
            return HULSE_PROTOCOL;
        }
        const struct broker_mark kept = {.id = {.ledger = mark.ledger,
                                                .entry = mark.entry,
                                                .batch = mark.batch,
                                                .partition = mark.partition,
                                                .batch_size = hulse_batch_at_least(mark.batch)},
                                         .source = mark.source};
        if (!hulse_broker_marks_add(to, &kept)) {
            return HULSE_NO_MEMORY;
        }
    }
    return HULSE_OK;
}
