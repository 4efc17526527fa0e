/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes whenever its loop's timer ticks: event_loop TOPIC
 * For any loop: before sleeping, arm; when the descriptor is readable, poll; then read.
 */
#include <hulse/hulse.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MESSAGES = 20, PERIOD_NS = 5000000, WAIT_MS = 10000 };

static hulse_status run(hulse_session *s, hulse_producer *p, int loop, int timer)
{
    unsigned answered = 0;
    uint64_t sent = 0;
    uint64_t ticks = 0;
    hulse_status st = HULSE_OK;

    while (answered < MESSAGES && st == HULSE_OK) {
        struct hulse_receipt r[MESSAGES];
        struct epoll_event e = {0};
        unsigned count = 0;
        st = hulse_arm(s, 0); /* flushes, too; AGAIN: do not sleep */
        if (st == HULSE_OK && epoll_wait(loop, &e, 1, WAIT_MS) != 1) {
            return HULSE_TIMED_OUT;
        }
        st = hulse_poll(s, 0);
        if (st == HULSE_OK && sent < MESSAGES && read(timer, &ticks, sizeof(ticks)) > 0) {
            st = hulse_publish(p, "tick", 4, NULL, sent++);
        }
        st = st == HULSE_OK ? hulse_receipts(p, r, MESSAGES, &count) : st;
        for (unsigned i = 0; i < count; i++) {
            printf("tick %u: %s\n", answered++, hulse_outcome_text(r[i].outcome));
        }
    }
    return st;
}

int main(int argc, char **argv)
{
    const struct itimerspec period = {{.tv_nsec = PERIOD_NS}, {.tv_nsec = PERIOD_NS}};
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN};
    hulse_session *s = NULL;
    hulse_producer *p = NULL;
    hulse_producer_options *o = hulse_producer_options_new();

    hulse_status st = hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL);
    st = st == HULSE_OK ? hulse_open(&s, NULL) : st;
    st = st == HULSE_OK ? hulse_producer_open(s, &p, argc == 2 ? argv[1] : NULL, o) : st;
    if (st == HULSE_OK && epoll_ctl(loop, EPOLL_CTL_ADD, timer, &e) == 0 &&
        epoll_ctl(loop, EPOLL_CTL_ADD, hulse_fd(s, 0), &e) == 0 &&
        timerfd_settime(timer, 0, &period, NULL) == 0) {
        st = run(s, p, loop, timer);
    }
    printf("%s\n", s == NULL ? hulse_open_error() : hulse_status_text(st));
    return hulse_close(&s, 0) == HULSE_OK && st == HULSE_OK ? 0 : 1;
}
