/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_writer - the log thread: drains all rings, in the order of time, to stderr.
 *
 * It naps a few milliseconds after a round that wrote something and sleeps without a timer when
 * nothing comes; a thread that logs wakes it only then, or when its ring is half full.
 *
 * Threads: any for add, close, wake and direct; start and stop by one.
 * Limits:  HULSE_LOG_THREADS_MAX rings.
 */
#ifndef HULSE_CORE_LOG_WRITER_H
#define HULSE_CORE_LOG_WRITER_H

#include "daemon/core/log_ring.h"

#define HULSE_LOG_THREADS_MAX 64U

bool hulse_log_writer_start(enum log_format format);
/* Writes what the rings hold and ends the thread; waits as long as stderr takes. */
bool hulse_log_writer_stop(uint32_t timeout_ms);
bool hulse_log_writer_running(void);

/* Takes the ring; false: too many. */
bool hulse_log_writer_add(struct log_ring *ring);
/* The owner is done with its ring, which is freed when it has been written out. */
void hulse_log_writer_close(struct log_ring *ring);
/* After a put that left so many bytes in use: wakes the thread if it has to be. */
void hulse_log_writer_wake(size_t used_bytes);
/* Writes one line from the calling thread, for those without a ring. */
void hulse_log_writer_direct(const struct log_record *r, const char *thread);

#endif
