/* SPDX-License-Identifier: Apache-2.0 */
/*
 * churner - an application beside the two: publishes much and acknowledges it at once, so that the store would be full of what
 * is dead but for the messages that wait for the slow consumer (see scene.h).
 */
#include "tests/crash/scene.h"

#include <unistd.h>

#define CHURN_TOPIC "persistent://public/default/crash-churn"
#define BODY_BYTES 32768U
#define BURST 32U
#define WAIT_MS 20

struct churner {
    const struct scene *scene;
    hulse_session *session;
    hulse_producer *producer;
    hulse_consumer *consumer;
    uint64_t moved_ms; /* when something last went on */
};

static void expect(const struct churner *c, hulse_status st)
{
    SCENE_NEED(c->scene, st == HULSE_OK || hulse_scene_passing(st), st);
}

static void open_both(struct churner *c)
{
    const uint64_t until = hulse_scene_now_ms() + c->scene->wishes.patience_ms;
    hulse_status st = HULSE_OK;

    while (
        hulse_scene_passing(st = hulse_consumer_open(
                                c->session, &c->consumer, CHURN_TOPIC, SCENE_SUBSCRIPTION, NULL)) &&
        hulse_scene_now_ms() < until) {
        hulse_scene_pause_us(1000);
    }
    SCENE_NEED(c->scene, st == HULSE_OK, st);
    while (hulse_scene_passing(
               st = hulse_producer_open(c->session, &c->producer, CHURN_TOPIC, NULL)) &&
           hulse_scene_now_ms() < until) {
        hulse_scene_pause_us(1000);
    }
    SCENE_NEED(c->scene, st == HULSE_OK, st);
}

/* False: no room now. */
static bool publish(struct churner *c)
{
    static uint8_t body[BODY_BYTES];
    unsigned count = 0;
    hulse_status st = HULSE_OK;

    while (count < BURST &&
           (st = hulse_publish(c->producer, body, sizeof(body), NULL, 0)) == HULSE_OK) {
        count++;
    }
    expect(c, st);
    expect(c, hulse_flush(c->producer));
    return count != 0;
}

/* What is not acknowledged comes again. False: there is nothing. */
static bool take(struct churner *c)
{
    struct hulse_message in = {.size = sizeof(in)};
    bool any = false;
    hulse_status st = hulse_next_wait(c->consumer, &in, 1);

    for (; st == HULSE_OK; st = hulse_next(c->consumer, &in)) {
        expect(c, hulse_ack(c->consumer, &in.id));
        hulse_release(c->consumer, &in);
        (void)atomic_fetch_add(&c->scene->page->churned, BODY_BYTES);
        any = true;
    }
    expect(c, st);
    return any;
}

void hulse_crash_churn(const struct scene *scene)
{
    struct churner c = {.scene = scene, .moved_ms = hulse_scene_now_ms()};

    c.session = hulse_scene_open(scene);
    open_both(&c);
    while (atomic_load(&scene->page->finish) == 0) {
        const bool published = publish(&c);
        const bool took = take(&c);
        if (took) {
            c.moved_ms = hulse_scene_now_ms();
        }
        if (!took && !published) {
            const hulse_status st = hulse_wait(c.session, 0, WAIT_MS);
            expect(&c, st);
            hulse_scene_pause_us(1000);
        }
        SCENE_NEED(
            scene, hulse_scene_now_ms() < c.moved_ms + scene->wishes.patience_ms, HULSE_TIMED_OUT);
    }
    const hulse_status st = hulse_close(&c.session, (int)scene->wishes.patience_ms);
    SCENE_NEED(scene, st == HULSE_OK, st);
    _exit(0);
}
