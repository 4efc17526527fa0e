/* SPDX-License-Identifier: Apache-2.0 */
/* store - `hulse store`: is everything there, and a copy of it. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/pretty.h"
#include "shmlib/cli/say.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reading a log takes as long as it takes: 24 days, as options can say. */
#define PATIENCE_MS (24 * 24 * 3600 * 1000)

static const struct hulse_cli_option options[] = {{0, 0, NULL, HULSE_CLI_NOTHING}};

static int check(struct hulse_cli *cli)
{
    json_t *result = NULL;
    int rc = hulse_cli_admin_ask(cli, HULSE_ADMIN_STORE_CHECK, NULL, &result);

    if (rc == HULSE_CLI_OK) {
        hulse_cli_print(cli, result);
        if (!json_is_true(json_object_get(result, "good"))) {
            hulse_cli_error("the store is damaged");
            rc = HULSE_CLI_BAD_DATA;
        }
        json_decref(result);
    }
    return rc;
}

/* The daemon has a working directory of its own. */
static bool absolute(const char *path, char out[PATH_MAX])
{
    char here[PATH_MAX];
    int bytes = 0;

    if (path[0] == '/') {
        bytes = snprintf(out, PATH_MAX, "%s", path);
    } else if (getcwd(here, sizeof(here)) != NULL) {
        bytes = snprintf(out, PATH_MAX, "%s/%s", here, path);
    }
    return bytes > 0 && bytes < PATH_MAX;
}

static int backup(struct hulse_cli *cli, const char *directory)
{
    char path[PATH_MAX];
    json_t *result = NULL;

    if (directory[0] == '\0' || !absolute(directory, path)) {
        return hulse_cli_usage("store", "backup: the path is empty or too long");
    }
    json_t *members = json_object();
    if (json_object_set_new(members, "directory", json_string(path)) != 0) {
        json_decref(members);
        return hulse_cli_usage("store", "the argument is not UTF-8");
    }
    const int rc = hulse_cli_admin_ask(cli, HULSE_ADMIN_STORE_BACKUP, members, &result);
    if (rc == HULSE_CLI_OK) {
        hulse_cli_print(cli, result);
        json_decref(result);
    }
    return rc;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    if (hulse_cli_args_next(&args) != HULSE_CLI_ARGS_END) {
        return HULSE_CLI_USAGE;
    }
    if (cli->help) {
        return HULSE_CLI_OK;
    }
    const int place =
        args.operand_count == 0 ? -1 : hulse_cli_word_index(HULSE_CLI_STORE_VERB, args.argv[0]);
    if (place < 0) {
        return hulse_cli_usage("store", "check or backup is expected");
    }
    cli->files = true;
    if (cli->timeout_ms < 0) {
        cli->timeout_ms = PATIENCE_MS;
    }
    if (place == HULSE_CLI_WORD_CHECK) {
        return args.operand_count == 1 ? check(cli)
                                       : hulse_cli_usage("store", "check takes no directory");
    }
    return args.operand_count == 2 ? backup(cli, args.argv[1])
                                   : hulse_cli_usage("store", "backup: into which directory?");
}

const struct hulse_cli_command hulse_cli_store = {
    .name = "store",
    .summary = "check the daemon's store, or copy it",
    .help =
        "hulse store check\n"
        "hulse store backup DIR\n"
        "\n"
        "Looks after the directory in which the daemon keeps persistent topics, while it runs.\n"
        "\n"
        "check reads the whole log, verifies every record, and asks for each message that a\n"
        "subscription has not acknowledged whether it is there.\n"
        "\n"
        "backup makes a copy in DIR, which is made or has to be empty and is the daemon's to\n"
        "write in, and not in the store itself. It has everything that was stored when the\n"
        "command began, and opens as a store; one that was interrupted does not. Publishing\n"
        "goes on meanwhile.\n"
        "\n"
        "For a stopped daemon: hulsed --store check DIR, hulsed --store backup DIR TO.\n"
        "\n"
        "Exit: 0; 64 usage; 65 something is damaged; 69 no daemon, it has no store, or another "
        "one\n"
        "is under way; 74 input/output, or DIR is not empty or in the store; 75 not done within\n"
        "--timeout (no limit); 77 no permission.\n",
    .options = options,
    .first = HULSE_CLI_STORE_VERB,
    .rest = HULSE_CLI_FILE,
    .run = run,
};
