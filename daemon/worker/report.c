/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - see the header.
 */
#include "daemon/worker/report.h"

#include "daemon/core/mem.h"

#include <stdbool.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

static size_t array_bytes(size_t capacity)
{
    return capacity * sizeof(struct topic_report);
}

static bool grow(struct worker_report *r)
{
    const size_t capacity = r->topic_capacity == 0 ? FIRST_CAPACITY : 2 * r->topic_capacity;
    struct topic_report *topics = hulse_mem_alloc(HULSE_MEM_ADMIN, array_bytes(capacity));
    if (topics == NULL) {
        return false;
    }
    if (r->topic_count != 0) {
        memcpy(topics, r->topics, array_bytes(r->topic_count));
    }
    hulse_mem_free(HULSE_MEM_ADMIN, r->topics, array_bytes(r->topic_capacity));
    r->topics = topics;
    r->topic_capacity = capacity;
    return true;
}

struct topic_report *hulse_report_topic(struct worker_report *r)
{
    if (r->topic_count == r->topic_capacity && !grow(r)) {
        return NULL;
    }
    struct topic_report *topic = &r->topics[r->topic_count++];
    *topic = (struct topic_report){0};
    return topic;
}

void hulse_report_fini(struct worker_report *r)
{
    hulse_mem_free(HULSE_MEM_ADMIN, r->topics, array_bytes(r->topic_capacity));
    r->topics = NULL;
    r->topic_count = 0;
    r->topic_capacity = 0;
}
