/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - the result of the command `stats`, from reports of workers.
 *
 * Begin, add workers, topics and brokers in any order, a broker before its figures, finish. Figures
 * of equal name are summed over workers into `totals`; topics of equal name are summed into one, and
 * so are a broker's figures. An addition that memory is refused for makes the whole fail, never
 * incomplete.
 *
 * Threads: one owner at a time; pure but for jansson's allocations and the memory accounts.
 */
#ifndef HULSE_OBSERVE_STATS_H
#define HULSE_OBSERVE_STATS_H

#include "daemon/observe/figure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stats {
    json_t *totals;     /* figure -> sum */
    json_t *per_worker; /* array */
    json_t *topics;     /* name -> object */
    json_t *brokers;    /* array */
    json_t *stores;     /* array */
    json_t *lags;       /* topic -> subscription -> entries */
    uint32_t workers;
    bool failed;
};

struct stats_head {
    const char *version;
    uint64_t uptime_s;
    uint64_t config_generation;
    bool config_reload_failed;
};

struct stats_broker {
    const char *name;
    const char *type;
    bool healthy;
    const char *failure; /* what went wrong last; NULL: nothing has, or the broker does not say */
    uint64_t failure_age_s;
    bool has_token;          /* one, or a name and a password, that is kept fresh */
    uint32_t token_failures; /* to get it, one after another, up to now */
    const char *token_why;   /* with failures: of the last one */
};

void hulse_stats_begin(struct stats *s);
void hulse_stats_worker(struct stats *s,
                        uint32_t worker,
                        const struct figure *figures,
                        size_t count);
/* It did not answer in time. */
void hulse_stats_worker_missing(struct stats *s, uint32_t worker);
void hulse_stats_topic(struct stats *s,
                       const char *name,
                       const struct figure *figures,
                       size_t count);
void hulse_stats_broker(struct stats *s, const struct stats_broker *broker);
/* Of one worker. */
void hulse_stats_broker_figures(struct stats *s,
                                const char *name,
                                const struct figure *figures,
                                size_t count);
/* Entries of a subscription's backlog; those of one name, its partitions', are summed. */
void hulse_stats_lag(struct stats *s,
                     const char *topic,
                     const char *subscription,
                     uint64_t entries);
void hulse_stats_store(struct stats *s,
                       const char *broker,
                       const struct figure *figures,
                       size_t count);
/* Gives the object, topics sorted by name; NULL = memory was refused. *s is empty afterwards. */
json_t *hulse_stats_finish(struct stats *s, const struct stats_head *head);
/* Gives the topics' names alone, sorted; otherwise as hulse_stats_finish(). */
json_t *hulse_stats_finish_names(struct stats *s);

#endif
