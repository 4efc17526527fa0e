/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hulse - publish and consume through the local hulsed over shared memory.
 *
 * A session is one connection to the daemon. A producer or consumer is one handle on one
 * channel, a pair of rings that only this process and the daemon share. The library needs libc
 * alone, starts no threads, allocates nothing after an open call has returned but a schema that is asked for, never prints,
 * never aborts, and makes no system call per message while the daemon is awake.
 *
 * Threads: an object is used by one thread at a time. Different producers and consumers of one
 *          session may be used by different threads when each was opened with a wait group of
 *          its own; opening and closing them may happen in any thread. hulse_mt_publish() is
 *          the exception that takes a private mutex.
 * Restart: a daemon that dies or is replaced is a pause. Every call that publishes, flushes, waits,
 *          polls or closes looks for the next one and offers it the rings again; what was published
 *          gets its verdicts, what is held stays held. Meanwhile calls that wait go on waiting and
 *          the others see a full or an empty ring. HULSE_ORPHAN says that no daemon is there: from
 *          hulse_poll() as news, from an open that waited for one in vain, and from a close whose
 *          time ran out. HULSE_REFUSED: the daemon that is there cannot take the session over; the
 *          data stay, and it is tried again.
 * Fork:    rings do not reach a child; in the child every call on an inherited object returns
 *          HULSE_CLOSED and the parent's session goes on undisturbed.
 * Errors:  calls return hulse_status; counts leave through out parameters; hulse_last_error()
 *          has the text of the last failure of an object.
 * Structs: those with fields begin with `size`; set it to sizeof the struct before a call that
 *          fills it. Members are only added at the end.
 */
#ifndef HULSE_HULSE_H
#define HULSE_HULSE_H

#include <hulse/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hulse_session hulse_session;
typedef struct hulse_producer hulse_producer;
typedef struct hulse_consumer hulse_consumer;
typedef struct hulse_options hulse_options;
typedef struct hulse_producer_options hulse_producer_options;
typedef struct hulse_consumer_options hulse_consumer_options;

/* A wait of any length; a timeout of 0 never waits. */
#define HULSE_FOREVER (-1)

/* ---- value structs ------------------------------------------------------------------------ */

/* One property of a message. Neither string needs a terminating zero. */
struct hulse_property {
    const char *name;
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
};

/* Metadata of a message to publish. Zero members mean "not set". Borrowed during the call. */
struct hulse_meta {
    size_t size;
    const void *key; /* partition key, with key_bytes > 0 */
    size_t key_bytes;
    const void *ordering_key;
    size_t ordering_key_bytes;
    const struct hulse_property *properties;
    size_t property_count;
    uint64_t event_time_ms;    /* application's time, Unix epoch */
    uint64_t deliver_after_ms; /* delay counted from the publish call */
    uint64_t ttl_ms;           /* not delivered after this long */
    int32_t partition;         /* explicit partition + 1; 0 = routed by key or round robin */
    uint32_t flags;            /* HULSE_META_… */
    /*
     * Clusters that the message is replicated to, in place of those of its namespace; names, UTF-8, up to 255 bytes each.
     * It is sent alone. A broker without clusters refuses it: UNSUPPORTED. Since 0.2; `size` may be without these two.
     */
    const char *const *replicate_to;
    size_t replicate_to_count;
};
#define HULSE_META_NO_BATCH 1U  /* send alone */
#define HULSE_META_TOMBSTONE 2U /* no value: deletes the key in a compacted topic */
#define HULSE_META_NO_REPLICATION                                                                  \
    4U /* to no other cluster; sent alone. Not with replicate_to. Since 0.2 */

/* The identity of a stored or delivered message. `ref` and `source` are the library's own. */
struct hulse_id {
    size_t size;
    uint64_t ledger;
    uint64_t entry;
    int32_t batch; /* index in a batch, -1 outside one */
    uint16_t partition;
    uint16_t batch_size; /* outside a batch in how many chunks it came, 0 in none */
    uint64_t ref;
    uint32_t source;
    uint32_t reserved;
};

/* The final verdict on one published message. */
struct hulse_receipt {
    size_t size;
    uint64_t token;   /* as given to commit or publish */
    uint32_t outcome; /* enum hulse_outcome */
    uint32_t reserved;
    /*
     * Of a message whose outcome is HULSE_OUTCOME_STORED. Where none is known, ledger and entry
     * are UINT64_MAX: the topic gives none, or a daemon that has died had stored the message and
     * not answered it.
     */
    struct hulse_id id;
};

