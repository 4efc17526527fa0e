/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   any command as the answer to a lookup is an answer, a failure with its reason, or nonsense.
 * Method: the first byte says what was asked, with or without TLS; the rest is a BaseCommand.
 */
#include "daemon/broker/pulsar/lookup/reply.h"
#include "daemon/broker/pulsar/wire/command.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_text(const char *text, size_t room)
{
    const size_t length = strnlen(text, room);

    must(length < room);
    for (size_t i = 0; i < length; i++) {
        must(text[i] >= 0x20 && text[i] < 0x7f);
    }
}

static void check(const struct lookup_reply *r, enum lookup_question asked)
{
    switch (r->kind) {
    case LOOKUP_REPLY_PARTITIONS:
        must(asked == LOOKUP_PARTITIONS);
        break;
    case LOOKUP_REPLY_BROKER:
    case LOOKUP_REPLY_REDIRECT:
        must(asked == LOOKUP_OWNER);
        must(r->broker.name[0] != '\0' && r->broker.port != 0);
        must(strnlen(r->broker.name, sizeof(r->broker.name)) < sizeof(r->broker.name));
        break;
    case LOOKUP_REPLY_FAILED:
        must(r->failure.class != BROKER_DONE && r->failure.status != HULSE_OK);
        must(r->failure.text[0] != '\0');
        check_text(r->failure.text, sizeof(r->failure.text));
        break;
    case LOOKUP_REPLY_NONSENSE:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct wire_arena arena;
    const Pulsar__BaseCommand *command = NULL;
    const char *why = NULL;

    if (arena.bytes_max == 0) {
        hulse_wire_arena_init(&arena, WIRE_COMMAND_MEMORY_MAX);
    }
    if (bytes == 0) {
        return 0;
    }
    const struct broker_span in = {.data = data + 1, .bytes = (uint32_t)bytes - 1};
    if (hulse_wire_command_read(&arena, in, &command, &why) == WIRE_COMMAND_OK) {
        const enum lookup_question asked = (data[0] & 1U) != 0 ? LOOKUP_OWNER : LOOKUP_PARTITIONS;
        struct lookup_reply reply;
        hulse_lookup_reply_read(command, asked, (data[0] & 2U) != 0, &reply);
        check(&reply, asked);
    }
    return 0;
}
