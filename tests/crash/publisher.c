/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher - the application that publishes, and writes down what it did (see scene.h).
 */
#include "tests/crash/ledger.h"
#include "tests/crash/scene.h"

#include <stdlib.h>
#include <unistd.h>

#define RECEIPTS_AT_ONCE 64U
#define WAIT_MS 20

struct publisher {
    const struct scene *scene;
    struct ledger ledger;
    hulse_session *session;
    hulse_producer *producer;
    uint64_t next;      /* number */
    uint64_t noted;     /* numbers below are in the ledger as sent */
    uint64_t committed; /* numbers below have been flushed */
    uint64_t answered;  /* numbers below have their verdict: receipts come in order */
    uint32_t epoch;
    uint64_t moved_ms; /* when something last went on */
};

static void note(struct publisher *p, struct ledger_entry entry)
{
    entry.epoch = p->epoch;
    SCENE_NEED(p->scene, hulse_ledger_append(&p->ledger, &entry), HULSE_LIMIT);
}

/* Goes on behind what the ones before have written, in an epoch of its own. */
static void read_past(struct publisher *p)
{
    struct ledger_entry entry;

    for (uint64_t i = 0; hulse_ledger_read(&p->ledger, i, &entry); i++) {
        p->epoch = entry.epoch > p->epoch ? entry.epoch : p->epoch;
        if (entry.kind == LEDGER_SENT && entry.number >= p->next) {
            p->next = entry.number + 1;
        }
    }
    p->epoch++;
    p->noted = p->next;
    p->committed = p->next;
    p->answered = p->next;
}

static void open_producer(struct publisher *p)
{
    hulse_producer_options *o = hulse_producer_options_new();
    hulse_status st = HULSE_NO_MEMORY;

    if (o != NULL && hulse_producer_options_auto_flush(o, 0, 0) == HULSE_OK &&
        hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL) == HULSE_OK) {
        while (hulse_scene_passing(
                   st = hulse_producer_open(p->session, &p->producer, p->scene->wishes.topic, o)) &&
               hulse_scene_now_ms() < p->moved_ms + p->scene->wishes.patience_ms) {
            hulse_scene_pause_us(1000);
        }
    }
    SCENE_NEED(p->scene, st == HULSE_OK, st);
    hulse_producer_options_free(&o);
}

/* What is in the ring becomes the daemon's. */
static void flush(struct publisher *p)
{
    const hulse_status st = hulse_flush(p->producer);

    SCENE_NEED(p->scene, st == HULSE_OK || hulse_scene_passing(st), st);
    if (st == HULSE_OK) {
        for (; p->committed < p->next; p->committed++) {
            note(p, (struct ledger_entry){.number = p->committed, .kind = LEDGER_COMMITTED});
        }
    }
}

/* One that is under way to be published; told once, though it may have to wait for room. */
static void note_sent(struct publisher *p)
{
    if (p->noted == p->next) {
        note(p, (struct ledger_entry){.number = p->next, .kind = LEDGER_SENT});
        p->noted++;
    }
}

/* In fragments, which only a copy can be. False: no room now. */
static bool publish_large(struct publisher *p)
{
    static uint8_t body[SCENE_BODY_MAX];
    const uint32_t bytes = p->scene->wishes.body_bytes;
    struct scene_message head;

    hulse_scene_make(body, bytes, p->next, p->epoch, &head);
    note_sent(p);
    const hulse_status st = hulse_publish(p->producer, body, bytes, NULL, p->next);
    SCENE_NEED(p->scene, st == HULSE_OK || hulse_scene_passing(st), st);
    p->next += st == HULSE_OK;
    return st == HULSE_OK;
}

/* False: no room now. */
static bool publish_one(struct publisher *p)
{
    const uint32_t bytes = p->scene->wishes.body_bytes;
    struct scene_message head;
    const struct hulse_meta keyed = {
        .size = sizeof(keyed), .key = &head, .key_bytes = sizeof(head)};
    void *room = NULL;
    hulse_status st = hulse_claim(p->producer, bytes, &room);

    if (st == HULSE_TOOBIG) {
        return publish_large(p);
    }
    if (st != HULSE_OK) {
        SCENE_NEED(p->scene, hulse_scene_passing(st), st);
        return false;
    }
    hulse_scene_make(room, bytes, p->next, p->epoch, &head);
    note_sent(p);
    st = hulse_commit(p->producer, bytes, bytes < sizeof(head) ? &keyed : NULL, p->next);
    if (st == HULSE_AGAIN && bytes < sizeof(head)) {
        return false; /* the claim has no room for a key */
    }
    SCENE_NEED(p->scene, st == HULSE_OK, st);
    p->next++;
    return true;
}

