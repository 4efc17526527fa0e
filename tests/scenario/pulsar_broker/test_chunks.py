# SPDX-License-Identifier: Apache-2.0
"""Goal:   a message above the broker's maximum goes and comes in chunks, as the official clients send and read them.
Method: the real broker with its maximum of 5 MiB, the official clients for Python (C++ core) and Java; applications are
        the commands and the library."""

import hashlib

import pytest

from command import ok, run
from library import App, Consumer, Producer

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import RECEIVE_MS, received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(300)

MIB = 1 << 20
LIMIT = 5 * MIB
COMPRESSIONS = ["none", "lz4", "zlib", "zstd", "snappy"]


def payload(size, seed=b"", dense=True):
    """Bytes that no compression makes smaller, or some that any does."""
    block = hashlib.shake_256(seed or b"%d" % size).digest(min(size, 64 * 1024 if dense else 64))
    if dense:
        # Different everywhere, so chunks in another order are another message.
        return hashlib.shake_256(block).digest(size)
    return (block * (size // len(block) + 1))[:size] if size else b""


def rules():
    return [{"match": f"**-{word}-chunks", "publish": {"chunking": True, "compression": word,
                                                      "send_timeout": "60s"}} for word in COMPRESSIONS]


@pytest.fixture(name="daemon")
def daemon_of(hulsed, pulsar):
    return hulsed(pulsar.service_url, rules())


SIZES = {"one below": LIMIT - 400, "the limit": LIMIT, "one above": LIMIT + 1, "twice": 2 * LIMIT, "20 MiB": 20 * MIB}


def test_sizes_to_official(daemon, pulsar, official, topic):
    topic += "-none-chunks"
    with App(daemon) as app:
        producer = Producer(app, topic)
        sent = []
        for size in SIZES.values():
            sent += [payload(size), b"small %d" % size]
            producer.publish(sent[-2], key=b"key", properties={"size": str(size)})
            producer.publish(sent[-1])
        producer.sync()
    got = received(official(pulsar.service_url), topic, len(sent))
    assert [len(m.data()) for m in got] == [len(data) for data in sent]
    assert [m.data() for m in got] == sent


OFFICIAL = {"none": library.CompressionType.NONE, "lz4": library.CompressionType.LZ4,
            "zlib": library.CompressionType.ZLib, "zstd": library.CompressionType.ZSTD,
            "snappy": library.CompressionType.SNAPPY}


def chunking(client, topic, compression="none", **options):
    return client.create_producer(topic, chunking_enabled=True, batching_enabled=False,
                                  compression_type=OFFICIAL[compression], **options)


@pytest.fixture(name="app")
def app_of(daemon):
    with App(daemon) as app:
        yield app


def consumer_of(app, topic, kind="exclusive", subscription="hulse"):
    return Consumer(app, topic, subscription, kind, reassembly=64 * MIB)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_sizes_to_hulse(app, pulsar, official, topic, compression):
    producer = chunking(official(pulsar.service_url), topic, compression)
    sent = []
    for size in SIZES.values():
        sent += [payload(size), b"small %d" % size]
        producer.send(sent[-2], partition_key="key", properties={"size": str(size)})
        producer.send(sent[-1])
    consumer = consumer_of(app, topic)
    got = [consumer.next() for _ in sent]
    assert [len(m.data) for m in got] == [len(data) for data in sent]
    assert [m.data for m in got] == sent
    assert got[0].key == b"key" and got[0].properties == {"size": str(len(sent[0]))}
    for m in got:
        consumer.ack(m)
    consumer.sync()
    consumer.close()
    # Nothing is left of any of them.
    assert backlog(pulsar, topic, "hulse") == 0


def backlog(pulsar, topic, subscription):
    path = topic.replace("persistent://", "persistent/")
    _, stats = pulsar.admin("GET", f"{path}/stats")
    return stats["subscriptions"][subscription]["msgBacklog"]
