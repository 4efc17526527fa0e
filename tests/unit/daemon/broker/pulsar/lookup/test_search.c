/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a lookup ends where the brokers say, with what they say; what passes is tried again, elsewhere where
 *         that helps; nothing a broker says keeps it for ever.
 * Method: one worker; brokers on the loopback interface that answer by a script for each test.
 */
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/lookup/bed.h"
#include "tests/unit/daemon/broker/pulsar/lookup/peer.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

#define TOPIC "persistent://public/default/a"

static const struct wish wish = {.topic = TOPIC, .create = true, .how = PULSAR_LOOKUP_ANY};

struct scene {
    struct peer *peer;
    struct lookup_bed bed;
    char url[256];
};

static void
set(struct scene *s, void (*script)(struct question *q, void *ctx), void *ctx, uint32_t brokers)
{
    const struct peer_params params = {.brokers = brokers, .script = script, .ctx = ctx};

    s->peer = hulse_peer_start(&params);
    (void)snprintf(s->url, sizeof(s->url), "pulsar://127.0.0.1:%u", hulse_peer_port(s->peer, 0));
}

static void start(struct scene *s, uint32_t operation_timeout_ms)
{
    const struct lookup_bed_params params = {
        .workers = 1, .service_url = s->url, .operation_timeout_ms = operation_timeout_ms};
    hulse_lookup_bed_start(&s->bed, &params);
}

static void end(struct scene *s)
{
    hulse_lookup_bed_stop(&s->bed);
    hulse_peer_stop(&s->peer);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

static void look_up(struct scene *s, const struct wish *w, struct pulsar_lookup_result *out)
{
    struct asked a;

    hulse_asked_init(&a);
    hulse_lookup_bed_ask(&s->bed, 0, &a, w);
    hulse_asked_await(&a);
    assert_int_equal(a.answers, 1);
    *out = a.result;
    hulse_asked_fini(&a);
}

static void
check_owner(const struct scene *s, const struct pulsar_lookup_result *r, uint32_t broker)
{
    assert_string_equal(r->failure.text, "");
    assert_int_equal(r->failure.class, BROKER_DONE);
    assert_int_equal(r->partitions, 0);
    assert_string_equal(r->endpoint.physical.name, "127.0.0.1");
    assert_int_equal(r->endpoint.physical.port, hulse_peer_port(s->peer, broker));
    assert_true(hulse_pulsar_host_same(&r->endpoint.physical, &r->endpoint.logical));
    assert_false(r->endpoint.tls);
    assert_false(r->endpoint.proxied);
}

/* ---- what is found ---- */

static void owner_is_here(struct question *q, void *ctx)
{
    (void)ctx;
    PEER_CHECK(strcmp(q->topic, TOPIC) == 0);
    if (q->asked == LOOKUP_PARTITIONS) {
        PEER_CHECK(q->create);
        hulse_peer_partitions(q, 0);
        return;
    }
    PEER_CHECK(!q->authoritative);
    PEER_CHECK(q->listener == NULL);
    PEER_CHECK(q->proxied == NULL);
    hulse_peer_owner(q, 0);
}

static void test_a_topic_without_partitions_has_an_owner(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, owner_is_here, NULL, 1);
    start(&s, 0);
    look_up(&s, &wish, &r);
    check_owner(&s, &r, 0);
    assert_false(r.cached);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 1);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_OWNER), 1);
    end(&s);
}

static void has_partitions(struct question *q, void *ctx)
{
    (void)ctx;
    PEER_CHECK(q->asked == LOOKUP_PARTITIONS);
    hulse_peer_partitions(q, 4);
}

static void test_a_topic_with_partitions_has_no_owner(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, has_partitions, NULL, 1);
    start(&s, 0);
    look_up(&s, &wish, &r);
    assert_int_equal(r.failure.class, BROKER_DONE);
    assert_int_equal(r.partitions, 4);
    end(&s);
}

static void owner_alone(struct question *q, void *ctx)
{
    (void)ctx;
    PEER_CHECK(q->asked == LOOKUP_OWNER);
    hulse_peer_owner(q, 0);
}

static void test_a_partition_is_not_asked_for_partitions(void **state)
{
    const struct wish one = {.topic = TOPIC "-partition-11", .create = true};
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, owner_alone, NULL, 1);
    start(&s, 0);
    look_up(&s, &one, &r);
    check_owner(&s, &r, 0);
    end(&s);
}

