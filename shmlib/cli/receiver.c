/* SPDX-License-Identifier: Apache-2.0 */
/* receiver - taking, printing and acknowledging messages (contract in receiver.h). */
#include "shmlib/cli/receiver.h"

#include "shmlib/cli/message.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/stop.h"
#include "shmlib/cli/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Messages above half the delivery ring come in fragments. What the daemon may be configured to take
 * fits; the memory is only reserved, and touched as far as messages are large. Where the system
 * reserves nothing beyond what it has, less must do.
 */
#define REASSEMBLY_BYTES (256U * 1024 * 1024)
#define REASSEMBLY_BYTES_POOR (16U * 1024 * 1024)
#define CLOSE_TIMEOUT_MS 2000
/* For verdicts that the ring has no room for, once the command is to end. */
#define STOP_PATIENCE_MS 2000
#define FULL_NAP_NS 1000000

int hulse_cli_receiver_from(struct hulse_cli_receiver *r, const char *text)
{
    if (hulse_cli_position_parse(text, &r->from)) {
        return HULSE_CLI_OK;
    }
    return hulse_cli_usage(r->command,
                           "--from %s: earliest, latest, an id (LEDGER:ENTRY) or a time "
                           "(2026-11-30T09:30:00Z, -15m)",
                           text);
}

int hulse_cli_receiver_format(struct hulse_cli_receiver *r, const char *text)
{
    const int index = hulse_cli_word_index(HULSE_CLI_FORMAT, text);

    r->json_format = index == HULSE_CLI_WORD_JSON;
    if (index >= 0) {
        return HULSE_CLI_OK;
    }
    return hulse_cli_usage(r->command, "--format %s: raw or json", text);
}

/* NULL without memory. */
static hulse_consumer_options *options_of(struct hulse_cli_receiver *r)
{
    if (r->options == NULL) {
        r->options = hulse_consumer_options_new();
    }
    return r->options;
}

void hulse_cli_receiver_free(struct hulse_cli_receiver *r)
{
    hulse_consumer_options_free(&r->options);
}

/* What a setter said of an option's value. */
static int judge_option(const struct hulse_cli_receiver *r,
                        hulse_status st,
                        const char *option,
                        const char *text,
                        const char *rule)
{
    if (st == HULSE_OK) {
        return HULSE_CLI_OK;
    }
    return st == HULSE_NO_MEMORY ? hulse_cli_fail(st, option, NULL)
                                 : hulse_cli_usage(r->command, "%s %s: %s", option, text, rule);
}

int hulse_cli_receiver_compacted(struct hulse_cli_receiver *r)
{
    r->cumulative = true;
    return judge_option(r, hulse_consumer_options_compacted(options_of(r)), "--compacted", "", "");
}

int hulse_cli_receiver_replicated(struct hulse_cli_receiver *r)
{
    return judge_option(
        r, hulse_consumer_options_replicated(options_of(r)), "--replicated", "", "");
}

int hulse_cli_receiver_any_key_order(struct hulse_cli_receiver *r)
{
    return judge_option(
        r, hulse_consumer_options_any_key_order(options_of(r)), "--any-key-order", "", "");
}

int hulse_cli_receiver_priority(struct hulse_cli_receiver *r, const char *text)
{
    uint64_t value = 0;
    const bool good = hulse_cli_value_count(text, 0, INT32_MAX, &value);

    return judge_option(r,
                        good ? hulse_consumer_options_priority(options_of(r), (int32_t)value)
                             : HULSE_INVAL,
                        "--priority",
                        text,
                        "not a number from 0 to 2147483647");
}

int hulse_cli_receiver_key_range(struct hulse_cli_receiver *r, const char *text)
{
    const char *dash = strchr(text, '-');
    char first_text[8] = "";
    uint64_t first = 0;
    uint64_t last = 0;
    bool good = dash != NULL && (size_t)(dash - text) < sizeof(first_text);

    if (good) {
        memcpy(first_text, text, (size_t)(dash - text));
        good = hulse_cli_value_count(first_text, 0, UINT16_MAX, &first) &&
               hulse_cli_value_count(dash + 1, 0, UINT16_MAX, &last);
    }
    return judge_option(
        r,
        good ? hulse_consumer_options_key_range(options_of(r), (uint16_t)first, (uint16_t)last)
             : HULSE_INVAL,
        "--key-range",
        text,
        "FIRST-LAST, of the hashes 0 to 65535");
}

static int
add_property(struct hulse_cli_receiver *r,
             const char *option,
             const char *text,
             hulse_status (*add)(hulse_consumer_options *o, const char *name, const char *value))
{
    const char *equals = strchr(text, '=');
    char *name = equals == NULL ? NULL : strndup(text, (size_t)(equals - text));
    const hulse_status st = equals == NULL ? HULSE_INVAL
                            : name == NULL ? HULSE_NO_MEMORY
                                           : add(options_of(r), name, equals + 1);

    free(name);
    return judge_option(r, st, option, text, "NAME=VALUE, UTF-8 and not longer than 4,000 bytes");
}

