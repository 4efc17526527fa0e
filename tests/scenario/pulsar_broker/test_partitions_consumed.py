# SPDX-License-Identifier: Apache-2.0
"""Goal:   a topic with partitions is consumed as one topic: everything once, in the order of its partition, fairly, with
        verdicts that reach the partition they are of, also after the daemon's death.
Method: an application that does what the test says (application.py), hulsed, the real broker, whose official client
        publishes."""

import json

import pytest

from application import Application
from by_hand import eventually
from command import ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)

QUIET_MS = 1500
TYPES = ["exclusive", "shared", "failover", "key_shared"]
KEYS = 40


@pytest.fixture(name="begin")
def beginner(begin):
    """begin(broker, members of the broker)"""
    return lambda broker, **members: begin(broker, members)


def path_of(topic):
    return topic.replace("://", "/", 1)


def divide(broker, topic, count):
    assert broker.admin("PUT", f"{path_of(topic)}/partitions", count)[0] == 204


def publish(client, topic, numbers, **options):
    """Each with one of KEYS keys, which says its partition."""
    producer = client.create_producer(topic, block_if_queue_full=True, **options)
    for n in numbers:
        producer.send_async(b"%d" % n, lambda *_: None, partition_key=str(n % KEYS))
    producer.flush()
    producer.close()


def numbers(messages):
    return [int(m["payload"]) for m in messages]


def in_order(messages):
    """Of each key, and so of each partition with those that were never refused."""
    by_key, places = {}, {}
    for m in messages:
        n = int(m["payload"])
        by_key.setdefault(n % KEYS, []).append(n)
        places.setdefault(n % KEYS, set()).add(m["partition"])
    return all(each == sorted(each) for each in by_key.values()) and \
        all(len(each) == 1 for each in places.values())


@pytest.mark.parametrize("kind, count", [*((kind, 3) for kind in TYPES), ("shared", 1),
                                         ("shared", 97), ("failover", 97)])
def test_everything_once_and_in_order(pulsar, official, begin, topic, kind, count):
    daemon = begin(pulsar)
    divide(pulsar, topic, count)
    publish(official(pulsar.service_url), topic, range(2000), batching_enabled=True)
    with Application(daemon, topic, "s", kind, earliest=True) as app:
        got = app.next(2000)
        assert sorted(numbers(got)) == list(range(2000))
        assert in_order(got)
        assert {m["partition"] for m in got} <= set(range(count))
        assert count == 1 or len({m["partition"] for m in got}) > 1
        app.ack(*range(2000))
        assert app.next(1, QUIET_MS) == []
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


