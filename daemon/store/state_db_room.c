/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room on the disk for a whole new file of the state and its copy: a file that only holds it, given back when
 * a commit or a copy finds none. What is acknowledged becomes room only behind both.
 */
#include "daemon/core/log.h"
#include "daemon/store/db_place.h"
#include "daemon/store/state_db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In steps, so that it is not looked after at each commit; on a disk that has not even that, the least that will do. */
#define STEP_BYTES (UINT64_C(1) << 20)
#define LEAST_STEP_BYTES (UINT64_C(64) << 10)
enum { FILES = 2, FILE_MODE = 0600 };

static uint64_t wanted(const struct state_db *db, uint64_t step)
{
    char path[DB_PATH_BYTES];
    struct stat info;
    uint64_t bytes = 0;

    if (hulse_db_path(path, db->params.directory, DB_STATE) && stat(path, &info) == 0) {
        bytes = (uint64_t)info.st_size;
    }
    return FILES * (bytes / step + 1) * step;
}

static bool hold(int fd, uint64_t bytes)
{
    int failed = 0;

    do {
        failed = fallocate(fd, 0, 0, (off_t)bytes) == 0 ? 0 : errno;
    } while (failed == EINTR);
    return failed == 0;
}

void hulse_state_db_keep_room(struct state_db *db)
{
    char path[DB_PATH_BYTES];
    const uint64_t bytes = wanted(db, STEP_BYTES);
    const uint64_t least = wanted(db, LEAST_STEP_BYTES);

    if (bytes <= db->room || db->params.look_only ||
        !hulse_db_path(path, db->params.directory, DB_RESERVE)) {
        return;
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return;
    }
    if (hold(fd, bytes)) {
        db->room = bytes;
    } else if (least > db->room && hold(fd, least)) {
        db->room = least;
    }
    (void)close(fd);
    if (db->room == 0) {
        (void)unlink(path); /* less is of no use to us */
    }
}

bool hulse_state_db_give_room(struct state_db *db)
{
    char path[DB_PATH_BYTES];

    db->room = 0;
    if (db->params.look_only || !hulse_db_path(path, db->params.directory, DB_RESERVE) ||
        unlink(path) != 0) {
        return false;
    }
    HULSE_LOG_WARNF("store.reserve_used", hulse_log_str("file", path));
    return true;
}
