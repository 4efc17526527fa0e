/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kind - what may stand as an operand or as the value of an option.
 *
 * Commands check against these words and completion offers them, so that they stand once.
 */
#ifndef HULSE_CLI_KIND_H
#define HULSE_CLI_KIND_H

enum hulse_cli_kind {
    HULSE_CLI_NOTHING = 0, /* no operand; an option without a value */
    HULSE_CLI_TEXT,        /* anything */
    HULSE_CLI_FILE,
    HULSE_CLI_TOPIC,
    HULSE_CLI_COMMAND, /* of the table in cli.h */
    /* One of the words of hulse_cli_words(). */
    HULSE_CLI_TYPE,
    HULSE_CLI_FROM,
    HULSE_CLI_FORMAT,
    HULSE_CLI_WAIT,
    HULSE_CLI_ACCESS, /* in the order of enum hulse_access */
    HULSE_CLI_TOPICS_VERB,
    HULSE_CLI_SUBS_VERB,
    HULSE_CLI_STORE_VERB,
    HULSE_CLI_SCHEMA_VERB,
    HULSE_CLI_SCHEMA_TYPE,
    HULSE_CLI_STRATEGY,
    HULSE_CLI_SHELL
};

/* Places in the lists of words. */
enum {
    HULSE_CLI_WORD_EXCLUSIVE,
    HULSE_CLI_WORD_SHARED,
    HULSE_CLI_WORD_FAILOVER,
    HULSE_CLI_WORD_KEY_SHARED
};
enum { HULSE_CLI_WORD_EARLIEST, HULSE_CLI_WORD_LATEST };
enum { HULSE_CLI_WORD_RAW, HULSE_CLI_WORD_JSON };
enum { HULSE_CLI_WORD_STORED, HULSE_CLI_WORD_ACCEPTED };
enum {
    HULSE_CLI_WORD_LIST,
    HULSE_CLI_WORD_CREATE,
    HULSE_CLI_WORD_DELETE,
    HULSE_CLI_WORD_STATS,
    HULSE_CLI_WORD_UNLOAD
};
enum {
    HULSE_CLI_WORD_SUBS_LIST,
    HULSE_CLI_WORD_SUBS_STATS,
    HULSE_CLI_WORD_SUBS_SEEK,
    HULSE_CLI_WORD_SUBS_SKIP,
    HULSE_CLI_WORD_SUBS_DELETE
};
enum { HULSE_CLI_WORD_CHECK, HULSE_CLI_WORD_BACKUP };
enum { HULSE_CLI_WORD_BASH, HULSE_CLI_WORD_ZSH };

enum {
    HULSE_CLI_WORD_SCHEMA_CHECK,
    HULSE_CLI_WORD_SCHEMA_LIST,
    HULSE_CLI_WORD_SCHEMA_GET,
    HULSE_CLI_WORD_SCHEMA_PUT
};

/* The words of a kind, ending with NULL; NULL for a kind without. Static. */
const char *const *hulse_cli_words(enum hulse_cli_kind kind);
/* The place of a word among them, or -1. */
int hulse_cli_word_index(enum hulse_cli_kind kind, const char *text);
/* "text", "file", "topic", ...: the kind's name in `hulse help --json`; static. */
const char *hulse_cli_kind_name(enum hulse_cli_kind kind);

#endif