/* A delivered message; data and the meta strings stay valid until hulse_release(). */
struct hulse_message {
    size_t size;
    const void *data;
    size_t data_bytes;
    struct hulse_id id;
    uint64_t publish_time_ms; /* Unix epoch */
    uint64_t event_time_ms;   /* 0 = not set */
    uint32_t redelivery_count;
    uint32_t flags; /* HULSE_MESSAGE_… */
    const void *key;
    size_t key_bytes;
    const char *producer; /* not terminated */
    size_t producer_bytes;
    /* Terminated; valid while the consumer is open, of a pattern until the message has its verdict. */
    const char *topic;
    const void *meta; /* encoded metadata, for hulse_message_property() */
    size_t meta_bytes;
    uint64_t end; /* the library's own: ring position behind this message */
};
#define HULSE_MESSAGE_LAST_ATTEMPT 1U        /* a nack or reject now dead-letters it */
#define HULSE_MESSAGE_PROPERTIES_LEFT_OUT 2U /* properties did not fit the record */
#define HULSE_MESSAGE_TOMBSTONE 4U
#define HULSE_MESSAGE_OWN_SCHEMA 16U /* the payload is of the consumer's schema, see hulse_schema */

/* Counters of one channel, read from shared memory without asking the daemon. */
struct hulse_stats {
    size_t size;
    uint64_t taken_records; /* records (producer) or verdicts (consumer) the daemon took */
    uint64_t taken_bytes;
    uint64_t done;           /* publishes stored or spooled; verdicts applied */
    uint64_t failed;         /* publishes with any other outcome; verdicts ignored */
    uint64_t posted_records; /* receipts or deliveries the daemon wrote */
    uint64_t posted_bytes;
    uint64_t stalls;           /* times the daemon waited for room in the down ring */
    uint64_t missed_doorbells; /* must stay 0 */
    uint64_t client_rechecks;  /* wake-ups the library found late; must stay 0 */
    uint64_t bells;            /* doorbell system calls made by this channel */
    /* Damaged messages passed over for this reader so far: all before the last one handed out, some
     * behind it. What lies behind it when another daemon takes over is counted by that one again. */
    uint64_t lost;
};

/* ---- session ------------------------------------------------------------------------------ */

/* Gives an options object with defaults, or NULL without memory. Free it any time after open. */
HULSE_API hulse_options *hulse_options_new(void);
HULSE_API void hulse_options_free(hulse_options **o);
/* Setters copy; each returns HULSE_INVAL for an impossible value and changes nothing then. */
HULSE_API hulse_status hulse_options_socket(hulse_options *o, const char *path); /* HULSE_SOCKET */
HULSE_API hulse_status hulse_options_name(hulse_options *o, const char *name);   /* ≤ 255 bytes */
HULSE_API hulse_status hulse_options_token(hulse_options *o, const char *token); /* ≤ 3000 bytes */
HULSE_API hulse_status hulse_options_connect_timeout(hulse_options *o, int timeout_ms); /* 5000 */
/* For opening a producer or consumer, which the broker behind the daemon may have to be asked for. */
HULSE_API hulse_status hulse_options_open_timeout(hulse_options *o, int timeout_ms); /* 35000 */

/*
 * Connects to the daemon. Blocks: up to the connect timeout. Gives: *out, close it with
 * hulse_close(). `o` may be NULL. Errors: NO_DAEMON, REFUSED, DENIED, LIMIT, TIMED_OUT, IO,
 * NO_MEMORY; the text is in hulse_open_error().
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_open(hulse_session **out, const hulse_options *o);
/* Text of the calling thread's last failed hulse_open(); never NULL. */
HULSE_API const char *hulse_open_error(void);
/*
 * Closes every handle of the session and frees it; *s becomes NULL. Waits up to drain_ms until
 * published messages have their verdict and the daemon has closed the handles. Returns FAILED when
 * some had a bad one since the last sync, TIMED_OUT when some had none, ORPHAN when none can come; it
 * is closed in any case.
 */
