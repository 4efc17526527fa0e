/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_ask - see the header.
 */
#include "tests/unit/daemon/broker/bed_ask.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

struct bed_request {
    struct bed *bed;
    uint32_t from;
    struct broker_request *request; /* in one of these: */
    struct broker_lookup lookup;
    struct broker_stats stats;
    struct broker_schema_request schema;
    struct broker_admin *admin;
    hulse_status (*call)(struct bed_request *r, struct error *err);
    hulse_status begun;
    struct bed_stats *stats_out;
    struct bed_names *names_out;
    uint32_t done;
};

static _Thread_local struct bed_request *asking; /* by the thread that called */

static void copy_names(struct bed_names *out, const char *names, uint32_t count)
{
    assert_true(count <= BED_NAMES_MAX);
    out->count = count;
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(out->names[i], BED_NAME_BYTES, "%s", names);
        names += strlen(names) + 1;
    }
}

static void copy_stats(const struct broker_stats *q, struct bed_stats *out)
{
    out->total = q->total;
    out->subscription_count = q->subscription_count;
    assert_true(q->subscription_count <= 8);
    out->names.count = q->subscription_count;
    for (uint32_t i = 0; i < q->subscription_count; i++) {
        out->subscriptions[i] = q->subscriptions[i];
        (void)snprintf(out->names.names[i], BED_NAME_BYTES, "%s", q->subscriptions[i].name);
        out->subscriptions[i].name = out->names.names[i];
    }
}

static void request_done(struct broker_request *request)
{
    struct bed_request *r = asking;
    assert_non_null(r); /* the thread that called */
    assert_ptr_equal(r->request, request);
    assert_int_equal(r->done, 0);
    assert_true((request->status == HULSE_OK) == (request->text[0] == '\0'));
    r->done += 1;
    if (request->status != HULSE_OK) {
        return;
    }
    if (r->stats_out != NULL) {
        copy_stats(&r->stats, r->stats_out);
    }
    if (r->names_out != NULL) {
        copy_names(r->names_out, r->admin->names, r->admin->name_count);
    }
}

static void call_here(struct bed_request *r)
{
    struct error err = {0};
    r->request->done = request_done;
    r->request->status = HULSE_PROTOCOL; /* nobody's answer */
    asking = r;
    r->begun = r->call(r, &err);
    if (r->begun != HULSE_OK) {
        assert_int_equal(r->done, 0);
        assert_true(err.text[0] != '\0');
    }
}

static void call_there(void *arg)
{
    struct bed_request *r = arg;
    r->request->home = &r->bed->workers[r->from]->loop.inbox;
    call_here(r);
}

static bool request_is_done(void *arg)
{
    return ((struct bed_request *)arg)->done != 0;
}

static void forget(void *arg)
{
    (void)arg;
    asking = NULL;
}

static void wait_as_control(struct bed_request *r)
{
    struct inbox *control = &r->bed->control;
    while (r->done == 0) {
        if (hulse_inbox_run(control, 1) == 0 && !hulse_inbox_park(control)) {
            struct pollfd p = {.fd = control->fd, .events = POLLIN};
            (void)poll(&p, 1, -1);
        }
        hulse_inbox_unpark(control);
    }
}

static hulse_status ask(struct bed_request *r)
{
    if (r->from != BED_CONTROL) {
        hulse_bed_on(r->bed, r->from, call_there, r);
        if (r->begun == HULSE_OK) {
            hulse_bed_until(r->bed, r->from, request_is_done, r);
        }
        hulse_bed_on(r->bed, r->from, forget, NULL);
    } else {
        r->request->home = &r->bed->control;
        call_here(r);
        if (r->begun == HULSE_OK) {
            wait_as_control(r);
        }
        assert_int_equal(hulse_inbox_run(&r->bed->control, 16), 0);
        asking = NULL;
    }
    return r->begun == HULSE_OK ? r->request->status : r->begun;
}

/* ---- lookup ---- */

static hulse_status call_lookup(struct bed_request *r, struct error *err)
{
    return r->bed->broker->ops->topic_lookup(r->bed->broker, &r->lookup, err);
}

