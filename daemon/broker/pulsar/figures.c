/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - see the header.
 */
#include "daemon/broker/pulsar/figures.h"

#include "daemon/broker/pulsar/consumer/consumer.h"
#include "daemon/broker/pulsar/producer/producer.h"
#include "daemon/core/clock.h"
#include "daemon/core/secret.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MS_PER_S 1000U

/* All numbers of these structs are 64 bits wide. */
struct place {
    const char *name;
    size_t offset;
};

#define CONNECTION(member, name)                                                                   \
    {                                                                                              \
        name, offsetof(struct pulsar_pool_figures, member)                                         \
    }
#define LOOKUP(member, name)                                                                       \
    {                                                                                              \
        name, offsetof(struct pulsar_lookup_figures, member)                                       \
    }
#define PRODUCER(member, name)                                                                     \
    {                                                                                              \
        name, offsetof(struct pulsar_producer_figures, member)                                     \
    }
#define CONSUMER(member, name)                                                                     \
    {                                                                                              \
        name, offsetof(struct pulsar_consumer_figures, member)                                     \
    }

#define TOPICS(member, name)                                                                       \
    {                                                                                              \
        name, offsetof(struct pulsar_topic_figures, member)                                        \
    }

static const struct place connection_places[] = {
    CONNECTION(connections, "connections_ready"),
    CONNECTION(connecting, "connections_connecting"),
    CONNECTION(attempts, "connection_attempts"),
    CONNECTION(failed_attempts, "connection_attempts_failed"),
    CONNECTION(closed_idle, "connections_closed_idle"),
    CONNECTION(closed_lost, "connections_closed_lost"),
    CONNECTION(closed_silent, "connections_closed_silent"),
    CONNECTION(closed_protocol, "connections_closed_protocol"),
    CONNECTION(closed_denied, "connections_closed_denied"),
    CONNECTION(closed_renewed, "connections_closed_renewed"),
    CONNECTION(tls_files_refused, "tls_files_refused"),
    CONNECTION(broken_frames, "broken_frames"),
    CONNECTION(auth_refreshes, "auth_refreshes"),
};

static const struct place lookup_places[] = {
    LOOKUP(asked, "lookups"),
    LOOKUP(cached, "lookups_cached"),
    LOOKUP(collapsed, "lookups_collapsed"),
    LOOKUP(redirects, "lookup_redirects"),
    LOOKUP(failed, "lookups_failed"),
    LOOKUP(grown, "partitions_grown"),
    LOOKUP(shrunk, "partitions_shrunk"),
};

static const struct place producer_places[] = {
    PRODUCER(producers, "producers"),
    PRODUCER(parked, "producers_parked"),
    PRODUCER(in_flight_messages, "in_flight_messages"),
    PRODUCER(in_flight_bytes, "in_flight_bytes"),
    PRODUCER(batches, "batches"),
    PRODUCER(chunked, "chunked"),
    PRODUCER(singles, "singles"),
    PRODUCER(resends, "resends"),
    PRODUCER(receipts_late, "receipts_late"),
    PRODUCER(receipts_wrong, "receipts_wrong"),
    PRODUCER(deduplicated, "deduplicated"),
    PRODUCER(send_errors, "send_errors"),
    PRODUCER(send_timeouts, "send_timeouts"),
    PRODUCER(moved_apart, "moved_apart"),
};

static const struct place consumer_places[] = {
    CONSUMER(consumers, "consumers"),
    CONSUMER(permits_granted, "permits_granted"),
    CONSUMER(permits_used, "permits_used"),
    CONSUMER(permits_overrun, "permits_overrun"),
    CONSUMER(discarded, "corrupted"),
    CONSUMER(corrupted_checksum, "corrupted_checksum"),
    CONSUMER(corrupted_size, "corrupted_size"),
    CONSUMER(corrupted_compression, "corrupted_compression"),
    CONSUMER(corrupted_batch, "corrupted_batch"),
    CONSUMER(unreadable, "unreadable"),
    CONSUMER(chunks, "chunks_received"),
    CONSUMER(chunked, "chunked_received"),
    CONSUMER(chunks_given_up, "chunks_given_up"),
    CONSUMER(chunks_orphaned, "chunks_orphaned"),
    CONSUMER(chunks_repeated, "chunks_repeated"),
    CONSUMER(broker_metadata_damaged, "broker_metadata_damaged"),
    CONSUMER(repeated, "repeated"),
    CONSUMER(redelivered, "redelivered"),
    CONSUMER(redeliveries_asked, "redeliveries_asked"),
    CONSUMER(acks_pending, "acks_pending"),
    CONSUMER(ack_errors, "ack_errors"),
    CONSUMER(rewound, "rewound"),
    CONSUMER(unkept, "unkept"),
    CONSUMER(stalls, "consumer_stalls"),
    CONSUMER(permits_lost, "permits_lost"),
    CONSUMER(stalls_left, "consumer_stalls_left"),
    CONSUMER(renewed, "resubscribed"),
};

