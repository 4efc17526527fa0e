/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl_library - see curl_library.h.
 */
#include "daemon/net/curl_library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The build says which one; this is for tools that look at the file without it. */
#ifndef HULSE_CURL_FILE
#define HULSE_CURL_FILE "libcurl.so.4"
#endif

struct curl_library hulse_curl;

/* One word for each member, in their order: POSIX lets dlsym() give functions as void *. */
static const char *const names[] = {
#define NAME(name) "curl_" #name,
    HULSE_CURL_FUNCTIONS(NAME)
#undef NAME
};

#define FUNCTIONS (sizeof(names) / sizeof(names[0]))

_Static_assert(sizeof(struct curl_library) == FUNCTIONS * sizeof(void *),
               "a pointer to a function is as large as one to an object");

hulse_status hulse_curl_library_load(struct error *err)
{
    void *found[FUNCTIONS];

    if (hulse_curl.global_cleanup != NULL) {
        return HULSE_OK;
    }
    void *library = dlopen(HULSE_CURL_FILE, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps a text for each thread */
        return hulse_fail(err, HULSE_FAILED, "libcurl cannot be loaded: %s", dlerror());
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        found[i] = dlsym(library, names[i]);
        if (found[i] == NULL) {
            (void)dlclose(library);
            return hulse_fail(
                err, HULSE_FAILED, "%s has no function %s()", HULSE_CURL_FILE, names[i]);
        }
    }
    memcpy(&hulse_curl, found, sizeof(found));
    return HULSE_OK;
}
