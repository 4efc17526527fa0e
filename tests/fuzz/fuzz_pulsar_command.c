/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes as a command are a command, in bounded memory, or refused with a reason; what is accepted
 *         and written again is accepted and writes the same.
 * Method: the input as a BaseCommand; what is accepted goes round once more.
 */
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (1U << 20U)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* To be freed. Without the first eight bytes it is a command again. */
static uint8_t *written(const Pulsar__BaseCommand *c, size_t *bytes)
{
    *bytes = hulse_wire_command_bytes(c);
    uint8_t *out = malloc(*bytes);
    must(out != NULL && hulse_wire_command_write(c, out, *bytes) == *bytes);
    return out;
}

static bool writable(const Pulsar__BaseCommand *c)
{
    return c->type != PULSAR__BASE_COMMAND__TYPE__SEND &&
           c->type != PULSAR__BASE_COMMAND__TYPE__MESSAGE;
}

/* protobuf-c reads unknown fields that it refuses once it has written them: number 0 in a long form. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the .proto file */
static void forget_unknown(ProtobufCMessage *m)
{
    m->n_unknown_fields = 0;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        uint8_t *at = (uint8_t *)m + f->offset;
        if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            ProtobufCMessage **items = *(ProtobufCMessage ***)(void *)at;
            const size_t count = *(size_t *)(void *)((uint8_t *)m + f->quantifier_offset);
            for (size_t k = 0; k < count; k++) {
                forget_unknown(items[k]);
            }
        } else if (*(ProtobufCMessage **)(void *)at != NULL) {
            forget_unknown(*(ProtobufCMessage **)(void *)at);
        }
    }
}

static void go_round(struct wire_arena *arena, const Pulsar__BaseCommand *c)
{
    size_t bytes = 0;
    size_t again_bytes = 0;
    const Pulsar__BaseCommand *back = NULL;
    const char *why = NULL;

    forget_unknown((ProtobufCMessage *)(uintptr_t)&c->base);
    uint8_t *out = written(c, &bytes);
    const struct broker_span span = {.data = out + WIRE_FRAME_HEADER_BYTES,
                                     .bytes = (uint32_t)bytes - WIRE_FRAME_HEADER_BYTES};

    must(hulse_wire_command_read(arena, span, &back, &why) == WIRE_COMMAND_OK);
    uint8_t *again = written(back, &again_bytes);
    must(bytes == again_bytes && memcmp(out, again, bytes) == 0);
    free(again);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct wire_arena small;
    static struct wire_arena large;
    const Pulsar__BaseCommand *command = NULL;
    const char *why = NULL;

    if (small.bytes_max == 0) {
        hulse_wire_arena_init(&small, MEMORY_MAX);
        hulse_wire_arena_init(&large, WIRE_COMMAND_MEMORY_MAX);
    }
    const struct broker_span in = {.data = data, .bytes = (uint32_t)bytes};
    const enum wire_command_rc rc = hulse_wire_command_read(&small, in, &command, &why);
    must(rc == WIRE_COMMAND_OK || (rc == WIRE_COMMAND_BAD && why != NULL));
    must(small.held <= MEMORY_MAX);
    if (rc == WIRE_COMMAND_OK && writable(command)) {
        go_round(&large, command);
    }
    return 0;
}
