/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outflow - what is to be written on a connection, in order: pieces of others and commands.
 *
 * PING and PONG go in front of everything that has not begun, so that megabytes of messages do not make a connection
 * look dead.
 *
 * Threads: the worker's. Commands are counted as HULSE_MEM_BROKER.
 */
#ifndef HULSE_PULSAR_CONNECTION_OUTFLOW_H
#define HULSE_PULSAR_CONNECTION_OUTFLOW_H

#include "daemon/broker/pulsar/connection/connection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct outflow_block;

#define PULSAR_OUTFLOW_URGENT_BYTES 32U

struct outflow {
    STAILQ_HEAD(, pulsar_piece) pieces;
    uint32_t head_written;       /* of the first piece */
    uint64_t unwritten;          /* of all pieces */
    struct outflow_block *open;  /* the last piece, when it takes more commands */
    struct outflow_block *spare; /* one that is empty */
    bool ping;                   /* to be sent */
    bool pong;
    uint8_t urgent[PULSAR_OUTFLOW_URGENT_BYTES];
    uint32_t urgent_begin; /* [begin, end) is not written yet */
    uint32_t urgent_end;
};

enum outflow_wipe { OUTFLOW_PLAIN, OUTFLOW_SECRET };

void hulse_outflow_init(struct outflow *o);
/* Releases every piece as not written. */
void hulse_outflow_fini(struct outflow *o);
void hulse_outflow_piece(struct outflow *o, struct pulsar_piece *piece);
/* Encoded before it returns; a SECRET is wiped when it is gone. False: no memory. */
bool hulse_outflow_command(struct outflow *o,
                           const Pulsar__BaseCommand *command,
                           enum outflow_wipe wipe);
bool hulse_outflow_empty(const struct outflow *o);
/* What to write next; how many parts. */
size_t hulse_outflow_gather(struct outflow *o, struct iovec *parts, size_t count_max);
/* So much of it has gone; pieces that are done are released. */
void hulse_outflow_written(struct outflow *o, size_t bytes);

#endif
