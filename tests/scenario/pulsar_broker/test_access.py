# SPDX-License-Identifier: Apache-2.0
"""Goal:   a producer has a topic for itself as the broker says: who else is there is kept out, waits, or is fenced; the
        access lives through daemon and broker and ends with its application. A subscription is created with a topic.
Method: hulsed and the real broker; rivals are the official client of Python and other applications of the same daemon."""

import contextlib
import json
import signal
import subprocess

import pytest

from command import Background, ok, run
from library import App, Producer, Refused

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(120)

UNSUPPORTED, REFUSED, BUSY, INVAL = -18, -4, -17, -6  # hulse_status
STORED, FENCED = 1, 13  # hulse_outcome
UNREACHABLE = 69  # exit code
MODES = library.ProducerAccessMode
RIVALS = (library.ProducerBusy, library.ProducerFenced)


@pytest.fixture(name="daemon")
def daemon_of(hulsed, pulsar):
    return hulsed(pulsar.service_url)


@pytest.fixture(name="app")
def app_of(daemon):
    with App(daemon) as app:
        yield app


@pytest.fixture(name="client")
def client_of(official, pulsar):
    """It does not wait for others to go."""
    return official(pulsar.service_url, operation_timeout_seconds=5)


def refused(app, topic, access):
    with pytest.raises(Refused) as got:
        Producer(app, topic, access)
    return got.value.status


def keeps_out(client, topic, mode=MODES.Shared):
    with pytest.raises(library.PulsarException):
        client.create_producer(topic, access_mode=mode)


def once_free(client, topic, mode=MODES.Exclusive):
    """The official producer, as soon as nobody else is there."""
    while True:
        with contextlib.suppress(*RIVALS):
            return client.create_producer(topic, access_mode=mode)


def test_nobody_else_is_there(app, client, topic):
    producer = Producer(app, topic, "exclusive", receipts=True)
    keeps_out(client, topic)
    keeps_out(client, topic, MODES.Exclusive)
    assert refused(app, topic, "exclusive") == BUSY  # through the same daemon, too
    assert refused(app, topic, "shared") == BUSY
    producer.publish(b"m")
    assert producer.outcome() == STORED
    assert producer.close() == 0
    client.create_producer(topic).send(b"n")
    assert [m.data() for m in received(client, topic, 2)] == [b"m", b"n"]


def test_somebody_else_is_there(app, client, topic):
    with contextlib.closing(client.create_producer(topic)):
        assert refused(app, topic, "exclusive") == BUSY
    with contextlib.closing(client.create_producer(topic, access_mode=MODES.Exclusive)):
        assert refused(app, topic, "exclusive") == BUSY
        assert refused(app, topic, "shared") == BUSY
    Producer(app, topic, "exclusive").publish(b"m")


def fenced(producer):
    """Publishes until it is; what was published gets that as its outcome, or was stored before."""
    seen = []
    with pytest.raises(Refused) as got:
        while True:
            producer.publish(b"m")
            seen.append(producer.outcome())
    assert got.value.status == BUSY and "Fenced" in got.value.text
    assert set(seen) <= {STORED, FENCED}


def test_fenced_by_an_official_client(app, client, topic):
    producer = Producer(app, topic, "exclusive", receipts=True)
    producer.publish(b"mine")
    assert producer.outcome() == STORED
    rival = client.create_producer(topic, access_mode=MODES.ExclusiveWithFencing)
    fenced(producer)
    rival.send(b"theirs")
    got = [m.data() for m in received(client, topic, 2)]
    assert got == [b"mine", b"theirs"]
    assert refused(app, topic, "exclusive") == BUSY


def test_fencing_an_official_client(app, client, topic):
    rival = client.create_producer(topic, access_mode=MODES.Exclusive)
    rival.send(b"theirs")
    producer = Producer(app, topic, "exclusive-with-fencing", receipts=True)
    with pytest.raises(library.PulsarException):
        while True:
            rival.send(b"too late")
    producer.publish(b"mine")
    assert producer.outcome() == STORED
    assert [m.data() for m in received(client, topic, 2)] == [b"theirs", b"mine"]


def test_fencing_another_application(daemon, app, topic):
    first = Producer(app, topic, "exclusive", receipts=True)
    with App(daemon) as other:
        second = Producer(other, topic, "exclusive-with-fencing", receipts=True)
        fenced(first)
        second.publish(b"m")
        assert second.outcome() == STORED


