/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what the crash tests conclude is right: a ledger keeps every whole entry of a killed writer
 *         and no torn one; the audit finds nothing in a true story and finds each kind of fault in a
 *         story that has it, and only that.
 * Method: entries are forged: one true story, and the same one with one entry left out, doubled,
 *         swapped or changed.
 */
#include "tests/crash/audit.h"
#include "tests/crash/ledger.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <hulse/hulse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGES = 12, FIRST_EPOCH = 6, ENTRIES_MAX = 128, CAPACITY = 1024 };

/* ---- stories ---- */

struct story {
    struct ledger_entry published[ENTRIES_MAX];
    struct ledger_entry consumed[ENTRIES_MAX];
    unsigned published_count;
    unsigned consumed_count;
    struct audit_rules rules;
};

static uint32_t epoch_of(uint64_t number)
{
    return number < FIRST_EPOCH ? 1 : 2;
}

static void publish(struct story *s, uint64_t number, enum ledger_kind kind, unsigned detail)
{
    const bool has_id = kind == LEDGER_VERDICT && detail == HULSE_OUTCOME_STORED;
    s->published[s->published_count++] = (struct ledger_entry){
        .number = number,
        .id = has_id ? hulse_ledger_id(7, number, -1) : 0,
        .epoch = epoch_of(number),
        .kind = (uint16_t)kind,
        .detail = (uint16_t)detail,
    };
}

static void consume(struct story *s, uint64_t number, enum ledger_kind kind)
{
    s->consumed[s->consumed_count++] = (struct ledger_entry){
        .number = number,
        .id = hulse_ledger_id(7, number, -1),
        .epoch = epoch_of(number),
        .kind = (uint16_t)kind,
    };
}

/*
 * Two lives of a publisher: the first was killed when 4 and 5 were committed without a verdict, the
 * second ended by itself.
 */
static void tell(struct story *s)
{
    memset(s, 0, sizeof(*s));
    s->rules = (struct audit_rules){.messages_max = MESSAGES,
                                    .exact = true,
                                    .committed_survives = true,
                                    .acknowledged = true,
                                    .receipts_have_ids = true};
    for (uint64_t n = 0; n < MESSAGES; n++) {
        publish(s, n, LEDGER_SENT, 0);
        publish(s, n, LEDGER_COMMITTED, 0);
        if (n != 4 && n != 5) {
            publish(s, n, LEDGER_VERDICT, HULSE_OUTCOME_STORED);
        }
        consume(s, n, LEDGER_ARRIVED);
        consume(s, n, LEDGER_ACKED);
    }
    publish(s, MESSAGES, LEDGER_CLOSED, 0);
}

static struct ledger_entry *find(struct ledger_entry *list, uint64_t number, enum ledger_kind kind)
{
    unsigned i = 0;
    while (list[i].number != number || list[i].kind != kind) {
        i++;
        assert_true(i < ENTRIES_MAX);
    }
    return &list[i];
}

static void leave_out(struct ledger_entry *list, unsigned *count, struct ledger_entry *entry)
{
    const unsigned at = (unsigned)(entry - list);
    memmove(entry, entry + 1, (*count - at - 1) * sizeof(*entry));
    *count -= 1;
}

static void forget_consumed(struct story *s, uint64_t number, enum ledger_kind kind)
{
    leave_out(s->consumed, &s->consumed_count, find(s->consumed, number, kind));
}

static void forget_published(struct story *s, uint64_t number, enum ledger_kind kind)
{
    leave_out(s->published, &s->published_count, find(s->published, number, kind));
}

/* Feeds both ledgers, one before the other; `fault` is AUDIT_FAULTS for a true story. */
static void
expect_one_way(const struct story *s, bool consumer_first, unsigned fault, uint64_t times)
{
    struct audit a;
    assert_true(hulse_audit_init(&a, &s->rules));
    for (unsigned i = 0; consumer_first && i < s->consumed_count; i++) {
        hulse_audit_feed(&a, &s->consumed[i]);
    }
    for (unsigned i = 0; i < s->published_count; i++) {
        hulse_audit_feed(&a, &s->published[i]);
    }
    for (unsigned i = 0; !consumer_first && i < s->consumed_count; i++) {
        hulse_audit_feed(&a, &s->consumed[i]);
    }
    assert_int_equal(hulse_audit_finish(&a), fault == AUDIT_FAULTS);
    for (unsigned i = 0; i < AUDIT_FAULTS; i++) {
        if (a.faults[i] != (i == fault ? times : 0)) {
            fail_msg("%s: %llu", hulse_audit_fault_name(i), (unsigned long long)a.faults[i]);
        }
    }
    hulse_audit_fini(&a);
}

static void expect(const struct story *s, unsigned fault, uint64_t times)
{
    expect_one_way(s, false, fault, times);
    expect_one_way(s, true, fault, times);
}

