/* SPDX-License-Identifier: Apache-2.0 */
/* pub - `hulse pub`: publishes arguments, lines, a file or JSON objects. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/message.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/sender.h"
#include "shmlib/cli/source.h"
#include "shmlib/cli/stop.h"
#include "shmlib/cli/value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A JSON line may spell each payload byte with six characters, and has other fields beside it. */
#define JSON_FACTOR 6U
#define JSON_EXTRA_BYTES ((size_t)1024 * 1024)
#define PARTITION_MAX 100000U
#define NAME_BYTES_MAX 255U
#define CLUSTERS_MAX 64U
#define CLUSTERS_BYTES_MAX 4096U

struct pub {
    struct hulse_cli *cli;
    const char *topic;
    const char *file;
    bool json_lines;
    bool verbose;
    bool wait_stored; /* asked for, so each failure is explained */
    enum hulse_cli_wait_for wait_for;
    enum hulse_access access;
    const char *initial_subscription; /* NULL: none */
    double rate;
    uint64_t repeat;
    struct hulse_meta meta; /* for every message */
    struct hulse_property properties[HULSE_CLI_PROPERTIES_MAX];
    const char *clusters[CLUSTERS_MAX];
    char cluster_names[CLUSTERS_BYTES_MAX];
    struct hulse_cli_message message; /* the JSON line in hand */
    struct hulse_cli_source source;
    struct hulse_cli_sender sender;
};

enum {
    OPT_FILE = 1,
    OPT_JSON_LINES,
    OPT_DELAY,
    OPT_TTL,
    OPT_PARTITION,
    OPT_REPLICATE_TO,
    OPT_NO_REPLICATION,
    OPT_ACCESS,
    OPT_INITIAL_SUBSCRIPTION,
    OPT_WAIT,
    OPT_REPEAT
};

static const struct hulse_cli_option options[] = {
    {OPT_FILE, 0, "file", HULSE_CLI_FILE},
    {OPT_JSON_LINES, 0, "json-lines", HULSE_CLI_NOTHING},
    {'k', 'k', "key", HULSE_CLI_TEXT},
    {'p', 'p', "property", HULSE_CLI_TEXT},
    {OPT_DELAY, 0, "delay", HULSE_CLI_TEXT},
    {OPT_TTL, 0, "ttl", HULSE_CLI_TEXT},
    {OPT_PARTITION, 0, "partition", HULSE_CLI_TEXT},
    {OPT_REPLICATE_TO, 0, "replicate-to", HULSE_CLI_TEXT},
    {OPT_NO_REPLICATION, 0, "no-replication", HULSE_CLI_NOTHING},
    {OPT_ACCESS, 0, "access", HULSE_CLI_ACCESS},
    {OPT_INITIAL_SUBSCRIPTION, 0, "initial-subscription", HULSE_CLI_TEXT},
    {OPT_WAIT, 0, "wait", HULSE_CLI_WAIT},
    {'r', 'r', "rate", HULSE_CLI_TEXT},
    {OPT_REPEAT, 0, "repeat", HULSE_CLI_TEXT},
    {'v', 'v', "verbose", HULSE_CLI_NOTHING},
    {0, 0, NULL, HULSE_CLI_NOTHING},
};

static int add_property(struct pub *p, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        return hulse_cli_usage("pub", "-p %s: not NAME=VALUE", text);
    }
    if (p->meta.property_count == HULSE_CLI_PROPERTIES_MAX) {
        return hulse_cli_usage("pub", "more than %u properties", HULSE_CLI_PROPERTIES_MAX);
    }
    p->properties[p->meta.property_count] =
        (struct hulse_property){.name = text,
                                .name_bytes = (size_t)(equals - text),
                                .value = equals + 1,
                                .value_bytes = strlen(equals + 1)};
    p->meta.property_count++;
    p->meta.properties = p->properties;
    return HULSE_CLI_OK;
}

static int set_duration(uint64_t *out, const char *option, const char *text)
{
    int ms = 0;

    if (!hulse_cli_value_duration(text, &ms) || ms == 0) {
        return hulse_cli_usage(
            "pub", "%s %s: not a duration such as 250ms, 30s, 5m above 0", option, text);
    }
    *out = (uint64_t)ms;
    return HULSE_CLI_OK;
}

static int set_wait(struct pub *p, const char *text)
{
    const int index = hulse_cli_word_index(HULSE_CLI_WAIT, text);

    p->wait_stored = index == HULSE_CLI_WORD_STORED;
    if (index >= 0) {
        p->wait_for = p->wait_stored ? HULSE_CLI_WAIT_STORED : HULSE_CLI_WAIT_ACCEPTED;
        return HULSE_CLI_OK;
    }
    return hulse_cli_usage("pub", "--wait %s: stored or accepted", text);
}

