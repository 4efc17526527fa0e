/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_bed - a store of credentials with all that it stands on, in a folder of its own.
 *
 * Threads: the test's, which is control.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_CONTROL_CREDENTIAL_BED_H
#define HULSE_TESTS_UNIT_DAEMON_CONTROL_CREDENTIAL_BED_H

#include "daemon/control/credentials.h"
#include "tests/support/check.h"

enum { LONG_MS = 60000, SHORT_MS = 20, BACKOFF_MS = 40 };

struct credential_bed {
    struct loop loop;
    struct helper helper;
    struct resolver resolver;
    struct http_client client;
    struct credentials credentials;
    unsigned changes; /* as told by changed() */
    char changed_name[HULSE_CREDENTIAL_NAME_BYTES];
    char dir[32];
    char token_path[64];
    char count_path[64];
};

extern struct credential_bed hulse_creds;

/* Of each test. */
int hulse_creds_set_up(void **state);
int hulse_creds_tear_down(void **state);

/* hulse_credentials_set(), which must succeed. */
void hulse_creds_set(const char *name,
                     enum credential_kind kind,
                     const char *text,
                     uint32_t period_ms);
struct credential *hulse_creds_find(const char *name);
struct credential_status hulse_creds_status_of(const char *name);
/* One round of the loop. */
void hulse_creds_turn(void);
void hulse_creds_await_generation(const char *name, uint64_t generation);
void hulse_creds_await_failures(const char *name, uint32_t failures);
/* The slot has exactly this; NULL = nothing. */
void hulse_creds_check_token(const char *name, const char *expected);
void hulse_creds_check_has(const char *text, const char *part);

/* Replaces the file at token_path by this line. */
void hulse_creds_write_token(const char *text);
/* Prints that file and notes the time of each run; fails without the file. */
const char *hulse_creds_counting_command(void);
/* When the command ran, in ms since 1970, up to max of them. Returns how often. */
unsigned hulse_creds_runs(uint64_t *times_ms, unsigned max);
/* As hulse_test_jwt(): each another one. */
const char *hulse_creds_jwt_for(uint64_t seconds);

#endif
