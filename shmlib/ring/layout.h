/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - ABI 1 of the shared-memory plane: every offset, tag and number in one place.
 *
 * A channel is two regions, each a control page and a ring of 2^n bytes:
 *
 *     +--------------+---------------------+ - - - - - - - - - - +
 *     | control 4096 | ring, 2^n bytes     | the ring once more   |   (double mapping)
 *     +--------------+---------------------+ - - - - - - - - - - +
 *
 *     A: written by the application, read-only for the daemon. Up ring: publish or verdict records.
 *     B: written by the daemon, read-only for the application. Down ring: receipts or deliveries.
 *
 * Positions are monotonic byte counts from 0; index = position & (capacity - 1). Invariants:
 * up_head <= up_read <= up_tail <= up_head + capacity, the same for down; every position is a
 * multiple of 8, of 32 in a receipt ring.
 *
 * Threads: one writer per word, named beside it. Orders: ring.h and doorbell.h.
 * Trust:   the daemon believes nothing in A (ipc C1).
 * See:     docs/shm-abi.md; tests/unit/shmlib/ring/test_layout.c compares the golden dump.
 */
#ifndef HULSE_RING_LAYOUT_H
#define HULSE_RING_LAYOUT_H

#include "include/hulse/status.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_ABI_MIN 1U
#define HULSE_ABI_MAX 1U

#define HULSE_CONTROL_BYTES 4096U
#define HULSE_RING_BYTES_MIN (64U * 1024)
#define HULSE_RING_BYTES_MAX (64U * 1024 * 1024)
#define HULSE_RECORD_ALIGN 8U
#define HULSE_RECEIPT_BYTES 32U
#define HULSE_PUBLISH_HEADER_BYTES 40U
#define HULSE_VERDICT_HEADER_BYTES 56U
#define HULSE_DELIVERY_HEADER_BYTES 64U
#define HULSE_FRAGMENT_HEADER_BYTES 16U
#define HULSE_TLV_HEADER_BYTES 4U
#define HULSE_META_BYTES_MAX 65528U
#define HULSE_REASON_BYTES_MAX 256U
#define HULSE_CLUSTER_BYTES_MAX 255U             /* a name */
#define HULSE_REGION_MAGIC 0x45534c5548000001ULL /* "HULSE" and the ABI, informational */

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "positions must be lock-free");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "states must be lock-free");
static_assert(sizeof(void *) == 8, "64-bit only");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little endian only");

/* Informational copy of what the control socket agreed on; never trusted. */
struct hulse_region_ident {
    uint64_t magic;
    uint32_t abi;
    uint32_t kind;
    uint32_t up_bytes;
    uint32_t down_bytes;
    uint32_t channel;
    uint32_t reserved0;
    uint64_t session;
    uint64_t reserved[3];
};

/* Region A. Written by: application. Read by: daemon. */
struct hulse_region_a {
    alignas(128) _Atomic(uint64_t) up_tail;   /* end of committed up records */
    alignas(128) _Atomic(uint64_t) down_head; /* down bytes the app has finished with */
    _Atomic(uint64_t) down_started;           /* end of the last delivery handed out */
    alignas(128) _Atomic(uint64_t) wake_at;   /* ring me when down_tail reaches this */
    _Atomic(uint64_t) space_at;               /* ring me when up_head reaches this */
    alignas(128) _Atomic(uint32_t) state;     /* enum hulse_region_state; see there */
    alignas(128) struct hulse_region_ident ident;
};

/* Counters in region B, one single-writer word each (index of `stats`). */
enum hulse_region_stat {
    HULSE_STAT_TAKEN_RECORDS = 0, /* up records taken */
    HULSE_STAT_TAKEN_BYTES = 1,
    HULSE_STAT_DONE = 2,           /* stored or spooled; verdicts applied */
    HULSE_STAT_FAILED = 3,         /* any other outcome; verdicts ignored (V13) */
    HULSE_STAT_POSTED_RECORDS = 4, /* receipts or deliveries written */
    HULSE_STAT_POSTED_BYTES = 5,
    HULSE_STAT_STALLS = 6,           /* times the channel became BLOCKED */
    HULSE_STAT_MISSED_DOORBELLS = 7, /* found by the sweep; must stay 0 */
    HULSE_STAT_COUNT = 8
};

