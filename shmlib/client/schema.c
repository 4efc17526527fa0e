/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - which schema a message was written with, and what that is.
 *
 * Threads: the consumer's; the daemon is asked under the session lock.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/ring/tlv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two headers say them. NOLINTBEGIN(misc-redundant-expression) */
static_assert(HULSE_SCHEMA_VERSION_OWN == HULSE_SCHEMA_OWN &&
                  HULSE_SCHEMA_VERSION_NEWEST == HULSE_SCHEMA_NEWEST,
              "one numbering");
/* NOLINTEND(misc-redundant-expression) */

/* More would be no schema. */
#define BYTES_MAX (64U << 20U)
#define PROPERTY_HEADER_BYTES 4U

hulse_status hulse_message_schema_version(const struct hulse_message *m, uint64_t *version)
{
    struct hulse_tlv t;
    size_t at = 0;

    if (m == NULL || version == NULL || (m->meta == NULL && m->meta_bytes != 0)) {
        return HULSE_INVAL;
    }
    while (hulse_tlv_next(m->meta, m->meta_bytes, &at, &t) > 0) {
        if (t.tag == HULSE_TAG_SCHEMA_VERSION) {
            *version = hulse_tlv_number(&t);
            return HULSE_OK;
        }
    }
    return HULSE_AGAIN;
}

static hulse_status read_all(int fd, char *to, size_t bytes)
{
    size_t at = 0;

    while (at < bytes) {
        const ssize_t got = pread(fd, to + at, bytes - at, (off_t)at);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return HULSE_PROTOCOL;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return HULSE_OK;
}

/* The next one, at *at; false: none is left, or what is left is none. */
static bool next_property(const char **at, const char *end, struct hulse_property *out)
{
    uint16_t lengths[2];

    if ((size_t)(end - *at) < PROPERTY_HEADER_BYTES) {
        return false;
    }
    memcpy(lengths, *at, sizeof(lengths));
    const size_t body = (size_t)lengths[0] + lengths[1];
    if (body > (size_t)(end - *at) - PROPERTY_HEADER_BYTES) {
        return false;
    }
    out->name = *at + PROPERTY_HEADER_BYTES;
    out->name_bytes = lengths[0];
    out->value = out->name + lengths[0];
    out->value_bytes = lengths[1];
    *at = out->value + lengths[1];
    return true;
}

/* One block: the struct, the properties, the type with its zero, the definition, the properties' bytes. */
static hulse_status
make(struct hulse_session *s, const struct hulse_ctl_schema *m, struct hulse_schema **out)
{
    const size_t properties_max = m->properties_bytes / PROPERTY_HEADER_BYTES;
    const size_t bytes = (size_t)m->definition_bytes + m->properties_bytes;
    struct hulse_schema *schema = NULL;

    if (bytes > BYTES_MAX) {
        return hulse_session_fault(s, HULSE_PROTOCOL, "a schema of more than 64 MiB");
    }
    schema = calloc(1,
                    sizeof(*schema) + properties_max * sizeof(struct hulse_property) + m->type_len +
                        1 + bytes);
    if (schema == NULL) {
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a schema");
    }
    struct hulse_property *properties = (struct hulse_property *)(schema + 1);
    char *type = (char *)(properties + properties_max);
    char *text = type + m->type_len + 1;
    memcpy(type, s->io.bytes + sizeof(*m), m->type_len);
    const hulse_status st = read_all(s->io.fds[0], text, bytes);
    if (st != HULSE_OK) {
        free(schema);
        return hulse_session_fault(s, st, "a schema that is shorter than it says");
    }
    const char *at = text + m->definition_bytes;
    const char *end = text + bytes;
    *schema = (struct hulse_schema){.size = sizeof(*schema),
                                    .version = m->version,
                                    .type = type,
                                    .definition = text,
                                    .definition_bytes = m->definition_bytes,
                                    .properties = properties};
    while (next_property(&at, end, &properties[schema->property_count])) {
        schema->property_count += 1;
    }
    *out = schema;
    return HULSE_OK;
}

/* `m` but for its handle, which may be another one with each daemon. */
static hulse_status ask(hulse_consumer *c,
                        struct hulse_ctl_get_schema m,
                        struct hulse_deadline deadline,
                        struct hulse_schema **out)
{
    struct hulse_session *s = c->handle.channel->session;
    struct hulse_ctl_schema answer;
    hulse_status st = HULSE_OK;

    (void)pthread_mutex_lock(&s->lock);
    m.handle = c->handle.number;
    /* An older one answers for the only topic, and refuses several. */
    m.of_source = s->topic_schemas ? m.of_source : 0;
    if (!s->schemas) {
        st = hulse_session_fault(s, HULSE_UNSUPPORTED, "this hulsed is older: it tells no schemas");
    } else {
        hulse_packet_begin(&s->io, HULSE_CTL_GET_SCHEMA, 0, &m);
        st = hulse_control_call_by(s, HULSE_CTL_SCHEMA, deadline);
    }
    if (st == HULSE_OK) {
        hulse_control_answer(s, &answer, sizeof(answer));
        st = make(s, &answer, out);
        hulse_packet_drop_fds(&s->io);
    }
    if (st != HULSE_OK) {
        (void)hulse_handle_refuse(&c->handle, st, "no schema: hulse_last_error() says why");
    }
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

hulse_status hulse_schema_get_of(hulse_consumer *c,
                                 const struct hulse_id *id,
                                 uint64_t version,
                                 struct hulse_schema **out,
                                 int timeout_ms)
{
    const struct hulse_deadline deadline = hulse_deadline_in(timeout_ms);
    struct hulse_ctl_get_schema m = {.version = version};
    hulse_status st = HULSE_OK;

    if (c == NULL || out == NULL || (id != NULL && id->size < sizeof(*id))) {
        return HULSE_INVAL;
    }
    *out = NULL;
    m.of_source = id == NULL ? 0 : id->source + 1;
    do {
        st = hulse_consumer_await(c, deadline);
        st = st == HULSE_OK ? ask(c, m, deadline, out) : st;
    } while (st == HULSE_ORPHAN && hulse_deadline_left(deadline, 1) > 0);
    return st;
}

hulse_status
hulse_schema_get(hulse_consumer *c, uint64_t version, struct hulse_schema **out, int timeout_ms)
{
    return hulse_schema_get_of(c, NULL, version, out, timeout_ms);
}

void hulse_schema_free(struct hulse_schema **schema)
{
    if (schema != NULL) {
        free(*schema);
        *schema = NULL;
    }
}