static void wants_listener(struct question *q, void *ctx)
{
    (void)ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
        return;
    }
    PEER_CHECK(q->listener != NULL);
    PEER_CHECK(strcmp(q->listener, "inside") == 0);
    hulse_peer_owner(q, 0);
}

static void test_the_listener_is_named(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, wants_listener, NULL, 1);
    const struct lookup_bed_params params = {
        .workers = 1, .service_url = s.url, .listener = "inside"};
    hulse_lookup_bed_start(&s.bed, &params);
    look_up(&s, &wish, &r);
    check_owner(&s, &r, 0);
    end(&s);
}

/* ---- redirects ---- */

/* 0 -> 1, which must say that it was sent with authority -> 2, the owner. */
static void goes_round(struct question *q, void *ctx)
{
    (void)ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        PEER_CHECK(q->broker == 0);
        hulse_peer_partitions(q, 0);
    } else if (q->broker == 0) {
        PEER_CHECK(!q->authoritative);
        hulse_peer_redirect(q, 1, true);
    } else if (q->broker == 1) {
        PEER_CHECK(q->authoritative);
        hulse_peer_redirect(q, 2, false);
    } else {
        PEER_CHECK(!q->authoritative);
        hulse_peer_owner(q, 2);
    }
}

static void test_redirects_are_followed_with_their_authority(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, goes_round, NULL, 3);
    start(&s, 0);
    look_up(&s, &wish, &r);
    check_owner(&s, &r, 2);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 1);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_OWNER), 3);
    end(&s);
}

static void goes_in_a_circle(struct question *q, void *ctx)
{
    (void)ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        hulse_peer_redirect(q, 1 - q->broker, true);
    }
}

static void test_a_circle_of_redirects_ends_with_what_it_is(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, goes_in_a_circle, NULL, 2);
    start(&s, 0);
    look_up(&s, &wish, &r);
    assert_int_equal(r.failure.class, BROKER_RETRY);
    assert_int_equal(r.failure.verdict, PULSAR_AGAIN);
    assert_int_equal(r.failure.status, HULSE_PROTOCOL);
    assert_non_null(strstr(r.failure.text, "more than 20 times"));
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_OWNER), PULSAR_REDIRECTS_MAX + 1);
    end(&s);
}

/* ---- proxies and addresses ---- */

static void answer_url(const struct question *q, const char *plain, const char *tls, bool proxy)
{
    Pulsar__CommandLookupTopicResponse body = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;

    body.brokerserviceurl = (char *)(uintptr_t)plain;
    body.brokerserviceurltls = (char *)(uintptr_t)tls;
    body.has_response = 1;
    body.response = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Connect;
    body.has_proxy_through_service_url = 1;
    body.proxy_through_service_url = proxy;
    hulse_peer_lookup_response(q, &body);
}

static void is_proxy(struct question *q, void *ctx)
{
    (void)ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        answer_url(q, "pulsar://broker-7:6650", "pulsar://broker-7:6650", true);
    }
}

static void test_behind_a_proxy_the_service_host_is_dialled(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, is_proxy, NULL, 1);
    start(&s, 0);
    look_up(&s, &wish, &r);
    assert_int_equal(r.failure.class, BROKER_DONE);
    assert_string_equal(r.endpoint.physical.name, "127.0.0.1");
    assert_int_equal(r.endpoint.physical.port, hulse_peer_port(s.peer, 0));
    assert_string_equal(r.endpoint.logical.name, "broker-7");
    assert_int_equal(r.endpoint.logical.port, 6650);
    assert_true(r.endpoint.proxied);
    assert_false(r.endpoint.tls);
    end(&s);
}

static void redirects_through(struct question *q, void *ctx)
{
    Pulsar__CommandLookupTopicResponse body = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;
    char url[] = "pulsar://broker-8:6650";

    (void)ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else if (q->proxied == NULL) {
        body.brokerserviceurl = url;
        body.has_response = 1;
        body.response = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Redirect;
        body.has_proxy_through_service_url = 1;
        body.proxy_through_service_url = 1;
        hulse_peer_lookup_response(q, &body);
    } else {
        PEER_CHECK(strcmp(q->proxied, "broker-8:6650") == 0);
        hulse_peer_owner(q, 0);
    }
}

static void test_a_redirect_behind_a_proxy_goes_through_it(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, redirects_through, NULL, 1);
    start(&s, 0);
    look_up(&s, &wish, &r);
    check_owner(&s, &r, 0);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_OWNER), 2);
    end(&s);
}

static void has_no_address(struct question *q, void *ctx)
{
    const char *const *urls = ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        answer_url(q, urls[0], urls[1], false);
    }
}

