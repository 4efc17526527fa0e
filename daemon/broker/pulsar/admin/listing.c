/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - the topics of a namespace, of a tenant's namespaces, or of all tenants; the namespaces of a tenant.
 *
 * Tenants become namespaces, and those topics, one question at a time: `results` has the names that were found,
 * `left` the tenants or namespaces that are still to be asked about.
 */
#include "daemon/broker/pulsar/admin/names.h"
#include "daemon/broker/pulsar/admin/operations.h"

#include <string.h>

#define NAMESPACES_MAX 1000U

/* Of a namespace: those that have been loaded, and those with partitions, which need not be. */
static const struct {
    const char *before;
    const char *behind;
} questions[] = {
    {"/namespaces", "/topics?mode=ALL"},
    {"/persistent", "/partitioned"},
    {"/non-persistent", "/partitioned"},
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void finish(struct admin_errand *e)
{
    if (hulse_admin_names_give(e, e->results)) {
        hulse_admin_errand_end(e, HULSE_OK, "");
    } else {
        hulse_admin_errand_end(e, HULSE_NO_MEMORY, "no memory for the names");
    }
}

/* The answer's list into `set`. False: the errand has ended. */
static bool gather(struct admin_errand *e, json_t *set, const struct rest_answer *a)
{
    const hulse_status st = hulse_admin_names_add(set, a->json, set == e->results);

    if (st != HULSE_OK) {
        hulse_admin_errand_end(e, st, hulse_admin_names_text(st));
        return false;
    }
    return true;
}

/* Of `left`, which is a set whose order is kept; NULL at its end. */
static const char *next_left(const struct admin_errand *e)
{
    return json_object_iter_key(json_object_iter(e->left));
}

/* ---- topics ---- */

static void ask_for_topics(struct admin_errand *e);

static void found_topics(struct admin_errand *e, const struct rest_answer *a)
{
    if (!gather(e, e->results, a)) {
        return;
    }
    e->at++;
    if (e->at == QUESTIONS) {
        e->at = 0;
        (void)json_object_del(e->left, next_left(e));
    }
    ask_for_topics(e);
}

static void write_question(struct admin_errand *e, const char *namespace_name)
{
    hulse_rest_path_init(&e->call.path);
    hulse_rest_path_add(&e->call.path, questions[e->at].before);
    hulse_rest_path_namespace(&e->call.path, namespace_name);
    hulse_rest_path_add(&e->call.path, questions[e->at].behind);
}

static void ask_for_topics(struct admin_errand *e)
{
    const char *namespace_name = next_left(e);

    if (namespace_name == NULL) {
        finish(e);
        return;
    }
    write_question(e, namespace_name);
    hulse_admin_errand_ask_on(e, HTTP_GET, NULL, found_topics);
}

/* ---- namespaces ---- */

static void write_namespaces(struct admin_errand *e, const char *tenant)
{
    hulse_rest_path_init(&e->call.path);
    hulse_rest_path_add(&e->call.path, "/namespaces");
    hulse_rest_path_namespace(&e->call.path, tenant);
}

static bool few_enough(struct admin_errand *e, const json_t *set)
{
    if (json_object_size(set) <= NAMESPACES_MAX) {
        return true;
    }
    hulse_admin_errand_end(
        e, HULSE_LIMIT, "more than 1000 tenants or namespaces: name one of them");
    return false;
}

static void found_namespaces(struct admin_errand *e, const struct rest_answer *a)
{
    if (gather(e, e->left, a) && few_enough(e, e->left)) {
        ask_for_topics(e);
    }
}

/* Tenants have no slash: those that are left have come before their namespaces. */
static void found_namespaces_of_one(struct admin_errand *e, const struct rest_answer *a)
{
    (void)json_object_del(e->left, next_left(e));
    if (!gather(e, e->left, a) || !few_enough(e, e->left)) {
        return;
    }
    const char *next = next_left(e);
    if (next == NULL || strchr(next, '/') != NULL) {
        ask_for_topics(e);
        return;
    }
    write_namespaces(e, next);
    hulse_admin_errand_ask_on(e, HTTP_GET, NULL, found_namespaces_of_one);
}

static void found_tenants(struct admin_errand *e, const struct rest_answer *a)
{
    if (!gather(e, e->left, a) || !few_enough(e, e->left)) {
        return;
    }
    const char *next = next_left(e);
    if (next == NULL) {
        finish(e);
        return;
    }
    write_namespaces(e, next);
    hulse_admin_errand_ask_on(e, HTTP_GET, NULL, found_namespaces_of_one);
}

/* ---- begin ---- */

static hulse_status begin(struct admin_errand *e, struct error *err)
{
    e->results = json_object();
    e->left = json_object();
    return e->results != NULL && e->left != NULL
               ? HULSE_OK
               : hulse_fail(err, HULSE_NO_MEMORY, "no memory for the names");
}

hulse_status hulse_admin_topics(struct admin_errand *e, struct error *err)
{
    const char *name = e->admin->namespace_name;
    const hulse_status st = begin(e, err);

    if (st != HULSE_OK) {
        return st;
    }
    if (name[0] == '\0') {
        hulse_rest_path_init(&e->call.path);
        hulse_rest_path_add(&e->call.path, "/tenants");
        return hulse_admin_errand_ask(e, HTTP_GET, NULL, found_tenants, err);
    }
    if (strchr(name, '/') == NULL) {
        write_namespaces(e, name);
        return hulse_admin_errand_ask(e, HTTP_GET, NULL, found_namespaces, err);
    }
    if (json_object_set_new(e->left, name, json_true()) != 0) {
        return hulse_fail(err, HULSE_INVAL, "the namespace's name is not UTF-8");
    }
    write_question(e, name);
    return hulse_admin_errand_ask(e, HTTP_GET, NULL, found_topics, err);
}

static void listed_namespaces(struct admin_errand *e, const struct rest_answer *a)
{
    if (gather(e, e->left, a)) {
        json_decref(e->results);
        e->results = json_incref(e->left);
        finish(e);
    }
}

hulse_status hulse_admin_namespaces(struct admin_errand *e, struct error *err)
{
    const hulse_status st = begin(e, err);

    if (st != HULSE_OK) {
        return st;
    }
    write_namespaces(e, e->admin->namespace_name);
    return hulse_admin_errand_ask(e, HTTP_GET, NULL, listed_namespaces, err);
}
