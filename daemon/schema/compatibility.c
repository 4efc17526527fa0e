/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compatibility - see the header.
 */
#include "daemon/schema/compatibility.h"

#include "daemon/core/assert.h"
#include "daemon/schema/resolve.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    bool backward;
    bool forward;
    bool transitive;
} strategies[SCHEMA_STRATEGIES] = {
    [SCHEMA_ALWAYS_INCOMPATIBLE] = {"ALWAYS_INCOMPATIBLE", false, false, false},
    [SCHEMA_ALWAYS_COMPATIBLE] = {"ALWAYS_COMPATIBLE", false, false, false},
    [SCHEMA_BACKWARD] = {"BACKWARD", true, false, false},
    [SCHEMA_FORWARD] = {"FORWARD", false, true, false},
    [SCHEMA_FULL] = {"FULL", true, true, false},
    [SCHEMA_BACKWARD_TRANSITIVE] = {"BACKWARD_TRANSITIVE", true, false, true},
    [SCHEMA_FORWARD_TRANSITIVE] = {"FORWARD_TRANSITIVE", false, true, true},
    [SCHEMA_FULL_TRANSITIVE] = {"FULL_TRANSITIVE", true, true, true},
};

const char *hulse_schema_strategy_name(enum schema_strategy strategy)
{
    HULSE_ASSERT((unsigned)strategy < SCHEMA_STRATEGIES);
    return strategies[strategy].name;
}

bool hulse_schema_strategy_find(const char *name, enum schema_strategy *out)
{
    if (strcasecmp(name, "NONE") == 0) {
        *out = SCHEMA_ALWAYS_COMPATIBLE;
        return true;
    }
    for (unsigned i = 0; i < SCHEMA_STRATEGIES; i++) {
        if (strcasecmp(strategies[i].name, name) == 0) {
            *out = (enum schema_strategy)i;
            return true;
        }
    }
    return false;
}

/* `which` schema is the old one, and the direction, go into the text. */
static hulse_status read_one(const struct schema *writer,
                             const struct schema *reader,
                             const char *what,
                             struct error *err)
{
    struct resolve_answer answer;

    hulse_schema_resolve(writer, reader, &answer);
    if (answer.readable) {
        return HULSE_OK;
    }
    const char *path = hulse_schema_path_text(&answer.path);
    return hulse_fail(err,
                      answer.no_memory ? HULSE_NO_MEMORY : HULSE_REFUSED,
                      "%s: %s%s%s",
                      what,
                      path,
                      *path == '\0' ? "" : ": ",
                      answer.why);
}

/* Definitions that are not read here; primitive types have none. */
static hulse_status
check_untold(const struct schema *old, const struct schema *fresh, struct error *err)
{
    if (old->definition_bytes == fresh->definition_bytes &&
        memcmp(old->definition, fresh->definition, fresh->definition_bytes) == 0) {
        return HULSE_OK;
    }
    return hulse_fail(err,
                      HULSE_UNSUPPORTED,
                      "schemas of %s cannot be compared here; the broker can",
                      hulse_schema_type_name(fresh->type));
}

static hulse_status check_one(enum schema_strategy strategy,
                              const struct schema *old,
                              const struct schema *fresh,
                              struct error *err)
{
    hulse_status status = HULSE_OK;

    if (old->type != fresh->type) {
        return hulse_fail(err,
                          HULSE_REFUSED,
                          "the topic has a schema of %s, the new one is of %s",
                          hulse_schema_type_name(old->type),
                          hulse_schema_type_name(fresh->type));
    }
    if (fresh->root == SCHEMA_NONE) {
        return check_untold(old, fresh, err);
    }
    if (strategies[strategy].backward) {
        status = read_one(old, fresh, "the new schema cannot read what the old one wrote", err);
    }
    if (status == HULSE_OK && strategies[strategy].forward) {
        status = read_one(fresh, old, "the old schema cannot read what the new one writes", err);
    }
    return status;
}

hulse_status hulse_schema_compatible(enum schema_strategy strategy,
                                     const struct schema *const *old,
                                     size_t count,
                                     const struct schema *fresh,
                                     struct error *err)
{
    HULSE_ASSERT((unsigned)strategy < SCHEMA_STRATEGIES);

    if (strategy == SCHEMA_ALWAYS_COMPATIBLE || count == 0) {
        return HULSE_OK;
    }
    if (strategy == SCHEMA_ALWAYS_INCOMPATIBLE) {
        return hulse_fail(err, HULSE_REFUSED, "the topic takes no other schema");
    }
    const size_t first = strategies[strategy].transitive ? 0 : count - 1;
    for (size_t i = count; i > first; i--) {
        const hulse_status status = check_one(strategy, old[i - 1], fresh, err);
        if (status != HULSE_OK) {
            return status;
        }
    }
    return HULSE_OK;
}
