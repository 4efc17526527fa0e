/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server - http_server.py, run by a test on a port of its own of the loopback interface.
 */
#ifndef HULSE_TESTS_SUPPORT_HTTP_SERVER_H
#define HULSE_TESTS_SUPPORT_HTTP_SERVER_H

#include <sys/types.h>

struct http_server {
    pid_t pid;
    int input; /* it serves until this is closed */
    unsigned port;
};

/* Listens when this returns. With a folder for its certificates it speaks TLS; else NULL. */
void hulse_test_http_start(struct http_server *s, const char *address, const char *folder);
void hulse_test_http_stop(struct http_server *s);

#endif
