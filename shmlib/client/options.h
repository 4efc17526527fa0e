/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - the members behind the public options objects.
 *
 * Threads: an object has one owner; opens only read it.
 */
#ifndef HULSE_CLIENT_OPTIONS_H
#define HULSE_CLIENT_OPTIONS_H

#include "include/hulse/hulse.h"
#include "shmlib/client/option_list.h"

#include <sys/un.h>

#define HULSE_CONNECT_TIMEOUT_MS 5000
#define HULSE_OPEN_TIMEOUT_MS 35000 /* a daemon asks its broker for up to 30 s */
#define HULSE_FLUSH_RECORDS 16U
#define HULSE_FLUSH_BYTES (16U * 1024)
#define HULSE_SLOTS_MIN (HULSE_RING_BYTES_MIN / HULSE_RECEIPT_BYTES)
#define HULSE_SLOTS_MAX 65536U
#define HULSE_PATTERN_TOPICS_DEFAULT 1000U

struct hulse_options {
    int timeout_ms;
    int open_timeout_ms;
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* empty = by default */
    char name[HULSE_NAME_BYTES_MAX + 1];
    char token[HULSE_TOKEN_BYTES_MAX + 1];
};

struct hulse_producer_options {
    enum hulse_receipts receipts;
    uint32_t ring_bytes;
    uint32_t slots;
    unsigned group;
    int release_on_read;
    uint32_t flush_records; /* 0 = never */
    uint32_t flush_bytes;
    uint32_t send_timeout_ms; /* UINT32_MAX = the rule's */
    hulse_producer *share_with;
    struct hulse_option_list more;
};

struct hulse_consumer_options {
    enum hulse_subscription type;
    enum hulse_start start;
    struct hulse_ctl_position at; /* of `start` */
    uint32_t ring_bytes;
    uint32_t verdict_bytes;
    unsigned group;
    uint32_t reassembly_bytes;
    uint32_t unacked_max;
    bool pattern;
    uint32_t topics;     /* beside the first */
    uint32_t topics_max; /* 0 = by default */
    struct hulse_option_list more;
    char name[HULSE_NAME_BYTES_MAX + 1];
};

extern const struct hulse_options hulse_options_default;
extern const struct hulse_producer_options hulse_producer_options_default;
extern const struct hulse_consumer_options hulse_consumer_options_default;

#endif
