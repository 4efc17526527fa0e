/* SPDX-License-Identifier: Apache-2.0 */
/* decode - payloads as JSON (contract in decode.h). */
#include "shmlib/cli/decode.h"

#include "daemon/schema/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_TIMEOUT_MS 30000
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

static void
ask(struct hulse_cli_asked *a, const hulse_session *s, hulse_consumer *c, uint64_t version)
{
    struct hulse_schema *told = NULL;
    const hulse_status st = hulse_schema_get(c, version, &told, ASK_TIMEOUT_MS);

    *a = (struct hulse_cli_asked){.consumer = c, .version = version};
    if (st == HULSE_OK) {
        make(a, told);
    } else {
        (void)snprintf(
            a->why, sizeof(a->why), "its schema is not told: %.300s", hulse_last_error(s));
    }
    hulse_schema_free(&told);
}

/* NULL: no memory. */
static const struct hulse_cli_asked *
schema_of(struct hulse_cli_decoder *d, hulse_consumer *c, uint64_t version)
{
    if (d->asked == NULL) {
        d->asked = calloc(HULSE_CLI_SCHEMAS_MAX, sizeof(*d->asked));
    }
    if (d->asked == NULL) {
        return NULL;
    }
    for (int i = 0; i < d->count; i++) {
        if (d->asked[i].consumer == c && d->asked[i].version == version) {
            return &d->asked[i];
        }
    }
    struct hulse_cli_asked *a = &d->asked[d->next];
    if (d->next == d->count) {
        d->count += 1;
    }
    d->next = (d->next + 1) % HULSE_CLI_SCHEMAS_MAX;
    hulse_schema_destroy(&a->schema);
    ask(a, d->session, c, version);
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
    const struct hulse_cli_asked *a = schema_of(d, c, version);
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

void hulse_cli_decode_forget(struct hulse_cli_decoder *d, const hulse_consumer *c)
{
    for (int i = 0; i < d->count; i++) {
        if (d->asked[i].consumer == c) {
            d->asked[i].consumer = NULL;
        }
    }
}

void hulse_cli_decode_fini(struct hulse_cli_decoder *d)
{
    for (int i = 0; i < d->count; i++) {
        hulse_schema_destroy(&d->asked[i].schema);
    }
    free(d->asked);
    *d = (struct hulse_cli_decoder){0};
}
