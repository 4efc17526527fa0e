/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - see config.h: defaults, environment and flags over the table of keys.
 */
#include "daemon/config/config.h"

#include "daemon/config/key.h"
#include "daemon/config/slot.h"
#include "daemon/config/variables.h"
#include "daemon/core/assert.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "HULSE_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define VARIABLE_BYTES (PREFIX_BYTES + HULSE_SLOT_PATH_BYTES)

/*
 * Variables with names of their own, the strongest of a path last: names of the deployments that
 * Hulse comes into (interfaces 3), then those that every program of ours knows. The path's own name
 * wins over them.
 */
static const struct alias {
    const char *variable;
    const char *path;
    bool any_case;
    const char *value; /* NULL: the variable's */
} aliases[] = {
    /* They mean a broker `main`, which is the default one. */
    {"PULSAR_SERVICE_URL", "brokers.main.type", false, "pulsar"},
    {"PULSAR_SERVICE_URL", "brokers.main.service_url", false, NULL},
    {"PULSAR_SERVICE_URL", "default_broker", false, "main"},
    {"PULSAR_BROKER_URL", "brokers.main.type", false, "pulsar"},
    {"PULSAR_BROKER_URL", "brokers.main.service_url", false, NULL},
    {"PULSAR_BROKER_URL", "default_broker", false, "main"},
    {"PULSAR_ADMIN_URL", "brokers.main.admin_url", false, NULL},
    {"PULSAR_TOKEN", "brokers.main.auth.token", false, NULL},
    {"PULSAR_TLS_CA_FILE", "brokers.main.tls.ca_file", false, NULL},
    {"PULSAR_TLS_CERT_FILE", "brokers.main.auth.tls.cert_file", false, NULL},
    {"PULSAR_TLS_KEY_FILE", "brokers.main.auth.tls.key_file", false, NULL},
    {"LOG_LEVEL", "log.level", true, NULL},
    {"APP_NAME", "name", false, NULL},
    {"SERVICE_NAME", "name", false, NULL},
    {"HULSE_SOCKET", "listen.socket", false, NULL},
    {"HULSE_ADMIN_SOCKET", "listen.admin_socket", false, NULL},
};
#define ALIASES (sizeof(aliases) / sizeof(aliases[0]))

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

