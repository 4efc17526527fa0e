# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an application of hulsed does with its messages is what the broker and the official clients see of it:
        held, acknowledged one by one or up to one, refused.
Method: an application that does what the test says (application.py), hulsed, the real broker, the official client."""

import itertools

import pytest

from application import Application
from command import stats

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)

MEMORY_MAX = 64 << 20
LARGE_BYTES = 200_000
MANY = 500
QUIET_MS = 1500
TYPES = ["exclusive", "shared", "failover", "key_shared"]


@pytest.fixture(name="begin")
def beginner(configured):
    """A folder of its own for each."""
    folders = itertools.count()
    return lambda broker, consume=None, **more: configured(
        {"brokers": {"main": {"type": "pulsar", "service_url": broker.service_url}},
         "topics": [{"match": "**", "consume": consume or {}}], **more}, f"run-{next(folders)}")


def numbers(messages):
    return [int(m["payload"].split()[0]) for m in messages]


@pytest.mark.parametrize("kind", ["exclusive", "failover"])
def test_what_is_held_does_not_fill_the_memory(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar, memory_max=MEMORY_MAX)
    producer = official(pulsar.service_url).create_producer(topic, batching_enabled=False)
    for n in range(MANY):
        producer.send_async(f"{n} ".encode().ljust(LARGE_BYTES), lambda *_: None)
    producer.flush()
    with Application(daemon, topic, "s", kind, reassembly=1 << 20) as app:
        assert numbers(app.next(MANY)) == list(range(MANY))
        assert stats(daemon)["memory"]["used"] < MEMORY_MAX
        app.nack(0, 300, MANY - 1, delay_ms=1)
        again = app.next(3)
        assert numbers(again) == [0, 300, MANY - 1]
        assert [m["redelivery"] for m in again] == [1, 1, 1]
        producer.send(b"%d" % MANY)
        assert numbers(app.next(1)) == [MANY]
        app.ack_cumulative(MANY + 3)
        app.close()
    assert daemon.lines("pulsar.consumer_renewed") == []
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", TYPES)
def test_without_a_verdict_in_time_it_comes_again(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar, {"ack_timeout": "1s"})
    producer = official(pulsar.service_url).create_producer(topic, batching_enabled=False)
    for n in range(3):
        producer.send(b"%d" % n)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(3)) == [0, 1, 2]
        app.ack(1)
        again = app.next(2)
        assert sorted(numbers(again)) == [0, 2]
        assert [m["redelivery"] for m in again] == [1, 1]
        app.ack(0, 2)  # too late: they were taken back
        app.ack(3, 4)
        assert app.next(1, QUIET_MS) == []
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


def one_batch(client, topic, count):
    producer = client.create_producer(topic, batching_enabled=True, batching_max_messages=count,
                                      batching_max_publish_delay_ms=10000)
    for n in range(count):
        producer.send_async(b"%d" % n, lambda *_: None)
    producer.flush()


def rest_for_official(client, topic, kind, count):
    """What the official client gets of the subscription; it acknowledges it."""
    types = {"exclusive": library.ConsumerType.Exclusive, "shared": library.ConsumerType.Shared,
             "failover": library.ConsumerType.Failover,
             "key_shared": library.ConsumerType.KeyShared}
    consumer = client.subscribe(topic, "s", types[kind], batch_index_ack_enabled=True)
    got = []
    for _ in range(count):
        m = consumer.receive(10000)
        got.append(int(m.data()))
        consumer.acknowledge(m)
    with pytest.raises(library.Timeout):
        consumer.receive(QUIET_MS)
    consumer.close()
    return got


@pytest.mark.parametrize("kind", TYPES)
def test_of_a_batch_only_the_rest_comes_again(pulsar_of_parts, official, begin, topic, kind):
    daemon = begin(pulsar_of_parts)
    client = official(pulsar_of_parts.service_url)
    client.subscribe(topic, "s").close()
    one_batch(client, topic, 70)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(70)) == list(range(70))
        app.ack(0, 3, 65)
        daemon.kill()  # which knew it
    daemon = begin(pulsar_of_parts)
    with Application(daemon, topic, "s", kind) as app:
        left = [n for n in range(70) if n not in (0, 3, 65)]
        assert numbers(app.next(67)) == left
        app.ack(*range(60))
        app.close()
    assert rest_for_official(client, topic, kind, 7) == left[60:]


@pytest.mark.parametrize("kind", ["exclusive", "failover"])
def test_up_to_one_of_a_batch(pulsar_of_parts, official, begin, topic, kind):
    daemon = begin(pulsar_of_parts)
    client = official(pulsar_of_parts.service_url)
    client.subscribe(topic, "s").close()
    one_batch(client, topic, 10)
    one_batch(client, topic, 10)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(20)) == 2 * list(range(10))
        app.ack_cumulative(13)
        daemon.kill()
    assert rest_for_official(client, topic, kind, 6) == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("kind", TYPES)
def test_what_another_has_acknowledged_of_a_batch(pulsar_of_parts, official, begin, topic, kind):
    """The other way round; and what is left is the last word, so that nothing comes again."""
    daemon = begin(pulsar_of_parts)
    client = official(pulsar_of_parts.service_url)
    consumer = client.subscribe(topic, "s", library.ConsumerType.Shared,
                                batch_index_ack_enabled=True)
    one_batch(client, topic, 10)
    for n in range(10):
        m = consumer.receive(10000)
        if n % 2 == 0:
            consumer.acknowledge(m)
    consumer.close()
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(5)) == [1, 3, 5, 7, 9]
        app.ack(*range(5))
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", TYPES)
def test_without_such_a_broker_the_batch_comes_again(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    client.subscribe(topic, "s").close()
    one_batch(client, topic, 10)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(10)) == list(range(10))
        app.ack(*range(9))
        daemon.kill()
    daemon = begin(pulsar)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(10)) == list(range(10))
        app.ack(*range(10))
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", TYPES)
def test_who_does_not_read_gets_no_more_than_fits(pulsar, official, begin, topic, kind):
    """Permits are of bytes: what a paused application cannot take stays with the broker."""
    count, size = 40, 4 << 20
    daemon = begin(pulsar, memory_max=MEMORY_MAX)
    client = official(pulsar.service_url)
    client.subscribe(topic, "s").close()
    producer = client.create_producer(topic, batching_enabled=False)
    with Application(daemon, topic, "s", kind, reassembly=5 << 20) as app:
        for n in range(count):
            producer.send(f"{n} ".encode().ljust(size))
        assert stats(daemon)["memory"]["used"] < MEMORY_MAX // 2
        path = topic.replace("://", "/")
        consumer = pulsar.admin("GET", f"{path}/stats")[1]["subscriptions"]["s"]["consumers"][0]
        assert consumer["msgOutCounter"] < 5
        for n in range(count):
            assert numbers(app.next(1)) == [n]
            app.ack(n)
        app.close()
    assert daemon.lines("pulsar.consumer_renewed") == []
