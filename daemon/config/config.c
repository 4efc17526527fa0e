/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - see config.h: defaults, environment and flags over the table of keys.
 */
#include "daemon/config/config.h"

#include "daemon/config/key.h"
#include "daemon/core/assert.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "HULSE_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define PATH_BYTES_MAX 64U

/* Variables that every program of ours knows. The path's own name wins over them. */
static const struct {
    const char *variable;
    const char *path;
} short_names[] = {
    {"HULSE_SOCKET", "listen.socket"},
    {"HULSE_ADMIN_SOCKET", "listen.admin_socket"},
};
#define SHORT_NAMES (sizeof(short_names) / sizeof(short_names[0]))

/* The value of a variable, NULL when it is missing or empty. */
static const char *variable(char *const *environment, const char *name)
{
    const size_t bytes = strlen(name);

    for (; *environment != NULL; environment++) {
        const char *entry = *environment;
        if (strncmp(entry, name, bytes) == 0 && entry[bytes] == '=') {
            return entry[bytes + 1] == '\0' ? NULL : entry + bytes + 1;
        }
    }
    return NULL;
}

/* Where sockets are by default (interfaces 1). A path that does not fit stays empty. */
static void default_socket(char *const *environment, const char *name, char *out, size_t out_bytes)
{
    const char *runtime = variable(environment, "XDG_RUNTIME_DIR");
    int n = 0;

    if (geteuid() == 0) {
        n = snprintf(out, out_bytes, "/run/hulse/%s", name);
    } else if (runtime != NULL) {
        n = snprintf(out, out_bytes, "%s/hulse/%s", runtime, name);
    } else {
        n = snprintf(out, out_bytes, "/run/user/%u/hulse/%s", (unsigned)geteuid(), name);
    }
    if (n < 0 || (size_t)n >= out_bytes) {
        out[0] = '\0';
    }
}

static void default_name(char *out, size_t out_bytes)
{
    if (gethostname(out, out_bytes) != 0 || out[0] == '\0') {
        (void)snprintf(out, out_bytes, "hulsed");
    }
    out[out_bytes - 1] = '\0';
}

void hulse_config_init(struct config *c, char *const *environment)
{
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < hulse_key_count(); i++) {
        const struct key *key = hulse_key_at(i);
        const char *text = key->fallback;
        const hulse_status st = text == NULL ? HULSE_OK : hulse_key_store(key, c, text, NULL);
        HULSE_ASSERT(st == HULSE_OK);
    }
    default_name(c->name, sizeof(c->name));
    default_socket(environment, "hulse.sock", c->listen.socket, sizeof(c->listen.socket));
    default_socket(
        environment, "admin.sock", c->listen.admin_socket, sizeof(c->listen.admin_socket));
}

static void
note_origin(struct config *c, const struct key *key, enum config_origin origin, const char *name)
{
    const size_t index = (size_t)(key - hulse_key_at(0));

    c->origins[index].origin = origin;
    (void)snprintf(c->origins[index].name,
                   sizeof(c->origins[index].name),
                   "%.*s",
                   (int)sizeof(c->origins[index].name) - 1,
                   name);
}

/* HULSE_SESSION__RING_MAX -> session.ring_max. False: not a name of this form. */
static bool path_of(const char *name, size_t name_bytes, char *path)
{
    size_t used = 0;

    if (name_bytes <= PREFIX_BYTES || name_bytes - PREFIX_BYTES >= PATH_BYTES_MAX) {
        return false;
    }
    for (size_t i = PREFIX_BYTES; i < name_bytes; i++) {
        if (islower((unsigned char)name[i]) != 0) {
            return false;
        }
        if (name[i] == '_' && i + 1 < name_bytes && name[i + 1] == '_') {
            path[used++] = '.';
            i++;
        } else {
            path[used++] = (char)tolower((unsigned char)name[i]);
        }
    }
    path[used] = '\0';
    return true;
}

static hulse_status fail_unknown(struct error *err, const char *what, const char *path)
{
    const char *nearest = hulse_key_nearest(path);

    if (*nearest == '\0') {
        return hulse_fail(err, HULSE_INVAL, "%s: unknown key '%.48s'", what, path);
    }
    return hulse_fail(
        err, HULSE_INVAL, "%s: unknown key '%.48s'; the nearest is '%s'", what, path, nearest);
}

