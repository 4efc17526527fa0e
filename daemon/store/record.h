/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - the body of a control record. What is not named here is in the frame's header.
 *
 *   ACK                 u64 subscription, then {u64 first, u64 end} rising, apart, not empty
 *   REDELIVERED         u64 subscription, then {u64 position, u32 count}
 *   TOPIC_CREATE        u8 kept, name to the end           header: topic
 *   SUBSCRIPTION_CREATE u64 subscription, name to the end  header: topic, position
 *   SUBSCRIPTION_DELETE, SUBSCRIPTION_SEEK  u64 subscription
 *   EPOCH               u64 next topic id, u64 next subscription id
 *   the others          nothing
 *
 * Threads: pure.
 * Trust:   decode judges bytes that may be anything; it allocates nothing.
 * Limits:  a name has 1 to STORE_NAME_MAX bytes, none of them 0.
 */
#ifndef HULSE_STORE_RECORD_H
#define HULSE_STORE_RECORD_H

#include "daemon/store/frame.h"
#include "daemon/store/store_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_EPOCH_BYTES 16U
#define RECORD_RANGE_BYTES 16U
#define RECORD_COUNT_BYTES 12U

struct record {
    uint64_t subscription;
    const char *name; /* into the body, not terminated */
    uint32_t name_bytes;
    bool kept;
    const uint8_t *list; /* ACK: ranges, REDELIVERED: counts; into the body */
    uint32_t list_count;
    uint64_t next_topic;
    uint64_t next_subscription;
};

/* How long the body of this control request is. False: TOO_LARGE, or not what a record may hold. */
bool hulse_record_bytes(const struct store_request *rq, size_t *out);
/* Writes as many bytes as hulse_record_bytes() said; ids that the store gives are set. */
void hulse_record_encode(const struct store_request *rq, uint8_t *out);
void hulse_record_encode_epoch(uint64_t next_topic, uint64_t next_subscription, uint8_t *out);

/* False: not the body of such a record, or no control record at all. */
bool hulse_record_decode(uint16_t kind, const uint8_t *body, size_t bytes, struct record *out);
/* Of an ACK: i < list_count. */
struct range hulse_record_range(const struct record *r, uint32_t i);
/* Of a REDELIVERED. */
struct store_count hulse_record_count(const struct record *r, uint32_t i);

#endif
