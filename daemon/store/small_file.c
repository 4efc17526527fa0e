/* SPDX-License-Identifier: Apache-2.0 */
/*
 * small_file - see the header.
 */
#include "daemon/store/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

hulse_status
hulse_small_file_refuse(struct error *err, int number, const char *path, const char *what)
{
    const hulse_status status =
        number == EACCES || number == EPERM || number == EROFS ? HULSE_DENIED : HULSE_IO;

    return hulse_fail(err, status, "store %s: %s: %s", path, what, strerrordesc_np(number));
}

int hulse_small_file_read(int directory, const char *name, char out[SMALL_FILE_BYTES])
{
    size_t got = 0;
    const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    out[0] = '\0';
    if (fd < 0) {
        return errno;
    }
    const int failed = hulse_file_read(fd, out, SMALL_FILE_BYTES - 1, 0, &got);
    (void)close(fd);
    out[failed == 0 ? got : 0] = '\0';
    return failed;
}

int hulse_small_file_replace(const struct file_io *io,
                             int directory,
                             const char *name,
                             const char *text)
{
    char draft[32];
    int failed = 0;

    (void)snprintf(draft, sizeof(draft), "%s.new", name);
    const int fd =
        openat(directory, draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    failed = io->write(fd, text, strlen(text), 0);
    if (failed == 0) {
        failed = io->sync_all(fd);
    }
    (void)close(fd);
    if (failed == 0 && renameat(directory, draft, directory, name) != 0) {
        failed = errno;
    }
    return failed != 0 ? failed : io->sync_all(directory);
}

int hulse_small_file_overwrite(const struct file_io *io,
                               int directory,
                               const char *name,
                               const char *text)
{
    const int fd = openat(directory, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return errno;
    }
    int failed = io->write(fd, text, strlen(text), 0);
    if (failed == 0 && ftruncate(fd, (off_t)strlen(text)) != 0) {
        failed = errno;
    }
    if (failed == 0) {
        failed = io->sync_all(fd);
    }
    (void)close(fd);
    return failed;
}

uint64_t hulse_small_file_number(const char *text, const char *word)
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
