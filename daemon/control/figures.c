/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - see figures.h.
 */
#include "daemon/control/figures.h"

#include <assert.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct place {
    const char *name;
    size_t offset;
    size_t bytes; /* 4 or 8 */
    bool own;     /* struct figure */
};

#define PLACE(type, member)                                                                        \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct type, member),                                  \
        .bytes = sizeof(((struct type *)NULL)->member)                                             \
    }

#define OWN_PLACE(type, member)                                                                    \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct type, member),                                  \
        .bytes = sizeof(((struct type *)NULL)->member), .own = true                                \
    }

static const struct place worker_places[] = {
    PLACE(worker_report, sessions),
    PLACE(worker_report, channels),
    PLACE(worker_report, producers),
    PLACE(worker_report, consumers),
    PLACE(worker_report, records_taken),
    PLACE(worker_report, bytes_taken),
    PLACE(worker_report, receipts_posted),
    PLACE(worker_report, deliveries_posted),
    PLACE(worker_report, verdicts_ignored),
    PLACE(worker_report, verdicts_dropped),
    PLACE(worker_report, dead_letters),
    PLACE(worker_report, dead_letters_failed),
    PLACE(worker_report, retry_letters),
    PLACE(worker_report, retry_letters_failed),
    PLACE(worker_report, missed_doorbells),
    PLACE(worker_report, bells),
    PLACE(worker_report, wakes),
    PLACE(worker_report, visits),
    PLACE(worker_report, penalties),
    PLACE(worker_report, rule_violations),
    PLACE(worker_report, lost_after_exit),
    PLACE(worker_report, turns),
    PLACE(worker_report, parks),
    OWN_PLACE(worker_report, spin_ns),
};

static const struct place topic_places[] = {
    PLACE(topic_report, producers),
    PLACE(topic_report, consumers),
    PLACE(topic_report, subscriptions),
    PLACE(topic_report, published),
    PLACE(topic_report, published_bytes),
    PLACE(topic_report, delivered),
    PLACE(topic_report, acknowledged),
    PLACE(topic_report, redelivered),
    PLACE(topic_report, dropped),
    PLACE(topic_report, lost),
    PLACE(topic_report, backlog),
};

static_assert(COUNT_OF(worker_places) <= HULSE_FIGURES_MAX, "a worker's figures fit");
static_assert(COUNT_OF(topic_places) <= HULSE_FIGURES_MAX, "a topic's figures fit");

static size_t take(const void *report, const struct place *places, size_t count, struct figure *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)report + places[i].offset;
        uint32_t narrow = 0;
        uint64_t value = 0;
        if (places[i].bytes == sizeof(narrow)) {
            memcpy(&narrow, at, sizeof(narrow));
            value = narrow;
        } else {
            memcpy(&value, at, sizeof(value));
        }
        out[i] = (struct figure){.name = places[i].name, .value = value, .own = places[i].own};
    }
    return count;
}

size_t hulse_figures_of_worker(const struct worker_report *r, struct figure *out)
{
    return take(r, worker_places, COUNT_OF(worker_places), out);
}

size_t hulse_figures_of_topic(const struct topic_report *r, struct figure *out)
{
    return take(r, topic_places, COUNT_OF(topic_places), out);
}
