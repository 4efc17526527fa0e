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

/*
 * Reads a file that a child process has walked. False: not usable after all, *state is empty again. `whole`: every
 * row has to be good.
 */
static bool load_file(struct state_db *db,
                      const char *path,
                      bool whole,
                      struct state **state,
                      struct state_db_found *found)
{
    struct db_file file = {0};
    struct load l = {.whole = whole};
    struct db_walk walk = {.visit = load_row, .ctx = &l};
    struct error err = {0};

    hulse_state_destroy(state);
    *state = hulse_state_create(db->params.segment_bytes, db->params.handle_ttl_ms);
    l.state = *state;
    if (*state == NULL || hulse_db_file_open_read(&file, path, &err) != HULSE_OK) {
        return false;
    }
    const hulse_status status = hulse_db_file_walk(&file, &walk, &err);
    hulse_db_file_close(&file);
    if (status != HULSE_OK || l.no_memory || !l.meta_found || (whole && l.bad > 0)) {
        hulse_state_destroy(state);
        *state = hulse_state_create(db->params.segment_bytes, db->params.handle_ttl_ms);
        return false;
    }
    hulse_state_load_end(*state, whole);
    found->bad_rows += l.bad;
    found->covered = l.meta.covered;
    found->scan_from = whole ? l.meta.indexed : 0;
    return true;
}

/* Neither is sound: what can be saved of the newer one that can be walked. */
static void salvage(struct state_db *db,
                    const struct db_finding *state_finding,
                    const struct db_finding *copy_finding,
                    struct state **state,
                    struct state_db_found *found)
{
    char path[DB_PATH_BYTES];
    const bool state_first =
        state_finding->verdict == DB_ROWS_BAD &&
        (copy_finding->verdict != DB_ROWS_BAD || state_finding->covered >= copy_finding->covered);

    if (state_finding->verdict != DB_ROWS_BAD && copy_finding->verdict != DB_ROWS_BAD) {
        return;
    }
    hulse_db_path(path, db->params.directory, state_first ? DB_STATE : DB_COPY);
    found->copy_used = !state_first;
    (void)load_file(db, path, false, state, found);
}

static void choose(struct state_db *db, struct state **state, struct state_db_found *found)
{
    char state_path[DB_PATH_BYTES];
    char copy_path[DB_PATH_BYTES];
    struct db_finding one;
    struct db_finding other;

    hulse_db_path(state_path, db->params.directory, DB_STATE);
    hulse_db_path(copy_path, db->params.directory, DB_COPY);
    hulse_db_check(state_path, db->params.segment_bytes, &one);
    hulse_db_check(copy_path, db->params.segment_bytes, &other);
    found->none = one.verdict == DB_MISSING && other.verdict == DB_MISSING;

    /* One that covers less than its own copy has fallen back to an earlier time. */
    const bool stale =
        one.verdict == DB_SOUND && other.verdict == DB_SOUND && one.covered < other.covered;
    bool loaded =
        !stale && one.verdict == DB_SOUND && load_file(db, state_path, true, state, found);
    found->state_lost = !loaded && !found->none;
    (void)snprintf(found->state_why,
                   sizeof(found->state_why),
                   "%s",
                   stale ? "it is older than its copy" : one.why);
    if (!loaded && other.verdict == DB_SOUND) {
        loaded = load_file(db, copy_path, true, state, found);
        found->copy_used = loaded;
        found->copy_lost = !loaded;
    }
    db->copy_covered = other.verdict == DB_SOUND ? other.covered : 0;
    if (other.verdict != DB_SOUND) {
        /* Before its first copy a store has none, and misses it only when it needs it. */
        found->copy_lost = other.verdict != DB_MISSING || found->state_lost;
        (void)snprintf(found->copy_why, sizeof(found->copy_why), "%s", other.why);
    }
    if (!loaded) {
        salvage(db, &one, &other, state, found);
    }
    const bool look_only = db->params.look_only;
    if (found->state_lost && one.verdict != DB_MISSING && !look_only) {
        hulse_db_set_aside(db->params.directory, DB_STATE);
    }
    if (found->copy_lost && other.verdict != DB_MISSING && !look_only) {
        hulse_db_set_aside(db->params.directory, DB_COPY);
    }
    db->written.covered = found->state_lost ? 0 : found->covered;
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
    choose(db, state, found);
    hulse_state_db_keep_room(db);
    if (*state == NULL) {
        free(db);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the state of the store");
    }
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
