/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - messages of the control socket (SOCK_SEQPACKET, one message per packet, <= 4 KiB).
 *
 * Fixed little-endian structs, some followed by strings in the order of their length members;
 * strings have no terminating zero. Every message begins with the same head; an answer carries
 * its request's `req`; events carry 0. Each type travels with exactly the number of descriptors
 * in hulse_control_fds(); a receiver closes everything and the session on a mismatch (V5).
 *
 * Trust: the daemon believes no length: hulse_control_check() is its first reader.
 * See:   docs/shm-abi.md, ipc B2.
 */
#ifndef HULSE_RING_CONTROL_H
#define HULSE_RING_CONTROL_H

#include "shmlib/ring/layout.h"

#define HULSE_CONTROL_MESSAGE_MAX 4096U
#define HULSE_CONTROL_FDS_MAX 2U
#define HULSE_NAME_BYTES_MAX 255U
#define HULSE_TOKEN_BYTES_MAX 3000U
#define HULSE_TOPIC_BYTES_MAX 1024U
#define HULSE_TEXT_BYTES_MAX 512U

struct hulse_ctl_head {
    uint16_t type; /* enum hulse_control_type */
    uint16_t len;  /* whole message */
    uint32_t req;
};

#define HULSE_HELLO_RESUME 1U

struct hulse_ctl_hello {
    struct hulse_ctl_head head;
    uint16_t abi_min;
    uint16_t abi_max;
    uint32_t flags; /* HULSE_HELLO_… */
    uint64_t features;
    uint16_t name_len;    /* application name, UTF-8 */
    uint16_t service_len; /* SERVICE_NAME, UTF-8 */
    uint16_t token_len;
    uint16_t reserved;
    /* name, service, token */
};

/* + fds: bell (eventfd), wake (read end of group 0's pipe) */
struct hulse_ctl_welcome {
    struct hulse_ctl_head head;
    uint16_t abi;
    uint16_t worker;
    uint32_t channels_max;
    uint64_t session;
    uint64_t generation; /* of the daemon: another value means another process */
    uint64_t features;
    uint32_t ring_max;     /* bytes */
    uint32_t receipts_max; /* slots */
    uint32_t groups_max;
    uint32_t handles_max;
    uint32_t publish_ring; /* defaults of a channel */
    uint32_t receipts;
    uint32_t deliver_ring;
    uint32_t verdict_ring;
    uint32_t unacked_max;
    uint32_t message_max;
};

struct hulse_ctl_refused {
    struct hulse_ctl_head head;
    uint16_t abi_min;
    uint16_t abi_max;
    int32_t status;
    uint16_t text_len;
    uint16_t reserved0;
    uint32_t reserved;
    /* text */
};

/* GROUP asks, GROUP_OK answers (+ fd: wake pipe read end). */
struct hulse_ctl_group {
    struct hulse_ctl_head head;
    uint32_t group;
    uint32_t reserved;
};

struct hulse_ctl_open_channel {
    struct hulse_ctl_head head;
    uint8_t kind;     /* enum hulse_channel_kind */
    uint8_t release;  /* enum hulse_release_mode */
    uint8_t receipts; /* enum hulse_receipt_mode */
    uint8_t reserved0;
    uint32_t up_bytes;   /* 0 = default */
    uint32_t down_bytes; /* 0 = default; a producer's is receipt slots x 32 */
    uint32_t group;
};

/* + fds: A, B. B is sealed already. */
struct hulse_ctl_channel {
    struct hulse_ctl_head head;
    uint32_t channel;
    uint32_t up_bytes;
    uint32_t down_bytes;
    uint32_t reserved;
};

/* CHANNEL_READY, CHANNEL_OK, CLOSE_CHANNEL. */
struct hulse_ctl_channel_ref {
    struct hulse_ctl_head head;
    uint32_t channel;
    uint32_t reserved;
};

struct hulse_ctl_open_producer {
    struct hulse_ctl_head head;
    uint32_t channel;
    uint32_t send_timeout_ms; /* UINT32_MAX = the rule's */
    uint32_t generation; /* upper half of the handle's number, 16 bits; 0 = the daemon's choice */
    uint16_t topic_len;
    uint16_t reserved;
    /* topic */
};

struct hulse_ctl_producer {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint32_t message_max;
    uint8_t handle_id[16];
    uint64_t last_seq; /* UINT64_MAX = none */
    uint16_t name_len;
    /* How its records find their partition, with HULSE_FEATURE_ROUTING; given again in ATTACH_HANDLE. */
    uint16_t partitions; /* 0: the topic has none, and the rest says nothing */
    uint16_t stride;
    uint8_t routing;
    uint8_t hashing;
    /* producer name */
};

