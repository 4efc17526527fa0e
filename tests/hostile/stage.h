/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - the real daemon and a witness: a session that must never notice what others do.
 */
#ifndef HULSE_TESTS_HOSTILE_STAGE_H
#define HULSE_TESTS_HOSTILE_STAGE_H

#include "tests/support/daemon_process.h"
#include "tests/support/raw_app.h"

#define STAGE_TOPIC "non-persistent://public/default/stage"

struct stage {
    struct daemon_process daemon;
    struct raw_app witness;
    struct raw_channel channel;
    uint64_t sent;
};

/* An attacker's session with one channel and handle. */
struct actor {
    struct raw_app app;
    struct raw_channel ch;
};

/* With `--set` values, NULL-terminated; may be NULL. */
void hulse_stage_open(struct stage *s, const char *const *settings);
/* True when the daemon exited as asked. */
bool hulse_stage_close(struct stage *s);
/* The witness publishes and gets its receipt, and the daemon lives. */
bool hulse_stage_witness(struct stage *s);

void hulse_actor_produce(struct actor *a, const struct stage *s, enum hulse_receipt_mode mode);
void hulse_actor_consume(struct actor *a, const struct stage *s, const char *topic);
void hulse_actor_close(struct actor *a);
/* One message through the actor's own channel, stored. */
bool hulse_actor_publishes(struct actor *a, uint64_t token);
uint64_t hulse_actor_stat(const struct actor *a, enum hulse_region_stat which);
/* The daemon has hung up, and said that this rule was broken. */
void hulse_stage_assert_expelled(struct raw_app *app, const char *rule);
/* Open descriptors of the daemon. */
int hulse_stage_descriptors(const struct stage *s);
/* Waits until the daemon has at most `most` sessions, the witness included. */
bool hulse_stage_sessions_fall_to(const struct stage *s, uint64_t most);

#endif
