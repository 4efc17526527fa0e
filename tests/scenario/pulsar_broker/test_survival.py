# SPDX-License-Identifier: Apache-2.0
"""Goal:   publishers and subscribers of hulsed live through kill -9 of the broker and of the daemon: nothing
        that was published is lost, the order stays, and with deduplication each message is there once.
Method: numbers through a pipe into `hulse pub` while one of the two is killed again and again; the
        official client reads what the topic has.
"""

import signal
import subprocess

import pytest

from by_hand import eventually
from command import Background, Feed, Subscriber, broker_stats, ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

# A broker may take up to READY_S of broker.py to start on a busy machine.
pytestmark = pytest.mark.timeout(600)

BETWEEN = 200


def settings(broker, dedup):
    return {"brokers": {"main": {"type": "pulsar", "service_url": broker.service_url}},
            "topics": [{"match": "**", "publish": {"send_timeout": 0, "dedup": dedup}}]}


@pytest.fixture(name="begin")
def beginner(configured):
    return lambda broker, dedup=False: configured(settings(broker, dedup))


def everything(client, topic):
    reader = client.create_reader(topic, library.MessageId.earliest)
    got = []
    while reader.has_message_available():
        got.append(int(reader.read_next(20000).data()))
    reader.close()
    return got


def first_of_each(numbers):
    return list(dict.fromkeys(numbers))


def publish_through(daemon, topic, tmp_path, harm, times):
    """How many numbers were published while harm() was done so many times."""
    told = tmp_path / "told"
    with open(told, "wb") as ids, \
            Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE, stdout=ids) as pub:
        feed = Feed(pub.process.stdin)
        try:
            for _ in range(times):
                wanted = told.read_bytes().count(b"\n") + BETWEEN
                while told.read_bytes().count(b"\n") < wanted:
                    assert pub.process.poll() is None, pub.stderr()
                harm()
        finally:
            count = feed.end()
        assert pub.process.wait(120) == 0, pub.stderr()
    assert told.read_bytes().count(b"\n") == count
    return count


@pytest.mark.ends_broker
def test_the_broker_is_killed(pulsar, official, begin, topic, tmp_path):
    def harm():
        pulsar.kill()
        pulsar.start()

    count = publish_through(begin(pulsar), topic, tmp_path, harm, 1)
    assert first_of_each(everything(official(pulsar.service_url), topic)) == list(range(count))


@pytest.mark.ends_broker
def test_the_broker_is_killed_with_deduplication(pulsar, official, begin, once, tmp_path):
    def harm():
        pulsar.kill()
        pulsar.start()

    count = publish_through(begin(pulsar, dedup=True), once, tmp_path, harm, 1)
    assert everything(official(pulsar.service_url), once) == list(range(count))


def test_the_daemon_is_killed(pulsar, official, begin, topic, tmp_path):
    daemons = [begin(pulsar)]

    def harm():
        daemons[-1].kill()
        daemons.append(begin(pulsar))

    count = publish_through(daemons[0], topic, tmp_path, harm, 3)
    assert first_of_each(everything(official(pulsar.service_url), topic)) == list(range(count))


def test_the_daemon_is_killed_with_deduplication(pulsar, official, begin, once, tmp_path):
    daemons = [begin(pulsar, dedup=True)]

    def harm():
        daemons[-1].kill()
        daemons.append(begin(pulsar, dedup=True))

    count = publish_through(daemons[0], once, tmp_path, harm, 3)
    assert everything(official(pulsar.service_url), once) == list(range(count))


@pytest.mark.ends_broker
def test_a_subscriber_lives_through_both(pulsar, official, begin, topic, tmp_path):
    daemon = begin(pulsar)
    producer = official(pulsar.service_url).create_producer(topic)
    got = tmp_path / "got"
    with open(got, "wb") as out, \
            Subscriber(daemon, topic, "-s", "s", "-t", "exclusive", "--from", "earliest",
                       stdout=out) as sub:
        def await_line(n):
            while b"%d\n" % n not in got.read_bytes():
                assert sub.process.poll() is None, sub.stderr()

        for n in range(100):
            producer.send(b"%d" % n)
        await_line(99)
        daemon.kill()
        daemon = begin(pulsar)
        for n in range(100, 200):
            producer.send(b"%d" % n)
        await_line(199)
        pulsar.kill()
        pulsar.start()
        for n in range(200, 300):
            producer.send(b"%d" % n)
        await_line(299)
    assert first_of_each(map(int, got.read_text().split())) == list(range(300))


@pytest.mark.ends_broker
def test_the_daemon_is_there_before_the_broker(pulsar, official, begin, topic):
    url = pulsar.service_url
    pulsar.stop()
    daemon = begin(pulsar)
    with Background(daemon, "pub", topic, "early") as pub:
        pulsar.start()
        # It waits for the operation's timeout, and a busy machine may take longer to start a broker.
        assert pub.process.wait(60) in (0, 69, 75), pub.stderr()
    # Whoever opens later than that finds it.
    ok(run(daemon, "pub", topic, "late", timeout=60))
    client = official(url)
    reader = client.create_reader(topic, library.MessageId.earliest)
    assert reader.read_next(20000).data() in (b"early", b"late")


def test_what_is_larger_than_its_ring_is_interrupted(pulsar, begin, topic, tmp_path):
    """The broker has not answered for it, and the ring has none of it any more: nobody can send it again."""
    told = tmp_path / "told"
    daemon = begin(pulsar)
    with open(told, "wb") as ids, \
            Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE, stdout=ids) as pub:
        def say(payload):
            pub.process.stdin.write(payload + b"\n")
            pub.process.stdin.flush()

        say(b"before")
        eventually(lambda: told.read_bytes().count(b"\n") == 1, seconds=60)
        pulsar.process.send_signal(signal.SIGSTOP)
        try:
            say(b"x" * 4_000_000)
            eventually(lambda: broker_stats(daemon)["in_flight_bytes"] >= 4_000_000, seconds=60)
            daemon.kill()
        finally:
            pulsar.process.send_signal(signal.SIGCONT)
        begin(pulsar)
        say(b"behind")
        pub.process.stdin.close()
        assert pub.process.wait(120) != 0
    assert told.read_bytes().count(b"\n") == 2
    assert "interrupted" in pub.stderr()
