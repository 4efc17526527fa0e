/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - what a broker's answer to PARTITIONED_METADATA or LOOKUP says.
 *
 * A proxy answers either question with a failed answer to the other one, and any question may be answered with an ERROR.
 *
 * Threads: pure.
 * Trust:   judges a command that may say anything.
 */
#ifndef HULSE_PULSAR_LOOKUP_REPLY_H
#define HULSE_PULSAR_LOOKUP_REPLY_H

#include "daemon/broker/pulsar/connection/endpoint.h"
#include "daemon/broker/pulsar/failure.h"

enum lookup_question { LOOKUP_PARTITIONS, LOOKUP_OWNER };

enum lookup_reply_kind {
    LOOKUP_REPLY_PARTITIONS,
    LOOKUP_REPLY_BROKER,   /* the owner */
    LOOKUP_REPLY_REDIRECT, /* to ask there */
    LOOKUP_REPLY_FAILED,
    LOOKUP_REPLY_NONSENSE /* no answer to this question */
};

struct lookup_reply {
    enum lookup_reply_kind kind;
    uint32_t partitions;
    bool authoritative;            /* of a redirect: to be said there */
    bool through_service;          /* this broker is reached by the service host */
    struct pulsar_host broker;     /* of BROKER and REDIRECT */
    struct pulsar_failure failure; /* of FAILED */
};

/*
 * The address of a broker, of BROKER and REDIRECT, out of its URL; NULL or empty: there is none. FAILED, unless it is
 * one that can be used.
 */
void hulse_lookup_reply_broker(const char *text, bool tls, struct lookup_reply *out);
/* `tls`: of the service URL, which alone decides it for every connection. */
void hulse_lookup_reply_read(const Pulsar__BaseCommand *answer,
                             enum lookup_question asked,
                             bool tls,
                             struct lookup_reply *out);

#endif
