/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c - the checksum of the store's frames and of the Pulsar protocol (Castagnoli), by ISA-L.
 *
 * Threads: pure.
 */
#ifndef HULSE_CORE_CRC32C_H
#define HULSE_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * Goes on with `crc` over `count` bytes, without the inversions at both ends: the CRC32C that others
 * write down is ~hulse_crc32c(UINT32_MAX, ...).
 */
uint32_t hulse_crc32c(uint32_t crc, const void *bytes, size_t count);

#endif