static void test_a_true_story(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    expect(&s, AUDIT_FAULTS, 0);
    /* Of an app that died in a call nothing is known. */
    forget_published(&s, 5, LEDGER_COMMITTED);
    forget_consumed(&s, 5, LEDGER_ARRIVED);
    forget_consumed(&s, 5, LEDGER_ACKED);
    expect(&s, AUDIT_FAULTS, 0);
}

static void test_redelivery_is_no_fault(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    forget_consumed(&s, 8, LEDGER_ACKED);
    consume(&s, 8, LEDGER_ARRIVED); /* the same copy */
    consume(&s, 8, LEDGER_ACKED);
    expect(&s, AUDIT_FAULTS, 0);
}

static void test_losses_are_found(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    forget_consumed(&s, 3, LEDGER_ARRIVED);
    expect(&s, AUDIT_LOST, 1);

    tell(&s);
    forget_consumed(&s, 4, LEDGER_ARRIVED);
    forget_consumed(&s, 4, LEDGER_ACKED);
    expect(&s, AUDIT_LOST_COMMITTED, 1);
    /* Both died: nothing was promised. */
    s.rules.committed_survives = false;
    expect(&s, AUDIT_FAULTS, 0);

    /* Close has promised it, without receipts. */
    tell(&s);
    forget_published(&s, MESSAGES, LEDGER_CLOSED);
    publish(&s, MESSAGES, LEDGER_SETTLED, 0);
    forget_published(&s, 9, LEDGER_VERDICT);
    expect(&s, AUDIT_FAULTS, 0);
    s.rules.committed_survives = false;
    forget_consumed(&s, 9, LEDGER_ARRIVED);
    expect(&s, AUDIT_LOST, 1);
}

static void test_wrong_verdicts_are_found(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    forget_published(&s, 8, LEDGER_VERDICT);
    expect(&s, AUDIT_MISSING_VERDICT, 1);

    tell(&s);
    publish(&s, 2, LEDGER_VERDICT, HULSE_OUTCOME_STORED);
    expect(&s, AUDIT_SECOND_VERDICT, 1);

    tell(&s);
    find(s.published, 2, LEDGER_VERDICT)->detail = HULSE_OUTCOME_FAILED_UNKNOWN;
    find(s.published, 2, LEDGER_VERDICT)->id = 0;
    expect(&s, AUDIT_BAD_VERDICT, 1);

    tell(&s);
    find(s.published, 2, LEDGER_VERDICT)->id = hulse_ledger_id(7, 3, -1);
    expect(&s, AUDIT_WRONG_RECEIPT, 1);
}

static void test_what_was_not_sent_must_not_arrive(void **state)
{
    (void)state;
    struct story s;
    struct audit a;
    tell(&s);
    find(s.published, 2, LEDGER_VERDICT)->detail = HULSE_OUTCOME_FAILED_NOT_SENT;
    find(s.published, 2, LEDGER_VERDICT)->id = 0;
    assert_true(hulse_audit_init(&a, &s.rules));
    for (unsigned i = 0; i < s.published_count; i++) {
        hulse_audit_feed(&a, &s.published[i]);
    }
    for (unsigned i = 0; i < s.consumed_count; i++) {
        hulse_audit_feed(&a, &s.consumed[i]);
    }
    assert_false(hulse_audit_finish(&a));
    assert_int_equal(a.faults[AUDIT_NOT_SENT_ARRIVED], 1);
    hulse_audit_fini(&a);
}

static void test_second_copies_are_found(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    consume(&s, 6, LEDGER_ARRIVED);
    s.consumed[s.consumed_count - 1].id = hulse_ledger_id(8, 99, -1);
    expect(&s, AUDIT_DUPLICATE, 1);
    s.rules.exact = false;
    s.rules.copies_max = 1;
    expect(&s, AUDIT_FAULTS, 0);
    s.rules.copies_max = 0;
    expect(&s, AUDIT_TOO_MANY_COPIES, 1);
}

static void test_disorder_is_found(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    struct ledger_entry *a = find(s.consumed, 7, LEDGER_ARRIVED);
    struct ledger_entry *b = find(s.consumed, 8, LEDGER_ARRIVED);
    const struct ledger_entry kept = *a;
    *a = *b;
    *b = kept;
    expect(&s, AUDIT_DISORDER, 1);
    /* Two lives of a publisher are two producers. */
    tell(&s);
    a = find(s.consumed, 5, LEDGER_ARRIVED);
    b = find(s.consumed, 6, LEDGER_ARRIVED);
    const struct ledger_entry first = *a;
    *a = *b;
    *b = first;
    expect(&s, AUDIT_FAULTS, 0);
}

static void test_wrong_deliveries_are_found(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    consume(&s, 6, LEDGER_ARRIVED);
    expect(&s, AUDIT_AFTER_ACK, 1);

    tell(&s);
    forget_published(&s, 5, LEDGER_SENT);
    expect(&s, AUDIT_FOREIGN, 1);

    tell(&s);
    consume(&s, MESSAGES, LEDGER_ARRIVED); /* beyond every number */
    expect(&s, AUDIT_FOREIGN, 1);

    tell(&s);
    consume(&s, 6, LEDGER_ARRIVED);
    s.consumed[s.consumed_count - 1].detail = 1;
    expect(&s, AUDIT_DAMAGED, 1);

    tell(&s);
    forget_consumed(&s, 6, LEDGER_ACKED);
    expect(&s, AUDIT_UNACKED, 1);
}