static void test_an_answer_without_a_usable_address_has_failed(void **state)
{
    static const struct {
        const char *urls[2];
        const char *text;
    } cases[] = {
        {{NULL, "pulsar+ssl://b:6651"}, "has no address without TLS"},
        {{"", "pulsar+ssl://b:6651"}, "has no address without TLS"},
        {{"pulsar+ssl://b:6651", NULL}, "has an address for TLS alone"},
        {{"pulsar://b:6650,c:6650", NULL}, "has an address that is none"},
        {{"http://b:8080", NULL}, "has an address that is none"},
        {{"b:6650", NULL}, "has an address that is none"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene s;
        struct pulsar_lookup_result r;
        const char *urls[2] = {cases[i].urls[0], cases[i].urls[1]};
        set(&s, has_no_address, (void *)urls, 1);
        start(&s, 300);
        look_up(&s, &wish, &r);
        assert_int_equal(r.failure.status, HULSE_PROTOCOL);
        assert_non_null(strstr(r.failure.text, cases[i].text));
        end(&s);
    }
}

/* ---- failures ---- */

struct failing {
    Pulsar__ServerError error;
    enum lookup_question at;
    uint32_t times; /* then it is well */
    bool crossed;
    uint32_t failed;
};

static void fails(struct question *q, void *ctx)
{
    struct failing *f = ctx;

    if (q->asked == f->at && f->failed < f->times) {
        f->failed += 1;
        if (f->crossed) {
            hulse_peer_failed_crossed(q, f->error, "as asked for");
        } else {
            hulse_peer_failed(q, f->error, "as asked for");
        }
    } else if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        hulse_peer_owner(q, 0);
    }
}

static void test_what_passes_is_tried_again(void **state)
{
    static const Pulsar__ServerError errors[] = {PULSAR__SERVER_ERROR__ServiceNotReady,
                                                 PULSAR__SERVER_ERROR__MetadataError,
                                                 PULSAR__SERVER_ERROR__TooManyRequests,
                                                 PULSAR__SERVER_ERROR__UnknownError};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct failing f = {.error = errors[i],
                            .at = i % 2 == 0 ? LOOKUP_PARTITIONS : LOOKUP_OWNER,
                            .times = 2,
                            .crossed = i >= 2};
        struct scene s;
        struct pulsar_lookup_result r;
        set(&s, fails, &f, 1);
        start(&s, 0);
        look_up(&s, &wish, &r);
        check_owner(&s, &r, 0);
        assert_int_equal(hulse_peer_asked(s.peer, f.at), 3);
        end(&s);
    }
}

static void test_what_does_not_pass_ends_it_at_once(void **state)
{
    static const struct {
        Pulsar__ServerError error;
        enum pulsar_verdict verdict;
        hulse_status status;
        const char *name;
    } cases[] = {
        {PULSAR__SERVER_ERROR__AuthorizationError, PULSAR_REFUSED, HULSE_DENIED, "Authorization"},
        {PULSAR__SERVER_ERROR__TopicNotFound, PULSAR_GONE, HULSE_NO_TOPIC, "TopicNotFound"},
        {PULSAR__SERVER_ERROR__InvalidTopicName, PULSAR_REFUSED, HULSE_INVAL, "InvalidTopicName"},
        {PULSAR__SERVER_ERROR__NotAllowedError, PULSAR_REFUSED, HULSE_REFUSED, "NotAllowed"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        const size_t k = i / 2;
        struct failing f = {.error = cases[k].error,
                            .at = i % 2 == 0 ? LOOKUP_PARTITIONS : LOOKUP_OWNER,
                            .times = UINT32_MAX,
                            .crossed = i % 2 == 0};
        struct scene s;
        struct pulsar_lookup_result r;
        set(&s, fails, &f, 1);
        start(&s, 0);
        look_up(&s, &wish, &r);
        assert_int_equal(r.failure.verdict, cases[k].verdict);
        assert_int_equal(r.failure.status, cases[k].status);
        assert_int_not_equal(r.failure.class, BROKER_DONE);
        assert_non_null(strstr(r.failure.text, cases[k].name));
        assert_non_null(strstr(r.failure.text, "as asked for"));
        assert_int_equal(f.failed, 1);
        end(&s);
    }
}

static void test_at_its_timeout_it_fails_with_what_was_said_last(void **state)
{
    struct failing f = {
        .error = PULSAR__SERVER_ERROR__ServiceNotReady, .at = LOOKUP_OWNER, .times = UINT32_MAX};
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, fails, &f, 1);
    start(&s, 400);
    look_up(&s, &wish, &r);
    assert_int_equal(r.failure.verdict, PULSAR_AGAIN);
    assert_int_equal(r.failure.class, BROKER_RELOOKUP);
    assert_non_null(strstr(r.failure.text, "ServiceNotReady: as asked for"));
    end(&s);
}

