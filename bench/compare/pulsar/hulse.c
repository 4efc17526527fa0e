/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hulse - the application of the comparison with Pulsar's own clients, over the library; README.md says what the
 * program of each client does.
 *
 *     hulse publish|consume|latency|hold url=SOCKET topic=T size=N ...
 *
 * Threads: one.
 */
#include <hulse/hulse.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
#define PAYLOAD_MAX (32U << 20)
#define RING_MAX (32U << 20)
#define HEAD_BYTES 16U /* sequence u64, time of its sending u64; a pattern follows */
#define BATCH 64U
#define FLUSH 16U
#define RECEIPTS 64U
#define OVERHEAD_BYTES 64U /* of a record in a ring */
#define LATE_MS 20000      /* without any progress */

struct app {
    const char *mode;
    const char *socket;
    const char *topic;
    uint32_t size;
    uint64_t window;
    bool chunks;    /* larger than a record: through the ring in pieces */
    uint64_t count; /* hold: to send; consume: in the topic */
    uint64_t rate;
    uint64_t warm_ns;
    uint64_t measure_ns;
    hulse_session *session;
    hulse_producer *producer;
    hulse_consumer *consumer;
    uint8_t pattern[PAYLOAD_MAX];
    uint64_t sent;
    uint64_t receipts;
    uint64_t failed;
    uint64_t received;
    uint64_t wrong; /* not the next one, or not whole */
    uint64_t receipt_ns;
    /* With a rate: when each was sent, and samples of the measured part. */
    uint64_t *sent_ns;
    uint64_t *send_ns;
    uint64_t *end_to_end_ns;
    uint64_t samples;
    uint64_t arrivals;
    uint64_t sample_from;
};

static struct app app;

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * SECOND_NS) + (uint64_t)t.tv_nsec;
}

_Noreturn static void fail(const char *what, hulse_status rc)
{
    const char *why = app.consumer != NULL   ? hulse_consumer_error(app.consumer)
                      : app.producer != NULL ? hulse_producer_error(app.producer)
                      : app.session != NULL  ? hulse_last_error(app.session)
                                             : hulse_open_error();
    (void)fprintf(stderr, "hulse %s: %s: status %d: %s\n", app.mode, what, (int)rc, why);
    exit(1);
}

static void need(const char *what, hulse_status rc)
{
    if (rc != HULSE_OK) {
        fail(what, rc);
    }
}

/* ---- the one who measures ---- */

/* Says a line and goes on when it is answered. */
static void tell(const char *format, ...)
{
    char answer[64];
    va_list arguments;

    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
    (void)fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        exit(1);
    }
}

/* ---- publishing ---- */

static void take_receipts(void)
{
    struct hulse_receipt batch[RECEIPTS];
    unsigned count = 0;

    const hulse_status rc = hulse_receipts(app.producer, batch, RECEIPTS, &count);
    if (rc != HULSE_OK && rc != HULSE_AGAIN) {
        fail("receipts", rc);
    }
    if (count == 0) {
        return;
    }
    app.receipt_ns = now_ns();
    for (unsigned i = 0; i < count; i++) {
        app.failed += batch[i].outcome != HULSE_OUTCOME_STORED || batch[i].token != app.receipts;
        if (app.sent_ns != NULL && batch[i].token >= app.sample_from) {
            app.send_ns[app.samples++] = app.receipt_ns - app.sent_ns[batch[i].token];
        }
        app.receipts++;
    }
}

/* Until something has come; the receipts are behind `moved`. */
static void await_receipt(void)
{
    const hulse_status rc = hulse_wait(app.session, 0, LATE_MS);
    if (rc != HULSE_OK && rc != HULSE_RECEIPTS) {
        fail("waiting for receipts", rc);
    }
}

static bool send_large(void)
{
    memcpy(app.pattern, &app.sent, sizeof app.sent);
    memset(app.pattern + 8, 0, 8);
    need("publish",
         hulse_publish_wait(app.producer, app.pattern, app.size, NULL, app.sent, LATE_MS));
    app.sent++;
    return true;
}

