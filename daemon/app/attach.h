/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach - regions and handles of an earlier daemon's session, offered again (ipc B10).
 *
 * Threads: the session's worker. Trust: an offered region is judged as a stranger's.
 */
#ifndef HULSE_APP_ATTACH_H
#define HULSE_APP_ATTACH_H

#include "include/hulse/status.h"

struct channel;
struct handle;
struct hulse_packet;
struct session;

/* Takes p->fds. What it does not like dooms the session (V6 and C1). */
void hulse_attach_channel(struct session *s, struct hulse_packet *p);
void hulse_attach_handle(struct session *s, const struct hulse_packet *p);
void hulse_attach_sources(struct session *s, const struct hulse_packet *p);
void hulse_attach_marks(struct session *s, const struct hulse_packet *p);
void hulse_attach_end(struct session *s, const struct hulse_packet *p);
/* The channel is live: its handles are opened again. */
void hulse_attach_begin(struct channel *ch);
/* An offered handle is open. */
void hulse_attach_opened(struct handle *h);
/* It could not be opened: tried again for a while, or refused for good. Forgets h->attach then. */
void hulse_attach_failed(struct handle *h, hulse_status status, const char *text);
void hulse_attach_free(struct handle *h);

#endif
