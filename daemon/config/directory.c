/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - see the header.
 */
#include "daemon/config/directory.h"

#include "daemon/config/body.h"
#include "daemon/config/key.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0700

bool hulse_config_has_store(const struct config_broker *b)
{
    return b->type == CONFIG_BROKER_LOCAL && b->durability == CONFIG_DISK && !b->unused;
}

static bool is_written(const struct config *c, size_t index)
{
    for (size_t i = 0; i < hulse_key_count(KEY_BROKER); i++) {
        const struct key *key = hulse_key_at(KEY_BROKER, i);
        if (hulse_body_origin(c, KEY_BROKER, index, key)->kind != CONFIG_ORIGIN_DEFAULT) {
            return true;
        }
    }
    return false;
}

static bool has_rule(const struct config *c, const char *broker)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        if (strcmp(c->topics[i].broker, broker) == 0) {
            return true;
        }
    }
    return false;
}

void hulse_config_find_unused(struct config *c)
{
    for (size_t i = 0; i < c->broker_count; i++) {
        const char *name = c->brokers[i].name;
        if (hulse_config_has_store(&c->brokers[i]) && strcmp(name, c->default_broker) != 0 &&
            !is_written(c, i) && !has_rule(c, name) && hulse_body_get(c) != NULL) {
            struct config_broker *b = hulse_body_item_mutable(c, KEY_BROKER, i);
            b->unused = true;
        }
    }
}

bool hulse_config_directory(const struct config *c,
                            const struct config_broker *b,
                            char *out,
                            size_t out_bytes)
{
    int n = -1;

    if (b->directory[0] != '\0') {
        n = snprintf(out, out_bytes, "%s", b->directory);
    } else if (c->state_directory[0] != '\0' && strcmp(b->name, "local") == 0) {
        n = snprintf(out, out_bytes, "%s", c->state_directory);
    } else if (c->state_directory[0] != '\0') {
        n = snprintf(out, out_bytes, "%s/brokers/%s", c->state_directory, b->name);
    }
    return n > 0 && (size_t)n < out_bytes;
}

static hulse_status failed(const char *path, struct error *err)
{
    const int why = errno;

    return hulse_fail(err,
                      why == EACCES || why == EPERM ? HULSE_DENIED : HULSE_IO,
                      "%s: %s",
                      path,
                      strerrordesc_np(why));
}

/* The part of an absolute `path` above its last name. */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    slash[slash == path ? 1 : 0] = '\0';
}

hulse_status
hulse_config_directory_make(const struct config_broker *b, const char *path, struct error *err)
{
    char above[HULSE_CONFIG_DIRECTORY_BYTES];

    if (b->directory[0] != '\0') {
        return HULSE_OK;
    }
    for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        memcpy(above, path, (size_t)(at - path));
        above[at - path] = '\0';
        if (mkdir(above, MODE) != 0 && errno != EEXIST) {
            return failed(above, err);
        }
    }
    return HULSE_OK;
}

hulse_status
hulse_config_directory_check(const struct config_broker *b, const char *path, struct error *err)
{
    /* Of a given one only the last name is made. */
    unsigned missing_max = b->directory[0] != '\0' ? 1 : UINT_MAX;
    char at[HULSE_CONFIG_DIRECTORY_BYTES];
    struct stat st;

    (void)snprintf(at, sizeof(at), "%s", path);
    while (stat(at, &st) != 0) {
        if (errno != ENOENT) {
            return failed(at, err);
        }
        if (missing_max == 0) {
            return hulse_fail(err, HULSE_IO, "%s: its parent directory does not exist", path);
        }
        missing_max--;
        cut_last(at);
    }
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return failed(at, err);
    }
    return access(at, W_OK | X_OK) == 0 ? HULSE_OK : failed(at, err);
}
