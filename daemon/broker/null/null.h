/* SPDX-License-Identifier: Apache-2.0 */
/*
 * null - a broker that answers at once and keeps nothing: for benchmarks and loopback tests.
 *
 * It pays what every broker has to: a copy of the payload into memory of its own.
 *
 * Threads: create and destroy by main, before the workers start and after they have stopped.
 */
#ifndef HULSE_BROKER_NULL_NULL_H
#define HULSE_BROKER_NULL_NULL_H

#include "daemon/broker/broker.h"

/* `name` is borrowed for the broker's life. NULL with *err filled. */
struct broker *hulse_null_create(const char *name, uint32_t message_bytes_max, struct error *err);
/* *b becomes NULL. */
void hulse_null_destroy(struct broker **b);

#endif
