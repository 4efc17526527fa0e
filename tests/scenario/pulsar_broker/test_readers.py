# SPDX-License-Identifier: Apache-2.0
"""Goal:   a reader of a topic with partitions, or of several topics, goes on in each of them where it was when the daemon is
        killed, whenever that is: nothing is lost and nothing handed out twice. It has caught up when it has everywhere.
Method: an application that does what the test says (application.py), hulsed, the real broker, whose official client
        publishes. A subscription keeps what is published."""

import json
import time

import pytest

from application import Application
from by_hand import eventually
from command import ok, publish as publish_locally, run
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

pytestmark = pytest.mark.timeout(300)

QUIET_MS = 1500
LONG_MS = 60_000
KEYS = 200


@pytest.fixture(name="begin")
def beginner(tmp_path):
    """Starts the daemon in its folder, again and again."""
    running = []

    def begin(broker, *, topics=(), **members):
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps({
            "topics": list(topics),
            "brokers": {"main": {"type": "pulsar", "service_url": broker.service_url, **members}}}))
        running.append(Hulsed(tmp_path / "run", args=["--config", config]))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.kill()


class Topic:
    """With partitions, or 0 of them; what is published to it is numbered and stays."""

    def __init__(self, broker, client, name, partitions):
        self.broker, self.client, self.name, self.count = broker, client, name, 0
        if partitions:
            self.divide(partitions)
        client.subscribe(name, "keeper").close()

    def divide(self, partitions, how="PUT"):
        assert self.broker.admin(how, f"{self.name.replace('://', '/', 1)}/partitions", partitions)[0] == 204

    def publish(self, count, **options):
        """The numbers."""
        producer = self.client.create_producer(self.name, block_if_queue_full=True, **options)
        new = range(self.count, self.count + count)
        for n in new:
            producer.send_async(b"%d" % n, lambda *_: None, partition_key=str(n % KEYS))
        producer.flush()
        producer.close()
        self.count += count
        return list(new)


def numbers(messages):
    return [int(m["payload"]) for m in messages]


def in_order(messages):
    """Of each partition of each topic."""
    found = {}
    for m in messages:
        found.setdefault((m["topic"], m["partition"]), []).append(int(m["payload"]))
    return all(each == sorted(each) for each in found.values())


def read(daemon, *topics, earliest=True, **options):
    return Application(daemon, topics[0], None, "reader", earliest=earliest, topics=topics[1:], **options)


@pytest.mark.parametrize("partitions", [1, 3, 97])
@pytest.mark.parametrize("batched", [True, False])
def test_from_the_beginning_over_kills(pulsar, official, begin, topic, partitions, batched):
    """Before the first message, behind some of those that have come, behind all, with nothing between two kills."""
    daemon = begin(pulsar)
    source = Topic(pulsar, official(pulsar.service_url), topic, partitions)
    source.publish(1000, batching_enabled=batched)
    with read(daemon, topic) as app:
        for taken in (0, 1, 333, 333, 333, 0, 0):
            got = app.next(taken)
            assert len(got) == taken
            daemon.kill()
            daemon = begin(pulsar)
        wanted = source.publish(300, batching_enabled=batched)
        assert sorted(numbers(app.next(300, LONG_MS))) == wanted
        assert app.next(1, QUIET_MS) == []
        assert sorted(numbers(app.got)) == list(range(1300))
        assert in_order(app.got)
        app.close()


@pytest.mark.parametrize("partitions", [1, 3, 97])
def test_from_now_on_over_kills(pulsar, official, begin, topic, partitions):
    """What comes while no daemon is there comes from every partition, also from those that nothing was read of."""
    daemon = begin(pulsar)
    source = Topic(pulsar, official(pulsar.service_url), topic, partitions)
    source.publish(200)
    with read(daemon, topic, earliest=False) as app:
        for round_ in range(4):
            daemon.kill()
            wanted = source.publish(5 if round_ % 2 else 400)
            daemon = begin(pulsar)
            assert sorted(numbers(app.next(len(wanted), LONG_MS))) == wanted
            assert app.next(1, QUIET_MS) == []
        assert in_order(app.got)
        app.close()


