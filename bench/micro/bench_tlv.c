/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_tlv - metadata of a record: writing, judging, walking, finding.
 *
 * Conservation: what the walk finds is what was put in, byte for byte.
 */
#include "bench/micro/micro.h"
#include "shmlib/ring/tlv.h"

#define PROPERTIES 4U
#define ROOM_BYTES 1024U

static const char key[] = "customer-4711";
static const char *const names[PROPERTIES] = {"region", "tenant", "trace-id", "content-type"};
static const char *const values[PROPERTIES] = {
    "eu-central-1", "hexa", "4bf92f3577b34da6a3ce929d0e0e4736", "application/json"};

struct scene {
    uint8_t small[ROOM_BYTES]; /* a key */
    uint8_t large[ROOM_BYTES]; /* a key, a time and four properties */
    size_t small_bytes;
    size_t large_bytes;
};

static size_t encode(uint8_t *out, bool large)
{
    const uint64_t time_ms = 1700000000000U;
    const struct hulse_tlv key_tlv = {HULSE_TAG_KEY, sizeof(key) - 1, (const uint8_t *)key};
    const struct hulse_tlv time_tlv = {
        HULSE_TAG_EVENT_TIME, sizeof(time_ms), (const uint8_t *)&time_ms};
    size_t at = 0;
    bool fits = hulse_tlv_put(out, ROOM_BYTES, &at, &key_tlv);

    if (large) {
        fits = fits && hulse_tlv_put(out, ROOM_BYTES, &at, &time_tlv);
        for (unsigned i = 0; i < PROPERTIES; i++) {
            const struct hulse_tlv_pair pair = {
                names[i], strlen(names[i]), values[i], strlen(values[i])};
            fits = fits && hulse_tlv_put_property(out, ROOM_BYTES, &at, &pair);
        }
    }
    micro_require(fits, "there is room");
    return at;
}

static void put_large(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint8_t out[ROOM_BYTES];

    for (uint64_t i = 0; i < ops; i++) {
        micro_require(encode(out, true) == s->large_bytes, "the same bytes");
    }
    micro_require(memcmp(out, s->large, s->large_bytes) == 0, "the same bytes");
}

static void check(const uint8_t *in, size_t bytes, uint64_t ops)
{
    const char *why = NULL;
    uint64_t valid = 0;

    for (uint64_t i = 0; i < ops; i++) {
        valid += hulse_tlv_check(in, bytes, HULSE_TLV_PUBLISH, &why);
    }
    micro_require(valid == ops, "valid every time");
}

static void check_small(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    check(s->small, s->small_bytes, ops);
}

static void check_large(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    check(s->large, s->large_bytes, ops);
}

static void walk(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t bytes = 0;
    uint64_t elements = 0;

    for (uint64_t i = 0; i < ops; i++) {
        struct hulse_tlv element;
        size_t at = 0;
        while (hulse_tlv_next(s->large, s->large_bytes, &at, &element) == 1) {
            bytes += element.bytes + (uint64_t)HULSE_TLV_HEADER_BYTES;
            elements++;
        }
    }
    micro_require(bytes == ops * s->large_bytes && elements == ops * (PROPERTIES + 2),
                  "every element once");
}

static void find_key(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t found = 0;

    for (uint64_t i = 0; i < ops; i++) {
        struct hulse_tlv element;
        found += hulse_tlv_find(s->large, s->large_bytes, HULSE_TAG_KEY, &element) &&
                 memcmp(element.value, key, sizeof(key) - 1) == 0;
    }
    micro_require(found == ops, "found every time");
}

int main(int argc, char **argv)
{
    static struct scene s;
    struct micro m;

    micro_begin(&m, "tlv", argc, argv);
    s.small_bytes = encode(s.small, false);
    s.large_bytes = encode(s.large, true);
    printf("  small %zu B: a key; large %zu B: a key, a time, %u properties\n",
           s.small_bytes,
           s.large_bytes,
           PROPERTIES);
    micro_run(&m, "check, small", micro_ops(&m, 20000000, 20000), check_small, &s);
    micro_run(&m, "check, large", micro_ops(&m, 5000000, 20000), check_large, &s);
    micro_run(&m, "walk, large", micro_ops(&m, 20000000, 20000), walk, &s);
    micro_run(&m, "find key, large", micro_ops(&m, 20000000, 20000), find_key, &s);
    micro_run(&m, "put, large", micro_ops(&m, 5000000, 20000), put_large, &s);
    return micro_end(&m);
}
