# SPDX-License-Identifier: Apache-2.0
"""Goal:   a consumer of hulsed that the broker has forgotten gets its messages all the same, and it is said; one whose
        topic is silent is left alone.
Method: an application that does what the test says, hulsed, and the scripted broker that loses what it is given; the
        real broker where nothing is lost."""


import pytest

import faults
from application import Application

pytestmark = pytest.mark.timeout(180)

# Ten seconds of silence, then two questions.
REPAIRED_MS = 40000
SILENT_MS = 12000


@pytest.fixture(name="begin")
def beginner(configured):
    return lambda url: configured({"brokers": {"main": {"type": "pulsar", "service_url": url}}})


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_permits_that_the_broker_loses_are_given_again(fake, begin, topic, kind):
    fake.on("FLOW", faults.ignore, times=1)
    daemon = begin(fake.url)
    with Application(daemon, topic, "s", kind) as app:
        fake.wait_for("FLOW")
        fake.publish(topic, b"a")
        assert [m["payload"] for m in app.next(1, REPAIRED_MS)] == ["a"]
        app.ack(0)
        app.close()
    assert len(daemon.lines("pulsar.permits_differ")) == 1
    assert len(fake.heard("SUBSCRIBE")) == 1


def test_a_broker_that_sends_nothing_is_subscribed_to_anew(fake, begin, topic):
    def forget(request):
        consumer = request.connection.consumers[request.fields["consumer_id"]]
        consumer.permits += request.fields["messagePermits"]

    fake.topic(topic)
    fake.publish(topic, b"a")
    fake.on("FLOW", forget, times=1)
    daemon = begin(fake.url)
    with Application(daemon, topic, "s", "exclusive") as app:
        assert [m["payload"] for m in app.next(1, REPAIRED_MS)] == ["a"]
        app.ack(0)
        app.close()
    assert len(daemon.lines("pulsar.consumer_renewed")) == 1
    assert len(fake.heard("SUBSCRIBE")) == 2


@pytest.mark.parametrize("kind", ["shared", "exclusive", "failover", "key_shared"])
def test_a_silent_topic_is_left_alone(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar.service_url)
    producer = official(pulsar.service_url).create_producer(topic)
    with Application(daemon, topic, "s", kind) as app:
        producer.send(b"a")
        assert len(app.next(1)) == 1
        assert app.next(1, SILENT_MS) == []
        producer.send(b"b")
        assert len(app.next(1)) == 1
        app.close()
    for event in ("permits_differ", "consumer_renewed", "consumer_waits", "consumer_is_back"):
        assert daemon.lines(f"pulsar.{event}") == []


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_what_the_broker_counts_is_what_was_counted(pulsar_of_parts, official, begin, topic, kind):
    """Batches, parts of them that are acknowledged, and what comes again."""
    daemon = begin(pulsar_of_parts.service_url)
    producer = official(pulsar_of_parts.service_url).create_producer(
        topic, batching_enabled=True, batching_max_messages=10, batching_max_publish_delay_ms=1000)
    with Application(daemon, topic, "s", kind) as app:
        for n in range(200):
            producer.send_async(b"%d" % n, lambda *_: None)
        producer.flush()
        app.next(200)
        app.ack(*range(0, 200, 3))
        app.nack(*range(1, 200, 3), delay_ms=1)
        assert len(app.next(67)) == 67
        assert app.next(1, SILENT_MS) == []
        app.close()
    assert daemon.lines("pulsar.permits_differ") == []
