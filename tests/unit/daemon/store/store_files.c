/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_files - see the header.
 */
#include "tests/unit/daemon/store/store_files.h"

#include "daemon/store/directory.h"
#include "tests/unit/daemon/core/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

static struct file_io fast_io;

void hulse_bed_use_fast_io(struct bed *bed)
{
    fast_io = hulse_file_io;
    fast_io.sync = sync_nothing;
    fast_io.sync_all = sync_nothing;
    bed->params.io = &fast_io;
}

void hulse_bed_segment_path(const struct bed *bed, uint64_t number, char *out, size_t room)
{
    char name[SEGMENT_NAME_BYTES];

    hulse_segment_name(number, name);
    (void)snprintf(out, room, "%s/log/%s", bed->path, name);
}

void hulse_bed_read_segment(const struct bed *bed, uint64_t number, uint8_t *out)
{
    char path[256];
    size_t got = 0;

    hulse_bed_segment_path(bed, number, path, sizeof(path));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(hulse_file_read(fd, out, BED_SEGMENT_BYTES, 0, &got), 0);
    assert_int_equal(got, BED_SEGMENT_BYTES);
    (void)close(fd);
}

void hulse_bed_write_segment(
    const struct bed *bed, uint64_t number, const uint8_t *bytes, uint32_t from, uint32_t to)
{
    char path[256];

    hulse_bed_segment_path(bed, number, path, sizeof(path));
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(hulse_file_io.write(fd, bytes + from, to - from, from), 0);
    (void)close(fd);
}

/* ---- looking ---- */

static bool note_next(void *ctx, const struct store_topic_info *topic)
{
    *(uint64_t *)ctx = topic->next_position;
    return true;
}

void hulse_bed_look(const struct bed *bed, struct looked *out)
{
    struct directory d = {.io = &fast_io};
    struct error err = {0};
    uint64_t *numbers = NULL;

    *out = (struct looked){0};
    assert_int_equal(hulse_directory_open(&d, bed->path, BED_SEGMENT_BYTES, &err), HULSE_OK);
    assert_int_equal(hulse_directory_segments(&d, &numbers, &out->r.count, &err), HULSE_OK);
    struct state *state = hulse_state_create(BED_SEGMENT_BYTES, 1000);
    assert_non_null(state);
    out->r.at = (struct segment_place){
        .directory = d.log_fd, .segment_bytes = BED_SEGMENT_BYTES, .io = &fast_io};
    out->r.numbers = numbers;
    out->r.state = state;
    out->r.look_only = true;
    out->r.report = &out->report;
    assert_int_equal(hulse_recover(&out->r, &err), HULSE_OK);
    assert_true(hulse_state_each_topic(state, note_next, &out->next_position));
    hulse_state_destroy(&state);
    hulse_directory_close(&d);
    free(numbers);
}

void hulse_bed_refuses(struct bed *bed, hulse_status status, const char *word)
{
    struct error err = {0};

    assert_false(hulse_bed_try_open(bed, &err));
    if (err.status != status || strstr(err.text, word) == NULL) {
        fail_msg("%d: %s", err.status, err.text);
    }
}

void hulse_bed_put_file(const struct bed *bed, const char *name, const char *text)
{
    char path[256];

    hulse_bed_file(bed, name, path, sizeof(path));
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

void hulse_bed_get_file(const struct bed *bed, const char *name, char *text, size_t room)
{
    char path[256];

    hulse_bed_file(bed, name, path, sizeof(path));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t got = read(fd, text, room - 1);
    assert_true(got >= 0);
    text[got] = '\0';
    (void)close(fd);
}

void hulse_bed_put_format(const struct bed *bed, const char *text)
{
    char sealed[256];

    (void)snprintf(
        sealed, sizeof(sealed), "%scheck %08x\n", text, hulse_crc32c(0, text, strlen(text)));
    hulse_bed_put_file(bed, "format", sealed);
}
