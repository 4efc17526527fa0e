/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - see the header.
 */
#include "daemon/store/directory.h"

#include "daemon/core/log.h"
#include "daemon/store/format.h"
#include "daemon/store/segment.h"
#include "daemon/store/small_file.h"
#include "daemon/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Two seconds in all. */
enum { HEIR_TRIES = 1000, HEIR_PAUSE_NS = 2000000 };

/* ---- lock -------------------------------------------------------------------------------- */

/* Of a process that cannot be seen from here it is not known. */
static bool is_dead(uint64_t pid)
{
    return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/*
 * False: somebody has it, errno says EWOULDBLOCK, or it cannot be had. When who has it is dead, what still
 * holds the lock is a child of it that dies as well.
 */
static bool take_or_inherit(const struct directory *d, int fd, char text[SMALL_FILE_BYTES])
{
    for (unsigned tries = 0;; tries++) {
        const bool taken = flock(fd, LOCK_EX | LOCK_NB) == 0;
        const int number = errno;
        if (hulse_small_file_read(d->fd, STORE_LOCK_NAME, text) != 0) {
            text[0] = '\0';
        }
        if (taken || number != EWOULDBLOCK || tries == HEIR_TRIES ||
            !is_dead(hulse_small_file_number(text, "process "))) {
            errno = number;
            return taken;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = HEIR_PAUSE_NS}, NULL);
    }
}

static hulse_status in_use(struct error *err, const char *path, const char *text)
{
    const unsigned long long pid = hulse_small_file_number(text, "process ");

    return pid == 0
               ? hulse_fail(err,
                            HULSE_BUSY,
                            "store %s: another process has it; a directory belongs to one daemon",
                            path)
               : hulse_fail(err,
                            HULSE_BUSY,
                            "store %s: process %llu has it; a directory belongs to one daemon",
                            path,
                            pid);
}

/* Not every file system can lock a directory. */
static bool cannot_lock(int number)
{
    return number == EBADF || number == EINVAL || number == EOPNOTSUPP;
}

/* The directory's own lock is there also when somebody has removed the file; it comes first, so that no other is made. */
static hulse_status take_lock(struct directory *d, const char *path, struct error *err)
{
    char text[SMALL_FILE_BYTES];

    if (!take_or_inherit(d, d->fd, text) && !cannot_lock(errno)) {
        return errno == EWOULDBLOCK ? in_use(err, path, text)
                                    : hulse_small_file_refuse(err, errno, path, "lock");
    }
    d->lock_fd = openat(d->fd, STORE_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        return hulse_small_file_refuse(err, errno, path, "lock");
    }
    if (!take_or_inherit(d, d->lock_fd, text)) {
        return errno == EWOULDBLOCK ? in_use(err, path, text)
                                    : hulse_small_file_refuse(err, errno, path, "lock");
    }
    d->epoch = (uint32_t)hulse_small_file_number(text, "epoch ");
    return HULSE_OK;
}

/* ---- open -------------------------------------------------------------------------------- */

static hulse_status open_folder(struct directory *d, const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return errno == ENOENT
                   ? hulse_fail(
                         err, HULSE_IO, "store %s: its parent directory does not exist", path)
                   : hulse_small_file_refuse(err, errno, path, "cannot make it");
    }
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return d->fd >= 0 ? HULSE_OK : hulse_small_file_refuse(err, errno, path, "cannot open it");
}

static hulse_status refuse_unfinished(int fd, const char *path, struct error *err)
{
    return faccessat(fd, STORE_UNFINISHED_NAME, F_OK, 0) != 0
               ? HULSE_OK
               : hulse_fail(err,
                            HULSE_IO,
                            "store %s: a backup that was not finished; make another one",
                            path);
}

