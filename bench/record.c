/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - see record.h.
 */
#include "bench/record.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct record_head) + sizeof(uint64_t) == BENCH_RECORD_BYTES_MIN,
              "head and tail");

bool hulse_bench_record_pattern_init(struct record_pattern *p, uint32_t size)
{
    assert(size >= BENCH_RECORD_BYTES_MIN);
    p->size = size;
    p->bytes = malloc(size);
    if (p->bytes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        p->bytes[i] = (uint8_t)((i * 167) + 13);
    }
    return true;
}

void hulse_bench_record_pattern_fini(struct record_pattern *p)
{
    free(p->bytes);
    p->bytes = NULL;
}
