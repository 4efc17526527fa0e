/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_memory - memory for libcurl that is wiped when it is given back: its buffers have held
 * secrets and tokens.
 *
 * Not counted: libcurl bounds its buffers, and http_client the number of requests. What OpenSSL
 * takes, for libcurl or anybody else, does not come from here.
 *
 * Threads: any.
 */
#ifndef HULSE_NET_HTTP_MEMORY_H
#define HULSE_NET_HTTP_MEMORY_H

#include <stdbool.h>

/*
 * Starts libcurl, which is loaded, with it. False: it does not start. Goes with curl_global_cleanup(), as
 * curl_global_init() does; where somebody else has started libcurl before, it keeps that memory.
 */
bool hulse_http_memory_start_curl(void);

#endif
