/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_reply - see the header.
 */
#include "daemon/broker/pulsar/lookup/web_reply.h"

#include <string.h>

/* Which error of the binary protocol says the same; -1: none, the status says enough. */
static int32_t server_error(hulse_status status, unsigned code)
{
    if (status == HULSE_DENIED) {
        return code == 403 ? PULSAR__SERVER_ERROR__AuthorizationError
                           : PULSAR__SERVER_ERROR__AuthenticationError;
    }
    if (status == HULSE_NO_TOPIC) {
        return PULSAR__SERVER_ERROR__TopicNotFound;
    }
    if (code >= 500) {
        return PULSAR__SERVER_ERROR__ServiceNotReady;
    }
    if (status == HULSE_LIMIT && code != 0) {
        return PULSAR__SERVER_ERROR__TooManyRequests;
    }
    return status == HULSE_INVAL ? PULSAR__SERVER_ERROR__InvalidTopicName : -1;
}

static void fail(const struct rest_answer *a, struct lookup_reply *out)
{
    const int32_t error = server_error(a->status, a->code);

    out->kind = LOOKUP_REPLY_FAILED;
    if (error >= 0) {
        hulse_pulsar_failure_server(&out->failure, error, a->text);
    } else {
        hulse_pulsar_failure_status(&out->failure, a->status, a->text);
    }
}

static void fail_odd(struct lookup_reply *out, const char *text)
{
    out->kind = LOOKUP_REPLY_FAILED;
    hulse_pulsar_failure_status(&out->failure, HULSE_PROTOCOL, text);
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void read_owner(const json_t *json, bool tls, struct lookup_reply *out)
{
    const char *url = text_at(json, tls ? "brokerUrlTls" : "brokerUrl");

    if (tls && (url == NULL || url[0] == '\0')) {
        url = text_at(json, "brokerUrlSsl");
    }
    out->kind = LOOKUP_REPLY_BROKER;
    hulse_lookup_reply_broker(url, tls, out);
}

static void read_partitions(const json_t *json, struct lookup_reply *out)
{
    const json_t *partitions = json_object_get(json, "partitions");
    const json_int_t count = json_integer_value(partitions);

    if (!json_is_integer(partitions) || count < 0 || count > INT32_MAX) {
        fail_odd(out, "the cluster's answer over HTTP does not say how many partitions there are");
        return;
    }
    out->kind = LOOKUP_REPLY_PARTITIONS;
    out->partitions = (uint32_t)count;
}

void hulse_web_reply_read(const struct rest_answer *answer,
                          enum lookup_question asked,
                          bool tls,
                          struct lookup_reply *out)
{
    memset(out, 0, sizeof(*out));
    if (answer->status != HULSE_OK) {
        fail(answer, out);
    } else if (!json_is_object(answer->json)) {
        fail_odd(out, "the cluster's answer over HTTP to a lookup is none");
    } else if (asked == LOOKUP_OWNER) {
        read_owner(answer->json, tls, out);
    } else {
        read_partitions(answer->json, out);
    }
}
