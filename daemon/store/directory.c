/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - see the header.
 */
#include "daemon/store/directory.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/store/frame.h"
#include "daemon/store/segment.h"
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

enum { VERSION = 1, TEXT_BYTES = 256 };
/* Two seconds in all. */
enum { HEIR_TRIES = 1000, HEIR_PAUSE_NS = 2000000 };

/* What a failed call means to somebody who reads the message. */
static hulse_status refuse(struct error *err, int number, const char *path, const char *what)
{
    const hulse_status status =
        number == EACCES || number == EPERM || number == EROFS ? HULSE_DENIED : HULSE_IO;

    return hulse_fail(err, status, "store %s: %s: %s", path, what, strerrordesc_np(number));
}

/* Up to TEXT_BYTES - 1 bytes, terminated. 0, or the error number. */
static int read_text(int directory, const char *name, char out[TEXT_BYTES])
{
    size_t got = 0;
    const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    out[0] = '\0';
    if (fd < 0) {
        return errno;
    }
    const int failed = hulse_file_read(fd, out, TEXT_BYTES - 1, 0, &got);
    (void)close(fd);
    out[failed == 0 ? got : 0] = '\0';
    return failed;
}

/* The whole file at once: nobody sees half of it, also after a power cut. */
static int replace_text(const struct directory *d, const char *name, const char *text)
{
    char draft[32];
    int failed = 0;

    (void)snprintf(draft, sizeof(draft), "%s.new", name);
    const int fd =
        openat(d->fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    failed = d->io->write(fd, text, strlen(text), 0);
    if (failed == 0) {
        failed = d->io->sync_all(fd);
    }
    (void)close(fd);
    if (failed == 0 && renameat(d->fd, draft, d->fd, name) != 0) {
        failed = errno;
    }
    return failed != 0 ? failed : d->io->sync_all(d->fd);
}

/* ---- lock -------------------------------------------------------------------------------- */

/* The number behind `word` in a text; 0 when there is none, or one that is none of ours. */
static uint64_t number_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    uint64_t number = 0;

    if (at == NULL) {
        return 0;
    }
    for (at += strlen(word); *at >= '0' && *at <= '9'; at++) {
        number = 10 * number + (uint64_t)(*at - '0');
        if (number > UINT32_MAX) {
            return 0;
        }
    }
    return number;
}

/* Of a process that cannot be seen from here it is not known. */
static bool is_dead(uint64_t pid)
{
    return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/*
 * False: somebody has it, errno says EWOULDBLOCK, or it cannot be had. When who has it is dead, what still
 * holds the lock is a child of it that dies as well.
 */
static bool take_or_inherit(const struct directory *d, int fd, char text[TEXT_BYTES])
{
    for (unsigned tries = 0;; tries++) {
        const bool taken = flock(fd, LOCK_EX | LOCK_NB) == 0;
        const int number = errno;
        if (read_text(d->fd, STORE_LOCK_NAME, text) != 0) {
            text[0] = '\0';
        }
        if (taken || number != EWOULDBLOCK || tries == HEIR_TRIES ||
            !is_dead(number_behind(text, "process "))) {
            errno = number;
            return taken;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = HEIR_PAUSE_NS}, NULL);
    }
}

static hulse_status in_use(struct error *err, const char *path, const char *text)
{
    const unsigned long long pid = number_behind(text, "process ");

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
    char text[TEXT_BYTES];

    if (!take_or_inherit(d, d->fd, text) && !cannot_lock(errno)) {
        return errno == EWOULDBLOCK ? in_use(err, path, text) : refuse(err, errno, path, "lock");
    }
    d->lock_fd = openat(d->fd, STORE_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        return refuse(err, errno, path, "lock");
    }
    if (!take_or_inherit(d, d->lock_fd, text)) {
        return errno == EWOULDBLOCK ? in_use(err, path, text) : refuse(err, errno, path, "lock");
    }
    d->epoch = (uint32_t)number_behind(text, "epoch ");
    return HULSE_OK;
}

/* ---- format ------------------------------------------------------------------------------ */

