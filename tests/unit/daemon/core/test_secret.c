/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a secret is whole as long as somebody holds it and wiped when the last one lets go,
 *         whatever its slot gets meanwhile.
 * Method: explicit_bzero() of the test's own tells what was wiped; threads that read a slot while it
 *         is written.
 */
#include "daemon/core/secret.h"
#include "tests/support/check.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { READERS = 3, ROUNDS = 2000, SECRET_BYTES = 200 };

static _Atomic(unsigned) wiped;
static char last_wiped[SECRET_BYTES + 1]; /* of tests with one thread and a drain */

/* In place of libc's. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void explicit_bzero(void *memory, size_t bytes)
{
    if (bytes > 0 && bytes <= SECRET_BYTES) {
        memcpy(last_wiped, memory, bytes);
        last_wiped[bytes] = '\0';
    }
    (void)atomic_fetch_add(&wiped, 1);
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&wiped, 0);
    last_wiped[0] = '\0';
    hulse_rcu_thread_begin();
    return hulse_rcu_writer_start() ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_rcu_writer_stop();
    hulse_rcu_thread_end();
    return 0;
}

static void test_the_last_holder_wipes(void **state)
{
    struct secret *s = hulse_secret_create("open sesame", 11);
    struct secret *other = s;

    (void)state;
    assert_non_null(s);
    assert_int_equal(s->bytes, 11);
    assert_string_equal(s->data, "open sesame");
    hulse_secret_hold(s);
    hulse_secret_release(&s);
    assert_null(s);
    assert_int_equal(atomic_load(&wiped), 0);
    assert_string_equal(other->data, "open sesame");
    hulse_secret_release(&other);
    assert_int_equal(atomic_load(&wiped), 1);
    assert_string_equal(last_wiped, "open sesame");
    s = hulse_secret_create("", 0);
    assert_string_equal(s->data, "");
    hulse_secret_release(&s);
}

static void test_a_slot_lets_go_of_the_one_before(void **state)
{
    struct secret_slot slot = {NULL};

    (void)state;
    assert_null(hulse_secret_slot_hold(&slot));
    hulse_secret_slot_set(&slot, hulse_secret_create("first", 5));
    struct secret *held = hulse_secret_slot_hold(&slot);
    assert_string_equal(held->data, "first");
    hulse_secret_slot_set(&slot, hulse_secret_create("second", 6));
    hulse_rcu_drain();
    assert_int_equal(atomic_load(&wiped), 0);
    assert_string_equal(held->data, "first");
    hulse_secret_release(&held);
    assert_string_equal(last_wiped, "first");
    held = hulse_secret_slot_hold(&slot);
    assert_string_equal(held->data, "second");
    hulse_secret_release(&held);
    assert_int_equal(atomic_load(&wiped), 1);
    hulse_secret_slot_set(&slot, NULL);
    hulse_rcu_drain();
    assert_string_equal(last_wiped, "second");
    assert_null(hulse_secret_slot_hold(&slot));
}

/* ---- many threads ---- */

static struct secret_slot shared;
static _Atomic(bool) over;
static _Atomic(unsigned) torn;
static _Atomic(unsigned) reads;

static void check(struct secret *s, uint64_t *newest)
{
    for (size_t i = 0; i < s->bytes; i++) {
        if (s->data[i] != (char)('a' + s->generation % 26)) {
            (void)atomic_fetch_add(&torn, 1);
            break;
        }
    }
    if (s->generation < *newest) {
        (void)atomic_fetch_add(&torn, 1);
    }
    *newest = s->generation;
}

static void *read_on(void *unused)
{
    struct secret *kept = NULL;
    uint64_t newest = 0;

    (void)unused;
    hulse_rcu_thread_begin();
    while (!atomic_load(&over)) {
        struct secret *s = hulse_secret_slot_hold(&shared);
        if (s == NULL) {
            continue;
        }
        check(s, &newest);
        (void)atomic_fetch_add(&reads, 1);
        /* One round longer than the slot may have it. */
        if (kept != NULL) {
            hulse_secret_release(&kept);
        }
        kept = s;
    }
    if (kept != NULL) {
        hulse_secret_release(&kept);
    }
    hulse_rcu_thread_end();
    return NULL;
}

static void test_threads_read_while_it_is_written(void **state)
{
    pthread_t readers[READERS];
    char text[SECRET_BYTES];

    (void)state;
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    }
    for (unsigned g = 1; g <= ROUNDS || atomic_load(&reads) < ROUNDS; g++) {
        memset(text, 'a' + (int)(g % 26), sizeof(text));
        struct secret *s = hulse_secret_create(text, sizeof(text));
        s->generation = g;
        hulse_secret_slot_set(&shared, s);
    }
    hulse_secret_slot_set(&shared, NULL);
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&torn), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_the_last_holder_wipes),
        CASE(test_a_slot_lets_go_of_the_one_before),
        CASE(test_threads_read_while_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
