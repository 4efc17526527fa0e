/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - see reload.h.
 *
 * What counts is whether the file at the path is another one than that which was read.
 */
#include "daemon/control/reload.h"

#include "daemon/config/text_file.h"
#include "daemon/control/notify.h"
#include "daemon/control/schema_rules.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* So many of one configuration are logged; the answer of a request has them all. */
#define PROBLEMS_LOGGED 8U
#define LIST_BYTES 512U

/* ---- reading again ---- */

static void log_warning(const struct config_problem *p)
{
    HULSE_LOG_WARNF("config.warning",
                    hulse_log_str("file", p->file),
                    hulse_log_u64("line", p->line),
                    hulse_log_u64("column", p->column),
                    hulse_log_str("why", p->text));
}

static void log_error(const struct config_problem *p, size_t errors)
{
    HULSE_LOG_ERRORF("config.rejected",
                     hulse_log_str("file", p->file),
                     hulse_log_u64("line", p->line),
                     hulse_log_u64("column", p->column),
                     hulse_log_str("why", p->text),
                     hulse_log_u64("problems", errors));
}

static void log_problems(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count && i < PROBLEMS_LOGGED; i++) {
        if (problems->list[i].warning) {
            log_warning(&problems->list[i]);
        } else {
            log_error(&problems->list[i], problems->errors);
        }
    }
}

static void join(const char *const *paths, size_t count, char *out, size_t out_bytes)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used < out_bytes; i++) {
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i == 0 ? "" : ",", paths[i]);
    }
}

static void log_change(const struct reload *r, const char *trigger)
{
    const struct config_change *change = &r->change;
    char applied[LIST_BYTES];

    join(change->applied, change->applied_count, applied, sizeof(applied));
    HULSE_LOG_STATE("config.reloaded",
                    hulse_log_u64("generation", r->generation),
                    hulse_log_str("trigger", trigger),
                    hulse_log_str("applied", applied),
                    hulse_log_u64("restart", change->restart_count));
    for (size_t i = 0; i < change->restart_count; i++) {
        HULSE_LOG_STATE("config.needs_restart", hulse_log_str("key", change->restart[i]));
    }
}

/* What was found with running values in place would be fine after a restart. */
static void explain_restart(struct reload *r)
{
    char restart[LIST_BYTES];

    if (r->problems.errors > 0) {
        join(r->change.restart, r->change.restart_count, restart, sizeof(restart));
        hulse_problem_add(&r->problems,
                          (struct config_place){0},
                          "until a restart the running value counts of %.200s",
                          restart);
    }
}

/* The fresh one as it would be in effect, checked; NULL with the problems. */
static struct config *load(struct reload *r)
{
    struct config *fresh = hulse_config_load(r->params.sources, &r->problems);

    memset(&r->change, 0, sizeof(r->change));
    if (fresh == NULL) {
        return NULL;
    }
    if (!hulse_config_take_over(fresh, r->running, &r->change)) {
        hulse_problem_add(&r->problems, (struct config_place){0}, "no memory");
    } else if (r->change.restart_count > 0) {
        /* New rules with old brokers or limits may not go together. */
        hulse_config_check(fresh, &r->problems);
        explain_restart(r);
    }
    hulse_schema_rules_check(fresh, &r->problems);
    if (r->problems.errors > 0) {
        hulse_config_destroy(&fresh);
    }
    return fresh;
}

/* Takes *fresh. False, and reported: it could not be applied. */
static bool apply(struct reload *r, struct config **fresh)
{
    struct config *before = r->own;
    struct error err = {0};

    if (r->params.apply(r->params.ctx, *fresh, &err) != HULSE_OK) {
        hulse_problem_add(&r->problems, (struct config_place){0}, "%s", err.text);
        hulse_config_destroy(fresh);
        return false;
    }
    r->running = *fresh;
    r->own = *fresh;
    *fresh = NULL;
    r->generation++;
    hulse_config_destroy(&before);
    return true;
}

static void announce_begin(const struct reload *r)
{
    char state[64];

    (void)snprintf(
        state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, hulse_clock_ns() / 1000U);
    (void)hulse_notify(r->params.notify_socket, state);
}

bool hulse_reload_run(struct reload *r, const char *trigger)
{
    announce_begin(r);
    /* Before the reading: a change in between is seen as one afterwards. */
    r->seen = hulse_config_stamp(r->path);
    struct config *fresh = load(r);
    r->failed = fresh == NULL || !apply(r, &fresh);
    if (!r->failed) {
        log_change(r, trigger);
    }
    log_problems(&r->problems);
    (void)hulse_notify(r->params.notify_socket, "READY=1");
    return !r->failed;
}

/* ---- watching ---- */

static void look(void *ctx)
{
    struct reload *r = ctx;
    static const struct config_stamp nothing;
    const struct config_stamp now = hulse_config_stamp(r->path);

    /* Between the old file and the new one there may be none. */
    if (!hulse_config_stamp_equal(&now, &nothing) && !hulse_config_stamp_equal(&now, &r->seen)) {
        (void)hulse_reload_run(r, "watch");
    }
}

void hulse_reload_init(struct reload *r, const struct reload_params *params)
{
    const char *path = params->initial->file;

    memset(r, 0, sizeof(*r));
    r->params = *params;
    r->running = params->initial;
    r->generation = 1;
    r->seen = params->initial->stamp;
    (void)snprintf(r->path, sizeof(r->path), "%s", path == NULL ? "" : path);
    const struct folder_watch_params watch = {.loop = params->loop, .look = look, .ctx = r};
    hulse_folder_watch_init(&r->watch, &watch);
    hulse_folder_watch_add(&r->watch, r->path);
}

hulse_status hulse_reload_open(struct reload *r, struct error *err)
{
    if (!r->running->watch) {
        return HULSE_OK;
    }
    if (r->path[0] == '\0') {
        HULSE_LOG_WARNF("config.unwatched", hulse_log_str("why", "there is no file"));
        return HULSE_OK;
    }
    return hulse_folder_watch_open(&r->watch, err);
}

void hulse_reload_close(struct reload *r)
{
    hulse_folder_watch_close(&r->watch);
    r->running = r->params.initial;
    hulse_config_destroy(&r->own);
}