hulse_status hulse_bed_lookup(
    struct bed *bed, uint32_t from, const char *topic, bool create, struct broker_topic_info *out)
{
    struct bed_request r = {.bed = bed,
                            .from = from,
                            .call = call_lookup,
                            .lookup = {.topic = topic, .create = create}};
    r.request = &r.lookup.request;
    const hulse_status st = ask(&r);
    *out = r.lookup.info;
    return st;
}

/* ---- stats ---- */

static hulse_status call_stats(struct bed_request *r, struct error *err)
{
    return r->bed->broker->ops->stats(r->bed->broker, &r->stats, err);
}

hulse_status
hulse_bed_stats(struct bed *bed, uint32_t from, const char *topic, struct bed_stats *out)
{
    struct bed_request r = {
        .bed = bed, .from = from, .call = call_stats, .stats = {.topic = topic}, .stats_out = out};
    r.request = &r.stats.request;
    memset(out, 0, sizeof(*out));
    return ask(&r);
}

/* ---- schemas ---- */

static hulse_status call_schema_get(struct bed_request *r, struct error *err)
{
    return r->bed->broker->ops->schema_get(r->bed->broker, &r->schema, err);
}

static hulse_status call_schema_put(struct bed_request *r, struct error *err)
{
    return r->bed->broker->ops->schema_put(r->bed->broker, &r->schema, err);
}

hulse_status hulse_bed_schema(struct bed *bed, uint32_t from, const char *topic, bool put)
{
    static const uint8_t definition[] = "{\"type\":\"string\"}";
    struct bed_request r = {.bed = bed,
                            .from = from,
                            .call = put ? call_schema_put : call_schema_get,
                            .schema = {.topic = topic}};
    r.request = &r.schema.request;
    if (put) {
        r.schema.schema = (struct broker_schema){
            .type = BROKER_SCHEMA_JSON, .definition = {definition, sizeof(definition) - 1}};
    }
    return ask(&r);
}

/* ---- admin ---- */

static hulse_status call_admin(struct bed_request *r, struct error *err)
{
    return r->bed->broker->ops->admin(r->bed->broker, r->admin, err);
}

hulse_status hulse_bed_admin(struct bed *bed, struct broker_admin *q, struct bed_names *names)
{
    struct bed_request r = {.bed = bed,
                            .from = BED_CONTROL,
                            .call = call_admin,
                            .admin = q,
                            .request = &q->request,
                            .names_out = names};
    if (names != NULL) {
        names->count = 0;
    }
    return ask(&r);
}

hulse_status hulse_bed_create(struct bed *bed, const char *topic)
{
    struct broker_admin q = {.command = BROKER_ADMIN_CREATE, .topic = topic};
    return hulse_bed_admin(bed, &q, NULL);
}

hulse_status hulse_bed_delete(struct bed *bed, const char *topic, bool force)
{
    struct broker_admin q = {.command = BROKER_ADMIN_DELETE, .topic = topic, .force = force};
    return hulse_bed_admin(bed, &q, NULL);
}

static uint32_t count_in(const struct bed_names *names, const char *name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        count += strcmp(names->names[i], name) == 0 ? 1 : 0;
    }
    return count;
}

bool hulse_bed_is_listed(struct bed *bed, const char *namespace_name, const char *topic)
{
    static struct bed_names names;
    struct broker_admin q = {.command = BROKER_ADMIN_TOPICS, .namespace_name = namespace_name};
    assert_int_equal(hulse_bed_admin(bed, &q, &names), HULSE_OK);
    assert_true(count_in(&names, topic) <= 1);
    return count_in(&names, topic) == 1;
}

bool hulse_bed_has_subscription(struct bed *bed, const char *topic, const char *name)
{
    static struct bed_names names;
    struct broker_admin q = {.command = BROKER_ADMIN_SUBSCRIPTIONS, .topic = topic};
    assert_int_equal(hulse_bed_admin(bed, &q, &names), HULSE_OK);
    assert_true(count_in(&names, name) <= 1);
    return count_in(&names, name) == 1;
}
