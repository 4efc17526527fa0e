/* SPDX-License-Identifier: Apache-2.0 */
/* kind - what may stand where (contract in kind.h). */
#include "shmlib/cli/kind.h"

#include <stddef.h>
#include <string.h>

#define WORDS_MAX 9 /* of one kind, the NULL included */

static const struct {
    const char *name;
    const char *words[WORDS_MAX];
} kinds[] = {
    [HULSE_CLI_NOTHING] = {"nothing", {NULL}},
    [HULSE_CLI_TEXT] = {"text", {NULL}},
    [HULSE_CLI_FILE] = {"file", {NULL}},
    [HULSE_CLI_TOPIC] = {"topic", {NULL}},
    [HULSE_CLI_COMMAND] = {"command", {NULL}},
    [HULSE_CLI_TYPE] = {"type", {"exclusive", "shared", "failover", "key_shared", NULL}},
    [HULSE_CLI_FROM] = {"from", {"earliest", "latest", NULL}},
    [HULSE_CLI_FORMAT] = {"format", {"raw", "json", NULL}},
    [HULSE_CLI_WAIT] = {"wait", {"stored", "accepted", NULL}},
    [HULSE_CLI_ACCESS] =
        {"access", {"shared", "exclusive", "wait-for-exclusive", "exclusive-with-fencing", NULL}},
    [HULSE_CLI_TOPICS_VERB] = {"verb", {"list", "create", "delete", "stats", "unload", NULL}},
    [HULSE_CLI_SUBS_VERB] = {"verb", {"list", "stats", "seek", "skip", "delete", NULL}},
    [HULSE_CLI_STORE_VERB] = {"verb", {"check", "backup", NULL}},
    [HULSE_CLI_SCHEMA_VERB] = {"verb", {"check", "list", "get", "put", NULL}},
    [HULSE_CLI_SCHEMA_TYPE] = {"schema_type", {"AVRO", "JSON", "STRING", "BYTES", NULL}},
    [HULSE_CLI_STRATEGY] = {"strategy",
                            {"BACKWARD",
                             "FORWARD",
                             "FULL",
                             "BACKWARD_TRANSITIVE",
                             "FORWARD_TRANSITIVE",
                             "FULL_TRANSITIVE",
                             "ALWAYS_COMPATIBLE",
                             "ALWAYS_INCOMPATIBLE",
                             NULL}},
    [HULSE_CLI_SHELL] = {"shell", {"bash", "zsh", NULL}},
};

const char *const *hulse_cli_words(enum hulse_cli_kind kind)
{
    return kinds[kind].words[0] == NULL ? NULL : kinds[kind].words;
}

int hulse_cli_word_index(enum hulse_cli_kind kind, const char *text)
{
    for (int i = 0; kinds[kind].words[i] != NULL; i++) {
        if (strcmp(kinds[kind].words[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

const char *hulse_cli_kind_name(enum hulse_cli_kind kind)
{
    return kinds[kind].name;
}