HULSE_API hulse_status hulse_close(hulse_session **s, int drain_ms);
/* Adds a wait group, so that another thread or loop can sleep on its own descriptor. */
HULSE_API HULSE_NODISCARD hulse_status hulse_group_open(hulse_session *s, unsigned *group);
/*
 * An epoll descriptor of the group, the same for the session's life: readable means call
 * hulse_poll(). -1 for a group that does not exist.
 */
HULSE_API int hulse_fd(const hulse_session *s, unsigned group);
/*
 * Drains the descriptor, handles the daemon's events and flushes every handle of the group. OK,
 * ORPHAN when the daemon has gone (the descriptor is quiet from then on), PROTOCOL, CLOSED.
 */
HULSE_API hulse_status hulse_poll(hulse_session *s, unsigned group);
/*
 * Flushes every handle of the group and announces that the caller is about to sleep.
 * HULSE_OK: sleep on hulse_fd(). HULSE_AGAIN: something has arrived, do not sleep; it says so
 * until the receipts and messages that are there have been read. Otherwise as hulse_poll().
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_arm(hulse_session *s, unsigned group);
/* Arms and sleeps until something arrives for the group; OK, TIMED_OUT, or as hulse_poll(). */
HULSE_API hulse_status hulse_wait(hulse_session *s, unsigned group, int timeout_ms);
/* The daemon's session number, for logs and `hulse stats`. */
HULSE_API uint64_t hulse_session_id(const hulse_session *s);
/*
 * Text of the object's last failure; never NULL; valid until its next call. A session's is valid in
 * the calling thread until it asks again.
 */
HULSE_API const char *hulse_last_error(const hulse_session *s);
HULSE_API const char *hulse_producer_error(const hulse_producer *p);
HULSE_API const char *hulse_consumer_error(const hulse_consumer *c);

/* ---- producer ----------------------------------------------------------------------------- */

/* Which verdicts reach the application (ipc B7). */
enum hulse_receipts {
    HULSE_RECEIPTS_NONE = 0,   /* failures are counted; the default */
    HULSE_RECEIPTS_ERRORS = 1, /* only failures */
    HULSE_RECEIPTS_FULL = 2    /* one for every message, with its id where it is known */
};

/* Who may send to a topic beside this producer. */
enum hulse_access {
    HULSE_ACCESS_SHARED = 0,    /* everybody; the default. BUSY while somebody has it for himself */
    HULSE_ACCESS_EXCLUSIVE = 1, /* nobody; the open fails with BUSY while anybody else is there */
    HULSE_ACCESS_WAIT_FOR_EXCLUSIVE = 2,    /* nobody; the open waits until all others have gone */
    HULSE_ACCESS_EXCLUSIVE_WITH_FENCING = 3 /* nobody; who is there, or waits, is fenced */
};

HULSE_API hulse_producer_options *hulse_producer_options_new(void);
HULSE_API void hulse_producer_options_free(hulse_producer_options **o);
HULSE_API hulse_status hulse_producer_options_receipts(hulse_producer_options *o,
                                                       enum hulse_receipts mode);
/* Ring bytes, a power of two, 64 KiB…64 MiB; 0 = the daemon's default. */
HULSE_API hulse_status hulse_producer_options_ring(hulse_producer_options *o, uint32_t bytes);
/* Receipt slots, a power of two, 2048…65536; 0 = the daemon's default. */
HULSE_API hulse_status hulse_producer_options_slots(hulse_producer_options *o, uint32_t count);
HULSE_API hulse_status hulse_producer_options_group(hulse_producer_options *o, unsigned group);
/* Ring space is given back when the daemon has read a record, not at its final verdict. */
HULSE_API hulse_status hulse_producer_options_release_on_read(hulse_producer_options *o, int on);
/* Flush by itself after this many uncommitted records or bytes; 0 = only hulse_flush(). */
HULSE_API hulse_status hulse_producer_options_auto_flush(hulse_producer_options *o,
                                                         uint32_t records,
                                                         uint32_t bytes);
HULSE_API hulse_status hulse_producer_options_send_timeout(hulse_producer_options *o,
                                                           uint32_t timeout_ms);
/*
 * Uses the channel of another producer of the same thread; both must be closed by it. What belongs
 * to the channel is shared: ring, receipt mode, wait group and flush limits of the first producer,
 * one claim at a time, and the receipts, which carry tokens only: any of the producers reads those
 * of all, so give tokens that tell them apart. hulse_sync() waits and counts for all, too.
 */
