/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - see the header.
 */
#include "daemon/schema/path.h"

#include "daemon/core/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN_BYTES_MAX 64U
#define CUT "..."

void hulse_schema_path_start(struct schema_path *p)
{
    p->at = sizeof(p->text) - 1;
    p->text[p->at] = '\0';
    p->cut = false;
}

/* The first piece that has no room ends it. */
static void put(struct schema_path *p, const char *piece, size_t bytes)
{
    if (p->cut) {
        return;
    }
    if (bytes + sizeof(CUT) - 1 > p->at) {
        p->cut = true;
        piece = CUT;
        bytes = sizeof(CUT) - 1;
    }
    p->at -= bytes;
    memcpy(p->text + p->at, piece, bytes);
}

void hulse_schema_path_name(struct schema_path *p, const void *name, size_t bytes)
{
    const uint8_t *in = name;
    char piece[NAME_SHOWN_BYTES_MAX + 8] = ".";
    size_t n = 1;

    for (size_t i = 0; i < bytes && n <= NAME_SHOWN_BYTES_MAX;) {
        const size_t sequence = hulse_utf8_sequence(in + i, bytes - i);
        if (sequence == 0 || in[i] < ' ' || in[i] == 0x7f) {
            piece[n++] = '?';
            i++;
            continue;
        }
        memcpy(piece + n, in + i, sequence);
        n += sequence;
        i += sequence;
    }
    put(p, piece, n);
}

void hulse_schema_path_index(struct schema_path *p, uint64_t index)
{
    char piece[24];
    const int n = snprintf(piece, sizeof(piece), "[%" PRIu64 "]", index);

    put(p, piece, n > 0 ? (size_t)n : 0);
}

const char *hulse_schema_path_text(const struct schema_path *p)
{
    return p->text + p->at + (p->text[p->at] == '.' && !p->cut ? 1 : 0);
}
