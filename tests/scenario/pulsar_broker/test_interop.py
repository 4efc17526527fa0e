# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an official client sends arrives through hulsed as it was, and the other way round.
Method: the official client of Python (C++ core), hulsed and the real broker; one table for each way."""

import base64
import json

import pytest

from command import Background, ok, run
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import RECEIVE_MS, received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(300)

COMPRESSIONS = ["none", "lz4", "zlib", "zstd", "snappy"]
OFFICIAL = {"none": library.CompressionType.NONE, "lz4": library.CompressionType.LZ4,
            "zlib": library.CompressionType.ZLib, "zstd": library.CompressionType.ZSTD,
            "snappy": library.CompressionType.SNAPPY}
WORDS = {"plain": "value", "ключ": "значение", "": "empty name"}


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


@pytest.fixture(scope="module", name="hulsed")
def hulsed_of_rules(plain_broker, tmp_path_factory):
    """One daemon; the topic's name says how it publishes."""
    folder = tmp_path_factory.mktemp("interop")
    rules = [{"match": f"**/*-{word}-{batch}-*",
              "publish": {"compression": word, "batch_max": 1000 if batch == "batched" else 1}}
             for word in COMPRESSIONS for batch in ("batched", "single")]
    config = folder / "hulse.yaml"
    config.write_text(json.dumps({
        "brokers": {"main": {"type": "pulsar", "service_url": plain_broker.service_url}},
        "topics": rules}))
    daemon = Hulsed(folder / "run", args=["--config", config])
    yield daemon
    daemon.stop()


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


@pytest.mark.parametrize("payload", [b"", b"\0\xff\n" * 3, bytes(4 * 1024 * 1024)],
                         ids=["empty", "binary", "4 MiB"])
def test_payloads(hulsed, pulsar, official, topic, payload):
    client = official(pulsar.service_url)
    ok(run(hulsed, "pub", topic, "--file", "-", input=payload, timeout=60))
    assert received(client, topic, 1)[0].data() == payload
    client.create_producer(topic).send(payload)
    got = consumed(hulsed, topic, 2)
    for m in got:
        body = base64.b64decode(m["payload_base64"]) if "payload_base64" in m else \
            m["payload"].encode()
        assert body == payload


def test_names_of_any_script(hulsed, pulsar, official, topic):
    topic += "-тема ü"
    ok(run(hulsed, "pub", topic, "hello", timeout=60))
    assert received(official(pulsar.service_url), topic, 1, "подписка")[0].data() == b"hello"
    out = ok(run(hulsed, "sub", topic, "-s", "подписка-2", "--from", "earliest", "-n", 1, timeout=60))
    assert out == b"hello\n"


@pytest.mark.parametrize("kind", ["exclusive", "shared", "failover", "key_shared"])
def test_a_subscription_is_one_for_both(hulsed, pulsar, official, topic, kind):
    """What hulsed has acknowledged the official client does not get, and the other way round."""
    types = {"exclusive": library.ConsumerType.Exclusive, "shared": library.ConsumerType.Shared,
             "failover": library.ConsumerType.Failover, "key_shared": library.ConsumerType.KeyShared}
    client = official(pulsar.service_url)
    producer = client.create_producer(topic, batching_enabled=False)
    for n in range(30):
        producer.send(b"%d" % n, partition_key=str(n))

    def by_hulse(count):
        out = ok(run(hulsed, "sub", topic, "-s", "both", "-t", kind, "--from", "earliest", "-n",
                     count, timeout=60))
        return [int(line) for line in out.splitlines()]

    first = by_hulse(10)
    consumer = client.subscribe(topic, "both", consumer_type=types[kind],
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


def test_a_reader(hulsed, pulsar, official, topic):
    producer = official(pulsar.service_url).create_producer(topic)
    for n in range(5):
        producer.send(b"%d" % n)
    assert ok(run(hulsed, "read", topic, timeout=60)) == b"0\n1\n2\n3\n4\n"


def test_partitioned_topics_are_refused_with_their_number(hulsed, pulsar, topic):
    name = topic.rpartition("/")[2]
    assert pulsar.admin("PUT", f"persistent/public/default/{name}/partitions", 3)[0] == 204
    for words in (("pub", topic, "x"), ("sub", topic, "-s", "s", "-n", 1)):
        done = run(hulsed, *words, timeout=60)
        assert done.returncode == 69, done.stderr
        assert b"3 partitions" in done.stderr