def test_it_waits_for_its_turn(daemon, client, topic):
    rival = client.create_producer(topic, access_mode=MODES.Exclusive)
    with Background(daemon, "pub", topic, "--access", "wait-for-exclusive", "mine") as pub:
        daemon.await_lines("pulsar.producer_queued")
        rival.send(b"theirs")
        assert pub.process.poll() is None
        rival.close()
        assert pub.wait(60)[1] == 0, pub.stderr()
    assert [m.data() for m in received(client, topic, 2)] == [b"theirs", b"mine"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_who_waits_can_give_up(daemon, client, topic, how):
    rival = client.create_producer(topic, access_mode=MODES.Exclusive)
    with Background(daemon, "pub", topic, "--access", "wait-for-exclusive", "never") as pub:
        daemon.await_lines("pulsar.producer_queued")
        pub.process.send_signal(how)
        assert pub.process.wait(60) == -how
    rival.send(b"theirs")
    rival.close()
    once_free(client, topic).send(b"last")
    assert [m.data() for m in received(client, topic, 2)] == [b"theirs", b"last"]


def test_waiting_has_the_applications_timeout(daemon, client, topic):
    rival = client.create_producer(topic, access_mode=MODES.Exclusive)
    late = run(daemon, "--timeout", "500ms", "pub", topic, "--access", "wait-for-exclusive", "never")
    assert late.returncode != 0 and b"not answered" in late.stderr
    rival.close()
    once_free(client, topic).send(b"m")


class Exclusive:
    """`hulse pub --access exclusive`, fed line by line."""

    def __init__(self, daemon, topic, tmp_path, access="exclusive"):
        self.told = tmp_path / "told"
        self.out = open(self.told, "wb")
        self.pub = Background(daemon, "pub", topic, "-v", "--access", access,
                              stdin=subprocess.PIPE, stdout=self.out)
        self.count = 0

    def publish(self):
        self.pub.process.stdin.write(b"%d\n" % self.count)
        self.pub.process.stdin.flush()
        self.count += 1
        while self.told.read_bytes().count(b"\n") < self.count:
            assert self.pub.process.poll() is None, self.pub.stderr()

    def __enter__(self):
        self.pub.__enter__()
        return self

    def __exit__(self, *why):
        self.pub.__exit__(*why)
        self.out.close()


def test_a_killed_application_frees_the_topic(daemon, client, topic, tmp_path):
    with Exclusive(daemon, topic, tmp_path) as mine:
        mine.publish()
        keeps_out(client, topic)
        mine.pub.process.kill()
        once_free(client, topic).send(b"m")


@pytest.mark.parametrize("access", ["exclusive", "wait-for-exclusive", "exclusive-with-fencing"])
def test_it_lives_through_the_daemon(hulsed, pulsar, client, topic, tmp_path, access):
    daemon = hulsed(pulsar.service_url)
    with Exclusive(daemon, topic, tmp_path, access) as mine:
        mine.publish()
        daemon.kill()
        hulsed(pulsar.service_url)
        mine.publish()
        keeps_out(client, topic)
        mine.publish()
    assert len(received(client, topic, 3)) == 3


def test_who_took_it_while_the_daemon_was_away_keeps_it(hulsed, pulsar, client, topic, tmp_path):
    daemon = hulsed(pulsar.service_url)
    with Exclusive(daemon, topic, tmp_path, "exclusive-with-fencing") as mine:
        mine.publish()
        daemon.kill()
        rival = once_free(client, topic)
        hulsed(pulsar.service_url)
        mine.pub.process.stdin.write(b"never\n")
        mine.pub.process.stdin.close()
        assert mine.pub.process.wait(60) != 0
        assert "Fenced" in mine.pub.stderr()
        rival.send(b"theirs")


@pytest.mark.parametrize("options", [(), ("-v",)])
def test_a_command_that_waits_for_input_says_that_it_was_fenced(hulsed, pulsar, client, topic, options):
    daemon = hulsed(pulsar.service_url)
    with Background(daemon, "pub", topic, "--access", "exclusive", *options,
                    stdin=subprocess.PIPE) as pub:
        pub.process.stdin.write(b"mine\n")
        pub.process.stdin.flush()
        assert [m.data() for m in received(client, topic, 1)] == [b"mine"]
        daemon.kill()
        once_free(client, topic).send(b"theirs")
        hulsed(pulsar.service_url)
        assert pub.wait(60)[1] == UNREACHABLE  # nothing more was written to it, nor its end
        assert "publishing has stopped" in pub.stderr() and "Fenced" in pub.stderr()
        assert "published 1, failed 0" in pub.stderr()


def test_who_took_it_and_has_gone_again_has_fenced_it(daemon, app, client, topic):
    """Nobody is there when it comes back, but the topic's epoch is another one."""
    producer = Producer(app, topic, "exclusive", receipts=True)
    producer.publish(b"m")
    assert producer.outcome() == STORED
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        client.create_producer(topic, access_mode=MODES.ExclusiveWithFencing).close()
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    fenced(producer)


@pytest.mark.ends_broker
def test_it_lives_through_the_broker_and_an_unload(daemon, pulsar, client, topic, tmp_path):
    with Exclusive(daemon, topic, tmp_path) as mine:
        mine.publish()
        assert pulsar.admin("PUT", topic.replace("://", "/") + "/unload")[0] == 204
        mine.publish()
        keeps_out(client, topic)
        pulsar.kill()
        pulsar.start()
        mine.publish()
        keeps_out(client, topic)


def test_each_partition(app, pulsar, client, topic):
    place = topic.replace("://", "/")
    assert pulsar.admin("PUT", f"{place}/partitions", 3)[0] == 204
    producer = Producer(app, topic, "exclusive", receipts=True)
    for n in range(3):
        keeps_out(client, f"{topic}-partition-{n}")
    producer.publish(b"m")
    assert producer.outcome() == STORED
    rival = client.create_producer(f"{topic}-partition-1", access_mode=MODES.ExclusiveWithFencing)
    fenced(producer)
    rival.send(b"theirs")


def test_an_own_broker_knows_none(hulsed_folder, topic):
    with App(hulsed_folder) as app:
        assert refused(app, topic, "exclusive") == UNSUPPORTED
        Producer(app, topic).publish(b"m")


@pytest.fixture(name="hulsed_folder")
def own_of(tmp_path):
    from conftest import Hulsed
    daemon = Hulsed(tmp_path / "own")
    yield daemon
    daemon.stop()


def subscriptions(pulsar, topic):
    return pulsar.admin("GET", topic.replace("://", "/") + "/subscriptions")[1]


def test_a_subscription_is_created_with_the_topic(daemon, pulsar, client, topic):
    ok(run(daemon, "pub", topic, "--initial-subscription", "подписка", "m", timeout=60))
    assert subscriptions(pulsar, topic) == ["подписка"]
    assert [m.data() for m in received(client, topic, 1, "подписка")] == [b"m"]
    ok(run(daemon, "pub", topic, "--initial-subscription", "подписка", "n", timeout=60))
    assert [m.data() for m in received(client, topic, 1, "подписка")] == [b"n"]


def test_a_topic_that_keeps_nothing_has_no_initial_subscription(daemon, app, topic):
    volatile = topic.replace("persistent", "non-persistent")
    done = run(daemon, "pub", volatile, "--initial-subscription", "s", "m", timeout=60)
    assert done.returncode == 64 and b"keeps nothing for an initial subscription" in done.stderr
    with pytest.raises(Refused) as got:
        Producer(app, volatile, initial_subscription="s")
    assert got.value.status == INVAL
    ok(run(daemon, "pub", volatile, "m", timeout=60))


def test_subscriptions_of_a_shared_producer_are_not_mixed_up(app, pulsar, topic):
    """Producers of one topic share one on the wire, unless they wish for different things."""
    for name in (None, "a", "b", "a"):
        Producer(app, topic, initial_subscription=name).publish(b"m")
    assert sorted(subscriptions(pulsar, topic)) == ["a", "b"]


def test_a_subscription_with_each_partition(daemon, pulsar, topic):
    place = topic.replace("://", "/")
    assert pulsar.admin("PUT", f"{place}/partitions", 2)[0] == 204
    lines = "".join(json.dumps({"payload": "m", "key": f"k{n}"}) + "\n" for n in range(20))
    ok(run(daemon, "pub", topic, "--json-lines", "--initial-subscription", "s", input=lines, timeout=60))
    for n in range(2):
        assert subscriptions(pulsar, f"{topic}-partition-{n}") == ["s"]


def test_a_broker_that_lets_nobody_create_subscriptions(daemon, app, pulsar, topic):
    pulsar.admin("PUT", "namespaces/public/strict")
    assert pulsar.admin("POST", "namespaces/public/strict/autoSubscriptionCreation",
                        {"allowAutoSubscriptionCreation": False})[0] == 204
    topic = topic.replace("public/default", "public/strict")
    with pytest.raises(Refused) as got:
        Producer(app, topic, initial_subscription="s")
    assert got.value.status == REFUSED and "subscription" in got.value.text
    Producer(app, topic).publish(b"m")
