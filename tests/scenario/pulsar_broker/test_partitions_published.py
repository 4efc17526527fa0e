# SPDX-License-Identifier: Apache-2.0
"""Goal:   what is published to a partitioned topic is there once, in the partition where official clients would have put it,
        in order for each key; more partitions are used while it goes on; kill -9 of the daemon and deduplication.
Method: `hulse pub`, the real broker and its REST; the official clients for Python and Java publish the same keys, the
        one for Python reads.
"""

import collections
import json
import subprocess

import pytest

import peers
from by_hand import eventually
from command import Background, Feed, broker_stats, ok, run
from library import App, Producer

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import RECEIVE_MS, received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(300)

KEYS = ["a", "key-1", "order-12345", "x" * 300, "héllo", "ключ", "日本語", "🚀", "x🚀y𝄞", "e\u0301"]
PEER_S = 120


@pytest.fixture(name="parted")
def partitioned(pulsar, topic):
    """parted(count) makes a topic, parted(count, name) that one or gives it more."""
    def make(count, name=topic, method="PUT"):
        path = name.replace("://", "/")
        assert pulsar.admin(method, f"{path}/partitions", count)[0] == 204
        return name

    return make


def ids(out):
    """(ledger, entry, partition, batch) of what `hulse pub -v` has printed."""
    return [tuple(map(int, line.split(b":"))) for line in out.splitlines()]


def id_of(message):
    m = message.message_id()
    return m.ledger_id(), m.entry_id(), m.partition(), m.batch_index()


def partition_of_keys(client, topic, keys):
    """Where the messages of a topic with these keys lie, each told once."""
    found = collections.defaultdict(set)
    for m in received(client, topic, len(keys)):
        found[m.partition_key()].add(m.message_id().partition())
    return found


@pytest.mark.parametrize("count", [1, 3, 97])
def test_all_is_there_once_where_its_receipt_says(pulsar, official, hulsed, parted, count):
    topic = parted(count)
    daemon = hulsed(pulsar.service_url)
    lines = "".join(f"{n}\n" for n in range(5000))
    told = ids(ok(run(daemon, "pub", topic, "-v", input=lines, timeout=60)))
    assert len(told) == 5000 and all(partition < count for _, _, partition, _ in told)
    got = {id_of(m): int(m.data()) for m in received(official(pulsar.service_url), topic, 5000)}
    assert [got[i] for i in told] == list(range(5000))


def test_the_partition_that_a_message_names(pulsar, hulsed, parted, topic):
    parted(3)
    daemon = hulsed(pulsar.service_url)
    for n in range(3):
        out = ok(run(daemon, "pub", topic, "-v", "--partition", n, "a", "b", timeout=60))
        assert [i[2] for i in ids(out)] == [n, n]
    for name in (topic, topic + "-whole"):
        none = run(daemon, "pub", name, "-v", "--partition", 3, "x", timeout=60)
        assert none.returncode == 1 and b"cannot do what it asks for" in none.stderr


def test_one_for_each_publisher(pulsar, hulsed, parted, topic):
    parted(97)
    daemon = hulsed(pulsar.service_url,
                    topics=[{"match": "**", "publish": {"routing": "single", "batch_max": 1}}])
    lines = "".join(f"{n}\n" for n in range(300))
    out = ok(run(daemon, "pub", topic, "-v", input=lines, timeout=60))
    assert len({i[2] for i in ids(out)}) == 1
    daemon.kill()
    daemon = hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {"batch_max": 1}}])
    out = ok(run(daemon, "pub", topic, "-v", input=lines, timeout=60))
    assert [i[2] for i in ids(out)[1:]] == [(i[2] + 1) % 97 for i in ids(out)[:-1]]


def published(daemon, topic, keys):
    lines = "".join(json.dumps({"payload": "x", "key": key}) + "\n" for key in keys)
    out = ok(run(daemon, "pub", topic, "-v", "--json-lines", input=lines, timeout=60))
    return dict(zip(keys, (i[2] for i in ids(out))))


def test_keys_go_where_those_of_python_go(pulsar, official, hulsed, parted, topic):
    parted(97)
    daemon = hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {"hashing": "boost"}}])
    producer = official(pulsar.service_url).create_producer(topic)
    theirs = {key: producer.send(b"x", partition_key=key).partition() for key in KEYS}
    assert published(daemon, topic, KEYS) == theirs


