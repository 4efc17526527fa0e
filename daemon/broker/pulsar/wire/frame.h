/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - what is on a connection to a broker: frames, one after the other.
 *
 *     u32 bytes behind this | u32 command bytes | command | in a payload frame more:
 *     MESSAGE only, if the broker tells it:  u16 0x0e02 | u32 bytes | broker entry metadata
 *     u16 0x0e01 | u32 CRC32C | u32 metadata bytes | metadata | payload, up to the end of the frame
 *
 * All big endian. The checksum is over everything behind it.
 *
 * Threads: pure. Nothing is allocated; what is read borrows from the input.
 * Trust:   read judges bytes that may be anything.
 * Limits:  a frame has at most the largest message of the connection and WIRE_FRAME_PADDING_BYTES, its first
 *          four bytes included.
 */
#ifndef HULSE_PULSAR_WIRE_FRAME_H
#define HULSE_PULSAR_WIRE_FRAME_H

#include "daemon/broker/broker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_FRAME_HEADER_BYTES 8U
#define WIRE_FRAME_PADDING_BYTES 10240U
/* Of a connection before its CONNECTED, and when that says nothing. */
#define WIRE_MESSAGE_BYTES_DEFAULT 5242880U
/* No broker is believed that says more. */
#define WIRE_MESSAGE_BYTES_MAX (1U << 30U)

enum wire_frame_rc { WIRE_FRAME_OK, WIRE_FRAME_NEED_MORE, WIRE_FRAME_BAD };

struct wire_frame {
    struct broker_span command; /* a BaseCommand: command.h */
    struct broker_span rest;    /* of a MESSAGE: hulse_wire_message_read(); otherwise not for us */
    uint32_t bytes;             /* the whole frame */
};

/*
 * The first frame of the input. NEED_MORE: only out->bytes is set, to what the input must grow to before it is
 * worth asking again. BAD: *why is a static text; the connection is of no more use.
 */
enum wire_frame_rc hulse_wire_frame_read(const uint8_t *in,
                                         size_t bytes,
                                         uint32_t message_bytes_max,
                                         struct wire_frame *out,
                                         const char **why);

enum wire_message_rc {
    WIRE_MESSAGE_OK,
    WIRE_MESSAGE_CHECKSUM, /* this entry is damaged: to be discarded, the connection goes on */
    WIRE_MESSAGE_BAD       /* as a bad frame */
};

struct wire_message {
    struct broker_span entry;    /* hulse_wire_entry_read(); data is NULL without one */
    struct broker_span metadata; /* hulse_wire_metadata_read() */
    struct broker_span payload;
    bool checked; /* it had a checksum */
};

/* What stands behind the command of a MESSAGE. After CHECKSUM only `entry` is set. */
enum wire_message_rc
hulse_wire_message_read(struct broker_span rest, struct wire_message *out, const char **why);

/* The fields of CommandSend that this client uses. */
struct wire_send {
    uint64_t producer_id;
    uint64_t sequence_id;
    uint64_t highest_sequence_id; /* written in a batch */
    uint32_t num_messages;        /* 0: not a batch */
    bool is_chunk;
};

/*
 * Room for a SEND up to its payload, with `metadata` bytes of metadata. The head is written by begin, then the
 * metadata by the caller, behind what it gives; end closes the frame over the payload that will follow on
 * the connection and gives the bytes of the head, the metadata among them.
 */
#define WIRE_SEND_HEAD_BYTES_MAX 80U

struct wire_send_head {
    uint8_t *begin;
    uint8_t *checksum;
};

uint8_t *hulse_wire_send_begin(struct wire_send_head *h, const struct wire_send *s, uint8_t *out);
uint32_t hulse_wire_send_end(const struct wire_send_head *h,
                             const uint8_t *metadata_end,
                             struct broker_span payload);
/* Bytes of a sealed head or payload were changed. `rest` is the frame's from the magic number on, `bytes` up to its end. */
void hulse_wire_send_again(uint8_t *rest, uint32_t bytes);

#endif
