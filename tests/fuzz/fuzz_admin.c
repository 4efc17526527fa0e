/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes as a line of the admin socket give a request within its bounds or a refusal
 *         with a text, and the refusal is again a line of JSON.
 * Method: the parser over the input; what it accepts is checked, what it refuses is answered.
 */
#include "daemon/admin/answer.h"
#include "daemon/admin/protocol.h"
#include "daemon/admin/request.h"
#include "daemon/core/mem.h"

#include <stdint.h>
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

static void check_accepted(const struct admin_request *request)
{
    const char *name = request->namespace_name;
    const char *end = memchr(name, '\0', sizeof(request->namespace_name));

    must(request->command < ADMIN_COMMANDS);
    const bool about_one =
        request->command >= ADMIN_TOPICS_CREATE && request->command <= ADMIN_SCHEMA_PUT;
    const bool about_subscription =
        request->command >= ADMIN_SUBS_SEEK && request->command <= ADMIN_SUBS_DELETE;
    must(memchr(request->subscription, '\0', sizeof(request->subscription)) != NULL);
    must(request->subscription[0] != '\0' ? about_one : !about_subscription);
    const bool puts = request->command == ADMIN_SCHEMA_PUT;
    must((request->definition != NULL) == puts && (request->type[0] != '\0') == puts);
    must(!puts || strlen(request->definition) <= request->definition_bytes);
    must(request->version == 0 || request->command == ADMIN_SCHEMA_GET);
    must(request->version <= (uint64_t)INT32_MAX + 1);
    must(request->position.kind <= BROKER_AT_PUBLISHED);
    must(request->count <= INT32_MAX);
    must(request->count == 0 || request->command == ADMIN_SUBS_SKIP);
    must(memchr(request->topic, '\0', sizeof(request->topic)) != NULL);
    must((request->topic[0] != '\0') == about_one);
    must(request->partitions <= HULSE_ADMIN_PARTITIONS_MAX);
    must(request->partitions == 0 || request->command == ADMIN_TOPICS_CREATE);
    must(!request->force || request->command == ADMIN_TOPICS_DELETE ||
         request->command == ADMIN_SUBS_DELETE);
    must(!request->deep || request->command == ADMIN_HEALTH);
    must(!request->now || request->command == ADMIN_DRAIN);
    must(memchr(request->directory, '\0', sizeof(request->directory)) != NULL);
    must((request->directory[0] == '/') == (request->command == ADMIN_STORE_BACKUP));
    must(end != NULL);
    if (end != name) {
        const char *slash = strchr(name, '/');
        must(request->command == ADMIN_TOPICS_LIST);
        must(slash == NULL ||
             (slash != name && slash + 1 != end && strchr(slash + 1, '/') == NULL));
    }
}

static void check_refused(hulse_status status, const struct error *err)
{
    struct admin_line line = {0};

    must(status == HULSE_INVAL || status == HULSE_NO_MEMORY || status == HULSE_UNSUPPORTED ||
         status == HULSE_TOOBIG);
    must(err->status == status && err->text[0] != '\0');
    must(hulse_admin_answer_error(&line, status, err->text));
    must(memchr(line.data, '\n', line.bytes) == line.data + line.bytes - 1);
    json_t *object = json_loadb(line.data, line.bytes, 0, NULL);
    must(json_is_object(object));
    json_decref(object);
    hulse_admin_line_fini(&line);
}

/* libFuzzer says how it looks. NOLINTNEXTLINE(readability-non-const-parameter) */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    hulse_mem_init(64U << 20);
    hulse_admin_memory_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct admin_request request;
    struct error err = {0};
    const hulse_status status = hulse_admin_parse((const char *)data, bytes, &request, &err);

    if (status == HULSE_OK) {
        check_accepted(&request);
        hulse_admin_request_fini(&request);
    } else {
        check_refused(status, &err);
    }
    must(hulse_mem_used(HULSE_MEM_ADMIN) == 0);
    return 0;
}