/* NAME,NAME… */
static int set_clusters(struct pub *p, const char *text)
{
    char *at = p->cluster_names;
    size_t count = 0;

    if (strlen(text) >= sizeof(p->cluster_names)) {
        return hulse_cli_usage("pub", "--replicate-to: more than %u bytes", CLUSTERS_BYTES_MAX - 1);
    }
    memcpy(at, text, strlen(text) + 1);
    while (at != NULL) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        if (at[0] == '\0' || count == CLUSTERS_MAX) {
            return hulse_cli_usage("pub",
                                   "--replicate-to %s: not 1 to %u names of clusters with commas",
                                   text,
                                   CLUSTERS_MAX);
        }
        p->clusters[count] = at;
        count++;
        at = comma == NULL ? NULL : comma + 1;
    }
    p->meta.replicate_to = p->clusters;
    p->meta.replicate_to_count = count;
    return HULSE_CLI_OK;
}

static int set_access(struct pub *p, const char *text)
{
    const int index = hulse_cli_word_index(HULSE_CLI_ACCESS, text);

    if (index < 0) {
        return hulse_cli_usage(
            "pub",
            "--access %s: shared, exclusive, wait-for-exclusive or exclusive-with-fencing",
            text);
    }
    p->access = (enum hulse_access)index; /* in the order of enum hulse_access */
    return HULSE_CLI_OK;
}

/* Options that are numbers. */
static int set_number(struct pub *p, int id, const char *text)
{
    uint64_t n = 0;

    switch (id) {
    case OPT_PARTITION:
        if (!hulse_cli_value_count(text, 0, PARTITION_MAX, &n)) {
            return hulse_cli_usage(
                "pub", "--partition %s: not a number from 0 to %u", text, PARTITION_MAX);
        }
        p->meta.partition = (int32_t)n + 1;
        return HULSE_CLI_OK;
    case 'r':
        if (!hulse_cli_value_rate(text, &p->rate)) {
            return hulse_cli_usage("pub", "--rate %s: not a rate such as 100, 0.5 or 30/m", text);
        }
        return HULSE_CLI_OK;
    default:
        if (!hulse_cli_value_count(text, 1, UINT64_MAX, &p->repeat)) {
            return hulse_cli_usage("pub", "--repeat %s: not a number above 0", text);
        }
        return HULSE_CLI_OK;
    }
}

static int set_option(void *ctx, int id, const char *value)
{
    struct pub *p = ctx;

    switch (id) {
    case OPT_FILE:
        p->file = value;
        return HULSE_CLI_OK;
    case OPT_JSON_LINES:
        p->json_lines = true;
        return HULSE_CLI_OK;
    case 'k':
        p->meta.key = value;
        p->meta.key_bytes = strlen(value);
        return HULSE_CLI_OK;
    case 'p':
        return add_property(p, value);
    case OPT_DELAY:
        return set_duration(&p->meta.deliver_after_ms, "--delay", value);
    case OPT_TTL:
        return set_duration(&p->meta.ttl_ms, "--ttl", value);
    case OPT_REPLICATE_TO:
        return set_clusters(p, value);
    case OPT_NO_REPLICATION:
        p->meta.flags |= HULSE_META_NO_REPLICATION;
        return HULSE_CLI_OK;
    case OPT_ACCESS:
        return set_access(p, value);
    case OPT_INITIAL_SUBSCRIPTION:
        p->initial_subscription = value;
        return HULSE_CLI_OK;
    case OPT_WAIT:
        return set_wait(p, value);
    case 'v':
        p->verbose = true;
        return HULSE_CLI_OK;
    default:
        return set_number(p, id, value);
    }
}

static bool keeps_nothing(const struct pub *p)
{
    return strncmp(p->topic, "non-persistent://", 17) == 0;
}