int hulse_cli_receiver_property(struct hulse_cli_receiver *r, const char *text)
{
    return add_property(r, "--property", text, hulse_consumer_options_property);
}

int hulse_cli_receiver_subscription_property(struct hulse_cli_receiver *r, const char *text)
{
    return add_property(
        r, "--subscription-property", text, hulse_consumer_options_subscription_property);
}

static bool failed(const struct hulse_cli_receiver *r)
{
    return r->exit_code != HULSE_CLI_OK;
}

/* Keeps the first failure. */
static void
fail(struct hulse_cli_receiver *r, hulse_status st, const char *what, const char *detail)
{
    if (!failed(r)) {
        r->exit_code = hulse_cli_fail(st, what, detail);
    }
}

/* All of them by one consumer; a pattern stands alone. */
static hulse_status
say_topics(const struct hulse_cli_receiver *r, hulse_consumer_options *o, int count, char **topics)
{
    hulse_status st = HULSE_OK;

    if (r->regex) {
        const bool gone = strncmp(topics[0], "non-persistent://", 17) == 0;
        return hulse_consumer_options_pattern(
            o, gone ? HULSE_NON_PERSISTENT_TOPICS : HULSE_PERSISTENT_TOPICS);
    }
    for (int i = 1; i < count && st == HULSE_OK; i++) {
        st = hulse_consumer_options_topic(o, topics[i]);
    }
    return st;
}

static hulse_status open_with(struct hulse_cli_receiver *r, const char *topic, uint32_t reassembly)
{
    hulse_consumer_options *o = options_of(r);
    hulse_status st = o == NULL ? HULSE_NO_MEMORY : hulse_consumer_options_type(o, r->type);

    if (st == HULSE_OK) {
        st = hulse_cli_position_apply(&r->from, o);
    }
    if (st == HULSE_OK) {
        st = hulse_consumer_options_reassembly(o, reassembly);
    }
    if (st == HULSE_OK) {
        st = hulse_consumer_open(
            r->session, &r->consumers[r->consumer_count], topic, r->subscription, o);
    }
    return st;
}

static void open_consumer(struct hulse_cli_receiver *r, int count, char **topics)
{
    hulse_consumer_options *o = options_of(r);
    hulse_status st = o == NULL ? HULSE_NO_MEMORY : say_topics(r, o, count, topics);

    st = st == HULSE_OK ? open_with(r, topics[0], REASSEMBLY_BYTES) : st;
    if (st == HULSE_NO_MEMORY) {
        st = open_with(r, topics[0], REASSEMBLY_BYTES_POOR);
    }
    if (st != HULSE_OK) {
        /* Of several the daemon says which. */
        fail(r,
             st,
             count == 1                ? topics[0]
             : r->subscription == NULL ? "not opened"
                                       : "not subscribed",
             hulse_last_error(r->session));
        return;
    }
    r->consumer_count++;
    for (int i = 0; i < count && r->subscription != NULL; i++) {
        hulse_cli_note(
            r->cli, "subscribed %s as %s (%s)", topics[i], r->subscription, r->type_name);
    }
    for (int i = 0; i < count && r->subscription == NULL && r->follow; i++) {
        hulse_cli_note(r->cli, "reading %s", topics[i]);
    }
}

/* The payload alone; `value`, if any, in its place. */
static void
print_payload(struct hulse_cli_receiver *r, const struct hulse_message *m, const json_t *value)
{
    struct hulse_cli_out *out = &r->cli->out;

    if (value == NULL) {
        hulse_cli_out_bytes(out, m->data, m->data_bytes);
        hulse_cli_out_text(out, "\n");
    } else if (!hulse_cli_out_json(out, value, JSON_COMPACT | JSON_ENCODE_ANY)) {
        fail(r, HULSE_NO_MEMORY, "cannot print a message", NULL);
    }
}

/* Which schema it was written with, and why the payload is not what that says. */
static bool set_schema(json_t *object, const struct hulse_message *m, const char *why)
{
    uint64_t version = 0;
    bool ok = true;

    if (hulse_message_schema_version(m, &version) == HULSE_OK) {
        ok = json_object_set_new(object, "schema_version", json_integer((json_int_t)version)) == 0;
    }
    return ok &&
           (why[0] == '\0' || json_object_set_new(object, "undecoded", json_string(why)) == 0);
}

