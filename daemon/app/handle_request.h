/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_request - OPEN_PRODUCER and OPEN_CONSUMER.
 *
 * Threads: the session's worker. Trust: messages are checked here (ipc C1).
 */
#ifndef HULSE_APP_HANDLE_REQUEST_H
#define HULSE_APP_HANDLE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hulse_packet;
struct session;

/* Copies a string member of a message to a terminated buffer; false unless it is UTF-8 text. */
bool hulse_handle_text(char *to, size_t capacity, const uint8_t *from, size_t bytes);

/* Opens the flow side; answers `request` now or by event. */
void hulse_handle_open_producer(struct session *s, const struct hulse_packet *p);
/* `fixed`: bytes before the names, of OPEN_CONSUMER or of OPEN_CONSUMER_AT, which begins alike. */
void hulse_handle_open_consumer(struct session *s, const struct hulse_packet *p, size_t fixed);

#endif
