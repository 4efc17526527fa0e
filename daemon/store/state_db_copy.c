/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of the database. What is read here was written by this process, or was found sound by a child.
 */
#include "daemon/store/db_place.h"
#include "daemon/store/state_db_internal.h"
#include "daemon/store/value.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

struct verify {
    struct value_meta meta;
    uint64_t digest;
    bool bad;
};

static enum db_visit verify_row(void *ctx, const struct value_row *row)
{
    struct verify *v = ctx;

    if (row->key.table == VALUE_META) {
        v->bad = !hulse_value_meta_decode(row->value, row->value_bytes, &v->meta);
    } else {
        v->bad = !hulse_value_sound(&row->key, row->value, row->value_bytes);
        v->digest += hulse_value_digest(row->value, row->value_bytes);
    }
    return v->bad ? DB_STOP : DB_GO_ON;
}

static hulse_status verify_copy(const char *path, const struct written *said, struct error *err)
{
    struct db_file file = {0};
    struct verify v = {0};
    struct db_walk walk = {.visit = verify_row, .ctx = &v};
    hulse_status status = hulse_db_file_open_read(&file, path, err);

    if (status != HULSE_OK) {
        return status;
    }
    status = hulse_db_file_walk(&file, &walk, err);
    hulse_db_file_close(&file);
    if (status == HULSE_OK &&
        (v.bad || v.meta.covered != said->covered || v.meta.digest != v.digest)) {
        status = hulse_fail(err, HULSE_PROTOCOL, "%s is not what was copied", path);
    }
    return status;
}

static hulse_status copy_to(struct state_db *db, const char *path, struct error *err)
{
    if (db->file.env == NULL) {
        return hulse_fail(err, HULSE_AGAIN, "nothing was committed yet");
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return hulse_fail(err, HULSE_IO, "%s: %s", path, strerrordesc_np(errno));
    }
    int rc = mdb_env_copyfd2(db->file.env, fd, 0);
    if (rc == 0 && fsync(fd) != 0) {
        rc = errno;
    }
    if (close(fd) != 0 && rc == 0) {
        rc = errno;
    }
    const hulse_status status =
        rc == 0 ? verify_copy(path, &db->written, err) : hulse_db_fail(err, rc, path);
    if (status != HULSE_OK) {
        (void)unlink(path);
    }
    return status;
}

hulse_status hulse_state_db_copy(struct state_db *db, struct error *err)
{
    char path[DB_PATH_BYTES];

    if (!hulse_db_path(path, db->params.directory, DB_COPY_NEW)) {
        return hulse_fail(err, HULSE_INVAL, "the name of the directory is too long");
    }
    hulse_status status = copy_to(db, path, err);
    if (status == HULSE_IO && hulse_state_db_give_room(db)) {
        status = copy_to(db, path, err);
    }
    if (status == HULSE_OK) {
        status = hulse_db_replace(db->params.directory, DB_COPY_NEW, DB_COPY, err);
    }
    if (status == HULSE_OK) {
        db->copy_covered = db->written.covered;
        hulse_state_db_keep_room(db);
    }
    return status;
}
