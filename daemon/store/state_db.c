/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/state_db.h"

#include "daemon/core/assert.h"
#include "daemon/store/db_check.h"
#include "daemon/store/db_file.h"
#include "daemon/store/db_place.h"
#include "daemon/store/state_db_internal.h"
#include "daemon/store/state_load.h"
#include "daemon/store/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct load {
    struct state *state;
    struct value_meta meta;
    uint64_t bad;
    bool meta_found;
    bool whole; /* the index as well */
    bool no_memory;
};

static enum db_visit load_row(void *ctx, const struct value_row *row)
{
    struct load *l = ctx;

    if (row->key.table == VALUE_META) {
        l->meta_found = hulse_value_meta_decode(row->value, row->value_bytes, &l->meta);
        if (l->meta_found) {
            hulse_state_load_meta(l->state, &l->meta);
        }
        return l->meta_found ? DB_GO_ON : DB_STOP;
    }
    if (row->key.table == VALUE_INDEX && !l->whole) {
        return DB_STOP; /* It comes last, and the whole log makes it again. */
    }
    const enum load_result result = hulse_state_load_row(l->state, row);
    l->bad += result == LOAD_BAD ? 1 : 0;
    l->no_memory = result == LOAD_NO_MEMORY;
    return l->no_memory ? DB_STOP : DB_GO_ON;
}

static hulse_status cannot_look(const struct state_db *db,
                                enum db_name name,
                                hulse_status status,
                                const char *why,
                                struct error *err)
{
    char path[DB_PATH_BYTES];

    hulse_db_path(path, db->params.directory, name);
    return hulse_fail(err, status, "store: cannot look at %s: %s", path, why);
}

/* *state is empty again. */
static hulse_status begin_empty(const struct state_db *db, struct state **state, struct error *err)
{
    hulse_state_destroy(state);
    *state = hulse_state_create(db->params.segment_bytes, db->params.handle_ttl_ms);
    return *state != NULL
               ? HULSE_OK
               : hulse_fail(err, HULSE_NO_MEMORY, "no memory for the state of the store");
}

/*
 * Reads a file that a child process has walked. !found->loaded: not usable after all, *state is empty again. `whole`:
 * every row has to be good.
 */
static hulse_status load_file(const struct state_db *db,
                              enum db_name name,
                              bool whole,
                              struct state **state,
                              struct state_db_found *found,
                              struct error *err)
{
    char path[DB_PATH_BYTES];
    struct db_file file = {0};
    struct load l = {.whole = whole};
    struct db_walk walk = {.visit = load_row, .ctx = &l};
    struct error why = {0};

    found->loaded = false;
    hulse_db_path(path, db->params.directory, name);
    if (begin_empty(db, state, err) != HULSE_OK) {
        return HULSE_NO_MEMORY;
    }
    l.state = *state;
    hulse_status status = hulse_db_file_open_read(&file, path, &why);
    if (status == HULSE_OK) {
        status = hulse_db_file_walk(&file, &walk, &why);
    }
    hulse_db_file_close(&file);
    if (l.no_memory) {
        status = hulse_fail(&why, HULSE_NO_MEMORY, "no memory for what is in it");
    }
    if (status != HULSE_OK && status != HULSE_PROTOCOL) {
        return cannot_look(db, name, status, why.text, err);
    }
    if (status != HULSE_OK || !l.meta_found || (whole && l.bad > 0)) {
        return begin_empty(db, state, err);
    }
    hulse_state_load_end(*state, whole);
    found->bad_rows += l.bad;
    found->covered = l.meta.covered;
    found->scan_from = whole ? l.meta.indexed : 0;
    found->loaded = true;
    return HULSE_OK;
}

/* What the children found. */
struct findings {
    struct db_finding state;
    struct db_finding copy;
    bool stale; /* one that covers less than its own copy has fallen back to an earlier time */
};

/* Neither is sound: what can be saved of the newer one that can be walked. */
static hulse_status salvage(const struct state_db *db,
                            const struct findings *f,
                            struct state **state,
                            struct state_db_found *found,
                            struct error *err)
{
    const bool state_first =
        f->state.verdict == DB_ROWS_BAD &&
        (f->copy.verdict != DB_ROWS_BAD || f->state.covered >= f->copy.covered);

    if (f->state.verdict != DB_ROWS_BAD && f->copy.verdict != DB_ROWS_BAD) {
        return HULSE_OK;
    }
    found->copy_used = !state_first;
    return load_file(db, state_first ? DB_STATE : DB_COPY, false, state, found, err);
}

