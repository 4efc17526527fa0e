/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a letter has the message's properties and what is added: where it came from unless that is there, why it came
 *         here instead of what was there, its time to live left out; ids as Pulsar's Java client prints them. Of a retry how
 *         often, whatever was there, and what is left of its time to live.
 * Method: letters of deliveries of the test's own, read back.
 */
#include "daemon/core/bytes.h"
#include "daemon/core/mem.h"
#include "daemon/flow/letter.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static uint8_t own[1024];
static uint32_t own_bytes;
static const struct letter_source from = {
    .topic = "t", .subscription = "s", .host = "h", .app = "a", .now_ms = 1234};

static void have(const char *name, const char *value)
{
    uint8_t *at = own + own_bytes;

    hulse_put16(at, (uint16_t)strlen(name));
    hulse_put16(at + 2, (uint16_t)strlen(value));
    /* NOLINTBEGIN(bugprone-not-null-terminated-result) */
    memcpy(at + 4, name, strlen(name));
    memcpy(at + 4 + strlen(name), value, strlen(value));
    /* NOLINTEND(bugprone-not-null-terminated-result) */
    own_bytes += (uint32_t)(4 + strlen(name) + strlen(value));
}

/* NAME=VALUE; of them all. */
static char *print(const struct letter *l)
{
    static char out[2048];
    uint32_t at = 0;
    size_t used = 0;

    out[0] = '\0';
    while (at < l->property_bytes) {
        const uint16_t name = hulse_get16(l->data + at);
        const uint16_t value = hulse_get16(l->data + at + 2);
        used += (size_t)snprintf(out + used,
                                 sizeof(out) - used,
                                 "%.*s=%.*s;",
                                 name,
                                 (const char *)l->data + at + 4,
                                 value,
                                 (const char *)l->data + at + 4 + name);
        at += 4U + name + value;
    }
    assert_int_equal(at, l->property_bytes);
    return out;
}

static struct letter *make(
    struct broker_id id, bool partitioned, enum letter_cause cause, uint16_t code, const char *text)
{
    static struct broker_delivery d;
    const struct letter_reason why = {
        .cause = cause,
        .code = code,
        .detail = {.data = (const uint8_t *)text, .bytes = (uint32_t)strlen(text)}};

    d = (struct broker_delivery){.id = id,
                                 .partitioned = partitioned,
                                 .redelivery = 2,
                                 .meta = {.properties = {.data = own, .bytes = own_bytes}}};
    struct letter *l = hulse_letter_create(&d, &from, &why);
    assert_non_null(l);
    const struct letter_reason again = hulse_letter_reason(l);
    assert_int_equal(again.cause, cause);
    assert_int_equal(again.code, code);
    assert_int_equal(again.detail.bytes, strlen(text));
    assert_memory_equal(again.detail.data, text, strlen(text));
    return l;
}

static void test_of_a_message_without_any(void **state)
{
    (void)state;
    own_bytes = 0;
    struct letter *l =
        make((struct broker_id){.ledger = 1, .entry = 2, .batch = -1}, false, LETTER_DIED, 0, "");
    assert_string_equal(print(l),
                        "REAL_TOPIC=t;REAL_SUBSCRIPTION=s;ORIGIN_MESSAGE_ID=1:2:-1;"
                        "ORIGIN_MESSAGE_IDY_TIME=1:2:-1;hulse-first-failure=1234;"
                        "hulse-reason=application ended;hulse-detail=;hulse-attempts=3;"
                        "hulse-host=h;hulse-app=a;");
    hulse_letter_free(&l);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), 0);
}

static void test_what_is_there_and_what_is_not(void **state)
{
    (void)state;
    own_bytes = 0;
    have("x", "1");
    have("REAL_TOPIC", "first");
    have("hulse-reason", "old");
    have("hulse-expires-ms", "99");
    have("hulse-expires-ms-not", "");
    have("ORIGIN_MESSAGE_ID", "");
    have("hulse-first-failure", "12");
    struct letter *l = make((struct broker_id){.ledger = 1, .entry = 2, .batch = 3, .partition = 4},
                            true,
                            LETTER_REJECTED,
                            7,
                            "bad");
    assert_string_equal(print(l),
                        "x=1;REAL_TOPIC=first;hulse-expires-ms-not=;ORIGIN_MESSAGE_ID=;"
                        "hulse-first-failure=12;REAL_SUBSCRIPTION=s;"
                        "ORIGIN_MESSAGE_IDY_TIME=1:2:4:3;hulse-reason=rejected;"
                        "hulse-detail=7: bad;hulse-attempts=3;hulse-host=h;hulse-app=a;");
    hulse_letter_free(&l);
}

