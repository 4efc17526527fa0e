/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - see the header.
 */
#include "daemon/broker/pulsar/lookup/reply.h"

#include <stdio.h>
#include <string.h>

static void fail(struct lookup_reply *out, bool has_error, int32_t error, const char *message)
{
    out->kind = LOOKUP_REPLY_FAILED;
    hulse_pulsar_failure_server(
        &out->failure, has_error ? error : PULSAR__SERVER_ERROR__UnknownError, message);
}

/* It may be mended before the next attempt: no verdict of its own. */
static void fail_address(struct lookup_reply *out, const char *text)
{
    out->kind = LOOKUP_REPLY_FAILED;
    hulse_pulsar_failure_status(&out->failure, HULSE_PROTOCOL, text);
}

/*
 * The broker's address. A proxy without TLS gives pulsar:// in the field for TLS as well, and then means the name
 * that it is to be told, so behind a proxy the scheme says nothing.
 */
void hulse_lookup_reply_broker(const char *text, bool tls, struct lookup_reply *out)
{
    struct service_url url;
    struct error err = {0};

    if (text == NULL || text[0] == '\0') {
        fail_address(out,
                     tls ? "the broker's answer to a lookup has no address for TLS"
                         : "the broker's answer to a lookup has no address without TLS");
        return;
    }
    if (hulse_service_url_parse(text, &url, &err) != HULSE_OK || url.host_count != 1) {
        fail_address(out, "the broker's answer to a lookup has an address that is none");
        return;
    }
    if (url.tls != tls && !out->through_service) {
        fail_address(out,
                     tls ? "the broker's answer to a lookup has an address without TLS alone"
                         : "the broker's answer to a lookup has an address for TLS alone");
        return;
    }
    out->broker = url.hosts[0];
}

static void read_lookup(const Pulsar__CommandLookupTopicResponse *r,
                        enum lookup_question asked,
                        bool tls,
                        struct lookup_reply *out)
{
    if (!r->has_response ||
        r->response == PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Failed) {
        fail(out, r->has_error, (int32_t)r->error, r->message);
        return;
    }
    if (asked != LOOKUP_OWNER) {
        return;
    }
    if (r->response == PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Redirect) {
        out->kind = LOOKUP_REPLY_REDIRECT;
    } else if (r->response == PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Connect) {
        out->kind = LOOKUP_REPLY_BROKER;
    } else {
        return;
    }
    out->authoritative = r->has_authoritative && r->authoritative;
    out->through_service = r->has_proxy_through_service_url && r->proxy_through_service_url;
    hulse_lookup_reply_broker(tls ? r->brokerserviceurltls : r->brokerserviceurl, tls, out);
}

static void read_partitions(const Pulsar__CommandPartitionedTopicMetadataResponse *r,
                            enum lookup_question asked,
                            struct lookup_reply *out)
{
    if (!r->has_response ||
        r->response == PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__LOOKUP_TYPE__Failed) {
        fail(out, r->has_error, (int32_t)r->error, r->message);
        return;
    }
    if (asked == LOOKUP_PARTITIONS && r->has_partitions &&
        r->response == PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__LOOKUP_TYPE__Success) {
        out->kind = LOOKUP_REPLY_PARTITIONS;
        out->partitions = r->partitions;
    }
}

void hulse_lookup_reply_read(const Pulsar__BaseCommand *answer,
                             enum lookup_question asked,
                             bool tls,
                             struct lookup_reply *out)
{
    memset(out, 0, sizeof(*out));
    out->kind = LOOKUP_REPLY_NONSENSE;
    switch (answer->type) {
    case PULSAR__BASE_COMMAND__TYPE__LOOKUP_RESPONSE:
        read_lookup(answer->lookuptopicresponse, asked, tls, out);
        break;
    case PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA_RESPONSE:
        read_partitions(answer->partitionmetadataresponse, asked, out);
        break;
    case PULSAR__BASE_COMMAND__TYPE__ERROR:
        fail(out, true, (int32_t)answer->error->error, answer->error->message);
        break;
    default:
        break;
    }
}