/* What a consumer was acknowledging when it was killed may be done, or comes again. */
static void test_a_consumer_that_dies(void **state)
{
    (void)state;
    struct story s;
    tell(&s);
    forget_consumed(&s, 10, LEDGER_ACKED);
    consume(&s, 10, LEDGER_ACKING);
    expect(&s, AUDIT_UNACKED, 1);
    consume(&s, 0, LEDGER_CONSUMING);
    expect(&s, AUDIT_FAULTS, 0);
    consume(&s, 10, LEDGER_ARRIVED);
    expect(&s, AUDIT_FAULTS, 0);
    /* It has ended by itself, so this one should be confirmed. */
    consume(&s, 10, LEDGER_ACKING);
    expect(&s, AUDIT_UNACKED, 1);
    consume(&s, 10, LEDGER_ACKED);
    expect(&s, AUDIT_FAULTS, 0);

    /* It was not yet acknowledging. */
    tell(&s);
    forget_consumed(&s, 10, LEDGER_ACKED);
    consume(&s, 0, LEDGER_CONSUMING);
    expect(&s, AUDIT_UNACKED, 1);
}

static void test_what_is_awaited(void **state)
{
    (void)state;
    struct story s;
    struct audit a;
    tell(&s);
    assert_true(hulse_audit_init(&a, &s.rules));
    for (unsigned i = 0; i < s.published_count; i++) {
        hulse_audit_feed(&a, &s.published[i]);
    }
    assert_int_equal(a.awaited, MESSAGES);
    for (unsigned i = 0; i < s.consumed_count; i++) {
        hulse_audit_feed(&a, &s.consumed[i]);
    }
    assert_int_equal(a.awaited, 0);
    hulse_audit_fini(&a);
}

/* ---- the file ---- */

static char path[] = "/tmp/hulse-ledger-XXXXXX";

static void test_a_killed_writer(void **state)
{
    (void)state;
    struct ledger l;
    struct ledger_entry entry;
    const pid_t pid = fork();
    if (pid == 0) {
        if (!hulse_ledger_open(&l, path, CAPACITY)) {
            _exit(1);
        }
        for (uint64_t n = 0; n < 10; n++) {
            entry = (struct ledger_entry){.number = n, .kind = LEDGER_SENT};
            (void)hulse_ledger_append(&l, &entry);
        }
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(hulse_ledger_open(&l, path, CAPACITY));
    assert_int_equal(l.next, 10);
    for (uint64_t n = 0; n < 10; n++) {
        assert_true(hulse_ledger_read(&l, n, &entry));
        assert_int_equal(entry.number, n);
    }
    assert_false(hulse_ledger_read(&l, 10, &entry));
    hulse_ledger_close(&l);
}

/* An entry without its check, as a writer leaves it that dies between the two. */
static void test_a_torn_entry_is_replaced(void **state)
{
    (void)state;
    struct ledger l;
    struct ledger_entry entry = {.number = 10, .kind = LEDGER_SENT};
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    /* Slots of 32 bytes behind a head of 16; the check is the last word. */
    assert_int_equal(pwrite(fd, &entry, 24, 16 + 10 * 32), 24);
    assert_int_equal(close(fd), 0);
    assert_true(hulse_ledger_open(&l, path, CAPACITY));
    assert_int_equal(l.next, 10);
    entry.number = 11;
    assert_true(hulse_ledger_append(&l, &entry));
    assert_true(hulse_ledger_read(&l, 10, &entry));
    assert_int_equal(entry.number, 11);
    hulse_ledger_close(&l);
}

static void test_a_full_ledger_says_so(void **state)
{
    (void)state;
    struct ledger l;
    const struct ledger_entry entry = {.number = 1, .kind = LEDGER_SENT};
    assert_true(hulse_ledger_open(&l, path, 16));
    while (l.next < 16) {
        assert_true(hulse_ledger_append(&l, &entry));
    }
    assert_false(hulse_ledger_append(&l, &entry));
    hulse_ledger_close(&l);
}

static int make_path(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_true_story),
        cmocka_unit_test(test_redelivery_is_no_fault),
        cmocka_unit_test(test_losses_are_found),
        cmocka_unit_test(test_wrong_verdicts_are_found),
        cmocka_unit_test(test_what_was_not_sent_must_not_arrive),
        cmocka_unit_test(test_second_copies_are_found),
        cmocka_unit_test(test_disorder_is_found),
        cmocka_unit_test(test_wrong_deliveries_are_found),
        cmocka_unit_test(test_a_consumer_that_dies),
        cmocka_unit_test(test_what_is_awaited),
        cmocka_unit_test(test_a_killed_writer),
        cmocka_unit_test(test_a_torn_entry_is_replaced),
        cmocka_unit_test(test_a_full_ledger_says_so),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