static bool send_one(void)
{
    void *room = NULL;
    if (app.chunks) {
        return send_large();
    }
    const hulse_status rc = hulse_claim(app.producer, app.size, &room);
    if (rc == HULSE_AGAIN || rc == HULSE_RECEIPTS) {
        return false;
    }
    need("claim", rc);
    uint8_t *at = room;
    memcpy(at, &app.sent, sizeof app.sent);
    memset(at + 8, 0, 8);
    if (app.sent_ns != NULL) {
        const uint64_t at_ns = now_ns();
        app.sent_ns[app.sent] = at_ns;
        memcpy(at + 8, &at_ns, sizeof at_ns);
    }
    memcpy(at + HEAD_BYTES, app.pattern + HEAD_BYTES, app.size - HEAD_BYTES);
    need("commit", hulse_commit(app.producer, app.size, NULL, app.sent));
    app.sent++;
    return true;
}

static void drain(void)
{
    need("flush", hulse_flush(app.producer));
    while (app.receipts < app.sent) {
        const uint64_t before = app.receipts;
        take_receipts();
        if (app.receipts == before) {
            await_receipt();
        }
    }
}

/* As fast as it goes, until the time has come or so many have been sent; ends with nothing in flight. */
static void send_all(uint64_t until_ns, uint64_t until)
{
    while (app.sent < until && now_ns() < until_ns) {
        unsigned n = 0;
        while (n < FLUSH && app.sent < until && app.sent - app.receipts < app.window &&
               send_one()) {
            n++;
        }
        need("flush", hulse_flush(app.producer));
        const uint64_t before = app.receipts;
        take_receipts();
        if (n == 0 && app.receipts == before) {
            await_receipt();
        }
    }
    drain();
}

static uint32_t power_of_two(uint64_t wish, uint32_t least)
{
    uint32_t n = least;
    while (n < wish) {
        n *= 2;
    }
    return n;
}

static void open_producer(void)
{
    hulse_producer_options *o = hulse_producer_options_new();
    const uint64_t wish = app.window * (app.size + OVERHEAD_BYTES);
    const uint64_t ring = wish < RING_MAX ? wish : RING_MAX;

    if (o == NULL || hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL) != HULSE_OK ||
        hulse_producer_options_ring(o, power_of_two(ring, 64U << 10)) != HULSE_OK ||
        hulse_producer_options_slots(o, power_of_two(app.window, 2048)) != HULSE_OK) {
        fail("options", HULSE_NO_MEMORY);
    }
    need("open producer", hulse_producer_open(app.session, &app.producer, app.topic, o));
    hulse_producer_options_free(&o);
}

static void publish(void)
{
    open_producer();
    send_all(now_ns() + app.warm_ns, UINT64_MAX);
    tell("{}");
    const uint64_t warm = app.sent;
    const uint64_t from_ns = now_ns();
    send_all(from_ns + app.measure_ns, UINT64_MAX);
    tell("{\"sent\": %" PRIu64 ", \"receipts\": %" PRIu64 ", \"wrong\": %" PRIu64
         ", \"measured\": %" PRIu64 ", \"seconds\": %.6f}",
         app.sent,
         app.receipts,
         app.failed,
         app.sent - warm,
         (double)(app.receipt_ns - from_ns) / 1e9);
}

static void hold(void)
{
    open_producer();
    send_all(UINT64_MAX, app.count);
    tell("{\"sent\": %" PRIu64 ", \"receipts\": %" PRIu64 ", \"wrong\": %" PRIu64
         ", \"last_ns\": %" PRIu64 "}",
         app.sent,
         app.receipts,
         app.failed,
         app.receipt_ns);
}

/* ---- consuming ---- */

static void open_consumer(void)
{
    hulse_consumer_options *o = hulse_consumer_options_new();

    if (o == NULL || hulse_consumer_options_type(o, HULSE_SHARED) != HULSE_OK ||
        hulse_consumer_options_start(o, HULSE_EARLIEST) != HULSE_OK ||
        (app.chunks && hulse_consumer_options_reassembly(o, app.size) != HULSE_OK)) {
        fail("options", HULSE_NO_MEMORY);
    }
    need("open consumer", hulse_consumer_open(app.session, &app.consumer, app.topic, "bench", o));
    hulse_consumer_options_free(&o);
}

static void acknowledge(const struct hulse_id *id)
{
    hulse_status rc = HULSE_OK;
    while ((rc = hulse_ack(app.consumer, id)) == HULSE_AGAIN) {
        need("verdicts", hulse_consumer_sync(app.consumer, LATE_MS));
    }
    need("ack", rc);
}

