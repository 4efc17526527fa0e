/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_order - see store_order.h.
 */
#include "daemon/control/store_order.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/thread.h"

#include <string.h>
#include <time.h>

enum { PAUSE_NS = 1000000 };

void hulse_store_order_init(struct store_order *o, struct loop *loop, struct store *store)
{
    *o = (struct store_order){.loop = loop, .store = store};
}

bool hulse_store_order_is(const struct admin_request *request)
{
    return request->command == ADMIN_STORE_CHECK || request->command == ADMIN_STORE_BACKUP;
}

/* ---- the thread -------------------------------------------------------------------------- */

static void *work(void *argument)
{
    struct store_order *o = argument;

    o->status = o->request.command == ADMIN_STORE_CHECK
                    ? hulse_store_check_running(o->store, &o->stop, &o->findings, &o->err)
                    : hulse_store_backup_running(
                          o->store, o->request.directory, &o->stop, &o->backup, &o->err);
    hulse_inbox_answer(&o->loop->inbox, &o->node);
    return NULL;
}

/* ---- the answer -------------------------------------------------------------------------- */

static json_t *findings(const struct store_findings *found)
{
    struct store_finding list[STORE_FINDINGS_MAX];
    const size_t count = hulse_store_findings_list(found, list);
    json_t *result = json_pack("{s:b}", "good", hulse_store_findings_good(found) ? 1 : 0);

    for (size_t i = 0; result != NULL && i < count; i++) {
        if (json_object_set_new(result, list[i].name, json_integer((json_int_t)list[i].count)) !=
            0) {
            json_decref(result);
            result = NULL;
        }
    }
    return result;
}

static void compose(const struct store_order *o, struct admin_line *line)
{
    if (o->status != HULSE_OK) {
        (void)hulse_admin_answer_error(line, o->status, o->err.text);
    } else if (o->request.command == ADMIN_STORE_CHECK) {
        (void)hulse_admin_answer(line, findings(&o->findings));
    } else {
        (void)hulse_admin_answer(line,
                                 json_pack("{s:s, s:I, s:I}",
                                           "directory",
                                           o->request.directory,
                                           "segments",
                                           (json_int_t)o->backup.segments,
                                           "bytes",
                                           (json_int_t)o->backup.bytes));
    }
}

static void log_end(const struct store_order *o)
{
    const bool check = o->request.command == ADMIN_STORE_CHECK;

    HULSE_LOG_STATE(
        "store.looked_at",
        hulse_log_str("command", check ? "check" : "backup"),
        hulse_log_str("directory", check ? hulse_store_path(o->store) : o->request.directory),
        hulse_log_str("status", hulse_status_text(o->status)),
        hulse_log_str("detail", o->err.text),
        hulse_log_str("good", check && !hulse_store_findings_good(&o->findings) ? "no" : "yes"));
}

static void answered(struct inbox_node *node)
{
    struct store_order *o = HULSE_CONTAINER(node, struct store_order, node);
    void (*done)(void *ctx, const struct admin_line *line) = o->done;
    struct admin_line line = {0};

    (void)pthread_join(o->thread, NULL);
    o->under_way = false;
    o->done = NULL;
    log_end(o);
    if (done != NULL) {
        compose(o, &line);
        done(o->ctx, &line);
    }
}

/* ---- begin and end ----------------------------------------------------------------------- */

bool hulse_store_order_start(struct store_order *o,
                             const struct admin_request *request,
                             void (*done)(void *ctx, const struct admin_line *line),
                             void *ctx,
                             struct admin_line *out)
{
    if (o->store == NULL) {
        (void)hulse_admin_answer_error(
            out, HULSE_UNSUPPORTED, "this daemon has no store: no local broker with a directory");
        return false;
    }
    if (o->under_way) {
        (void)hulse_admin_answer_error(
            out, HULSE_BUSY, "a check or a backup of the store is under way");
        return false;
    }
    o->request = *request;
    o->err = (struct error){0};
    o->done = done;
    o->ctx = ctx;
    o->node.run = answered;
    atomic_store_explicit(&o->stop, 0, memory_order_relaxed);
    if (hulse_thread_start(&o->thread, "store look", work, o) != 0) {
        o->done = NULL;
        (void)hulse_admin_answer_error(out, HULSE_NO_MEMORY, "no thread to do it");
        return false;
    }
    o->under_way = true;
    return true;
}

void hulse_store_order_forget(struct store_order *o, const void *ctx)
{
    if (o->ctx == ctx) {
        o->done = NULL;
    }
}

void hulse_store_order_fini(struct store_order *o)
{
    o->done = NULL;
    /* Relaxed because nothing comes with it. */
    atomic_store_explicit(&o->stop, 1, memory_order_relaxed);
    while (o->under_way) {
        if (hulse_inbox_run(&o->loop->inbox, 1) == 0) {
            (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        }
    }
}
