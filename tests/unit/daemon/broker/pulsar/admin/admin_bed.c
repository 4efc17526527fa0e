/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_bed - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/admin/admin_bed.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hulse_admin_bed_serve(struct admin_bed *bed)
{
    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    (void)snprintf(bed->folder, sizeof(bed->folder), "/tmp/hulse-admin-XXXXXX");
    assert_non_null(mkdtemp(bed->folder));
    (void)snprintf(bed->ca, sizeof(bed->ca), "%s/ca.pem", bed->folder);
    hulse_test_http_start(&bed->plain, "127.0.0.1", NULL);
    hulse_test_http_start(&bed->tls, "127.0.0.1", bed->folder);
}

void hulse_admin_bed_end(struct admin_bed *bed)
{
    hulse_test_http_stop(&bed->plain);
    hulse_test_http_stop(&bed->tls);
    assert_true(hulse_test_folder_remove(bed->folder));
}

void hulse_admin_bed_start(struct admin_bed *bed, const char *admin_url)
{
    struct error err = {0};
    char url[64];

    hulse_http_bed_start(&bed->http);
    if (admin_url == NULL) {
        (void)snprintf(url, sizeof(url), "http://one.test:%u", bed->plain.port);
        admin_url = url;
    }
    bed->params.service_url = "pulsar://one.test";
    bed->params.admin_url = admin_url;
    bed->params.daemon_name = "bed";
    bed->params.http = &bed->http.client;
    bed->params.operation_timeout_ms =
        bed->params.operation_timeout_ms == 0 ? 30000 : bed->params.operation_timeout_ms;
    bed->broker = hulse_pulsar_create("main", &bed->params, &err);
    assert_non_null(bed->broker);
}

void hulse_admin_bed_stop(struct admin_bed *bed)
{
    hulse_http_client_close(&bed->http.client);
    assert_int_equal(hulse_http_bed_stop(&bed->http), HULSE_TIMER_NEVER);
    hulse_pulsar_destroy(&bed->broker);
    memset(&bed->params, 0, sizeof(bed->params));
    assert_int_equal(hulse_mem_used(HULSE_MEM_HTTP), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

/* ---- requests ---- */

/* What a request lies in. */
struct asked {
    struct admin_bed *bed;
    union {
        struct broker_admin admin;
        struct broker_stats stats;
    };
};

static void note(struct admin_bed *bed, const struct broker_request *r)
{
    bed->answers++;
    bed->status = r->status;
    (void)snprintf(bed->text, sizeof(bed->text), "%s", r->text);
    assert_true((r->status == HULSE_OK) == (r->text[0] == '\0'));
}

static void admin_done(struct broker_request *r)
{
    const struct asked *a = HULSE_CONTAINER(r, struct asked, admin.request);
    struct admin_bed *bed = a->bed;
    const char *name = a->admin.names;
    size_t used = 0;

    note(bed, r);
    bed->version_count = a->admin.schema_count;
    assert_true(bed->version_count <= 4);
    for (uint32_t i = 0; i < bed->version_count; i++) {
        bed->versions[i] = a->admin.schemas[i];
    }
    bed->name_count = a->admin.name_count;
    bed->names[0] = '\0';
    for (uint32_t i = 0; name != NULL && i < a->admin.name_count; i++) {
        const size_t bytes = strlen(name) + 1;
        if (used + bytes < sizeof(bed->names)) {
            (void)snprintf(bed->names + used, sizeof(bed->names) - used, "%s ", name);
            used += bytes;
        }
        name += bytes;
    }
}

static void stats_done(struct broker_request *r)
{
    const struct asked *a = HULSE_CONTAINER(r, struct asked, stats.request);
    struct admin_bed *bed = a->bed;

    note(bed, r);
    if (r->status == HULSE_OK) {
        bed->total = a->stats.total;
        bed->subscription_count = a->stats.subscription_count;
        assert_true(bed->subscription_count <= 8);
        for (uint32_t i = 0; i < bed->subscription_count; i++) {
            bed->subscriptions[i] = a->stats.subscriptions[i];
            assert_true(strlen(a->stats.subscriptions[i].name) > 0);
            bed->subscriptions[i].name = NULL;
        }
    }
}

static hulse_status await(struct admin_bed *bed, hulse_status begun, const struct error *err)
{
    if (begun != HULSE_OK) {
        (void)snprintf(bed->text, sizeof(bed->text), "%.*s", BROKER_TEXT_BYTES - 1, err->text);
        return begun;
    }
    while (bed->answers == 0) {
        (void)hulse_loop_round(&bed->http.loop, 1000);
    }
    assert_int_equal(bed->answers, 1);
    return bed->status;
}

hulse_status hulse_admin_bed_ask(struct admin_bed *bed, struct broker_admin q)
{
    struct asked asked = {.bed = bed, .admin = q};
    struct error err = {0};

    asked.admin.request =
        (struct broker_request){.home = &bed->http.loop.inbox, .done = admin_done};
    bed->answers = 0;
    return await(bed, bed->broker->ops->admin(bed->broker, &asked.admin, &err), &err);
}

hulse_status
hulse_admin_bed_order(struct admin_bed *bed, enum broker_admin_command command, const char *topic)
{
    return hulse_admin_bed_ask(
        bed, (struct broker_admin){.command = command, .topic = topic, .subscription = "s"});
}

hulse_status hulse_admin_bed_stats(struct admin_bed *bed, const char *topic)
{
    struct asked asked = {
        .bed = bed,
        .stats = {.request = {.home = &bed->http.loop.inbox, .done = stats_done}, .topic = topic}};
    struct error err = {0};

    bed->answers = 0;
    return await(bed, bed->broker->ops->stats(bed->broker, &asked.stats, &err), &err);
}