struct hulse_ctl_open_consumer {
    struct hulse_ctl_head head;
    uint32_t channel;
    uint8_t type;        /* enum hulse_subscription */
    uint8_t start;       /* enum hulse_start_mode */
    uint16_t generation; /* as of a producer */
    uint32_t reassembly_bytes;
    uint32_t unacked_max; /* 0 = default */
    uint16_t topic_len;
    uint16_t subscription_len; /* 0 for a reader */
    uint16_t name_len;
    uint16_t reserved;
    /* topic, subscription, consumer name */
};

/* What `start` speaks of when it is AT_ID, AFTER_ID or AT_TIME; else zeros. */
struct hulse_ctl_position {
    uint64_t ledger; /* AT_TIME: milliseconds since 1970, and nothing below */
    uint64_t entry;
    int32_t batch;
    uint16_t partition;
    uint16_t batch_size;
};

/* OPEN_CONSUMER of one that begins at a position, with HULSE_FEATURE_POSITIONS. */
struct hulse_ctl_open_consumer_at {
    struct hulse_ctl_open_consumer open;
    struct hulse_ctl_position at;
    /* topic, subscription, consumer name */
};

/*
 * Moves a consumer, with HULSE_FEATURE_POSITIONS. It begins when the verdicts are taken that are in the ring. OK: deliveries
 * in the down ring before position `value` are of before, and verdicts on them are on nothing.
 */
struct hulse_ctl_seek {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint8_t start; /* enum hulse_start_mode */
    uint8_t reserved0;
    uint16_t reserved;
    struct hulse_ctl_position at;
};

/* Bit n of `verdicts` = enum hulse_verdict n may be used. Source 0 is the topic itself. */
struct hulse_ctl_consumer {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint32_t verdicts;
    uint8_t handle_id[16];
    uint16_t topic_len;
    uint16_t reserved0;
    uint32_t reserved;
    /* full topic name */
};

#define HULSE_READER_BEHIND 1U    /* `behind_…` is known: the topic keeps its messages */
#define HULSE_READER_END 2U       /* so is `end_…` */
#define HULSE_NO_ENTRY UINT64_MAX /* before the first message of a topic */

/* Answers for a reader instead of CONSUMER, with HULSE_FEATURE_READER. */
struct hulse_ctl_reader {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint32_t verdicts;
    uint8_t handle_id[16];
    uint64_t behind_ledger; /* it begins behind this one: for the next daemon, as `last_…` */
    uint64_t behind_entry;
    uint64_t end_ledger; /* the topic's last message when it was opened */
    uint64_t end_entry;
    int32_t behind_batch;
    int32_t end_batch;
    uint16_t topic_len;
    uint16_t flags; /* HULSE_READER_… */
    uint32_t reserved;
    /* full topic name */
};

#define HULSE_SCHEMA_OWN UINT64_MAX           /* the consumer's own */
#define HULSE_SCHEMA_NEWEST (UINT64_MAX - 1U) /* of the topic */

/* The schema of a consumer's topic. */
struct hulse_ctl_get_schema {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint32_t of_source; /* with HULSE_FEATURE_TOPIC_SCHEMAS: a source + 1; 0: of its only topic */
    uint64_t version;   /* as the topic's broker counts, or HULSE_SCHEMA_… */
};

#define HULSE_SCHEMA_TYPE_BYTES_MAX 32U

/* + fd: a sealed memfd: the definition, behind it the properties, {u16 name length, u16 value length, name, value} each. */
struct hulse_ctl_schema {
    struct hulse_ctl_head head;
    uint64_t version; /* HULSE_SCHEMA_OWN: the consumer's own */
    uint32_t definition_bytes;
    uint32_t properties_bytes;
    uint16_t type_len;
    uint16_t reserved0;
    uint32_t reserved;
    /* type, in the words of Pulsar's tools */
};

struct hulse_ctl_close_handle {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint32_t flags; /* 1 = unsubscribe */
};

struct hulse_ctl_ok {
    struct hulse_ctl_head head;
    uint64_t value;
};

struct hulse_ctl_err {
    struct hulse_ctl_head head;
    int32_t status;
    uint16_t text_len;
    uint16_t reserved;
    /* text */
};

struct hulse_ctl_event {
    struct hulse_ctl_head head;
    uint16_t event; /* enum hulse_event */
    uint16_t text_len;
    uint32_t handle; /* 0 = the session */
    int32_t status;
    uint32_t arg;
    /* text */
};