/* What the options say together. */
static int check_options(const struct pub *p, const struct hulse_cli_args *a)
{
    if (a->operand_count == 0) {
        return hulse_cli_usage("pub", "a topic is needed");
    }
    if (p->file != NULL && a->operand_count > 1) {
        return hulse_cli_usage("pub", "--file and messages as arguments exclude each other");
    }
    if (p->initial_subscription != NULL &&
        (p->initial_subscription[0] == '\0' || strlen(p->initial_subscription) > NAME_BYTES_MAX)) {
        return hulse_cli_usage("pub", "--initial-subscription: 1 to %u bytes", NAME_BYTES_MAX);
    }
    if (p->meta.replicate_to_count != 0 && (p->meta.flags & HULSE_META_NO_REPLICATION) != 0) {
        return hulse_cli_usage("pub", "--replicate-to and --no-replication exclude each other");
    }
    if (p->meta.deliver_after_ms != 0 && keeps_nothing(p)) {
        return hulse_cli_usage(
            "pub", "--delay: a non-persistent topic keeps no message, so it cannot delay one");
    }
    if (p->wait_for == HULSE_CLI_WAIT_ACCEPTED && p->verbose) {
        return hulse_cli_usage(
            "pub", "-v prints ids and only a stored message has one; leave --wait accepted out");
    }
    return HULSE_CLI_OK;
}

static int open_source(struct pub *p, const struct hulse_cli_args *a)
{
    struct hulse_cli_source *s = &p->source;
    const int words = a->operand_count - 1;
    const bool stdin_asked = words == 1 && strcmp(a->argv[1], "-") == 0;

    s->fd = -1;
    if (p->file != NULL && strcmp(p->file, "-") != 0) {
        s->fd = open(p->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (s->fd < 0) {
            const int error = errno;
            hulse_cli_error("%s: %s", p->file, strerrordesc_np(error));
            return error == EACCES ? HULSE_CLI_NO_PERMISSION : HULSE_CLI_IO;
        }
    } else if (p->file != NULL || words == 0 || stdin_asked) {
        s->fd = STDIN_FILENO;
    }
    if (s->fd < 0) {
        s->kind = HULSE_CLI_SOURCE_ARGS;
        s->words = a->argv + 1;
        s->word_count = words;
    } else {
        s->kind =
            p->file != NULL && !p->json_lines ? HULSE_CLI_SOURCE_WHOLE : HULSE_CLI_SOURCE_LINES;
    }
    return HULSE_CLI_OK;
}

static int open_producer(struct pub *p)
{
    struct hulse_cli_sender *s = &p->sender;
    const bool waits = p->access == HULSE_ACCESS_WAIT_FOR_EXCLUSIVE;
    hulse_producer_options *o = NULL;
    p->cli->patient = waits;
    int rc = hulse_cli_connect(p->cli, &s->session);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    o = hulse_producer_options_new();
    hulse_status st = o == NULL ? HULSE_NO_MEMORY : HULSE_OK;
    if (st == HULSE_OK && s->receipts) {
        st = hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL);
    }
    if (st == HULSE_OK && p->access != HULSE_ACCESS_SHARED) {
        st = hulse_producer_options_access(o, p->access);
    }
    if (st == HULSE_OK && p->initial_subscription != NULL) {
        st = hulse_producer_options_initial_subscription(o, p->initial_subscription);
    }
    if (st == HULSE_OK) {
        hulse_cli_stop_kill(waits); /* the call does not look at the flag */
        st = hulse_producer_open(s->session, &s->producer, p->topic, o);
        hulse_cli_stop_kill(false);
    }
    hulse_producer_options_free(&o);
    if (st != HULSE_OK) {
        rc = hulse_cli_fail(st, p->topic, hulse_last_error(s->session));
        (void)hulse_close(&s->session, 0);
        return rc;
    }
    const size_t max = hulse_message_max(s->producer);
    p->source.item_bytes_max = p->json_lines ? max * JSON_FACTOR + JSON_EXTRA_BYTES : max;
    return HULSE_CLI_OK;
}

static void
publish_repeated(struct pub *p, const void *data, size_t bytes, const struct hulse_meta *m)
{
    for (uint64_t i = 0; i < p->repeat; i++) {
        hulse_cli_sender_publish(&p->sender, data, bytes, m);
        if (p->sender.broken != HULSE_OK || hulse_cli_stop_requested()) {
            return;
        }
    }
}

static void publish_json(struct pub *p, const char *line, size_t bytes)
{
    char why[HULSE_CLI_WHY_BYTES];
    char what[64];

    if (p->source.kind == HULSE_CLI_SOURCE_LINES && strspn(line, " \t\r") >= bytes) {
        return; /* blank lines separate objects in some producers of such files */
    }
    const bool ok = hulse_cli_message_read(&p->message, &p->meta, line, bytes, why);
    if (ok) {
        publish_repeated(p, p->message.data, p->message.data_bytes, &p->message.meta);
    } else {
        (void)snprintf(what, sizeof(what), "line %" PRIu64, p->source.number);
        hulse_cli_sender_refuse(&p->sender, what, why);
    }
    hulse_cli_message_fini(&p->message);
}

