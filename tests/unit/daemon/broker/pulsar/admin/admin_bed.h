/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_bed - a broker of type pulsar whose REST API is played by a server of the test's (admin_script.py).
 *
 * Threads: the test's, which is control.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_PULSAR_ADMIN_ADMIN_BED_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_PULSAR_ADMIN_ADMIN_BED_H

#include "daemon/broker/pulsar/pulsar.h"
#include "tests/support/http_bed.h"
#include "tests/support/http_server.h"

struct admin_bed {
    struct http_bed http;
    struct http_server plain;
    struct http_server tls;
    char folder[32];
    char ca[64];
    struct pulsar_params params;
    struct broker *broker;
    /* Of the last request. */
    unsigned answers;
    hulse_status status;
    char text[BROKER_TEXT_BYTES];
    char names[4096]; /* each with a blank behind it */
    uint32_t name_count;
    struct broker_topic_stats total;
    struct broker_subscription_stats subscriptions[8]; /* without their names */
    uint32_t subscription_count;
    struct broker_schema_version versions[4];
    uint32_t version_count;
};

/* The servers, for all tests of a program. */
void hulse_admin_bed_serve(struct admin_bed *bed);
void hulse_admin_bed_end(struct admin_bed *bed);
/* A client and a broker; NULL for a URL is the server without TLS. */
void hulse_admin_bed_start(struct admin_bed *bed, const char *admin_url);
/* Nothing is left of any request. */
void hulse_admin_bed_stop(struct admin_bed *bed);

/* Asks, and waits for the answer; its status. */
hulse_status hulse_admin_bed_ask(struct admin_bed *bed, struct broker_admin q);
/* The same, about a topic with nothing more to say. */
hulse_status
hulse_admin_bed_order(struct admin_bed *bed, enum broker_admin_command command, const char *topic);
hulse_status hulse_admin_bed_stats(struct admin_bed *bed, const char *topic);

#endif
