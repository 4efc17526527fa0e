/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - opening and closing, and the texts of failures.
 *
 * Threads: open and close by one thread; the texts by any.
 */
#include "shmlib/client/channel.h"
#include "shmlib/client/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char open_error[HULSE_FAULT_BYTES] = "no open has failed in this thread";
/* Copy for the calling thread, so that a text does not change under its reader. */
static _Thread_local char last_error[HULSE_FAULT_BYTES];

hulse_status
hulse_session_fault(struct hulse_session *s, hulse_status status, const char *format, ...)
{
    va_list args;

    (void)pthread_mutex_lock(&s->fault_lock);
    va_start(args, format);
    (void)vsnprintf(s->fault, sizeof(s->fault), format, args);
    va_end(args);
    (void)pthread_mutex_unlock(&s->fault_lock);
    return status;
}

hulse_status hulse_session_no_descriptor(struct hulse_session *s, const char *what, int error)
{
    return error == EMFILE
               ? hulse_session_fault(s, HULSE_LIMIT, "cannot make %s: %s", what, HULSE_STARVED_TEXT)
               : hulse_session_fault(s, HULSE_IO, "cannot make %s: errno %d", what, error);
}

const char *hulse_open_error(void)
{
    return open_error;
}

const char *hulse_last_error(const hulse_session *s)
{
    const char *why = NULL;

    if (s == NULL) {
        return "no session";
    }
    if (hulse_session_status(s, &why) == HULSE_CLOSED) {
        return why; /* a lock inherited by a child may be held for ever */
    }
    /* The text is private to the library; const is for the caller. */
    struct hulse_session *own = (struct hulse_session *)(uintptr_t)s;
    (void)pthread_mutex_lock(&own->fault_lock);
    memcpy(last_error, own->fault, sizeof(last_error));
    (void)pthread_mutex_unlock(&own->fault_lock);
    return last_error;
}

uint64_t hulse_session_id(const hulse_session *s)
{
    /* Relaxed because it stands alone. */
    return s == NULL ? 0 : atomic_load_explicit(&s->id, memory_order_relaxed);
}

const char *hulse_version(void)
{
    return HULSE_VERSION;
}

static void destroy(struct hulse_session *s)
{
    const bool forked = hulse_session_state(s) == HULSE_SESSION_FORKED;

    hulse_fork_forget(s);
    for (unsigned i = 0; i < HULSE_GROUPS_MAX; i++) {
        struct hulse_group *g = hulse_group_find(s, i);
        if (g != NULL) {
            hulse_group_free(g);
        }
    }
    if (!forked) {
        if (s->sock >= 0) {
            (void)close(s->sock);
        }
        if (s->bell >= 0) {
            (void)close(s->bell);
        }
        (void)pthread_mutex_destroy(&s->lock);
        (void)pthread_mutex_destroy(&s->fault_lock);
    }
    free(s);
}

hulse_status hulse_open(hulse_session **out, const hulse_options *o)
{
    if (out == NULL) {
        return HULSE_INVAL;
    }
    *out = NULL;
    struct hulse_session *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        (void)snprintf(open_error, sizeof(open_error), "no memory for a session");
        return HULSE_NO_MEMORY;
    }
    o = o != NULL ? o : &hulse_options_default;
    s->sock = -1;
    s->bell = -1;
    s->timeout_ms = o->timeout_ms;
    s->open_timeout_ms = o->open_timeout_ms;
    (void)snprintf(s->fault, sizeof(s->fault), "nothing has failed");
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_init(&s->fault_lock, NULL);
    hulse_fork_register(s);
    const hulse_status st = hulse_session_connect(s, o);
    if (st != HULSE_OK) {
        memcpy(open_error, s->fault, sizeof(open_error));
        destroy(s);
        return st;
    }
    *out = s;
    return HULSE_OK;
}

/* FAILED says more than TIMED_OUT, and any more than OK. */
static hulse_status worse(hulse_status a, hulse_status b)
{
    return a == HULSE_OK || b == HULSE_FAILED ? b : a;
}

/* Publishes on every channel first, so that they drain side by side. */
static void flush_all(struct hulse_session *s)
{
    for (unsigned i = 0; i < HULSE_GROUPS_MAX; i++) {
        const struct hulse_group *g = hulse_group_find(s, i);
        for (struct hulse_handle *h = g == NULL ? NULL : g->handles; h != NULL; h = h->next) {
            hulse_channel_flush(h->channel);
        }
    }
}

hulse_status hulse_close(hulse_session **s, int drain_ms)
{
    if (s == NULL || *s == NULL) {
        return HULSE_INVAL;
    }
    const struct hulse_deadline deadline = hulse_deadline_in(drain_ms);
    hulse_status st = HULSE_OK;

    if (hulse_session_state(*s) != HULSE_SESSION_FORKED) {
        flush_all(*s);
    }
    for (unsigned i = 0; i < HULSE_GROUPS_MAX; i++) {
        const struct hulse_group *g = hulse_group_find(*s, i);
        while (g != NULL && g->handles != NULL) {
            const int left_ms = drain_ms < 0 ? drain_ms : hulse_deadline_left(deadline, drain_ms);
            /* Nobody waits for ever for a word that says nothing new. */
            const struct hulse_deadline *answer = drain_ms < 0 ? NULL : &deadline;
            st = worse(st, hulse_handle_close(g->handles, left_ms, answer));
        }
    }
    destroy(*s);
    *s = NULL;
    return st;
}
