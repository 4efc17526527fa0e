/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/look_open.h"

#include "daemon/store/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opening would make one. */
static hulse_status is_a_store(const char *directory, struct error *err)
{
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info;

    if (fd < 0) {
        return hulse_fail(err, HULSE_INVAL, "store %s: %s", directory, strerrordesc_np(errno));
    }
    const bool there = fstatat(fd, "log", &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
    (void)close(fd);
    return there ? HULSE_OK : hulse_fail(err, HULSE_INVAL, "store %s: there is none", directory);
}

static hulse_status recover(struct look *l, const char *directory, struct error *err)
{
    struct store_params defaults;
    struct recovery r = {.at = l->place, .report = &l->report, .look_only = true};

    hulse_store_params_default(&defaults);
    const struct state_db_params params = {
        .directory = directory,
        .segment_bytes = l->place.segment_bytes,
        .handle_ttl_ms = defaults.handle_ttl_ms,
        .look_only = true,
        .had_one = hulse_directory_had_state(&l->stopped, l->numbers, l->count)};
    hulse_status status = hulse_state_db_open(&l->db, &l->state, &params, &l->found, err);
    if (status != HULSE_OK) {
        return status;
    }
    r.numbers = l->numbers;
    r.count = l->count;
    r.state = l->state;
    r.from = l->found.scan_from;
    status = hulse_recover(&r, err);
    l->end = r.end_number * l->place.segment_bytes + r.end_offset;
    while (l->count > 0 && l->numbers[l->count - 1] > r.end_number) {
        l->count--;
    }
    return status;
}

hulse_status hulse_look_open(struct look *l, const char *directory, struct error *err)
{
    struct store_params defaults;

    hulse_store_params_default(&defaults);
    *l = (struct look){.stopped = {.io = &hulse_file_io, .fd = -1, .log_fd = -1, .lock_fd = -1}};
    hulse_status status = is_a_store(directory, err);
    if (status == HULSE_OK) {
        status = hulse_directory_open_to_look(&l->stopped, directory, defaults.segment_bytes, err);
    }
    if (status == HULSE_OK) {
        status = hulse_directory_segments(&l->stopped, &l->numbers, &l->count, err);
    }
    if (status == HULSE_OK) {
        l->directory = l->stopped.fd;
        l->place = (struct segment_place){.directory = l->stopped.log_fd,
                                          .segment_bytes = l->stopped.segment_bytes,
                                          .io = &hulse_file_io};
        status = recover(l, directory, err);
    }
    if (status != HULSE_OK) {
        hulse_look_close(l);
    }
    return status;
}

hulse_status hulse_look_stopped(const struct look *l, struct error *err)
{
    /* Relaxed because nothing comes with it. */
    return l->stop != NULL && atomic_load_explicit(l->stop, memory_order_relaxed) != 0
               ? hulse_fail(err, HULSE_CLOSED, "the daemon ends")
               : HULSE_OK;
}

void hulse_look_attach(struct look *l, struct store *s, const _Atomic(uint32_t) *stop)
{
    *l = (struct look){.running = s,
                       .stop = stop,
                       .place = s->place,
                       .directory = s->directory.fd,
                       .state = s->state,
                       .stopped = {.fd = -1, .log_fd = -1, .lock_fd = -1}};
}

void hulse_look_close(struct look *l)
{
    free(l->numbers);
    l->numbers = NULL;
    if (l->running == NULL) {
        hulse_state_db_close(&l->db);
        hulse_state_destroy(&l->state);
        hulse_directory_close(&l->stopped);
    }
}

bool hulse_look_list(struct look *l)
{
    if (l->running == NULL) {
        return true; /* as it was opened */
    }
    const struct space *sp = &l->running->space;
    uint64_t *list = realloc(l->numbers, (sp->used_count + 1) * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    memcpy(list, sp->used, sp->used_count * sizeof(*list));
    l->numbers = list;
    l->count = sp->used_count;
    l->end = l->running->synced;
    return true;
}

void hulse_look_lock(const struct look *l)
{
    if (l->running != NULL) {
        (void)pthread_mutex_lock(&l->running->lock);
    }
}

void hulse_look_unlock(const struct look *l)
{
    if (l->running != NULL) {
        (void)pthread_mutex_unlock(&l->running->lock);
    }
}

bool hulse_look_has(const struct look *l, uint64_t number)
{
    bool has = l->running == NULL;

    hulse_look_lock(l);
    for (size_t i = 0; !has && i < l->running->space.used_count; i++) {
        has = l->running->space.used[i] == number;
    }
    hulse_look_unlock(l);
    return has;
}
