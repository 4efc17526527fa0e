/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - one message as JSON: an object of `pub --json-lines` in, a line of `sub` out.
 *
 * Trust:  input lines and payloads are foreign bytes.
 * Limits: properties of one message <= HULSE_CLI_PROPERTIES_MAX.
 */
#ifndef HULSE_CLI_MESSAGE_H
#define HULSE_CLI_MESSAGE_H

#include <hulse/hulse.h>
#include <jansson.h>
#include <stdbool.h>

#define HULSE_CLI_PROPERTIES_MAX 1024U
#define HULSE_CLI_WHY_BYTES 256U
/* "ledger:entry:partition:batch" and a zero. */
#define HULSE_CLI_ID_BYTES 64U

/* A message to publish. `data` and everything in `meta` borrow from `json` and `decoded`. */
struct hulse_cli_message {
    const void *data;
    size_t data_bytes;
    struct hulse_meta meta;
    struct hulse_property properties[HULSE_CLI_PROPERTIES_MAX];
    json_t *json;
    void *decoded;
};

/*
 * Reads {"payload" or "payload_base64", "key", "properties", "event_time_ms", "deliver_after_ms"}.
 * A string payload travels as its UTF-8 bytes, any other JSON value as its compact text. What the
 * object leaves out stays as *defaults says. False with `why` written.
 */
bool hulse_cli_message_read(struct hulse_cli_message *m,
                            const struct hulse_meta *defaults,
                            const char *line,
                            size_t bytes,
                            char why[HULSE_CLI_WHY_BYTES]);
void hulse_cli_message_fini(struct hulse_cli_message *m);

/*
 * A delivered message as an object in the order of the contract; NULL without memory. `decoded`: in the place of the
 * payload, its reference is taken; NULL: none.
 */
json_t *hulse_cli_message_json(const struct hulse_message *m, json_t *decoded);
/* "ledger:entry:partition:batch"; "-" for a message without an id. */
void hulse_cli_message_id(const struct hulse_id *id, char out[HULSE_CLI_ID_BYTES]);

#endif
