# SPDX-License-Identifier: Apache-2.0
"""Goal:   consumers of a key_shared subscription, ours and the official client's beside each other, get each key in order while
        they come and go; ranges of keys of one's own, and no order on wish, are as the official client has them.
Method: applications that do what the test says (application.py), hulsed, the real broker, the official client."""

import json

import pytest

from application import Application
from by_hand import eventually
from command import run
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)

KEYS = 40
QUIET_MS = 1000
HALF = 32768


@pytest.fixture(name="daemon")
def daemon_of_a_broker(pulsar, tmp_path):
    config = tmp_path / "hulse.yaml"
    config.write_text(json.dumps({"brokers": {"main": {
        "type": "pulsar", "service_url": pulsar.service_url}}}))
    daemon = Hulsed(tmp_path / "run", args=["--config", config])
    yield daemon
    daemon.kill()


class Ours:
    def __init__(self, daemon, topic, **options):
        self.app = Application(daemon, topic, "s", "key_shared", **options)

    def next(self, count, timeout_ms=20000):
        """(key, number of it, what to acknowledge it by) of the next messages."""
        return [(*m["payload"].split(), m["number"]) for m in self.app.next(count, timeout_ms)]

    def ack(self, messages):
        for _, _, number in messages:
            self.app.ack(number)

    def leave(self):
        self.app.close()


class Official:
    def __init__(self, client, topic, **policy):
        more = {"key_shared_policy": library.ConsumerKeySharedPolicy(**policy)} if policy else {}
        self.consumer = client.subscribe(topic, "s", consumer_type=library.ConsumerType.KeyShared,
                                         initial_position=library.InitialPosition.Earliest, **more)

    def next(self, count, timeout_ms=20000):
        got = []
        while len(got) < count:
            try:
                m = self.consumer.receive(timeout_ms)
            except library.Timeout:
                break
            got.append((*m.data().decode().split(), m))
        return got

    def ack(self, messages):
        for _, _, m in messages:
            self.consumer.acknowledge(m)

    def leave(self):
        self.consumer.close()


class Publisher:
    def __init__(self, client, topic):
        self.producer = client.create_producer(topic, batching_enabled=False)
        self.rounds = 0

    def round(self):
        """One more message of each key."""
        for key in range(KEYS):
            self.producer.send(b"%d %d" % (key, self.rounds), partition_key=str(key))
        self.rounds += 1


def keys(messages):
    return {key for key, _, _ in messages}


def in_order(messages):
    """(key, number) pairs, each key's from the first one on, nothing twice and nothing left out."""
    seen = {}
    for key, number, *_ in messages:
        assert int(number) == seen.get(key, -1) + 1, (key, number)
        seen[key] = int(number)
    return seen


def newcomer(who, daemon, client, topic):
    return Ours(daemon, topic) if who == "ours" else Official(client, topic)


@pytest.mark.parametrize("first,second", [("ours", "official"), ("official", "ours"), ("ours", "ours")])
def test_a_key_is_in_order_while_consumers_come_and_go(pulsar, official, daemon, topic, first, second):
    """The broker gives a key to a newcomer when its old one has acknowledged what it has of it (PIP-379)."""
    client = official(pulsar.service_url)
    publisher = Publisher(client, topic)
    old = newcomer(first, daemon, client, topic)
    publisher.round()
    held = old.next(KEYS)
    assert len(held) == KEYS
    done = held[:KEYS // 2]
    old.ack(done)
    new = newcomer(second, daemon, client, topic)
    publisher.round()
    publisher.round()
    of_new, of_old = new.next(2 * KEYS, QUIET_MS), old.next(2 * KEYS, QUIET_MS)
    draining = keys(held[KEYS // 2:])
    assert keys(of_new) and not keys(of_new) & draining
    assert keys(of_new) | keys(of_old) < set(map(str, range(KEYS)))  # some are held back
    order = held + of_new + of_old
    old.ack(held[KEYS // 2:])  # now what was held back goes to the new one
    more = new.next(3 * KEYS - len(order))
    assert keys(more) <= draining and len(order) + len(more) == 3 * KEYS
    order += more
    old.ack(of_old)
    new.ack(of_new + more)
    old.leave()
    publisher.round()
    alone = new.next(KEYS)
    assert len(alone) == KEYS
    third = newcomer(first, daemon, client, topic)
    new.leave()  # with all of it unacknowledged: it comes again, in its order
    publisher.round()
    rest = third.next(2 * KEYS)
    third.ack(rest)
    assert in_order([*order, *rest]) == {str(key): 4 for key in range(KEYS)}
    third.leave()


def test_ranges_of_ones_own(pulsar, official, daemon, topic):
    client = official(pulsar.service_url)
    sticky = library.KeySharedMode.Sticky
    ours = Ours(daemon, topic, more=[["key_range", 0, 9999], ["key_range", 10000, HALF - 1]])
    theirs = Official(client, topic, key_shared_mode=sticky, sticky_ranges=[(HALF, 65535)])
    publisher = Publisher(client, topic)
    publisher.round()
    low, high = ours.next(KEYS, QUIET_MS), theirs.next(KEYS, QUIET_MS)
    assert keys(low) and keys(high) and len(low) + len(high) == KEYS
    for span, why in (("0-5", "conflict"), ("0-5", "if it was not the broker"), ("9-3", "first-last")):
        refused = run(daemon, "sub", topic, "-s", "s", "-t", "key_shared", "--key-range", span)
        assert refused.returncode != 0 and why in refused.stderr.decode().lower()
    refused = run(daemon, "sub", topic, "-s", "s", "-t", "key_shared")
    assert refused.returncode != 0, "another policy"
    ours.ack(low)
    theirs.ack(high)
    ours.leave()
    theirs.leave()
    ours = Ours(daemon, topic, more=[["key_range", HALF, 65535]])
    theirs = Official(client, topic, key_shared_mode=sticky, sticky_ranges=[(0, HALF - 1)])
    publisher.round()
    assert keys(ours.next(KEYS, QUIET_MS)) == keys(high)
    assert keys(theirs.next(KEYS, QUIET_MS)) == keys(low)
    ours.leave()


def test_without_an_order_a_newcomer_waits_for_nobody(pulsar, official, daemon, topic):
    client = official(pulsar.service_url)
    publisher = Publisher(client, topic)
    old = Ours(daemon, topic, more=[["any_key_order"]])
    publisher.round()
    held = old.next(KEYS)
    new = Official(client, topic, key_shared_mode=library.KeySharedMode.AutoSplit, allow_out_of_order_delivery=True)
    publisher.round()
    of_new = new.next(KEYS, QUIET_MS)
    assert of_new and keys(of_new) <= keys(held)
    assert len(old.next(KEYS - len(of_new))) == KEYS - len(of_new)
    old.leave()


def test_an_application_that_dies_lets_its_keys_go(pulsar, official, daemon, topic):
    client = official(pulsar.service_url)
    publisher = Publisher(client, topic)
    ours, theirs = Ours(daemon, topic), Official(client, topic)
    publisher.round()
    of_ours, of_theirs = ours.next(KEYS, QUIET_MS), theirs.next(KEYS, QUIET_MS)
    assert of_ours and of_theirs
    theirs.ack(of_theirs)
    ours.app.kill()
    again = []
    eventually(lambda: again.extend(theirs.next(KEYS, 200)) or len(again) == len(of_ours), 30)
    assert in_order(of_theirs + again) == {str(key): 0 for key in range(KEYS)}
