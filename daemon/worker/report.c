/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - see the header.
 */
#include "daemon/worker/report.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 };

/* Doubles an array that is full. False: over the memory cap; nothing has changed. */
static bool grow(void **array, size_t *capacity, size_t count, size_t each)
{
    const size_t wanted = *capacity == 0 ? FIRST_CAPACITY : 2 * *capacity;
    void *larger = NULL;

    if (count < *capacity) {
        return true;
    }
    larger = hulse_mem_alloc(HULSE_MEM_ADMIN, wanted * each);
    if (larger == NULL) {
        return false;
    }
    if (count != 0) {
        memcpy(larger, *array, count * each);
    }
    hulse_mem_free(HULSE_MEM_ADMIN, *array, *capacity * each);
    *array = larger;
    *capacity = wanted;
    return true;
}

struct topic_report *hulse_report_topic(struct worker_report *r)
{
    void *array = r->topics;

    if (!grow(&array, &r->topic_capacity, r->topic_count, sizeof(*r->topics))) {
        return NULL;
    }
    r->topics = array;
    struct topic_report *topic = &r->topics[r->topic_count++];
    *topic = (struct topic_report){0};
    return topic;
}

struct subscription_report *hulse_report_subscription(struct worker_report *r)
{
    void *array = r->subscriptions;

    if (!grow(
            &array, &r->subscription_capacity, r->subscription_count, sizeof(*r->subscriptions))) {
        return NULL;
    }
    r->subscriptions = array;
    struct subscription_report *s = &r->subscriptions[r->subscription_count++];
    *s = (struct subscription_report){.lag = 0};
    return s;
}

struct broker_report *hulse_report_broker(struct worker_report *r, const char *broker)
{
    void *array = r->brokers;

    if (!grow(&array, &r->broker_capacity, r->broker_count, sizeof(*r->brokers))) {
        return NULL;
    }
    r->brokers = array;
    struct broker_report *b = &r->brokers[r->broker_count++];
    b->broker = broker;
    b->count = 0;
    return b;
}

void hulse_report_merged(struct broker_report *b,
                         const char *name,
                         uint64_t value,
                         enum merge merge)
{
    HULSE_ASSERT(b->count < HULSE_REPORT_FIGURES_MAX);
    b->figures[b->count++] = (struct report_figure){.name = name, .value = value, .merge = merge};
}

void hulse_report_figure(struct broker_report *b, const char *name, uint64_t value)
{
    hulse_report_merged(b, name, value, MERGE_SUM);
}

void hulse_report_fini(struct worker_report *r)
{
    hulse_mem_free(HULSE_MEM_ADMIN, r->topics, r->topic_capacity * sizeof(*r->topics));
    hulse_mem_free(HULSE_MEM_ADMIN, r->brokers, r->broker_capacity * sizeof(*r->brokers));
    hulse_mem_free(
        HULSE_MEM_ADMIN, r->subscriptions, r->subscription_capacity * sizeof(*r->subscriptions));
    r->subscriptions = NULL;
    r->subscription_count = 0;
    r->subscription_capacity = 0;
    r->topics = NULL;
    r->topic_count = 0;
    r->topic_capacity = 0;
    r->brokers = NULL;
    r->broker_count = 0;
    r->broker_capacity = 0;
}
