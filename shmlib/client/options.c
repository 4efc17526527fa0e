/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - setters of the public options objects: copy, judge, change nothing on INVAL.
 *
 * Threads: an object has one owner.
 */
#include "shmlib/client/options.h"

#include "shmlib/ring/region.h"

#include <stdlib.h>
#include <string.h>

const struct hulse_options hulse_options_default = {.timeout_ms = HULSE_CONNECT_TIMEOUT_MS};
const struct hulse_producer_options hulse_producer_options_default = {
    .flush_records = HULSE_FLUSH_RECORDS,
    .flush_bytes = HULSE_FLUSH_BYTES,
    .send_timeout_ms = UINT32_MAX,
};
const struct hulse_consumer_options hulse_consumer_options_default = {.type = HULSE_EXCLUSIVE};

static void *copy_of(const void *from, size_t bytes)
{
    void *o = malloc(bytes);

    if (o != NULL) {
        memcpy(o, from, bytes);
    }
    return o;
}

/* Copies a terminated string of at least `least` bytes into a buffer of `room`. */
static hulse_status set_text(char *to, size_t room, const char *text, size_t least)
{
    if (text == NULL) {
        return HULSE_INVAL;
    }
    const size_t bytes = strnlen(text, room);
    if (bytes < least || bytes >= room) {
        return HULSE_INVAL;
    }
    memcpy(to, text, bytes + 1);
    return HULSE_OK;
}

hulse_options *hulse_options_new(void)
{
    return copy_of(&hulse_options_default, sizeof(hulse_options));
}

void hulse_options_free(hulse_options **o)
{
    if (o != NULL) {
        free(*o);
        *o = NULL;
    }
}

hulse_status hulse_options_socket(hulse_options *o, const char *path)
{
    return o == NULL ? HULSE_INVAL : set_text(o->socket, sizeof(o->socket), path, 1);
}

hulse_status hulse_options_name(hulse_options *o, const char *name)
{
    return o == NULL ? HULSE_INVAL : set_text(o->name, sizeof(o->name), name, 0);
}

hulse_status hulse_options_token(hulse_options *o, const char *token)
{
    return o == NULL ? HULSE_INVAL : set_text(o->token, sizeof(o->token), token, 0);
}

hulse_status hulse_options_connect_timeout(hulse_options *o, int timeout_ms)
{
    if (o == NULL || timeout_ms < HULSE_FOREVER) {
        return HULSE_INVAL;
    }
    o->timeout_ms = timeout_ms;
    return HULSE_OK;
}

hulse_producer_options *hulse_producer_options_new(void)
{
    return copy_of(&hulse_producer_options_default, sizeof(hulse_producer_options));
}

void hulse_producer_options_free(hulse_producer_options **o)
{
    if (o != NULL) {
        free(*o);
        *o = NULL;
    }
}

hulse_status hulse_producer_options_receipts(hulse_producer_options *o, enum hulse_receipts mode)
{
    if (o == NULL || (mode != HULSE_RECEIPTS_NONE && mode != HULSE_RECEIPTS_ERRORS &&
                      mode != HULSE_RECEIPTS_FULL)) {
        return HULSE_INVAL;
    }
    o->receipts = mode;
    return HULSE_OK;
}

hulse_status hulse_producer_options_ring(hulse_producer_options *o, uint32_t bytes)
{
    if (o == NULL || (bytes != 0 && !hulse_region_bytes_valid(bytes))) {
        return HULSE_INVAL;
    }
    o->ring_bytes = bytes;
    return HULSE_OK;
}

hulse_status hulse_producer_options_slots(hulse_producer_options *o, uint32_t count)
{
    if (o == NULL || (count != 0 && (count < HULSE_SLOTS_MIN || count > HULSE_SLOTS_MAX ||
                                     (count & (count - 1)) != 0))) {
        return HULSE_INVAL;
    }
    o->slots = count;
    return HULSE_OK;
}

hulse_status hulse_producer_options_group(hulse_producer_options *o, unsigned group)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->group = group;
    return HULSE_OK;
}

hulse_status hulse_producer_options_release_on_read(hulse_producer_options *o, int on)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->release_on_read = on != 0;
    return HULSE_OK;
}

hulse_status
hulse_producer_options_auto_flush(hulse_producer_options *o, uint32_t records, uint32_t bytes)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->flush_records = records;
    o->flush_bytes = bytes;
    return HULSE_OK;
}

hulse_status hulse_producer_options_send_timeout(hulse_producer_options *o, uint32_t timeout_ms)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->send_timeout_ms = timeout_ms;
    return HULSE_OK;
}

hulse_status hulse_producer_options_share_with(hulse_producer_options *o, hulse_producer *other)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->share_with = other;
    return HULSE_OK;
}

hulse_consumer_options *hulse_consumer_options_new(void)
{
    return copy_of(&hulse_consumer_options_default, sizeof(hulse_consumer_options));
}

void hulse_consumer_options_free(hulse_consumer_options **o)
{
    if (o != NULL) {
        free(*o);
        *o = NULL;
    }
}

hulse_status hulse_consumer_options_type(hulse_consumer_options *o, enum hulse_subscription type)
{
    if (o == NULL || (unsigned)type > HULSE_READER) {
        return HULSE_INVAL;
    }
    o->type = type;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_start(hulse_consumer_options *o, enum hulse_start start)
{
    if (o == NULL || (start != HULSE_LATEST && start != HULSE_EARLIEST)) {
        return HULSE_INVAL;
    }
    o->start = start;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_name(hulse_consumer_options *o, const char *name)
{
    return o == NULL ? HULSE_INVAL : set_text(o->name, sizeof(o->name), name, 0);
}

hulse_status hulse_consumer_options_ring(hulse_consumer_options *o, uint32_t bytes)
{
    if (o == NULL || (bytes != 0 && !hulse_region_bytes_valid(bytes))) {
        return HULSE_INVAL;
    }
    o->ring_bytes = bytes;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_verdict_ring(hulse_consumer_options *o, uint32_t bytes)
{
    if (o == NULL || (bytes != 0 && !hulse_region_bytes_valid(bytes))) {
        return HULSE_INVAL;
    }
    o->verdict_bytes = bytes;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_group(hulse_consumer_options *o, unsigned group)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->group = group;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_reassembly(hulse_consumer_options *o, uint32_t bytes)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->reassembly_bytes = bytes;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_unacked_max(hulse_consumer_options *o, uint32_t count)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->unacked_max = count;
    return HULSE_OK;
}
