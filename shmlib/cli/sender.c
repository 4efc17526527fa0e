/* SPDX-License-Identifier: Apache-2.0 */
/* sender - publishing with a full window (contract in sender.h). */
#include "shmlib/cli/sender.h"

#include "shmlib/cli/message.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FAILURES_TOLD_MAX 20U
#define RECEIPTS_AT_ONCE 64U
#define VERDICT_TIMEOUT_MS 30000
/* A library call that waits is cut into slices, so that a signal is seen. */
#define SLICE_MS 200

static const char late[] = "the daemon was not done in time; `hulse health` says how it is";
static const char full[] =
    "no room for it in time: the daemon takes no more at present, as when its disk is "
    "full; `hulse health` says how it is";

static double now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void tell(struct hulse_cli_sender *s, const char *what, const char *why)
{
    if (s->told < FAILURES_TOLD_MAX) {
        hulse_cli_error("%s: %s", what, why);
    } else if (s->told == FAILURES_TOLD_MAX) {
        hulse_cli_error("more failures follow and are only counted");
    }
    s->told++;
}

void hulse_cli_sender_refuse(struct hulse_cli_sender *s, const char *what, const char *why)
{
    s->refused++;
    s->unusable++;
    tell(s, what, why);
}

/* No more can be published: said once. `why` is used unless the whole session has ended. */
static void broken(struct hulse_cli_sender *s, hulse_status status, const char *why)
{
    if (s->broken == HULSE_OK) {
        s->broken = status;
        /* The producer's text is that of its own last failure, which may be an older one. */
        if (hulse_poll(s->session, 0) != HULSE_OK) {
            why = hulse_last_error(s->session);
        }
        (void)hulse_cli_fail(status, "publishing has stopped", why);
    }
}

static void print_id(struct hulse_cli_sender *s, const struct hulse_receipt *r)
{
    char id[HULSE_CLI_ID_BYTES];

    hulse_cli_message_id(&r->id, id);
    if (s->cli->json) {
        hulse_cli_out_format(
            &s->cli->out, "{\"message\":%" PRIu64 ",\"id\":\"%s\"}\n", r->token, id);
    } else {
        hulse_cli_out_format(&s->cli->out, "%s\n", id);
    }
}

static void take_receipt(struct hulse_cli_sender *s, const struct hulse_receipt *r)
{
    s->answered++;
    if (r->outcome == HULSE_OUTCOME_STORED || r->outcome == HULSE_OUTCOME_SPOOLED) {
        if (s->ids) {
            print_id(s, r);
        }
        return;
    }
    char what[64];
    (void)snprintf(what, sizeof(what), "message %" PRIu64, r->token);
    s->failed++;
    if (r->outcome == HULSE_OUTCOME_TOO_LARGE || r->outcome == HULSE_OUTCOME_BAD_RECORD ||
        r->outcome == HULSE_OUTCOME_INVALID_SCHEMA) {
        s->unusable++;
    }
    tell(s, what, hulse_outcome_text(r->outcome));
}

/* Takes all receipts that are there; how many. Where none were asked for it hears whether the producer has ended. */
static unsigned take_receipts(struct hulse_cli_sender *s)
{
    struct hulse_receipt got[RECEIPTS_AT_ONCE];
    const unsigned max = s->receipts ? RECEIPTS_AT_ONCE : 0;
    unsigned total = 0;
    unsigned count = RECEIPTS_AT_ONCE;

    while (count == RECEIPTS_AT_ONCE) {
        const hulse_status st = hulse_receipts(s->producer, got, max, &count);
        if (st != HULSE_OK && st != HULSE_AGAIN) {
            broken(s, st, hulse_producer_error(s->producer));
            return total;
        }
        for (unsigned i = 0; i < count; i++) {
            take_receipt(s, &got[i]);
        }
        total += count;
    }
    return total;
}