static void refuse_long(struct pub *p)
{
    char what[64];
    char why[128];
    const char *unit = p->source.kind == HULSE_CLI_SOURCE_ARGS    ? "message"
                       : p->source.kind == HULSE_CLI_SOURCE_LINES ? "line"
                                                                  : "file";

    (void)snprintf(what, sizeof(what), "%s %" PRIu64, unit, p->source.number);
    (void)snprintf(why,
                   sizeof(why),
                   "too large: the topic takes up to %" PRIu32 " bytes",
                   hulse_message_max(p->sender.producer));
    hulse_cli_sender_refuse(&p->sender, what, why);
}

static void wait_for_input(struct pub *p)
{
    struct hulse_cli_sleep what = {
        .until = hulse_cli_deadline_in(-1), .input = p->source.fd, .output = -1};

    hulse_cli_sender_sleep(&p->sender, &what);
    if (what.input_ready) {
        hulse_cli_source_read(&p->source);
    }
}

/* Until the input ends, a signal comes or the session is of no use. */
static void publish_all(struct pub *p)
{
    const char *item = NULL;
    size_t bytes = 0;

    while (p->sender.broken == HULSE_OK && !hulse_cli_stop_requested()) {
        switch (hulse_cli_source_next(&p->source, &item, &bytes)) {
        case HULSE_CLI_SOURCE_ITEM:
            if (p->json_lines) {
                publish_json(p, item, bytes);
            } else {
                publish_repeated(p, item, bytes, &p->meta);
            }
            break;
        case HULSE_CLI_SOURCE_TOO_LONG:
            refuse_long(p);
            break;
        case HULSE_CLI_SOURCE_READ:
            wait_for_input(p);
            break;
        case HULSE_CLI_SOURCE_ERROR:
            hulse_cli_error("input: %s", strerrordesc_np(p->source.error));
            return;
        case HULSE_CLI_SOURCE_END:
        default:
            return;
        }
    }
}

static int result_of(const struct pub *p)
{
    const struct hulse_cli_sender *s = &p->sender;
    const uint64_t failed = s->failed + s->refused;

    if (p->cli->out.error != 0) {
        return hulse_cli_output_failed(&p->cli->out);
    }
    if (s->broken != HULSE_OK) {
        return hulse_cli_exit_code(s->broken);
    }
    if (p->source.error != 0) {
        return HULSE_CLI_IO;
    }
    if (failed + s->unknown == 0) {
        return HULSE_CLI_OK;
    }
    return s->unusable == s->accepted + s->refused ? HULSE_CLI_BAD_DATA : HULSE_CLI_SOME_FAILED;
}

static void say_result(const struct hulse_cli *cli,
                       const struct hulse_cli_sender *s,
                       uint64_t published,
                       uint64_t failed)
{
    if (s->unknown == 0) {
        hulse_cli_note(cli, "published %" PRIu64 ", failed %" PRIu64, published, failed);
        return;
    }
    const bool one = s->unknown == 1;
    hulse_cli_error("no verdict for %" PRIu64
                    " %s may be stored, now or later; publish %s again only if duplicates do no "
                    "harm",
                    s->unknown,
                    one ? "message: it" : "messages: they",
                    one ? "it" : "them");
    hulse_cli_note(cli,
                   "published %" PRIu64 ", failed %" PRIu64 ", unknown %" PRIu64,
                   published,
                   failed,
                   s->unknown);
}

