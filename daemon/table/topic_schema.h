/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_schema - the schema that a rule gives its topics: counted, and made once, whoever needs it first.
 *
 * The table knows no schemas: `made` is what its users made of the text, and `unmake` frees it.
 *
 * Threads: any; constant but for `holders` and `made`.
 */
#ifndef HULSE_TABLE_TOPIC_SCHEMA_H
#define HULSE_TABLE_TOPIC_SCHEMA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frees what was made. */
typedef void topic_schema_unmake(void *made);

/* What of a topic it is for. */
enum topic_schema_use { TOPIC_SCHEMA_PUBLISHED = 0, TOPIC_SCHEMA_CONSUMED, TOPIC_SCHEMA_USES };

struct topic_schema {
    _Atomic(uint32_t) holders;
    uint32_t type;                         /* enum config_schema_type */
    bool validate;                         /* payloads are checked against it */
    _Atomic(void *) made;                  /* NULL: not yet; set once */
    _Atomic(topic_schema_unmake *) unmake; /* as `made` */
    size_t bytes;
    char text[]; /* the file's */
};

/* A copy with one holder; NULL: no memory. Counted as HULSE_MEM_TABLE. */
struct topic_schema *
hulse_topic_schema_create(uint32_t type, bool validate, const char *text, size_t bytes);
/* Of one that is held already. */
struct topic_schema *hulse_topic_schema_hold(struct topic_schema *s);
/* *s becomes NULL; harmless on NULL. */
void hulse_topic_schema_release(struct topic_schema **s);
/* What was made of it; NULL: nothing yet. */
void *hulse_topic_schema_made(struct topic_schema *s);
/* Takes `made`, unless another thread was first. Gives what is there. All give the same `unmake`. */
void *hulse_topic_schema_make(struct topic_schema *s, void *made, topic_schema_unmake *unmake);

#endif