static bool segment_bytes_ok(uint64_t bytes)
{
    return bytes >= SEGMENT_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

/* What the header of a segment says; 0: it has none that we know. */
static uint32_t ask_segment(const struct directory *d, uint64_t number)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES] = {0};
    char name[SEGMENT_NAME_BYTES];
    struct segment seg = {0};
    uint32_t segment_bytes = 0;
    size_t got = 0;

    hulse_segment_name(number, name);
    const int fd = openat(d->log_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    const int failed = hulse_file_read(fd, block, sizeof(block), 0, &got);
    (void)close(fd);
    return failed == 0 && hulse_segment_header_get(block, &segment_bytes, &seg) &&
                   segment_bytes_ok(segment_bytes)
               ? segment_bytes
               : 0;
}

/* `said`, when one of them agrees; else what the first of them says. 0: none says anything. */
static uint32_t
ask_segments(const struct directory *d, const uint64_t *numbers, size_t count, uint32_t said)
{
    uint32_t first = 0;

    HULSE_ASSERT(numbers != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        const uint32_t segment_bytes = ask_segment(d, numbers[i]);
        if (segment_bytes != 0 && segment_bytes == said) {
            return said;
        }
        first = first != 0 ? first : segment_bytes;
    }
    return first;
}

#define SEAL_WORD "check "
enum { SEAL_BYTES = sizeof(SEAL_WORD) + 9 };

static void put_seal(char out[SEAL_BYTES], const char *text, size_t bytes)
{
    (void)snprintf(out, SEAL_BYTES, SEAL_WORD "%08x\n", hulse_crc32c(0, text, bytes));
}

static hulse_status make_format(struct directory *d, const char *path, struct error *err)
{
    char text[TEXT_BYTES];
    const int bytes = snprintf(text,
                               sizeof(text),
                               "hulse store\nversion %d\nsegment_bytes %u\nshards 1\n",
                               VERSION,
                               d->segment_bytes);

    HULSE_ASSERT(bytes > 0 && (size_t)bytes + SEAL_BYTES <= sizeof(text));
    put_seal(text + bytes, text, (size_t)bytes);
    const int failed = replace_text(d, "format", text);
    if (failed != 0) {
        return refuse(err, failed, path, "format");
    }
    if (d->restored) {
        HULSE_LOG_WARNF("store.format_restored",
                        hulse_log_str("directory", path),
                        hulse_log_u64("segment_bytes", d->segment_bytes),
                        hulse_log_str("meaning", "lost or damaged: made anew from the segments"));
    }
    return HULSE_OK;
}

void hulse_directory_forget(const struct directory *d)
{
    (void)unlinkat(d->fd, "format", 0);
    (void)unlinkat(d->fd, "clean", 0);
}

struct format {
    uint64_t version;       /* 0: it says none */
    uint32_t segment_bytes; /* 0: none that there may be */
    bool sealed;            /* it is as it was written */
};

/* The text is sealed by a checksum in its last line; what this one's predecessors wrote is not. */
static bool is_sealed(const char *text)
{
    char seal[SEAL_BYTES];
    const char *at = strstr(text, SEAL_WORD);

    if (at == NULL) {
        return false;
    }
    put_seal(seal, text, (size_t)(at - text));
    return strcmp(at, seal) == 0;
}

static hulse_status newer(struct error *err, const char *path, uint64_t version)
{
    return hulse_fail(err,
                      HULSE_UNSUPPORTED,
                      "store %s: made by a newer version (format %llu, this one knows %d)",
                      path,
                      (unsigned long long)version,
                      VERSION);
}

/*
 * What it says, of a version that this one knows; nothing when it is not there. Every version seals it: a newer one without
 * its seal is damage where there are segments of this version.
 */
static hulse_status
take_format(const struct directory *d, const char *path, struct format *said, struct error *err)
{
    char text[TEXT_BYTES];
    uint64_t *numbers = NULL;
    size_t count = 0;
    const int failed = read_text(d->fd, "format", text);

    if (failed != 0 && failed != ENOENT) {
        return refuse(err, failed, path, "format");
    }
    const uint64_t bytes = number_behind(text, "segment_bytes ");
    *said = (struct format){.version = number_behind(text, "version "),
                            .segment_bytes = segment_bytes_ok(bytes) ? (uint32_t)bytes : 0,
                            .sealed = is_sealed(text)};
    if (said->version <= VERSION) {
        return HULSE_OK;
    }
    if (said->sealed || d->log_fd < 0) {
        return newer(err, path, said->version);
    }
    const hulse_status status = hulse_directory_segments(d, &numbers, &count, err);
    if (status != HULSE_OK) {
        return status;
    }
    const bool damaged = ask_segments(d, numbers, count, said->segment_bytes) != 0;
    free(numbers);
    if (!damaged) {
        return newer(err, path, said->version);
    }
    said->version = 0;
    return HULSE_OK;
}