static void take_message(const struct hulse_message *m)
{
    uint64_t head[2] = {UINT64_MAX, 0};

    if (m->data_bytes == app.size) {
        memcpy(head, m->data, sizeof head);
    }
    if (head[0] != app.received || memcmp((const uint8_t *)m->data + HEAD_BYTES,
                                          app.pattern + HEAD_BYTES,
                                          app.size - HEAD_BYTES) != 0) {
        app.wrong++;
    }
    if (head[1] != 0 && head[0] >= app.sample_from && app.end_to_end_ns != NULL) {
        app.end_to_end_ns[app.arrivals++] = now_ns() - head[1];
    }
    app.received++;
}

/* Takes and acknowledges, one by one, at most `max`. */
static unsigned take_messages(unsigned max, int timeout_ms)
{
    struct hulse_message batch[BATCH];
    unsigned count = 0;

    for (unsigned i = 0; i < BATCH; i++) {
        batch[i].size = sizeof batch[i];
    }
    const hulse_status rc = hulse_next_batch(
        app.consumer, batch, max < BATCH ? max : BATCH, SIZE_MAX, timeout_ms, &count);
    if (rc != HULSE_OK && rc != HULSE_AGAIN && rc != HULSE_TIMED_OUT) {
        fail("next", rc);
    }
    for (unsigned i = 0; i < count; i++) {
        take_message(&batch[i]);
        acknowledge(&batch[i].id);
    }
    if (count != 0) {
        hulse_release(app.consumer, &batch[count - 1]);
    }
    return count;
}

static void take_until(uint64_t count)
{
    while (app.received < count) {
        const uint64_t left = count - app.received;
        if (take_messages(left < BATCH ? (unsigned)left : BATCH, LATE_MS) == 0) {
            fail("messages are missing", HULSE_TIMED_OUT);
        }
    }
}

static void consume(void)
{
    open_consumer();
    take_until(app.count / 3);
    tell("{}");
    const uint64_t warm = app.received;
    const uint64_t from_ns = now_ns();
    take_until(app.count);
    const uint64_t to_ns = now_ns();
    /* It ends when the daemon has all verdicts, and the broker what it acknowledges for them. */
    need("sync", hulse_consumer_sync(app.consumer, LATE_MS));
    need("close", hulse_consumer_close(&app.consumer, LATE_MS));
    tell("{\"received\": %" PRIu64 ", \"acknowledged\": %" PRIu64 ", \"wrong\": %" PRIu64
         ", \"measured\": %" PRIu64 ", \"seconds\": %.6f}",
         app.received,
         app.received,
         app.wrong,
         app.received - warm,
         (double)(to_ns - from_ns) / 1e9);
}

/* ---- at a rate ---- */

/* Sleeps until something has come or the time is there; takes what has come. */
static void look(uint64_t until_ns)
{
    const uint64_t at_ns = now_ns();
    const int left_ms = until_ns > at_ns ? (int)((until_ns - at_ns) / 1000000) : 0;

    if (left_ms != 0) {
        const hulse_status rc = hulse_wait(app.session, 0, left_ms);
        if (rc != HULSE_OK && rc != HULSE_TIMED_OUT && rc != HULSE_AGAIN) {
            fail("wait", rc);
        }
    } else {
        const uint64_t left_ns = until_ns > at_ns ? until_ns - at_ns : 0;
        const struct timespec nap = {.tv_nsec = (long)left_ns};
        (void)nanosleep(&nap, NULL);
    }
    take_receipts();
    while (take_messages(BATCH, 0) != 0) {
    }
}

static void send_paced(uint64_t duration_ns)
{
    const uint64_t from_ns = now_ns();
    const uint64_t count = duration_ns * app.rate / SECOND_NS;

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t due_ns = from_ns + (i * SECOND_NS / app.rate);
        while (now_ns() < due_ns) {
            look(due_ns);
        }
        while (!send_one()) {
            look(now_ns() + 1000000);
        }
        need("flush", hulse_flush(app.producer));
    }
    const uint64_t give_up_ns = now_ns() + ((uint64_t)LATE_MS * 1000000);
    while ((app.receipts < app.sent || app.received < app.sent) && now_ns() < give_up_ns) {
        look(now_ns() + 1000000);
    }
}