HULSE_API hulse_status hulse_producer_options_share_with(hulse_producer_options *o,
                                                         hulse_producer *other);

/*
 * Whoever is fenced stays so: its calls give BUSY, hulse_producer_error() says why, and what it has published and not been
 * answered gets FENCED, though its last messages may be stored. The access ends with the producer, however its process ends.
 * It outlives the daemon and the connection to the broker unless another producer took it meanwhile, which fences this one;
 * a daemon that comes after the first takes it back from nobody, WITH_FENCING or not. Of a partitioned topic it is that of
 * each partition. WAIT_FOR_EXCLUSIVE waits as long as hulse_options_open_timeout() says, and nothing else of the session's is
 * opened or closed meanwhile: give it a session, and that HULSE_FOREVER. INVAL: no such access. NO_MEMORY. The open gives
 * UNSUPPORTED where the topic's broker is no Pulsar, or the daemon is older than this call. Since 0.2.
 */
HULSE_API hulse_status hulse_producer_options_access(hulse_producer_options *o,
                                                     enum hulse_access access);
/*
 * A subscription that is created with the topic, at its beginning, unless it is there: what is published before its first
 * consumer comes is kept for it. 1 to 255 bytes of UTF-8, else INVAL. NO_MEMORY. The open gives REFUSED where the broker lets
 * nobody create subscriptions so, UNSUPPORTED as above, INVAL for a non-persistent topic, which keeps nothing. Since 0.2.
 */
HULSE_API hulse_status hulse_producer_options_initial_subscription(hulse_producer_options *o,
                                                                   const char *name);

/*
 * Opens a producer on a topic. Blocks: for the daemon's answer, up to the connect timeout.
 * Gives: *out. Errors: NO_TOPIC, DENIED, LIMIT, NO_MEMORY, INVAL, ORPHAN, TIMED_OUT, BUSY
 * (hulse_producer_options_access()).
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_producer_open(hulse_session *s,
                                                           hulse_producer **out,
                                                           const char *topic,
                                                           const hulse_producer_options *o);
/*
 * Flushes, waits up to drain_ms for verdicts, closes the handle; *p becomes NULL. Blocks: for the
 * daemon's answer, too, up to the connect timeout. FAILED when some had a bad one since the last sync,
 * or a message was half published: that one is lost.
 */
HULSE_API hulse_status hulse_producer_close(hulse_producer **p, int drain_ms);

/*
 * Reserves room for a payload of at most max_bytes and points *out into the ring. Nothing is
 * visible to the daemon until commit and flush; claiming again replaces the claim. Makes no
 * system call. Errors: AGAIN (full), RECEIPTS (full because receipts are unread), TOOBIG,
 * CLOSED. Works while orphaned.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_claim(hulse_producer *p,
                                                   uint32_t max_bytes,
                                                   void **out);
/*
 * Turns the claim into a message of `bytes` ≤ max_bytes. `m` may be NULL. `token` returns in the
 * receipt. INVAL without a claim; TOOBIG when the metadata exceed 65,528 bytes encoded or do
 * not fit, AGAIN when the ring has no room for them; the claim stands then.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_commit(hulse_producer *p,
                                                    uint32_t bytes,
                                                    const struct hulse_meta *m,
                                                    uint64_t token);
HULSE_API void hulse_abort(hulse_producer *p);
/*
 * Makes everything committed visible to the daemon and rings it if it sleeps. Never waits. OK also
 * while orphaned: the records are in the ring.
 */
HULSE_API hulse_status hulse_flush(hulse_producer *p);
/* Claim, copy, commit and flush. Larger than a record: as fragments, all or nothing. */
HULSE_API HULSE_NODISCARD hulse_status hulse_publish(
    hulse_producer *p, const void *data, size_t bytes, const struct hulse_meta *m, uint64_t token);
