/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   any answer of a REST API is a status with a printable reason, or figures and names within their
 *         bounds.
 * Method: the first two bytes are the code and the method, the rest is the body.
 */
#include "daemon/admin/answer.h"
#include "daemon/broker/pulsar/admin/names.h"
#include "daemon/broker/pulsar/admin/rest_answer.h"
#include "daemon/broker/pulsar/admin/topic_figures.h"
#include "daemon/core/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_refused(const struct rest_answer *a)
{
    const size_t length = strnlen(a->text, sizeof(a->text));

    must(a->json == NULL && length > 0 && length < sizeof(a->text));
    for (size_t i = 0; i < length; i++) {
        must(a->text[i] >= 0x20 && a->text[i] < 0x7f);
    }
}

static void check_figures(const json_t *document, bool lasting)
{
    struct broker_stats stats = {0};
    struct broker_subscription_stats *list = NULL;
    size_t bytes = 0;
    const hulse_status st = hulse_topic_figures_read(document, lasting, &stats, &list, &bytes);

    must(st == HULSE_OK || st == HULSE_PROTOCOL || st == HULSE_LIMIT || st == HULSE_NO_MEMORY);
    must(st != HULSE_OK || stats.subscription_count == stats.total.subscriptions);
    for (uint32_t i = 0; st == HULSE_OK && i < stats.subscription_count; i++) {
        must(stats.subscriptions[i].name != NULL);
        must(stats.subscriptions[i].type <= BROKER_READER);
        must(stats.subscriptions[i].delivery_rate >= 0);
    }
    hulse_mem_free(HULSE_MEM_BROKER, list, bytes);
}

static void check_names(const json_t *list, bool fold)
{
    json_t *set = json_object();
    const hulse_status st = hulse_admin_names_add(set, list, fold);

    must(st == HULSE_OK || st == HULSE_PROTOCOL || st == HULSE_LIMIT || st == HULSE_NO_MEMORY);
    must(json_object_size(set) <= ADMIN_NAMES_MAX + 1);
    must(hulse_admin_names_text(st)[0] != '\0');
    json_decref(set);
}

/* libFuzzer says how it looks. NOLINTNEXTLINE(readability-non-const-parameter) */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    hulse_mem_init((size_t)64 << 20U);
    hulse_admin_memory_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct rest_answer a;

    if (bytes < 2) {
        return 0;
    }
    /* 100 to 610. */
    const unsigned code = 100U + 2U * data[0];
    const enum http_method method = (enum http_method)(data[1] % (HTTP_DELETE + 1));
    hulse_rest_answer_read(&a, method, code, (const char *)data + 2, bytes - 2);
    if (a.status != HULSE_OK) {
        check_refused(&a);
        return 0;
    }
    must(code >= 200 && code < 300 && a.text[0] == '\0');
    check_figures(a.json, data[1] > 127);
    check_names(a.json, data[1] > 127);
    hulse_rest_answer_fini(&a);
    must(hulse_mem_used(HULSE_MEM_ADMIN) == 0 && hulse_mem_used(HULSE_MEM_BROKER) == 0);
    return 0;
}