static int by_value(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile_us(uint64_t *values, uint64_t count, uint64_t percent)
{
    if (count == 0) {
        return -1;
    }
    qsort(values, count, sizeof *values, by_value);
    return (double)values[(count - 1) * percent / 100] / 1e3;
}

static void latency(void)
{
    const uint64_t room = ((app.warm_ns + app.measure_ns) * app.rate / SECOND_NS) + 1;

    app.sent_ns = calloc(room, sizeof *app.sent_ns);
    app.send_ns = calloc(room, sizeof *app.send_ns);
    app.end_to_end_ns = calloc(room, sizeof *app.end_to_end_ns);
    if (app.sent_ns == NULL || app.send_ns == NULL || app.end_to_end_ns == NULL) {
        fail("memory", HULSE_NO_MEMORY);
    }
    app.sample_from = UINT64_MAX;
    open_consumer();
    open_producer();
    send_paced(app.warm_ns);
    tell("{}");
    const uint64_t warm = app.sent;
    app.sample_from = warm;
    send_paced(app.measure_ns);
    const double send_p50 = percentile_us(app.send_ns, app.samples, 50);
    const double end_p50 = percentile_us(app.end_to_end_ns, app.arrivals, 50);
    need("sync", hulse_consumer_sync(app.consumer, LATE_MS));
    need("close", hulse_consumer_close(&app.consumer, LATE_MS));
    tell("{\"sent\": %" PRIu64 ", \"receipts\": %" PRIu64 ", \"received\": %" PRIu64
         ", \"acknowledged\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"measured\": %" PRIu64
         ", \"send_us\": [%.1f, %.1f], \"end_to_end_us\": [%.1f, %.1f]}",
         app.sent,
         app.receipts,
         app.received,
         app.received,
         app.wrong + app.failed,
         app.sent - warm,
         send_p50,
         percentile_us(app.send_ns, app.samples, 99),
         end_p50,
         percentile_us(app.end_to_end_ns, app.arrivals, 99));
}

/* ---- the command line ---- */

static void take_argument(const char *word)
{
    const char *value = strchr(word, '=');

    if (value == NULL) {
        return;
    }
    const size_t bytes = (size_t)(value - word);
    value++;
    const double number = strtod(value, NULL);
    if (strncmp(word, "url", bytes) == 0) {
        app.socket = value;
    } else if (strncmp(word, "topic", bytes) == 0) {
        app.topic = value;
    } else if (strncmp(word, "size", bytes) == 0) {
        app.size = (uint32_t)number;
    } else if (strncmp(word, "window", bytes) == 0) {
        app.window = (uint64_t)number;
    } else if (strncmp(word, "count", bytes) == 0) {
        app.count = (uint64_t)number;
    } else if (strncmp(word, "rate", bytes) == 0) {
        app.rate = (uint64_t)number;
    } else if (strncmp(word, "chunks", bytes) == 0) {
        app.chunks = number != 0;
    } else if (strncmp(word, "warm", bytes) == 0) {
        app.warm_ns = (uint64_t)(number * 1e9);
    } else if (strncmp(word, "measure", bytes) == 0) {
        app.measure_ns = (uint64_t)(number * 1e9);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"publish", publish}, {"consume", consume}, {"latency", latency}, {"hold", hold}};

    app.mode = argc > 1 ? argv[1] : "";
    for (int i = 2; i < argc; i++) {
        take_argument(argv[i]);
    }
    if (app.socket == NULL || app.topic == NULL || app.size < HEAD_BYTES ||
        app.size > PAYLOAD_MAX || app.window == 0) {
        (void)fprintf(stderr, "hulse: url, topic, size and window are needed\n");
        return 64;
    }
    for (uint32_t i = 0; i < app.size; i++) {
        app.pattern[i] = (uint8_t)((i * 167) + 13);
    }
    hulse_options *options = hulse_options_new();
    if (options == NULL || hulse_options_socket(options, app.socket) != HULSE_OK) {
        return 1;
    }
    need("open", hulse_open(&app.session, options));
    hulse_options_free(&options);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, app.mode) == 0) {
            modes[i].run();
            need("close", hulse_close(&app.session, LATE_MS));
            return 0;
        }
    }
    (void)fprintf(stderr, "hulse: %s: no such mode\n", app.mode);
    return 64;
}
