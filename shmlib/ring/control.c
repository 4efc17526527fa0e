/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - judges a control message: one table, one walk over it.
 *
 * Trust:   the input is a private copy of a foreign packet. Members are fetched by memcpy from
 *          inside the fixed part, whose presence was checked first.
 * Threads: pure functions.
 */
#include "shmlib/ring/control.h"

#include <stdbool.h>
#include <string.h>

#define STRINGS_MAX 3U
#define ZEROS_MAX 2U

/* A u16 member that counts the bytes of one trailing string. limit 0 = no more strings. */
struct string_rule {
    uint16_t at;
    uint16_t limit;
};

/* Bytes that must be 0 in ABI 1. bytes 0 = no more. */
struct zero_rule {
    uint16_t at;
    uint16_t bytes;
};

struct message_rule {
    uint16_t bytes; /* fixed part; 0 = no such type */
    uint16_t fds;
    struct string_rule strings[STRINGS_MAX];
    struct zero_rule zeros[ZEROS_MAX];
};

#define STRING(type, member, limit_bytes)                                                          \
    {                                                                                              \
        .at = offsetof(struct type, member), .limit = (limit_bytes)                                \
    }
#define ZERO(type, member)                                                                         \
    {                                                                                              \
        .at = offsetof(struct type, member), .bytes = sizeof(((struct type *)0)->member)           \
    }

static const struct message_rule messages[] = {
    [HULSE_CTL_HELLO] = {.bytes = sizeof(struct hulse_ctl_hello),
                         .strings = {STRING(hulse_ctl_hello, name_len, HULSE_NAME_BYTES_MAX),
                                     STRING(hulse_ctl_hello, service_len, HULSE_NAME_BYTES_MAX),
                                     STRING(hulse_ctl_hello, token_len, HULSE_TOKEN_BYTES_MAX)},
                         .zeros = {ZERO(hulse_ctl_hello, reserved)}},
    [HULSE_CTL_WELCOME] = {.bytes = sizeof(struct hulse_ctl_welcome), .fds = 2},
    [HULSE_CTL_REFUSED] = {.bytes = sizeof(struct hulse_ctl_refused),
                           .strings = {STRING(hulse_ctl_refused, text_len, HULSE_TEXT_BYTES_MAX)},
                           .zeros = {ZERO(hulse_ctl_refused, reserved0),
                                     ZERO(hulse_ctl_refused, reserved)}},
    [HULSE_CTL_GROUP] = {.bytes = sizeof(struct hulse_ctl_group),
                         .zeros = {ZERO(hulse_ctl_group, reserved)}},
    [HULSE_CTL_GROUP_OK] = {.bytes = sizeof(struct hulse_ctl_group),
                            .fds = 1,
                            .zeros = {ZERO(hulse_ctl_group, reserved)}},
    [HULSE_CTL_OPEN_CHANNEL] = {.bytes = sizeof(struct hulse_ctl_open_channel),
                                .zeros = {ZERO(hulse_ctl_open_channel, reserved0)}},
    [HULSE_CTL_CHANNEL] = {.bytes = sizeof(struct hulse_ctl_channel),
                           .fds = 2,
                           .zeros = {ZERO(hulse_ctl_channel, reserved)}},
    [HULSE_CTL_CHANNEL_READY] = {.bytes = sizeof(struct hulse_ctl_channel_ref),
                                 .zeros = {ZERO(hulse_ctl_channel_ref, reserved)}},
    [HULSE_CTL_CHANNEL_OK] = {.bytes = sizeof(struct hulse_ctl_channel_ref),
                              .zeros = {ZERO(hulse_ctl_channel_ref, reserved)}},
    [HULSE_CTL_CLOSE_CHANNEL] = {.bytes = sizeof(struct hulse_ctl_channel_ref),
                                 .zeros = {ZERO(hulse_ctl_channel_ref, reserved)}},
    [HULSE_CTL_OPEN_PRODUCER] = {.bytes = sizeof(struct hulse_ctl_open_producer),
                                 .strings = {STRING(
                                     hulse_ctl_open_producer, topic_len, HULSE_TOPIC_BYTES_MAX)},
                                 .zeros = {ZERO(hulse_ctl_open_producer, reserved)}},
    [HULSE_CTL_PRODUCER] =
        {
            .bytes = sizeof(struct hulse_ctl_producer),
            .strings = {STRING(hulse_ctl_producer, name_len, HULSE_NAME_BYTES_MAX)},
        },
    [HULSE_CTL_OPEN_CONSUMER] =
        {.bytes = sizeof(struct hulse_ctl_open_consumer),
         .strings = {STRING(hulse_ctl_open_consumer, topic_len, HULSE_TOPIC_BYTES_MAX),
                     STRING(hulse_ctl_open_consumer, subscription_len, HULSE_NAME_BYTES_MAX),
                     STRING(hulse_ctl_open_consumer, name_len, HULSE_NAME_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_open_consumer, reserved)}},
    [HULSE_CTL_OPEN_CONSUMER_AT] =
        {.bytes = sizeof(struct hulse_ctl_open_consumer_at),
         .strings = {STRING(hulse_ctl_open_consumer_at, open.topic_len, HULSE_TOPIC_BYTES_MAX),
                     STRING(
                         hulse_ctl_open_consumer_at, open.subscription_len, HULSE_NAME_BYTES_MAX),
                     STRING(hulse_ctl_open_consumer_at, open.name_len, HULSE_NAME_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_open_consumer_at, open.reserved)}},
    [HULSE_CTL_SEEK] = {.bytes = sizeof(struct hulse_ctl_seek),
                        .zeros = {ZERO(hulse_ctl_seek, reserved0), ZERO(hulse_ctl_seek, reserved)}},
    [HULSE_CTL_CONSUMER] =
        {.bytes = sizeof(struct hulse_ctl_consumer),
         .strings = {STRING(hulse_ctl_consumer, topic_len, HULSE_TOPIC_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_consumer, reserved0), ZERO(hulse_ctl_consumer, reserved)}},
    [HULSE_CTL_READER] = {.bytes = sizeof(struct hulse_ctl_reader),
                          .strings = {STRING(hulse_ctl_reader, topic_len, HULSE_TOPIC_BYTES_MAX)},
                          .zeros = {ZERO(hulse_ctl_reader, reserved)}},
    [HULSE_CTL_GET_SCHEMA] = {.bytes = sizeof(struct hulse_ctl_get_schema)},
    [HULSE_CTL_SCHEMA] =
        {.bytes = sizeof(struct hulse_ctl_schema),
         .fds = 1,
         .strings = {STRING(hulse_ctl_schema, type_len, HULSE_SCHEMA_TYPE_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_schema, reserved0), ZERO(hulse_ctl_schema, reserved)}},
    [HULSE_CTL_CLOSE_HANDLE] = {.bytes = sizeof(struct hulse_ctl_close_handle)},
    [HULSE_CTL_OK] = {.bytes = sizeof(struct hulse_ctl_ok)},
    [HULSE_CTL_ERR] = {.bytes = sizeof(struct hulse_ctl_err),
                       .strings = {STRING(hulse_ctl_err, text_len, HULSE_TEXT_BYTES_MAX)},
                       .zeros = {ZERO(hulse_ctl_err, reserved)}},
    /* An event's text may be a topic name (EVENT_SOURCE). */
    [HULSE_CTL_EVENT] = {.bytes = sizeof(struct hulse_ctl_event),
                         .strings = {STRING(hulse_ctl_event, text_len, HULSE_TOPIC_BYTES_MAX)}},
    [HULSE_CTL_ATTACH] = {.bytes = sizeof(struct hulse_ctl_attach),
                          .fds = 1,
                          .zeros = {ZERO(hulse_ctl_attach, reserved0)}},
    [HULSE_CTL_ATTACH_HANDLE] =
        {.bytes = sizeof(struct hulse_ctl_attach_handle),
         .strings = {STRING(hulse_ctl_attach_handle, topic_len, HULSE_TOPIC_BYTES_MAX),
                     STRING(hulse_ctl_attach_handle, subscription_len, HULSE_NAME_BYTES_MAX),
                     STRING(hulse_ctl_attach_handle, name_len, HULSE_NAME_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_attach_handle, reserved0),
                   ZERO(hulse_ctl_attach_handle, reserved)}},
    [HULSE_CTL_OPTIONS] =
        {.bytes = sizeof(struct hulse_ctl_options),
         .strings = {STRING(hulse_ctl_options, options_len, HULSE_OPTIONS_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_options, reserved0), ZERO(hulse_ctl_options, reserved)}},
    [HULSE_CTL_ATTACH_SOURCES] =
        {.bytes = sizeof(struct hulse_ctl_attach_sources),
         .strings = {STRING(hulse_ctl_attach_sources, names_len, HULSE_SOURCES_BYTES_MAX)},
         .zeros = {ZERO(hulse_ctl_attach_sources, reserved)}},
    [HULSE_CTL_MARKS] = {.bytes = sizeof(struct hulse_ctl_marks),
                         .strings = {STRING(hulse_ctl_marks, marks_len, HULSE_MARKS_BYTES_MAX)}},
    [HULSE_CTL_ATTACH_END] = {.bytes = sizeof(struct hulse_ctl_attach_end),
                              .zeros = {ZERO(hulse_ctl_attach_end, reserved)}},
};

