/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl_library - libcurl's functions, from a library that is loaded when the first request is made:
 * it brings 25 others, which are half of the time in which a daemon starts, and most daemons never
 * make a request.
 *
 * Threads: control.
 */
#ifndef HULSE_NET_CURL_LIBRARY_H
#define HULSE_NET_CURL_LIBRARY_H

#include "daemon/core/error.h"

#include <curl/curl.h>

/* The names without "curl_". */
#define HULSE_CURL_FUNCTIONS(FUNCTION)                                                             \
    FUNCTION(easy_cleanup)                                                                         \
    FUNCTION(easy_getinfo)                                                                         \
    FUNCTION(easy_init)                                                                            \
    FUNCTION(easy_setopt)                                                                          \
    FUNCTION(easy_strerror)                                                                        \
    FUNCTION(free)                                                                                 \
    FUNCTION(global_cleanup)                                                                       \
    FUNCTION(global_init_mem)                                                                      \
    FUNCTION(multi_add_handle)                                                                     \
    FUNCTION(multi_assign)                                                                         \
    FUNCTION(multi_cleanup)                                                                        \
    FUNCTION(multi_info_read)                                                                      \
    FUNCTION(multi_init)                                                                           \
    FUNCTION(multi_remove_handle)                                                                  \
    FUNCTION(multi_setopt)                                                                         \
    FUNCTION(multi_socket_action)                                                                  \
    FUNCTION(multi_socket_all)                                                                     \
    FUNCTION(slist_append)                                                                         \
    FUNCTION(slist_free_all)                                                                       \
    FUNCTION(url)                                                                                  \
    FUNCTION(url_cleanup)                                                                          \
    FUNCTION(url_get)                                                                              \
    FUNCTION(url_set)

#define HULSE_CURL_MEMBER(name) __typeof__(curl_##name) *(name);

/* multi_socket_all is deprecated, for what it costs with thousands of requests. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
struct curl_library {
    HULSE_CURL_FUNCTIONS(HULSE_CURL_MEMBER)
};
#pragma GCC diagnostic pop

/* All NULL until hulse_curl_library_load() has succeeded, which is before any request exists. */
extern struct curl_library hulse_curl;

/*
 * Blocks while files are read, some milliseconds. Never unloaded; further calls cost nothing.
 * FAILED: it or one of its functions is not there; a later call tries again.
 */
hulse_status hulse_curl_library_load(struct error *err);

#endif
