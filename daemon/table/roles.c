/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles - see roles.h.
 *
 * Three sorted lists lead from a token, a uid and a gid to a role; the file is validated, so no two
 * roles claim the same. Texts are copied into one block.
 */
#include "daemon/table/roles.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/pattern.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct globs {
    const char **patterns;
    size_t count;
};

struct full_role {
    struct app_role role; /* first: what others see */
    struct globs produce;
    struct globs consume;
    struct globs admin;
    regex_t topic_name;
    bool has_topic_name;
};

struct id_key {
    uint32_t id;
    uint32_t role;
};

struct token_key {
    uint8_t digest[HULSE_TOKEN_DIGEST_BYTES];
    uint32_t role;
};

/* Sorted by its state's name. */
struct named_state {
    struct role_state *state;
};

/* One block for everything of one kind; filled from its beginning. */
struct block {
    void *bytes;
    size_t size;
    size_t used;
};

struct roles {
    struct full_role *list; /* the owner last */
    struct named_state *by_name;
    uint32_t count;
    struct id_key *uids;
    size_t uid_count;
    struct id_key *gids;
    size_t gid_count;
    struct token_key *tokens;
    size_t token_count;
    struct block patterns; /* const char * */
    struct block text;
    uid_t own_uid;
};

static const char *const everything[] = {"**"};

/* The daemon's own uid, as long as no role lists it. */
static const struct config_role owner = {
    .name = HULSE_ROLE_OWNER,
    .produce = everything,
    .produce_count = 1,
    .consume = everything,
    .consume_count = 1,
    .admin = everything,
    .admin_count = 1,
};

/* ---- sizes and memory ---- */

static void *carve(struct block *b, size_t bytes)
{
    HULSE_ASSERT(bytes <= b->size - b->used);
    void *at = (char *)b->bytes + b->used;
    b->used += bytes;
    return at;
}

static void measure_globs(struct roles *r, const char *const *patterns, size_t count)
{
    r->patterns.size += count * sizeof(char *);
    for (size_t i = 0; i < count; i++) {
        r->text.size += strlen(patterns[i]) + 1;
    }
}

static void measure_role(struct roles *r, const struct config_role *c)
{
    measure_globs(r, c->produce, c->produce_count);
    measure_globs(r, c->consume, c->consume_count);
    measure_globs(r, c->admin, c->admin_count);
}

static bool allocate(struct roles *r, const struct config_role *roles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_role *c = &roles[i];
        r->uid_count += c->uid_count;
        r->gid_count += c->gid_count;
        r->token_count += c->token_count;
        measure_role(r, c);
    }
    measure_role(r, &owner);
    r->list = hulse_mem_zalloc(HULSE_MEM_TABLE, (count + 1) * sizeof(*r->list));
    r->by_name = hulse_mem_zalloc(HULSE_MEM_TABLE, (count + 1) * sizeof(*r->by_name));
    r->uids = hulse_mem_zalloc(HULSE_MEM_TABLE, r->uid_count * sizeof(*r->uids));
    r->gids = hulse_mem_zalloc(HULSE_MEM_TABLE, r->gid_count * sizeof(*r->gids));
    r->tokens = hulse_mem_zalloc(HULSE_MEM_TABLE, r->token_count * sizeof(*r->tokens));
    r->patterns.bytes = hulse_mem_zalloc(HULSE_MEM_TABLE, r->patterns.size);
    r->text.bytes = hulse_mem_zalloc(HULSE_MEM_TABLE, r->text.size);
    r->count = (uint32_t)count + 1;
    return r->list != NULL && r->by_name != NULL && r->uids != NULL && r->gids != NULL &&
           r->tokens != NULL && r->patterns.bytes != NULL && r->text.bytes != NULL;
}

/* ---- filling ---- */

static struct globs copy_globs(struct roles *r, const char *const *patterns, size_t count)
{
    const struct globs g = {carve(&r->patterns, count * sizeof(char *)), count};

    for (size_t i = 0; i < count; i++) {
        const size_t bytes = strlen(patterns[i]) + 1;
        char *copy = carve(&r->text, bytes);
        memcpy(copy, patterns[i], bytes);
        g.patterns[i] = copy;
    }
    return g;
}

static int compare_names(const void *a, const void *b)
{
    const struct named_state *left = a;
    const struct named_state *right = b;

    return strcmp(left->state->name, right->state->name);
}

