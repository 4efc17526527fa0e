/* SPDX-License-Identifier: Apache-2.0 */
/* decode - payloads as JSON (contract in decode.h). */
#include "shmlib/cli/decode.h"

#include "daemon/schema/decode.h"
#include "shmlib/cli/connect.h"
#include "shmlib/cli/stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_TIMEOUT_MS 30000
#define BUSY_NAP_NS 20000000L
#define PROPERTY_HEADER_BYTES 4U

/* As daemon/schema has them; free() it. NULL: no memory. */
static char *encode_properties(const struct hulse_schema *s, size_t *bytes)
{
    size_t at = 0;

    *bytes = 0;
    for (size_t i = 0; i < s->property_count; i++) {
        *bytes +=
            PROPERTY_HEADER_BYTES + s->properties[i].name_bytes + s->properties[i].value_bytes;
    }
    char *out = malloc(*bytes + 1);
    for (size_t i = 0; out != NULL && i < s->property_count; i++) {
        const struct hulse_property *p = &s->properties[i];
        const uint16_t lengths[2] = {(uint16_t)p->name_bytes, (uint16_t)p->value_bytes};
        memcpy(out + at, lengths, sizeof(lengths));
        memcpy(out + at + sizeof(lengths), p->name, p->name_bytes);
        memcpy(out + at + sizeof(lengths) + p->name_bytes, p->value, p->value_bytes);
        at += PROPERTY_HEADER_BYTES + p->name_bytes + p->value_bytes;
    }
    return out;
}

static void make(struct hulse_cli_asked *a, const struct hulse_schema *told)
{
    struct schema_definition d = {.text = told->definition, .bytes = told->definition_bytes};
    struct error err = {0};
    char *properties = encode_properties(told, &d.properties_bytes);

    d.properties = properties;
    if (properties == NULL) {
        (void)snprintf(a->why, sizeof(a->why), "no memory");
    } else if (!hulse_schema_type_find(told->type, &d.type)) {
        (void)snprintf(a->why, sizeof(a->why), "a schema of type %.32s", told->type);
    } else if (hulse_schema_create(&a->schema, &d, &err) != HULSE_OK) {
        (void)snprintf(a->why, sizeof(a->why), "the schema cannot be read: %.255s", err.text);
    }
    free(properties);
}

/* BUSY: the topic is being opened again, or an answer is waited for that is not wanted any more. */
static hulse_status
get(hulse_consumer *c, const struct hulse_message *m, uint64_t version, struct hulse_schema **told)
{
    const struct hulse_cli_deadline until = hulse_cli_deadline_in(ASK_TIMEOUT_MS);
    hulse_status st = hulse_schema_get_of(c, &m->id, version, told, ASK_TIMEOUT_MS);

    while (st == HULSE_BUSY && !hulse_cli_stop_requested() && !hulse_cli_deadline_passed(until)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = BUSY_NAP_NS}, NULL);
        st = hulse_schema_get_of(c, &m->id, version, told, ASK_TIMEOUT_MS);
    }
    return st;
}

static void ask(struct hulse_cli_asked *a,
                const hulse_session *s,
                hulse_consumer *c,
                const struct hulse_message *m,
                uint64_t version)
{
    struct hulse_schema *told = NULL;
    const hulse_status st = get(c, m, version, &told);

    *a = (struct hulse_cli_asked){.topic = strdup(m->topic), .version = version};
    if (st == HULSE_OK) {
        make(a, told);
    } else {
        (void)snprintf(
            a->why, sizeof(a->why), "its schema is not told: %.300s", hulse_last_error(s));
    }
    hulse_schema_free(&told);
}

static void forget(struct hulse_cli_asked *a)
{
    hulse_schema_destroy(&a->schema);
    free(a->topic);
}

/* NULL: no memory. */
static const struct hulse_cli_asked *schema_of(struct hulse_cli_decoder *d,
                                               hulse_consumer *c,
                                               const struct hulse_message *m,
                                               uint64_t version)
{
    if (d->asked == NULL) {
        d->asked = calloc(HULSE_CLI_SCHEMAS_MAX, sizeof(*d->asked));
    }
    if (d->asked == NULL) {
        return NULL;
    }
    for (int i = 0; i < d->count; i++) {
        const struct hulse_cli_asked *have = &d->asked[i];
        if (have->version == version && have->topic != NULL && strcmp(have->topic, m->topic) == 0) {
            return have;
        }
    }
    struct hulse_cli_asked *a = &d->asked[d->next];
    if (d->next == d->count) {
        d->count += 1;
    }
    d->next = (d->next + 1) % HULSE_CLI_SCHEMAS_MAX;
    forget(a);
    ask(a, d->session, c, m, version);
    return a;
}

json_t *hulse_cli_decode(struct hulse_cli_decoder *d,
                         hulse_consumer *c,
                         const struct hulse_message *m,
                         char why[HULSE_CLI_UNDECODED_BYTES])
{
    const struct schema_bytes payload = {m->data, m->data_bytes};
    const struct schema_bytes key = {m->key, m->key_bytes};
    struct schema_fault fault = {.why = NULL};
    uint64_t version = HULSE_SCHEMA_VERSION_OWN;

    if ((m->flags & HULSE_MESSAGE_OWN_SCHEMA) == 0 &&
        hulse_message_schema_version(m, &version) != HULSE_OK) {
        (void)snprintf(why, HULSE_CLI_UNDECODED_BYTES, "it was written without a schema");
        return NULL;
    }
    const struct hulse_cli_asked *a = schema_of(d, c, m, version);
    if (a == NULL || a->schema == NULL) {
        (void)snprintf(why, HULSE_CLI_UNDECODED_BYTES, "%s", a == NULL ? "no memory" : a->why);
        return NULL;
    }
    json_t *value = hulse_schema_decode(a->schema, payload, key, &fault);
    if (value == NULL) {
        (void)snprintf(why,
                       HULSE_CLI_UNDECODED_BYTES,
                       "%s%s%s",
                       fault.path,
                       fault.path[0] == '\0' ? "" : ": ",
                       fault.why == NULL ? "no memory" : fault.why);
    }
    return value;
}

void hulse_cli_decode_fini(struct hulse_cli_decoder *d)
{
    for (int i = 0; i < d->count; i++) {
        forget(&d->asked[i]);
    }
    free(d->asked);
    *d = (struct hulse_cli_decoder){0};
}