void hulse_cli_sender_sleep(struct hulse_cli_sender *s, struct hulse_cli_sleep *what)
{
    /* Ids that came while nothing else happened must not wait in the buffer for the next ones. */
    (void)take_receipts(s);
    (void)hulse_cli_out_flush(&s->cli->out);
    const hulse_status st = hulse_cli_presence(s->cli, &s->away, hulse_cli_sleep(s->session, what));
    if (st != HULSE_OK && st != HULSE_AGAIN) {
        (void)take_receipts(s);
        broken(s, st, NULL);
        return;
    }
    (void)take_receipts(s);
}

/* Sleeps until the rate allows one more message. */
static void pace(struct hulse_cli_sender *s)
{
    if (s->rate <= 0) {
        return;
    }
    if (s->attempts == 0) {
        s->started_ms = now_ms();
    }
    const double due_ms = s->started_ms + (double)s->attempts * 1e3 / s->rate;
    double left_ms = due_ms - now_ms();
    while (left_ms > 0 && s->broken == HULSE_OK && !hulse_cli_stop_requested()) {
        const int whole_ms = left_ms > 1e6 ? 1000000 : (int)left_ms + 1;
        struct hulse_cli_sleep what = {
            .until = hulse_cli_deadline_in(whole_ms), .input = -1, .output = -1};
        hulse_cli_sender_sleep(s, &what);
        left_ms = due_ms - now_ms();
    }
}

/* One try to put a message into the ring. Large ones are cut into fragments by the library. */
static hulse_status try_publish(struct hulse_cli_sender *s,
                                const void *data,
                                size_t bytes,
                                const struct hulse_meta *meta,
                                uint64_t token)
{
    void *room = NULL;

    if (bytes > hulse_message_max(s->producer)) {
        return HULSE_TOOBIG;
    }
    const hulse_status st = hulse_claim(s->producer, (uint32_t)bytes, &room);
    if (st == HULSE_TOOBIG) {
        /* Half a message cannot be taken back, so this one waits in one piece. */
        return hulse_publish_wait(s->producer, data, bytes, meta, token, s->cli->timeout_ms);
    }
    if (st != HULSE_OK) {
        return st;
    }
    if (bytes > 0) {
        memcpy(room, data, bytes);
    }
    const hulse_status committed = hulse_commit(s->producer, (uint32_t)bytes, meta, token);
    if (committed != HULSE_OK) {
        hulse_abort(s->producer);
    }
    /* Payload and metadata together need more than a record: as fragments. */
    return committed == HULSE_TOOBIG
               ? hulse_publish_wait(s->producer, data, bytes, meta, token, s->cli->timeout_ms)
               : committed;
}

/* A message that did not get into the ring. */
static void refuse(struct hulse_cli_sender *s, uint64_t number, size_t bytes, hulse_status st)
{
    char what[64];
    char why[512];
    const uint32_t max = hulse_message_max(s->producer);

    (void)snprintf(what, sizeof(what), "message %" PRIu64, number);
    if (st == HULSE_TOOBIG && bytes > max) {
        (void)snprintf(
            why, sizeof(why), "too large: %zu bytes, the topic takes up to %" PRIu32, bytes, max);
    } else {
        (void)snprintf(why,
                       sizeof(why),
                       "%s",
                       st == HULSE_TIMED_OUT ? full : hulse_producer_error(s->producer));
    }
    if (st == HULSE_TOOBIG || st == HULSE_INVAL) {
        hulse_cli_sender_refuse(s, what, why);
        return;
    }
    s->refused++;
    broken(s, st, why);
}

/* Until there is room. OK: try again; AGAIN: a signal came; else the message has failed. */
static hulse_status await_room(struct hulse_cli_sender *s, struct hulse_cli_deadline until)
{
    struct hulse_cli_sleep what = {.until = until, .input = -1, .output = -1};

    if (take_receipts(s) > 0) {
        return HULSE_OK;
    }
    hulse_cli_sender_sleep(s, &what);
    if (s->broken != HULSE_OK) {
        return s->broken;
    }
    if (hulse_cli_stop_requested()) {
        return HULSE_AGAIN;
    }
    return hulse_cli_deadline_passed(until) ? HULSE_TIMED_OUT : HULSE_OK;
}