static int compare_name(const void *name, const void *named)
{
    return strcmp(name, ((const struct named_state *)named)->state->name);
}

/* The state of the role of that name, held once more, or a new one. */
static struct role_state *inherit(const struct roles *before, const char *name)
{
    const struct named_state *found = NULL;

    if (before != NULL) {
        found =
            bsearch(name, before->by_name, before->count, sizeof(*before->by_name), compare_name);
    }
    return found != NULL ? hulse_role_state_hold(found->state) : hulse_role_state_create(name);
}

static hulse_status fill_role(struct roles *r,
                              uint32_t index,
                              const struct config_role *c,
                              const struct roles *before,
                              struct error *err)
{
    struct full_role *f = &r->list[index];

    f->role.index = index;
    f->role.rate = hulse_bucket_rates(c->rate.messages, c->rate.bytes);
    f->role.state = inherit(before, c->name);
    if (f->role.state == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the roles");
    }
    f->produce = copy_globs(r, c->produce, c->produce_count);
    f->consume = copy_globs(r, c->consume, c->consume_count);
    f->admin = copy_globs(r, c->admin, c->admin_count);
    if (c->topic_name == NULL || c->topic_name[0] == '\0') {
        return HULSE_OK;
    }
    if (regcomp(&f->topic_name, c->topic_name, REG_EXTENDED | REG_NOSUB) != 0) {
        return hulse_fail(
            err, HULSE_INVAL, "roles.%.64s.topic_name: no regular expression", c->name);
    }
    f->has_topic_name = true;
    return HULSE_OK;
}

static bool fill_keys(struct roles *r, const struct config_role *roles, uint32_t count)
{
    size_t uid = 0;
    size_t gid = 0;
    size_t token = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct config_role *c = &roles[i];
        for (size_t k = 0; k < c->uid_count; k++) {
            r->uids[uid++] = (struct id_key){c->uids[k], i};
        }
        for (size_t k = 0; k < c->gid_count; k++) {
            r->gids[gid++] = (struct id_key){c->gids[k], i};
        }
        for (size_t k = 0; k < c->token_count; k++) {
            struct identity who;
            if (!hulse_identity_token(&who, c->tokens[k], strlen(c->tokens[k]))) {
                return false;
            }
            memcpy(r->tokens[token].digest, who.token_digest, sizeof(who.token_digest));
            r->tokens[token++].role = i;
        }
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    const struct id_key *left = a;
    const struct id_key *right = b;

    if (left->id != right->id) {
        return left->id < right->id ? -1 : 1;
    }
    return left->role < right->role ? -1 : left->role > right->role;
}

static int compare_tokens(const void *a, const void *b)
{
    return memcmp(a, b, HULSE_TOKEN_DIGEST_BYTES);
}

static hulse_status fill(struct roles *r,
                         const struct config_role *roles,
                         uint32_t count,
                         const struct roles *before,
                         struct error *err)
{
    hulse_status st = HULSE_OK;

    for (uint32_t i = 0; i < count && st == HULSE_OK; i++) {
        st = fill_role(r, i, &roles[i], before, err);
    }
    if (st == HULSE_OK) {
        st = fill_role(r, count, &owner, before, err);
    }
    for (uint32_t i = 0; i <= count && st == HULSE_OK; i++) {
        r->by_name[i].state = r->list[i].role.state;
    }
    if (st == HULSE_OK) {
        qsort(r->by_name, r->count, sizeof(*r->by_name), compare_names);
    }
    if (st == HULSE_OK && !fill_keys(r, roles, count)) {
        st = hulse_fail(err, HULSE_NO_MEMORY, "no digest of a token can be made");
    }
    qsort(r->uids, r->uid_count, sizeof(*r->uids), compare_ids);
    qsort(r->gids, r->gid_count, sizeof(*r->gids), compare_ids);
    qsort(r->tokens, r->token_count, sizeof(*r->tokens), compare_tokens);
    return st;
}

