/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - see the header.
 */
#include "daemon/broker/pulsar/wire/command.h"

#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"

/* The field of a command has the number of its type (section 2.1). */
static bool has_body(const Pulsar__BaseCommand *c)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
        &pulsar__base_command__descriptor, (unsigned)c->type);

    if (f == NULL || f->type != PROTOBUF_C_TYPE_MESSAGE) {
        return true;
    }
    const void *body = NULL;
    memcpy(&body, (const uint8_t *)c + f->offset, sizeof(body));
    return body != NULL;
}

enum wire_command_rc hulse_wire_command_read(struct wire_arena *a,
                                             struct broker_span command,
                                             const Pulsar__BaseCommand **out,
                                             const char **why)
{
    hulse_wire_arena_reset(a);
    const Pulsar__BaseCommand *c =
        pulsar__base_command__unpack(&a->allocator, command.bytes, command.data);

    if (c == NULL) {
        const enum wire_arena_state state = a->state;
        hulse_wire_arena_reset(a);
        switch (state) {
        case WIRE_ARENA_OVER:
            *why = "a command needs more memory than a command may take";
            return WIRE_COMMAND_BAD;
        case WIRE_ARENA_REFUSED:
            *why = "no memory for a command";
            return WIRE_COMMAND_NO_MEMORY;
        default:
            *why = "a command cannot be decoded, or lacks a required field";
            return WIRE_COMMAND_BAD;
        }
    }
    if (!has_body(c)) {
        hulse_wire_arena_reset(a);
        *why = "a command has no body of its type";
        return WIRE_COMMAND_BAD;
    }
    *out = c;
    return WIRE_COMMAND_OK;
}

uint32_t hulse_wire_connected_limit(const Pulsar__CommandConnected *c, uint32_t before)
{
    if (!c->has_max_message_size || c->max_message_size <= 0) {
        return before;
    }
    const uint32_t told = (uint32_t)c->max_message_size;
    return told < WIRE_MESSAGE_BYTES_MAX ? told : WIRE_MESSAGE_BYTES_MAX;
}

size_t hulse_wire_command_bytes(const Pulsar__BaseCommand *c)
{
    return WIRE_FRAME_HEADER_BYTES + pulsar__base_command__get_packed_size(c);
}

size_t hulse_wire_command_write(const Pulsar__BaseCommand *c, uint8_t *out, size_t room)
{
    HULSE_ASSERT(c->type != PULSAR__BASE_COMMAND__TYPE__SEND);
    HULSE_ASSERT(c->type != PULSAR__BASE_COMMAND__TYPE__MESSAGE);
    HULSE_ASSERT(has_body(c));

    const size_t bytes = hulse_wire_command_bytes(c);
    if (bytes > room) {
        return 0;
    }
    HULSE_ASSERT(bytes <= UINT32_MAX);
    hulse_put32_big(out, (uint32_t)(bytes - 4));
    hulse_put32_big(out + 4, (uint32_t)(bytes - WIRE_FRAME_HEADER_BYTES));
    (void)pulsar__base_command__pack(c, out + WIRE_FRAME_HEADER_BYTES);
    return bytes;
}
