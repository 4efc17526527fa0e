/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene - see scene.h.
 */
#include "tests/crash/scene.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t sum_of(const struct scene_message *head, const uint8_t *rest, size_t bytes)
{
    uint64_t sum = head->number * 1000003 + (uint64_t)head->epoch * 31 + head->bytes;

    for (size_t i = 0; i < bytes; i++) {
        sum = sum * 131 + rest[i];
    }
    return sum;
}

void hulse_scene_make(
    void *to, uint32_t bytes, uint64_t number, uint32_t epoch, struct scene_message *head)
{
    const size_t inside = bytes < sizeof(*head) ? 0 : sizeof(*head);
    uint8_t *rest = (uint8_t *)to + inside;

    *head = (struct scene_message){.number = number, .epoch = epoch, .bytes = bytes};
    memset(rest, (int)(number * 7 + epoch) & 0xff, bytes - inside);
    head->sum = sum_of(head, rest, bytes - inside);
    memcpy(to, head, inside);
}

bool hulse_scene_check(const struct hulse_message *in, struct scene_message *head)
{
    const bool apart = in->data_bytes < sizeof(*head);
    const size_t inside = apart ? 0 : sizeof(*head);

    *head = (struct scene_message){0};
    if (apart && in->key_bytes != sizeof(*head)) {
        return false;
    }
    memcpy(head, apart ? in->key : in->data, sizeof(*head));
    return head->bytes == in->data_bytes &&
           head->sum == sum_of(head, (const uint8_t *)in->data + inside, in->data_bytes - inside);
}

void hulse_scene_fail(const struct scene *scene, const char *file, unsigned line, int status)
{
    uint32_t nobody = 0;

    if (atomic_compare_exchange_strong(&scene->page->wrong_line, &nobody, line)) {
        atomic_store(&scene->page->wrong_status, status);
    }
    (void)fprintf(stderr, "%s:%u: %s\n", file, line, hulse_status_text(status));
    _exit(1);
}

uint64_t hulse_scene_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void hulse_scene_pause_us(unsigned us)
{
    const struct timespec t = {.tv_nsec = (long)us * 1000};

    (void)nanosleep(&t, NULL);
}

bool hulse_scene_passing(hulse_status st)
{
    switch (st) {
    case HULSE_AGAIN:
    case HULSE_TIMED_OUT:
    case HULSE_ORPHAN:
    case HULSE_NO_DAEMON:
    case HULSE_BUSY:
    case HULSE_RECEIPTS:
        return true;
    default:
        return false;
    }
}

hulse_session *hulse_scene_open(const struct scene *scene)
{
    hulse_session *s = NULL;
    const uint64_t until = hulse_scene_now_ms() + scene->wishes.patience_ms;
    hulse_options *o = hulse_options_new();

    SCENE_NEED(scene, o != NULL, HULSE_NO_MEMORY);
    SCENE_NEED(scene, hulse_options_socket(o, scene->wishes.socket) == HULSE_OK, HULSE_INVAL);
    for (;;) {
        const hulse_status st = hulse_open(&s, o);
        if (st == HULSE_OK) {
            break;
        }
        /* A daemon that dies meanwhile looks like any of these. */
        SCENE_NEED(scene, hulse_scene_passing(st) || st == HULSE_IO || st == HULSE_REFUSED, st);
        SCENE_NEED(scene, hulse_scene_now_ms() < until, st);
        hulse_scene_pause_us(1000);
    }
    hulse_options_free(&o);
    return s;
}