/* Region B. Written by: daemon. Read by: application. */
struct hulse_region_b {
    alignas(128) _Atomic(uint64_t) down_tail; /* end of published down records */
    alignas(128) _Atomic(uint64_t) up_head;   /* released: the final verdict is posted */
    _Atomic(uint64_t) up_read;                /* taken by the daemon; statistics */
    alignas(128) _Atomic(uint64_t) armed;     /* epoch; odd = ring the bell after publishing */
    _Atomic(uint64_t) down_want;              /* ring the bell when down_head reaches this */
    alignas(128) _Atomic(uint32_t) state;     /* enum hulse_region_state */
    _Atomic(uint64_t) beat_ms;                /* worker heartbeat, CLOCK_MONOTONIC, >= 1/s */
    alignas(128) _Atomic(uint64_t) stats[HULSE_STAT_COUNT];
    _Atomic(uint64_t)
        lost; /* damaged messages that a reader passed over; statistics, 0 of an older daemon */
};

static_assert(offsetof(struct hulse_region_a, up_tail) == 0x000, "ABI 1");
static_assert(offsetof(struct hulse_region_a, down_head) == 0x080, "ABI 1");
static_assert(offsetof(struct hulse_region_a, down_started) == 0x088, "ABI 1");
static_assert(offsetof(struct hulse_region_a, wake_at) == 0x100, "ABI 1");
static_assert(offsetof(struct hulse_region_a, space_at) == 0x108, "ABI 1");
static_assert(offsetof(struct hulse_region_a, state) == 0x180, "ABI 1");
static_assert(offsetof(struct hulse_region_a, ident) == 0x200, "ABI 1");
static_assert(sizeof(struct hulse_region_ident) == 64, "ABI 1");
static_assert(offsetof(struct hulse_region_b, down_tail) == 0x000, "ABI 1");
static_assert(offsetof(struct hulse_region_b, up_head) == 0x080, "ABI 1");
static_assert(offsetof(struct hulse_region_b, up_read) == 0x088, "ABI 1");
static_assert(offsetof(struct hulse_region_b, armed) == 0x100, "ABI 1");
static_assert(offsetof(struct hulse_region_b, down_want) == 0x108, "ABI 1");
static_assert(offsetof(struct hulse_region_b, state) == 0x180, "ABI 1");
static_assert(offsetof(struct hulse_region_b, beat_ms) == 0x188, "ABI 1");
static_assert(offsetof(struct hulse_region_b, stats) == 0x200, "ABI 1");
static_assert(offsetof(struct hulse_region_b, lost) == 0x240, "ABI 1");
static_assert(sizeof(struct hulse_region_a) <= HULSE_CONTROL_BYTES, "ABI 1");
static_assert(sizeof(struct hulse_region_b) <= HULSE_CONTROL_BYTES, "ABI 1");

/*
 * A.state: OPEN, CLOSING, or OPENING: what this daemon has not taken is offered to the next one. B.state: any;
 * the reason of CLOSED is in the bits above 8.
 */
enum hulse_region_state {
    HULSE_REGION_OPEN = 0,
    HULSE_REGION_CLOSING = 1,
    HULSE_REGION_OPENING = 2,
    HULSE_REGION_DRAINING = 3,
    HULSE_REGION_CLOSED = 4
};
#define HULSE_REGION_STATE_MASK 0xffU
#define HULSE_REGION_REASON_SHIFT 8

enum hulse_channel_kind { HULSE_CHANNEL_PRODUCER = 1, HULSE_CHANNEL_CONSUMER = 2 };
enum hulse_release_mode { HULSE_RELEASE_ON_VERDICT = 0, HULSE_RELEASE_ON_READ = 1 };
enum hulse_receipt_mode {
    HULSE_RECEIPT_MODE_NONE = 0,
    HULSE_RECEIPT_MODE_ERRORS = 1,
    HULSE_RECEIPT_MODE_FULL = 2
};

enum hulse_record_type {
    HULSE_RECORD_SKIP = 0,
    HULSE_RECORD_MESSAGE = 1,
    HULSE_RECORD_FRAGMENT = 2,
    HULSE_RECORD_VERDICT = 3
};
/* Flags of publish and delivery records; a bit that is not listed must be 0. */
#define HULSE_RECORD_FIRST 0x01U        /* first fragment */
#define HULSE_RECORD_LAST 0x02U         /* last fragment */
#define HULSE_RECORD_HAS_META 0x04U     /* publish: metadata follows the payload */
#define HULSE_RECORD_NO_BATCH 0x08U     /* publish: send alone */
#define HULSE_RECORD_LAST_ATTEMPT 0x10U /* delivery */
#define HULSE_RECORD_LEFT_OUT 0x20U     /* delivery: properties did not fit meta_len */
#define HULSE_RECORD_CAUGHT_UP                                                                     \
    0x40U /* skip, of a reader: all that there was when it was opened is before */