/*
 * The same, waiting up to timeout_ms for room; also for messages larger than the ring. When the
 * time of such a one runs out, a part is published already: call again with the same arguments to
 * go on; until then other publishes and claims on the channel give BUSY.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_publish_wait(hulse_producer *p,
                                                          const void *data,
                                                          size_t bytes,
                                                          const struct hulse_meta *m,
                                                          uint64_t token,
                                                          int timeout_ms);

/* One element of hulse_publish_many(). */
struct hulse_item {
    size_t size;
    const void *data;
    size_t bytes;
    const struct hulse_meta *meta;
    uint64_t token;
    hulse_status status; /* set by the call; AGAIN for those behind the first without room */
};
/*
 * Publishes items in order with one flush; *accepted is the number that went in. An item with
 * INVAL, TOOBIG or UNSUPPORTED is passed over; the first without room ends the call, so order is kept.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_publish_many(hulse_producer *p,
                                                          struct hulse_item *items,
                                                          size_t count,
                                                          size_t *accepted);
/* hulse_publish_wait() under the producer's private mutex, for threads that share a producer. */
HULSE_API HULSE_NODISCARD hulse_status hulse_mt_publish(hulse_producer *p,
                                                        const void *data,
                                                        size_t bytes,
                                                        const struct hulse_meta *m,
                                                        uint64_t token,
                                                        int timeout_ms);
/* Takes up to max receipts; *count may be 0. out[i].size is set by the call. */
HULSE_API HULSE_NODISCARD hulse_status hulse_receipts(hulse_producer *p,
                                                      struct hulse_receipt *out,
                                                      unsigned max,
                                                      unsigned *count);
/* Flushes and waits until a claim of max_bytes would succeed. */
HULSE_API HULSE_NODISCARD hulse_status hulse_wait_space(hulse_producer *p,
                                                        uint32_t max_bytes,
                                                        int timeout_ms);
/*
 * Flushes and waits until every message published so far has its verdict. OK, FAILED when some
 * failed since the last sync (*failed says how many; may be NULL), TIMED_OUT, ORPHAN, or
 * RECEIPTS when unread receipts hold it up.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_sync(hulse_producer *p,
                                                  int timeout_ms,
                                                  uint64_t *failed);
HULSE_API hulse_status hulse_producer_stats(const hulse_producer *p, struct hulse_stats *out);
/* Largest payload the topic takes, in bytes. */
HULSE_API uint32_t hulse_message_max(const hulse_producer *p);

/* ---- consumer ----------------------------------------------------------------------------- */

enum hulse_subscription {
    HULSE_EXCLUSIVE = 0,
    HULSE_SHARED = 1,
    HULSE_FAILOVER = 2,
    HULSE_KEY_SHARED = 3,
    HULSE_READER = 4 /* no subscription: nothing is acknowledged, nothing remembered */
};
/* Where reading begins. */
enum hulse_start {
    HULSE_LATEST = 0,   /* what is published from now on */
    HULSE_EARLIEST = 1, /* the first message that is still there */
    HULSE_AT_ID = 2,    /* this message, or the first after it */
    HULSE_AFTER_ID = 3, /* the first after it */
    HULSE_AT_TIME = 4   /* the first one published then or later */
};

HULSE_API hulse_consumer_options *hulse_consumer_options_new(void);
HULSE_API void hulse_consumer_options_free(hulse_consumer_options **o);
HULSE_API hulse_status hulse_consumer_options_type(hulse_consumer_options *o,
                                                   enum hulse_subscription type);
/*
 * Where a reader begins, and a subscription that is not there yet: LATEST (default) or EARLIEST; at or after a message; at a
 * time, in milliseconds since 1970. What the topic's broker cannot do the open refuses with UNSUPPORTED: Pulsar begins a
 * new subscription at an end only, the embedded engine nowhere by time.
 */
HULSE_API hulse_status hulse_consumer_options_start(hulse_consumer_options *o,
                                                    enum hulse_start start);
HULSE_API hulse_status hulse_consumer_options_start_id(hulse_consumer_options *o,
                                                       enum hulse_start start,
                                                       const struct hulse_id *id);
HULSE_API hulse_status hulse_consumer_options_start_time(hulse_consumer_options *o,
                                                         uint64_t unix_ms);
/*
 * Several topics by one consumer of one subscription, or one reader. hulse_message.topic says where a message is from; verdicts find
 * their way by its id, and a cumulative one is of its topic alone.
 *
 * _topic: one more than the one given to hulse_consumer_open(), as often as wanted. The open fails when one of them cannot be
 * opened. A start by id is INVAL: it is of one topic.
 * _pattern: what is given to hulse_consumer_open() is [persistent://|non-persistent://]TENANT/NAMESPACE/REGEX, or REGEX of the
 * default namespace: those topics of that kind whose whole name behind the namespace matches, in the dialect of RE2. Topics that
 * come later are consumed from their beginning, those that go are left. What cannot be opened is tried again, what may
 * not be consumed is passed over; the daemon's log says which. INVAL from the open: the expression, or what it would cost;
 * a reader, which reads topics by name.
 * _topics_max: topics at one time, 1 to HULSE_TOPICS_MAX; more are not consumed. By default those of the list, 1,000 of a
 * pattern. Memory for their names is taken at open: 136 bytes for each.
 */