/* Where stores are by default (interfaces 1). A path that does not fit stays empty. */
static void default_state(char *const *environment, char *out, size_t out_bytes)
{
    const char *state = variable(environment, "XDG_STATE_HOME");
    const char *home = variable(environment, "HOME");
    int n = -1;

    if (geteuid() == 0) {
        n = snprintf(out, out_bytes, "/var/lib/hulse");
    } else if (state != NULL) {
        n = snprintf(out, out_bytes, "%s/hulse", state);
    } else if (home != NULL) {
        n = snprintf(out, out_bytes, "%s/.local/state/hulse", home);
    }
    if (n < 0 || (size_t)n >= out_bytes || out[0] != '/') {
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
    hulse_config_fini(c); /* an empty one still has the brokers that always exist */
    for (size_t i = 0; i < hulse_key_count(KEY_GLOBAL); i++) {
        const struct key *key = hulse_key_at(KEY_GLOBAL, i);
        const char *text = key->fallback;
        const hulse_status st = text == NULL ? HULSE_OK : hulse_key_store(key, c, NULL, text, NULL);
        HULSE_ASSERT(st == HULSE_OK);
    }
    default_name(c->name, sizeof(c->name));
    default_socket(environment, "hulse.sock", c->listen.socket, sizeof(c->listen.socket));
    default_state(environment, c->state_directory, sizeof(c->state_directory));
    default_socket(
        environment, "admin.sock", c->listen.admin_socket, sizeof(c->listen.admin_socket));
}

/* HULSE_SESSION__RING_MAX -> session.ring_max. False: not a name of this form. */
static bool path_of(const char *name, size_t name_bytes, char *path)
{
    size_t used = 0;

    if (name_bytes <= PREFIX_BYTES || name_bytes - PREFIX_BYTES >= HULSE_SLOT_PATH_BYTES ||
        strncmp(name, PREFIX, PREFIX_BYTES) != 0) {
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

/* A variable's value for the key of a path; `origin` has no name yet in an environment. */
static hulse_status store_variable(struct config *c,
                                   const char *name,
                                   const char *path,
                                   const char *value,
                                   struct config_origin origin,
                                   struct error *err)
{
    struct config_slot slot;
    struct error inner = {0};
    char what[VARIABLE_BYTES + sizeof(": ")];

    (void)snprintf(what, sizeof(what), "%s: ", name);
    hulse_status st = hulse_slot_find(c, what, path, &slot, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (origin.kind == CONFIG_ORIGIN_ENVIRONMENT) {
        origin.name = hulse_body_text(c, name, strlen(name));
    }
    if (origin.name == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    st = hulse_slot_store(c, &slot, value, origin, &inner);
    return st == HULSE_OK ? st : hulse_fail(err, st, "%s%s", what, inner.text);
}

static hulse_status take_alias(struct config *c,
                               const struct alias *alias,
                               const char *value,
                               struct config_origin origin,
                               struct error *err)
{
    char lower[HULSE_CONFIG_TEXT_BYTES];

    if (alias->value != NULL) {
        value = alias->value;
    }
    if (!alias->any_case) {
        return store_variable(c, alias->variable, alias->path, value, origin, err);
    }
    (void)snprintf(lower, sizeof(lower), "%s", value);
    for (char *at = lower; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return store_variable(c, alias->variable, alias->path, lower, origin, err);
}

/* NAME=VALUE, if it is the name of a key. */
static hulse_status
take_variable(struct config *c, const char *entry, struct config_origin origin, struct error *err)
{
    const char *equals = strchr(entry, '=');
    char path[HULSE_SLOT_PATH_BYTES];
    char name[VARIABLE_BYTES];

    if (equals == NULL || equals[1] == '\0' || !path_of(entry, (size_t)(equals - entry), path)) {
        return HULSE_OK;
    }
    if (strchr(path, '.') == NULL && hulse_key_find(KEY_GLOBAL, path) == NULL) {
        return HULSE_OK;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - entry), entry);
    return store_variable(c, name, path, equals + 1, origin, err);
}

void hulse_config_variables(struct config *c,
                            char *const *environment,
                            const struct config_origin *origins,
                            struct config_problems *problems)
{
    static const struct config_origin own = {.kind = CONFIG_ORIGIN_ENVIRONMENT};

    for (size_t i = 0; i < ALIASES; i++) {
        for (size_t n = 0; environment[n] != NULL; n++) {
            const size_t bytes = strlen(aliases[i].variable);
            const char *entry = environment[n];
            const struct config_origin *origin = origins == NULL ? &own : &origins[n];
            struct error err = {0};
            if (strncmp(entry, aliases[i].variable, bytes) == 0 && entry[bytes] == '=' &&
                entry[bytes + 1] != '\0' &&
                take_alias(c, &aliases[i], entry + bytes + 1, *origin, &err) != HULSE_OK) {
                hulse_problem_add(problems, hulse_body_place(origin), "%s", err.text);
            }
        }
    }
    for (size_t n = 0; environment[n] != NULL; n++) {
        const struct config_origin *origin = origins == NULL ? &own : &origins[n];
        struct error err = {0};
        if (take_variable(c, environment[n], *origin, &err) != HULSE_OK) {
            hulse_problem_add(problems, hulse_body_place(origin), "%s", err.text);
        }
    }
}

void hulse_config_environment(struct config *c,
                              char *const *environment,
                              struct config_problems *problems)
{
    hulse_config_variables(c, environment, NULL, problems);
}

hulse_status hulse_config_set(struct config *c, const char *assignment, struct error *err)
{
    static const struct config_origin origin = {.kind = CONFIG_ORIGIN_FLAG};
    const char *equals = strchr(assignment, '=');
    char path[HULSE_SLOT_PATH_BYTES];
    struct config_slot slot;
    struct error inner = {0};

    if (equals == NULL || equals == assignment) {
        return hulse_fail(err, HULSE_INVAL, "--set %.64s: PATH=VALUE is expected", assignment);
    }
    if ((size_t)(equals - assignment) >= sizeof(path)) {
        return hulse_fail(err, HULSE_INVAL, "--set: unknown key '%.48s...'", assignment);
    }
    (void)snprintf(path, sizeof(path), "%.*s", (int)(equals - assignment), assignment);
    hulse_status st = hulse_slot_find(c, "--set: ", path, &slot, err);
    if (st == HULSE_OK) {
        st = hulse_slot_store(c, &slot, equals + 1, origin, &inner);
        if (st != HULSE_OK) {
            (void)hulse_fail(err, st, "--set %s", inner.text);
        }
    }
    return st;
}
