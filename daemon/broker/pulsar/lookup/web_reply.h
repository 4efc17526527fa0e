/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_reply - what a broker's answer over HTTP to a lookup, or to the question how many partitions a topic has, says.
 *
 * Threads: pure, but for jansson's memory.
 * Trust:   judges an answer that may say anything.
 * See:     GET /lookup/v2/topic/DOMAIN/TENANT/NAMESPACE/TOPIC answers {"brokerUrl", "brokerUrlTls"}, whose older name is
 *          "brokerUrlSsl"; GET /admin/v2/…/partitions answers {"partitions"} (HttpLookupService of the Java client).
 */
#ifndef HULSE_PULSAR_LOOKUP_WEB_REPLY_H
#define HULSE_PULSAR_LOOKUP_WEB_REPLY_H

#include "daemon/broker/pulsar/admin/rest_answer.h"
#include "daemon/broker/pulsar/lookup/reply.h"

/* As hulse_lookup_reply_read(), but never a REDIRECT, which HTTP has followed, nor NONSENSE, which is a FAILED. */
void hulse_web_reply_read(const struct rest_answer *answer,
                          enum lookup_question asked,
                          bool tls,
                          struct lookup_reply *out);

#endif
