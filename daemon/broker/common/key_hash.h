/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_hash - hashes of a message's key that official clients of Pulsar choose a partition by.
 *
 *   java     Java's String.hashCode: over the UTF-16 units of the text. Java's client is matched for every key; those for
 *            C++ and Go run it over bytes, and agree with it on ASCII alone.
 *   murmur3  MurmurHash3_x86_32 of the UTF-8 bytes, seed 0: the same in all clients.
 *   boost    boost::hash of the bytes, 64 bits wide, as in Boost 1.81 and later: the default of the clients for C++,
 *            Python and Node.js, and of no other.
 *
 * All give 31 bits, the sign of Java's int being left out.
 *
 * Threads: pure.
 * Trust:   any bytes. Those that are not UTF-8 count one unit each for `java`, which no official client can send.
 */
#ifndef HULSE_BROKER_COMMON_KEY_HASH_H
#define HULSE_BROKER_COMMON_KEY_HASH_H

#include "daemon/broker/broker.h"

uint32_t hulse_key_hash(enum broker_hashing kind, struct broker_span key);

#endif
