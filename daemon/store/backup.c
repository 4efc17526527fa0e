/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup - segments first, while the log goes on; then, with segments held for as long as the rest takes, what has come since
 * and the state as it is then. The copy of the last segment ends where the state does.
 */
#include "daemon/core/assert.h"
#include "daemon/store/checkpoint.h"
#include "daemon/store/format.h"
#include "daemon/store/look_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 18, PASSES_MAX = 8, FEW = 2 };

struct backup {
    struct look look;
    struct store_backup *out;
    const char *to;
    int to_fd;
    int log_fd;
    uint64_t *copied; /* numbers, rising */
    size_t copied_count;
    size_t copied_room;
    uint8_t *piece;
    struct error *err;
};

static hulse_status refuse(struct backup *b, int number, const char *what)
{
    return hulse_fail(b->err, HULSE_IO, "%s: %s: %s", b->to, what, strerrordesc_np(number));
}

/* ---- files ------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* The first `end` bytes; the file gets the size of a segment. Holes stay holes. 0, or the error number. */
static int copy_bytes(struct backup *b, int from, int to, uint64_t end)
{
    for (uint64_t at = 0; at < end;) {
        const size_t want = end - at < PIECE ? (size_t)(end - at) : PIECE;
        size_t got = 0;
        int failed = hulse_file_read(from, b->piece, want, at, &got);
        if (failed == 0 && !all_zero(b->piece, got)) {
            failed = hulse_file_io.write(to, b->piece, got, at);
        }
        if (failed != 0 || got == 0) {
            return failed;
        }
        at += got;
    }
    return 0;
}

/* ENOENT: it is gone. */
static int copy_segment(struct backup *b, uint64_t number, uint64_t end)
{
    char name[SEGMENT_NAME_BYTES];
    int failed = 0;

    hulse_segment_name(number, name);
    const int from = openat(b->look.place.directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0) {
        return errno;
    }
    const int to =
        openat(b->log_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) {
        failed = errno;
        (void)close(from);
        return failed;
    }
    failed = copy_bytes(b, from, to, end);
    if (failed == 0 && ftruncate(to, (off_t)b->look.place.segment_bytes) != 0) {
        failed = errno;
    }
    if (failed == 0) {
        failed = hulse_file_io.sync_all(to);
    }
    if (close(to) != 0 && failed == 0) {
        failed = errno;
    }
    (void)close(from);
    b->out->bytes += failed == 0 ? end : 0;
    return failed;
}

/* Of the store that was read: its own file may have been lost or damaged since. */
static hulse_status write_format(struct backup *b)
{
    const int failed = hulse_format_write(&hulse_file_io, b->to_fd, b->look.place.segment_bytes);

    return failed == 0 ? HULSE_OK : refuse(b, failed, STORE_FORMAT_NAME);
}

static bool is_empty(int fd)
{
    const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry = NULL;
    bool empty = dir != NULL;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
    while (empty && (entry = readdir(dir)) != NULL) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    } else if (again >= 0) {
        (void)close(again);
    }
    return empty;
}

/* Is it the store's directory or below? Links are no way around. */
static bool is_in_store(const struct backup *b, int fd)
{
    struct stat store;
    struct stat here;
    struct stat below = {0};
    bool found = false;
    int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    while (!found && at >= 0 && fstat(b->look.directory, &store) == 0 && fstat(at, &here) == 0 &&
           (here.st_dev != below.st_dev || here.st_ino != below.st_ino)) {
        found = here.st_dev == store.st_dev && here.st_ino == store.st_ino;
        below = here;
        const int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)close(at);
        at = up;
    }
    if (at >= 0) {
        (void)close(at);
    }
    return found;
}

static hulse_status begin_target(struct backup *b)
{
    const int fd =
        openat(b->to_fd, STORE_UNFINISHED_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        return refuse(b, errno, STORE_UNFINISHED_NAME);
    }
    (void)close(fd);
    const int failed = hulse_file_io.sync_all(b->to_fd);
    return failed == 0 ? HULSE_OK : refuse(b, failed, "sync");
}