/* Where it and the segments, which have checksums, disagree, they are right. */
static hulse_status
read_format(struct directory *d, const char *path, uint32_t segment_bytes, struct error *err)
{
    struct format said = {0};
    uint64_t *numbers = NULL;
    size_t count = 0;
    hulse_status status = take_format(d, path, &said, err);

    if (status == HULSE_OK) {
        status = hulse_directory_segments(d, &numbers, &count, err);
    }
    if (status != HULSE_OK) {
        return status;
    }
    const uint32_t found = ask_segments(d, numbers, count, said.segment_bytes);
    free(numbers);
    if (said.version == VERSION && said.segment_bytes != 0 &&
        (found == 0 || found == said.segment_bytes)) {
        d->segment_bytes = said.segment_bytes;
        return HULSE_OK;
    }
    if (count != 0 && found == 0) {
        return hulse_fail(err,
                          HULSE_IO,
                          "store %s: its format file and all segments are unreadable; "
                          "restore a backup, or move it away to begin anew",
                          path);
    }
    d->fresh = count == 0;
    d->restored = count != 0;
    d->segment_bytes = count == 0 ? segment_bytes : found;
    return make_format(d, path, err);
}

/* ---- open -------------------------------------------------------------------------------- */

static hulse_status open_folder(struct directory *d, const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return errno == ENOENT
                   ? hulse_fail(
                         err, HULSE_IO, "store %s: its parent directory does not exist", path)
                   : refuse(err, errno, path, "cannot make it");
    }
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return d->fd >= 0 ? HULSE_OK : refuse(err, errno, path, "cannot open it");
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
            return refuse(err, failed, path, "log");
        }
    } else if (errno != EEXIST) {
        return refuse(err, errno, path, "log");
    }
    d->log_fd = openat(d->fd, "log", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return d->log_fd >= 0 ? HULSE_OK : refuse(err, errno, path, "log");
}

hulse_status hulse_directory_open(struct directory *d,
                                  const char *path,
                                  uint32_t segment_bytes,
                                  struct error *err)
{
    *d = (struct directory){.io = d->io, .fd = -1, .log_fd = -1, .lock_fd = -1};
    if (!segment_bytes_ok(segment_bytes)) {
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
        status = read_format(d, path, segment_bytes, err);
    }
    if (status != HULSE_OK) {
        hulse_directory_close(d);
        return status;
    }
    struct stat info;
    d->clean = fstatat(d->fd, "clean", &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
    return HULSE_OK;
}

/* What is not there is made. */
static hulse_status
look_at(int fd, const char *path, const char *name, int access, struct error *err)
{
    return faccessat(fd, name, access, AT_EACCESS) == 0 || errno == ENOENT
               ? HULSE_OK
               : refuse(err, errno, path, name);
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
    struct format said = {0};
    struct directory d = {.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .log_fd = -1};

    if (d.fd < 0) {
        return errno == ENOENT ? HULSE_OK : refuse(err, errno, path, "cannot open it");
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
        status = take_format(&d, path, &said, err);
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
    char text[TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "process %d epoch %u\n", (int)getpid(), epoch);
    /* What is no file has not been made by end(). */
    if (unlinkat(d->fd, "clean", 0) != 0 && errno != ENOENT && errno != EISDIR) {
        return refuse(err, errno, path, "clean");
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
    return failed == 0 ? HULSE_OK : refuse(err, failed, path, "lock");
}

bool hulse_directory_end(struct directory *d)
{
    return replace_text(d, "clean", "") == 0;
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
        return refuse(err, errno, "directory", "log");
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return refuse(err, ENOMEM, "directory", "log");
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
