/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/db_file.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { FILE_MODE = 0600 };

static const char *const table_names[VALUE_TABLES] = {
    "meta", "topics", "subscriptions", "handles", "index"};

/* Beside the file itself, what LMDB needs to read it. */
#define READ_SPARE_BYTES (UINT64_C(16) << 20)

hulse_status hulse_db_status(int rc)
{
    switch (rc) {
    case MDB_MAP_FULL:
        return HULSE_LIMIT;
    case ENOMEM:
        return HULSE_NO_MEMORY;
    case EACCES:
    case EPERM:
        return HULSE_DENIED;
    case EINVAL: /* what LMDB makes of a file that is none */
        return HULSE_PROTOCOL;
    default:
        return rc < 0 ? HULSE_PROTOCOL : HULSE_IO; /* LMDB's own codes */
    }
}

hulse_status hulse_db_fail(struct error *err, int rc, const char *what)
{
    return hulse_fail(err, hulse_db_status(rc), "%s: %s", what, mdb_strerror(rc));
}

/* Is it for the file's own size that there was no memory, or for what it claims to be? */
static bool has_memory_for(uint64_t bytes)
{
    const size_t wanted = 2 * bytes + READ_SPARE_BYTES;
    void *at = mmap(NULL, wanted, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at != MAP_FAILED) {
        (void)munmap(at, wanted);
    }
    return at != MAP_FAILED;
}

/* What the disk cannot give any more is damage, too. */
static hulse_status fail_read(struct error *err, int rc, uint64_t bytes)
{
    const bool claims = rc == ENOMEM && has_memory_for(bytes);

    return claims || rc == EIO
               ? hulse_fail(err,
                            HULSE_PROTOCOL,
                            "opening it: %s",
                            claims ? "it claims to be larger than it is" : mdb_strerror(rc))
               : hulse_db_fail(err, rc, "opening it");
}

static hulse_status open_tables(struct db_file *db, bool write, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &txn);

    for (unsigned i = 0; rc == 0 && i < VALUE_TABLES; i++) {
        rc = mdb_dbi_open(txn, table_names[i], write ? MDB_CREATE : 0, &db->tables[i]);
    }
    if (rc == 0) {
        rc = mdb_txn_commit(txn);
        txn = NULL;
    }
    if (txn != NULL) {
        mdb_txn_abort(txn);
    }
    return rc == 0 ? HULSE_OK : hulse_db_fail(err, rc, "opening its tables");
}

static hulse_status open_file(
    struct db_file *db, const char *path, uint64_t map_bytes, unsigned flags, struct error *err)
{
    int rc = mdb_env_create(&db->env);

    if (rc != 0) {
        db->env = NULL;
        return hulse_db_fail(err, rc, "making an environment");
    }
    rc = mdb_env_set_maxdbs(db->env, VALUE_TABLES);
    if (rc == 0 && map_bytes != 0) {
        rc = mdb_env_set_mapsize(db->env, map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_open(db->env, path, flags | MDB_NOSUBDIR | MDB_NOTLS | MDB_NOLOCK, FILE_MODE);
    }
    const bool write = (flags & MDB_RDONLY) == 0;
    hulse_status status = HULSE_OK;
    if (rc == 0) {
        status = open_tables(db, write, err);
    } else if (write) {
        status = hulse_db_fail(err, rc, "opening it");
    } else {
        status = fail_read(err, rc, map_bytes);
    }
    if (status != HULSE_OK) {
        hulse_db_file_close(db);
    }
    return status;
}

hulse_status
hulse_db_file_open(struct db_file *db, const char *path, uint64_t map_bytes, struct error *err)
{
    return open_file(db, path, map_bytes, MDB_NORDAHEAD, err);
}

hulse_status hulse_db_file_open_read(struct db_file *db, const char *path, struct error *err)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return hulse_db_fail(err, errno, "opening it");
    }
    /* As much as there is; the map of who wrote it had to have room to grow. */
    return open_file(db, path, (uint64_t)info.st_size, MDB_RDONLY, err);
}

void hulse_db_file_close(struct db_file *db)
{
    if (db->env != NULL) {
        mdb_env_close(db->env);
        db->env = NULL;
    }
}

static bool key_of(enum value_table table, const MDB_val *in, struct value_key *out)
{
    *out = (struct value_key){.table = (uint8_t)table, .bytes = (uint8_t)in->mv_size};
    if (in->mv_size > VALUE_KEY_BYTES_MAX) {
        return false;
    }
    memcpy(out->data, in->mv_data, in->mv_size);
    return true;
}

/* LMDB's order: as bytes, the shorter first. */
static bool rises(const struct value_key *before, const struct value_key *key)
{
    const uint8_t common = before->bytes < key->bytes ? before->bytes : key->bytes;
    const int order = memcmp(before->data, key->data, common);

    return order < 0 || (order == 0 && before->bytes < key->bytes);
}

static hulse_status walk_table(
    MDB_txn *txn, MDB_dbi dbi, enum value_table table, struct db_walk *walk, struct error *err)
{
    MDB_cursor *cursor = NULL;
    MDB_stat stat = {0};
    MDB_val key = {0};
    MDB_val value = {0};
    struct value_key before = {0};
    size_t count = 0;
    int rc = mdb_stat(txn, dbi, &stat);

    rc = rc == 0 ? mdb_cursor_open(txn, dbi, &cursor) : rc;
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct value_row row = {.value = value.mv_data, .value_bytes = value.mv_size};
        if (!key_of(table, &key, &row.key) || (count > 0 && !rises(&before, &row.key))) {
            mdb_cursor_close(cursor);
            return hulse_fail(err, HULSE_PROTOCOL, "keys of %s out of order", table_names[table]);
        }
        before = row.key;
        count++;
        walk->rows++;
        if (walk->visit(walk->ctx, &row) == DB_STOP) {
            mdb_cursor_close(cursor);
            return HULSE_OK;
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (rc != MDB_NOTFOUND) {
        return hulse_db_fail(err, rc, "reading it");
    }
    if (count != stat.ms_entries) {
        return hulse_fail(err,
                          HULSE_PROTOCOL,
                          "%zu rows of %s where %zu should be",
                          count,
                          table_names[table],
                          stat.ms_entries);
    }
    return HULSE_OK;
}

hulse_status hulse_db_file_walk(const struct db_file *db, struct db_walk *walk, struct error *err)
{
    MDB_txn *txn = NULL;
    hulse_status status = HULSE_OK;
    const int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return hulse_db_fail(err, rc, "reading it");
    }
    for (unsigned i = 0; status == HULSE_OK && i < VALUE_TABLES; i++) {
        status = walk_table(txn, db->tables[i], (enum value_table)i, walk, err);
    }
    mdb_txn_abort(txn);
    return status;
}