#define HULSE_RECORD_END_OF_TOPIC                                                                  \
    0x80U /* skip: the topic is terminated, and all of it is acknowledged */
#define HULSE_PUBLISH_FLAGS 0x0fU

/*
 * Publish record: header, payload, pad to 8, metadata TLVs. len = 40 + payload + pad + meta;
 * the next record begins at len rounded up to 8.
 */
struct hulse_publish_header {
    uint32_t len;
    uint8_t type;
    uint8_t flags;
    uint16_t meta_len; /* the last bytes of the record */
    uint64_t seq;      /* per handle, from 0 */
    uint64_t token;    /* opaque, returned in the receipt */
    uint32_t handle;
    uint32_t payload_len;
    uint64_t enqueued_ns; /* CLOCK_MONOTONIC_COARSE; a value in the future counts as now */
};
static_assert(sizeof(struct hulse_publish_header) == HULSE_PUBLISH_HEADER_BYTES, "ABI 1");
static_assert(offsetof(struct hulse_publish_header, seq) == 8, "ABI 1");
static_assert(offsetof(struct hulse_publish_header, handle) == 24, "ABI 1");
static_assert(offsetof(struct hulse_publish_header, enqueued_ns) == 32, "ABI 1");

/* A fragment's payload, in both directions, begins with this. */
struct hulse_fragment_header {
    uint32_t index;
    uint32_t count;
    uint64_t total_len; /* payload bytes of the whole message */
};
static_assert(sizeof(struct hulse_fragment_header) == HULSE_FRAGMENT_HEADER_BYTES, "ABI 1");

/*
 * Receipt, one per record in mode full, posted at release, in ring order. A receipt without a
 * message id has ledger UINT64_MAX and the record's end position in `entry`.
 */
struct hulse_receipt_record {
    uint64_t token;
    uint64_t ledger;
    uint64_t entry;
    int32_t batch;
    uint8_t status; /* enum hulse_outcome */
    uint8_t flags;  /* 0 */
    uint16_t partition;
};
#define HULSE_NO_LEDGER UINT64_MAX
static_assert(sizeof(struct hulse_receipt_record) == HULSE_RECEIPT_BYTES, "ABI 1");
static_assert(offsetof(struct hulse_receipt_record, status) == 28, "ABI 1");

enum hulse_verdict {
    HULSE_VERDICT_ACK = 1,
    HULSE_VERDICT_NACK = 2,
    HULSE_VERDICT_RETRY = 3,
    HULSE_VERDICT_REJECT = 4,
    HULSE_VERDICT_DROP = 5
};
#define HULSE_HOW_CUMULATIVE 0x01U
#define HULSE_HOW_BY_ID 0x02U
#define HULSE_HOW_FLAGS 0x03U

struct hulse_verdict_record {
    uint32_t len;  /* 56 + reason TLV */
    uint8_t type;  /* HULSE_RECORD_VERDICT */
    uint8_t flags; /* 0 */
    uint16_t meta_len;
    uint64_t ref;
    uint64_t ledger;
    uint64_t entry;
    int32_t batch;
    uint32_t source; /* index of a topic name announced by EVENT for this handle */
    uint16_t partition;
    uint8_t verdict;
    uint8_t how;
    uint32_t delay_ms;
    uint16_t reason_code;
    uint16_t batch_size; /* not in a batch: in how many chunks it came, 0 = in none */
    uint32_t reserved;
};
static_assert(sizeof(struct hulse_verdict_record) == HULSE_VERDICT_HEADER_BYTES, "ABI 1");
static_assert(offsetof(struct hulse_verdict_record, source) == 36, "ABI 1");
static_assert(offsetof(struct hulse_verdict_record, verdict) == 42, "ABI 1");
static_assert(offsetof(struct hulse_verdict_record, delay_ms) == 44, "ABI 1");
static_assert(offsetof(struct hulse_verdict_record, reserved) == 52, "ABI 1");

/* Delivery record: header, payload, pad to 8, metadata TLVs. */
struct hulse_delivery_header {
    uint32_t len;
    uint8_t type; /* message, fragment or skip */
    uint8_t flags;
    uint16_t meta_len;
    uint64_t ref;
    uint64_t ledger;
    uint64_t entry;
    int32_t batch;
    uint16_t partition;
    uint16_t batch_size;
    uint32_t handle;
    uint32_t redelivery;
    uint64_t publish_time; /* Unix epoch, ms */
    uint32_t payload_len;
    uint32_t source;
};
static_assert(sizeof(struct hulse_delivery_header) == HULSE_DELIVERY_HEADER_BYTES, "ABI 1");
static_assert(offsetof(struct hulse_delivery_header, handle) == 40, "ABI 1");
static_assert(offsetof(struct hulse_delivery_header, publish_time) == 48, "ABI 1");

