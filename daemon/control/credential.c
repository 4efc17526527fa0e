/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential - see credential.h.
 *
 * One timer serves all that is due: an attempt, by the loop's clock or by the wall clock that `exp`
 * is told in, and the end of the token in force. The wall clock may be set meanwhile, so it is
 * looked at once a minute as long as something depends on it.
 */
#include "daemon/control/credential.h"

#include "daemon/control/token.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKOFF_FIRST_MS = 1000, BACKOFF_MAX_MS = 60000, LOOK_AGAIN_MS = 60000, LEAST_MS = 1000 };

/* A life that is left is used up to 4/5, so that several attempts fit into the rest. */
enum { LIFE_PART = 4, LIFE_PARTS = 5 };

static const char expired[] = "the token has expired";

static uint64_t now_ms(const struct credential *c)
{
    return hulse_loop_now_ms(c->around->loop);
}

/* ---- what is due when ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* To a time of the wall clock; bounded, because that clock may be set. */
static uint64_t wall_wait_ms(uint64_t wall_ms)
{
    const uint64_t now = hulse_clock_wall_ms();

    return wall_ms <= now ? 0 : earlier(wall_ms - now, LOOK_AGAIN_MS);
}

/* Of the token in force; 0 = not known, or there is none. */
static uint64_t end_of(const struct credential *c)
{
    return c->current != NULL ? hulse_secret_expires_wall_ms(c->current) : 0;
}

static void plan(struct credential *c)
{
    uint64_t due_ms = UINT64_MAX;

    if (c->refresh_ms != 0) {
        due_ms = c->refresh_ms;
    }
    if (c->refresh_wall_ms != 0) {
        due_ms = earlier(due_ms, now_ms(c) + wall_wait_ms(c->refresh_wall_ms));
    }
    if (end_of(c) != 0) {
        due_ms = earlier(due_ms, now_ms(c) + wall_wait_ms(end_of(c)));
    }
    hulse_timer_stop(&c->around->loop->timers, &c->timer);
    if (due_ms != UINT64_MAX) {
        hulse_timer_start(&c->around->loop->timers, &c->timer, due_ms);
    }
}

/* Fetched by us for a time, and not there to be looked at. */
static bool is_fetched(const struct credential *c)
{
    return c->kind == CREDENTIAL_COMMAND || c->kind == CREDENTIAL_OAUTH2 ||
           c->kind == CREDENTIAL_ATHENZ;
}

static void plan_after_success(struct credential *c)
{
    const uint64_t wall_ms = hulse_clock_wall_ms();
    const uint64_t end_ms = end_of(c);

    if (is_fetched(c) && end_ms != 0) {
        const uint64_t left_ms = end_ms > wall_ms ? end_ms - wall_ms : 0;
        const uint64_t wait_ms = left_ms / LIFE_PARTS * LIFE_PART;
        c->refresh_wall_ms = wall_ms + (wait_ms < LEAST_MS ? LEAST_MS : wait_ms);
    } else if (c->kind != CREDENTIAL_TOKEN) {
        c->refresh_ms = now_ms(c) + c->period_ms;
    }
    plan(c);
}

