/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - see the header. Pulsar protocol, sections 1.1 to 1.4.
 */
#include "daemon/broker/pulsar/wire/frame.h"

#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/core/assert.h"
#include "daemon/core/crc32c.h"

#include <assert.h>
#include <pulsar_api.pb-c.h>

enum {
    SIZE_BYTES = 4,
    MAGIC_BYTES = 2,
    CHECKSUM_BYTES = 4,
    MAGIC_ENTRY = 0x0e02,
    MAGIC_CHECKSUM = 0x0e01
};

/* Fields of BaseCommand and CommandSend. */
enum { BASE_TYPE = 1, BASE_SEND = 6 };
enum {
    SEND_PRODUCER = 1,
    SEND_SEQUENCE = 2,
    SEND_COUNT = 3,
    SEND_HIGHEST = 6,
    SEND_CHUNK = 7,
    SEND_BYTES_MAX = 3 * (1 + WIRE_VARINT_BYTES_MAX) + (1 + 5) + 2
};
static_assert(SEND_BYTES_MAX < 0x80, "its size is one byte");
static_assert(WIRE_FRAME_HEADER_BYTES + 4 + SEND_BYTES_MAX + MAGIC_BYTES + CHECKSUM_BYTES +
                      SIZE_BYTES <=
                  WIRE_SEND_HEAD_BYTES_MAX,
              "the head of a SEND");

static struct broker_span behind(struct broker_span s, uint32_t bytes)
{
    return (struct broker_span){.data = s.data + bytes, .bytes = s.bytes - bytes};
}

enum wire_frame_rc hulse_wire_frame_read(const uint8_t *in,
                                         size_t bytes,
                                         uint32_t message_bytes_max,
                                         struct wire_frame *out,
                                         const char **why)
{
    HULSE_ASSERT(message_bytes_max <= WIRE_MESSAGE_BYTES_MAX);

    if (bytes < SIZE_BYTES) {
        out->bytes = WIRE_FRAME_HEADER_BYTES;
        return WIRE_FRAME_NEED_MORE;
    }
    const uint32_t total = hulse_get32_big(in);
    if (total > message_bytes_max + WIRE_FRAME_PADDING_BYTES - SIZE_BYTES) {
        *why = "a frame is larger than the largest message of the connection allows";
        return WIRE_FRAME_BAD;
    }
    if (total < SIZE_BYTES) {
        *why = "a frame has no room for the size of its command";
        return WIRE_FRAME_BAD;
    }
    if (bytes >= WIRE_FRAME_HEADER_BYTES && hulse_get32_big(in + SIZE_BYTES) > total - SIZE_BYTES) {
        *why = "a command is larger than its frame";
        return WIRE_FRAME_BAD;
    }
    out->bytes = SIZE_BYTES + total;
    if (bytes < out->bytes) {
        return WIRE_FRAME_NEED_MORE;
    }
    const struct broker_span body = {.data = in + WIRE_FRAME_HEADER_BYTES,
                                     .bytes = total - SIZE_BYTES};
    out->command =
        (struct broker_span){.data = body.data, .bytes = hulse_get32_big(in + SIZE_BYTES)};
    out->rest = behind(body, out->command.bytes);
    return WIRE_FRAME_OK;
}

static bool begins_with(struct broker_span s, uint16_t magic)
{
    return s.bytes >= MAGIC_BYTES && hulse_get16_big(s.data) == magic;
}

/* Takes {u32 size, bytes} off the front. */
static bool take_counted(struct broker_span *rest, struct broker_span *out)
{
    if (rest->bytes < SIZE_BYTES) {
        return false;
    }
    const uint32_t size = hulse_get32_big(rest->data);
    if (size > rest->bytes - SIZE_BYTES) {
        return false;
    }
    *out = (struct broker_span){.data = rest->data + SIZE_BYTES, .bytes = size};
    *rest = behind(*rest, SIZE_BYTES + size);
    return true;
}