static void says_nothing(struct question *q, void *ctx)
{
    (void)q;
    (void)ctx;
}

static void test_a_broker_that_says_nothing_is_not_waited_for(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, says_nothing, NULL, 1);
    start(&s, 400);
    look_up(&s, &wish, &r);
    assert_int_equal(r.failure.verdict, PULSAR_AGAIN);
    assert_int_equal(r.failure.status, HULSE_TIMED_OUT);
    end(&s);
}

/* Its time may end before the address is tried again: it is told what the last attempt there came to. */
static void test_who_waits_for_an_address_hears_what_is_wrong_with_it(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, says_nothing, NULL, 1);
    (void)snprintf(s.url, sizeof(s.url), "pulsar://127.0.0.1:1");
    start(&s, 150);
    for (unsigned i = 0; i < 8; i++) {
        look_up(&s, &wish, &r);
        assert_non_null(strstr(r.failure.text, "refused"));
        assert_true(r.failure.gated);
    }
    end(&s);
}

/* The first host is the one that is asked first, whichever that is. */
struct picky {
    int bad; /* broker; -1: nobody yet */
    bool silent;
};

static void first_is_bad(struct question *q, void *ctx)
{
    struct picky *p = ctx;

    if (p->bad < 0) {
        p->bad = (int)q->broker;
    }
    if ((int)q->broker == p->bad) {
        if (!p->silent) {
            hulse_peer_failed(q, PULSAR__SERVER_ERROR__ServiceNotReady, "not me");
        }
    } else if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        hulse_peer_owner(q, q->broker);
    }
}

static void test_the_next_host_is_asked_after_a_failure_and_a_silence(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct picky p = {.bad = -1, .silent = silent != 0};
        struct scene s;
        struct pulsar_lookup_result r;
        set(&s, first_is_bad, &p, 2);
        (void)snprintf(s.url,
                       sizeof(s.url),
                       "pulsar://127.0.0.1:%u,127.0.0.1:%u",
                       hulse_peer_port(s.peer, 0),
                       hulse_peer_port(s.peer, 1));
        start(&s, 3000);
        look_up(&s, &wish, &r);
        check_owner(&s, &r, (uint32_t)(1 - p.bad));
        end(&s);
    }
}

static void test_a_host_that_is_not_reached_gives_way(void **state)
{
    (void)state;
    for (uint32_t dead = 0; dead < 2; dead++) {
        struct failing f = {.times = 0};
        struct scene s;
        struct pulsar_lookup_result r;
        set(&s, fails, &f, 2);
        (void)snprintf(s.url,
                       sizeof(s.url),
                       "pulsar://127.0.0.1:%u,127.0.0.1:%u",
                       hulse_peer_port(s.peer, 0),
                       hulse_peer_port(s.peer, 1));
        hulse_peer_shut(s.peer, dead);
        start(&s, 0);
        look_up(&s, &wish, &r);
        check_owner(&s, &r, 0);
        end(&s);
    }
}

static void test_a_host_that_is_away_is_passed_over(void **state)
{
    struct failing f = {
        .error = PULSAR__SERVER_ERROR__ServiceNotReady, .at = LOOKUP_PARTITIONS, .times = 4};
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, fails, &f, 2);
    (void)snprintf(s.url,
                   sizeof(s.url),
                   "pulsar://127.0.0.1:%u,127.0.0.1:%u",
                   hulse_peer_port(s.peer, 0),
                   hulse_peer_port(s.peer, 1));
    hulse_peer_shut(s.peer, 1);
    start(&s, 0);
    look_up(&s, &wish, &r);
    check_owner(&s, &r, 0);
    assert_int_equal(f.failed, 4);
    end(&s);
}

static void nobody_listens(struct scene *s, struct pulsar_lookup_result *r)
{
    set(s, says_nothing, NULL, 1);
    hulse_peer_shut(s->peer, 0);
    start(s, 400);
    look_up(s, &wish, r);
}

static void test_a_cluster_that_is_away_is_said(void **state)
{
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    nobody_listens(&s, &r);
    assert_int_equal(r.failure.verdict, PULSAR_AGAIN);
    assert_int_equal(r.failure.class, BROKER_RETRY);
    assert_string_not_equal(r.failure.text, "");
    end(&s);
}