static uint64_t backoff_ms(const struct credential *c)
{
    uint64_t ms = c->around->backoff_ms != 0 ? c->around->backoff_ms : BACKOFF_FIRST_MS;

    for (uint32_t i = 0; i < c->failures && ms < BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    return earlier(ms, BACKOFF_MAX_MS);
}

/* ---- ends of an attempt ---- */

static uint64_t generation_of(const struct credential *c)
{
    return c->current != NULL ? c->current->generation : 0;
}

static void put(struct credential *c, struct secret *fresh)
{
    c->current = fresh;
    hulse_secret_slot_set(&c->slot, fresh);
    c->around->changed(c->around->ctx, c->name);
}

/* Without memory the reason is missing; the log has it. */
static void tell_trouble(struct credential *c)
{
    hulse_secret_slot_set(&c->trouble,
                          c->failures == 0 ? NULL : hulse_secret_create(c->why, strlen(c->why)));
}

static void note_failure(struct credential *c, const char *why, uint64_t retry_ms)
{
    const bool news = c->failures == 0 || strncmp(c->why, why, sizeof(c->why) - 1) != 0;

    explicit_bzero(c->complaint, sizeof(c->complaint));
    c->failures += c->failures < UINT32_MAX ? 1 : 0;
    (void)snprintf(c->why, sizeof(c->why), "%s", why);
    if (news) {
        tell_trouble(c);
    }
    /* The same again is told ever more rarely. */
    if (news || (c->failures & (c->failures - 1)) == 0) {
        HULSE_LOG_WARNF("credential.failed",
                        hulse_log_str("broker", c->name),
                        hulse_log_str("why", c->why),
                        hulse_log_u64("failures", c->failures),
                        hulse_log_u64("retry_ms", retry_ms),
                        hulse_log_u64("generation", generation_of(c)));
    }
}

/* In front of a reason that does not say it by itself, as the path of a file does: the key of the configuration. */
static const char *source(const struct credential *c)
{
    return c->kind == CREDENTIAL_COMMAND  ? "token_command: "
           : c->kind == CREDENTIAL_OAUTH2 ? "oauth2: "
                                          : "";
}

static void fail(struct credential *c, const char *why)
{
    char named[sizeof(c->why)];
    uint64_t wait_ms = 0;

    if (c->kind != CREDENTIAL_TOKEN) {
        wait_ms = is_fetched(c) ? backoff_ms(c) : c->period_ms;
        c->refresh_ms = now_ms(c) + wait_ms;
    }
    (void)snprintf(named, sizeof(named), "%s%s", source(c), why);
    note_failure(c, named, wait_ms);
    plan(c);
}

static bool is_current(const struct credential *c, const struct token *token)
{
    return c->current != NULL && c->current->bytes == token->bytes &&
           memcmp(c->current->data, token->data, token->bytes) == 0;
}

/* Whoever issues a token knows how long it lives, even where the token does not say. */
static void limit_life(struct token *token, uint64_t end_wall_ms)
{
    if (end_wall_ms != 0 && (token->expires_wall_ms == 0 || end_wall_ms < token->expires_wall_ms)) {
        token->expires_wall_ms = end_wall_ms;
    }
}

static void take_token(struct credential *c, const struct token *token)
{
    if (token->expires_wall_ms != 0 && token->expires_wall_ms <= hulse_clock_wall_ms()) {
        fail(c, expired);
        return;
    }
    struct secret *fresh = NULL;
    if (is_current(c, token)) {
        /* Not a new one: who was refused with it would try again, and in vain. */
        hulse_secret_set_expires_wall_ms(c->current, token->expires_wall_ms);
    } else {
        fresh = hulse_secret_create(token->data, token->bytes);
        if (fresh == NULL) {
            fail(c, "no memory");
            return;
        }
        fresh->generation = ++c->generation;
        hulse_secret_set_expires_wall_ms(fresh, token->expires_wall_ms);
    }
    c->failures = 0;
    tell_trouble(c);
    explicit_bzero(c->complaint, sizeof(c->complaint));
    if (fresh != NULL) {
        HULSE_LOG_INFOF("credential.changed",
                        hulse_log_str("broker", c->name),
                        hulse_log_u64("generation", fresh->generation),
                        hulse_log_u64("expires_ms", token->expires_wall_ms));
        put(c, fresh);
    }
    /* changed() may have set or removed what this came from. */
    if (c->kind != CREDENTIAL_NONE && c->refresh_ms == 0 && c->refresh_wall_ms == 0) {
        plan_after_success(c);
    }
}

/* end_wall_ms: 0 = only the token itself may say. */
static void take(struct credential *c, const char *text, size_t bytes, uint64_t end_wall_ms)
{
    struct token token;
    struct error err;

    if (hulse_token_parse(&token, text, bytes, &err) != HULSE_OK) {
        fail(c, err.text);
        return;
    }
    limit_life(&token, end_wall_ms);
    take_token(c, &token);
}

/* What is shown is USER:PASSWORD. */
static void take_password(struct credential *c, const char *text, size_t bytes)
{
    const size_t user_bytes = strlen(c->user);
    struct token password;
    struct error err;

    if (hulse_token_parse_password(&password, text, bytes, &err) != HULSE_OK) {
        fail(c, err.text);
        return;
    }
    const size_t all = user_bytes + 1 + password.bytes;
    char *both = malloc(all);
    if (both == NULL) {
        fail(c, "no memory");
        return;
    }
    memcpy(both, c->user, user_bytes);
    both[user_bytes] = ':';
    memcpy(both + user_bytes + 1, password.data, password.bytes);
    const struct token shown = {.data = both, .bytes = all};
    take_token(c, &shown);
    explicit_bzero(both, all);
    free(both);
}

static void command_done(struct helper_call *call, const struct helper_result *result)
{
    struct credential *c = HULSE_CONTAINER(call, struct credential, command);

    if (result->status == HULSE_OK) {
        take(c, result->output, result->output_bytes, 0);
    } else {
        fail(c, result->why);
        (void)snprintf(c->complaint, sizeof(c->complaint), "%s", result->complaint);
    }
}

static void fetch_done(struct oauth2_fetch *fetch, const struct oauth2_result *result)
{
    struct credential *c = HULSE_CONTAINER(fetch, struct credential, fetch);

    if (result->status == HULSE_OK) {
        take(c,
             result->token,
             result->token_bytes,
             result->life_ms == 0 ? 0 : hulse_clock_wall_ms() + result->life_ms);
    } else {
        fail(c, result->why);
    }
}

static void role_fetch_done(struct athenz_fetch *fetch, const struct athenz_result *result)
{
    struct credential *c = HULSE_CONTAINER(fetch, struct credential, role_fetch);

    if (result->status == HULSE_OK) {
        take(c, result->token, result->token_bytes, result->expires_wall_ms);
    } else {
        fail(c, result->why);
    }
}

/* ---- attempts ---- */

static void begin_fetch(struct credential *c)
{
    struct error err;

    c->fetch.done = fetch_done;
    if (hulse_oauth2_start(&c->fetch, c->around->http, c->oauth2, c->timeout_ms, &err) !=
        HULSE_OK) {
        fail(c, err.text);
    }
}

static void begin_role_fetch(struct credential *c)
{
    struct error err;

    c->role_fetch.done = role_fetch_done;
    if (hulse_athenz_start(&c->role_fetch, c->around->http, c->athenz, c->timeout_ms, &err) !=
        HULSE_OK) {
        fail(c, err.text);
    }
}

static void run_command(struct credential *c)
{
    struct error err;

    c->command.done = command_done;
    if (hulse_helper_run(c->around->helper, &c->command, c->text, c->timeout_ms, &err) !=
        HULSE_OK) {
        fail(c, err.text);
    }
}

static void read_file(struct credential *c)
{
    /* A line end and some white space may surround the longest token. */
    char text[HULSE_TOKEN_BYTES_MAX + 64];
    size_t bytes = 0;
    struct error err;

    if (hulse_token_read(c->text, text, sizeof(text), &bytes, &err) != HULSE_OK) {
        fail(c, err.text);
    } else if (c->kind == CREDENTIAL_BASIC) {
        take_password(c, text, bytes);
    } else {
        take(c, text, bytes, 0);
    }
    explicit_bzero(text, bytes);
}

static void attempt(struct credential *c)
{
    c->refresh_ms = 0;
    c->refresh_wall_ms = 0;
    switch (c->kind) {
    case CREDENTIAL_TOKEN:
        take(c, c->text, strlen(c->text), 0);
        break;
    case CREDENTIAL_FILE:
    case CREDENTIAL_BASIC:
        read_file(c);
        break;
    case CREDENTIAL_COMMAND:
        run_command(c);
        break;
    case CREDENTIAL_OAUTH2:
        begin_fetch(c);
        break;
    case CREDENTIAL_ATHENZ:
        begin_role_fetch(c);
        break;
    case CREDENTIAL_NONE:
        break;
    }
}

static void came_due(struct timer *timer)
{
    struct credential *c = HULSE_CONTAINER(timer, struct credential, timer);
    const uint64_t wall_ms = hulse_clock_wall_ms();

    if (end_of(c) != 0 && end_of(c) <= wall_ms) {
        HULSE_LOG_ERRORF("credential.expired",
                         hulse_log_str("broker", c->name),
                         hulse_log_u64("generation", generation_of(c)));
        if (c->failures == 0) {
            c->failures = 1;
            (void)snprintf(c->why, sizeof(c->why), "%s", expired);
            tell_trouble(c);
        }
        put(c, NULL);
    }
    if ((c->refresh_ms != 0 && c->refresh_ms <= now_ms(c)) ||
        (c->refresh_wall_ms != 0 && c->refresh_wall_ms <= wall_ms)) {
        attempt(c);
    }
    plan(c);
}

/* ---- the folder of a file ---- */

static void look(void *ctx)
{
    struct credential *c = ctx;

    attempt(c);
    plan(c);
}

/* Without a watch it is read at its period all the same. */
static void watch(struct credential *c)
{
    const struct folder_watch_params params = {.loop = c->around->loop, .look = look, .ctx = c};
    struct error err;

    hulse_folder_watch_init(&c->watch, &params);
    hulse_folder_watch_add(&c->watch, c->text);
    if (hulse_folder_watch_open(&c->watch, &err) != HULSE_OK) {
        HULSE_LOG_WARNF("credential.unwatched",
                        hulse_log_str("broker", c->name),
                        hulse_log_str("why", err.text));
    }
}

/* ---- calls ---- */

struct credential *hulse_credential_create(const char *name,
                                           const struct credential_surroundings *around)
{
    struct credential *c = calloc(1, sizeof(*c));

    if (c != NULL) {
        (void)snprintf(c->name, sizeof(c->name), "%s", name);
        c->around = around;
        c->timer.fire = came_due;
        atomic_init(&c->slot.current, NULL);
        atomic_init(&c->trouble.current, NULL);
    }
    return c;
}

/* Nothing is under way afterwards; the token in force stays. */
static void stop(struct credential *c)
{
    hulse_helper_cancel(c->around->helper, &c->command);
    hulse_oauth2_cancel(&c->fetch);
    hulse_oauth2_source_destroy(&c->oauth2);
    hulse_athenz_cancel(&c->role_fetch);
    hulse_athenz_source_destroy(&c->athenz);
    hulse_timer_stop(&c->around->loop->timers, &c->timer);
    hulse_folder_watch_close(&c->watch);
    c->refresh_ms = 0;
    c->refresh_wall_ms = 0;
    c->failures = 0;
    tell_trouble(c);
    explicit_bzero(c->complaint, sizeof(c->complaint));
    c->kind = CREDENTIAL_NONE;
    if (c->text != NULL) {
        explicit_bzero(c->text, strlen(c->text));
        free(c->text);
        c->text = NULL;
    }
    free(c->user);
    c->user = NULL;
}

void hulse_credential_destroy(struct credential **credential)
{
    struct credential *c = *credential;

    *credential = NULL;
    stop(c);
    hulse_secret_slot_set(&c->slot, NULL);
    free(c);
}

static hulse_status check(const struct credential_params *params, struct error *err)
{
    const bool command = params->kind == CREDENTIAL_COMMAND;

    HULSE_ASSERT(params->kind != CREDENTIAL_NONE);
    HULSE_ASSERT(params->kind == CREDENTIAL_TOKEN || params->period_ms > 0);

    if (params->kind == CREDENTIAL_OAUTH2 || params->kind == CREDENTIAL_ATHENZ) {
        return HULSE_OK; /* its source is checked where it is made */
    }
    if (params->text[0] == '\0') {
        return hulse_fail(err, HULSE_INVAL, "a credential needs a token, a file or a command");
    }
    if (command && strlen(params->text) >= HULSE_HELPER_COMMAND_BYTES) {
        return hulse_fail(
            err, HULSE_INVAL, "token_command: at most %u bytes", HULSE_HELPER_COMMAND_BYTES - 1);
    }
    return HULSE_OK;
}

/* Copies of what params name; NULL where they have none. */
struct made {
    char *text;
    char *user;
    struct oauth2_source *oauth2;
    struct athenz_source *athenz;
};

static void unmake(struct made *m)
{
    free(m->text);
    free(m->user);
    hulse_oauth2_source_destroy(&m->oauth2);
    hulse_athenz_source_destroy(&m->athenz);
}

/* What there is after a failure is the caller's too. */
static hulse_status make(struct made *m, const struct credential_params *params, struct error *err)
{
    if (params->kind == CREDENTIAL_OAUTH2) {
        return hulse_oauth2_source_create(&m->oauth2, params->oauth2, err);
    }
    if (params->kind == CREDENTIAL_ATHENZ) {
        return hulse_athenz_source_create(&m->athenz, params->athenz, err);
    }
    m->text = strdup(params->text);
    m->user = params->kind == CREDENTIAL_BASIC ? strdup(params->user) : NULL;
    return m->text != NULL && (m->user != NULL || params->kind != CREDENTIAL_BASIC)
               ? HULSE_OK
               : hulse_fail(err, HULSE_NO_MEMORY, "no memory");
}

static bool
is_same(const struct credential *c, const struct credential_params *params, const struct made *m)
{
    if (c->kind != params->kind || c->period_ms != params->period_ms ||
        c->timeout_ms != params->timeout_ms) {
        return false;
    }
    if (m->oauth2 != NULL) {
        return hulse_oauth2_source_equal(c->oauth2, m->oauth2);
    }
    if (m->athenz != NULL) {
        return hulse_athenz_source_equal(c->athenz, m->athenz);
    }
    return strcmp(c->text, m->text) == 0 &&
           (c->user == NULL || (m->user != NULL && strcmp(c->user, m->user) == 0));
}

hulse_status hulse_credential_set(struct credential *c,
                                  const struct credential_params *params,
                                  struct error *err)
{
    struct made made = {0};
    hulse_status st = check(params, err);

    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    if (st == HULSE_OK) {
        st = make(&made, params, err);
    }
    if (st != HULSE_OK || is_same(c, params, &made)) {
        unmake(&made);
        return st;
    }
    stop(c);
    c->kind = params->kind;
    c->text = made.text;
    c->user = made.user;
    c->oauth2 = made.oauth2;
    c->athenz = made.athenz;
    c->period_ms = params->period_ms;
    c->timeout_ms = params->timeout_ms;
    c->refresh_ms = now_ms(c);
    plan(c);
    if (c->kind == CREDENTIAL_FILE || c->kind == CREDENTIAL_BASIC) {
        watch(c);
    }
    return HULSE_OK;
}

void hulse_credential_remove(struct credential *c)
{
    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    stop(c);
    c->current = NULL;
    hulse_secret_slot_set(&c->slot, NULL);
}

void hulse_credential_refused(struct credential *c, uint64_t generation)
{
    const uint64_t soon_ms = now_ms(c) + LEAST_MS;

    /* While an attempt is under way, or due after a failure, it is as good as another one. */
    if (c->kind == CREDENTIAL_NONE || c->kind == CREDENTIAL_TOKEN || c->failures > 0 ||
        generation == 0 || generation_of(c) != generation || c->command.id != 0 ||
        c->fetch.source != NULL || c->role_fetch.source != NULL) {
        return;
    }
    if (c->refresh_ms == 0 || c->refresh_ms > soon_ms) {
        c->refresh_ms = soon_ms;
        plan(c);
    }
}

void hulse_credential_status(const struct credential *c, struct credential_status *out)
{
    *out = (struct credential_status){
        .generation = generation_of(c),
        .expires_wall_ms = end_of(c),
        .failures = c->failures,
        .why = c->failures > 0 ? c->why : "",
        .complaint = c->complaint,
    };
}
