/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem - one memory cap for the daemon, split by purpose.
 *
 * Everything whose size an application, a broker or a client can influence is taken here first; a
 * refusal is an ordinary status. Small fixed structures of the daemon's own are not counted.
 *
 * Threads: any; counters are relaxed atomics, the cap is checked on their sum.
 * Limits:  the sum never exceeds the cap set by hulse_mem_init().
 */
#ifndef HULSE_CORE_MEM_H
#define HULSE_CORE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mem_purpose {
    HULSE_MEM_SESSION = 0, /* sessions, handles, control answers waiting for their reader */
    HULSE_MEM_CHANNEL,     /* in-flight tables, delivery tables */
    HULSE_MEM_REASSEMBLY,  /* messages larger than a record */
    HULSE_MEM_MESSAGE,     /* messages held in memory by topics and subscriptions */
    HULSE_MEM_TOPIC,       /* topics, subscriptions, producers, consumers */
    HULSE_MEM_TABLE,       /* topic entries, rules, roles, and what they keep over reloads */
    HULSE_MEM_ADMIN,       /* admin requests and answers */
    HULSE_MEM_HTTP,        /* answers to requests of the daemon's own */
    HULSE_MEM_LOG,         /* log rings */
    HULSE_MEM_STORE,       /* what a store knows of its topics, cursors and handles */
    HULSE_MEM_BROKER,      /* what is said to brokers and heard from them */
    HULSE_MEM_PURPOSES
};

/* Sets the cap in bytes. Once, before any thread starts; tests may call it again. */
void hulse_mem_init(size_t cap_bytes);
/* Counts without allocating. False: over the cap, nothing was counted. */
bool hulse_mem_take(enum mem_purpose purpose, size_t bytes);
void hulse_mem_give(enum mem_purpose purpose, size_t bytes);
/* Counts and allocates, uninitialised or zeroed; NULL when refused by the cap or the system. */
void *hulse_mem_alloc(enum mem_purpose purpose, size_t bytes);
void *hulse_mem_zalloc(enum mem_purpose purpose, size_t bytes);
/*
 * The same, uninitialised, for what can be asked for again later: the last 16th of the cap is left to others, since memory
 * may be what they need to give some back.
 */
void *hulse_mem_alloc_sparing(enum mem_purpose purpose, size_t bytes);
/* Whether that would find so much now; others may be faster. */
bool hulse_mem_has_sparing(size_t bytes);
/*
 * The same, uninitialised, for a type whose lines several threads write: at an alignment that
 * divides `bytes`, which malloc does not promise.
 */
void *hulse_mem_alloc_aligned(enum mem_purpose purpose, size_t alignment, size_t bytes);
/* Frees what alloc gave; `bytes` as then. NULL is harmless. */
void hulse_mem_free(enum mem_purpose purpose, void *memory, size_t bytes);

size_t hulse_mem_used(enum mem_purpose purpose);
size_t hulse_mem_total(void);
size_t hulse_mem_cap(void);
/* Refusals so far. */
uint64_t hulse_mem_refused(void);
/* The purpose's name in `hulse stats`. */
const char *hulse_mem_name(enum mem_purpose purpose);

#endif