/* ---- brokers that break off ---- */

struct breaking {
    uint32_t times;
    uint32_t broken;
    bool nonsense;
};

static void breaks_off(struct question *q, void *ctx)
{
    struct breaking *b = ctx;

    if (b->broken < b->times) {
        b->broken += 1;
        if (b->nonsense) {
            hulse_peer_nonsense(q);
        } else {
            hulse_peer_drop(q);
        }
    } else if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        hulse_peer_owner(q, 0);
    }
}

static void test_a_connection_that_ends_is_made_again(void **state)
{
    (void)state;
    for (int nonsense = 0; nonsense < 2; nonsense++) {
        struct breaking b = {.times = 1, .nonsense = nonsense != 0};
        struct scene s;
        struct pulsar_lookup_result r;
        set(&s, breaks_off, &b, 1);
        start(&s, 0);
        look_up(&s, &wish, &r);
        check_owner(&s, &r, 0);
        assert_int_equal(hulse_peer_connections(s.peer), 2);
        end(&s);
    }
}

/* ---- topics that are not to be created ---- */

static void is_missing(struct question *q, void *ctx)
{
    (void)ctx;
    PEER_CHECK(q->asked == LOOKUP_PARTITIONS);
    PEER_CHECK(!q->create);
    hulse_peer_failed(q, PULSAR__SERVER_ERROR__TopicNotFound, "");
}

static void test_a_missing_topic_is_not_created(void **state)
{
    const struct wish looks[] = {{.topic = TOPIC, .create = false},
                                 {.topic = TOPIC "-partition-3", .create = false}};
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    set(&s, is_missing, NULL, 1);
    start(&s, 0);
    for (size_t i = 0; i < COUNT_OF(looks); i++) {
        look_up(&s, &looks[i], &r);
        assert_int_equal(r.failure.status, HULSE_NO_TOPIC);
        assert_string_equal(r.failure.text, "TopicNotFound");
    }
    end(&s);
}

static void test_an_old_broker_is_not_asked_what_would_create_it(void **state)
{
    const struct wish look = {.topic = TOPIC, .create = false};
    const struct peer_params params = {.brokers = 1, .too_old = true, .script = says_nothing};
    struct scene s;
    struct pulsar_lookup_result r;

    (void)state;
    s.peer = hulse_peer_start(&params);
    (void)snprintf(s.url, sizeof(s.url), "pulsar://127.0.0.1:%u", hulse_peer_port(s.peer, 0));
    start(&s, 0);
    look_up(&s, &look, &r);
    assert_int_equal(r.failure.status, HULSE_UNSUPPORTED);
    assert_int_equal(r.failure.verdict, PULSAR_REFUSED);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 0);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_topic_without_partitions_has_an_owner),
        cmocka_unit_test(test_a_topic_with_partitions_has_no_owner),
        cmocka_unit_test(test_a_partition_is_not_asked_for_partitions),
        cmocka_unit_test(test_the_listener_is_named),
        cmocka_unit_test(test_redirects_are_followed_with_their_authority),
        cmocka_unit_test(test_a_circle_of_redirects_ends_with_what_it_is),
        cmocka_unit_test(test_behind_a_proxy_the_service_host_is_dialled),
        cmocka_unit_test(test_a_redirect_behind_a_proxy_goes_through_it),
        cmocka_unit_test(test_an_answer_without_a_usable_address_has_failed),
        cmocka_unit_test(test_what_passes_is_tried_again),
        cmocka_unit_test(test_what_does_not_pass_ends_it_at_once),
        cmocka_unit_test(test_at_its_timeout_it_fails_with_what_was_said_last),
        cmocka_unit_test(test_a_broker_that_says_nothing_is_not_waited_for),
        cmocka_unit_test(test_who_waits_for_an_address_hears_what_is_wrong_with_it),
        cmocka_unit_test(test_the_next_host_is_asked_after_a_failure_and_a_silence),
        cmocka_unit_test(test_a_host_that_is_not_reached_gives_way),
        cmocka_unit_test(test_a_host_that_is_away_is_passed_over),
        cmocka_unit_test(test_a_cluster_that_is_away_is_said),
        cmocka_unit_test(test_a_connection_that_ends_is_made_again),
        cmocka_unit_test(test_a_missing_topic_is_not_created),
        cmocka_unit_test(test_an_old_broker_is_not_asked_what_would_create_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