/* All of it is on the disk; from now on it is a store. */
static hulse_status finish_target(struct backup *b)
{
    int failed = hulse_file_io.sync_all(b->log_fd);

    failed = failed == 0 ? hulse_file_io.sync_all(b->to_fd) : failed;
    if (failed == 0 && unlinkat(b->to_fd, STORE_UNFINISHED_NAME, 0) != 0) {
        failed = errno;
    }
    failed = failed == 0 ? hulse_file_io.sync_all(b->to_fd) : failed;
    return failed == 0 ? HULSE_OK : refuse(b, failed, "sync");
}

static hulse_status open_target(struct backup *b)
{
    const bool made = mkdir(b->to, 0700) == 0;

    if (!made && errno != EEXIST) {
        return refuse(b, errno, "cannot make it");
    }
    b->to_fd = open(b->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->to_fd < 0) {
        return refuse(b, errno, "cannot open it");
    }
    if (is_in_store(b, b->to_fd)) {
        if (made) {
            (void)rmdir(b->to);
        }
        return hulse_fail(b->err,
                          HULSE_IO,
                          "%s: is in the store itself; a backup wants a directory elsewhere",
                          b->to);
    }
    if (!is_empty(b->to_fd)) {
        return hulse_fail(
            b->err, HULSE_IO, "%s: not empty; a backup wants a directory of its own", b->to);
    }
    const hulse_status begun = begin_target(b);
    if (begun != HULSE_OK) {
        return begun;
    }
    if (mkdirat(b->to_fd, "log", 0700) != 0) {
        return refuse(b, errno, "log");
    }
    b->log_fd = openat(b->to_fd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b->piece = malloc(PIECE);
    return b->log_fd < 0      ? refuse(b, errno, "log")
           : b->piece == NULL ? refuse(b, ENOMEM, "log")
                              : HULSE_OK;
}

/* ---- segments ---------------------------------------------------------------------------- */

static bool is_copied(const struct backup *b, uint64_t number)
{
    size_t i = 0;

    while (i < b->copied_count && b->copied[i] != number) {
        i++;
    }
    return i < b->copied_count;
}

static bool note_copied(struct backup *b, uint64_t number)
{
    if (b->copied_count == b->copied_room) {
        b->copied_room = b->copied_room == 0 ? 64 : b->copied_room * 2;
        uint64_t *larger = realloc(b->copied, b->copied_room * sizeof(*larger));
        if (larger == NULL) {
            return false;
        }
        b->copied = larger;
    }
    b->copied[b->copied_count++] = number;
    return true;
}

/* How many whole ones are listed and not yet copied. */
static size_t left(const struct backup *b)
{
    size_t count = 0;

    for (size_t i = 0; i + 1 < b->look.count; i++) {
        count += is_copied(b, b->look.numbers[i]) ? 0 : 1;
    }
    return count;
}

/* `last`: the one that is written to as well, up to the end. */
static hulse_status copy_listed(struct backup *b, bool last)
{
    const uint64_t size = b->look.place.segment_bytes;

    for (size_t i = 0; i < b->look.count; i++) {
        const hulse_status stopped = hulse_look_stopped(&b->look, b->err);
        if (stopped != HULSE_OK) {
            return stopped;
        }
        const uint64_t number = b->look.numbers[i];
        const bool is_last = i + 1 == b->look.count;
        if ((is_last && !last) || is_copied(b, number)) {
            continue;
        }
        const uint64_t end = is_last && b->look.end / size == number ? b->look.end % size : size;
        const int failed = copy_segment(b, number, end);
        if (failed != 0 && (failed != ENOENT || last)) {
            return refuse(b, failed, "segment");
        }
        /* One that is used again meanwhile is needed by nobody; its copy goes in the end. */
        if (failed == 0 && (last || hulse_look_has(&b->look, number)) && !note_copied(b, number)) {
            return refuse(b, ENOMEM, "segment");
        }
    }
    return HULSE_OK;
}

static void hold(struct backup *b, bool held)
{
    if (b->look.running != NULL) {
        b->look.running->space.held = held;
        if (!held && b->look.running->space.kept) {
            hulse_store_call_writer(b->look.running);
        }
    }
}

/* What was copied and is not needed any more. */
static void remove_surplus(struct backup *b)
{
    const int again = openat(b->log_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry = NULL;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        uint64_t number = 0;
        bool listed = !hulse_segment_number(entry->d_name, &number);
        for (size_t i = 0; !listed && i < b->look.count; i++) {
            listed = b->look.numbers[i] == number;
        }
        if (!listed) {
            (void)unlinkat(b->log_fd, entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    } else if (again >= 0) {
        (void)close(again);
    }
}

/* ---- in order ---------------------------------------------------------------------------- */

static hulse_status copy_most(struct backup *b)
{
    hulse_status status = HULSE_OK;

    for (unsigned pass = 0; status == HULSE_OK && pass < PASSES_MAX; pass++) {
        hulse_look_lock(&b->look);
        const bool listed = hulse_look_list(&b->look);
        hulse_look_unlock(&b->look);
        if (!listed) {
            return refuse(b, ENOMEM, "list of segments");
        }
        if (left(b) <= FEW) {
            break;
        }
        status = copy_listed(b, false);
    }
    return status;
}

static hulse_status copy_rest(struct backup *b)
{
    const struct state_db_params params = {.directory = b->to,
                                           .segment_bytes = b->look.place.segment_bytes};
    struct checkpoint *state = NULL;

    hulse_look_lock(&b->look);
    hold(b, true);
    if (hulse_look_list(&b->look)) {
        state = hulse_state_snapshot(b->look.state, b->look.end);
    }
    hulse_look_unlock(&b->look);

    hulse_status status = state == NULL ? refuse(b, ENOMEM, "state") : copy_listed(b, true);
    hulse_look_lock(&b->look);
    hold(b, false);
    hulse_look_unlock(&b->look);
    if (status == HULSE_OK) {
        remove_surplus(b);
        status = hulse_state_db_write(&params, state, b->err);
    }
    hulse_checkpoint_free(&state);
    return status;
}

static hulse_status back_up(struct backup *b)
{
    hulse_status status = open_target(b);

    if (status == HULSE_OK) {
        status = copy_most(b);
    }
    if (status == HULSE_OK) {
        status = copy_rest(b);
    }
    if (status == HULSE_OK) {
        status = write_format(b);
    }
    if (status == HULSE_OK) {
        status = finish_target(b);
    }
    b->out->segments = b->look.count;
    b->out->covered = b->look.end;
    if (b->log_fd >= 0) {
        (void)close(b->log_fd);
    }
    if (b->to_fd >= 0) {
        (void)close(b->to_fd);
    }
    free(b->piece);
    free(b->copied);
    return status;
}

hulse_status hulse_store_backup(const char *directory,
                                const char *to,
                                struct store_backup *out,
                                struct error *err)
{
    struct backup b = {.out = out, .to = to, .to_fd = -1, .log_fd = -1, .err = err};
    hulse_status status = hulse_look_open(&b.look, directory, err);

    *out = (struct store_backup){0};
    if (status == HULSE_OK) {
        status = back_up(&b);
        hulse_look_close(&b.look);
    }
    return status;
}

hulse_status hulse_store_backup_running(struct store *s,
                                        const char *to,
                                        const _Atomic(uint32_t) *stop,
                                        struct store_backup *out,
                                        struct error *err)
{
    struct backup b = {.out = out, .to = to, .to_fd = -1, .log_fd = -1, .err = err};

    *out = (struct store_backup){0};
    hulse_look_attach(&b.look, s, stop);
    const hulse_status status = back_up(&b);
    hulse_look_close(&b.look);
    return status;
}
