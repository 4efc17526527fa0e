/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - keys and values of the state's database. A value is
 *
 *   u32 CRC32C over table, key, and all behind it   u16 version   u16 0   fields
 *
 * so that a value under a wrong key, or in a wrong table, is no value.
 *
 *   META          what struct value_meta has, in its order
 *   TOPIC         u64 next position, messages end, trimmed to; u8 flags; name
 *   SUBSCRIPTION  u32 ranges, u32 counts, u32 name bytes; name; {u64 first, u64 end}; {u64 position, u32 count}
 *   HANDLE        u64 seq, seen (wall, ms), seen (age, ms), seq_from (in older ones not there: 0)
 *   INDEX         u64 first position, last position, bytes (in older ones not there); {u32 position, u32 offset}
 *
 * Threads: pure. Trust: decode judges bytes that may be anything.
 */
#ifndef HULSE_STORE_VALUE_H
#define HULSE_STORE_VALUE_H

#include "daemon/store/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_HEADER_BYTES 8U
#define VALUE_VERSION 1U

struct value_key hulse_value_key_meta(void);
struct value_key hulse_value_key(enum value_table table, uint64_t first);
struct value_key hulse_value_key2(enum value_table table, uint64_t first, uint64_t second);
struct value_key hulse_value_key_handle(uint64_t topic, const uint8_t *handle);
struct value_key
hulse_value_key3(enum value_table table, uint64_t first, uint64_t second, uint64_t third);
/* The numbers of a key; 0 when it is shorter. */
uint64_t hulse_value_key_first(const struct value_key *key);
uint64_t hulse_value_key_second(const struct value_key *key);
uint64_t hulse_value_key_third(const struct value_key *key);

/* Writes the header over a value whose fields are in place. */
void hulse_value_seal(const struct value_key *key, uint8_t *value, size_t bytes);
/* Is it what was sealed, and of this version? Its fields begin at VALUE_HEADER_BYTES. */
bool hulse_value_sound(const struct value_key *key, const uint8_t *value, size_t bytes);

/*
 * A row's part in the sum over all rows but the meta row, which holds that sum: a row that is sound and older than
 * the others shows there. 0 for what is too short.
 */
uint64_t hulse_value_digest(const uint8_t *value, size_t bytes);

/* The fixed fields of each; what follows them is counted or goes to the end. */
#define VALUE_TOPIC_BYTES 25U
#define VALUE_SUBSCRIPTION_BYTES 12U
#define VALUE_HANDLE_BYTES 32U
#define VALUE_HANDLE_OLD_BYTES 24U
#define VALUE_INDEX_BYTES 24U
#define VALUE_INDEX_OLD_BYTES 16U /* those of a key of two numbers */
#define VALUE_SPOT_BYTES 8U
/* Flags of a topic. */
#define VALUE_TERMINATED 1U
#define VALUE_KEPT 2U

#define VALUE_META_BYTES (VALUE_HEADER_BYTES + 60U)
void hulse_value_meta_encode(const struct value_meta *meta, uint8_t out[VALUE_META_BYTES]);
/* False: not sound, or not possible. */
bool hulse_value_meta_decode(const uint8_t *value, size_t bytes, struct value_meta *out);

#endif
