/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger - what an application did, one entry after another, in a file that survives its death.
 *
 * The file is mapped, so what was written is there after kill -9. An entry counts when its check
 * word fits: a torn last one is not there, and the next writer takes its place.
 *
 * Threads: one writer process at a time; any process may read meanwhile.
 */
#ifndef HULSE_TESTS_CRASH_LEDGER_H
#define HULSE_TESTS_CRASH_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

enum ledger_kind {
    LEDGER_SENT = 1,  /* about to be published */
    LEDGER_COMMITTED, /* the flush behind it has returned */
    LEDGER_VERDICT,   /* detail: outcome; id of the stored message */
    LEDGER_SETTLED,   /* every message of the epoch has a good verdict: close has said so */
    LEDGER_CLOSED,    /* the epoch ended by itself: no receipt is missing */
    LEDGER_ARRIVED,   /* detail: 1 when the bytes are not what was sent; id */
    LEDGER_CONSUMING, /* a life of the consumer begins; number 0 */
    LEDGER_ACKING,    /* about to be acknowledged: from now on it need not come again */
    LEDGER_ACKED      /* the daemon has confirmed the acknowledgement */
};

struct ledger_entry {
    uint64_t number; /* of the message */
    uint64_t id;     /* of the stored copy, see hulse_ledger_id() */
    uint32_t epoch;  /* of the publisher's process */
    uint16_t kind;
    uint16_t detail;
};

struct ledger {
    struct ledger_file *file;
    uint64_t capacity; /* entries */
    uint64_t next;     /* of the writer */
    int fd;
};

/* Makes or opens it; a writer goes on behind what counts. False: errno says why. */
bool hulse_ledger_open(struct ledger *l, const char *path, uint64_t capacity);
void hulse_ledger_close(struct ledger *l);
/* False: full. */
bool hulse_ledger_append(struct ledger *l, const struct ledger_entry *entry);
/* The entry at `index`; false when there is none that counts. */
bool hulse_ledger_read(const struct ledger *l, uint64_t index, struct ledger_entry *out);
/* One number for a message id: different copies have different ones, none is 0. */
uint64_t hulse_ledger_id(uint64_t ledger, uint64_t entry, int32_t batch);

#endif
