/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what no key can say alone.
 */
#include "daemon/config/body.h"
#include "daemon/config/directory.h"
#include "daemon/config/key.h"
#include "daemon/config/letter_name.h"
#include "daemon/config/pulsar_rules.h"
#include "daemon/core/assert.h"

#include <stdlib.h>
#include <string.h>

/* The first of the two that is in a file: a default is nobody's mistake. */
static struct config_place place_of_pair(const struct config *c, const char *a, const char *b)
{
    const struct config_place place = hulse_body_place_of(c, KEY_GLOBAL, 0, a);

    return place.file != NULL ? place : hulse_body_place_of(c, KEY_GLOBAL, 0, b);
}

/* ---- the whole ---- */

static void check_order(const struct config *c, struct config_problems *problems)
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

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].low > pairs[i].high) {
            hulse_problem_add(problems,
                              place_of_pair(c, pairs[i].low_path, pairs[i].high_path),
                              "%s must not be above %s",
                              pairs[i].low_path,
                              pairs[i].high_path);
        }
    }
}

static void check_sockets(const struct config *c, struct config_problems *problems)
{
    if (c->listen.socket[0] == '\0' || c->listen.admin_socket[0] == '\0') {
        hulse_problem_add(problems,
                          (struct config_place){0},
                          "listen.socket, listen.admin_socket: XDG_RUNTIME_DIR is too long for a "
                          "socket path (%u bytes)",
                          HULSE_CONFIG_SOCKET_BYTES - 1);
    } else if (strcmp(c->listen.socket, c->listen.admin_socket) == 0) {
        hulse_problem_add(problems,
                          place_of_pair(c, "listen.socket", "listen.admin_socket"),
                          "listen.socket and listen.admin_socket must not be the same");
    }
}

/* ---- brokers and topics ---- */

static bool is_broker(const struct config *c, const char *name)
{
    return hulse_body_find(c, KEY_BROKER, name) < c->broker_count;
}

/* Only where it was so at the start: what has been read since leads to it. */
static bool is_unused(const struct config *c, const char *name)
{
    const size_t i = hulse_body_find(c, KEY_BROKER, name);

    return i < c->broker_count && c->brokers[i].unused;
}

static void check_brokers(const struct config *c, struct config_problems *problems)
{
    static const char *const types[] = {
        [CONFIG_BROKER_LOCAL] = "local", [CONFIG_BROKER_NULL] = "null"};

    if (!is_broker(c, c->default_broker)) {
        hulse_problem_add(problems,
                          hulse_body_place_of(c, KEY_GLOBAL, 0, "default_broker"),
                          "default_broker: there is no broker '%s'",
                          c->default_broker);
    }
    for (size_t own = 0; own < sizeof(types) / sizeof(types[0]); own++) {
        const size_t i = hulse_body_find(c, KEY_BROKER, types[own]);
        HULSE_ASSERT(i < c->broker_count);
        if (c->brokers[i].type != own) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, i, "type"),
                              "brokers.%s exists by itself and has the type %s",
                              types[own],
                              types[own]);
        }
    }
}

/* Each store has a directory, and no other has it. */
static void check_directories(const struct config *c, struct config_problems *problems)
{
    char mine[HULSE_CONFIG_DIRECTORY_BYTES];
    char theirs[HULSE_CONFIG_DIRECTORY_BYTES];

    for (size_t i = 0; i < c->broker_count; i++) {
        const struct config_broker *b = &c->brokers[i];
        if (!hulse_config_has_store(b)) {
            continue;
        }
        if (!hulse_config_directory(c, b, mine, sizeof(mine))) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, i, "directory"),
                              "brokers.%s.directory: there is no default without XDG_STATE_HOME "
                              "and HOME; give one, or durability: memory",
                              b->name);
            continue;
        }
        for (size_t k = 0; k < i; k++) {
            if (hulse_config_has_store(&c->brokers[k]) &&
                hulse_config_directory(c, &c->brokers[k], theirs, sizeof(theirs)) &&
                strcmp(mine, theirs) == 0) {
                hulse_problem_add(problems,
                                  hulse_body_place_of(c, KEY_BROKER, i, "directory"),
                                  "brokers.%s.directory is that of brokers.%s",
                                  b->name,
                                  c->brokers[k].name);
            }
        }
    }
}

/* Below it a slow moment of the machine looks like an application that stands still. */
#define ACK_TIMEOUT_MS_MIN 1000U

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void
check_letter_subscription(const struct config *c, size_t rule, struct config_problems *problems)
{
    if (is_set(c->topics[rule].consume.dead_letter_subscription) &&
        !is_set(c->topics[rule].consume.dead_letter)) {
        hulse_problem_add(
            problems,
            hulse_body_place_of(c, KEY_TOPIC, rule, "consume.dead_letter_subscription"),
            "topics.%zu.consume.dead_letter_subscription: the rule has no dead_letter",
            rule);
    }
}

