/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open - see open.h.
 */
#include "bench/open.h"

#include "bench/workload.h"

#define BATCH_BYTES_MIN 16384U

hulse_status hulse_bench_open_session(hulse_session **session, const char *socket, const char *name)
{
    hulse_options *options = hulse_options_new();

    if (options == NULL) {
        return HULSE_NO_MEMORY;
    }
    hulse_status rc = hulse_options_socket(options, socket);
    if (rc == HULSE_OK) {
        rc = hulse_options_name(options, name);
    }
    if (rc == HULSE_OK) {
        rc = hulse_open(session, options);
    }
    hulse_options_free(&options);
    return rc;
}

hulse_status hulse_bench_open_producer(hulse_session *session,
                                       hulse_producer **producer,
                                       const struct bench_options *o,
                                       uint32_t index)
{
    const uint64_t batch_bytes = (uint64_t)o->flush * (o->size + 64U);
    hulse_producer_options *options = hulse_producer_options_new();
    char topic[128];

    if (options == NULL) {
        return HULSE_NO_MEMORY;
    }
    hulse_bench_topic(topic, sizeof topic, o, index);
    hulse_status rc = hulse_producer_options_receipts(
        options, o->wait == BENCH_WAIT_STORED ? HULSE_RECEIPTS_FULL : HULSE_RECEIPTS_NONE);
    if (rc == HULSE_OK) {
        rc = hulse_producer_options_ring(options, hulse_bench_ring_bytes(o));
    }
    if (rc == HULSE_OK) {
        rc = hulse_producer_options_slots(options, hulse_bench_receipts(o));
    }
    if (rc == HULSE_OK) {
        rc = hulse_producer_options_auto_flush(
            options,
            o->flush,
            batch_bytes < BATCH_BYTES_MIN ? BATCH_BYTES_MIN : (uint32_t)batch_bytes);
    }
    if (rc == HULSE_OK) {
        rc = hulse_producer_open(session, producer, topic, options);
    }
    hulse_producer_options_free(&options);
    return rc;
}

hulse_status hulse_bench_open_consumer(hulse_session *session,
                                       hulse_consumer **consumer,
                                       const struct bench_options *o,
                                       uint32_t index)
{
    hulse_consumer_options *options = hulse_consumer_options_new();
    char topic[128];

    if (options == NULL) {
        return HULSE_NO_MEMORY;
    }
    hulse_bench_topic(topic, sizeof topic, o, index);
    hulse_status rc = hulse_consumer_options_type(
        options, hulse_bench_shared(o) ? HULSE_SHARED : HULSE_EXCLUSIVE);
    if (rc == HULSE_OK) {
        rc = hulse_consumer_options_ring(options, hulse_bench_ring_bytes(o));
    }
    if (rc == HULSE_OK) {
        rc = hulse_consumer_open(session, consumer, topic, "bench", options);
    }
    hulse_consumer_options_free(&options);
    return rc;
}