/* + fd: A. Answered by CHANNEL, whose first descriptor is A again (ipc B8). */
struct hulse_ctl_attach {
    struct hulse_ctl_head head;
    uint8_t kind;
    uint8_t release;
    uint8_t receipts;
    uint8_t reserved0;
    uint32_t up_bytes;
    uint32_t down_bytes;
    uint32_t group;
    uint64_t resume_from;
    uint64_t up_tail;
};

/*
 * What follows an ATTACH, for its channel: its handles, the sources of each consumer, the end. None
 * but ATTACH_HANDLE is answered: by PRODUCER, CONSUMER or ERR, once the handle is open or refused,
 * which is after CHANNEL_READY. ERR to ATTACH or CHANNEL_READY: the offer is forgotten; for want of room it
 * is made again (LIMIT, NO_MEMORY, IO, BUSY, AGAIN, TIMED_OUT).
 */
#define HULSE_ATTACH_HAS_LAST 1U  /* a reader: goes on behind `last_…` */
#define HULSE_ATTACH_HAS_START 2U /* `last_…` is the position that `start` speaks of */

struct hulse_ctl_attach_handle {
    struct hulse_ctl_head head;
    uint8_t handle_id[16];
    uint64_t last_ledger; /* of the message that was handed out last */
    uint64_t last_entry;
    int32_t last_batch;
    uint32_t handle; /* the number that the records carry; adopted */
    uint32_t send_timeout_ms;
    uint32_t reassembly_bytes;
    uint32_t unacked_max;
    uint16_t last_partition;
    uint8_t type;  /* enum hulse_subscription; of a producer 0 */
    uint8_t start; /* enum hulse_start_mode */
    uint16_t flags;
    uint16_t topic_len;
    uint16_t subscription_len;
    uint16_t name_len;
    uint16_t partitions; /* of a producer, as PRODUCER has said */
    uint16_t stride;
    uint8_t routing;
    uint8_t hashing;
    uint16_t reserved0;
    uint32_t reserved[2];
    /* topic, subscription, producer's or consumer's name */
};

/*
 * What an OPEN_PRODUCER, OPEN_CONSUMER, OPEN_CONSUMER_AT or ATTACH_HANDLE asks for beyond its members, with
 * HULSE_FEATURE_OPTIONS. It comes before that message and with its `req`, in as many packets as it takes, whole elements in
 * each; it has no answer of its own. What comes for another `req` than the next such message's is forgotten.
 */
struct hulse_ctl_options {
    struct hulse_ctl_head head;
    uint16_t options_len;
    uint16_t reserved0;
    uint32_t reserved;
    /* elements, enum hulse_option */
};
#define HULSE_OPTIONS_BYTES_MAX 4080U    /* of one packet */
#define HULSE_OPTIONS_TOTAL_MAX 1048576U /* of one request */

struct hulse_ctl_attach_sources {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint32_t first; /* index of the first name; they come in order, without a gap */
    uint16_t count;
    uint16_t names_len;
    uint32_t reserved;
    /* names, each {u16 bytes, bytes} */
};
#define HULSE_SOURCES_BYTES_MAX 4072U /* names of one message */
#define HULSE_SOURCES_MAX 10001U      /* of one consumer: a pattern and its topics */

/* Where a reader is in one partition of one topic: it goes on behind that message. */
struct hulse_ctl_mark {
    uint64_t ledger;
    uint64_t entry; /* HULSE_NO_ENTRY: before the first one */
    int32_t batch;
    uint32_t source;
    uint16_t partition;
    uint16_t reserved0;
    uint32_t reserved;
};

#define HULSE_MARKS_ALL 1U          /* what is not named was not there when the reader was opened */
#define HULSE_MARKS_BYTES_MAX 4064U /* of one message */
#define HULSE_MARKS_TOTAL_MAX 65536U /* marks of one reader */

/*
 * Of a reader, with HULSE_FEATURE_MARKS. From the daemon, with the `req` of what opens it and before READER: where it begins.
 * From the application, after its ATTACH_HANDLE: where it is, in the order of (source, partition); what has no mark begins
 * where `start` says, which HAS_LAST does not go with.
 */
struct hulse_ctl_marks {
    struct hulse_ctl_head head;
    uint32_t handle;
    uint16_t marks_len; /* bytes */
    uint16_t flags;     /* HULSE_MARKS_… */
    /* struct hulse_ctl_mark each */
};

struct hulse_ctl_attach_end {
    struct hulse_ctl_head head;
    uint32_t handles; /* that were offered */
    uint32_t reserved;
};

