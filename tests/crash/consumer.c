/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer - the application that consumes, and writes down what it got (see scene.h).
 */
#include "tests/crash/ledger.h"
#include "tests/crash/scene.h"

#include <unistd.h>

#define HANDFUL 64U
#define WAIT_MS 20
#define QUIET_MS 300U

struct consumer {
    const struct scene *scene;
    struct ledger ledger;
    hulse_session *session;
    hulse_consumer *consumer;
    struct ledger_entry held[HANDFUL]; /* acknowledged, not yet confirmed */
    unsigned held_count;
    uint64_t quiet_since_ms;
};

static void note(struct consumer *c, const struct ledger_entry *entry)
{
    SCENE_NEED(c->scene, hulse_ledger_append(&c->ledger, entry), HULSE_LIMIT);
}

static void open_consumer(struct consumer *c)
{
    const uint64_t until = hulse_scene_now_ms() + c->scene->wishes.patience_ms;
    hulse_consumer_options *o = hulse_consumer_options_new();
    hulse_status st = HULSE_NO_MEMORY;

    if (o != NULL && hulse_consumer_options_type(o, HULSE_EXCLUSIVE) == HULSE_OK) {
        /* BUSY: the daemon has not noticed yet that the one before is dead. */
        while (hulse_scene_passing(
                   st = hulse_consumer_open(
                       c->session, &c->consumer, c->scene->wishes.topic, SCENE_SUBSCRIPTION, o)) &&
               hulse_scene_now_ms() < until) {
            hulse_scene_pause_us(1000);
        }
    }
    SCENE_NEED(c->scene, st == HULSE_OK, st);
    hulse_consumer_options_free(&o);
}

static void acknowledge(struct consumer *c, const struct hulse_id *id)
{
    const uint64_t until = hulse_scene_now_ms() + c->scene->wishes.patience_ms;
    hulse_status st = HULSE_OK;

    while ((st = hulse_ack(c->consumer, id)) != HULSE_OK) {
        SCENE_NEED(c->scene, hulse_scene_passing(st) && hulse_scene_now_ms() < until, st);
        st = hulse_consumer_sync(c->consumer, WAIT_MS);
        SCENE_NEED(c->scene, st == HULSE_OK || hulse_scene_passing(st), st);
    }
}

static void take(struct consumer *c, const struct hulse_message *in)
{
    struct scene_message head;
    const bool whole = hulse_scene_check(in, &head);
    struct ledger_entry entry = {
        .number = head.number,
        .id = hulse_ledger_id(in->id.ledger, in->id.entry, in->id.batch),
        .epoch = head.epoch,
        .kind = LEDGER_ARRIVED,
        .detail = whole ? 0 : 1,
    };

    note(c, &entry);
    entry.kind = LEDGER_ACKING;
    note(c, &entry);
    acknowledge(c, &in->id);
    hulse_release(c->consumer, in);
    entry.kind = LEDGER_ACKED;
    c->held[c->held_count++] = entry;
    (void)atomic_fetch_add(&c->scene->page->arrived, 1);
}

/* What is acknowledged counts as such once the daemon has said so. */
static void confirm(struct consumer *c)
{
    const uint64_t until = hulse_scene_now_ms() + c->scene->wishes.patience_ms;
    hulse_status st = HULSE_OK;

    while (c->held_count > 0 && (st = hulse_consumer_sync(c->consumer, WAIT_MS)) != HULSE_OK) {
        SCENE_NEED(c->scene, hulse_scene_passing(st) && hulse_scene_now_ms() < until, st);
        if (st == HULSE_ORPHAN) {
            hulse_scene_pause_us(1000);
        }
    }
    for (unsigned i = 0; i < c->held_count; i++) {
        note(c, &c->held[i]);
    }
    c->held_count = 0;
}

/* False: quiet for a while after the driver has seen everything arrive. */
static bool consume_handful(struct consumer *c)
{
    struct hulse_message in = {.size = sizeof(in)};
    hulse_status st = hulse_next_wait(c->consumer, &in, WAIT_MS);
    const uint64_t now_ms = hulse_scene_now_ms();

    while (st == HULSE_OK) {
        take(c, &in);
        c->quiet_since_ms = now_ms;
        st = c->held_count < HANDFUL ? hulse_next(c->consumer, &in) : HULSE_AGAIN;
    }
    SCENE_NEED(c->scene, hulse_scene_passing(st), st);
    if (st == HULSE_ORPHAN) {
        hulse_scene_pause_us(1000);
    }
    confirm(c);
    return atomic_load(&c->scene->page->finish) == 0 || now_ms < c->quiet_since_ms + QUIET_MS;
}

void hulse_crash_consume(const struct scene *scene)
{
    struct consumer c = {.scene = scene, .quiet_since_ms = hulse_scene_now_ms()};
    const struct scene_wishes *w = &scene->wishes;

    SCENE_NEED(
        scene, hulse_ledger_open(&c.ledger, w->consumer_path, 6 * w->messages_max), HULSE_IO);
    note(&c, &(struct ledger_entry){.kind = LEDGER_CONSUMING});
    c.session = hulse_scene_open(scene);
    open_consumer(&c);
    atomic_store(&scene->page->consumer_ready, 1);
    while (w->slow && atomic_load(&scene->page->enough) == 0) {
        const hulse_status st = hulse_wait(c.session, 0, WAIT_MS);
        SCENE_NEED(scene, st == HULSE_OK || hulse_scene_passing(st), st);
        hulse_scene_pause_us(1000);
    }
    while (consume_handful(&c)) {
    }
    const hulse_status st = hulse_close(&c.session, (int)w->patience_ms);
    SCENE_NEED(scene, st == HULSE_OK, st);
    hulse_ledger_close(&c.ledger);
    _exit(0);
}