void hulse_cli_sender_publish(struct hulse_cli_sender *s,
                              const void *data,
                              size_t bytes,
                              const struct hulse_meta *meta)
{
    pace(s);
    if (s->broken != HULSE_OK || (s->rate > 0 && hulse_cli_stop_requested())) {
        return;
    }
    s->attempts++;
    const uint64_t number = s->attempts;
    hulse_status st = try_publish(s, data, bytes, meta, number);
    if (st == HULSE_AGAIN || st == HULSE_RECEIPTS) {
        const struct hulse_cli_deadline until = hulse_cli_deadline_in(s->cli->timeout_ms);
        while (st == HULSE_AGAIN || st == HULSE_RECEIPTS) {
            const hulse_status room = await_room(s, until);
            if (room == HULSE_AGAIN) {
                return;
            }
            st = room == HULSE_OK ? try_publish(s, data, bytes, meta, number) : room;
        }
    }
    if (st != HULSE_OK) {
        refuse(s, number, bytes, st);
        return;
    }
    s->accepted++;
    if (s->accepted % RECEIPTS_AT_ONCE == 0) {
        (void)take_receipts(s);
    }
}

static void finish_receipts(struct hulse_cli_sender *s, struct hulse_cli_deadline until)
{
    while (s->answered < s->accepted && s->broken == HULSE_OK) {
        if (hulse_cli_deadline_passed(until)) {
            broken(s, HULSE_TIMED_OUT, late);
            return;
        }
        struct hulse_cli_sleep what = {.until = until, .input = -1, .output = -1};
        hulse_cli_sender_sleep(s, &what);
    }
}

static void finish_counted(struct hulse_cli_sender *s, struct hulse_cli_deadline until)
{
    while (s->broken == HULSE_OK) {
        uint64_t failed = 0;
        const hulse_status st = hulse_sync(s->producer, SLICE_MS, &failed);
        if (st == HULSE_OK || st == HULSE_FAILED) {
            s->failed += failed;
            s->answered = s->accepted;
            if (failed > 0) {
                hulse_cli_error("the daemon could not store %" PRIu64
                                " messages; run with -v to see which and why",
                                failed);
            }
            return;
        }
        if (st != HULSE_TIMED_OUT || hulse_cli_deadline_passed(until)) {
            broken(s, st, st == HULSE_TIMED_OUT ? late : hulse_producer_error(s->producer));
        }
    }
}

/* The counters of the channel outlive the daemon: what it had answered when it went. */
static void take_counters(struct hulse_cli_sender *s)
{
    struct hulse_stats now = {.size = sizeof(now)};

    if (hulse_producer_stats(s->producer, &now) == HULSE_OK) {
        const uint64_t answered = now.done + now.failed;
        s->answered = answered < s->accepted ? answered : s->accepted;
        s->failed += now.failed < s->answered ? now.failed : s->answered;
    }
}

void hulse_cli_sender_finish(struct hulse_cli_sender *s)
{
    const int timeout_ms = s->cli->timeout_ms < 0 ? VERDICT_TIMEOUT_MS : s->cli->timeout_ms;
    const struct hulse_cli_deadline until = hulse_cli_deadline_in(timeout_ms);

    if (s->wait_for == HULSE_CLI_WAIT_ACCEPTED && s->broken == HULSE_OK) {
        (void)hulse_flush(s->producer);
        return;
    }
    if (s->receipts) {
        finish_receipts(s, until);
        (void)take_receipts(s);
    } else if (s->accepted > 0) {
        finish_counted(s, until);
        if (s->broken != HULSE_OK) {
            take_counters(s);
        }
    }
    if (s->answered < s->accepted) {
        s->unknown = s->accepted - s->answered;
    }
}