#define HULSE_TOPICS_MAX 10000U
enum hulse_topics {
    HULSE_PERSISTENT_TOPICS = 0,
    HULSE_NON_PERSISTENT_TOPICS = 1,
    HULSE_ALL_TOPICS = 2
};
HULSE_API hulse_status hulse_consumer_options_topic(hulse_consumer_options *o, const char *topic);
HULSE_API hulse_status hulse_consumer_options_pattern(hulse_consumer_options *o,
                                                      enum hulse_topics kind);
HULSE_API hulse_status hulse_consumer_options_topics_max(hulse_consumer_options *o, uint32_t count);
HULSE_API hulse_status hulse_consumer_options_name(hulse_consumer_options *o, const char *name);
HULSE_API hulse_status hulse_consumer_options_ring(hulse_consumer_options *o, uint32_t bytes);
HULSE_API hulse_status hulse_consumer_options_verdict_ring(hulse_consumer_options *o,
                                                           uint32_t bytes);
HULSE_API hulse_status hulse_consumer_options_group(hulse_consumer_options *o, unsigned group);
/*
 * Buffer for messages larger than a record, allocated at open; 0 (default) = none. One that is larger yet ends the consumer
 * where it stands, behind what came before it: hulse_next() says TOOBIG. It stays in its subscription. A ring whose size is not
 * asked for is then an eighth of the buffer, up to 2 MiB, where that is more than the default and the session may have it.
 */
HULSE_API hulse_status hulse_consumer_options_reassembly(hulse_consumer_options *o, uint32_t bytes);
/*
 * What a subscription may be told beside name and type. A daemon older than the call, and a broker that has no such thing
 * (the embedded engine has none of it), refuse the open with UNSUPPORTED, whoever cannot have it with INVAL. Setters give
 * NO_MEMORY, too, and those that add TOOBIG beyond 1 MiB of all.
 */
/* Of a Shared or Failover subscription, no other: 0 (default) and up; one with a lower number gets messages first. */
HULSE_API hulse_status hulse_consumer_options_priority(hulse_consumer_options *o, int32_t priority);
/*
 * Of a reader, or an exclusive or failover subscription, of a persistent topic: of what lies before the topic's last
 * compaction only the last message of each key comes, if that is no tombstone; what is behind comes whole. Acknowledge
 * cumulatively: of what was acknowledged alone and is compacted, a broker gives the subscription's next consumer some again.
 */
HULSE_API hulse_status hulse_consumer_options_compacted(hulse_consumer_options *o);
/* Of a new subscription of a persistent topic: how far it is, is known in the clusters that its topic is replicated to. */
HULSE_API hulse_status hulse_consumer_options_replicated(hulse_consumer_options *o);
/*
 * Of key_shared: adds a range of the 65,536 hashes of keys that come here and nowhere else, at most 1,024 of them. All consumers
 * of the subscription have some then, which do not overlap; the broker judges that. Without: keys are divided among them.
 */
HULSE_API hulse_status hulse_consumer_options_key_range(hulse_consumer_options *o,
                                                        uint16_t first,
                                                        uint16_t last);
/* Of key_shared: a key may come here while earlier messages of it are unacknowledged elsewhere. */
HULSE_API hulse_status hulse_consumer_options_any_key_order(hulse_consumer_options *o);
/* Adds a property, UTF-8: of the consumer, which the broker shows; of its subscription, kept if that is new. */
HULSE_API hulse_status hulse_consumer_options_property(hulse_consumer_options *o,
                                                       const char *name,
                                                       const char *value);
HULSE_API hulse_status hulse_consumer_options_subscription_property(hulse_consumer_options *o,
                                                                    const char *name,
                                                                    const char *value);
/* Messages without a verdict at one time; 0 = the daemon's default. */
HULSE_API hulse_status hulse_consumer_options_unacked_max(hulse_consumer_options *o,
                                                          uint32_t count);

