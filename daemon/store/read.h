/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read - serves one store_read from the segments.
 *
 * Threads: the reader.
 */
#ifndef HULSE_STORE_READ_H
#define HULSE_STORE_READ_H

#include "daemon/store/store_internal.h"

/* Fills it; the status that it is to be answered with. */
hulse_status hulse_store_serve_read(struct store *s, struct store_read *rd);

#endif
