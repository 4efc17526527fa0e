/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits of checkpoints.
 */
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/store/db_place.h"
#include "daemon/store/state_db_internal.h"
#include "daemon/store/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One transaction. */
struct writing {
    MDB_txn *txn;
    const struct db_file *file;
    uint64_t digest; /* of what is in the file, row by row */
};

static MDB_val val(const void *data, size_t bytes)
{
    /* LMDB only reads what it is given. */
    return (MDB_val){.mv_size = bytes, .mv_data = (void *)(uintptr_t)data};
}

static int remove_one(struct writing *w, const struct value_row *row)
{
    const MDB_dbi dbi = w->file->tables[row->key.table];
    MDB_val key = val(row->key.data, row->key.bytes);
    MDB_val value = {0};
    int rc = mdb_get(w->txn, dbi, &key, &value);

    if (rc == 0) {
        w->digest -= hulse_value_digest(value.mv_data, value.mv_size);
        rc = mdb_del(w->txn, dbi, &key, NULL);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Looked for anew each time: where a cursor stands behind what it removed depends on the page. */
static int remove_all(struct writing *w, const struct value_row *row)
{
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(w->txn, w->file->tables[row->key.table], &cursor);

    while (rc == 0) {
        MDB_val key = val(row->key.data, row->key.bytes);
        MDB_val value = {0};
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (rc != 0 || key.mv_size < row->key.bytes ||
            memcmp(key.mv_data, row->key.data, row->key.bytes) != 0) {
            break;
        }
        w->digest -= hulse_value_digest(value.mv_data, value.mv_size);
        rc = mdb_cursor_del(cursor, 0);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_row(struct writing *w, const struct value_row *row)
{
    const MDB_dbi dbi = w->file->tables[row->key.table];
    MDB_val key = val(row->key.data, row->key.bytes);
    MDB_val value = {0};
    const int rc = mdb_get(w->txn, dbi, &key, &value);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        return rc;
    }
    if (rc == 0) {
        w->digest -= hulse_value_digest(value.mv_data, value.mv_size);
    }
    w->digest += hulse_value_digest(row->value, row->value_bytes);
    value = val(row->value, row->value_bytes);
    return mdb_put(w->txn, dbi, &key, &value, 0);
}

/*
 * Without its index a topic must not say that its messages are known: what stands in the file stays.
 * In a copy of the value, which is sealed anew.
 */
static int put_unindexed_topic(struct writing *w, const struct value_row *row)
{
    MDB_val key = val(row->key.data, row->key.bytes);
    MDB_val old = {0};
    uint64_t end = 0;
    uint8_t *copy = malloc(row->value_bytes);

    if (copy == NULL) {
        return ENOMEM;
    }
    if (mdb_get(w->txn, w->file->tables[VALUE_TOPIC], &key, &old) == 0 &&
        hulse_value_sound(&row->key, old.mv_data, old.mv_size) &&
        old.mv_size >= VALUE_HEADER_BYTES + VALUE_TOPIC_BYTES) {
        end = hulse_get64((const uint8_t *)old.mv_data + VALUE_HEADER_BYTES + 8);
    }
    memcpy(copy, row->value, row->value_bytes);
    hulse_put64(copy + VALUE_HEADER_BYTES + 8, end);
    hulse_value_seal(&row->key, copy, row->value_bytes);
    const struct value_row sealed = {
        .key = row->key, .value = copy, .value_bytes = row->value_bytes};
    const int rc = put_row(w, &sealed);
    free(copy);
    return rc;
}

static int put_meta(struct writing *w, const struct value_meta *meta)
{
    const struct value_key of = hulse_value_key_meta();
    uint8_t bytes[VALUE_META_BYTES];
    MDB_val key = val(of.data, of.bytes);
    MDB_val value = val(bytes, sizeof(bytes));

    hulse_value_meta_encode(meta, bytes);
    return mdb_put(w->txn, w->file->tables[VALUE_META], &key, &value, 0);
}

static int write_rows(struct writing *w, const struct checkpoint *cp, bool small)
{
    struct value_row row;
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && hulse_value_list_next(&cp->removed, &at, &row)) {
        rc = row.prefix ? remove_all(w, &row) : remove_one(w, &row);
    }
    at = 0;
    while (rc == 0 && hulse_value_list_next(&cp->values, &at, &row)) {
        if (!small || row.key.table == VALUE_SUBSCRIPTION) {
            rc = put_row(w, &row);
        } else if (row.key.table == VALUE_TOPIC) {
            rc = put_unindexed_topic(w, &row);
        }
    }
    return rc;
}

/* On success *said is what the file says of itself now. */
static int write_once(const struct db_file *file,
                      const struct checkpoint *cp,
                      bool small,
                      struct written *said)
{
    struct writing w = {.file = file, .digest = said->digest};
    struct value_meta meta = cp->meta;
    int rc = mdb_txn_begin(file->env, NULL, 0, &w.txn);

    if (rc != 0) {
        return rc;
    }
    rc = write_rows(&w, cp, small);
    meta.indexed = small ? said->indexed : meta.indexed;
    meta.digest = w.digest;
    rc = rc == 0 ? put_meta(&w, &meta) : rc;
    if (rc != 0) {
        mdb_txn_abort(w.txn);
        return rc;
    }
    rc = mdb_txn_commit(w.txn);
    if (rc == 0) {
        *said = (struct written){
            .covered = meta.covered, .indexed = meta.indexed, .digest = meta.digest};
    }
    return rc;
}

/* LIMIT: only what is small is there now; there is as much room again to write it when the map is full. */
static hulse_status write_checkpoint(const struct state_db *db,
                                     const struct db_file *file,
                                     const struct checkpoint *cp,
                                     struct written *said,
                                     struct error *err)
{
    int rc = write_once(file, cp, false, said);

    if (rc == 0) {
        return HULSE_OK;
    }
    if (rc != MDB_MAP_FULL) {
        return hulse_db_fail(err, rc, "writing the state");
    }
    rc = mdb_env_set_mapsize(file->env, db->params.map_bytes * 2);
    rc = rc == 0 ? write_once(file, cp, true, said) : rc;
    if (rc != 0) {
        (void)hulse_db_fail(err, rc, "writing the state without its index");
        return HULSE_IO;
    }
    return hulse_fail(err, HULSE_LIMIT, "the database of the state is full: its index is left out");
}

/* Everything, in a new file that takes the old one's place. */
static hulse_status commit_all(struct state_db *db, const struct checkpoint *cp, struct error *err)
{
    char path[DB_PATH_BYTES];
    struct db_file fresh = {0};
    struct written said = {0};
    struct error why = {0};

    if (!hulse_db_path(path, db->params.directory, DB_STATE_NEW)) {
        return hulse_fail(err, HULSE_INVAL, "the name of the directory is too long");
    }
    (void)unlink(path);
    hulse_status status = hulse_db_file_open(&fresh, path, db->params.map_bytes, err);
    if (status != HULSE_OK) {
        (void)unlink(path);
        return status == HULSE_LIMIT ? HULSE_IO : status;
    }
    status = write_checkpoint(db, &fresh, cp, &said, err);
    if ((status == HULSE_OK || status == HULSE_LIMIT) &&
        hulse_db_replace(db->params.directory, DB_STATE_NEW, DB_STATE, &why) != HULSE_OK) {
        status = hulse_fail(err, HULSE_IO, "%s", why.text);
    }
    if (status != HULSE_OK && status != HULSE_LIMIT) {
        hulse_db_file_close(&fresh);
        (void)unlink(path);
        return status;
    }
    hulse_db_file_close(&db->file);
    db->file = fresh;
    db->written = said;
    return status;
}

static hulse_status commit(struct state_db *db, const struct checkpoint *cp, struct error *err)
{
    if (cp->all) {
        return commit_all(db, cp, err);
    }
    HULSE_ASSERT(db->file.env != NULL);
    return write_checkpoint(db, &db->file, cp, &db->written, err);
}

hulse_status
hulse_state_db_commit(struct state_db *db, const struct checkpoint *cp, struct error *err)
{
    hulse_status status = commit(db, cp, err);

    if (status == HULSE_IO && hulse_state_db_give_room(db)) {
        status = commit(db, cp, err);
    }
    if (status == HULSE_OK || status == HULSE_LIMIT) {
        hulse_state_db_keep_room(db);
    }
    return status;
}

hulse_status hulse_state_db_write(const struct state_db_params *params,
                                  const struct checkpoint *cp,
                                  struct error *err)
{
    struct state_db db = {.params = *params};

    HULSE_ASSERT(cp->all);
    if (db.params.map_bytes == 0) {
        db.params.map_bytes = STATE_DB_MAP_BYTES;
    }
    const hulse_status status = commit_all(&db, cp, err);
    hulse_db_file_close(&db.file);
    return status == HULSE_LIMIT ? HULSE_OK : status;
}