static const struct place topic_places[] = {
    TOPICS(watches, "namespaces_watched"),
    TOPICS(watchers, "topic_watchers"),
    TOPICS(lists, "topic_lists"),
    TOPICS(updates, "topic_updates"),
    TOPICS(failed, "topic_lists_failed"),
};

#define SHOWS_ALL(type, places, others)                                                            \
    static_assert(sizeof(struct type) == (COUNT_OF(places) + (others)) * sizeof(uint64_t),         \
                  "each of them is shown")

/* Two ends and the round trip, below; and two that are sums of others. */
SHOWS_ALL(pulsar_pool_figures, connection_places, 5);
SHOWS_ALL(pulsar_lookup_figures, lookup_places, 0);
SHOWS_ALL(pulsar_producer_figures, producer_places, 0);
SHOWS_ALL(pulsar_consumer_figures, consumer_places, 0);
SHOWS_ALL(pulsar_topic_figures, topic_places, 0);

static void
report(struct broker_report *out, const void *figures, const struct place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;
        memcpy(&value, (const char *)figures + places[i].offset, sizeof(value));
        hulse_report_figure(out, places[i].name, value);
    }
}

/* What has ended has 0 s left. */
static void report_end(struct broker_report *out, const char *name, uint64_t end_wall_ms)
{
    const uint64_t now_ms = hulse_clock_wall_ms();

    if (end_wall_ms != 0) {
        hulse_report_merged(
            out, name, end_wall_ms > now_ms ? (end_wall_ms - now_ms) / MS_PER_S : 0, MERGE_LEAST);
    }
}

static uint64_t token_end(const struct pulsar_params *params)
{
    struct secret *token = params->token == NULL ? NULL : hulse_secret_slot_hold(*params->token);

    if (token == NULL) {
        return 0;
    }
    const uint64_t end = hulse_secret_expires_wall_ms(token);
    hulse_secret_release(&token);
    return end;
}

void hulse_pulsar_figures_report(struct pulsar_worker *pw, struct worker_report *out)
{
    struct broker_report *b = hulse_report_broker(out, pw->broker->base.name);
    struct pulsar_pool_figures pool;
    struct pulsar_lookup_figures lookups;
    struct pulsar_producer_figures producers;
    struct pulsar_consumer_figures consumers;

    if (b == NULL) {
        return;
    }
    if (pw->worker->params.index == 0) {
        hulse_lag_report(&pw->broker->lags, out); /* all workers' */
    }
    hulse_pulsar_pool_figures(pw->pool, &pool);
    hulse_pulsar_lookups_figures(pw->lookups, &lookups);
    hulse_pulsar_senders_figures(pw->senders, &producers);
    hulse_pulsar_consumers_figures(pw->consumers, &consumers);
    report(b, &pool, connection_places, COUNT_OF(connection_places));
    report(b, &lookups, lookup_places, COUNT_OF(lookup_places));
    report(b, &producers, producer_places, COUNT_OF(producer_places));
    report(b, &consumers, consumer_places, COUNT_OF(consumer_places));
    report(b, &pw->topics, topic_places, COUNT_OF(topic_places));
    if (pool.round_trip_us != 0) {
        hulse_report_merged(b, "round_trip_us", pool.round_trip_us, MERGE_MOST);
    }
    report_end(b, "certificate_seconds_to_expiry", pool.certificate_expires_wall_ms);
    report_end(b, "ca_certificate_seconds_to_expiry", pool.ca_expires_wall_ms);
    report_end(b, "token_seconds_to_expiry", token_end(&pw->broker->params));
}