/* Publishes, waits for the verdicts, says what became of it all. */
static int publish(struct pub *p)
{
    struct hulse_cli_sender *s = &p->sender;

    publish_all(p);
    hulse_cli_sender_finish(s);
    const uint64_t published = s->accepted - s->failed - s->unknown;
    const uint64_t failed = s->failed + s->refused;
    if (p->cli->json) {
        hulse_cli_out_format(&p->cli->out,
                             "{\"published\":%" PRIu64 ",\"failed\":%" PRIu64
                             ",\"unknown\":%" PRIu64 "}\n",
                             published,
                             failed,
                             s->unknown);
    }
    (void)hulse_cli_out_flush(&p->cli->out);
    const int rc = result_of(p);
    say_result(p->cli, s, published, failed);
    /* Every verdict that was asked for is in; what is in the ring is the daemon's to publish. */
    (void)hulse_producer_close(&s->producer, 0);
    (void)hulse_close(&s->session, 0);
    return rc;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    static struct pub pub; /* too large for the stack; there is one per process */
    struct pub *p = &pub;
    struct hulse_cli_args args;

    p->cli = cli;
    p->repeat = 1;
    p->meta.size = sizeof(p->meta);
    hulse_cli_args_init(&args, cli, options, argc, argv);
    int rc = hulse_cli_args_each(&args, set_option, p);
    if (rc != HULSE_CLI_OK || cli->help) {
        return rc;
    }
    p->topic = args.argv[0];
    rc = check_options(p, &args);
    if (rc == HULSE_CLI_OK) {
        rc = open_source(p, &args);
    }
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    p->sender = (struct hulse_cli_sender){
        .cli = cli,
        /* Whether it can be delayed, or replicated, is the topic's broker's to say. */
        .receipts = p->verbose || p->wait_stored || p->meta.deliver_after_ms != 0 ||
                    p->meta.replicate_to_count != 0,
        .ids = p->verbose,
        .wait_for = p->wait_for,
        .rate = p->rate};
    rc = open_producer(p);
    if (rc == HULSE_CLI_OK) {
        rc = publish(p);
    }
    hulse_cli_source_fini(&p->source);
    return rc;
}

const struct hulse_cli_command hulse_cli_pub = {
    .name = "pub",
    .summary = "publish arguments, lines of standard input, a file or JSON objects",
    .help =
        "hulse pub TOPIC [MESSAGE...]\n"
        "\n"
        "Publishes each MESSAGE; without one, or with -, each line of standard input, in order.\n"
        "A newline ends a line and is not part of the message; other bytes are kept as they are.\n"
        "Many messages are under way at once. Ends with 0 only when every message has its "
        "verdict.\n"
        "\n"
        "      --file FILE       publish the whole file as one message; - is standard input\n"
        "      --json-lines      each line (of standard input or --file) or argument is an "
        "object:\n"
        "                        payload (a string as its bytes, other values as compact JSON) or\n"
        "                        payload_base64 or \"tombstone\": true, and key, properties,\n"
        "                        event_time_ms, deliver_after_ms. A bad line is reported with its\n"
        "                        number, counted as failed, and the others go on\n"
        "  -k, --key KEY         key of the messages; a JSON object's own key wins\n"
        "  -p, --property N=V    property of the messages, repeatable; a JSON object's own\n"
        "                        properties take the place of all of these\n"
        "      --delay DURATION  deliver not before, to shared and key_shared subscriptions; a "
        "broker\n"
        "                        that cannot (local, in this version) refuses the message\n"
        "      --ttl DURATION    do not deliver later than this\n"
        "      --partition N     publish to this partition, from 0; refused where there is none; 0 "
        "of a\n"
        "                        topic without partitions is all of it\n"
        "      --replicate-to A,B  to these clusters, in place of those of the namespace\n"
        "      --no-replication  to no other cluster\n"
        "      --access MODE     shared (default); exclusive: fail while another producer is "
        "there;\n"
        "                        wait-for-exclusive: wait until none is; exclusive-with-fencing:\n"
        "                        end those that are. Another one that takes over ends this one\n"
        "      --initial-subscription NAME  create it with the topic, so that it gets everything\n"
        "      --wait WHAT       stored (default): end when the topic has every message, and say\n"
        "                        for each failure why; accepted: end when they are in the ring\n"
        "  -r, --rate RATE       at most so many: 100, 0.5, 30/m, 10/h; per second by default\n"
        "      --repeat N        publish each message N times\n"
        "  -v, --verbose         print the id of each message, in order, one per line, as\n"
        "                        LEDGER:ENTRY:PARTITION:BATCH; - for one that a daemon had stored\n"
        "                        when it was killed, before it could tell the id\n"
        "\n"
        "--timeout bounds each wait for room and, at the end, the wait for verdicts (30s; room is\n"
        "waited for without end unless it is given). --json prints\n"
        "{\"published\":N,\"failed\":M,\"unknown\":K}, and with -v one "
        "{\"message\":N,\"id\":...} each.\n"
        "The last line on standard error is `published N, failed M`, and `, unknown K` when K "
        "have\n"
        "no verdict because the daemon was gone or not done in time: they may be stored, now or\n"
        "later, and publishing them again may make duplicates.\n"
        "\n"
        "Exit: 0 all published; 1 some failed; 65 nothing was usable; 69, 74, 75, 77 see `hulse "
        "help`.\n",
    .options = options,
    .first = HULSE_CLI_TOPIC,
    .rest = HULSE_CLI_TEXT,
    .run = run,
};
