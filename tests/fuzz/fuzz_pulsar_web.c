/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   any answer of HTTP to a lookup is an answer, or a failure with its reason.
 * Method: the first byte says what was asked, with or without TLS, the second one the code; the rest is the body.
 */
#include "daemon/admin/answer.h"
#include "daemon/broker/pulsar/lookup/web_reply.h"
#include "daemon/core/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check(const struct lookup_reply *r, enum lookup_question asked)
{
    switch (r->kind) {
    case LOOKUP_REPLY_PARTITIONS:
        must(asked == LOOKUP_PARTITIONS && r->partitions <= INT32_MAX);
        break;
    case LOOKUP_REPLY_BROKER:
        must(asked == LOOKUP_OWNER && !r->through_service);
        must(r->broker.name[0] != '\0' && r->broker.port != 0);
        must(strnlen(r->broker.name, sizeof(r->broker.name)) < sizeof(r->broker.name));
        break;
    case LOOKUP_REPLY_FAILED:
        must(r->failure.class != BROKER_DONE && r->failure.status != HULSE_OK);
        must(r->failure.text[0] != '\0');
        for (const char *c = r->failure.text; *c != '\0'; c++) {
            must((unsigned char)*c >= 0x20);
        }
        break;
    case LOOKUP_REPLY_REDIRECT:
    case LOOKUP_REPLY_NONSENSE:
        must(false);
        break;
    }
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
    struct lookup_reply reply;

    if (bytes < 2) {
        return 0;
    }
    const enum lookup_question asked = (data[0] & 1U) != 0 ? LOOKUP_OWNER : LOOKUP_PARTITIONS;
    /* 100 to 610. */
    const unsigned code = 100U + 2U * data[1];
    hulse_rest_answer_read(&a, HTTP_GET, code, (const char *)data + 2, bytes - 2);
    hulse_web_reply_read(&a, asked, (data[0] & 2U) != 0, &reply);
    check(&reply, asked);
    must(code == 200 || (code > 200 && code < 300) || reply.kind == LOOKUP_REPLY_FAILED);
    hulse_rest_answer_fini(&a);
    return 0;
}
