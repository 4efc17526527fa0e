/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When checkpoints of the state are made and committed, and when the last good copy is renewed.
 */
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/store/store_internal.h"

enum { NS_PER_MS = 1000000 };

static void count(struct store *s)
{
    /* Relaxed because it is a figure. */
    atomic_fetch_add_explicit(&s->counts.checkpoints, 1, memory_order_relaxed);
    atomic_store_explicit(&s->counts.checkpoint_ns, hulse_clock_ns(), memory_order_relaxed);
}

/* ---- the writer -------------------------------------------------------------------------- */

static bool is_long_ago(const struct writer *w)
{
    return w->checkpoint_ns == 0 || hulse_clock_ns() - w->checkpoint_ns >= STORE_CHECKPOINT_SOON_NS;
}

/* Locked. Is it time, and is the last one through? */
static bool is_due(const struct store *s, uint64_t lsn)
{
    const struct writer *w = &s->writer;

    if (s->checkpoint != NULL || s->committing) {
        return false;
    }
    if (s->commit_wanted) {
        return true;
    }
    if (lsn == w->checkpoint_lsn) {
        return false;
    }
    const uint64_t behind = lsn - w->checkpoint_lsn;
    return behind >= STORE_CHECKPOINT_BYTES || (behind >= s->params.soon_bytes && is_long_ago(w)) ||
           (w->full && s->space.wait_for > s->committed);
}

void hulse_store_checkpoint(struct store *s)
{
    bool made = false;

    (void)pthread_mutex_lock(&s->lock);
    if (is_due(s, s->synced)) {
        s->checkpoint = hulse_state_checkpoint(s->state, s->synced, hulse_clock_ns() / NS_PER_MS);
        s->checkpoint_lsn = s->synced;
        s->writer.checkpoint_lsn = s->synced;
        s->writer.checkpoint_ns = hulse_clock_ns();
        made = s->checkpoint != NULL;
        s->commit_wanted = s->commit_wanted && !made;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (made) {
        hulse_store_call_reader(s);
    }
}

/* ---- the database ------------------------------------------------------------------------ */

static void warn(const struct store *s, const char *what, const struct error *err)
{
    HULSE_LOG_WARNF("store.checkpoint_failed",
                    hulse_log_str("directory", s->path),
                    hulse_log_str("what", what),
                    hulse_log_str("error", err->text));
}

static bool is_in_database(hulse_status committed)
{
    return committed == HULSE_OK || committed == HULSE_LIMIT;
}

/* Frees it. Anything but OK: the next one has to have everything. */
static hulse_status commit(struct store *s, struct checkpoint **cp, uint64_t lsn)
{
    struct error err = {0};
    const hulse_status status = hulse_state_db_commit(s->db, *cp, &err);

    hulse_checkpoint_free(cp);
    if (is_in_database(status)) {
        (void)pthread_mutex_lock(&s->lock);
        s->committed = lsn;
        (void)pthread_mutex_unlock(&s->lock);
        count(s);
    }
    if (status != HULSE_OK) {
        warn(s, "commit", &err);
    }
    return status;
}

/* AGAIN: nothing was committed since the start; the first commit is copied. */
static hulse_status copy(struct store *s)
{
    struct error err = {0};
    const hulse_status status = hulse_state_db_copy(s->db, &err);

    if (status != HULSE_OK && status != HULSE_AGAIN) {
        warn(s, "copy", &err);
    }
    return status;
}

/* Is there room that only the copy keeps from being free, or is it old? */
static bool copy_is_wanted(struct store *s)
{
    const uint64_t copied = hulse_state_db_copy_covered(s->db);

    (void)pthread_mutex_lock(&s->lock);
    const uint64_t committed = s->committed;
    const uint64_t wait_for = s->space.wait_for;
    (void)pthread_mutex_unlock(&s->lock);
    return committed > copied && ((wait_for != 0 && copied < wait_for && committed >= wait_for) ||
                                  committed - copied >= STORE_COPY_BYTES);
}

static struct checkpoint *take(struct store *s, uint64_t *lsn)
{
    (void)pthread_mutex_lock(&s->lock);
    struct checkpoint *cp = s->checkpoint;
    *lsn = s->checkpoint_lsn;
    s->checkpoint = NULL;
    s->committing = cp != NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return cp;
}

/* One is to be made, also when nothing has come since the last one. When none comes, again later. */
static void want_commit(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->commit_wanted = true;
    (void)pthread_mutex_unlock(&s->lock);
    s->reader.state_failed_ns = hulse_clock_ns();
}

static void end_commit(struct store *s, hulse_status committed)
{
    (void)pthread_mutex_lock(&s->lock);
    s->committing = false;
    s->space.covered = hulse_state_db_covered(s->db);
    if (committed != HULSE_OK) {
        hulse_state_all_changed(s->state);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

/* What has failed is tried again by itself: while the store is full nothing else may come that asks for it. */
bool hulse_store_commit(struct store *s)
{
    struct reader *r = &s->reader;
    uint64_t lsn = 0;
    struct checkpoint *cp = take(s, &lsn);
    const bool had_one = cp != NULL;
    const bool is_time =
        r->state_failed_ns == 0 || hulse_clock_ns() - r->state_failed_ns >= STORE_STATE_RETRY_NS;

    if (!had_one && r->commit_failed) {
        if (is_time) {
            want_commit(s);
        }
        return is_time;
    }
    hulse_status committed = HULSE_OK;
    if (had_one) {
        committed = commit(s, &cp, lsn);
        r->commit_failed = !is_in_database(committed);
        r->state_failed_ns = r->commit_failed ? hulse_clock_ns() : 0;
    }
    hulse_status copied = HULSE_AGAIN;
    if (!r->commit_failed && (had_one || is_time) && copy_is_wanted(s)) {
        copied = copy(s);
        if (copied == HULSE_AGAIN && !had_one) {
            want_commit(s);
            return true;
        }
        r->state_failed_ns = copied == HULSE_OK ? 0 : hulse_clock_ns();
    }
    if (!had_one && copied != HULSE_OK) {
        return false;
    }
    end_commit(s, committed);
    return true;
}

bool hulse_store_checkpoint_last(struct store *s)
{
    if (s->checkpoint != NULL) {
        /* What it has is not in the next one. */
        struct checkpoint *before = s->checkpoint;
        s->checkpoint = NULL;
        if (commit(s, &before, s->checkpoint_lsn) != HULSE_OK) {
            hulse_state_all_changed(s->state);
        }
    }
    struct checkpoint *cp =
        hulse_state_checkpoint(s->state, s->synced, hulse_clock_ns() / NS_PER_MS);
    return cp != NULL && commit(s, &cp, s->synced) == HULSE_OK && copy(s) == HULSE_OK;
}
