/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is kept comes back as it was, for its time, for whom it is meant; the bound and the daemon's memory hold.
 * Method: the cache by itself, with times of the test's.
 */
#include "daemon/broker/pulsar/lookup/cache.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

#define NOW 1000000U
#define KEPT_MS 60000U

static struct lookup_cache cache;

static struct lookup_key key_of(const char *topic, bool create)
{
    return (struct lookup_key){.topic = topic, .hash = hulse_hash_text(topic), .create = create};
}

static struct pulsar_lookup_result owned_by(const char *physical, const char *logical)
{
    struct pulsar_lookup_result r = {.kept_ms = KEPT_MS};

    (void)snprintf(r.endpoint.physical.name, sizeof(r.endpoint.physical.name), "%s", physical);
    (void)snprintf(r.endpoint.logical.name, sizeof(r.endpoint.logical.name), "%s", logical);
    r.endpoint.physical.port = 1;
    r.endpoint.logical.port = 65535;
    r.endpoint.tls = true;
    r.endpoint.proxied = true;
    return r;
}

static int start(void **state)
{
    (void)state;
    hulse_mem_init((size_t)64 << 20U);
    hulse_lookup_cache_init(&cache);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hulse_lookup_cache_fini(&cache);
    return hulse_mem_used(HULSE_MEM_BROKER) == 0 && cache.count == 0 ? 0 : -1;
}