def test_messages_come_while_daemons_die(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    source = Topic(pulsar, official(pulsar.service_url), topic, 97)
    with read(daemon, topic) as app:
        for _ in range(6):
            source.publish(400)
            app.next(150, LONG_MS)
            daemon.kill()
            source.publish(100)
            daemon = begin(pulsar)
        app.next(source.count - len(app.got), LONG_MS)
        assert app.next(1, QUIET_MS) == []
        assert sorted(numbers(app.got)) == list(range(source.count))
        assert in_order(app.got)


def test_several_topics_over_kills(pulsar, official, begin, topic):
    """One without partitions, one with 3, one with 97, one of the daemon's own, and one that nothing comes from."""
    client = official(pulsar.service_url)
    ours = topic + "-ours"
    kinds = {"topics": [{"match": ours, "broker": "local"}]}
    daemon = begin(pulsar, **kinds)
    sources = [Topic(pulsar, client, f"{topic}-{count}", count) for count in (0, 3, 97)]
    quiet = Topic(pulsar, client, topic + "-quiet", 3)
    assert run(daemon, "sub", ours, "-s", "keeper", "-n", "1", "--timeout", "100ms").returncode == 75
    for earliest in (True, False):
        before = {s.name: s.count for s in sources}
        with read(daemon, *(s.name for s in sources), ours, quiet.name, earliest=earliest) as app:
            for _ in range(3):
                for each in sources:
                    each.publish(100)
                publish_locally(daemon, ours, *(b"%d" % n for n in range(10)))
                assert len(app.next(100, LONG_MS)) == 100
                daemon.kill()
                for each in sources:
                    each.publish(20)
                daemon = begin(pulsar, **kinds)
            published = sum(s.count - (0 if earliest else before[s.name]) for s in sources) + 30
            app.next(published - len(app.got), LONG_MS)
            assert app.next(1, QUIET_MS) == []
            for each in sources:
                mine = [m for m in app.got if m["topic"] == each.name]
                assert sorted(numbers(mine)) == list(range(0 if earliest else before[each.name], each.count))
                assert in_order(mine)
            assert numbers(m for m in app.got if m["topic"] == ours) == 3 * list(range(10))
            app.close()


def test_one_that_was_moved(pulsar, official, begin, topic):
    """In one partition, where the others stay; and in all of them."""
    daemon = begin(pulsar)
    source = Topic(pulsar, official(pulsar.service_url), topic, 3)
    source.publish(300)
    with read(daemon, topic) as app:
        got = app.next(300)
        of_one = [m for m in got if m["partition"] == 1]
        app.seek(number=of_one[5]["number"])
        daemon.kill()
        daemon = begin(pulsar)
        assert numbers(app.next(len(of_one) - 5, LONG_MS)) == numbers(of_one)[5:]
        assert app.next(1, QUIET_MS) == []
        app.seek("earliest")
        for taken in (0, 100, 200):
            daemon.kill()
            daemon = begin(pulsar)
            assert len(app.next(taken, LONG_MS)) == taken
        assert sorted(numbers(app.got[-300:])) == list(range(300))
        assert app.next(1, QUIET_MS) == []


def test_a_partition_that_comes_while_no_daemon_is_there(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    source = Topic(pulsar, official(pulsar.service_url), topic, 2)
    source.publish(50)
    with read(daemon, topic, earliest=False) as app:
        daemon.kill()
        source.divide(5, "POST")
        source.client = official(pulsar.service_url)
        wanted = source.publish(200)
        daemon = begin(pulsar)
        got = app.next(200, LONG_MS)
        assert sorted(numbers(got)) == wanted
        assert {m["partition"] for m in got} > {0, 1}
        assert app.next(1, QUIET_MS) == []


def test_from_a_time_over_a_kill(pulsar, official, begin, topic):
    """Of one that was handed nothing, too."""
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    one, other = Topic(pulsar, client, topic, 0), Topic(pulsar, client, topic + "-parted", 3)
    for each in (one, other):
        each.publish(30)
    time.sleep(1.1)
    with read(daemon, one.name, other.name, more=[["start_time", int(time.time() * 1000) - 500]]) as app, \
            read(daemon, one.name, more=[["start_time", int(time.time() * 1000) - 500]]) as alone:
        daemon.kill()
        wanted = one.publish(30), other.publish(30)
        daemon = begin(pulsar)
        app.next(60, LONG_MS)
        for each, numbers_ in zip((one, other), wanted):
            assert sorted(int(m["payload"]) for m in app.got if m["topic"] == each.name) == numbers_
        assert numbers(alone.next(30, LONG_MS)) == wanted[0]
        assert app.next(1, QUIET_MS) == [] and alone.next(1, QUIET_MS) == []


@pytest.mark.ends_broker
def test_the_broker_dies_and_comes_back(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    source = Topic(pulsar, official(pulsar.service_url), topic, 3)
    plain = Topic(pulsar, source.client, topic + "-plain", 0)
    for each in (source, plain):
        each.publish(100)
    with read(daemon, source.name, plain.name) as app:
        app.next(120)
        pulsar.kill()
        pulsar.start()
        for each in (source, plain):
            each.client = official(pulsar.service_url)
            each.publish(50)
        app.next(180, LONG_MS)
        daemon.kill()
        daemon = begin(pulsar)
        assert app.next(1, QUIET_MS) == []
        for each in (source, plain):
            assert sorted(numbers(m for m in app.got if m["topic"] == each.name)) == list(range(150))


def test_the_command_ends_where_all_of_them_do(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    sources = [Topic(pulsar, client, f"{topic}-{count}", count) for count in (0, 3, 97)]
    for each in sources:
        each.publish(100)
    names = [s.name for s in sources]
    assert ok(run(daemon, "read", *names, "--from", "latest", timeout=60)) == b""
    lines = [json.loads(line) for line in ok(run(daemon, "read", *names, "--json", timeout=60)).splitlines()]
    for each in sources:
        assert sorted(int(m["payload"]) for m in lines if m["topic"] == each.name) == list(range(100))
    refused = run(daemon, "read", *names, "--from", lines[0]["id"])
    assert refused.returncode != 0 and b"an id is of one topic" in refused.stderr
    eventually(lambda: run(daemon, "read", *names, "--from", "-1h", "-n", "300", timeout=60).returncode == 0)


@pytest.mark.parametrize("taken", [1, 3])
def test_inside_a_batch_over_a_kill(pulsar, official, begin, topic, taken):
    """Whose messages are larger than what the ring has room for, so what was read is what had come."""
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    client.subscribe(topic, "keeper").close()
    producer = client.create_producer(topic, batching_enabled=True, batching_max_publish_delay_ms=3000,
                                      batching_max_allowed_size_in_bytes=4 << 20, block_if_queue_full=True)
    for n in range(6):
        producer.send_async(b"%d" % n + b" " * 600000, lambda *_: None)
    producer.flush()
    with read(daemon, topic, reassembly=1 << 20) as app:
        app.next(taken)
        assert app.got[-1]["id"][2] == taken - 1
        daemon.kill()
        begin(pulsar)
        app.next(6 - taken)
        assert numbers(app.got) == list(range(6))
        app.close()
