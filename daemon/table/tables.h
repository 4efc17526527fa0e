/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables - topics, rules and roles as the data path sees them, read under RCU.
 *
 *   control (sole writer)                          workers (readers)
 *   hulse_tables_apply: roles, rules ─▶ one swap   hulse_tables_generation: one load a message
 *     then entries are made anew, and the          other than the handle's? hulse_grant_refresh
 *     generation moves on                          no entry? hulse_tables_ask, answered by inbox
 *
 * A reading of the configuration (`policy`) is one immutable object behind one pointer. Topic entries
 * are what was worked out from it, by name; one of another generation than the policy is not
 * believed, and its rule looked up again. What must outlive a reading is in topic_state and
 * role_state, which its successor inherits.
 *
 * Threads: create, apply, sweep, serve, destroy: control. The rest: workers registered with RCU.
 * Limits:  topics_max entries; memory counts as HULSE_MEM_TABLE.
 */
#ifndef HULSE_TABLE_TABLES_H
#define HULSE_TABLE_TABLES_H

#include "daemon/config/config.h"
#include "daemon/config/letter_name.h"
#include "daemon/core/inbox.h"
#include "daemon/table/identity.h"
#include "daemon/table/roles.h"
#include "daemon/table/topic_name.h"
#include "daemon/table/topic_rules.h"
#include "daemon/table/topic_state.h"

/* The rest is in tables.c. */
struct tables {
    alignas(64) _Atomic(uint64_t) generation; /* of the reading in force; written by control */
};

struct tables_params {
    const struct config *config; /* borrowed during create */
    struct broker_names brokers; /* borrowed for the tables' life */
    /* Brings a node to the control thread and runs it there; false: not now. */
    bool (*post)(void *ctx, struct inbox_node *node);
    void *ctx;
};

/* What a handle keeps of the tables, and is believed while the generations are the same. */
struct grant {
    uint64_t generation;
    unsigned permissions;               /* bits of enum permission */
    const struct topic_settings *topic; /* held; NULL before the first refresh */
    struct topic_state *topic_state;    /* held; NULL = the topic has no entry yet */
    struct role_state *role_state;      /* held; NULL = no role */
    struct bucket_rates role_rate;
    struct bucket_rates app_rate;
};

/* A wish for a topic's entry; the asker's until it is posted, and again from `answer` on. */
struct topic_request {
    struct inbox_node node; /* during the answer for the asker's use */
    struct tables *tables;
    /* On the control thread: brings the request back to where it came from. */
    void (*answer)(struct topic_request *request);
    /* The same, when the workers have gone and only its memory is left to be freed. */
    void (*abandon)(struct topic_request *request);
    hulse_status status; /* OK, LIMIT (topics_max), NO_MEMORY */
    char name[HULSE_TOPIC_NAME_MAX];
};

struct tables_figures {
    uint64_t generation;
    uint32_t topics;
    uint32_t topics_max;
    uint32_t roles;
};

hulse_status
hulse_tables_create(struct tables **out, const struct tables_params *params, struct error *err);
/* No reader is left, and no request. *t becomes NULL. */
void hulse_tables_destroy(struct tables **t);

/* A new reading: all of it or, with *err filled, nothing. Then tell the workers. */
hulse_status hulse_tables_apply(struct tables *t, const struct config *config, struct error *err);
/* Ends entries that no handle has used for two sweeps. */
void hulse_tables_sweep(struct tables *t);
/* The workers have gone: requests are abandoned from now on. */
void hulse_tables_close(struct tables *t);
void hulse_tables_figures(const struct tables *t, struct tables_figures *out);
/*
 * Control. What the reading in force says of a topic, and what of it was refused. False: it has no
 * entry, so nobody has counted anything.
 */
bool hulse_tables_inspect(const struct tables *t,
                          const char *topic,
                          struct topic_settings *settings,
                          uint64_t refused[TOPIC_REFUSALS]);

static inline uint64_t hulse_tables_generation(const struct tables *t)
{
    /* SYNC(tables.generation) acquire: what was published before it is seen by the refresh. */
    return atomic_load_explicit(&t->generation, memory_order_acquire);
}

/*
 * The role of a newcomer, held, or NULL for none. DENIED: it shows a token that no role lists.
 */
hulse_status hulse_tables_admit(struct tables *t,
                                const struct identity *who,
                                struct role_state **role,
                                struct error *err);
/*
 * Fills or renews a grant, which may be zeroed, from the reading in force. A grant that was in use
 * keeps its topic_state; a fresh one has none while the topic has no entry.
 */
void hulse_grant_refresh(struct grant *g,
                         struct tables *t,
                         const struct identity *who,
                         const char *topic);
/* The schema that the reading in force gives a topic, held for the caller; NULL: none. */
struct topic_schema *
hulse_tables_schema(const struct tables *t, const char *topic, enum topic_schema_use use);
/* The name that its rule makes of `words` for its letters' topic; empty: it has none. False: it is too long. */
bool hulse_tables_letter(const struct tables *t,
                         const char *topic,
                         enum letter_kind kind,
                         const struct letter_words *words,
                         char name[HULSE_TOPIC_NAME_MAX]);
/*
 * The topic whose retry topic, by its own rule's template, this one is (hulse_letter_topic()). False: of none; *like: its name
 * could be that of another subscription's.
 */
bool hulse_tables_retry_of(const struct tables *t,
                           const char *topic,
                           const struct letter_words *words,
                           char of[HULSE_TOPIC_NAME_MAX],
                           bool *like);
/* The subscription that a rule gives its topics' dead-letter topic; empty: none. */
void hulse_tables_letter_subscription(const struct tables *t,
                                      const char *topic,
                                      char name[HULSE_CONFIG_TEXT_BYTES]);
/* Gives up what it holds. */
void hulse_grant_release(struct grant *g);
/* Asks for an entry. False: the control thread's inbox is full; the request is still the asker's. */
bool hulse_tables_ask(struct tables *t, struct topic_request *request);

#endif
