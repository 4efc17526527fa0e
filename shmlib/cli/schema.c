/* SPDX-License-Identifier: Apache-2.0 */
/* schema - `hulse schema`: is a definition one, does it fit those before it, does a payload fit it. */
#include "daemon/schema/compatibility.h"
#include "daemon/schema/source.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (8U << 20U)
#define SCHEMAS_MAX 256

enum { OPT_STRATEGY = 1, OPT_TYPE, OPT_PAYLOAD };

static const struct hulse_cli_option options[] = {{OPT_STRATEGY, 0, "strategy", HULSE_CLI_STRATEGY},
                                                  {OPT_TYPE, 0, "type", HULSE_CLI_SCHEMA_TYPE},
                                                  {OPT_PAYLOAD, 0, "payload", HULSE_CLI_FILE},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

struct question {
    enum schema_strategy strategy;
    enum schema_type type;
    const char *payload; /* a file, or NULL */
    struct schema *schemas[SCHEMAS_MAX];
    int count;
};

/* A whole file, terminated; free() it. */
struct content {
    char *text;
    size_t bytes;
};

static int read_all(int fd, struct content *out)
{
    for (;;) {
        const ssize_t n = read(fd, out->text + out->bytes, FILE_BYTES_MAX + 1 - out->bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        out->bytes += (size_t)n;
        if (n == 0 || out->bytes > FILE_BYTES_MAX) {
            out->text[out->bytes] = '\0';
            return out->bytes > FILE_BYTES_MAX ? EFBIG : 0;
        }
    }
}

static int read_file(const char *path, struct content *out)
{
    *out = (struct content){.text = malloc(FILE_BYTES_MAX + 2)};
    const int fd = out->text == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : read_all(fd, out);

    if (fd >= 0) {
        (void)close(fd);
    }
    if (error != 0) {
        free(out->text);
        out->text = NULL;
        hulse_cli_error("%s: %s", path, strerrordesc_np(error));
        return HULSE_CLI_IO;
    }
    return HULSE_CLI_OK;
}

static int read_schema(struct question *q, const char *path)
{
    struct content file;
    struct error err = {0};
    const int rc = read_file(path, &file);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    const struct schema_definition d = {.type = q->type, .text = file.text, .bytes = file.bytes};
    const hulse_status status = hulse_schema_create_from(&q->schemas[q->count], &d, &err);
    free(file.text);
    if (status != HULSE_OK) {
        hulse_cli_error("%s: %s", path, err.text);
        return HULSE_CLI_BAD_DATA;
    }
    q->count++;
    return HULSE_CLI_OK;
}

/* Says the verdict; with --json an object with it, why not and where. */
static int answer(struct hulse_cli *cli, bool good, const char *path, const char *why)
{
    if (cli->json) {
        json_t *object = json_pack("{s:b}", "good", good ? 1 : 0);
        if (!good) {
            (void)json_object_set_new(object, "why", json_string(why));
        }
        if (path != NULL) {
            (void)json_object_set_new(object, "path", json_string(path));
        }
        (void)hulse_cli_out_json(&cli->out, object, JSON_COMPACT);
        json_decref(object);
    } else if (!good) {
        hulse_cli_error(
            "%s%s%s", path == NULL ? "" : path, path == NULL || *path == '\0' ? "" : ": ", why);
    }
    return good ? HULSE_CLI_OK : HULSE_CLI_BAD_DATA;
}

static int check_payload(struct hulse_cli *cli, const struct question *q)
{
    struct content file;
    struct schema_fault fault;
    int rc = read_file(q->payload, &file);

    if (rc == HULSE_CLI_OK) {
        const struct schema *s = q->schemas[q->count - 1];
        const bool good = hulse_schema_check(s, (const uint8_t *)file.text, file.bytes, &fault);
        rc = answer(cli, good, good ? NULL : fault.path, good ? NULL : fault.why);
        free(file.text);
    }
    return rc;
}

static int check(struct hulse_cli *cli, struct question *q)
{
    struct error err = {0};
    const struct schema *fresh = q->schemas[q->count - 1];
    const struct schema *const *old = (const struct schema *const *)q->schemas;

    const hulse_status status =
        hulse_schema_compatible(q->strategy, old, (size_t)q->count - 1, fresh, &err);
    if (status != HULSE_OK || q->payload == NULL) {
        return answer(cli, status == HULSE_OK, NULL, err.text);
    }
    return check_payload(cli, q);
}

static int set_option(void *ctx, int id, const char *value)
{
    struct question *q = ctx;

    if (id == OPT_PAYLOAD) {
        q->payload = value;
    } else if (id == OPT_STRATEGY && !hulse_schema_strategy_find(value, &q->strategy)) {
        return hulse_cli_usage("schema", "--strategy %s: there is none of that name", value);
    } else if (id == OPT_TYPE && !hulse_schema_type_find(value, &q->type)) {
        return hulse_cli_usage("schema", "--type %s: there is none of that name", value);
    }
    return HULSE_CLI_OK;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    struct question q = {.strategy = SCHEMA_FULL, .type = SCHEMA_AVRO};

    hulse_cli_args_init(&args, cli, options, argc, argv);
    int rc = hulse_cli_args_each(&args, set_option, &q);
    if (rc != HULSE_CLI_OK || cli->help) {
        return rc;
    }
    if (args.operand_count == 0 || hulse_cli_word_index(HULSE_CLI_SCHEMA_VERB, args.argv[0]) < 0) {
        return hulse_cli_usage("schema", "check is expected");
    }
    if (args.operand_count < 2 || args.operand_count > 1 + SCHEMAS_MAX) {
        return hulse_cli_usage("schema", "check: 1 to %d files are expected", SCHEMAS_MAX);
    }
    for (int i = 1; rc == HULSE_CLI_OK && i < args.operand_count; i++) {
        rc = read_schema(&q, args.argv[i]);
    }
    if (rc == HULSE_CLI_OK) {
        rc = check(cli, &q);
    }
    for (int i = 0; i < q.count; i++) {
        hulse_schema_destroy(&q.schemas[i]);
    }
    return rc;
}

const struct hulse_cli_command hulse_cli_schema = {
    .name = "schema",
    .summary = "check schemas before a broker is asked",
    .help =
        "hulse schema check [OLD...] NEW [--strategy S] [--type T] [--payload FILE]\n"
        "\n"
        "Reads definitions of schemas from files and says whether a topic that has the old ones,\n"
        "the oldest first, may get the new one: the verdict is that of Pulsar's brokers, and the\n"
        "field and the reason are told. With one file alone, whether it is a definition. No "
        "daemon\n"
        "is asked.\n"
        "\n"
        "A file has the definition itself, or what Pulsar's tools keep: an object with the "
        "members\n"
        "type and schema.\n"
        "\n"
        "      --strategy S    BACKWARD: the new one reads what was written with the last; "
        "FORWARD:\n"
        "                      the other way round; FULL (the default): both; the same with all "
        "of\n"
        "                      them: BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE, FULL_TRANSITIVE;\n"
        "                      ALWAYS_COMPATIBLE, ALWAYS_INCOMPATIBLE\n"
        "      --type T        of definitions that stand alone: AVRO (the default), JSON, STRING, "
        "...\n"
        "      --payload FILE  also whether the bytes of that file fit the new one; where not, "
        "the\n"
        "                      path of the field\n"
        "\n"
        "--json prints an object with the member good and, if it is false, why and, of a payload,\n"
        "path.\n"
        "\n"
        "Exit: 0; 64 usage; 65 not compatible, no definition, or the payload does not fit; 74 a "
        "file\n"
        "cannot be read.\n",
    .options = options,
    .first = HULSE_CLI_SCHEMA_VERB,
    .rest = HULSE_CLI_FILE,
    .run = run,
};