enum wire_message_rc
hulse_wire_message_read(struct broker_span rest, struct wire_message *out, const char **why)
{
    *out = (struct wire_message){0};
    if (begins_with(rest, MAGIC_ENTRY)) {
        rest = behind(rest, MAGIC_BYTES);
        if (!take_counted(&rest, &out->entry)) {
            *why = "broker entry metadata are larger than their frame";
            return WIRE_MESSAGE_BAD;
        }
    }
    if (begins_with(rest, MAGIC_CHECKSUM)) {
        if (rest.bytes < MAGIC_BYTES + CHECKSUM_BYTES) {
            *why = "a message ends inside its checksum";
            return WIRE_MESSAGE_BAD;
        }
        const uint32_t told = hulse_get32_big(rest.data + MAGIC_BYTES);
        rest = behind(rest, MAGIC_BYTES + CHECKSUM_BYTES);
        if (~hulse_crc32c(UINT32_MAX, rest.data, rest.bytes) != told) {
            return WIRE_MESSAGE_CHECKSUM;
        }
        out->checked = true;
    }
    if (!take_counted(&rest, &out->metadata)) {
        *why = "message metadata are larger than their frame";
        return WIRE_MESSAGE_BAD;
    }
    out->payload = rest;
    return WIRE_MESSAGE_OK;
}

uint8_t *hulse_wire_send_begin(struct wire_send_head *h, const struct wire_send *s, uint8_t *out)
{
    uint8_t *const command = out + WIRE_FRAME_HEADER_BYTES;
    uint8_t *at = hulse_wire_put_number(command, BASE_TYPE, PULSAR__BASE_COMMAND__TYPE__SEND);
    uint8_t *const size = hulse_wire_put_tag(at, BASE_SEND, WIRE_COUNTED);

    at = hulse_wire_put_number(size + 1, SEND_PRODUCER, s->producer_id);
    at = hulse_wire_put_number(at, SEND_SEQUENCE, s->sequence_id);
    if (s->num_messages > 0) {
        at = hulse_wire_put_number(at, SEND_COUNT, s->num_messages);
        at = hulse_wire_put_number(at, SEND_HIGHEST, s->highest_sequence_id);
    }
    if (s->is_chunk) {
        at = hulse_wire_put_number(at, SEND_CHUNK, 1);
    }
    *size = (uint8_t)(at - size - 1);
    hulse_put32_big(out + SIZE_BYTES, (uint32_t)(at - command));
    hulse_put16_big(at, MAGIC_CHECKSUM);
    h->begin = out;
    h->checksum = at + MAGIC_BYTES;
    return h->checksum + CHECKSUM_BYTES + SIZE_BYTES;
}

uint32_t hulse_wire_send_end(const struct wire_send_head *h,
                             const uint8_t *metadata_end,
                             struct broker_span payload)
{
    uint8_t *const covered = h->checksum + CHECKSUM_BYTES;

    HULSE_ASSERT(metadata_end >= covered + SIZE_BYTES);
    HULSE_ASSERT(payload.bytes <= WIRE_MESSAGE_BYTES_MAX);

    hulse_put32_big(covered, (uint32_t)(metadata_end - covered - SIZE_BYTES));
    uint32_t crc = hulse_crc32c(UINT32_MAX, covered, (size_t)(metadata_end - covered));
    crc = hulse_crc32c(crc, payload.data, payload.bytes);
    hulse_put32_big(h->checksum, ~crc);
    const uint32_t head = (uint32_t)(metadata_end - h->begin);
    hulse_put32_big(h->begin, head - SIZE_BYTES + payload.bytes);
    return head;
}

void hulse_wire_send_again(uint8_t *rest, uint32_t bytes)
{
    uint8_t *const checksum = rest + MAGIC_BYTES;
    const uint32_t head_bytes = MAGIC_BYTES + CHECKSUM_BYTES;

    HULSE_ASSERT(bytes >= head_bytes);

    hulse_put32_big(
        checksum, ~hulse_crc32c(UINT32_MAX, checksum + CHECKSUM_BYTES, (size_t)bytes - head_bytes));
}
