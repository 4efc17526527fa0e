/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - what brokers say and hear but for messages: a BaseCommand, by protobuf-c.
 *
 * Threads: one, the arena's.
 * Trust:   read judges bytes that may be anything. No message of pulsar_api.proto contains itself, so its
 *          stack is bounded; its memory is the arena's, its time a small multiple of the command's size.
 * See:     pulsar_api.proto, arena.h.
 */
#ifndef HULSE_PULSAR_WIRE_COMMAND_H
#define HULSE_PULSAR_WIRE_COMMAND_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/wire/arena.h"

#include <pulsar_api.pb-c.h>

/*
 * What one command may take, for hulse_wire_arena_init(). A list of 50,000 topics of 80 bytes in a frame of
 * 4 MiB takes 8 MiB.
 */
#define WIRE_COMMAND_MEMORY_MAX (32U << 20U)

enum wire_command_rc {
    WIRE_COMMAND_OK,
    WIRE_COMMAND_BAD,      /* as a bad frame */
    WIRE_COMMAND_NO_MEMORY /* of the daemon's; the command may be good */
};

/*
 * Resets the arena. *out lies in it until the next call or reset, and so does the memory of a large one: reset
 * it when that is done with. What stands there is the message that `type` says; a type that this client does
 * not know is OK and to be ignored, and so is a value of an enumeration. Texts end at a zero byte. Otherwise
 * *why is a static text.
 */
enum wire_command_rc hulse_wire_command_read(struct wire_arena *a,
                                             struct broker_span command,
                                             const Pulsar__BaseCommand **out,
                                             const char **why);

/*
 * The largest message of a connection from now on, for hulse_wire_frame_read(): what CONNECTED says, within
 * WIRE_MESSAGE_BYTES_MAX, or `before` when it says nothing, as a proxy does, or nothing that can be.
 */
uint32_t hulse_wire_connected_limit(const Pulsar__CommandConnected *c, uint32_t before);

/* Of the whole frame. */
size_t hulse_wire_command_bytes(const Pulsar__BaseCommand *c);
/*
 * Writes the frame and gives its bytes; 0: more than `room`, nothing is written. Not for SEND and MESSAGE,
 * which have a payload.
 */
size_t hulse_wire_command_write(const Pulsar__BaseCommand *c, uint8_t *out, size_t room);

#endif
