/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/db_place.h"

#include "daemon/core/log.h"
#include "daemon/store/state_db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
    "state.mdb", "state.good", "state.mdb.new", "state.good.new", "state.reserve"};
static const char mark[] = ".damaged-";

bool hulse_db_path(char out[DB_PATH_BYTES], const char *directory, enum db_name name)
{
    const int bytes = snprintf(out, DB_PATH_BYTES, "%s/%s", directory, names[name]);

    if (bytes < 0 || (unsigned)bytes >= DB_PATH_BYTES) {
        out[0] = '\0';
        return false;
    }
    return true;
}

hulse_status
hulse_db_replace(const char *directory, enum db_name from, enum db_name to, struct error *err)
{
    const int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0) {
        return hulse_fail(err, HULSE_IO, "%s: %s", directory, strerrordesc_np(errno));
    }
    if (renameat(dir, names[from], dir, names[to]) != 0 || fsync(dir) != 0) {
        const int error = errno;
        (void)close(dir);
        return hulse_fail(err, HULSE_IO, "%s/%s: %s", directory, names[to], strerrordesc_np(error));
    }
    (void)close(dir);
    return HULSE_OK;
}

struct aside {
    uint64_t lowest;
    uint64_t highest;
    unsigned count;
};

/* Which numbers there are of this name. */
static struct aside look(const char *directory, const char *name)
{
    struct aside found = {.lowest = UINT64_MAX};
    const size_t name_bytes = strlen(name);
    DIR *dir = opendir(directory);
    const struct dirent *entry = NULL;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *end = NULL;
        if (strncmp(entry->d_name, name, name_bytes) != 0 ||
            strncmp(entry->d_name + name_bytes, mark, sizeof(mark) - 1) != 0) {
            continue;
        }
        const uint64_t n = strtoull(entry->d_name + name_bytes + sizeof(mark) - 1, &end, 10);
        if (n > 0 && n < UINT64_MAX && *end == '\0') {
            found.count++;
            found.lowest = n < found.lowest ? n : found.lowest;
            found.highest = n > found.highest ? n : found.highest;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return found;
}

void hulse_db_set_aside(const char *directory, enum db_name name)
{
    char from[DB_PATH_BYTES];
    char to[DB_PATH_BYTES + 64];
    struct aside found = look(directory, names[name]);

    while (found.count >= STATE_DB_DAMAGED_MAX) {
        (void)snprintf(
            to, sizeof(to), "%s/%s%s%" PRIu64, directory, names[name], mark, found.lowest);
        if (unlink(to) != 0) {
            break;
        }
        found = look(directory, names[name]);
    }
    (void)snprintf(
        to, sizeof(to), "%s/%s%s%" PRIu64, directory, names[name], mark, found.highest + 1);
    if (!hulse_db_path(from, directory, name) || rename(from, to) != 0) {
        HULSE_LOG_WARNF("store.not_set_aside",
                        hulse_log_str("file", from),
                        hulse_log_str("why", strerrordesc_np(errno)));
        return;
    }
    HULSE_LOG_WARNF("store.set_aside", hulse_log_str("file", from), hulse_log_str("to", to));
}