/*
 * Metadata TLVs: {u8 tag, u8 0, u16 len, bytes}, not padded. Publish and delivery share the tags;
 * a tag that is not listed is BAD_RECORD on publish and passed over on delivery.
 */
enum hulse_tag {
    HULSE_TAG_KEY = 1,           /* 0…65,524 bytes, any; at most once */
    HULSE_TAG_ORDERING_KEY = 2,  /* likewise */
    HULSE_TAG_EVENT_TIME = 3,    /* u64 ms, Unix epoch; once */
    HULSE_TAG_PROPERTY = 4,      /* u16 name length >= 1, name, value; both UTF-8; repeatable */
    HULSE_TAG_DELIVER_AFTER = 5, /* u64 ms from publish; publish only; once */
    HULSE_TAG_PARTITION = 6,     /* u32; publish only; once */
    HULSE_TAG_TTL = 7,           /* u64 ms; publish only; once */
    HULSE_TAG_TOMBSTONE = 8,     /* empty; once */
    HULSE_TAG_PRODUCER = 9,      /* producer name, UTF-8; delivery only; once */
    HULSE_TAG_REASON = 10,       /* 0…256 bytes, UTF-8; verdict only; once */
    /* A cluster's name, 0…255 bytes, UTF-8; empty: to none but its own; publish only; repeatable (HULSE_FEATURE_REPLICATION). */
    HULSE_TAG_REPLICATE_TO = 11,
    /* u64, that the message was written with, as its broker counts; delivery only; once */
    HULSE_TAG_SCHEMA_VERSION = 12,
    /* Empty: the payload is of the consumer's schema; delivery only; once. */
    HULSE_TAG_OWN_SCHEMA = 13,
    HULSE_TAG_BROKER_TIME = 14, /* u64 ms, Unix epoch; delivery only; once */
    HULSE_TAG_INDEX = 15        /* u64, of its topic or partition; delivery only; once */
};

/* Control messages (control.h). */
enum hulse_control_type {
    HULSE_CTL_HELLO = 1,
    HULSE_CTL_WELCOME = 2,
    HULSE_CTL_REFUSED = 3,
    HULSE_CTL_GROUP = 4,
    HULSE_CTL_GROUP_OK = 5,
    HULSE_CTL_OPEN_CHANNEL = 6,
    HULSE_CTL_CHANNEL = 7,
    HULSE_CTL_CHANNEL_READY = 8,
    HULSE_CTL_CHANNEL_OK = 9,
    HULSE_CTL_CLOSE_CHANNEL = 10,
    HULSE_CTL_OPEN_PRODUCER = 11,
    HULSE_CTL_PRODUCER = 12,
    HULSE_CTL_OPEN_CONSUMER = 13,
    HULSE_CTL_CONSUMER = 14,
    HULSE_CTL_CLOSE_HANDLE = 15,
    HULSE_CTL_OK = 16,
    HULSE_CTL_ERR = 17,
    HULSE_CTL_EVENT = 18,
    HULSE_CTL_ATTACH = 19,
    HULSE_CTL_ATTACH_HANDLE = 20,
    HULSE_CTL_ATTACH_SOURCES = 21,
    HULSE_CTL_ATTACH_END = 22,
    HULSE_CTL_FLUSH = 23,
    HULSE_CTL_SEEK = 24,
    HULSE_CTL_STATS = 25,
    HULSE_CTL_READER = 26,
    HULSE_CTL_OPEN_CONSUMER_AT = 27,
    HULSE_CTL_OPTIONS = 28,
    HULSE_CTL_GET_SCHEMA = 32,
    HULSE_CTL_SCHEMA = 33,
    HULSE_CTL_MARKS = 34
};