static void
print_message(struct hulse_cli_receiver *r, hulse_consumer *c, const struct hulse_message *m)
{
    struct hulse_cli_out *out = &r->cli->out;
    char why[HULSE_CLI_UNDECODED_BYTES] = "";
    json_t *value = NULL;

    if (r->decode && (m->flags & HULSE_MESSAGE_TOMBSTONE) == 0) {
        value = hulse_cli_decode(&r->decoder, c, m, why);
    }
    if (!r->json_format) {
        print_payload(r, m, value);
        json_decref(value);
        return;
    }
    json_t *object = hulse_cli_message_json(m, value);
    if (object == NULL || (r->decode && !set_schema(object, m, why)) ||
        !hulse_cli_out_json(out, object, JSON_COMPACT)) {
        fail(r, HULSE_NO_MEMORY, "cannot print a message", NULL);
    }
    json_decref(object);
}

static bool patience_over(struct hulse_cli_receiver *r)
{
    if (!r->stopping) {
        r->stopping = true;
        r->patience = hulse_cli_deadline_in(STOP_PATIENCE_MS);
    }
    return hulse_cli_deadline_passed(r->patience);
}

static hulse_status give_ack(const struct hulse_cli_receiver *r, const struct hulse_cli_printed *p)
{
    return r->cumulative ? hulse_ack_cumulative(p->consumer, &p->id)
                         : hulse_ack(p->consumer, &p->id);
}

/*
 * One verdict; waits while the verdict ring is full, which means that the topic's broker is behind. Who is told to stop
 * meanwhile waits a little longer and leaves the rest to the next consumer.
 */
static void acknowledge(struct hulse_cli_receiver *r, const struct hulse_cli_printed *p)
{
    hulse_status st = give_ack(r, p);

    while (st == HULSE_AGAIN && !(hulse_cli_stop_requested() && patience_over(r))) {
        struct hulse_cli_sleep what = {
            .until = hulse_cli_deadline_in(-1), .input = -1, .output = -1};
        st = hulse_cli_presence(r->cli, &r->away, hulse_cli_sleep(r->session, &what));
        if (st != HULSE_OK && st != HULSE_AGAIN) {
            break;
        }
        /* Messages that wait to be taken end a sleep at once. */
        (void)nanosleep(&(struct timespec){.tv_nsec = FULL_NAP_NS}, NULL);
        st = give_ack(r, p);
    }
    if (st != HULSE_OK && st != HULSE_AGAIN) {
        fail(r, st, "cannot acknowledge", hulse_consumer_error(p->consumer));
    }
}

/* Writes what is printed so far, then acknowledges it. */
static void settle(struct hulse_cli_receiver *r)
{
    if (!hulse_cli_out_flush(&r->cli->out)) {
        if (!failed(r)) {
            r->exit_code = hulse_cli_output_failed(&r->cli->out);
        }
        return;
    }
    for (unsigned i = 0; i < r->printed_count && !failed(r); i++) {
        acknowledge(r, &r->printed[i]);
    }
    r->printed_count = 0;
    for (int i = 0; i < r->consumer_count; i++) {
        (void)hulse_consumer_flush(r->consumers[i]);
    }
}

/* Nothing more will come of any topic. */
static bool all_terminated(struct hulse_cli_receiver *r)
{
    for (int i = 0; i < r->consumer_count; i++) {
        if (hulse_end_of_topic(r->consumers[i]) != HULSE_OK) {
            return false;
        }
    }
    return !r->regex && r->consumer_count > 0;
}

/* Without --follow: the end that the topic had when the command began. */
static bool at_end(struct hulse_cli_receiver *r)
{
    if (r->follow && !r->ended && all_terminated(r)) {
        hulse_cli_note(r->cli, "terminated, and read to the end");
        r->ended = true;
    }
    if (r->follow || r->ended) {
        return r->ended;
    }
    const hulse_status st = hulse_reader_caught_up(r->consumers[0]);
    r->ended = st == HULSE_OK;
    if (st != HULSE_OK && st != HULSE_AGAIN) {
        fail(r, st, "the end of the topic is not known", hulse_consumer_error(r->consumers[0]));
    }
    return r->ended;
}

static bool finished(struct hulse_cli_receiver *r)
{
    return failed(r) || hulse_cli_stop_requested() || (r->count > 0 && r->received == r->count) ||
           at_end(r);
}

/* The next message of one consumer. False: there was none. */
static bool receive_one(struct hulse_cli_receiver *r, int index)
{
    hulse_consumer *c = r->consumers[index];
    struct hulse_message m = {.size = sizeof(m)};
    const hulse_status st = hulse_next(c, &m);

    if (st == HULSE_AGAIN) {
        return false;
    }
    if (st != HULSE_OK) {
        fail(r, st, "receiving has stopped", hulse_consumer_error(c));
        return false;
    }
    print_message(r, c, &m);
    r->received++;
    hulse_release(c, &m);
    if (r->acknowledge) {
        r->printed[r->printed_count] = (struct hulse_cli_printed){.consumer = c, .id = m.id};
        r->printed_count++;
    }
    if (r->printed_count == HULSE_CLI_UNWRITTEN_MAX) {
        settle(r);
    }
    return true;
}

