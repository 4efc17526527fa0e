/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_memory - see http_memory.h.
 */
#include "daemon/net/http_memory.h"

#include "daemon/net/curl_library.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of each piece, because libcurl does not tell its size when it gives it back. */
union header {
    size_t bytes; /* without the header */
    max_align_t align;
};

static void *take(size_t bytes)
{
    union header *h = bytes > SIZE_MAX - sizeof(*h) ? NULL : malloc(sizeof(*h) + bytes);

    if (h == NULL) {
        return NULL;
    }
    h->bytes = bytes;
    return h + 1;
}

static void wipe_and_free(void *memory)
{
    if (memory != NULL) {
        union header *h = (union header *)memory - 1;
        explicit_bzero(memory, h->bytes);
        free(h);
    }
}

static void *take_zeroed(size_t count, size_t bytes)
{
    if (bytes > 0 && count > SIZE_MAX / bytes) {
        return NULL;
    }
    void *memory = take(count * bytes);
    if (memory != NULL) {
        memset(memory, 0, count * bytes);
    }
    return memory;
}

/* Always another piece: realloc() would leave the old one as it is. */
static void *resize(void *memory, size_t bytes)
{
    void *other = take(bytes);

    if (memory != NULL && other != NULL) {
        const size_t had = ((union header *)memory - 1)->bytes;
        memcpy(other, memory, had < bytes ? had : bytes);
        wipe_and_free(memory);
    }
    return other;
}

static char *copy(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *other = take(bytes);

    if (other != NULL) {
        memcpy(other, text, bytes);
    }
    return other;
}

bool hulse_http_memory_start_curl(void)
{
    return hulse_curl.global_init_mem(
               CURL_GLOBAL_DEFAULT, take, wipe_and_free, resize, copy, take_zeroed) == CURLE_OK;
}