static void test_reasons(void **state)
{
    static const struct {
        enum letter_cause cause;
        uint16_t code;
        const char *text;
        const char *part;
    } cases[] = {
        {LETTER_REJECTED, 0, "", "hulse-reason=rejected;hulse-detail=;"},
        {LETTER_REJECTED, 65535, "", "hulse-detail=65535;"},
        {LETTER_REJECTED, 0, "ü", "hulse-detail=ü;"},
        {LETTER_REFUSED, 0, "", "hulse-reason=refused;"},
        {LETTER_TIMED_OUT, 0, "", "hulse-reason=timed out;"},
    };
    char longest[257];

    (void)state;
    own_bytes = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct letter *l = make(
            (struct broker_id){.batch = -1}, false, cases[i].cause, cases[i].code, cases[i].text);
        assert_non_null(strstr(print(l), cases[i].part));
        hulse_letter_free(&l);
    }
    memset(longest, 'x', 256);
    longest[256] = '\0';
    struct letter *l =
        make((struct broker_id){.batch = -1}, false, LETTER_REJECTED, 65535, longest);
    assert_non_null(strstr(print(l), longest)); /* nothing of it is cut */
    hulse_letter_free(&l);
}

/* As Java's client would have counted it, or as if nobody had. */
static void test_retries(void **state)
{
    static const struct {
        const char *value;
        uint32_t retries;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"007", 7},
        {"2147483646", 2147483646},
        {"2147483647", 0},
        {"4294967295", 0},
        {"4294967296", 0},
        {"18446744073709551617", 0},
        {"-1", 0},
        {"+1", 0},
        {"", 0},
        {" 1", 0},
        {"1 ", 0},
        {"1.0", 0},
        {"x", 0},
        {"99999999999999999999999999", 0},
    };

    (void)state;
    assert_int_equal(hulse_letter_retries((struct broker_span){0}), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        own_bytes = 0;
        have("reconsumetimes", "5");
        have("RECONSUMETIMES", cases[i].value);
        have("RECONSUMETIMES-", "6");
        assert_int_equal(
            hulse_letter_retries((struct broker_span){.data = own, .bytes = own_bytes}),
            cases[i].retries);
    }
    own_bytes = 0;
    have("RECONSUMETIMES", "3");
    have("RECONSUMETIMES", "4");
    assert_int_equal(hulse_letter_retries((struct broker_span){.data = own, .bytes = own_bytes}),
                     4);
}

static struct letter *retry(enum letter_kind kind, uint32_t delay_ms, uint64_t ttl_ms)
{
    static struct broker_delivery d;
    const struct letter_reason why = {.kind = kind, .cause = LETTER_RETRIED, .delay_ms = delay_ms};

    d = (struct broker_delivery){
        .id = {.ledger = 1, .entry = 2, .batch = -1},
        .publish_time_ms = 1000,
        .meta = {.properties = {.data = own, .bytes = own_bytes}, .ttl_ms = ttl_ms}};
    struct letter *l = hulse_letter_create(&d, &from, &why);
    assert_non_null(l);
    const struct letter_reason again = hulse_letter_reason(l);
    assert_int_equal(again.kind, kind);
    assert_int_equal(again.delay_ms, delay_ms);
    return l;
}

static void test_of_a_retry(void **state)
{
    (void)state;
    own_bytes = 0;
    have("x", "1");
    have("RECONSUMETIMES", "1");
    have("DELAY_TIME", "old");
    have("hulse-expires-ms", "99");
    have("RECONSUMETIMES", "8");
    struct letter *l = retry(LETTER_RETRY, 4294967295U, 1000);
    assert_string_equal(print(l),
                        "x=1;REAL_TOPIC=t;REAL_SUBSCRIPTION=s;ORIGIN_MESSAGE_ID=1:2:-1;"
                        "ORIGIN_MESSAGE_IDY_TIME=1:2:-1;RECONSUMETIMES=9;DELAY_TIME=4294967295;");
    assert_int_equal(l->ttl_ms, 766); /* what is left of it */
    hulse_letter_free(&l);
    l = retry(LETTER_RETRY, 0, 100); /* over since, and not without an end for that */
    assert_int_equal(l->ttl_ms, 1);
    hulse_letter_free(&l);
    l = retry(LETTER_DEAD, 0, 1000);
    assert_int_equal(l->ttl_ms, 0);
    assert_non_null(strstr(print(l),
                           "RECONSUMETIMES=9;DELAY_TIME=0;hulse-first-failure=1234;"
                           "hulse-reason=retried;"));
    hulse_letter_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_a_message_without_any),
        cmocka_unit_test(test_what_is_there_and_what_is_not),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_of_a_retry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
