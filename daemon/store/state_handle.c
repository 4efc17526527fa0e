/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/store/state_internal.h"
#include "daemon/store/value.h"

#include <stdlib.h>
#include <string.h>

/* How often the handles are looked through, as a part of what they live. */
enum { SWEEPS_PER_LIFE = 16 };

/* Handles are random; topics are counted. */
static uint64_t hash_handle(uint64_t topic, const uint8_t *handle)
{
    return hulse_get64(handle) ^ (hulse_get64(handle + 8) * 3) ^
           (topic * UINT64_C(0x9e3779b97f4a7c15));
}

struct state_handle *hulse_state_handle_get(const struct state *s,
                                            const struct state_topic *topic,
                                            const uint8_t *handle)
{
    struct state_handle *h = hulse_id_map_get(&s->handles, hash_handle(topic->id, handle));

    while (h != NULL && (h->topic != topic || memcmp(h->handle, handle, STORE_HANDLE_BYTES) != 0)) {
        h = h->same_hash;
    }
    return h;
}

struct state_handle *
hulse_state_handle_add(struct state *s, struct state_topic *topic, const uint8_t *handle)
{
    const uint64_t hash = hash_handle(topic->id, handle);
    struct state_handle *h = calloc(1, sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    memcpy(h->handle, handle, STORE_HANDLE_BYTES);
    h->topic = topic;
    h->same_hash = hulse_id_map_get(&s->handles, hash);
    if (!hulse_id_map_put(&s->handles, hash, h)) {
        free(h);
        return NULL;
    }
    h->next = topic->handles;
    h->self = &topic->handles;
    if (h->next != NULL) {
        h->next->self = &h->next;
    }
    topic->handles = h;
    topic->handle_count++;
    s->handle_count++;
    s->bytes += sizeof(*h);
    return h;
}

static void leave_hash(struct state *s, struct state_handle *handle)
{
    const uint64_t hash = hash_handle(handle->topic->id, handle->handle);
    struct state_handle *first = hulse_id_map_get(&s->handles, hash);

    if (first == handle) {
        if (handle->same_hash == NULL) {
            hulse_id_map_remove(&s->handles, hash);
        } else {
            (void)hulse_id_map_put(&s->handles, hash, handle->same_hash);
        }
        return;
    }
    while (first->same_hash != handle) {
        first = first->same_hash;
    }
    first->same_hash = handle->same_hash;
}

bool hulse_state_handle_remove(struct state *s, struct state_handle *handle, bool forget)
{
    const struct value_key key = hulse_value_key_handle(handle->topic->id, handle->handle);

    if (forget && !hulse_state_removed(s, &key, false)) {
        return false;
    }
    leave_hash(s, handle);
    *handle->self = handle->next;
    if (handle->next != NULL) {
        handle->next->self = handle->self;
    }
    handle->topic->handle_count--;
    s->handle_count--;
    s->bytes -= sizeof(*handle);
    hulse_state_unchanged(&s->changed_handles, &handle->changed);
    free(handle);
    return true;
}

bool hulse_state_handle_seen(struct state *s, struct state_topic *topic, const struct frame *f)
{
    static const uint8_t none[STORE_HANDLE_BYTES];
    struct state_handle *h = NULL;

    if (memcmp(f->handle, none, sizeof(none)) == 0) {
        return true;
    }
    h = hulse_state_handle_get(s, topic, f->handle);
    const bool first = h == NULL;
    if (first) {
        h = hulse_state_handle_add(s, topic, f->handle);
    }
    if (h == NULL) {
        return false;
    }
    if (first || f->seq > h->seq) {
        /* What is left out between was refused, or is lost. */
        h->seq_from = first || f->seq != h->seq + 1 ? f->seq : h->seq_from;
        h->seq = f->seq;
    }
    h->seen_ms = f->time_ms > h->seen_ms ? f->time_ms : h->seen_ms;
    return hulse_state_changed(&s->changed_handles, h, &h->changed);
}

/*
 * Handles age only while the store is open, by a clock that never jumps: neither a clock that is set
 * forwards nor a long time without a daemon takes from a client the time that it has to come back in.
 */
bool hulse_state_handles_sweep(struct state *s)
{
    size_t at = 0;
    struct state_topic *topic = NULL;

    if (s->age_ms - s->swept_age < s->handle_ttl_ms / SWEEPS_PER_LIFE) {
        return true;
    }
    s->swept_age = s->age_ms;
    while ((topic = hulse_id_map_next(&s->topics, &at)) != NULL) {
        struct state_handle *next = NULL;
        for (struct state_handle *h = topic->handles; h != NULL; h = next) {
            next = h->next;
            if (h->changed == 0 && s->age_ms > h->seen_age &&
                s->age_ms - h->seen_age > s->handle_ttl_ms &&
                !hulse_state_handle_remove(s, h, true)) {
                return false;
            }
        }
    }
    return true;
}