/* A turn over all consumers, so that a busy topic does not silence the others. */
static bool receive_turn(struct hulse_cli_receiver *r)
{
    bool any = false;

    for (int i = 0; i < r->consumer_count && !finished(r); i++) {
        any = receive_one(r, i) || any;
    }
    return any;
}

static void receive_all(struct hulse_cli_receiver *r, struct hulse_cli_deadline until)
{
    while (!finished(r) && !hulse_cli_deadline_passed(until)) {
        if (receive_turn(r)) {
            continue;
        }
        settle(r);
        if (finished(r)) {
            break;
        }
        struct hulse_cli_sleep what = {.until = until, .input = -1, .output = r->cli->out.fd};
        const hulse_status st =
            hulse_cli_presence(r->cli, &r->away, hulse_cli_sleep(r->session, &what));
        if (st != HULSE_OK && st != HULSE_AGAIN) {
            /* What has been delivered is still readable. */
            while (!finished(r) && receive_turn(r)) {
            }
            settle(r);
            fail(r, st, "receiving has stopped", hulse_last_error(r->session));
        } else if (what.output_gone && !failed(r)) {
            r->exit_code = HULSE_CLI_IO;
        }
    }
    settle(r);
}

/* What a reader could not be handed: said, and counted. */
static void tell_lost(struct hulse_cli_receiver *r)
{
    struct hulse_stats stats = {.size = sizeof(stats)};

    if (r->subscription != NULL || r->consumer_count == 0 ||
        hulse_consumer_stats(r->consumers[0], &stats) != HULSE_OK || stats.lost == 0) {
        return;
    }
    r->lost = stats.lost;
    if (r->json_format) {
        hulse_cli_out_format(&r->cli->out, "{\"lost\":%" PRIu64 "}\n", r->lost);
        settle(r);
    }
    hulse_cli_error("passed over %" PRIu64
                    " damaged in the store; the daemon's log and `hulse store check` say more",
                    r->lost);
}

static void close_all(struct hulse_cli_receiver *r)
{
    for (int i = 0; i < r->consumer_count; i++) {
        (void)hulse_consumer_close(&r->consumers[i], CLOSE_TIMEOUT_MS);
    }
    if (r->session != NULL) {
        (void)hulse_close(&r->session, CLOSE_TIMEOUT_MS);
    }
}

/* What was asked for has come, or the time was over before. */
static int judge_end(const struct hulse_cli_receiver *r)
{
    if (r->count > 0 && r->received < r->count && !r->ended) {
        hulse_cli_error(
            "the time was over after %" PRIu64 " of %" PRIu64 " messages", r->received, r->count);
        return HULSE_CLI_TIMED_OUT;
    }
    if (r->count == 0 && !r->follow && !r->ended) {
        hulse_cli_error("the time was over after %" PRIu64 " messages, before the end of the topic",
                        r->received);
        return HULSE_CLI_TIMED_OUT;
    }
    return HULSE_CLI_OK;
}

static void note_volatile(const struct hulse_cli_receiver *r, const char *topic)
{
    if (strncmp(topic, "non-persistent://", 17) == 0) {
        hulse_cli_note(
            r->cli, "%s keeps no messages; --follow prints those that come from now on", topic);
    }
}

int hulse_cli_receiver_run(struct hulse_cli_receiver *r, int topic_count, char **topics)
{
    const struct hulse_cli_deadline until = hulse_cli_deadline_in(r->cli->timeout_ms);

    if (r->regex && topic_count > HULSE_CLI_PATTERNS_MAX) {
        return hulse_cli_usage(
            r->command, "%d patterns; at most %d at once", topic_count, HULSE_CLI_PATTERNS_MAX);
    }
    r->json_format = r->json_format || r->cli->json;
    r->exit_code = hulse_cli_connect(r->cli, &r->session);
    r->decoder.session = r->session;
    for (int i = 0; r->regex && i < topic_count && !failed(r); i++) {
        open_consumer(r, 1, &topics[i]);
    }
    if (!r->regex && !failed(r)) {
        open_consumer(r, topic_count, topics);
    }
    if (!failed(r)) {
        for (int i = 0; i < topic_count && !r->follow; i++) {
            note_volatile(r, topics[i]);
        }
        receive_all(r, until);
        tell_lost(r);
    }
    close_all(r);
    hulse_cli_decode_fini(&r->decoder);
    if (!failed(r) && !hulse_cli_stop_requested()) {
        r->exit_code = judge_end(r);
    }
    return !failed(r) && r->lost != 0 ? HULSE_CLI_BAD_DATA : r->exit_code;
}