static_assert(sizeof(struct hulse_ctl_head) == 8, "ABI 1");
static_assert(sizeof(struct hulse_ctl_hello) == 32, "ABI 1");
static_assert(sizeof(struct hulse_ctl_welcome) == 80, "ABI 1");
static_assert(sizeof(struct hulse_ctl_refused) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_group) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_open_channel) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_channel) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_channel_ref) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_open_producer) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_producer) == 48, "ABI 1");
static_assert(sizeof(struct hulse_ctl_open_consumer) == 32, "ABI 1");
static_assert(sizeof(struct hulse_ctl_position) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_open_consumer_at) == 56, "ABI 1");
static_assert(sizeof(struct hulse_ctl_seek) == 40, "ABI 1");
static_assert(sizeof(struct hulse_ctl_consumer) == 40, "ABI 1");
static_assert(sizeof(struct hulse_ctl_reader) == 80, "ABI 1");
static_assert(offsetof(struct hulse_ctl_reader, behind_ledger) == 32, "ABI 1");
static_assert(sizeof(struct hulse_ctl_close_handle) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_ok) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_err) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_event) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_attach) == 40, "ABI 1");
static_assert(sizeof(struct hulse_ctl_attach_handle) == 88, "ABI 1");
static_assert(offsetof(struct hulse_ctl_attach_handle, last_ledger) == 24, "ABI 1");
static_assert(offsetof(struct hulse_ctl_attach_handle, handle) == 44, "ABI 1");
static_assert(offsetof(struct hulse_ctl_attach_handle, flags) == 64, "ABI 1");
static_assert(offsetof(struct hulse_ctl_attach_handle, partitions) == 72, "ABI 1");
static_assert(offsetof(struct hulse_ctl_attach_handle, reserved) == 80, "ABI 1");
static_assert(sizeof(struct hulse_ctl_attach_sources) == 24, "ABI 1");
static_assert(sizeof(struct hulse_ctl_attach_end) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_mark) == 32, "ABI 1");
static_assert(sizeof(struct hulse_ctl_marks) == 16, "ABI 1");
static_assert(sizeof(struct hulse_ctl_options) + HULSE_OPTIONS_BYTES_MAX ==
                  HULSE_CONTROL_MESSAGE_MAX,
              "one message");
static_assert(sizeof(struct hulse_ctl_attach_sources) + HULSE_SOURCES_BYTES_MAX ==
                  HULSE_CONTROL_MESSAGE_MAX,
              "one message");

/* Number of descriptors that a message of this type carries. */
unsigned hulse_control_fds(unsigned type);
/* Fixed bytes of a message of this type, 0 for an unknown one. */
size_t hulse_control_bytes(unsigned type);
/*
 * Checks that `bytes` received bytes are one well-formed message: known type, len equal to
 * bytes, fixed part present, reserved members 0, string lengths within their limits and adding
 * up to len exactly. Pure. Returns 1, or 0 with *why set to a static string.
 */
int hulse_control_check(const void *message, size_t bytes, const char **why);

/* One received packet with its descriptors. The caller owns the descriptors. */
struct hulse_packet {
    alignas(8) uint8_t bytes[HULSE_CONTROL_MESSAGE_MAX];
    size_t len;
    int fds[HULSE_CONTROL_FDS_MAX];
    unsigned fd_count;
};

/* The command tells by these words whose limit was met. */
#define HULSE_STARVED_TEXT "this process is out of descriptors"

enum hulse_packet_rc {
    HULSE_PACKET_OK = 0,
    HULSE_PACKET_NONE,    /* nothing there now */
    HULSE_PACKET_EOF,     /* the peer has gone */
    HULSE_PACKET_BAD,     /* malformed, or descriptors missing or surplus; all were closed */
    HULSE_PACKET_STARVED, /* good, but this process had no room for its descriptors: none is there */
    HULSE_PACKET_ERROR    /* errno says what */
};

/* Closes its descriptors. */
void hulse_packet_drop_fds(struct hulse_packet *p);
/* Receives one packet without waiting and checks it (V5). *why is set for BAD and STARVED. */
enum hulse_packet_rc hulse_packet_receive(int sock, struct hulse_packet *p, const char **why);
/*
 * Sends one packet without waiting, with fd_count descriptors. Gives HULSE_OK, HULSE_AGAIN when
 * the socket is full, HULSE_ORPHAN when the peer has gone, HULSE_IO otherwise.
 */
hulse_status hulse_packet_send(int sock, const void *message, const int *fds, unsigned fd_count);

/*
 * Builds a message: fixed part of `type` copied from `fixed` (its head is filled in), then
 * strings appended. `p->len` is 0 when it would exceed the maximum.
 */
void hulse_packet_begin(struct hulse_packet *p, unsigned type, uint32_t req, const void *fixed);
void hulse_packet_append(struct hulse_packet *p, const void *text, size_t bytes);

#endif
