/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene - what the processes of one crash run share: the wishes of its caller, a page, the body of
 * a message.
 *
 * The page is mapped by the driver before it forks. Each word has one writer.
 */
#ifndef HULSE_TESTS_CRASH_SCENE_H
#define HULSE_TESTS_CRASH_SCENE_H

#include <hulse/hulse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SCENE_BODY_MAX 524288U
#define SCENE_SUBSCRIPTION "crash"

/* Written by the driver before it forks. */
struct scene_wishes {
    const char *topic;
    const char *socket;
    char publisher_path[128]; /* ledgers */
    char consumer_path[128];
    uint64_t messages; /* at least as many */
    uint64_t messages_max;
    uint32_t body_bytes;
    uint32_t window;      /* messages without verdict */
    uint32_t ahead;       /* messages that have not arrived */
    uint32_t patience_ms; /* for anything that has to happen */
    uint32_t share;       /* bytes that another topic has to take for each message; 0: none */
    bool idle;            /* publishes a window, makes no call until told, closes */
    bool slow;            /* the consumer takes nothing until it is enough */
};

struct scene_page {
    /* Publisher. */
    _Atomic(uint32_t) publisher_ready;
    _Atomic(uint32_t) published; /* idle: the window is in the ring */
    /* Consumer. */
    _Atomic(uint32_t) consumer_ready;
    _Atomic(uint64_t) arrived; /* messages */
    /* Churner. */
    _Atomic(uint64_t) churned; /* bytes */
    /* Driver. */
    _Atomic(uint32_t) enough; /* kills are over: end when the number is reached */
    _Atomic(uint32_t) go;     /* idle: close now */
    _Atomic(uint32_t) finish; /* consumer: end when it is quiet */
    /* Whoever fails first. */
    _Atomic(uint32_t) wrong_line;
    _Atomic(int32_t) wrong_status;
};

struct scene {
    struct scene_wishes wishes;
    struct scene_page *page;
};

/* The head of each message, its key when the body is too short for it; the rest are made from it. */
struct scene_message {
    uint64_t number;
    uint64_t sum;
    uint32_t epoch;
    uint32_t bytes; /* of the whole */
};

/* Fills `bytes` bytes at `to`, and *head. */
void hulse_scene_make(
    void *to, uint32_t bytes, uint64_t number, uint32_t epoch, struct scene_message *head);
/* False: these are not the bytes that somebody made. *head is filled when there are enough. */
bool hulse_scene_check(const struct hulse_message *in, struct scene_message *head);

/* Ends a child; the driver finds line and status in the page. */
_Noreturn void
hulse_scene_fail(const struct scene *scene, const char *file, unsigned line, int status);
#define SCENE_NEED(scene, condition, status)                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            hulse_scene_fail(scene, __FILE__, __LINE__, status);                                   \
        }                                                                                          \
    } while (0)

uint64_t hulse_scene_now_ms(void);
void hulse_scene_pause_us(unsigned us);
/* True when trying again may help: the daemon is away or has not noticed something yet. */
bool hulse_scene_passing(hulse_status st);
/* Gives an open session, waiting for the daemon. */
hulse_session *hulse_scene_open(const struct scene *scene);

/* The applications: children that end with _exit(0), or are killed. */
_Noreturn void hulse_crash_publish(const struct scene *scene);
_Noreturn void hulse_crash_consume(const struct scene *scene);
_Noreturn void hulse_crash_churn(const struct scene *scene);

#endif
