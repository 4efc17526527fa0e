/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol - the admin socket: one JSON object per line in, one per line out.
 *
 *   {"command":"stats"}              -> {"status":"ok","result":{...}}
 *   {"command":"health"}             -> {"status":"ok","result":{"status":"healthy",...}}
 *   {"command":"health","deep":true} -> {"status":"ok","result":{"pulsar_broker":"healthy",
 *                                       "admin_api":"healthy","namespaces_count":N}}
 *   {"command":"topics.list"[,"namespace":"TENANT/NAMESPACE" or "TENANT"]}
 *                                    -> {"status":"ok","result":{"topics":["NAME",...],
 *                                       "unlisted":[{"broker":"…","type":"…","why":"…"}]}}
 *   {"command":"topics.create","topic":"NAME"[,"partitions":N]}
 *                                    -> {"status":"ok","result":{"topic":"NAME","broker":"…"}}
 *   {"command":"topics.delete","topic":"NAME"[,"force":true]}     -> the same
 *   {"command":"topics.unload","topic":"NAME"}                    -> the same
 *   {"command":"topics.stats","topic":"NAME"}
 *                                    -> {"status":"ok","result":{"topic":"NAME","broker":"…",…}}
 *   {"command":"subs.list","topic":"NAME"}
 *                                    -> {"status":"ok","result":{"topic":"NAME","broker":"…",
 *                                       "subscriptions":["NAME",…]}}
 *   {"command":"subs.stats","topic":"NAME"[,"subscription":"NAME"]}
 *                                    -> the same with {"name":"NAME",…} as subscriptions
 *   {"command":"subs.seek","topic":"NAME","subscription":"NAME","position":WHERE}
 *                                    -> {"status":"ok","result":{"topic":"NAME","broker":"…",
 *                                       "subscription":"NAME"}}
 *                                       WHERE: "earliest", "latest", "LEDGER:ENTRY[:PARTITION[:BATCH]]",
 *                                       or a number, ms since 1970
 *   {"command":"subs.skip","topic":"NAME","subscription":"NAME"[,"count":N]}
 *                                    -> the same; without a count all that waits
 *   {"command":"subs.delete","topic":"NAME","subscription":"NAME"[,"force":true]} -> the same
 *   {"command":"schema.list","topic":"NAME"}
 *                                    -> {"status":"ok","result":{"topic":"NAME","broker":"…",
 *                                       "schemas":[{"version":N,"type":"AVRO","created_ms":N},…]}}
 *   {"command":"schema.get","topic":"NAME"[,"version":N]}
 *                                    -> {"status":"ok","result":{"topic":"NAME","broker":"…",
 *                                       "version":N,"type":"AVRO","definition":"…","properties":{…}}}
 *   {"command":"schema.put","topic":"NAME","type":"AVRO","definition":"…"[,"properties":{…}]}
 *                                    -> the same without definition and properties
 *                                       The definition of a KEY_VALUE is {"key":…,"value":…}.
 *                                       Versions are counted from 0, as Pulsar's tools do.
 *   {"command":"config"}             -> {"status":"ok","result":{"yaml":"..."}}
 *   {"command":"reload"}             -> {"status":"ok","result":{"accepted":true,...}}
 *   {"command":"drain"[,"now":true]} -> {"status":"ok","result":{"draining":true,"pid":N,
 *                                       "sessions":N}}; again and again the same answer
 *   {"command":"store.check"}        -> {"status":"ok","result":{"good":true,"topics":N,…}}
 *   {"command":"store.backup","directory":"/ABSOLUTE"}
 *                                    -> {"status":"ok","result":{"directory":"…","segments":N,"bytes":N}}
 *   anything else                    -> {"status":"error","code":"HULSE_…","detail":"..."}
 *
 * The result of stats: version uptime_s workers sessions channels topics[] brokers[] memory{}
 * missed_doorbells config_generation config_reload_failed, then totals{} and per_worker[]. A worker that does not answer
 * within 2 s has "state":"unresponsive" there, and its figures and topics are missing. The status of health
 * is "healthy", "degraded" or "draining".
 *
 * A deep health asks the default broker and tells what it found for 10 s: pulsar_broker is "unhealthy" with an
 * `error`, admin_api "unhealthy" with an `admin_error`, or null where there is none.
 *
 * topics.list asks every broker that keeps topics; those that did not tell, in 20 s for all of them, are `unlisted`.
 *
 * The others about a topic complete a short name as applications' names are, and answer with the
 * full one. Their broker has 20 s; without its answer they are refused (HULSE_TIMED_OUT), and what
 * was asked for may still happen. The result of topics.stats: the broker's figures, as far as it
 * counts, then subscriptions[] and, of a topic that applications have used, refused{}; `missing` says why there are no
 * figures.
 *
 * The two about the store answer when they are done, however long that takes; one at a time, the second is refused (HULSE_BUSY). The
 * result of store.check: good, then what was counted. good is false when something is damaged.
 *
 * The result of reload: accepted generation applied[] restart[] problems[], the last of which are
 * {file line column warning text}. A configuration that is not accepted changes nothing.
 *
 * A drain serves until the last session has closed, or drain_timeout is nearly over; with "now", also
 * of a drain that has begun without it, it tells the sessions at once (hulsed --replace).
 *
 * Unix stream socket, mode 0600; a connection may ask any number of times, one after another.
 * Limits: a request line <= 2 MiB, an answer <= 16 MiB, 16 connections, 10 s for a whole line.
 */
#ifndef HULSE_ADMIN_PROTOCOL_H
#define HULSE_ADMIN_PROTOCOL_H

#define HULSE_ADMIN_REQUEST_BYTES_MAX 2097152U /* a schema of 512 KiB, escaped */
#define HULSE_ADMIN_ANSWER_BYTES_MAX 16777216U
#define HULSE_ADMIN_CONNECTIONS_MAX 16U

#define HULSE_ADMIN_STATS "stats"
#define HULSE_ADMIN_HEALTH "health"
#define HULSE_ADMIN_TOPICS_LIST "topics.list"
#define HULSE_ADMIN_TOPICS_CREATE "topics.create"
#define HULSE_ADMIN_TOPICS_DELETE "topics.delete"
#define HULSE_ADMIN_TOPICS_STATS "topics.stats"
#define HULSE_ADMIN_TOPICS_UNLOAD "topics.unload"
#define HULSE_ADMIN_SUBS_LIST "subs.list"
#define HULSE_ADMIN_SUBS_STATS "subs.stats"
#define HULSE_ADMIN_SUBS_SEEK "subs.seek"
#define HULSE_ADMIN_SUBS_SKIP "subs.skip"
#define HULSE_ADMIN_SUBS_DELETE "subs.delete"
#define HULSE_ADMIN_SCHEMA_LIST "schema.list"
#define HULSE_ADMIN_SCHEMA_GET "schema.get"
#define HULSE_ADMIN_SCHEMA_PUT "schema.put"
#define HULSE_ADMIN_CONFIG "config"
#define HULSE_ADMIN_RELOAD "reload"
#define HULSE_ADMIN_DRAIN "drain"
#define HULSE_ADMIN_STORE_CHECK "store.check"
#define HULSE_ADMIN_STORE_BACKUP "store.backup"

#endif