/*
 * Opens a consumer. `subscription` is NULL for a reader. Errors as hulse_producer_open(), and
 * BUSY when the subscription is exclusively taken or of another type.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_consumer_open(hulse_session *s,
                                                           hulse_consumer **out,
                                                           const char *topic,
                                                           const char *subscription,
                                                           const hulse_consumer_options *o);
/* Sends pending verdicts, gives back what has none, closes; *c becomes NULL. Blocks as a producer's. */
HULSE_API hulse_status hulse_consumer_close(hulse_consumer **c, int drain_ms);
/*
 * The next message in place. AGAIN: none. m->size must be set. A message larger than a record lies
 * in the reassembly buffer; until it is released no second such one is handed out.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_next(hulse_consumer *c, struct hulse_message *m);
/*
 * The same, waiting up to timeout_ms; TIMED_OUT when none came. AGAIN, at once, only when the next
 * is a large one and another is held: no wait helps, release that first.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_next_wait(hulse_consumer *c,
                                                       struct hulse_message *m,
                                                       int timeout_ms);
/* Up to max messages or max_bytes, waiting up to timeout_ms for the first. */
HULSE_API HULSE_NODISCARD hulse_status hulse_next_batch(hulse_consumer *c,
                                                        struct hulse_message *out,
                                                        unsigned max,
                                                        size_t max_bytes,
                                                        int timeout_ms,
                                                        unsigned *count);
/*
 * OK: a reader was handed all that its topics had when it was opened (a non-persistent one: nothing).
 * AGAIN: hulse_next() has not come so far. Stays OK, and counts on over a restart of the daemon; of partitions, and of
 * several topics, with what is there then.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_reader_caught_up(hulse_consumer *c);
/*
 * OK: the topic is terminated, its subscription has acknowledged all of it, and hulse_next() has come so far: nothing more will
 * come, unless somebody seeks back. AGAIN: none of that is known. Of several partitions: all of them. The next daemon says
 * it again.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_end_of_topic(const hulse_consumer *c);
/*
 * OK: it gets the messages. AGAIN: it is of a failover subscription, and another consumer gets them, or nothing was heard yet
 * of the broker; of a topic with partitions: of all of them. As was heard last; others than failover are always active.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_consumer_active(const hulse_consumer *c);
/*
 * Moves the subscription, or a reader, to another position: LATEST or EARLIEST; AT_ID or AFTER_ID; a time. Verdicts given
 * before count; messages handed out before stay readable until they are released, but a verdict on them has no effect,
 * and the next one handed out is one from there. Waits for the broker, and for the next daemon when this one dies: OK;
 * TIMED_OUT, ORPHAN: it may have moved; UNSUPPORTED: the topic's broker cannot; BUSY: one that has timed out is still under
 * way; errors of the broker. Others of a shared subscription move too.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_seek(hulse_consumer *c,
                                                  enum hulse_start to,
                                                  int timeout_ms);
HULSE_API HULSE_NODISCARD hulse_status hulse_seek_id(hulse_consumer *c,
                                                     enum hulse_start to,
                                                     const struct hulse_id *id,
                                                     int timeout_ms);
HULSE_API HULSE_NODISCARD hulse_status hulse_seek_time(hulse_consumer *c,
                                                       uint64_t unix_ms,
                                                       int timeout_ms);
/* Gives back the ring space of this message and of all before it. A verdict may follow. */
HULSE_API void hulse_release(hulse_consumer *c, const struct hulse_message *last);

/*
 * Verdicts. They travel in sixteens by themselves, the rest with the next flush, arm or poll. AGAIN:
 * the daemon is behind and the verdict ring is full; nothing was given. hulse_consumer_sync(), or
 * hulse_arm() and a sleep until the group's descriptor is readable, then the same call again.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_ack(hulse_consumer *c, const struct hulse_id *id);
HULSE_API HULSE_NODISCARD hulse_status hulse_ack_cumulative(hulse_consumer *c,
                                                            const struct hulse_id *id);
/* Again after delay_ms; 0 = the topic rule's backoff (consume.nack), longer with each redelivery. */
HULSE_API HULSE_NODISCARD hulse_status hulse_nack(hulse_consumer *c,
                                                  const struct hulse_id *id,
                                                  uint32_t delay_ms);
/* Later, from the rule's retry topic, after delay_ms; NOT_CONFIGURED when the topic has none. */
HULSE_API HULSE_NODISCARD hulse_status hulse_retry(hulse_consumer *c,
                                                   const struct hulse_id *id,
                                                   uint32_t delay_ms);