@pytest.mark.timeout(1000)  # a program that has to be built first takes minutes, once
def test_keys_go_where_those_of_java_go(pulsar, official, hulsed, parted, topic, jars):
    try:
        _, command = peers.java(jars)
    except peers.Missing as why:
        pytest.skip(f"no peer of the official client for Java: {why}")
    parted(97)
    daemon = hulsed(pulsar.service_url)
    case = {"topic": topic, "messages": [{"key": key, "payload": "eA=="} for key in KEYS]}
    done = subprocess.run([*command, "Peer", "peer-produce", f"url={pulsar.service_url}"],
                          input=json.dumps([case]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=PEER_S, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    theirs = partition_of_keys(official(pulsar.service_url), topic, KEYS)
    assert {key: {n} for key, n in published(daemon, topic, KEYS).items()} == theirs


def test_each_key_has_its_order(pulsar, official, hulsed, parted, topic):
    parted(97)
    daemon = hulsed(pulsar.service_url)
    keys = [f"k{n % 50}" for n in range(5000)]
    lines = "".join(json.dumps({"payload": str(n), "key": key}) + "\n" for n, key in enumerate(keys))
    ok(run(daemon, "pub", topic, "--json-lines", input=lines, timeout=60))
    by_key = collections.defaultdict(list)
    for m in received(official(pulsar.service_url), topic, 5000):
        by_key[m.partition_key()].append(int(m.data()))
    assert by_key == {f"k{n}": list(range(n, 5000, 50)) for n in range(50)}


def test_more_partitions_are_used_while_it_goes_on(pulsar, official, hulsed, parted, topic, tmp_path):
    parted(2)
    daemon = hulsed(pulsar.service_url, partitions_refresh="1s")
    told = tmp_path / "told"

    def in_new_ones():
        return sum(line.split(b":")[2] >= b"2" for line in told.read_bytes().split(b"\n")[:-1])

    with open(told, "wb") as out, \
            Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE, stdout=out) as pub:
        feed = Feed(pub.process.stdin)
        try:
            eventually(lambda: told.read_bytes().count(b"\n") > 100, seconds=60)
            parted(5, method="POST")
            eventually(lambda: in_new_ones() > 100, seconds=60)
        finally:
            count = feed.end()
        assert pub.process.wait(120) == 0, pub.stderr()
    assert broker_stats(daemon)["partitions_grown"] == 1
    got = {id_of(m): int(m.data()) for m in received(official(pulsar.service_url), topic, count)}
    assert [got[i] for i in ids(told.read_bytes())] == list(range(count))


def everything(client, topic):
    reader = client.create_reader(topic, library.MessageId.earliest)
    got = []
    while reader.has_message_available():
        got.append(int(reader.read_next(RECEIVE_MS).data()))
    reader.close()
    return got


def test_the_daemon_is_killed_with_deduplication(pulsar, official, hulsed, parted, once, tmp_path):
    """Meanwhile the topic grows and the rule changes: what goes again goes where it went."""
    parted(3, once)
    rules = [{"match": "**", "publish": {"send_timeout": 0, "dedup": True, "batch_max": 10}}]
    daemon = hulsed(pulsar.service_url, topics=rules, partitions_refresh="1s")
    told = tmp_path / "told"
    with open(told, "wb") as out, \
            Background(daemon, "pub", once, "-v", stdin=subprocess.PIPE, stdout=out) as pub:
        feed = Feed(pub.process.stdin)
        try:
            for more in (5, 7, 8, 9):
                wanted = told.read_bytes().count(b"\n") + 300
                eventually(lambda n=wanted: told.read_bytes().count(b"\n") >= n, seconds=60)
                daemon.kill()
                if more < 9:
                    parted(more, once, method="POST")
                rules[0]["publish"]["batch_max"] = more
                daemon = hulsed(pulsar.service_url, topics=rules, partitions_refresh="1s")
        finally:
            count = feed.end()
        assert pub.process.wait(120) == 0, pub.stderr()
    client = official(pulsar.service_url)
    each = [everything(client, f"{once}-partition-{n}") for n in range(8)]
    assert each[3:] == [[]] * 5
    each = each[:3]
    assert all(part == sorted(part) and part for part in each)
    assert sorted(n for part in each for n in part) == list(range(count))


@pytest.mark.parametrize("partitions", [0, 3])
def test_each_run_of_an_application_is_a_producer_of_its_own(pulsar, official, hulsed, parted, once, partitions):
    """Its name and its sequence numbers are the same each time."""
    if partitions > 0:
        parted(partitions, once)
    daemon = hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {"dedup": True}}])
    for run_ in range(3):
        with App(daemon) as app:
            producers = [Producer(app, once), Producer(app, once)]
            for n in range(10):
                for p in producers:
                    p.publish(b"%d-%d" % (run_, n))
            for p in producers:
                p.sync()
    got = [m.data() for m in received(official(pulsar.service_url), once, 60)]
    assert collections.Counter(got) == {b"%d-%d" % (r, n): 2 for r in range(3) for n in range(10)}


def test_a_topic_that_is_deleted_is_not_published_to(pulsar, hulsed, parted, topic):
    parted(3)
    daemon = hulsed(pulsar.service_url, partitions_refresh="1s",
                    topics=[{"match": "**", "publish": {"auto_create": False}}])
    ok(run(daemon, "pub", topic, "a", timeout=60))
    assert pulsar.admin("DELETE", topic.replace("://", "/") + "/partitions?force=true")[0] == 204
    eventually(lambda: run(daemon, "pub", topic, "b", timeout=60).returncode != 0, seconds=60)
