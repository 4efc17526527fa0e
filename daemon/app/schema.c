/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - GET_SCHEMA: the schema of a version of a consumer's topic, or of one of several, or the one it reads with.
 *
 * What is known already is answered at once; else the broker is asked, by flow, one question of a consumer at a time: the last
 * one. The answer travels in a sealed memfd, since a definition may be larger than a packet.
 */
#include "daemon/app/schema.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/reply.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/flow/schema.h"
#include "daemon/flow/schemas.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool write_all(int fd, struct broker_span span)
{
    uint32_t at = 0;
    while (at < span.bytes) {
        const ssize_t done = write(fd, span.data + at, span.bytes - at);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        at += done > 0 ? (uint32_t)done : 0;
    }
    return true;
}

/* -1: errno says why. */
static int make_file(const struct broker_schema *told)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    /* vm.memfd_noexec=2 refuses memfds without it; kernels before 6.3 do not know it. */
    int fd = memfd_create("hulse-schema", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create("hulse-schema", flags);
    }
    if (fd < 0) {
        return -1;
    }
    if (!write_all(fd, told->definition) || !write_all(fd, told->properties) ||
        fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void
reply(struct session *s, uint32_t request, uint64_t version, const struct broker_schema *told)
{
    const char *type = hulse_flow_schema_type_name(told);
    const struct hulse_ctl_schema m = {.version = version,
                                       .definition_bytes = told->definition.bytes,
                                       .properties_bytes = told->properties.bytes,
                                       .type_len = (uint16_t)strlen(type)};
    struct hulse_packet p;
    const int fd = make_file(told);
    if (fd < 0) {
        hulse_session_reply_error(
            s, request, HULSE_LIMIT, "the daemon has no file for a schema: try again");
        return;
    }
    hulse_packet_begin(&p, HULSE_CTL_SCHEMA, request, &m);
    hulse_packet_append(&p, type, m.type_len);
    p.fds[0] = fd;
    p.fd_count = 1;
    hulse_session_reply(s, &p);
}

static void reply_known(struct session *s, uint32_t request, const struct schema_known *known)
{
    if (known->version == 0) {
        hulse_session_reply_error(s, request, HULSE_NO_TOPIC, known->why);
        return;
    }
    reply(s, request, known->version - 1, &known->told);
}

static void
heard(void *owner, hulse_status status, const char *text, const struct schema_known *known)
{
    struct handle *h = owner;
    struct session *s = h->channel->session;
    if (status == HULSE_OK) {
        reply_known(s, h->schema_request, known);
    } else {
        hulse_session_reply_error(s, h->schema_request, status, text);
    }
    hulse_schema_known_release(&known);
}

/* `version`: counted from 1, 0 = the newest. */
static void ask(struct handle *h, const struct subscriber *of, uint32_t request, uint64_t version)
{
    struct session *s = h->channel->session;
    struct error err = {0};
    const struct schema_known *known = hulse_subscriber_schema(of, version);
    if (known != NULL) {
        reply_known(s, request, known);
        hulse_schema_known_release(&known);
        return;
    }
    if (h->schema_wait != NULL) { /* whoever asks anew waits for the last one no more */
        hulse_session_reply_error(
            s, h->schema_request, HULSE_BUSY, "another schema was asked for meanwhile");
        hulse_schemas_forget(&h->schema_wait);
    }
    h->schema_request = request;
    const hulse_status st =
        hulse_subscriber_ask_schema(of, &h->schema_wait, version, h, heard, &err);
    if (st != HULSE_OK) {
        hulse_session_reply_error(s, request, st, err.text);
    }
}

/* Which of its topics is meant. */
static hulse_status find_topic(const struct handle *h,
                               const struct hulse_ctl_get_schema *m,
                               const struct subscriber **out,
                               struct error *err)
{
    if (m->of_source == 0) {
        *out = hulse_subscriber_only(h->subscriber);
        return *out == NULL
                   ? hulse_fail(err,
                                HULSE_UNSUPPORTED,
                                "of several topics a schema is asked for by a message's id")
                   : HULSE_OK;
    }
    if ((h->channel->session->features & HULSE_FEATURE_TOPIC_SCHEMAS) == 0) {
        return hulse_fail(err, HULSE_INVAL, "a feature that was not agreed on");
    }
    return hulse_subscriber_of_source(h->subscriber, m->of_source - 1, out, err);
}

void hulse_schema_request(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_get_schema m;
    struct broker_schema own;
    const struct subscriber *of = NULL;
    struct error err = {0};
    memcpy(&m, p->bytes, sizeof(m));
    struct handle *h = hulse_handle_find(s, m.handle, s->plane->shared->limits.handles_max);
    if (h == NULL || h->channel->kind != HULSE_CHANNEL_CONSUMER) {
        hulse_session_reply_error(s, m.head.req, HULSE_INVAL, "no such open consumer");
        return;
    }
    if (h->state != HANDLE_OPEN || h->subscriber == NULL) {
        hulse_session_reply_error(s,
                                  m.head.req,
                                  h->attach != NULL ? HULSE_BUSY : HULSE_INVAL,
                                  "the consumer is not open at its broker");
        return;
    }
    const hulse_status st = find_topic(h, &m, &of, &err);
    if (st != HULSE_OK) {
        hulse_session_reply_error(s, m.head.req, st, err.text);
        return;
    }
    if (m.version == HULSE_SCHEMA_OWN) {
        if (hulse_subscriber_own_schema(of, &own) != NULL) {
            reply(s, m.head.req, HULSE_SCHEMA_OWN, &own);
        } else {
            hulse_session_reply_error(
                s, m.head.req, HULSE_NOT_CONFIGURED, "the topic's rule has no consume.schema");
        }
        return;
    }
    if (m.version > INT64_MAX && m.version != HULSE_SCHEMA_NEWEST) {
        hulse_session_reply_error(s, m.head.req, HULSE_INVAL, "no schema has such a version");
        return;
    }
    ask(h, of, m.head.req, m.version == HULSE_SCHEMA_NEWEST ? 0 : m.version + 1);
}