static hulse_status take_variable(struct config *c, const char *entry, struct error *err)
{
    const char *equals = strchr(entry, '=');
    char path[PATH_BYTES_MAX];
    char name[HULSE_CONFIG_ORIGIN_BYTES + PATH_BYTES_MAX];
    struct error inner = {0};

    if (equals == NULL || equals[1] == '\0' || strncmp(entry, PREFIX, PREFIX_BYTES) != 0 ||
        !path_of(entry, (size_t)(equals - entry), path)) {
        return HULSE_OK;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - entry), entry);
    const struct key *key = hulse_key_find(path);
    if (key == NULL) {
        return strchr(path, '.') == NULL ? HULSE_OK : fail_unknown(err, name, path);
    }
    if (hulse_key_store(key, c, equals + 1, &inner) != HULSE_OK) {
        return hulse_fail(err, HULSE_INVAL, "%s: %s", name, inner.text);
    }
    note_origin(c, key, CONFIG_ORIGIN_ENVIRONMENT, name);
    return HULSE_OK;
}

hulse_status hulse_config_environment(struct config *c, char *const *environment, struct error *err)
{
    struct error inner = {0};

    for (size_t i = 0; i < SHORT_NAMES; i++) {
        const char *value = variable(environment, short_names[i].variable);
        const struct key *key = hulse_key_find(short_names[i].path);
        HULSE_ASSERT(key != NULL);
        if (value == NULL) {
            continue;
        }
        if (hulse_key_store(key, c, value, &inner) != HULSE_OK) {
            return hulse_fail(err, HULSE_INVAL, "%s: %s", short_names[i].variable, inner.text);
        }
        note_origin(c, key, CONFIG_ORIGIN_ENVIRONMENT, short_names[i].variable);
    }
    for (; *environment != NULL; environment++) {
        const hulse_status st = take_variable(c, *environment, err);
        if (st != HULSE_OK) {
            return st;
        }
    }
    return HULSE_OK;
}

hulse_status hulse_config_set(struct config *c, const char *assignment, struct error *err)
{
    const char *equals = strchr(assignment, '=');
    char path[PATH_BYTES_MAX];
    struct error inner = {0};

    if (equals == NULL || equals == assignment) {
        return hulse_fail(err, HULSE_INVAL, "--set %.64s: PATH=VALUE is expected", assignment);
    }
    const int bytes = (int)(equals - assignment);
    if ((size_t)bytes >= sizeof(path)) {
        return hulse_fail(err, HULSE_INVAL, "--set: unknown key '%.48s...'", assignment);
    }
    (void)snprintf(path, sizeof(path), "%.*s", bytes, assignment);
    const struct key *key = hulse_key_find(path);
    if (key == NULL) {
        return fail_unknown(err, "--set", path);
    }
    if (hulse_key_store(key, c, equals + 1, &inner) != HULSE_OK) {
        return hulse_fail(err, HULSE_INVAL, "--set %s", inner.text);
    }
    note_origin(c, key, CONFIG_ORIGIN_FLAG, "--set");
    return HULSE_OK;
}

static hulse_status check_not_above(
    const char *low_path, uint64_t low, const char *high_path, uint64_t high, struct error *err)
{
    if (low > high) {
        return hulse_fail(err, HULSE_INVAL, "%s must not be above %s", low_path, high_path);
    }
    return HULSE_OK;
}

hulse_status hulse_config_check(const struct config *c, struct error *err)
{
    const struct {
        const char *low_path;
        uint64_t low;
        const char *high_path;
        uint64_t high;
    } pairs[] = {
        {"spin.min", c->spin.min_ns, "spin.max", c->spin.max_ns},
        {"session.publish_ring", c->session.publish_ring, "session.ring_max", c->session.ring_max},
        {"session.deliver_ring", c->session.deliver_ring, "session.ring_max", c->session.ring_max},
        {"session.verdict_ring", c->session.verdict_ring, "session.ring_max", c->session.ring_max},
        {"session.receipts", c->session.receipts, "session.receipts_max", c->session.receipts_max},
        {"message_max", c->message_max, "memory_max", hulse_config_memory_max(c)},
    };

    if (c->listen.socket[0] == '\0' || c->listen.admin_socket[0] == '\0') {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "listen.socket, listen.admin_socket: XDG_RUNTIME_DIR is too long for a "
                          "socket path (%u bytes)",
                          HULSE_CONFIG_SOCKET_BYTES - 1);
    }
    if (strcmp(c->listen.socket, c->listen.admin_socket) == 0) {
        return hulse_fail(
            err, HULSE_INVAL, "listen.socket and listen.admin_socket must not be the same");
    }
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const hulse_status st = check_not_above(
            pairs[i].low_path, pairs[i].low, pairs[i].high_path, pairs[i].high, err);
        if (st != HULSE_OK) {
            return st;
        }
    }
    return HULSE_OK;
}

const char *hulse_config_broker_name(const struct config *c)
{
    return hulse_key_find("default_broker")->names[c->default_broker];
}