static void check_topics(const struct config *c, struct config_problems *problems)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        const struct config_topic_rule *rule = &c->topics[i];
        if (rule->match[0] == '\0' &&
            hulse_body_origin(c, KEY_TOPIC, i, NULL)->kind == CONFIG_ORIGIN_DEFAULT) {
            hulse_problem_add(
                problems, (struct config_place){0}, "topics.%zu: match is missing", i);
        }
        if (rule->broker[0] != '\0' && !is_broker(c, rule->broker)) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_TOPIC, i, "broker"),
                              "topics.%zu.broker: there is no broker '%s'",
                              i,
                              rule->broker);
        } else if (is_unused(c, rule->broker)) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_TOPIC, i, "broker"),
                              "topics.%zu.broker: nothing needed '%s' when the daemon started",
                              i,
                              rule->broker);
        }
        if (rule->consume.ack_timeout_ms > 0 && rule->consume.ack_timeout_ms < ACK_TIMEOUT_MS_MIN) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_TOPIC, i, "consume.ack_timeout"),
                              "topics.%zu.consume.ack_timeout: 0s, or at least 1s",
                              i);
        }
        hulse_letter_check(c, i, problems);
        check_letter_subscription(c, i, problems);
        if (rule->consume.nack_delay_ms > rule->consume.nack_delay_max_ms) {
            const struct config_place place =
                hulse_body_place_of(c, KEY_TOPIC, i, "consume.nack.delay");
            hulse_problem_add(problems,
                              place.file != NULL
                                  ? place
                                  : hulse_body_place_of(c, KEY_TOPIC, i, "consume.nack.delay_max"),
                              "topics.%zu.consume.nack.delay must not be above delay_max",
                              i);
        }
    }
}

/* ---- roles ---- */

/* Something that only one role may have. */
struct claim {
    const char *token; /* NULL: a number */
    uid_t id;
    size_t role;
};

static int compare_claims(const void *a, const void *b)
{
    const struct claim *x = a;
    const struct claim *y = b;
    const int texts = x->token == NULL ? 0 : strcmp(x->token, y->token);

    if (texts != 0) {
        return texts;
    }
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    return (x->role > y->role) - (x->role < y->role);
}

static void report_claim(const struct config *c,
                         const char *path,
                         const struct claim *first,
                         const struct claim *second,
                         struct config_problems *problems)
{
    const struct config_place other = hulse_body_place_of(c, KEY_ROLE, first->role, path);
    const char *name = c->roles[first->role].name;
    char what[64];

    if (first->token != NULL) {
        (void)snprintf(what, sizeof(what), "a token of it"); /* its text is a secret */
    } else {
        (void)snprintf(what, sizeof(what), "%u", (unsigned)first->id);
    }
    if (other.file == NULL) {
        hulse_problem_add(problems,
                          hulse_body_place_of(c, KEY_ROLE, second->role, path),
                          "roles.%s.%s: %s belongs to the role '%s', too",
                          c->roles[second->role].name,
                          path,
                          what,
                          name);
        return;
    }
    hulse_problem_add(problems,
                      hulse_body_place_of(c, KEY_ROLE, second->role, path),
                      "roles.%s.%s: %s belongs to the role '%s' of line %u, column %u, too",
                      c->roles[second->role].name,
                      path,
                      what,
                      name,
                      other.line,
                      other.column);
}

enum claim_kind { CLAIM_UID = 0, CLAIM_GID, CLAIM_TOKEN };

static size_t claim_count(const struct config_role *role, enum claim_kind kind)
{
    const size_t counts[] = {
        [CLAIM_UID] = role->uid_count,
        [CLAIM_GID] = role->gid_count,
        [CLAIM_TOKEN] = role->token_count,
    };

    return counts[kind];
}

static struct claim claim_at(const struct config *c, size_t role, enum claim_kind kind, size_t i)
{
    const struct config_role *r = &c->roles[role];

    return (struct claim){
        .token = kind == CLAIM_TOKEN ? r->tokens[i] : NULL,
        .id = kind == CLAIM_UID   ? r->uids[i]
              : kind == CLAIM_GID ? (uid_t)r->gids[i]
                                  : 0,
        .role = role,
    };
}

/* Sorted, equal claims stand beside each other. */
static void
check_claims(const struct config *c, enum claim_kind kind, struct config_problems *problems)
{
    static const char *const paths[] = {
        [CLAIM_UID] = "uids", [CLAIM_GID] = "gids", [CLAIM_TOKEN] = "tokens_file"};
    size_t count = 0;
    size_t used = 0;

    for (size_t r = 0; r < c->role_count; r++) {
        count += claim_count(&c->roles[r], kind);
    }
    if (count == 0) {
        return;
    }
    struct claim *claims = calloc(count, sizeof(*claims));
    if (claims == NULL) {
        hulse_problem_add(problems, (struct config_place){0}, "no memory");
        return;
    }
    for (size_t r = 0; r < c->role_count; r++) {
        for (size_t i = 0; i < claim_count(&c->roles[r], kind) && used < count; i++) {
            claims[used++] = claim_at(c, r, kind, i);
        }
    }
    qsort(claims, count, sizeof(*claims), compare_claims);
    for (size_t i = 1; i < count; i++) {
        struct claim again = claims[i];
        again.role = claims[i - 1].role;
        if (claims[i].role != again.role && compare_claims(&claims[i - 1], &again) == 0) {
            report_claim(c, paths[kind], &claims[i - 1], &claims[i], problems);
        }
    }
    free(claims);
}

void hulse_config_check(const struct config *c, struct config_problems *problems)
{
    check_sockets(c, problems);
    check_order(c, problems);
    check_brokers(c, problems);
    check_directories(c, problems);
    hulse_pulsar_rules_check(c, problems);
    check_topics(c, problems);
    check_claims(c, CLAIM_UID, problems);
    check_claims(c, CLAIM_GID, problems);
    check_claims(c, CLAIM_TOKEN, problems);
}
