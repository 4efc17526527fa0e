/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_text - a message's id as people write it, for the command and for the admin socket.
 *
 * Threads: pure. Trust: text that may be anything.
 */
#ifndef HULSE_ADMIN_ID_TEXT_H
#define HULSE_ADMIN_ID_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct id_text {
    uint64_t ledger;
    uint64_t entry;
    uint16_t partition;
    int32_t batch; /* -1: none */
};

/*
 * "LEDGER:ENTRY[:PARTITION[:BATCH]]", the first two up to 2^63 - 1; a partition or batch of -1 is none, which counts as the
 * first partition. False changes nothing.
 */
bool hulse_id_text_parse(const char *text, struct id_text *out);

#endif