/* Elements of OPTIONS: {u8 tag, u8 0, u16 len, bytes} as of metadata. Each once, but where it says otherwise. */
enum hulse_option {
    HULSE_OPTION_PRIORITY = 1, /* consumer: i32; one with a lower number gets messages first */
    HULSE_OPTION_ACCESS = 16,  /* producer: u8, enum hulse_access_mode */
    HULSE_OPTION_INITIAL_SUBSCRIPTION =
        17, /* producer: 1…255 bytes, UTF-8; created with the topic */
    HULSE_OPTION_COMPACTED =
        20, /* consumer: empty; the last message of each key, where that is done */
    HULSE_OPTION_REPLICATED =
        21, /* consumer: empty; where the subscription is, is known in other clusters */
    HULSE_OPTION_KEY_RANGE = 22, /* consumer: u16 first, u16 last hash of its keys; repeatable */
    HULSE_OPTION_ANY_KEY_ORDER =
        23, /* consumer: empty; keys need no order while consumers come and go */
    HULSE_OPTION_PROPERTY = 24,              /* consumer: as metadata's PROPERTY; repeatable */
    HULSE_OPTION_SUBSCRIPTION_PROPERTY = 25, /* consumer: the same, of a new subscription */
    HULSE_OPTION_TOPIC = 32, /* consumer: one more topic, UTF-8; as often as there are */
    HULSE_OPTION_PATTERN =
        33, /* consumer: u8, 0 persistent, 1 non-persistent, 2 all; its topic is a pattern */
    HULSE_OPTION_TOPICS_MAX = 34 /* consumer: u32, topics at one time, at most 10,000 */
};

/* Who may send to a topic beside a producer. */
enum hulse_access_mode {
    HULSE_ACCESS_MODE_SHARED = 0,
    HULSE_ACCESS_MODE_EXCLUSIVE = 1, /* refused while somebody else is there */
    HULSE_ACCESS_MODE_WAIT = 2,      /* answered when nobody else is there */
    HULSE_ACCESS_MODE_FENCING = 3    /* who is there is fenced; from the next daemon on: as 1 */
};

/* Where a consumer begins, or moves to; struct hulse_ctl_position says the rest. */
enum hulse_start_mode {
    HULSE_START_LATEST = 0,
    HULSE_START_EARLIEST = 1,
    HULSE_START_AT_ID = 2,
    HULSE_START_AFTER_ID = 3,
    HULSE_START_AT_TIME = 4
};

enum hulse_event {
    HULSE_EVENT_HANDLE_FAILED = 1, /* status, text */
    HULSE_EVENT_RECONNECTING = 2,
    HULSE_EVENT_FENCED = 3,
    HULSE_EVENT_QUOTA = 4,
    HULSE_EVENT_DRAIN = 5,            /* the daemon is going to stop */
    HULSE_EVENT_GOODBYE = 6,          /* everything taken has its verdict; the daemon exits now */
    HULSE_EVENT_CONSUMER_CHANGED = 7, /* arg = bits of the configured verdicts */
    HULSE_EVENT_SOURCE = 8,           /* arg = index, text = topic name */
    HULSE_EVENT_ACTIVE =
        9 /* arg = 1: of a failover subscription's consumers, this one gets messages; 0: not */
};

/* Feature bits of HELLO and WELCOME; WELCOME carries the common ones. */
#define HULSE_FEATURE_FRAGMENTS (1ULL << 0)
#define HULSE_FEATURE_RESUME (1ULL << 1)
#define HULSE_FEATURE_GROUPS (1ULL << 2)
#define HULSE_FEATURE_READER                                                                       \
    (1ULL << 3) /* READER answers for a reader, and it is told that it has caught up */
#define HULSE_FEATURE_POSITIONS (1ULL << 4) /* OPEN_CONSUMER_AT, SEEK, HULSE_ATTACH_HAS_START */
#define HULSE_FEATURE_ROUTING                                                                      \
    (1ULL << 5) /* PRODUCER and ATTACH_HANDLE say how partitions are found */
#define HULSE_FEATURE_OPTIONS (1ULL << 6)        /* OPTIONS */
#define HULSE_FEATURE_REPLICATION (1ULL << 7)    /* HULSE_TAG_REPLICATE_TO */
#define HULSE_FEATURE_SCHEMAS (1ULL << 8)        /* GET_SCHEMA */
#define HULSE_FEATURE_MARKS (1ULL << 9)          /* MARKS */
#define HULSE_FEATURE_TOPIC_SCHEMAS (1ULL << 10) /* GET_SCHEMA of a consumer of several topics */
#define HULSE_FEATURE_RETRY                                                                        \
    (1ULL << 11) /* sources beside a consumer's topics: their retry topics */

/* Rounds a record length up to the ring's granule; cannot overflow in 64 bits. */
static inline uint64_t hulse_record_stride(uint64_t len)
{
    return (len + (HULSE_RECORD_ALIGN - 1)) & ~(uint64_t)(HULSE_RECORD_ALIGN - 1);
}

#endif