/* To the dead-letter topic, with a reason of at most 256 bytes; NOT_CONFIGURED without one. */
HULSE_API HULSE_NODISCARD hulse_status hulse_reject(hulse_consumer *c,
                                                    const struct hulse_id *id,
                                                    uint16_t reason_code,
                                                    const char *reason);
/* Done with it, although not handled: acknowledged and counted as dropped. */
HULSE_API HULSE_NODISCARD hulse_status hulse_drop(hulse_consumer *c, const struct hulse_id *id);
/* Publishes pending verdicts and released space at once. */
HULSE_API hulse_status hulse_consumer_flush(hulse_consumer *c);
/* Flushes and waits until the daemon has applied every verdict given so far. */
HULSE_API HULSE_NODISCARD hulse_status hulse_consumer_sync(hulse_consumer *c, int timeout_ms);
HULSE_API hulse_status hulse_consumer_stats(const hulse_consumer *c, struct hulse_stats *out);
/*
 * Property number `index` of a message, in its order. AGAIN: there is no such one. Borrows the
 * message's bytes.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_message_property(const struct hulse_message *m,
                                                              unsigned index,
                                                              struct hulse_property *out);
/*
 * Which version of its topic's schema a message was written with, as the broker counts, from 0. AGAIN: with none, or
 * the broker keeps none.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_message_schema_version(const struct hulse_message *m,
                                                                    uint64_t *version);

/* A schema as a broker keeps it. No text but the type is terminated. */
struct hulse_schema {
    size_t size;
    uint64_t version;
    const char *type; /* "AVRO", "JSON", "INT32", ...: the words of Pulsar's tools */
    const void *definition;
    size_t definition_bytes;
    const struct hulse_property *properties;
    size_t property_count;
};
/*
 * The schema that payloads are read with, by the topic's rule: that of messages with HULSE_MESSAGE_OWN_SCHEMA, which the daemon
 * has turned into it if they were written with another one.
 */
#define HULSE_SCHEMA_VERSION_OWN UINT64_MAX
#define HULSE_SCHEMA_VERSION_NEWEST (UINT64_MAX - 1U) /* of the topic */
/*
 * Asks the daemon for a version of the consumer's topic; one never changes, so ask once for each. Blocks: until the
 * daemon has heard it from the broker, unless it has it, up to timeout_ms. Gives: *out, which allocates; return it with
 * hulse_schema_free(). NO_TOPIC: the topic has none of that version; NOT_CONFIGURED: the consumer has none; UNSUPPORTED:
 * the broker keeps none, or the daemon is older; BUSY; TIMED_OUT; NO_MEMORY; LIMIT; or why the broker does not say.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_schema_get(hulse_consumer *c,
                                                        uint64_t version,
                                                        struct hulse_schema **out,
                                                        int timeout_ms);
/*
 * The same of the topic of a message that has no verdict yet, by its id: also of a consumer of several topics, which
 * hulse_schema_get() refuses with UNSUPPORTED. BUSY also while that topic is being opened; NO_TOPIC also when it has gone;
 * UNSUPPORTED, of several topics, also by a daemon that is older than this call. `id` NULL: as hulse_schema_get(). Since 0.2.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_schema_get_of(hulse_consumer *c,
                                                           const struct hulse_id *id,
                                                           uint64_t version,
                                                           struct hulse_schema **out,
                                                           int timeout_ms);
HULSE_API void hulse_schema_free(struct hulse_schema **schema);
/*
 * What a message's broker has noted when it stored it: its number in its topic, or partition, counting up from 0; the
 * time there, in milliseconds since 1970. AGAIN: it does not say. A Pulsar broker does with
 * exposingBrokerEntryMetadataToClientEnabled, of messages that it stored with brokerEntryMetadataInterceptors.
 */
HULSE_API HULSE_NODISCARD hulse_status hulse_message_index(const struct hulse_message *m,
                                                           uint64_t *index);
HULSE_API HULSE_NODISCARD hulse_status hulse_message_broker_time(const struct hulse_message *m,
                                                                 uint64_t *unix_ms);
/* Library version, "major.minor.patch". */
HULSE_API const char *hulse_version(void);

#ifdef __cplusplus
}
#endif
#endif
