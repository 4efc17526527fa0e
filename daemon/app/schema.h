/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - the schema of a version of a consumer's topic, for its application.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_SCHEMA_H
#define HULSE_APP_SCHEMA_H

struct hulse_packet;
struct session;

/* GET_SCHEMA: answered now, or when the broker has said it. */
void hulse_schema_request(struct session *s, const struct hulse_packet *p);

#endif
