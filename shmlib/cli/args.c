/* SPDX-License-Identifier: Apache-2.0 */
/* args - options and operands (contract in args.h). */
#include "shmlib/cli/args.h"

#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

#include <string.h>

enum { ID_SOCKET = 1000, ID_ADMIN_SOCKET, ID_TIMEOUT, ID_JSON, ID_QUIET, ID_HELP };

const struct hulse_cli_option hulse_cli_global_options[] = {
    {ID_SOCKET, 0, "socket", HULSE_CLI_FILE},
    {ID_ADMIN_SOCKET, 0, "admin-socket", HULSE_CLI_FILE},
    {ID_TIMEOUT, 0, "timeout", HULSE_CLI_TEXT},
    {ID_JSON, 0, "json", HULSE_CLI_NOTHING},
    {ID_QUIET, 0, "quiet", HULSE_CLI_NOTHING},
    {ID_HELP, 'h', "help", HULSE_CLI_NOTHING},
    {0, 0, NULL, HULSE_CLI_NOTHING},
};

const struct hulse_cli_option hulse_cli_first_options[] = {
    {HULSE_CLI_OPTION_VERSION, 'V', "version", HULSE_CLI_NOTHING},
    {0, 0, NULL, HULSE_CLI_NOTHING},
};

void hulse_cli_args_init(struct hulse_cli_args *a,
                         struct hulse_cli *cli,
                         const struct hulse_cli_option *known,
                         int argc,
                         char **argv)
{
    *a = (struct hulse_cli_args){.cli = cli,
                                 .command = argc > 0 ? argv[0] : NULL,
                                 .known = known,
                                 .argc = argc,
                                 .argv = argv,
                                 .at = 1};
}

static const struct hulse_cli_option *
find_long(const struct hulse_cli_option *set, const char *name, size_t bytes)
{
    for (; set->id != 0; set++) {
        if (set->name != NULL && strlen(set->name) == bytes &&
            memcmp(set->name, name, bytes) == 0) {
            return set;
        }
    }
    return NULL;
}

static const struct hulse_cli_option *find_letter(const struct hulse_cli_option *set, char letter)
{
    for (; set->id != 0; set++) {
        if (set->letter == letter) {
            return set;
        }
    }
    return NULL;
}

static int bad(const struct hulse_cli_args *a, const char *text, const char *word)
{
    (void)hulse_cli_usage(a->command, "%s: %s", word, text);
    return HULSE_CLI_ARGS_BAD;
}

/* An option has been met; `rest` is its value in the same word, or NULL. */
static int
take(struct hulse_cli_args *a, const struct hulse_cli_option *o, const char *word, const char *rest)
{
    a->value = NULL;
    if (o->value == HULSE_CLI_NOTHING) {
        return rest == NULL ? o->id : bad(a, "takes no value", word);
    }
    if (rest == NULL) {
        if (a->at >= a->argc) {
            return bad(a, "needs a value", word);
        }
        rest = a->argv[a->at];
        a->at++;
    }
    a->value = rest;
    return o->id;
}

static int take_long(struct hulse_cli_args *a, const char *word)
{
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    const size_t bytes = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct hulse_cli_option *o = find_long(a->known, name, bytes);

    if (o == NULL) {
        o = find_long(hulse_cli_global_options, name, bytes);
    }
    if (o == NULL) {
        return bad(a, "no such option", word);
    }
    return take(a, o, word, equals == NULL ? NULL : equals + 1);
}

static int take_letter(struct hulse_cli_args *a, const char *letters)
{
    const char shown[3] = {'-', letters[0], '\0'};
    const struct hulse_cli_option *o = find_letter(a->known, letters[0]);

    if (o == NULL) {
        o = find_letter(hulse_cli_global_options, letters[0]);
    }
    if (o == NULL) {
        a->bundled = NULL;
        return bad(a, "no such option", shown);
    }
    if (o->value != HULSE_CLI_NOTHING) {
        a->bundled = NULL;
        return take(a, o, shown, letters[1] == '\0' ? NULL : letters + 1);
    }
    a->bundled = letters[1] == '\0' ? NULL : letters + 1;
    return take(a, o, shown, NULL);
}

/* The next option, global ones included; operands are moved to the front on the way. */
static int next_raw(struct hulse_cli_args *a)
{
    if (a->bundled != NULL) {
        return take_letter(a, a->bundled);
    }
    while (a->at < a->argc) {
        char *word = a->argv[a->at];
        const bool operand = a->literal || word[0] != '-' || word[1] == '\0';
        if (operand && a->stop_at_operand) {
            return HULSE_CLI_ARGS_END;
        }
        a->at++;
        if (operand) {
            a->argv[a->operand_count] = word;
            a->operand_count++;
        } else if (strcmp(word, "--") == 0) {
            a->literal = true;
        } else if (word[1] == '-') {
            return take_long(a, word);
        } else {
            return take_letter(a, word + 1);
        }
    }
    return HULSE_CLI_ARGS_END;
}

static bool take_global(struct hulse_cli_args *a, int id)
{
    struct hulse_cli *cli = a->cli;

    switch (id) {
    case ID_SOCKET:
        cli->socket = a->value;
        return true;
    case ID_ADMIN_SOCKET:
        cli->admin_socket = a->value;
        return true;
    case ID_TIMEOUT:
        if (!hulse_cli_value_duration(a->value, &cli->timeout_ms)) {
            (void)hulse_cli_usage(
                a->command, "--timeout %s: not a duration such as 250ms, 30s, 5m", a->value);
            return false;
        }
        return true;
    case ID_JSON:
        cli->json = true;
        return true;
    case ID_QUIET:
        cli->quiet = true;
        return true;
    default:
        cli->help = true;
        return true;
    }
}

int hulse_cli_args_next(struct hulse_cli_args *a)
{
    for (;;) {
        const int id = next_raw(a);
        if (id < ID_SOCKET) {
            return id;
        }
        if (!take_global(a, id)) {
            return HULSE_CLI_ARGS_BAD;
        }
    }
}

int hulse_cli_args_each(struct hulse_cli_args *a,
                        int (*set)(void *ctx, int id, const char *value),
                        void *ctx)
{
    int id = 0;

    while ((id = hulse_cli_args_next(a)) > HULSE_CLI_ARGS_END) {
        const int rc = set(ctx, id, a->value);
        if (rc != HULSE_CLI_OK) {
            return rc;
        }
    }
    return id == HULSE_CLI_ARGS_BAD ? HULSE_CLI_USAGE : HULSE_CLI_OK;
}

bool hulse_cli_args_alone(const struct hulse_cli_args *a, int last, int *rc)
{
    if (last != HULSE_CLI_ARGS_END) {
        *rc = HULSE_CLI_USAGE;
        return false;
    }
    if (a->cli->help) {
        *rc = HULSE_CLI_OK;
        return false;
    }
    if (a->operand_count > 0) {
        *rc = hulse_cli_usage(a->command, "%s: no argument is expected", a->argv[0]);
        return false;
    }
    return true;
}