#define MESSAGE_COUNT (sizeof(messages) / sizeof(messages[0]))
static_assert(HULSE_TEXT_BYTES_MAX <= HULSE_TOPIC_BYTES_MAX, "an event's text fits its limit");

unsigned hulse_control_fds(unsigned type)
{
    return type < MESSAGE_COUNT ? messages[type].fds : 0;
}

size_t hulse_control_bytes(unsigned type)
{
    return type < MESSAGE_COUNT ? messages[type].bytes : 0;
}

static bool zeros_hold(const uint8_t *message, const struct message_rule *rule)
{
    for (size_t i = 0; i < ZEROS_MAX; i++) {
        for (size_t at = 0; at < rule->zeros[i].bytes; at++) {
            if (message[rule->zeros[i].at + at] != 0) {
                return false;
            }
        }
    }
    return true;
}

int hulse_control_check(const void *message, size_t bytes, const char **why)
{
    const uint8_t *in = message;
    struct hulse_ctl_head head;

    if (bytes < sizeof(head) || bytes > HULSE_CONTROL_MESSAGE_MAX) {
        *why = "control message too short or too long";
        return 0;
    }
    memcpy(&head, in, sizeof(head));
    if (hulse_control_bytes(head.type) == 0) {
        *why = "unknown control message type";
        return 0;
    }
    const struct message_rule *rule = &messages[head.type];
    if (head.len != bytes || bytes < rule->bytes) {
        *why = "control message length is wrong";
        return 0;
    }
    if (!zeros_hold(in, rule)) {
        *why = "reserved bits set in a control message";
        return 0;
    }
    size_t end = rule->bytes;
    for (size_t i = 0; i < STRINGS_MAX && rule->strings[i].limit != 0; i++) {
        uint16_t len = 0;
        memcpy(&len, in + rule->strings[i].at, sizeof(len));
        if (len > rule->strings[i].limit) {
            *why = "string too long in a control message";
            return 0;
        }
        end += len;
    }
    if (end != bytes) {
        *why = "control message strings do not add up";
        return 0;
    }
    *why = NULL;
    return 1;
}