def test_a_full_partition_leaves_room_for_the_others(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    client = official(pulsar.service_url)
    for index, many in enumerate([10000, 5, 5]):
        producer = client.create_producer(f"{topic}-partition-{index}", batching_enabled=False,
                                          block_if_queue_full=True)
        for n in range(many):
            producer.send_async(b"%d" % n, lambda *_: None)
        producer.flush()
    with Application(daemon, topic, "s", "shared", unacked_max=400) as app:
        got = []
        while sum(m["partition"] != 0 for m in got) < 10:
            more = app.next(100)
            assert len(more) == 100, len(got)
            app.ack(*range(len(got), len(got) + 100), settle=False)
            got += more
        for partition in (1, 2):
            assert [n for n, m in zip(numbers(got), got) if m["partition"] == partition] == list(range(5))
        assert len(got) < 10000


@pytest.mark.parametrize("kind", ["exclusive", "failover"])
def test_up_to_one_of_its_own_partition(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    publish(official(pulsar.service_url), topic, range(300), batching_enabled=False)
    with Application(daemon, topic, "s", kind) as app:
        got = app.next(300)
        last = max(m["number"] for m in got if m["partition"] == 1)
        app.ack_cumulative(last)
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        left = {int(m["payload"]) for m in got if m["partition"] != 1}
        assert 0 < len(left) < 300
        assert set(numbers(app.next(len(left)))) == left
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_refused_comes_again_from_its_partition(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    publish(official(pulsar.service_url), topic, range(60), batching_enabled=False)
    with Application(daemon, topic, "s", kind) as app:
        got = app.next(60)
        app.nack(*range(60), delay_ms=1)
        again = app.next(60)
        assert sorted(numbers(again)) == list(range(60))
        assert {m["redelivery"] for m in again} == {1}
        assert {(m["payload"], m["partition"]) for m in again} == \
            {(m["payload"], m["partition"]) for m in got}
        app.ack(*range(60, 120))
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", TYPES)
def test_verdicts_after_the_daemon_has_died(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    client = official(pulsar.service_url)
    publish(client, topic, range(200), batching_enabled=True)
    with Application(daemon, topic, "s", kind) as app:
        assert sorted(numbers(app.next(200))) == list(range(200))
        app.ack(*range(50))
        daemon.kill()
        daemon = begin(pulsar)
        app.ack(*range(50, 200))
        publish(client, topic, range(200, 240), batching_enabled=True)
        got = [n for n in numbers(app.next(400, 5000)) if n >= 200]
        assert sorted(set(got)) == list(range(200, 240))
        app.ack(*range(200, len(app.got)))
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_it_is_moved_in_all_partitions_or_in_one(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    publish(official(pulsar.service_url), topic, range(90), batching_enabled=False)
    with Application(daemon, topic, "s", kind) as app:
        got = app.next(90)
        app.ack(*range(90))
        app.seek("earliest")
        again = app.next(90)
        assert sorted(numbers(again)) == list(range(90))
        app.ack(*range(90, 180))
        of_one = [m for m in got if m["partition"] == 1]
        app.seek(number=of_one[5]["number"])
        assert numbers(app.next(len(of_one) - 5)) == numbers(of_one)[5:]
        assert app.next(1, QUIET_MS) == []


@pytest.mark.ends_broker
def test_the_broker_dies_and_comes_back(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    publish(official(pulsar.service_url), topic, range(200), batching_enabled=True)
    with Application(daemon, topic, "s", "shared") as app:
        got = app.next(100)
        app.ack(*range(100))
        pulsar.kill()
        pulsar.start()
        publish(official(pulsar.service_url), topic, range(200, 300), batching_enabled=True)
        # The broker may have forgotten what was acknowledged last.
        got += app.next(600, 10_000)
        assert set(numbers(got)) == set(range(300))
        app.ack(*range(100, len(app.got)))
        app.close()
    with Application(daemon, topic, "s", "shared") as app:
        assert app.next(1, QUIET_MS) == []


def test_two_of_a_failover_subscription_divide_the_partitions(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    divide(pulsar, topic, 4)
    with Application(daemon, topic, "s", "failover") as one, \
            Application(daemon, topic, "s", "failover") as two:
        eventually(lambda: len(set(active_ones(pulsar, topic, 4))) == 2)
        publish(official(pulsar.service_url), topic, range(400), batching_enabled=False)
        first, second = one.next(400, 5000), two.next(400, 5000)
        assert sorted(numbers(first) + numbers(second)) == list(range(400))
        assert not {m["partition"] for m in first} & {m["partition"] for m in second}


def active_ones(broker, topic, count):
    found = []
    for index in range(count):
        stats = broker.admin("GET", f"{path_of(topic)}-partition-{index}/stats")[1]
        found.append(stats["subscriptions"]["s"].get("activeConsumerName"))
    return found


def test_a_reader_ends_where_all_partitions_do(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    publish(official(pulsar.service_url), topic, range(100), batching_enabled=True)
    read = ok(run(daemon, "read", topic, timeout=60)).split()
    assert sorted(int(n) for n in read) == list(range(100))


@pytest.mark.parametrize("kind", ["shared", "failover"])
def test_a_partition_that_is_added(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar, partitions_refresh="1s")
    divide(pulsar, topic, 2)
    client = official(pulsar.service_url)
    with Application(daemon, topic, "s", kind, earliest=False) as app:
        publish(client, topic, range(50), batching_enabled=False)
        assert sorted(numbers(app.next(50))) == list(range(50))
        assert pulsar.admin("POST", f"{path_of(topic)}/partitions", 5)[0] == 204
        publish(official(pulsar.service_url), topic, range(50, 150), batching_enabled=False)
        got = app.next(100)
        assert sorted(numbers(got)) == list(range(50, 150))
        assert {m["partition"] for m in got} > {0, 1}
        app.ack(*range(150))
        app.close()
    for index in range(5):
        stats = pulsar.admin("GET", f"{path_of(topic)}-partition-{index}/stats")[1]
        assert stats["subscriptions"]["s"]["msgBacklog"] == 0


def test_a_reader_begins_in_no_partition_that_is_not_there(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    divide(pulsar, topic, 3)
    publish(official(pulsar.service_url), topic, range(9), batching_enabled=False)
    everything = [json.loads(line) for line in ok(run(daemon, "read", topic, "--json")).splitlines()]
    named = next(m["id"] for m in everything if m["id"].split(":")[2] == "2")
    wrong = named.replace(":2:", ":3:")
    for where in (topic, topic + "-partition-2", topic + "-plain"):
        refused = run(daemon, "read", where, "--from", wrong)
        assert refused.returncode != 0 and b"has no partition 3" in refused.stderr
    part = ok(run(daemon, "read", topic + "-partition-2", "--from", named)).split()
    assert part == [m["payload"].encode() for m in everything if m["id"].split(":")[2] == "2"]
    assert set(part) <= set(ok(run(daemon, "read", topic, "--from", named)).split())
