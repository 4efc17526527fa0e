/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_server - a name server of the test's own on 127.0.0.1, by UDP and TCP, in a thread.
 *
 *   one.test     A 127.0.0.1, TTL 300; no AAAA
 *   both.test    A 127.0.0.2 and AAAA ::1, TTL 300 and 60
 *   lame.test    A 127.0.0.3 and then 127.0.0.2, TTL 300
 *   alias.test   CNAME both.test, TTL 20
 *   many.test    25 A
 *   large.test   40 A, more than UDP may carry, and carried nevertheless
 *   cut.test     40 A by TCP; by UDP none of them, and the mark that something was cut off
 *   silent.test  no answer
 *   noise.test   an answer of noise
 *   others       NXDOMAIN
 */
#ifndef HULSE_TESTS_SUPPORT_DNS_SERVER_H
#define HULSE_TESTS_SUPPORT_DNS_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

struct dns_server {
    int fd;     /* UDP */
    int listen; /* TCP */
    int conn;   /* of TCP, one at a time; -1 = none. The thread's. */
    pthread_t thread;
    char address[32]; /* 127.0.0.1:PORT */
    _Atomic(unsigned) queries;
    _Atomic(unsigned) tcp_queries; /* among them */
};

void hulse_test_dns_start(struct dns_server *s);
void hulse_test_dns_stop(struct dns_server *s);

#endif