static hulse_status open_log(struct directory *d, const char *path, struct error *err)
{
    if (mkdirat(d->fd, "log", 0700) == 0) {
        const int failed = d->io->sync_all(d->fd);
        if (failed != 0) {
            return hulse_small_file_refuse(err, failed, path, "log");
        }
    } else if (errno != EEXIST) {
        return hulse_small_file_refuse(err, errno, path, "log");
    }
    d->log_fd = openat(d->fd, "log", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return d->log_fd >= 0 ? HULSE_OK : hulse_small_file_refuse(err, errno, path, "log");
}

/* All of open() but what it writes into the directory of a store. */
static hulse_status
open_as_it_is(struct directory *d, const char *path, uint32_t segment_bytes, struct error *err)
{
    struct format format = {0};

    *d = (struct directory){.io = d->io, .fd = -1, .log_fd = -1, .lock_fd = -1};
    if (!hulse_format_has_size(segment_bytes)) {
        return hulse_fail(err, HULSE_INVAL, "store %s: no such segment size", path);
    }
    hulse_status status = open_folder(d, path, err);
    if (status == HULSE_OK) {
        status = take_lock(d, path, err);
    }
    if (status == HULSE_OK) {
        status = refuse_unfinished(d->fd, path, err);
    }
    if (status == HULSE_OK) {
        status = open_log(d, path, err);
    }
    if (status == HULSE_OK) {
        status = hulse_format_judge(d, path, &format, err);
    }
    if (status != HULSE_OK) {
        return status;
    }
    struct stat info;
    d->clean = fstatat(d->fd, "clean", &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
    d->fresh = format.fresh;
    d->older = format.older;
    d->restored = format.restored;
    d->segment_bytes = format.fresh ? segment_bytes : format.segment_bytes;
    return HULSE_OK;
}

static hulse_status make_format(const struct directory *d, const char *path, struct error *err)
{
    const int failed = hulse_format_write(d->io, d->fd, d->segment_bytes);

    if (failed != 0) {
        return hulse_small_file_refuse(err, failed, path, STORE_FORMAT_NAME);
    }
    if (d->restored) {
        HULSE_LOG_WARNF("store.format_restored",
                        hulse_log_str("directory", path),
                        hulse_log_u64("segment_bytes", d->segment_bytes),
                        hulse_log_str("meaning", "lost or damaged: made anew from the segments"));
    }
    if (d->older) {
        HULSE_LOG_STATE("store.format_raised",
                        hulse_log_str("directory", path),
                        hulse_log_str("meaning", "older versions refuse it from now on"));
    }
    return HULSE_OK;
}

hulse_status hulse_directory_open(struct directory *d,
                                  const char *path,
                                  uint32_t segment_bytes,
                                  struct error *err)
{
    hulse_status status = open_as_it_is(d, path, segment_bytes, err);

    if (status == HULSE_OK && (d->fresh || d->older || d->restored)) {
        status = make_format(d, path, err);
    }
    if (status != HULSE_OK) {
        hulse_directory_close(d);
    }
    return status;
}

hulse_status hulse_directory_open_to_look(struct directory *d,
                                          const char *path,
                                          uint32_t segment_bytes,
                                          struct error *err)
{
    const hulse_status status = open_as_it_is(d, path, segment_bytes, err);

    if (status != HULSE_OK) {
        hulse_directory_close(d);
    }
    return status;
}

void hulse_directory_forget(const struct directory *d)
{
    (void)unlinkat(d->fd, STORE_FORMAT_NAME, 0);
    (void)unlinkat(d->fd, "clean", 0);
}

/* What is not there is made. */
static hulse_status
look_at(int fd, const char *path, const char *name, int access, struct error *err)
{
    return faccessat(fd, name, access, AT_EACCESS) == 0 || errno == ENOENT
               ? HULSE_OK
               : hulse_small_file_refuse(err, errno, path, name);
}

static void shut(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

hulse_status hulse_directory_look(const char *path, struct error *err)
{
    struct format format = {0};
    struct directory d = {.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .log_fd = -1};

    if (d.fd < 0) {
        return errno == ENOENT ? HULSE_OK
                               : hulse_small_file_refuse(err, errno, path, "cannot open it");
    }
    hulse_status status = look_at(d.fd, path, ".", W_OK | X_OK, err);
    if (status == HULSE_OK) {
        status = look_at(d.fd, path, STORE_LOCK_NAME, R_OK | W_OK, err);
    }
    if (status == HULSE_OK) {
        status = refuse_unfinished(d.fd, path, err);
    }
    if (status == HULSE_OK) {
        status = look_at(d.fd, path, "log", R_OK | W_OK | X_OK, err);
    }
    if (status == HULSE_OK) {
        d.log_fd = openat(d.fd, "log", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        status = d.log_fd >= 0 || errno == ENOENT
                     ? hulse_format_judge(&d, path, &format, err)
                     : hulse_small_file_refuse(err, errno, path, "log");
    }
    shut(&d.log_fd);
    shut(&d.fd);
    return status;
}

void hulse_directory_close(struct directory *d)
{
    shut(&d->log_fd);
    shut(&d->fd);
    shut(&d->lock_fd);
}

hulse_status
hulse_directory_begin(struct directory *d, const char *path, uint32_t epoch, struct error *err)
{
    char text[SMALL_FILE_BYTES];

    (void)snprintf(text, sizeof(text), "process %d epoch %u\n", (int)getpid(), epoch);
    /* What is no file has not been made by end(). */
    if (unlinkat(d->fd, "clean", 0) != 0 && errno != ENOENT && errno != EISDIR) {
        return hulse_small_file_refuse(err, errno, path, "clean");
    }
    /* Over the old text, so that a full disk has room for it. */
    int failed = d->io->write(d->lock_fd, text, strlen(text), 0);
    if (failed == 0 && ftruncate(d->lock_fd, (off_t)strlen(text)) != 0) {
        failed = errno;
    }
    if (failed == 0) {
        failed = d->io->sync_all(d->lock_fd);
    }
    if (failed == 0) {
        failed = d->io->sync_all(d->fd);
    }
    return failed == 0 ? HULSE_OK : hulse_small_file_refuse(err, failed, path, "lock");
}

bool hulse_directory_end(struct directory *d)
{
    return hulse_small_file_replace(d->io, d->fd, "clean", "") == 0;
}

/* ---- segments ---------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool is_file(DIR *dir, const struct dirent *entry)
{
    struct stat info;

    return fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(info.st_mode);
}

/* OK, NO_MEMORY, or IO for what is named like a segment and is no file. */
static hulse_status collect(DIR *dir, uint64_t **list, size_t *count, struct error *err)
{
    size_t room = 0;
    const struct dirent *entry = NULL;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
    while ((entry = readdir(dir)) != NULL) {
        uint64_t number = 0;
        if (!hulse_segment_number(entry->d_name, &number)) {
            continue;
        }
        if (!is_file(dir, entry)) {
            return hulse_fail(
                err, HULSE_IO, "store: log/%s is not a file; move it away", entry->d_name);
        }
        if (*count == room) {
            room = room == 0 ? 64 : 2 * room;
            uint64_t *grown = realloc(*list, room * sizeof(**list));
            if (grown == NULL) {
                return hulse_fail(
                    err, HULSE_NO_MEMORY, "store: no memory for its list of segments");
            }
            *list = grown;
        }
        (*list)[(*count)++] = number;
    }
    return HULSE_OK;
}

hulse_status hulse_directory_segments(const struct directory *d,
                                      uint64_t **out,
                                      size_t *count,
                                      struct error *err)
{
    *out = NULL;
    *count = 0;
    /* A descriptor of its own: reading moves its position. */
    const int fd = openat(d->log_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return hulse_small_file_refuse(err, errno, "directory", "log");
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return hulse_small_file_refuse(err, ENOMEM, "directory", "log");
    }
    const hulse_status status = collect(dir, out, count, err);
    (void)closedir(dir);
    if (status != HULSE_OK) {
        free(*out);
        *out = NULL;
        return status;
    }
    if (*count > 1) {
        qsort(*out, *count, sizeof(**out), compare);
    }
    return HULSE_OK;
}

bool hulse_directory_had_state(const struct directory *d, const uint64_t *numbers, size_t count)
{
    return d->clean || (count > 0 && numbers[0] > 1);
}
