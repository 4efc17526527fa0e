/* SPDX-License-Identifier: Apache-2.0 */
/* schema - `hulse schema`: is a definition one, does it fit those before it, does a payload fit it. */
#include "daemon/schema/compatibility.h"
#include "daemon/schema/source.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/registry.h"
#include "shmlib/cli/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (8U << 20U)
#define SCHEMAS_MAX 256

enum { OPT_STRATEGY = 1, OPT_TYPE, OPT_PAYLOAD, OPT_VERSION };

static const struct hulse_cli_option options[] = {{OPT_STRATEGY, 0, "strategy", HULSE_CLI_STRATEGY},
                                                  {OPT_TYPE, 0, "type", HULSE_CLI_SCHEMA_TYPE},
                                                  {OPT_PAYLOAD, 0, "payload", HULSE_CLI_FILE},
                                                  {OPT_VERSION, 0, "version", HULSE_CLI_TEXT},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

struct question {
    enum schema_strategy strategy;
    enum schema_type type;
    const char *payload; /* a file, or NULL */
    const char *version; /* or NULL */
    bool strategy_said;
    bool type_said;
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

    q->strategy_said = q->strategy_said || id == OPT_STRATEGY;
    q->type_said = q->type_said || id == OPT_TYPE;
    if (id == OPT_PAYLOAD) {
        q->payload = value;
    } else if (id == OPT_VERSION) {
        q->version = value;
    } else if (id == OPT_STRATEGY && !hulse_schema_strategy_find(value, &q->strategy)) {
        return hulse_cli_usage("schema", "--strategy %s: there is none of that name", value);
    } else if (id == OPT_TYPE && !hulse_schema_type_find(value, &q->type)) {
        return hulse_cli_usage("schema", "--type %s: there is none of that name", value);
    }
    return HULSE_CLI_OK;
}

static int check_files(struct hulse_cli *cli, struct question *q, int count, char **files)
{
    int rc = HULSE_CLI_OK;

    if (count < 1 || count > SCHEMAS_MAX) {
        return hulse_cli_usage("schema", "check: 1 to %d files are expected", SCHEMAS_MAX);
    }
    for (int i = 0; rc == HULSE_CLI_OK && i < count; i++) {
        rc = read_schema(q, files[i]);
    }
    return rc == HULSE_CLI_OK ? check(cli, q) : rc;
}

static int put(struct hulse_cli *cli, struct question *q, const char *topic, const char *file)
{
    const int rc = read_schema(q, file);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    const struct schema_definition d = hulse_schema_definition(q->schemas[0]);
    return hulse_cli_registry_put(cli, topic, &d);
}

/* Options that are not the verb's. */
static int refuse_surplus(const struct question *q, int verb)
{
    const bool checks = verb == HULSE_CLI_WORD_SCHEMA_CHECK;

    if (q->version != NULL && verb != HULSE_CLI_WORD_SCHEMA_GET) {
        return hulse_cli_usage("schema", "--version is for get");
    }
    if (!checks && (q->strategy_said || q->payload != NULL)) {
        return hulse_cli_usage("schema", "--strategy and --payload are for check");
    }
    if (!checks && verb != HULSE_CLI_WORD_SCHEMA_PUT && q->type_said) {
        return hulse_cli_usage("schema", "--type is for check and put");
    }
    return HULSE_CLI_OK;
}

/* `words`: behind the verb. */
static int act(struct hulse_cli *cli, struct question *q, int verb, int count, char **words)
{
    const int rc = refuse_surplus(q, verb);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    if (verb == HULSE_CLI_WORD_SCHEMA_CHECK) {
        return check_files(cli, q, count, words);
    }
    if (verb == HULSE_CLI_WORD_SCHEMA_PUT) {
        return count == 2 ? put(cli, q, words[0], words[1])
                          : hulse_cli_usage("schema", "put: a topic and a file are expected");
    }
    if (count != 1) {
        return hulse_cli_usage("schema", "one topic is expected");
    }
    return verb == HULSE_CLI_WORD_SCHEMA_LIST ? hulse_cli_registry_list(cli, words[0])
                                              : hulse_cli_registry_get(cli, words[0], q->version);
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
    const int verb =
        args.operand_count == 0 ? -1 : hulse_cli_word_index(HULSE_CLI_SCHEMA_VERB, args.argv[0]);
    if (verb < 0) {
        return hulse_cli_usage("schema", "check, list, get or put is expected");
    }
    rc = act(cli, &q, verb, args.operand_count - 1, args.argv + 1);
    for (int i = 0; i < q.count; i++) {
        hulse_schema_destroy(&q.schemas[i]);
    }
    return rc;
}

const struct hulse_cli_command hulse_cli_schema = {
    .name = "schema",
    .summary = "check schemas, and list, get or put those of a topic",
    .help =
        "hulse schema check [OLD...] NEW [--strategy S] [--type T] [--payload FILE]\n"
        "hulse schema list TOPIC\n"
        "hulse schema get TOPIC [--version N]\n"
        "hulse schema put TOPIC FILE [--type T]\n"
        "\n"
        "check reads definitions of schemas from files and says whether a topic that has the old "
        "ones,\n"
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
        "get prints a schema of a topic as its broker has it, in the form of Pulsar's tools, so "
        "that\n"
        "check reads it and put takes it. put registers one with a topic that is there, unless it "
        "has\n"
        "it, and prints its version; the broker judges it by those before it. list prints the "
        "versions;\n"
        "of a Pulsar cluster it needs `admin_url` in the configuration. The embedded engine keeps "
        "no\n"
        "schemas in this version.\n"
        "\n"
        "      --version N     get: which one, counted from 0; otherwise the newest\n"
        "\n"
        "--json prints an object, of check with the member good and, if it is false, why and, of "
        "a\n"
        "payload, path; of get with topic, broker, version, type and definition.\n"
        "\n"
        "Exit: 0; 64 usage; 65 not compatible, no definition, the payload does not fit, no such "
        "topic\n"
        "or version; 69 no daemon, or the broker is away, refuses or cannot do it; 74 a file "
        "cannot\n"
        "be read; 75 no answer within --timeout (25s); 77 no permission.\n",
    .options = options,
    .first = HULSE_CLI_SCHEMA_VERB,
    .rest = HULSE_CLI_FILE,
    .run = run,
};
