/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_file - see text_file.h.
 */
#include "daemon/config/text_file.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config_stamp stamp_of(const struct stat *s)
{
    return (struct config_stamp){.device = s->st_dev,
                                 .inode = s->st_ino,
                                 .bytes = (uint64_t)s->st_size,
                                 .modified_ns = (uint64_t)s->st_mtim.tv_sec * 1000000000U +
                                                (uint64_t)s->st_mtim.tv_nsec};
}

/* Up to one byte more than allowed, to tell a file that is too large. */
static bool read_all(struct text_file *f, int fd, size_t bytes_max)
{
    f->text = malloc(bytes_max + 2);
    if (f->text == NULL) {
        errno = ENOMEM;
        return false;
    }
    while (f->bytes <= bytes_max) {
        const ssize_t n = read(fd, f->text + f->bytes, bytes_max + 1 - f->bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            f->text[f->bytes] = '\0';
            return n == 0;
        }
        f->bytes += (size_t)n;
    }
    f->text[f->bytes] = '\0';
    errno = EFBIG;
    return false;
}

static bool read_open(struct text_file *f, int fd, size_t bytes_max)
{
    struct stat s;

    if (fstat(fd, &s) != 0) {
        return false;
    }
    if (!S_ISREG(s.st_mode)) {
        errno = S_ISDIR(s.st_mode) ? EISDIR : EINVAL;
        return false;
    }
    f->mode = s.st_mode;
    f->stamp = stamp_of(&s);
    return read_all(f, fd, bytes_max);
}

bool hulse_text_file_read(
    struct text_file *out, const char *path, size_t bytes_max, char *why, size_t why_bytes)
{
    /* Without waiting for the other end of a pipe. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool fine = false;
    int error = 0;

    *out = (struct text_file){0};
    if (fd >= 0) {
        fine = read_open(out, fd, bytes_max);
        error = errno;
        (void)close(fd);
    } else {
        error = errno;
    }
    if (!fine) {
        (void)snprintf(why,
                       why_bytes,
                       "cannot be read: %s",
                       error == EFBIG    ? "it is too large"
                       : error == EINVAL ? "it is no regular file"
                                         : strerrordesc_np(error));
        hulse_text_file_fini(out);
    }
    return fine;
}

void hulse_text_file_fini(struct text_file *file)
{
    if (file->text != NULL) {
        explicit_bzero(file->text, file->bytes);
        free(file->text);
    }
    file->text = NULL;
    file->bytes = 0;
}

struct config_stamp hulse_config_stamp(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 ? stamp_of(&s) : (struct config_stamp){0};
}

bool hulse_config_stamp_equal(const struct config_stamp *a, const struct config_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->modified_ns == b->modified_ns;
}