static void test_what_is_kept_comes_back(void **state)
{
    char longest[PULSAR_HOST_BYTES];
    struct pulsar_lookup_result out;
    struct pulsar_lookup_result parted = {.partitions = 7, .kept_ms = 500};
    const struct lookup_key a = key_of("a", false);
    const struct lookup_key b = key_of("b", false);

    (void)state;
    memset(longest, 'h', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const struct pulsar_lookup_result in = owned_by(longest, "l");
    assert_false(hulse_lookup_cache_find(&cache, &a, NOW, &out));
    hulse_lookup_cache_put(&cache, &a, NOW, &in);
    hulse_lookup_cache_put(&cache, &b, NOW, &parted);
    assert_true(hulse_lookup_cache_find(&cache, &a, NOW, &out));
    assert_true(hulse_pulsar_endpoint_same(&out.endpoint, &in.endpoint));
    assert_true(out.cached);
    assert_int_equal(out.partitions, 0);
    assert_int_equal(out.failure.class, BROKER_DONE);
    assert_true(hulse_lookup_cache_find(&cache, &b, NOW, &out));
    assert_int_equal(out.partitions, 7);
    assert_true(hulse_lookup_cache_find(&cache, &b, NOW + 499, &out));
    assert_int_equal(out.kept_ms, 1);
    assert_false(hulse_lookup_cache_find(&cache, &b, NOW + 500, &out));
    hulse_lookup_cache_drop(&cache, &a);
    hulse_lookup_cache_drop(&cache, &a);
    assert_false(hulse_lookup_cache_find(&cache, &a, NOW, &out));
}

/* The same name in another cluster is another topic. */
static void test_clusters_are_apart(void **state)
{
    struct pulsar_lookup_result out;
    const struct pulsar_lookup_result blue = owned_by("blue", "l");
    const struct pulsar_lookup_result green = owned_by("green", "l");
    const struct lookup_key here = key_of("a", false);
    struct lookup_key there = here;

    (void)state;
    there.cluster = 1;
    hulse_lookup_cache_put(&cache, &here, NOW, &blue);
    assert_false(hulse_lookup_cache_find(&cache, &there, NOW, &out));
    hulse_lookup_cache_put(&cache, &there, NOW, &green);
    assert_int_equal(cache.count, 2);
    assert_true(hulse_lookup_cache_find(&cache, &here, NOW, &out));
    assert_string_equal(out.endpoint.physical.name, "blue");
    hulse_lookup_cache_drop(&cache, &here);
    assert_true(hulse_lookup_cache_find(&cache, &there, NOW, &out));
    assert_string_equal(out.endpoint.physical.name, "green");
}

static void test_the_last_one_is_kept_for_its_time(void **state)
{
    struct pulsar_lookup_result out;
    const struct pulsar_lookup_result first = owned_by("first", "l");
    const struct pulsar_lookup_result second = owned_by("second", "l");
    const struct lookup_key a = key_of("a", false);

    (void)state;
    hulse_lookup_cache_put(&cache, &a, NOW, &first);
    hulse_lookup_cache_put(&cache, &a, NOW + 1000, &second);
    assert_int_equal(cache.count, 1);
    assert_true(hulse_lookup_cache_find(&cache, &a, NOW + 1000 + KEPT_MS - 1, &out));
    assert_string_equal(out.endpoint.physical.name, "second");
    assert_false(hulse_lookup_cache_find(&cache, &a, NOW + 1000 + KEPT_MS, &out));
    assert_int_equal(cache.count, 0);
}

static void test_what_a_creator_found_is_for_creators(void **state)
{
    struct pulsar_lookup_result out;
    const struct pulsar_lookup_result in = owned_by("p", "l");
    const struct lookup_key creator = key_of("a", true);
    const struct lookup_key other = key_of("a", false);

    (void)state;
    hulse_lookup_cache_put(&cache, &creator, NOW, &in);
    assert_false(hulse_lookup_cache_find(&cache, &other, NOW, &out));
    assert_true(hulse_lookup_cache_find(&cache, &creator, NOW, &out));
    hulse_lookup_cache_put(&cache, &other, NOW, &in);
    assert_true(hulse_lookup_cache_find(&cache, &other, NOW, &out));
    assert_true(hulse_lookup_cache_find(&cache, &creator, NOW, &out));
    assert_int_equal(cache.count, 1);
}

static void test_the_least_lately_used_makes_room(void **state)
{
    struct pulsar_lookup_result out;
    const struct pulsar_lookup_result in = owned_by("p", "l");
    char topic[32];

    (void)state;
    for (uint32_t i = 0; i < PULSAR_LOOKUP_CACHE_MAX; i++) {
        (void)snprintf(topic, sizeof(topic), "t%u", i);
        const struct lookup_key key = key_of(topic, false);
        hulse_lookup_cache_put(&cache, &key, NOW, &in);
    }
    const struct lookup_key used = key_of("t0", false);
    const struct lookup_key unused = key_of("t1", false);
    const struct lookup_key more = key_of("more", false);
    assert_true(hulse_lookup_cache_find(&cache, &used, NOW, &out));
    hulse_lookup_cache_put(&cache, &more, NOW, &in);
    assert_int_equal(cache.count, PULSAR_LOOKUP_CACHE_MAX);
    assert_true(hulse_lookup_cache_find(&cache, &used, NOW, &out));
    assert_true(hulse_lookup_cache_find(&cache, &more, NOW, &out));
    assert_false(hulse_lookup_cache_find(&cache, &unused, NOW, &out));
}

static void test_without_memory_nothing_is_kept(void **state)
{
    struct pulsar_lookup_result out;
    const struct pulsar_lookup_result in = owned_by("p", "l");
    const struct lookup_key a = key_of("a", false);

    (void)state;
    hulse_lookup_cache_put(&cache, &a, NOW, &in);
    const size_t rest = hulse_mem_cap() - hulse_mem_total();
    assert_true(hulse_mem_take(HULSE_MEM_ADMIN, rest));
    const struct lookup_key b = key_of("bb", false);
    hulse_lookup_cache_put(&cache, &b, NOW, &in);
    assert_false(hulse_lookup_cache_find(&cache, &b, NOW, &out));
    assert_true(hulse_lookup_cache_find(&cache, &a, NOW, &out));
    hulse_mem_give(HULSE_MEM_ADMIN, rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_kept_comes_back, start, end),
        cmocka_unit_test_setup_teardown(test_clusters_are_apart, start, end),
        cmocka_unit_test_setup_teardown(test_the_last_one_is_kept_for_its_time, start, end),
        cmocka_unit_test_setup_teardown(test_what_a_creator_found_is_for_creators, start, end),
        cmocka_unit_test_setup_teardown(test_the_least_lately_used_makes_room, start, end),
        cmocka_unit_test_setup_teardown(test_without_memory_nothing_is_kept, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
