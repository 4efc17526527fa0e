/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - payloads as JSON by the schema that each message was written with, which is asked for once for each version of
 *          each topic.
 *
 * Limits: HULSE_CLI_SCHEMAS_MAX are remembered; the oldest goes first.
 */
#ifndef HULSE_CLI_DECODE_H
#define HULSE_CLI_DECODE_H

#include <hulse/hulse.h>
#include <jansson.h>

#define HULSE_CLI_SCHEMAS_MAX 256
#define HULSE_CLI_UNDECODED_BYTES 384U

struct schema;

/* One that was asked for; constant. */
struct hulse_cli_asked {
    char *topic; /* NULL: no memory for the name, so it is asked for again */
    uint64_t version;
    struct schema *schema;               /* NULL: `why` */
    char why[HULSE_CLI_UNDECODED_BYTES]; /* terminated */
};

struct hulse_cli_decoder {
    hulse_session *session;        /* the consumers' */
    struct hulse_cli_asked *asked; /* made with the first */
    int count;
    int next; /* to be replaced, when all are taken */
};

/* NULL: `why` says why not. */
json_t *hulse_cli_decode(struct hulse_cli_decoder *d,
                         hulse_consumer *c,
                         const struct hulse_message *m,
                         char why[HULSE_CLI_UNDECODED_BYTES]);
void hulse_cli_decode_fini(struct hulse_cli_decoder *d);

#endif
