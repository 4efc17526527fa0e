/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_produce - promises to producers (broker_producer.h).
 */
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <stdlib.h>
#include <string.h>

#define MANY 1000U

static void answers_each_once(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    hulse_bed_topic(bed, place->owner, "each-once", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_pub_send(&pub, MANY, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, MANY);
    hulse_pub_close(&pub);
}

/* Two producers of a topic never get the same id. */
static void ids_rise(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub a = {.id = 1};
    struct bed_pub b = {.id = 2};
    hulse_bed_topic(bed, place->owner, "ids", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(bed, &a, place->pub, topic), HULSE_OK);
    hulse_pub_send(&a, 3, 8);
    hulse_pub_wait(&a);
    const struct broker_id first = a.last_id;
    hulse_pub_send(&a, 1, 8);
    hulse_pub_wait(&a);
    assert_true(hulse_bed_compare(&a.last_id, &first) > 0);
    if (!bed->house->every_topic) {
        assert_int_equal(hulse_pub_open(bed, &b, place->sub, topic), HULSE_OK);
        hulse_pub_send(&b, 1, 8);
        hulse_pub_wait(&b);
        assert_true(hulse_bed_compare(&b.last_id, &a.last_id) > 0);
        hulse_pub_close(&b);
    }
    hulse_pub_close(&a);
}

/* What `limits` allows is stored, whole; that more is refused is flow's to do. */
static void limit_is_allowed(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    hulse_bed_topic(bed, place->owner, "limit", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    assert_true(pub.message_bytes_max > 0);
    uint8_t *payload = calloc(1, pub.message_bytes_max + 1U);
    assert_non_null(payload);
    hulse_pub_send_record(&pub, (struct broker_span){payload, pub.message_bytes_max}, NULL);
    hulse_pub_send_record(&pub, (struct broker_span){payload, 0}, NULL);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, 2);
    free(payload);
    hulse_pub_close(&pub);
}

static void flush_comes_after_answers(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    hulse_bed_topic(bed, place->owner, "flush", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    assert_int_equal(hulse_pub_send_and_flush(&pub, 0), HULSE_OK);
    hulse_pub_wait_flushed(&pub, 1);
    assert_int_equal(hulse_pub_send_and_flush(&pub, MANY), HULSE_OK);
    hulse_pub_wait_flushed(&pub, 2);
    assert_int_equal(pub.ends_at_flush, MANY);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.flushed, 2);
    hulse_pub_close(&pub);
}

struct double_flush {
    struct bed_pub *pub;
    hulse_status second;
};

static void flush_again(void *arg)
{
    struct double_flush *d = arg;
    struct error err = {0};
    uint8_t payload[8] = {0};
    const uint32_t before = d->pub->flushed;
    const struct broker_ops *ops = d->pub->bed->broker->ops;
    const struct broker_record r = {.payload = {payload, sizeof(payload)}, .token = 0};
    d->pub->sent = 1;
    ops->send(d->pub->producer, &r);
    assert_int_equal(ops->flush(d->pub->producer, &err), HULSE_OK);
    d->second = d->pub->flushed == before ? ops->flush(d->pub->producer, &err) : HULSE_BUSY;
}

static void one_flush_at_a_time(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    uint8_t ended[1] = {0};
    struct bed_pub pub = {.id = 1};
    hulse_bed_topic(bed, place->owner, "two-flushes", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    struct double_flush d = {.pub = &pub};
    pub.ended = ended;
    hulse_bed_on(bed, place->pub, flush_again, &d);
    assert_int_equal(d.second, HULSE_BUSY);
    hulse_pub_wait_flushed(&pub, 1);
    pub.ended = NULL;
    hulse_pub_close(&pub);
}

static void nothing_after_close(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_pub other = {.id = 2};
    hulse_bed_topic(bed, place->owner, "closed", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    assert_int_equal(hulse_pub_send_and_flush(&pub, MANY), HULSE_OK);
    hulse_pub_close(&pub); /* what it hears from here on fails */
    /* Answers of another one on the same way come after all of those. */
    assert_int_equal(hulse_pub_open(bed, &other, place->pub, topic), HULSE_OK);
    hulse_pub_send(&other, 1, 8);
    hulse_pub_wait(&other);
    hulse_pub_close(&other);
}

static void creates_only_if_told(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_pub first = {.id = 2};
    hulse_bed_topic(bed, place->owner, "created", topic, sizeof(topic));
    struct broker_producer_params params = {.topic = topic, .name = "p"};
    if (bed->house->every_topic) {
        assert_int_equal(hulse_pub_open_with(bed, &pub, place->pub, &params), HULSE_OK);
        hulse_pub_close(&pub);
        return;
    }
    assert_int_equal(hulse_pub_open_with(bed, &pub, place->pub, &params), HULSE_NO_TOPIC);
    params.create = true;
    assert_int_equal(hulse_pub_open_with(bed, &first, place->sub, &params), HULSE_OK);
    params.create = false;
    assert_int_equal(hulse_pub_open_with(bed, &pub, place->pub, &params), HULSE_OK);
    hulse_pub_close(&pub);
    hulse_pub_close(&first);
}

/* A name is judged, but where every topic exists. Other brokers complete a short one. */
static void refuses_bad_names(struct bed *bed, const struct conformance_place *place)
{
    static const char *const names[] = {
        "x", "", "persistent://", "kafka://public/default/x", "non-persistent://public/default/"};
    const size_t first = bed->house->elsewhere ? 1 : 0;
    for (size_t i = first; !bed->house->every_topic && i < sizeof(names) / sizeof(names[0]); i++) {
        struct bed_pub pub = {.id = 1};
        const struct broker_producer_params params = {
            .topic = names[i], .name = "p", .create = true};
        assert_int_not_equal(hulse_pub_open_with(bed, &pub, place->pub, &params), HULSE_OK);
    }
}

static void refuses_exclusive_access(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    hulse_bed_topic(bed, place->owner, "access", topic, sizeof(topic));
    for (int access = BROKER_ACCESS_EXCLUSIVE; access <= BROKER_ACCESS_TAKE; access++) {
        struct bed_pub pub = {.id = 1};
        const struct broker_producer_params params = {
            .topic = topic, .name = "p", .create = true, .access = (enum broker_access)access};
        assert_int_equal(hulse_pub_open_with(bed, &pub, place->pub, &params), HULSE_UNSUPPORTED);
    }
}

static void refuses_own_sequences(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    hulse_bed_topic(bed, place->owner, "own", topic, sizeof(topic));
    const struct broker_producer_params params = {
        .topic = topic, .name = "p", .create = true, .own = true};
    assert_int_equal(hulse_pub_open_with(bed, &pub, place->pub, &params), HULSE_UNSUPPORTED);
}

static void refuses_consumers(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct error err = {0};
    struct broker_consumer *c = NULL;
    hulse_bed_topic(bed, place->owner, "no-consumers", topic, sizeof(topic));
    const struct broker_consumer_params params = {.topic = topic, .subscription = "s", .name = "c"};
    assert_int_equal(
        bed->broker->ops->consumer_open(bed->broker, bed->workers[place->sub], &params, &c, &err),
        HULSE_UNSUPPORTED);
    assert_true(err.text[0] != '\0');
}

const struct conformance_case hulse_conformance_produce[] = {
    {"every record is answered once, with an id", 0, 0, answers_each_once},
    {"ids rise and are given once", 0, 0, ids_rise},
    {"a record as large as the limit, and one without a byte, are stored", 0, 0, limit_is_allowed},
    {"flushed comes after the answers", 0, 0, flush_comes_after_answers},
    {"one flush at a time", 0, 0, one_flush_at_a_time},
    {"nothing is heard after close", 0, 0, nothing_after_close},
    {"a topic is created only if told so", 0, 0, creates_only_if_told},
    {"bad topic names are refused", 0, 0, refuses_bad_names},
    {"exclusive access is refused", 0, BROKER_CAN_EXCLUSIVE, refuses_exclusive_access},
    {"sequences of one's own are refused", 0, BROKER_CAN_DEDUP, refuses_own_sequences},
    {"consumers are refused", 0, BROKER_CAN_CONSUME, refuses_consumers},
    {0}};
