/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   U1: ABI 1 does not change: every offset, size, tag, type, bit and number.
 * Method: a text dump compared with abi1.golden. `test_layout --print` writes the dump; a new
 *         line may be added with a new number, a changed line is a new version of the ABI.
 */
#include "shmlib/ring/control.h"
#include "shmlib/ring/layout.h"
#include "tests/unit/shmlib/ring/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_BYTES_MAX 32768U

static char dump[DUMP_BYTES_MAX];
static size_t dump_len;

static void line(const char *kind, const char *name, unsigned long long value)
{
    const int n =
        snprintf(dump + dump_len, sizeof(dump) - dump_len, "%s %s %llu\n", kind, name, value);

    if (n < 0 || (size_t)n >= sizeof(dump) - dump_len) {
        (void)fputs("dump too long\n", stderr);
        abort();
    }
    dump_len += (size_t)n;
}

static void member(const char *name, size_t offset, size_t bytes)
{
    line("offset", name, offset);
    line("bytes", name, bytes);
}

#define NUMBER(name) line("number", #name, (unsigned long long)(name))
#define SIZE(type) line("sizeof", #type, sizeof(struct type))
#define MEMBER(type, m)                                                                            \
    member(#type "." #m, offsetof(struct type, m), sizeof(((struct type *)0)->m))
/* A status is negative: printed as its distance below 0. */
#define STATUS(name) line("status -", #name, (unsigned long long)-(name))

static void dump_bounds(void)
{
    NUMBER(HULSE_ABI_MIN);
    NUMBER(HULSE_ABI_MAX);
    NUMBER(HULSE_REGION_MAGIC);
    NUMBER(HULSE_CONTROL_BYTES);
    NUMBER(HULSE_RING_BYTES_MIN);
    NUMBER(HULSE_RING_BYTES_MAX);
    NUMBER(HULSE_RECORD_ALIGN);
    NUMBER(HULSE_RECEIPT_BYTES);
    NUMBER(HULSE_PUBLISH_HEADER_BYTES);
    NUMBER(HULSE_VERDICT_HEADER_BYTES);
    NUMBER(HULSE_DELIVERY_HEADER_BYTES);
    NUMBER(HULSE_FRAGMENT_HEADER_BYTES);
    NUMBER(HULSE_TLV_HEADER_BYTES);
    NUMBER(HULSE_META_BYTES_MAX);
    NUMBER(HULSE_REASON_BYTES_MAX);
    NUMBER(HULSE_CLUSTER_BYTES_MAX);
    NUMBER(HULSE_CONTROL_MESSAGE_MAX);
    NUMBER(HULSE_CONTROL_FDS_MAX);
    NUMBER(HULSE_NAME_BYTES_MAX);
    NUMBER(HULSE_TOKEN_BYTES_MAX);
    NUMBER(HULSE_TOPIC_BYTES_MAX);
    NUMBER(HULSE_TEXT_BYTES_MAX);
}

static void dump_regions(void)
{
    MEMBER(hulse_region_a, up_tail);
    MEMBER(hulse_region_a, down_head);
    MEMBER(hulse_region_a, down_started);
    MEMBER(hulse_region_a, wake_at);
    MEMBER(hulse_region_a, space_at);
    MEMBER(hulse_region_a, state);
    MEMBER(hulse_region_a, ident);
    MEMBER(hulse_region_b, down_tail);
    MEMBER(hulse_region_b, up_head);
    MEMBER(hulse_region_b, up_read);
    MEMBER(hulse_region_b, armed);
    MEMBER(hulse_region_b, down_want);
    MEMBER(hulse_region_b, state);
    MEMBER(hulse_region_b, beat_ms);
    MEMBER(hulse_region_b, stats);
    MEMBER(hulse_region_b, lost);
    SIZE(hulse_region_ident);
    MEMBER(hulse_region_ident, magic);
    MEMBER(hulse_region_ident, abi);
    MEMBER(hulse_region_ident, kind);
    MEMBER(hulse_region_ident, up_bytes);
    MEMBER(hulse_region_ident, down_bytes);
    MEMBER(hulse_region_ident, channel);
    MEMBER(hulse_region_ident, session);
    MEMBER(hulse_region_ident, reserved);
    NUMBER(HULSE_STAT_TAKEN_RECORDS);
    NUMBER(HULSE_STAT_TAKEN_BYTES);
    NUMBER(HULSE_STAT_DONE);
    NUMBER(HULSE_STAT_FAILED);
    NUMBER(HULSE_STAT_POSTED_RECORDS);
    NUMBER(HULSE_STAT_POSTED_BYTES);
    NUMBER(HULSE_STAT_STALLS);
    NUMBER(HULSE_STAT_MISSED_DOORBELLS);
    NUMBER(HULSE_STAT_COUNT);
    NUMBER(HULSE_REGION_OPEN);
    NUMBER(HULSE_REGION_CLOSING);
    NUMBER(HULSE_REGION_OPENING);
    NUMBER(HULSE_REGION_DRAINING);
    NUMBER(HULSE_REGION_CLOSED);
    NUMBER(HULSE_REGION_STATE_MASK);
    NUMBER(HULSE_REGION_REASON_SHIFT);
}

static void dump_records(void)
{
    SIZE(hulse_publish_header);
    MEMBER(hulse_publish_header, len);
    MEMBER(hulse_publish_header, type);
    MEMBER(hulse_publish_header, flags);
    MEMBER(hulse_publish_header, meta_len);
    MEMBER(hulse_publish_header, seq);
    MEMBER(hulse_publish_header, token);
    MEMBER(hulse_publish_header, handle);
    MEMBER(hulse_publish_header, payload_len);
    MEMBER(hulse_publish_header, enqueued_ns);
    SIZE(hulse_fragment_header);
    MEMBER(hulse_fragment_header, index);
    MEMBER(hulse_fragment_header, count);
    MEMBER(hulse_fragment_header, total_len);
    SIZE(hulse_receipt_record);
    MEMBER(hulse_receipt_record, token);
    MEMBER(hulse_receipt_record, ledger);
    MEMBER(hulse_receipt_record, entry);
    MEMBER(hulse_receipt_record, batch);
    MEMBER(hulse_receipt_record, status);
    MEMBER(hulse_receipt_record, flags);
    MEMBER(hulse_receipt_record, partition);
    NUMBER(HULSE_NO_LEDGER);
}

static void dump_consumer_records(void)
{
    SIZE(hulse_verdict_record);
    MEMBER(hulse_verdict_record, len);
    MEMBER(hulse_verdict_record, type);
    MEMBER(hulse_verdict_record, flags);
    MEMBER(hulse_verdict_record, meta_len);
    MEMBER(hulse_verdict_record, ref);
    MEMBER(hulse_verdict_record, ledger);
    MEMBER(hulse_verdict_record, entry);
    MEMBER(hulse_verdict_record, batch);
    MEMBER(hulse_verdict_record, source);
    MEMBER(hulse_verdict_record, partition);
    MEMBER(hulse_verdict_record, verdict);
    MEMBER(hulse_verdict_record, how);
    MEMBER(hulse_verdict_record, delay_ms);
    MEMBER(hulse_verdict_record, reason_code);
    MEMBER(hulse_verdict_record, batch_size);
    MEMBER(hulse_verdict_record, reserved);
    SIZE(hulse_delivery_header);
    MEMBER(hulse_delivery_header, len);
    MEMBER(hulse_delivery_header, type);
    MEMBER(hulse_delivery_header, flags);
    MEMBER(hulse_delivery_header, meta_len);
    MEMBER(hulse_delivery_header, ref);
    MEMBER(hulse_delivery_header, ledger);
    MEMBER(hulse_delivery_header, entry);
    MEMBER(hulse_delivery_header, batch);
    MEMBER(hulse_delivery_header, partition);
    MEMBER(hulse_delivery_header, batch_size);
    MEMBER(hulse_delivery_header, handle);
    MEMBER(hulse_delivery_header, redelivery);
    MEMBER(hulse_delivery_header, publish_time);
    MEMBER(hulse_delivery_header, payload_len);
    MEMBER(hulse_delivery_header, source);
}

static void dump_record_numbers(void)
{
    NUMBER(HULSE_CHANNEL_PRODUCER);
    NUMBER(HULSE_CHANNEL_CONSUMER);
    NUMBER(HULSE_RELEASE_ON_VERDICT);
    NUMBER(HULSE_RELEASE_ON_READ);
    NUMBER(HULSE_RECEIPT_MODE_NONE);
    NUMBER(HULSE_RECEIPT_MODE_ERRORS);
    NUMBER(HULSE_RECEIPT_MODE_FULL);
    NUMBER(HULSE_RECORD_SKIP);
    NUMBER(HULSE_RECORD_MESSAGE);
    NUMBER(HULSE_RECORD_FRAGMENT);
    NUMBER(HULSE_RECORD_VERDICT);
    NUMBER(HULSE_RECORD_FIRST);
    NUMBER(HULSE_RECORD_LAST);
    NUMBER(HULSE_RECORD_HAS_META);
    NUMBER(HULSE_RECORD_NO_BATCH);
    NUMBER(HULSE_RECORD_LAST_ATTEMPT);
    NUMBER(HULSE_RECORD_LEFT_OUT);
    NUMBER(HULSE_RECORD_CAUGHT_UP);
    NUMBER(HULSE_RECORD_END_OF_TOPIC);
    NUMBER(HULSE_PUBLISH_FLAGS);
    NUMBER(HULSE_VERDICT_ACK);
    NUMBER(HULSE_VERDICT_NACK);
    NUMBER(HULSE_VERDICT_RETRY);
    NUMBER(HULSE_VERDICT_REJECT);
    NUMBER(HULSE_VERDICT_DROP);
    NUMBER(HULSE_HOW_CUMULATIVE);
    NUMBER(HULSE_HOW_BY_ID);
    NUMBER(HULSE_HOW_FLAGS);
    NUMBER(HULSE_TAG_KEY);
    NUMBER(HULSE_TAG_ORDERING_KEY);
    NUMBER(HULSE_TAG_EVENT_TIME);
    NUMBER(HULSE_TAG_PROPERTY);
    NUMBER(HULSE_TAG_DELIVER_AFTER);
    NUMBER(HULSE_TAG_PARTITION);
    NUMBER(HULSE_TAG_TTL);
    NUMBER(HULSE_TAG_TOMBSTONE);
    NUMBER(HULSE_TAG_PRODUCER);
    NUMBER(HULSE_TAG_REASON);
    NUMBER(HULSE_TAG_REPLICATE_TO);
    NUMBER(HULSE_TAG_BROKER_TIME);
    NUMBER(HULSE_TAG_INDEX);
}

static void dump_handshake(void)
{
    SIZE(hulse_ctl_head);
    MEMBER(hulse_ctl_head, type);
    MEMBER(hulse_ctl_head, len);
    MEMBER(hulse_ctl_head, req);
    SIZE(hulse_ctl_hello);
    MEMBER(hulse_ctl_hello, head);
    MEMBER(hulse_ctl_hello, abi_min);
    MEMBER(hulse_ctl_hello, abi_max);
    MEMBER(hulse_ctl_hello, flags);
    MEMBER(hulse_ctl_hello, features);
    MEMBER(hulse_ctl_hello, name_len);
    MEMBER(hulse_ctl_hello, service_len);
    MEMBER(hulse_ctl_hello, token_len);
    MEMBER(hulse_ctl_hello, reserved);
    SIZE(hulse_ctl_welcome);
    MEMBER(hulse_ctl_welcome, head);
    MEMBER(hulse_ctl_welcome, abi);
    MEMBER(hulse_ctl_welcome, worker);
    MEMBER(hulse_ctl_welcome, channels_max);
    MEMBER(hulse_ctl_welcome, session);
    MEMBER(hulse_ctl_welcome, generation);
    MEMBER(hulse_ctl_welcome, features);
    MEMBER(hulse_ctl_welcome, ring_max);
    MEMBER(hulse_ctl_welcome, receipts_max);
    MEMBER(hulse_ctl_welcome, groups_max);
    MEMBER(hulse_ctl_welcome, handles_max);
    MEMBER(hulse_ctl_welcome, publish_ring);
    MEMBER(hulse_ctl_welcome, receipts);
    MEMBER(hulse_ctl_welcome, deliver_ring);
    MEMBER(hulse_ctl_welcome, verdict_ring);
    MEMBER(hulse_ctl_welcome, unacked_max);
    MEMBER(hulse_ctl_welcome, message_max);
    SIZE(hulse_ctl_refused);
    MEMBER(hulse_ctl_refused, head);
    MEMBER(hulse_ctl_refused, abi_min);
    MEMBER(hulse_ctl_refused, abi_max);
    MEMBER(hulse_ctl_refused, status);
    MEMBER(hulse_ctl_refused, text_len);
    MEMBER(hulse_ctl_refused, reserved0);
    MEMBER(hulse_ctl_refused, reserved);
    SIZE(hulse_ctl_group);
    MEMBER(hulse_ctl_group, head);
    MEMBER(hulse_ctl_group, group);
    MEMBER(hulse_ctl_group, reserved);
}

static void dump_channels(void)
{
    SIZE(hulse_ctl_open_channel);
    MEMBER(hulse_ctl_open_channel, head);
    MEMBER(hulse_ctl_open_channel, kind);
    MEMBER(hulse_ctl_open_channel, release);
    MEMBER(hulse_ctl_open_channel, receipts);
    MEMBER(hulse_ctl_open_channel, reserved0);
    MEMBER(hulse_ctl_open_channel, up_bytes);
    MEMBER(hulse_ctl_open_channel, down_bytes);
    MEMBER(hulse_ctl_open_channel, group);
    SIZE(hulse_ctl_channel);
    MEMBER(hulse_ctl_channel, head);
    MEMBER(hulse_ctl_channel, channel);
    MEMBER(hulse_ctl_channel, up_bytes);
    MEMBER(hulse_ctl_channel, down_bytes);
    MEMBER(hulse_ctl_channel, reserved);
    SIZE(hulse_ctl_channel_ref);
    MEMBER(hulse_ctl_channel_ref, head);
    MEMBER(hulse_ctl_channel_ref, channel);
    MEMBER(hulse_ctl_channel_ref, reserved);
    SIZE(hulse_ctl_open_producer);
    MEMBER(hulse_ctl_open_producer, head);
    MEMBER(hulse_ctl_open_producer, channel);
    MEMBER(hulse_ctl_open_producer, send_timeout_ms);
    MEMBER(hulse_ctl_open_producer, generation);
    MEMBER(hulse_ctl_open_producer, topic_len);
    MEMBER(hulse_ctl_open_producer, reserved);
    SIZE(hulse_ctl_producer);
    MEMBER(hulse_ctl_producer, head);
    MEMBER(hulse_ctl_producer, handle);
    MEMBER(hulse_ctl_producer, message_max);
    MEMBER(hulse_ctl_producer, handle_id);
    MEMBER(hulse_ctl_producer, last_seq);
    MEMBER(hulse_ctl_producer, name_len);
    MEMBER(hulse_ctl_producer, partitions);
    MEMBER(hulse_ctl_producer, stride);
    MEMBER(hulse_ctl_producer, routing);
    MEMBER(hulse_ctl_producer, hashing);
    SIZE(hulse_ctl_open_consumer);
    MEMBER(hulse_ctl_open_consumer, head);
    MEMBER(hulse_ctl_open_consumer, channel);
    MEMBER(hulse_ctl_open_consumer, type);
    MEMBER(hulse_ctl_open_consumer, start);
    MEMBER(hulse_ctl_open_consumer, generation);
    MEMBER(hulse_ctl_open_consumer, reassembly_bytes);
    MEMBER(hulse_ctl_open_consumer, unacked_max);
    MEMBER(hulse_ctl_open_consumer, topic_len);
    MEMBER(hulse_ctl_open_consumer, subscription_len);
    MEMBER(hulse_ctl_open_consumer, name_len);
    MEMBER(hulse_ctl_open_consumer, reserved);
}

static void dump_reader(void)
{
    SIZE(hulse_ctl_position);
    MEMBER(hulse_ctl_position, ledger);
    MEMBER(hulse_ctl_position, entry);
    MEMBER(hulse_ctl_position, batch);
    MEMBER(hulse_ctl_position, partition);
    MEMBER(hulse_ctl_position, batch_size);
    SIZE(hulse_ctl_open_consumer_at);
    MEMBER(hulse_ctl_open_consumer_at, open);
    MEMBER(hulse_ctl_open_consumer_at, at);
    SIZE(hulse_ctl_seek);
    MEMBER(hulse_ctl_seek, head);
    MEMBER(hulse_ctl_seek, handle);
    MEMBER(hulse_ctl_seek, start);
    MEMBER(hulse_ctl_seek, reserved0);
    MEMBER(hulse_ctl_seek, reserved);
    MEMBER(hulse_ctl_seek, at);
    SIZE(hulse_ctl_reader);
    MEMBER(hulse_ctl_reader, head);
    MEMBER(hulse_ctl_reader, handle);
    MEMBER(hulse_ctl_reader, verdicts);
    MEMBER(hulse_ctl_reader, handle_id);
    MEMBER(hulse_ctl_reader, behind_ledger);
    MEMBER(hulse_ctl_reader, behind_entry);
    MEMBER(hulse_ctl_reader, end_ledger);
    MEMBER(hulse_ctl_reader, end_entry);
    MEMBER(hulse_ctl_reader, behind_batch);
    MEMBER(hulse_ctl_reader, end_batch);
    MEMBER(hulse_ctl_reader, topic_len);
    MEMBER(hulse_ctl_reader, flags);
    MEMBER(hulse_ctl_reader, reserved);
}

static void dump_handles(void)
{
    SIZE(hulse_ctl_consumer);
    MEMBER(hulse_ctl_consumer, head);
    MEMBER(hulse_ctl_consumer, handle);
    MEMBER(hulse_ctl_consumer, verdicts);
    MEMBER(hulse_ctl_consumer, handle_id);
    MEMBER(hulse_ctl_consumer, topic_len);
    MEMBER(hulse_ctl_consumer, reserved0);
    MEMBER(hulse_ctl_consumer, reserved);
    SIZE(hulse_ctl_close_handle);
    MEMBER(hulse_ctl_close_handle, head);
    MEMBER(hulse_ctl_close_handle, handle);
    MEMBER(hulse_ctl_close_handle, flags);
    SIZE(hulse_ctl_ok);
    MEMBER(hulse_ctl_ok, head);
    MEMBER(hulse_ctl_ok, value);
    SIZE(hulse_ctl_err);
    MEMBER(hulse_ctl_err, head);
    MEMBER(hulse_ctl_err, status);
    MEMBER(hulse_ctl_err, text_len);
    MEMBER(hulse_ctl_err, reserved);
    SIZE(hulse_ctl_event);
    MEMBER(hulse_ctl_event, head);
    MEMBER(hulse_ctl_event, event);
    MEMBER(hulse_ctl_event, text_len);
    MEMBER(hulse_ctl_event, handle);
    MEMBER(hulse_ctl_event, status);
    MEMBER(hulse_ctl_event, arg);
}

static void dump_attach(void)
{
    SIZE(hulse_ctl_attach);
    MEMBER(hulse_ctl_attach, head);
    MEMBER(hulse_ctl_attach, kind);
    MEMBER(hulse_ctl_attach, release);
    MEMBER(hulse_ctl_attach, receipts);
    MEMBER(hulse_ctl_attach, reserved0);
    MEMBER(hulse_ctl_attach, up_bytes);
    MEMBER(hulse_ctl_attach, down_bytes);
    MEMBER(hulse_ctl_attach, group);
    MEMBER(hulse_ctl_attach, resume_from);
    MEMBER(hulse_ctl_attach, up_tail);
    SIZE(hulse_ctl_attach_handle);
    MEMBER(hulse_ctl_attach_handle, head);
    MEMBER(hulse_ctl_attach_handle, handle_id);
    MEMBER(hulse_ctl_attach_handle, last_ledger);
    MEMBER(hulse_ctl_attach_handle, last_entry);
    MEMBER(hulse_ctl_attach_handle, last_batch);
    MEMBER(hulse_ctl_attach_handle, handle);
    MEMBER(hulse_ctl_attach_handle, send_timeout_ms);
    MEMBER(hulse_ctl_attach_handle, reassembly_bytes);
    MEMBER(hulse_ctl_attach_handle, unacked_max);
    MEMBER(hulse_ctl_attach_handle, last_partition);
    MEMBER(hulse_ctl_attach_handle, type);
    MEMBER(hulse_ctl_attach_handle, start);
    MEMBER(hulse_ctl_attach_handle, flags);
    MEMBER(hulse_ctl_attach_handle, topic_len);
    MEMBER(hulse_ctl_attach_handle, subscription_len);
    MEMBER(hulse_ctl_attach_handle, name_len);
    MEMBER(hulse_ctl_attach_handle, partitions);
    MEMBER(hulse_ctl_attach_handle, stride);
    MEMBER(hulse_ctl_attach_handle, routing);
    MEMBER(hulse_ctl_attach_handle, hashing);
    MEMBER(hulse_ctl_attach_handle, reserved0);
    MEMBER(hulse_ctl_attach_handle, reserved);
    SIZE(hulse_ctl_options);
    MEMBER(hulse_ctl_options, head);
    MEMBER(hulse_ctl_options, options_len);
    MEMBER(hulse_ctl_options, reserved0);
    MEMBER(hulse_ctl_options, reserved);
    SIZE(hulse_ctl_attach_sources);
    MEMBER(hulse_ctl_attach_sources, head);
    MEMBER(hulse_ctl_attach_sources, handle);
    MEMBER(hulse_ctl_attach_sources, first);
    MEMBER(hulse_ctl_attach_sources, count);
    MEMBER(hulse_ctl_attach_sources, names_len);
    MEMBER(hulse_ctl_attach_sources, reserved);
    SIZE(hulse_ctl_attach_end);
    MEMBER(hulse_ctl_attach_end, head);
    MEMBER(hulse_ctl_attach_end, handles);
    MEMBER(hulse_ctl_attach_end, reserved);
}

static void dump_marks(void)
{
    NUMBER(HULSE_CTL_MARKS);
    NUMBER(HULSE_FEATURE_MARKS);
    NUMBER(HULSE_MARKS_ALL);
    NUMBER(HULSE_MARKS_BYTES_MAX);
    NUMBER(HULSE_MARKS_TOTAL_MAX);
    SIZE(hulse_ctl_marks);
    MEMBER(hulse_ctl_marks, head);
    MEMBER(hulse_ctl_marks, handle);
    MEMBER(hulse_ctl_marks, marks_len);
    MEMBER(hulse_ctl_marks, flags);
    SIZE(hulse_ctl_mark);
    MEMBER(hulse_ctl_mark, ledger);
    MEMBER(hulse_ctl_mark, entry);
    MEMBER(hulse_ctl_mark, batch);
    MEMBER(hulse_ctl_mark, source);
    MEMBER(hulse_ctl_mark, partition);
    MEMBER(hulse_ctl_mark, reserved0);
    MEMBER(hulse_ctl_mark, reserved);
}

static void dump_schemas(void)
{
    NUMBER(HULSE_TAG_SCHEMA_VERSION);
    NUMBER(HULSE_TAG_OWN_SCHEMA);
    NUMBER(HULSE_CTL_GET_SCHEMA);
    NUMBER(HULSE_CTL_SCHEMA);
    NUMBER(HULSE_FEATURE_SCHEMAS);
    NUMBER(HULSE_FEATURE_TOPIC_SCHEMAS);
    NUMBER(HULSE_SCHEMA_OWN);
    NUMBER(HULSE_SCHEMA_NEWEST);
    SIZE(hulse_ctl_get_schema);
    MEMBER(hulse_ctl_get_schema, head);
    MEMBER(hulse_ctl_get_schema, handle);
    MEMBER(hulse_ctl_get_schema, of_source);
    MEMBER(hulse_ctl_get_schema, version);
    SIZE(hulse_ctl_schema);
    MEMBER(hulse_ctl_schema, head);
    MEMBER(hulse_ctl_schema, version);
    MEMBER(hulse_ctl_schema, definition_bytes);
    MEMBER(hulse_ctl_schema, properties_bytes);
    MEMBER(hulse_ctl_schema, type_len);
}

static void dump_options(void)
{
    NUMBER(HULSE_OPTION_PRIORITY);
    NUMBER(HULSE_OPTION_ACCESS);
    NUMBER(HULSE_OPTION_INITIAL_SUBSCRIPTION);
    NUMBER(HULSE_ACCESS_MODE_SHARED);
    NUMBER(HULSE_ACCESS_MODE_EXCLUSIVE);
    NUMBER(HULSE_ACCESS_MODE_WAIT);
    NUMBER(HULSE_ACCESS_MODE_FENCING);
    NUMBER(HULSE_OPTION_COMPACTED);
    NUMBER(HULSE_OPTION_REPLICATED);
    NUMBER(HULSE_OPTION_KEY_RANGE);
    NUMBER(HULSE_OPTION_ANY_KEY_ORDER);
    NUMBER(HULSE_OPTION_PROPERTY);
    NUMBER(HULSE_OPTION_SUBSCRIPTION_PROPERTY);
    NUMBER(HULSE_OPTION_TOPIC);
    NUMBER(HULSE_OPTION_PATTERN);
    NUMBER(HULSE_OPTION_TOPICS_MAX);
}

static void dump_control_numbers(void)
{
    NUMBER(HULSE_CTL_HELLO);
    NUMBER(HULSE_CTL_WELCOME);
    NUMBER(HULSE_CTL_REFUSED);
    NUMBER(HULSE_CTL_GROUP);
    NUMBER(HULSE_CTL_GROUP_OK);
    NUMBER(HULSE_CTL_OPEN_CHANNEL);
    NUMBER(HULSE_CTL_CHANNEL);
    NUMBER(HULSE_CTL_CHANNEL_READY);
    NUMBER(HULSE_CTL_CHANNEL_OK);
    NUMBER(HULSE_CTL_CLOSE_CHANNEL);
    NUMBER(HULSE_CTL_OPEN_PRODUCER);
    NUMBER(HULSE_CTL_PRODUCER);
    NUMBER(HULSE_CTL_OPEN_CONSUMER);
    NUMBER(HULSE_CTL_CONSUMER);
    NUMBER(HULSE_CTL_CLOSE_HANDLE);
    NUMBER(HULSE_CTL_OK);
    NUMBER(HULSE_CTL_ERR);
    NUMBER(HULSE_CTL_EVENT);
    NUMBER(HULSE_CTL_ATTACH);
    NUMBER(HULSE_CTL_ATTACH_HANDLE);
    NUMBER(HULSE_CTL_ATTACH_SOURCES);
    NUMBER(HULSE_CTL_ATTACH_END);
    NUMBER(HULSE_CTL_FLUSH);
    NUMBER(HULSE_CTL_SEEK);
    NUMBER(HULSE_CTL_STATS);
    NUMBER(HULSE_CTL_READER);
    NUMBER(HULSE_EVENT_HANDLE_FAILED);
    NUMBER(HULSE_EVENT_RECONNECTING);
    NUMBER(HULSE_EVENT_FENCED);
    NUMBER(HULSE_EVENT_QUOTA);
    NUMBER(HULSE_EVENT_DRAIN);
    NUMBER(HULSE_EVENT_GOODBYE);
    NUMBER(HULSE_EVENT_CONSUMER_CHANGED);
    NUMBER(HULSE_EVENT_SOURCE);
    NUMBER(HULSE_EVENT_ACTIVE);
    NUMBER(HULSE_FEATURE_FRAGMENTS);
    NUMBER(HULSE_FEATURE_RESUME);
    NUMBER(HULSE_FEATURE_GROUPS);
    NUMBER(HULSE_FEATURE_READER);
    NUMBER(HULSE_CTL_OPEN_CONSUMER_AT);
    NUMBER(HULSE_FEATURE_POSITIONS);
    NUMBER(HULSE_START_LATEST);
    NUMBER(HULSE_START_EARLIEST);
    NUMBER(HULSE_START_AT_ID);
    NUMBER(HULSE_START_AFTER_ID);
    NUMBER(HULSE_START_AT_TIME);
    NUMBER(HULSE_ATTACH_HAS_START);
    NUMBER(HULSE_FEATURE_ROUTING);
    NUMBER(HULSE_CTL_OPTIONS);
    NUMBER(HULSE_FEATURE_OPTIONS);
    NUMBER(HULSE_FEATURE_REPLICATION);
    dump_options();
    NUMBER(HULSE_OPTIONS_BYTES_MAX);
    NUMBER(HULSE_OPTIONS_TOTAL_MAX);
    dump_schemas();
    dump_marks();
    NUMBER(HULSE_HELLO_RESUME);
    NUMBER(HULSE_READER_BEHIND);
    NUMBER(HULSE_READER_END);
}

static void dump_statuses(void)
{
    STATUS(HULSE_OK);
    STATUS(HULSE_AGAIN);
    STATUS(HULSE_TOOBIG);
    STATUS(HULSE_ORPHAN);
    STATUS(HULSE_REFUSED);
    STATUS(HULSE_CLOSED);
    STATUS(HULSE_INVAL);
    STATUS(HULSE_FAILED);
    STATUS(HULSE_RECEIPTS);
    STATUS(HULSE_TIMED_OUT);
    STATUS(HULSE_NO_DAEMON);
    STATUS(HULSE_DENIED);
    STATUS(HULSE_NO_TOPIC);
    STATUS(HULSE_LIMIT);
    STATUS(HULSE_NO_MEMORY);
    STATUS(HULSE_IO);
    STATUS(HULSE_NOT_CONFIGURED);
    STATUS(HULSE_BUSY);
    STATUS(HULSE_UNSUPPORTED);
    STATUS(HULSE_PROTOCOL);
}

static void dump_outcomes(void)
{
    NUMBER(HULSE_OUTCOME_STORED);
    NUMBER(HULSE_OUTCOME_SPOOLED);
    NUMBER(HULSE_OUTCOME_FAILED_NOT_SENT);
    NUMBER(HULSE_OUTCOME_FAILED_UNKNOWN);
    NUMBER(HULSE_OUTCOME_EXPIRED);
    NUMBER(HULSE_OUTCOME_DENIED);
    NUMBER(HULSE_OUTCOME_TOO_LARGE);
    NUMBER(HULSE_OUTCOME_DEAD_LETTERED);
    NUMBER(HULSE_OUTCOME_INTERRUPTED);
    NUMBER(HULSE_OUTCOME_RATE_LIMITED);
    NUMBER(HULSE_OUTCOME_BREAKER_OPEN);
    NUMBER(HULSE_OUTCOME_INVALID_SCHEMA);
    NUMBER(HULSE_OUTCOME_FENCED);
    NUMBER(HULSE_OUTCOME_NO_TOPIC);
    NUMBER(HULSE_OUTCOME_TOPIC_TERMINATED);
    NUMBER(HULSE_OUTCOME_QUOTA_EXCEEDED);
    NUMBER(HULSE_OUTCOME_STORE_FULL);
    NUMBER(HULSE_OUTCOME_NO_MEMORY);
    NUMBER(HULSE_OUTCOME_DROPPED);
    NUMBER(HULSE_OUTCOME_BAD_RECORD);
    NUMBER(HULSE_OUTCOME_UNSUPPORTED);
}

static void make_dump(void)
{
    dump_len = 0;
    dump_bounds();
    dump_regions();
    dump_records();
    dump_consumer_records();
    dump_record_numbers();
    dump_handshake();
    dump_channels();
    dump_handles();
    dump_attach();
    dump_reader();
    dump_control_numbers();
    dump_statuses();
    dump_outcomes();
}

static FILE *open_golden(void)
{
    char path[4096];
    const char *root = getenv("HULSE_SOURCE_DIR"); /* NOLINT(concurrency-mt-unsafe) */

    (void)snprintf(
        path, sizeof(path), "%s/tests/unit/shmlib/ring/abi1.golden", root != NULL ? root : ".");
    return fopen(path, "re");
}

static void test_abi_is_the_golden_one(void **state)
{
    static char golden[DUMP_BYTES_MAX];
    FILE *f = open_golden();

    (void)state;
    assert_non_null(f);
    const size_t n = fread(golden, 1, sizeof(golden) - 1, f);
    (void)fclose(f);
    golden[n] = '\0';
    make_dump();
    assert_string_equal(dump, golden);
}

static void test_words_are_lock_free(void **state)
{
    static struct hulse_region_a a;

    (void)state;
    assert_true(atomic_is_lock_free(&a.up_tail));
    assert_true(atomic_is_lock_free(&a.state));
}

static void test_stride(void **state)
{
    (void)state;
    assert_int_equal(hulse_record_stride(0), 0);
    assert_int_equal(hulse_record_stride(1), 8);
    assert_int_equal(hulse_record_stride(8), 8);
    assert_int_equal(hulse_record_stride(9), 16);
    assert_true(hulse_record_stride(UINT32_MAX) == 1ULL << 32);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abi_is_the_golden_one),
        cmocka_unit_test(test_words_are_lock_free),
        cmocka_unit_test(test_stride),
    };

    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        make_dump();
        (void)fputs(dump, stdout);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