hulse_status hulse_roles_create(struct roles **out,
                                const struct config_role *roles,
                                size_t count,
                                const struct roles *before,
                                struct error *err)
{
    *out = NULL;
    if (count > HULSE_ROLES_MAX) {
        return hulse_fail(err, HULSE_INVAL, "roles: more than %u", HULSE_ROLES_MAX);
    }
    struct roles *r = hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*r));
    if (r == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the roles");
    }
    r->own_uid = geteuid();
    hulse_status st = HULSE_OK;
    if (!allocate(r, roles, count)) {
        st = hulse_fail(err, HULSE_NO_MEMORY, "no memory for the roles");
    } else {
        st = fill(r, roles, (uint32_t)count, before, err);
    }
    if (st != HULSE_OK) {
        hulse_roles_destroy(&r);
    }
    *out = r;
    return st;
}

void hulse_roles_destroy(struct roles **roles)
{
    struct roles *r = *roles;

    *roles = NULL;
    if (r == NULL) {
        return;
    }
    for (uint32_t i = 0; r->list != NULL && i < r->count; i++) {
        if (r->list[i].has_topic_name) {
            regfree(&r->list[i].topic_name);
        }
        hulse_role_state_release(&r->list[i].role.state);
    }
    hulse_mem_free(HULSE_MEM_TABLE, r->list, r->count * sizeof(*r->list));
    hulse_mem_free(HULSE_MEM_TABLE, r->by_name, r->count * sizeof(*r->by_name));
    hulse_mem_free(HULSE_MEM_TABLE, r->uids, r->uid_count * sizeof(*r->uids));
    hulse_mem_free(HULSE_MEM_TABLE, r->gids, r->gid_count * sizeof(*r->gids));
    hulse_mem_free(HULSE_MEM_TABLE, r->tokens, r->token_count * sizeof(*r->tokens));
    hulse_mem_free(HULSE_MEM_TABLE, r->patterns.bytes, r->patterns.size);
    hulse_mem_free(HULSE_MEM_TABLE, r->text.bytes, r->text.size);
    hulse_mem_free(HULSE_MEM_TABLE, r, sizeof(*r));
}

void hulse_roles_limit(const struct roles *r, const struct config_role *roles)
{
    for (uint32_t i = 0; i + 1 < r->count; i++) {
        struct role_state *state = r->list[i].role.state;
        /* Relaxed because each is read alone. */
        atomic_store_explicit(&state->sessions_max, roles[i].sessions_max, memory_order_relaxed);
        atomic_store_explicit(&state->memory_max, roles[i].memory_max, memory_order_relaxed);
    }
}

/* ---- looking up ---- */

/* The first of several with the same id, which is the first in the file. */
static const struct app_role *
find_id(const struct roles *r, const struct id_key *keys, size_t count, uint32_t id)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (keys[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && keys[low].id == id ? &r->list[keys[low].role].role : NULL;
}

static const struct app_role *find_token(const struct roles *r, const uint8_t *digest)
{
    const struct token_key *key =
        bsearch(digest, r->tokens, r->token_count, sizeof(*r->tokens), compare_tokens);

    return key == NULL ? NULL : &r->list[key->role].role;
}

const struct app_role *hulse_roles_find(const struct roles *r, const struct identity *who)
{
    if (who->has_token) {
        return find_token(r, who->token_digest);
    }
    const struct app_role *role = find_id(r, r->uids, r->uid_count, who->uid);
    if (role == NULL) {
        role = find_id(r, r->gids, r->gid_count, who->gid);
    }
    if (role == NULL && who->uid == r->own_uid) {
        role = &r->list[r->count - 1].role;
    }
    return role;
}

bool hulse_roles_token_unknown(const struct roles *r, const struct identity *who)
{
    return who->has_token && find_token(r, who->token_digest) == NULL;
}

static bool matches(const struct globs *g, const char *topic)
{
    for (size_t i = 0; i < g->count; i++) {
        if (hulse_pattern_match(g->patterns[i], topic)) {
            return true;
        }
    }
    return false;
}

unsigned
hulse_roles_permissions(const struct roles *r, const struct app_role *role, const char *topic)
{
    HULSE_ASSERT(role->index < r->count);

    const struct full_role *f = &r->list[role->index];
    const bool name_fits = !f->has_topic_name || regexec(&f->topic_name, topic, 0, NULL, 0) == 0;
    return (name_fits && matches(&f->produce, topic) ? PERMISSION_PRODUCE : 0U) |
           (matches(&f->consume, topic) ? PERMISSION_CONSUME : 0U) |
           (matches(&f->admin, topic) ? PERMISSION_ADMIN : 0U);
}

uint32_t hulse_roles_count(const struct roles *r)
{
    return r->count - 1;
}
