/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas - what brokers have said of the schemas of topics: one cache for the daemon, and one question for each version.
 *
 * A version of a topic's schema never changes, so what was heard is read by all workers under RCU and held while it is
 * used. A broker that says that there is none is believed for a minute; a topic may be deleted and come again, so the rest
 * is asked for anew after half an hour, as official clients do. What went wrong otherwise is told and not kept.
 *
 * Threads: find, hold and release from any; ask and forget on the asker's worker; the rest is control's.
 * Trust:   definitions may be anything; one that cannot be read is kept as it is, with the reason.
 * Limits:  SCHEMAS_MAX versions, SCHEMAS_BYTES_MAX; the oldest goes first.
 * See:     features row D4.
 */
#ifndef HULSE_FLOW_SCHEMAS_H
#define HULSE_FLOW_SCHEMAS_H

#include "daemon/flow/flow.h"
#include "daemon/schema/schema.h"

#define SCHEMAS_MAX 4096U
#define SCHEMAS_BYTES_MAX ((size_t)64 << 20U)
#define SCHEMAS_LIFE_MS 1800000U
#define SCHEMAS_MISSING_MS 60000U

struct schemas;
struct schema_wait;
struct inbox;

/* One version; constant, and held by whoever has it. */
struct schema_known {
    uint64_t version;            /* counted from 1; 0: the topic has none of that number */
    struct broker_schema told;   /* as the broker has it */
    const struct schema *schema; /* made of it; NULL: it cannot be read */
    char why[96];                /* why not; terminated */
};

/* `home`: control's inbox, which answers come to. NULL: no memory. The writer of RCU runs. */
struct schemas *hulse_schemas_create(const struct flow *flow, struct inbox *home);
/* The workers have gone: what is still to be answered has nobody. */
void hulse_schemas_close(struct schemas *s);
/* No question is left. *s becomes NULL; harmless on NULL. */
void hulse_schemas_destroy(struct schemas **s);
/* Lets go what is older than its time. */
void hulse_schemas_sweep(struct schemas *s, uint64_t now_ms);

/* What is known of a version, counted from 1, of a full name, held; NULL: nothing yet. */
const struct schema_known *
hulse_schemas_find(const struct schemas *s, uint32_t broker, const char *topic, uint64_t version);
/* One hold more of what is held; NULL of NULL. */
const struct schema_known *hulse_schema_known_hold(const struct schema_known *known);
/* *known becomes NULL; harmless on NULL. */
void hulse_schema_known_release(const struct schema_known **known);

struct schema_question {
    struct worker *worker; /* the asker's */
    uint32_t broker;       /* index in flow */
    const char *topic;     /* full name; borrowed */
    uint64_t version;      /* counted from 1; 0 = the newest, which is asked for each time */
    void *owner;
    /*
     * Once, after ask has returned. OK: `known` is the owner's hold, also of a version that there is not. Otherwise
     * NULL, and why.
     */
    void (*done)(void *owner,
                 hulse_status status,
                 const char *text,
                 const struct schema_known *known);
};

/*
 * *out is set until `done`; it lies in the owner. UNSUPPORTED: the broker keeps none; LIMIT: control has too much to do;
 * NO_MEMORY. Then nothing comes.
 */
hulse_status hulse_schemas_ask(struct schemas *s,
                               struct schema_wait **out,
                               const struct schema_question *q,
                               struct error *err);
/* `done` will not come. *w becomes NULL; harmless on NULL. */
void hulse_schemas_forget(struct schema_wait **w);

struct schemas_figures {
    uint32_t versions; /* kept now */
    uint64_t asked;    /* questions to brokers */
};
void hulse_schemas_figures(const struct schemas *s, struct schemas_figures *out);

#endif
