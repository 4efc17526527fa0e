/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_codec - a message as the body of a record in the store.
 *
 *   header | payload | key | ordering key | properties | producer's name
 *
 * Little endian. The header says how long each part is; together they are the whole body.
 *
 *   off  0 u8 version        1 u8 flags            2 u16 producer bytes
 *        4 u32 payload bytes 8 u32 key bytes      12 u32 ordering key bytes
 *       16 u32 properties   20 i32 partition      24 u64 event time, ms
 *       32 u64 expires, ms of the wall clock; 0 = never
 *
 * Threads: pure.
 * Trust:   decode judges bytes that may be anything.
 */
#ifndef HULSE_BROKER_LOCAL_MESSAGE_CODEC_H
#define HULSE_BROKER_LOCAL_MESSAGE_CODEC_H

#include "daemon/broker/broker.h"

#define MESSAGE_HEADER_BYTES 40U

/* The parts of `d` follow the header in the order above. */
void hulse_message_encode(uint8_t out[MESSAGE_HEADER_BYTES],
                          const struct broker_delivery *d,
                          uint64_t expires_ms);
/*
 * Fills payload, meta and producer of *d, all pointing into `body`, and *expires_ms. False with *why
 * a static text. Afterwards properties can be walked without looking at their lengths.
 */
bool hulse_message_decode(const uint8_t *body,
                          size_t bytes,
                          struct broker_delivery *d,
                          uint64_t *expires_ms,
                          const char **why);

#endif