static hulse_status look(const struct state_db *db, struct findings *f, struct error *err)
{
    struct db_finding *const out[] = {&f->state, &f->copy};
    static const enum db_name names[] = {DB_STATE, DB_COPY};
    char path[DB_PATH_BYTES];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        hulse_db_path(path, db->params.directory, names[i]);
        hulse_db_check(path, db->params.segment_bytes, out[i]);
        if (out[i]->verdict == DB_NOT_LOOKED) {
            return cannot_look(db, names[i], out[i]->status, out[i]->why, err);
        }
    }
    f->stale = f->state.verdict == DB_SOUND && f->copy.verdict == DB_SOUND &&
               f->state.covered < f->copy.covered;
    return HULSE_OK;
}

/* The best there is; *found says which. */
static hulse_status load(const struct state_db *db,
                         const struct findings *f,
                         struct state **state,
                         struct state_db_found *found,
                         struct error *err)
{
    hulse_status status = HULSE_OK;

    if (f->state.verdict == DB_SOUND && !f->stale) {
        status = load_file(db, DB_STATE, true, state, found, err);
    }
    found->state_lost = !found->loaded && !found->none;
    if (status == HULSE_OK && !found->loaded && f->copy.verdict == DB_SOUND) {
        status = load_file(db, DB_COPY, true, state, found, err);
        found->copy_used = found->loaded;
        found->copy_lost = !found->loaded;
    }
    if (f->copy.verdict != DB_SOUND) {
        /* Before its first copy a store has none, and misses it only when it needs it. */
        found->copy_lost = f->copy.verdict != DB_MISSING || found->state_lost;
    }
    if (status == HULSE_OK && !found->loaded) {
        status = salvage(db, f, state, found, err);
    }
    return status;
}

static void
set_aside(const struct state_db *db, const struct findings *f, const struct state_db_found *found)
{
    if (found->state_lost && f->state.verdict != DB_MISSING) {
        hulse_db_set_aside(db->params.directory, DB_STATE);
    }
    if (found->copy_lost && f->copy.verdict != DB_MISSING) {
        hulse_db_set_aside(db->params.directory, DB_COPY);
    }
}

static hulse_status
choose(struct state_db *db, struct state **state, struct state_db_found *found, struct error *err)
{
    struct findings f = {0};
    hulse_status status = look(db, &f, err);

    if (status == HULSE_OK) {
        found->none =
            !db->params.had_one && f.state.verdict == DB_MISSING && f.copy.verdict == DB_MISSING;
        status = load(db, &f, state, found, err);
    }
    if (status != HULSE_OK) {
        return status;
    }
    (void)snprintf(found->state_why,
                   sizeof(found->state_why),
                   "%s",
                   f.stale ? "it is older than its copy" : f.state.why);
    (void)snprintf(found->copy_why, sizeof(found->copy_why), "%s", f.copy.why);
    if (!db->params.look_only) {
        set_aside(db, &f, found);
    }
    db->copy_covered = f.copy.verdict == DB_SOUND ? f.copy.covered : 0;
    db->written.covered = found->state_lost ? 0 : found->covered;
    return HULSE_OK;
}

hulse_status hulse_state_db_open(struct state_db **out,
                                 struct state **state,
                                 const struct state_db_params *params,
                                 struct state_db_found *found,
                                 struct error *err)
{
    struct state_db *db = calloc(1, sizeof(*db));

    *found = (struct state_db_found){0};
    *out = NULL;
    *state = hulse_state_create(params->segment_bytes, params->handle_ttl_ms);
    if (db == NULL || *state == NULL) {
        free(db);
        hulse_state_destroy(state);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the state of the store");
    }
    db->params = *params;
    if (db->params.map_bytes == 0) {
        db->params.map_bytes = STATE_DB_MAP_BYTES;
    }
    const hulse_status status = choose(db, state, found, err);
    if (status != HULSE_OK) {
        hulse_state_destroy(state);
        free(db);
        return status;
    }
    hulse_state_db_keep_room(db);
    *out = db;
    return HULSE_OK;
}

uint64_t hulse_state_db_covered(const struct state_db *db)
{
    return db->written.covered < db->copy_covered ? db->written.covered : db->copy_covered;
}

uint64_t hulse_state_db_copy_covered(const struct state_db *db)
{
    return db->copy_covered;
}

void hulse_state_db_close(struct state_db **dbp)
{
    if (*dbp != NULL) {
        hulse_db_file_close(&(*dbp)->file);
        free(*dbp);
        *dbp = NULL;
    }
}
