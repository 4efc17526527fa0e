/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - what a call returned, and what became of a message.
 *
 * Two number spaces. hulse_status is the result of a call: zero or negative. hulse_outcome is
 * the final verdict on one published record, carried in its receipt: a positive byte. Both are
 * part of ABI 1: numbers are added, never changed or reused.
 *
 * See: docs/shm-abi.md.
 */
#ifndef HULSE_STATUS_H
#define HULSE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HULSE_NODISCARD __attribute__((warn_unused_result))
#define HULSE_API __attribute__((visibility("default")))
#else
#define HULSE_NODISCARD
#define HULSE_API
#endif

/* Result of a call: HULSE_OK or one of the negative numbers below. */
typedef int hulse_status;

enum {
    HULSE_OK = 0,
    HULSE_AGAIN = -1,           /* nothing to take, or no room now; try after a poll */
    HULSE_TOOBIG = -2,          /* the message exceeds a stated limit */
    HULSE_ORPHAN = -3,          /* no daemon is there; the next one is looked for */
    HULSE_REFUSED = -4,         /* the daemon speaks no common version or refused the session */
    HULSE_CLOSED = -5,          /* the object, or its session, is closed */
    HULSE_INVAL = -6,           /* an argument breaks the call's contract */
    HULSE_FAILED = -7,          /* some messages failed; the receipts say which */
    HULSE_RECEIPTS = -8,        /* no room because receipts are unread */
    HULSE_TIMED_OUT = -9,       /* the stated time passed first */
    HULSE_NO_DAEMON = -10,      /* nobody listens on the socket */
    HULSE_DENIED = -11,         /* no permission */
    HULSE_NO_TOPIC = -12,       /* the topic does not exist and may not be created */
    HULSE_LIMIT = -13,          /* a configured bound is reached */
    HULSE_NO_MEMORY = -14,      /* memory is refused, by the system or by memory_max */
    HULSE_IO = -15,             /* a system call failed; the object's error text has errno */
    HULSE_NOT_CONFIGURED = -16, /* this verdict or feature needs configuration it lacks */
    HULSE_BUSY = -17,           /* somebody else has exclusive use */
    HULSE_UNSUPPORTED = -18,    /* this daemon, kernel or topic kind cannot do it */
    HULSE_PROTOCOL = -19        /* the other side broke the protocol */
};

/* Final verdict on one published record (ipc B3). A number not listed counts as FAILED_UNKNOWN. */
enum hulse_outcome {
    HULSE_OUTCOME_STORED = 1,          /* the broker's receipt, with a message id */
    HULSE_OUTCOME_SPOOLED = 2,         /* fsynced in the spool; no second receipt follows */
    HULSE_OUTCOME_FAILED_NOT_SENT = 3, /* certainly not sent */
    HULSE_OUTCOME_FAILED_UNKNOWN = 4,  /* sent, no answer */
    HULSE_OUTCOME_EXPIRED = 5,         /* its time to live passed before it was sent */
    HULSE_OUTCOME_DENIED = 6,          /* no permission to produce */
    HULSE_OUTCOME_TOO_LARGE = 7,       /* larger than the broker or a rule allows */
    HULSE_OUTCOME_DEAD_LETTERED = 8,   /* diverted to the dead-letter topic and stored there */
    HULSE_OUTCOME_INTERRUPTED = 9, /* larger than its ring and cut by a restart; outcome unknown */
    HULSE_OUTCOME_RATE_LIMITED = 10,     /* over a configured rate */
    HULSE_OUTCOME_BREAKER_OPEN = 11,     /* the circuit breaker is open */
    HULSE_OUTCOME_INVALID_SCHEMA = 12,   /* payload does not match the topic's schema */
    HULSE_OUTCOME_FENCED = 13,           /* another producer took exclusive access */
    HULSE_OUTCOME_NO_TOPIC = 14,         /* the topic is gone and may not be created */
    HULSE_OUTCOME_TOPIC_TERMINATED = 15, /* the topic accepts no more messages */
    HULSE_OUTCOME_QUOTA_EXCEEDED = 16,   /* the topic's backlog quota */
    HULSE_OUTCOME_STORE_FULL = 17,       /* the embedded store or spool is full */
    HULSE_OUTCOME_NO_MEMORY = 18,        /* the daemon's memory cap */
    HULSE_OUTCOME_DROPPED = 19,          /* dropped by the drop-oldest policy */
    HULSE_OUTCOME_BAD_RECORD = 20,       /* the record's metadata is malformed */
    HULSE_OUTCOME_UNSUPPORTED = 21 /* asks for what its topic, or the topic's broker, cannot do */
};

/* English text of a status or an outcome; never NULL, static, ends without a full stop. */
HULSE_API const char *hulse_status_text(hulse_status status);
HULSE_API const char *hulse_outcome_text(unsigned outcome);

#ifdef __cplusplus
}
#endif
#endif
