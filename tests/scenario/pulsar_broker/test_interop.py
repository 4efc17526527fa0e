# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an official client sends arrives through hulsed as it was, and the other way round; subscriptions are one
        for both. The table in docs/pulsar.md says which rows there are.
Method: the official client of Python (C++ core), hulsed and the real broker; applications are the commands, and the
        library where those do not reach."""

import contextlib
import datetime
import json
import urllib.request

import pytest

from by_name import COMPRESSIONS
from command import Background, ok, run
from library import NO_BATCH, TOMBSTONE_OUT, App, Consumer, Producer

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import RECEIVE_MS, received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(300)

OFFICIAL = {"none": library.CompressionType.NONE, "lz4": library.CompressionType.LZ4,
            "zlib": library.CompressionType.ZLib, "zstd": library.CompressionType.ZSTD,
            "snappy": library.CompressionType.SNAPPY}
OFFICIAL_TYPES = {"exclusive": library.ConsumerType.Exclusive, "shared": library.ConsumerType.Shared,
                  "failover": library.ConsumerType.Failover,
                  "key_shared": library.ConsumerType.KeyShared}
# More than a broker may be early by: it looks once a second.
DELAY_MS = 3000
WORDS = {"plain": "value", "ключ": "значение", "empty value": ""}


def messages(text, count):
    """Objects as `hulse sub --format json` prints them and `hulse pub --json-lines` reads them."""
    def one(n):
        return {"payload": f"{text} {n} " + "x" * (n * 37 % 500), "key": f"ключ-{n % 7}",
                "properties": {"n": str(n), "имя": "ü" * (n % 5)},
                "event_time_ms": 1700000000000 + n}

    return [one(n) for n in range(count)]


def consumed(daemon, topic, count, *options):
    """What a new subscriber gets from the beginning on."""
    out = ok(run(daemon, "sub", topic, "-s", "hulse", "--from", "earliest", "-n", count, "--format",
                 "json", *options, timeout=60))
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def hulsed(hulsed_by_name):
    return hulsed_by_name


def named(topic, *words):
    return "-".join([topic, *words, "end"])


@pytest.mark.parametrize("batch", ["batched", "single"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_official_to_hulse(hulsed, pulsar, official, topic, compression, batch):
    sent = messages("from the official client", 50)
    consumer_ready = Background(hulsed, "sub", topic, "-s", "early", "-n", len(sent), "--format", "json")
    with consumer_ready as early:
        early.await_error_line("subscribed", timeout=60)
        producer = official(pulsar.service_url).create_producer(
            topic, compression_type=OFFICIAL[compression], batching_enabled=batch == "batched",
            batching_max_publish_delay_ms=50)
        for m in sent:
            producer.send_async(m["payload"].encode(), lambda *_: None, partition_key=m["key"],
                                properties=m["properties"], event_timestamp=m["event_time_ms"])
        producer.flush()
        out, code = early.wait(60)
        assert code == 0, early.stderr()
    got = [json.loads(line) for line in out.splitlines()]
    assert [{k: m[k] for k in sent[0]} for m in got] == sent
    again = consumed(hulsed, topic, len(sent))
    assert [m["id"] for m in again] == [m["id"] for m in got]
    assert all(m["producer"] == producer.producer_name() for m in again)


@pytest.mark.parametrize("batch", ["batched", "single"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_hulse_to_official(hulsed, pulsar, official, topic, compression, batch):
    topic = named(topic, compression, batch)
    sent = messages("from hulse", 50)
    out = ok(run(hulsed, "pub", topic, "--json-lines", "-v",
                 input="".join(json.dumps(m) + "\n" for m in sent), timeout=60))
    got = received(official(pulsar.service_url), topic, len(sent))
    assert [m.data().decode() for m in got] == [m["payload"] for m in sent]
    assert [m.partition_key() for m in got] == [m["key"] for m in sent]
    assert [m.properties() for m in got] == [m["properties"] for m in sent]
    assert [m.event_timestamp() for m in got] == [m["event_time_ms"] for m in sent]
    ids = [m.message_id() for m in got]
    told = [line.decode().split(":") for line in out.splitlines()]
    assert [(str(i.ledger_id()), str(i.entry_id())) for i in ids] == [(t[0], t[1]) for t in told]


# What a message may have, each alone and all together; as `library.Producer.publish` and the official `send` take it.
ROWS = [
    {"data": b""},
    {"data": b"\0\xff\n" * 3},
    {"data": "текст ü".encode()},
    {"data": b"k", "key": "key"},
    {"data": b"k", "key": "ключ ü"},
    {"data": b"o", "key": "key", "ordering_key": "порядок"},
    {"data": b"p", "properties": WORDS},
    {"data": b"", "properties": {"only": "properties"}},
    {"data": b"e", "event_time_ms": 1700000000000},
    {"data": b"", "tombstone": True},
    {"data": b"", "tombstone": True, "key": "gone", "properties": {"why": "deleted"}},
    {"data": b"all", "key": "ключ", "ordering_key": "o", "properties": WORDS,
     "event_time_ms": 1700000000001},
    {"data": bytes(range(256)) * (4 << 12)},  # 4 MiB
]


def full(row):
    return {"data": b"", "key": "", "ordering_key": "", "properties": {}, "event_time_ms": 0,
            "tombstone": False, **row}


def send_official(producer, row):
    producer.send_async(None if row["tombstone"] else row["data"], lambda *_: None,
                        properties=row["properties"] or None, partition_key=row["key"] or None,
                        ordering_key=row["ordering_key"] or None,
                        event_timestamp=row["event_time_ms"] or None)


def read_official(message):
    return {"data": message.data(), "key": message.partition_key(),
            "ordering_key": message.ordering_key(), "properties": message.properties(),
            "event_time_ms": message.event_timestamp(), "tombstone": message.has_null_value()}


def send_hulse(producer, row, flags=0):
    producer.publish(row["data"], row["key"].encode(), row["ordering_key"].encode(),
                     row["properties"], row["event_time_ms"],
                     flags=flags | (TOMBSTONE_OUT if row["tombstone"] else 0))


def read_hulse(got, row):
    """Applications do not see ordering keys."""
    return {"data": got.data, "key": got.key.decode(), "ordering_key": row["ordering_key"],
            "properties": got.properties, "event_time_ms": got.event_time_ms,
            "tombstone": got.tombstone}


@pytest.fixture(name="app")
def app_of(hulsed):
    with App(hulsed) as app:
        yield app


@pytest.mark.parametrize("batch", ["batched", "single"])
def test_every_kind_of_message_to_hulse(app, pulsar, official, topic, batch):
    rows = [full(row) for row in ROWS]
    producer = official(pulsar.service_url).create_producer(
        topic, batching_enabled=batch == "batched", batching_max_publish_delay_ms=50)
    for row in rows:
        send_official(producer, row)
    producer.flush()
    consumer = Consumer(app, topic, "hulse")
    for row in rows:
        assert read_hulse(consumer.next(), row) == row


@pytest.mark.parametrize("batch", ["batched", "single"])
def test_every_kind_of_message_to_official(app, pulsar, official, topic, batch):
    rows = [full(row) for row in ROWS]
    producer = Producer(app, named(topic, "none", batch))
    for row in rows:
        send_hulse(producer, row, NO_BATCH if batch == "single" else 0)
    producer.sync()
    got = received(official(pulsar.service_url), named(topic, "none", batch), len(rows))
    for message, row in zip(got, rows):
        assert read_official(message) == row


def test_a_property_without_a_name(app, pulsar, official, topic):
    """Records of applications cannot hold it, which is said."""
    producer = official(pulsar.service_url).create_producer(topic)
    producer.send(b"m", properties={"": "no name", "a": "b"})
    producer.send(b"m", properties={"": "no name"})
    producer.send(b"m", properties={"a": "b"})
    consumer = Consumer(app, topic, "s")
    got = [consumer.next() for _ in range(3)]
    assert [m.properties for m in got] == [{"a": "b"}, {}, {"a": "b"}]
    assert [m.left_out for m in got] == [True, True, False]


def test_delayed_to_hulse(app, pulsar, official, topic):
    """Shared and Key_Shared subscriptions wait for what is delayed, others do not: as with every client."""
    waiting = [Consumer(app, topic, kind, kind) for kind in ("shared", "key_shared")]
    exclusive = Consumer(app, topic, "exclusive")
    producer = official(pulsar.service_url).create_producer(topic)
    producer.send(b"later", deliver_after=datetime.timedelta(milliseconds=DELAY_MS))
    producer.send(b"now")
    assert [exclusive.next().data for _ in range(2)] == [b"later", b"now"]
    for consumer in waiting:
        assert [consumer.next().data for _ in range(2)] == [b"now", b"later"]


def test_delayed_to_official(hulsed, pulsar, official, topic):
    client = official(pulsar.service_url)
    waiting = [client.subscribe(topic, kind, consumer_type=OFFICIAL_TYPES[kind])
               for kind in ("shared", "key_shared")]
    exclusive = client.subscribe(topic, "exclusive")
    ok(run(hulsed, "pub", topic, "--delay", f"{DELAY_MS}ms", "later", timeout=60))
    ok(run(hulsed, "pub", topic, "--json-lines", timeout=60, input=json.dumps(
        {"payload": "later too", "deliver_after_ms": DELAY_MS}) + '\n{"payload":"now"}\n'))
    assert [exclusive.receive(RECEIVE_MS).data() for _ in range(3)] == [b"later", b"later too", b"now"]
    for consumer in waiting:
        got = [consumer.receive(RECEIVE_MS).data() for _ in range(3)]
        assert got[0] == b"now" and sorted(got[1:]) == [b"later", b"later too"]


def test_names_of_any_script(hulsed, pulsar, official, topic):
    topic += "-тема ü"
    ok(run(hulsed, "pub", topic, "hello", timeout=60))
    assert received(official(pulsar.service_url), topic, 1, "подписка")[0].data() == b"hello"
    out = ok(run(hulsed, "sub", topic, "-s", "подписка-2", "--from", "earliest", "-n", 1, timeout=60))
    assert out == b"hello\n"


@pytest.mark.parametrize("kind", ["exclusive", "shared", "failover", "key_shared"])
def test_a_subscription_is_one_for_both(hulsed, pulsar, official, topic, kind):
    """What hulsed has acknowledged the official client does not get, and the other way round."""
    client = official(pulsar.service_url)
    producer = client.create_producer(topic, batching_enabled=False)
    for n in range(30):
        producer.send(b"%d" % n, partition_key=str(n))

    def by_hulse(count):
        out = ok(run(hulsed, "sub", topic, "-s", "both", "-t", kind, "--from", "earliest", "-n",
                     count, timeout=60))
        return [int(line) for line in out.splitlines()]

    first = by_hulse(10)
    consumer = client.subscribe(topic, "both", consumer_type=OFFICIAL_TYPES[kind],
                                initial_position=library.InitialPosition.Earliest)
    second = []
    for _ in range(10):
        message = consumer.receive(RECEIVE_MS)
        second.append(int(message.data()))
        consumer.acknowledge(message)
    consumer.close()
    third = by_hulse(10)
    assert sorted(first + second + third) == list(range(30))
    if kind in ("exclusive", "failover"):
        assert first + second + third == list(range(30))


def test_what_is_not_acknowledged_comes_again(hulsed, pulsar, official, topic):
    ok(run(hulsed, "pub", topic, "one", "two", timeout=60))
    out = ok(run(hulsed, "sub", topic, "-s", "sub", "--from", "earliest", "-n", 2, "--no-ack",
                 timeout=60))
    assert out == b"one\ntwo\n"
    got = received(official(pulsar.service_url), topic, 2, "sub",
                            consumer_type=library.ConsumerType.Shared)
    assert sorted(m.data() for m in got) == [b"one", b"two"]


def test_what_a_client_refuses_comes_again(hulsed, pulsar, official, topic):
    """A broker forgets its counts with the last consumer, so the one that refuses stays."""
    consumer = official(pulsar.service_url).subscribe(
        topic, "sub", consumer_type=library.ConsumerType.Shared,
        negative_ack_redelivery_delay_ms=100, initial_position=library.InitialPosition.Earliest)
    ok(run(hulsed, "pub", topic, "one", timeout=60))
    consumer.negative_acknowledge(consumer.receive(RECEIVE_MS))
    with Background(hulsed, "sub", topic, "-s", "sub", "-n", 1, "--format", "json") as sub:
        while sub.process.poll() is None:
            try:
                consumer.negative_acknowledge(consumer.receive(500))
            except library.Timeout:
                continue
        got = json.loads(sub.wait()[0])
    assert got["payload"] == "one" and got["redelivery_count"] >= 1


def numbers_of(producer, count):
    """Sends them one by one, each an entry of its own."""
    for n in range(count):
        producer.send(b"%d" % n)


ACKNOWLEDGED = {"cumulative": [3], "single": [0, 1, 2, 3], "with gaps": [1, 3, 4]}
# Pulsar has no cumulative acknowledgement where several consumers share messages.
VERDICTS = [(how, kind) for how in ACKNOWLEDGED for kind in OFFICIAL_TYPES
            if how != "cumulative" or kind in ("exclusive", "failover")]
LEFT = {"cumulative": [4, 5], "single": [4, 5], "with gaps": [0, 2, 5]}


@pytest.mark.parametrize("how, kind", VERDICTS)
def test_what_hulse_acknowledges(app, pulsar, official, topic, how, kind):
    client = official(pulsar.service_url)
    numbers_of(client.create_producer(topic, batching_enabled=False), 6)
    consumer = Consumer(app, topic, "both", kind)
    got = [consumer.next() for _ in range(6)]
    assert [m.data for m in got] == [b"%d" % n for n in range(6)]
    for n in ACKNOWLEDGED[how]:
        (consumer.ack_cumulative if how == "cumulative" else consumer.ack)(got[n])
    consumer.sync()
    consumer.close()
    rest = received(client, topic, len(LEFT[how]), "both", consumer_type=OFFICIAL_TYPES[kind])
    assert [int(m.data()) for m in rest] == LEFT[how]


@pytest.mark.parametrize("how, kind", VERDICTS)
def test_what_official_acknowledges(app, pulsar, official, topic, how, kind):
    client = official(pulsar.service_url)
    producer = Producer(app, topic)
    for n in range(6):
        producer.publish(b"%d" % n, flags=NO_BATCH)
    producer.sync()
    consumer = client.subscribe(topic, "both", consumer_type=OFFICIAL_TYPES[kind],
                                initial_position=library.InitialPosition.Earliest)
    got = [consumer.receive(RECEIVE_MS) for _ in range(6)]
    for n in ACKNOWLEDGED[how]:
        (consumer.acknowledge_cumulative if how == "cumulative" else consumer.acknowledge)(got[n])
    consumer.close()
    after = Consumer(app, topic, "both", kind)
    assert [int(after.next().data) for _ in LEFT[how]] == LEFT[how]


@pytest.mark.parametrize("kind", ["exclusive", "shared", "failover", "key_shared"])
def test_redelivery_counts_after_a_nack(app, pulsar, official, topic, kind):
    """Of whatever subscription: what hulse refuses comes again, its count one higher each time."""
    official(pulsar.service_url).create_producer(topic).send(b"again")
    consumer = Consumer(app, topic, "s", kind)
    for count in range(3):
        got = consumer.next()
        assert (got.data, got.redelivery_count) == (b"again", count)
        consumer.nack(got, 50)
    consumer.ack(consumer.next())
    consumer.sync()


def test_what_hulse_refuses_comes_to_official(app, pulsar, official, topic):
    client = official(pulsar.service_url)
    mine = Consumer(app, topic, "both", "shared")
    client.create_producer(topic).send(b"one")
    mine.nack(mine.next(), 1000)
    other = client.subscribe(topic, "both", consumer_type=library.ConsumerType.Shared)
    while True:
        try:
            got = other.receive(200)
            break
        except library.Timeout:
            again = mine.next(0)
            if again is not None:
                mine.nack(again, 50)
    assert got.data() == b"one" and got.redelivery_count() >= 1
    other.acknowledge(got)


def test_keys_are_shared_with_official(app, pulsar, official, topic):
    """Each key belongs to one of the two consumers, and its messages come in order."""
    client = official(pulsar.service_url)
    mine = Consumer(app, topic, "both", "key_shared")
    other = client.subscribe(topic, "both", consumer_type=library.ConsumerType.KeyShared)
    sent = [(f"ключ-{n % 20}", n) for n in range(200)]
    producer = Producer(app, topic)
    for key, n in sent:
        producer.publish(b"%d" % n, key.encode(), flags=NO_BATCH)
    producer.sync()
    here, there = [], []
    while len(here) + len(there) < len(sent):
        got = mine.next(0)
        if got is not None:
            here.append((got.key.decode(), int(got.data)))
            mine.ack(got)
        try:
            message = other.receive(10)
            there.append((message.partition_key(), int(message.data())))
            other.acknowledge(message)
        except library.Timeout:
            pass
    assert {key for key, _ in here}.isdisjoint(key for key, _ in there)
    assert here and there and here == sorted(here, key=lambda pair: pair[1])
    assert there == sorted(there, key=lambda pair: pair[1])


def shared_by_key(consumers, count):
    """What each of them gets of so many messages."""
    got = [[] for _ in consumers]
    while sum(len(mine) for mine in got) < count:
        for consumer, mine in zip(consumers, got):
            with contextlib.suppress(library.Timeout):
                while True:
                    mine.append(consumer.receive(100))
    assert any(m.message_id().batch_index() > 0 for mine in got for m in mine)
    return got


@pytest.mark.parametrize("batch", ["none-batched", "keyed"])
def test_batches_by_key_keep_keys_apart(hulsed, pulsar, official, topic, batch):
    """Key_Shared divides entries: of batches with any keys a key comes to both consumers, of batches by key to one, in
    order."""
    topic = named(topic, batch)
    client = official(pulsar.service_url)
    consumers = [client.subscribe(topic, "s", consumer_type=library.ConsumerType.KeyShared)
                 for _ in range(2)]
    sent = [{"payload": str(n), "key": f"ключ-{n % 10}"} for n in range(2000)]
    # However few batches each of them becomes, the ten begin with all the keys.
    for first in range(0, len(sent), 201):
        ok(run(hulsed, "pub", topic, "--json-lines", timeout=60,
               input="".join(json.dumps(m) + "\n" for m in sent[first:first + 201])))
    got = shared_by_key(consumers, len(sent))
    keys = [{m.partition_key() for m in mine} for mine in got]
    if batch == "none-batched":
        assert not keys[0].isdisjoint(keys[1])
        return
    assert keys[0].isdisjoint(keys[1]) and keys[0] and keys[1]
    for mine in got:
        for key in keys[0] | keys[1]:
            numbers = [int(m.data()) for m in mine if m.partition_key() == key]
            assert numbers == sorted(set(numbers))


def test_batches_by_ordering_key(app, pulsar, official, topic):
    """It counts before the key."""
    topic = named(topic, "keyed")
    client = official(pulsar.service_url)
    consumers = [client.subscribe(topic, "s", consumer_type=library.ConsumerType.KeyShared)
                 for _ in range(2)]
    producer = Producer(app, topic)
    for n in range(400):
        producer.publish(b"%d" % n, b"key-%d" % (n % 7), b"order-%d" % (n % 10))
    producer.sync()
    keys = [{m.ordering_key() for m in mine} for mine in shared_by_key(consumers, 400)]
    assert keys[0].isdisjoint(keys[1]) and keys[0] and keys[1]


def test_batches_by_key_are_all_stored_with_deduplication(hulsed, pulsar, official, once):
    """Batches of several keys overlap, and a broker takes only what is above what it has."""
    once = named(once, "keyed")
    sent = [{"payload": str(n), "key": f"k{n % 13}"} for n in range(1000)]
    ok(run(hulsed, "pub", once, "--json-lines", timeout=60,
           input="".join(json.dumps(m) + "\n" for m in sent)))
    got = received(official(pulsar.service_url), once, len(sent))
    assert sorted(int(m.data()) for m in got) == list(range(len(sent)))
    assert any(m.message_id().batch_index() > 0 for m in got)


def test_failover_to_hulse_and_back(app, pulsar, official, topic):
    """The one that is there first has it all, the next goes on where it was left."""
    client = official(pulsar.service_url)
    producer = client.create_producer(topic, batching_enabled=False)
    first = client.subscribe(topic, "both", consumer_type=library.ConsumerType.Failover,
                             consumer_name="a", initial_position=library.InitialPosition.Earliest)
    numbers_of(producer, 4)
    for _ in range(2):
        first.acknowledge(first.receive(RECEIVE_MS))
    mine = Consumer(app, topic, "both", "failover")
    first.close()
    got = [mine.next() for _ in range(2)]
    assert [m.data for m in got] == [b"2", b"3"]
    mine.ack(got[0])
    mine.sync()
    mine.close()
    assert received(client, topic, 1, "both", consumer_type=library.ConsumerType.Failover)[0].data() \
        == b"3"


def replicated_to(pulsar, topic, number):
    """As the broker reads it from the message."""
    place = topic.replace("://", "/")
    url = f"{pulsar.admin_url}/admin/v2/{place}/examinemessage?initialPosition=earliest&messagePosition={number}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return [value for name, value in answer.headers.items()
                if name.lower() == "x-pulsar-replicated-to"]


def test_a_message_chooses_its_clusters(hulsed, pulsar, topic):
    ok(run(hulsed, "pub", topic, "plain", timeout=60))
    ok(run(hulsed, "pub", topic, "--no-replication", "here", timeout=60))
    ok(run(hulsed, "pub", topic, "--replicate-to", "west,east", "there", timeout=60))
    got = [replicated_to(pulsar, topic, n) for n in (1, 2, 3)]
    assert got == [[], ["__local__"], ["west", "east"]]
    wrong = run(hulsed, "pub", topic, "--replicate-to", "west,,east", "m")
    assert wrong.returncode == 64 and b"west,,east" in wrong.stderr


def test_a_reader(hulsed, pulsar, official, topic):
    producer = official(pulsar.service_url).create_producer(topic)
    for n in range(5):
        producer.send(b"%d" % n)
    assert ok(run(hulsed, "read", topic, timeout=60)) == b"0\n1\n2\n3\n4\n"