static bool may_publish(const struct publisher *p)
{
    const struct scene_wishes *w = &p->scene->wishes;
    const bool wanted = p->next < w->messages || atomic_load(&p->scene->page->enough) == 0;
    const uint64_t arrived = atomic_load(&p->scene->page->arrived);

    const bool due = w->share == 0 || p->next * w->share <= atomic_load(&p->scene->page->churned);

    return wanted && due && p->next < w->messages_max && p->next - p->answered < w->window &&
           (w->idle || p->next < arrived + w->ahead);
}

/* A verdict each; the token is the number. */
static void take_receipts(struct publisher *p)
{
    struct hulse_receipt receipts[RECEIPTS_AT_ONCE];
    unsigned count = 0;
    const hulse_status st = hulse_receipts(p->producer, receipts, RECEIPTS_AT_ONCE, &count);

    SCENE_NEED(p->scene, st == HULSE_OK || hulse_scene_passing(st), st);
    for (unsigned i = 0; i < count; i++) {
        const struct hulse_id *id = &receipts[i].id;
        const bool known = receipts[i].outcome == HULSE_OUTCOME_STORED && id->ledger != UINT64_MAX;
        note(p,
             (struct ledger_entry){
                 .number = receipts[i].token,
                 .id = known ? hulse_ledger_id(id->ledger, id->entry, id->batch) : 0,
                 .kind = LEDGER_VERDICT,
                 .detail = (uint16_t)receipts[i].outcome,
             });
        /* In ring order (ipc B7): anything else is found here, not only by the audit. */
        SCENE_NEED(p->scene, receipts[i].token == p->answered, HULSE_PROTOCOL);
        p->answered++;
        p->moved_ms = hulse_scene_now_ms();
    }
}

static void wait_a_little(struct publisher *p)
{
    const hulse_status st = hulse_wait(p->session, 0, WAIT_MS);

    SCENE_NEED(p->scene, st == HULSE_OK || hulse_scene_passing(st), st);
    if (st == HULSE_ORPHAN) {
        hulse_scene_pause_us(1000); /* the descriptor is quiet */
    }
    SCENE_NEED(p->scene,
               p->answered == p->next ||
                   hulse_scene_now_ms() < p->moved_ms + p->scene->wishes.patience_ms,
               HULSE_TIMED_OUT);
}

static bool is_done(const struct publisher *p)
{
    const struct scene_wishes *w = &p->scene->wishes;

    return p->answered == p->next && p->next >= w->messages &&
           atomic_load(&p->scene->page->enough) != 0;
}

/* A burst of any length up to the window, flushed at random. False: the ring is full. */
static bool publish_burst(struct publisher *p, unsigned *dice)
{
    bool room = true;

    while (room && may_publish(p) && rand_r(dice) % 32 != 0) {
        room = publish_one(p);
        if (rand_r(dice) % 8 == 0) {
            flush(p);
        }
    }
    flush(p);
    return room;
}

static void publish_all(struct publisher *p)
{
    unsigned dice = (unsigned)getpid();

    while (!is_done(p)) {
        const bool room = publish_burst(p, &dice);
        take_receipts(p);
        if (p->answered == p->next) {
            p->moved_ms = hulse_scene_now_ms();
        }
        if (!room || !may_publish(p)) {
            wait_a_little(p);
        }
    }
}

/* S8: the window is in the ring, then no call until the driver says so. */
static void publish_and_rest(struct publisher *p)
{
    while (may_publish(p) && publish_one(p)) {
    }
    flush(p);
    atomic_store(&p->scene->page->published, 1);
    while (atomic_load(&p->scene->page->go) == 0) {
        hulse_scene_pause_us(500);
    }
}

void hulse_crash_publish(const struct scene *scene)
{
    struct publisher p = {.scene = scene, .moved_ms = hulse_scene_now_ms()};
    const struct scene_wishes *w = &scene->wishes;

    SCENE_NEED(
        scene, hulse_ledger_open(&p.ledger, w->publisher_path, 4 * w->messages_max), HULSE_IO);
    read_past(&p);
    p.session = hulse_scene_open(scene);
    open_producer(&p);
    atomic_store(&scene->page->publisher_ready, 1);
    if (w->idle) {
        publish_and_rest(&p);
    } else {
        publish_all(&p);
    }
    const hulse_status st = hulse_close(&p.session, (int)w->patience_ms);
    SCENE_NEED(scene, st == HULSE_OK, st);
    note(&p,
         (struct ledger_entry){
             .number = p.next,
             .kind = w->idle ? LEDGER_SETTLED : LEDGER_CLOSED,
         });
    hulse_ledger_close(&p.ledger);
    _exit(0);
}
