/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - see answer.h.
 */
#include "daemon/admin/answer.h"

#include "daemon/admin/protocol.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdint.h>
#include <string.h>

#define ROOM_MIN 1024U

/* Keeps the size of a jansson allocation in front of it, and its alignment. */
union header {
    size_t bytes;
    max_align_t align;
};

static void *counted_alloc(size_t bytes)
{
    union header *h = NULL;

    if (bytes > SIZE_MAX - sizeof(*h)) {
        return NULL;
    }
    h = hulse_mem_alloc(HULSE_MEM_ADMIN, sizeof(*h) + bytes);
    if (h == NULL) {
        return NULL;
    }
    h->bytes = sizeof(*h) + bytes;
    return h + 1;
}

/* Wiped, because all JSON of the process is here, tokens of an issuer too. */
static void counted_free(void *memory)
{
    if (memory != NULL) {
        union header *h = (union header *)memory - 1;
        explicit_bzero(memory, h->bytes - sizeof(*h));
        hulse_mem_free(HULSE_MEM_ADMIN, h, h->bytes);
    }
}

void hulse_admin_memory_init(void)
{
    json_set_alloc_funcs(counted_alloc, counted_free);
}

const char *hulse_admin_code(hulse_status status)
{
    static const struct {
        hulse_status status;
        const char *name;
    } codes[] = {
        {HULSE_AGAIN, "HULSE_AGAIN"},
        {HULSE_TOOBIG, "HULSE_TOOBIG"},
        {HULSE_CLOSED, "HULSE_CLOSED"},
        {HULSE_INVAL, "HULSE_INVAL"},
        {HULSE_TIMED_OUT, "HULSE_TIMED_OUT"},
        {HULSE_DENIED, "HULSE_DENIED"},
        {HULSE_NO_TOPIC, "HULSE_NO_TOPIC"},
        {HULSE_LIMIT, "HULSE_LIMIT"},
        {HULSE_NO_MEMORY, "HULSE_NO_MEMORY"},
        {HULSE_NOT_CONFIGURED, "HULSE_NOT_CONFIGURED"},
        {HULSE_BUSY, "HULSE_BUSY"},
        {HULSE_REFUSED, "HULSE_REFUSED"},
        {HULSE_PROTOCOL, "HULSE_PROTOCOL"},
        {HULSE_UNSUPPORTED, "HULSE_UNSUPPORTED"},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status) {
            return codes[i].name;
        }
    }
    return "HULSE_IO";
}

void hulse_admin_line_fini(struct admin_line *line)
{
    hulse_mem_free(HULSE_MEM_ADMIN, line->data, line->room);
    *line = (struct admin_line){0};
}

/* jansson's callback: 0 goes on, -1 ends the dump. */
static int append(const char *data, size_t bytes, void *ctx)
{
    struct admin_line *line = ctx;

    if (bytes > HULSE_ADMIN_ANSWER_BYTES_MAX - line->bytes) {
        return -1;
    }
    if (bytes > line->room - line->bytes) {
        size_t room = line->room == 0 ? ROOM_MIN : line->room;
        while (room - line->bytes < bytes) {
            room *= 2;
        }
        char *wider = hulse_mem_alloc(HULSE_MEM_ADMIN, room);
        if (wider == NULL) {
            return -1;
        }
        if (line->bytes > 0) {
            memcpy(wider, line->data, line->bytes);
        }
        hulse_mem_free(HULSE_MEM_ADMIN, line->data, line->room);
        line->data = wider;
        line->room = room;
    }
    memcpy(line->data + line->bytes, data, bytes);
    line->bytes += bytes;
    return 0;
}

static bool dump(struct admin_line *out, const json_t *object)
{
    HULSE_ASSERT(out->data == NULL);
    if (object != NULL && json_dump_callback(object, append, out, JSON_COMPACT) == 0 &&
        append("\n", 1, out) == 0) {
        return true;
    }
    hulse_admin_line_fini(out);
    return false;
}

bool hulse_admin_answer_error(struct admin_line *out, hulse_status status, const char *detail)
{
    /* `detail` may quote foreign bytes: %+ replaces nothing, so a bad one falls back. */
    json_t *object = json_pack(
        "{s:s, s:s, s:s}", "status", "error", "code", hulse_admin_code(status), "detail", detail);
    if (object == NULL) {
        object = json_pack("{s:s, s:s, s:s}",
                           "status",
                           "error",
                           "code",
                           hulse_admin_code(status),
                           "detail",
                           hulse_status_text(status));
    }
    const bool fine = dump(out, object);
    json_decref(object);
    return fine;
}

bool hulse_admin_answer(struct admin_line *out, json_t *result)
{
    if (result == NULL) {
        return hulse_admin_answer_error(out, HULSE_NO_MEMORY, "memory_max is reached");
    }
    json_t *object = json_pack("{s:s, s:o}", "status", "ok", "result", result);
    const bool fine = dump(out, object);
    json_decref(object);
    if (fine) {
        return true;
    }
    return hulse_admin_answer_error(out,
                                    HULSE_TOOBIG,
                                    "the answer is longer than 16 MiB, or "
                                    "memory_max is reached");
}
