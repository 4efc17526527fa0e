/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol - the admin socket: one JSON object per line in, one per line out.
 *
 *   {"command":"stats"}              -> {"status":"ok","result":{...}}
 *   {"command":"health"}             -> {"status":"ok","result":{"status":"healthy",...}}
 *   {"command":"topics.list"[,"namespace":"public/default"]}
 *   anything else                    -> {"status":"error","code":"HULSE_…","detail":"..."}
 *
 * Unix stream socket, mode 0600; a connection may ask any number of times, one after another.
 * Limits: a request line <= 64 KiB, an answer <= 16 MiB, 16 connections, 10 s for a whole line.
 */
#ifndef HULSE_ADMIN_PROTOCOL_H
#define HULSE_ADMIN_PROTOCOL_H

#define HULSE_ADMIN_REQUEST_BYTES_MAX (64U * 1024)
#define HULSE_ADMIN_ANSWER_BYTES_MAX (16U * 1024 * 1024)
#define HULSE_ADMIN_CONNECTIONS_MAX 16U

#define HULSE_ADMIN_STATS "stats"
#define HULSE_ADMIN_HEALTH "health"
#define HULSE_ADMIN_TOPICS_LIST "topics.list"

#endif
