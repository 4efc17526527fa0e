# SPDX-License-Identifier: Apache-2.0
"""Goal:   a message above the broker's maximum goes and comes in chunks, as the official clients send and read them.
Method: the real broker with its maximum of 5 MiB, the official clients for Python (C++ core) and Java; applications are
        the commands and the library."""

import base64
import hashlib
import json
import signal
import subprocess
import threading

import pytest

import peers
from application import Application
from by_hand import eventually
from command import Background, broker_stats, ok, run
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
    assert pulsar.backlog(topic, "hulse") == 0


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_sizes_to_official(daemon, app, pulsar, official, topic, compression):
    topic += f"-{compression}-chunks"
    producer, sent = Producer(app, topic), []
    for size in SIZES.values():
        sent += [payload(size), b"small %d" % size]
        producer.publish(sent[-2], key=b"key", properties={"size": str(size)})
        producer.publish(sent[-1])
    sent.append(payload(20 * MIB, dense=False))
    producer.publish(sent[-1])
    producer.sync()
    # The one below the limit is none, and what compression makes small enough.
    assert broker_stats(daemon)["chunked"] == 4 + (compression == "none")
    got = received(official(pulsar.service_url), topic, len(sent))
    assert [len(m.data()) for m in got] == [len(data) for data in sent]
    assert [m.data() for m in got] == sent
    assert got[0].partition_key() == "key" and got[0].properties() == {"size": str(len(sent[0]))}
    # And to ourselves.
    consumer = consumer_of(app, topic)
    assert [consumer.next().data for _ in sent] == sent


def test_the_bound_is_told(daemon, topic, tmp_path):
    """Of a topic without chunks it is the broker's, and of one that keeps nothing."""
    large = tmp_path / "large"
    for name, bound in ((f"{topic}-none-chunks", 64 * MIB), (topic, LIMIT),
                        (f"non-{topic}-none-chunks", LIMIT)):
        with open(large, "wb") as out:
            out.truncate(bound + 1)
        done = run(daemon, "pub", name, "--file", large, timeout=60)
        assert done.returncode == 65, done.stderr
        assert f"the topic takes up to {bound} bytes" in done.stderr.decode()
    with open(large, "wb") as out:
        out.truncate(64 * MIB)
    ok(run(daemon, "pub", f"{topic}-none-chunks", "--file", large, timeout=120))


KINDS = ["exclusive", "shared", "failover", "key_shared"]


def crossing(client, topic, count, size=6 * MIB):
    """Two producers at once: their chunks are one between the other's."""
    producers = [chunking(client, topic) for _ in range(2)]
    sent = []
    for n in range(count):
        sent.append(payload(size, b"%d" % n))
        producers[n % 2].send_async(sent[-1], lambda *_: None, partition_key=str(n))
        producers[n % 2].send_async(b"%d" % n, lambda *_: None, partition_key=str(n))
        sent.append(b"%d" % n)
    for producer in producers:
        producer.flush()
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_subscription(app, pulsar, official, topic, kind):
    sent = crossing(official(pulsar.service_url), topic, 6)
    consumer = consumer_of(app, topic, kind)
    got = [consumer.next() for _ in sent]
    assert sorted(m.data for m in got) == sorted(sent)
    for m in got:
        consumer.ack(m)
    consumer.sync()
    consumer.close()
    assert pulsar.backlog(topic, "hulse") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_comes_again_whole(app, pulsar, official, topic, kind):
    """Of 20 MiB not even an ordered subscription keeps the bytes."""
    producer = chunking(official(pulsar.service_url), topic)
    sent = [payload(20 * MIB), b"small", payload(6 * MIB)]
    for data in sent:
        producer.send(data, partition_key="k")
    consumer = consumer_of(app, topic, kind)
    first = [consumer.next() for _ in sent]
    consumer.ack(first[1])
    consumer.nack(first[0], 1)
    consumer.nack(first[2], 1)
    again = [consumer.next() for _ in range(2)]
    assert sorted(m.data for m in again) == sorted([sent[0], sent[2]])
    assert all(m.redelivery_count == 1 for m in again)
    for m in again:
        consumer.ack(m)
    consumer.sync()
    consumer.close()
    assert pulsar.backlog(topic, "hulse") == 0


@pytest.mark.parametrize("kind", ["exclusive", "failover"])
def test_cumulatively(app, pulsar, official, topic, kind):
    client = official(pulsar.service_url)
    sent = crossing(client, topic, 4)
    consumer = consumer_of(app, topic, kind)
    got = [consumer.next() for _ in sent]
    consumer.ack_cumulative(got[4])
    consumer.sync()
    consumer.close()
    rest = received(client, topic, len(sent) - 5, "hulse", consumer_type=(
        library.ConsumerType.Exclusive if kind == "exclusive" else library.ConsumerType.Failover))
    assert sorted(m.data() for m in rest) == sorted(m.data for m in got[5:])


def test_a_reader_and_its_start(daemon, pulsar, official, topic):
    """An id of a message in chunks is its last chunk's: who begins there gets all of it."""
    producer = chunking(official(pulsar.service_url), topic)
    sent = [b"%d" % n + b"x" * (6 * MIB if n % 2 else 10) for n in range(6)]
    for data in sent:
        producer.send(data)
    lines = ok(run(daemon, "read", topic, "--format", "json", timeout=60)).splitlines()
    got = [json.loads(line) for line in lines]
    assert [m["payload"].encode() for m in got] == sent
    for n, m in enumerate(got):
        out = ok(run(daemon, "read", topic, "--from", m["id"], timeout=60))
        assert out == b"".join(data + b"\n" for data in sent[n:])


def test_partitions(app, pulsar, official, topic):
    """All chunks of a message are on one partition, which its key says."""
    topic += "-none-chunks"
    path = topic.replace("://", "/", 1)
    assert pulsar.admin("PUT", f"{path}/partitions", 3)[0] == 204
    producer = Producer(app, topic)
    sent = {f"key-{n}": payload(11 * MIB, b"%d" % n) for n in range(6)}
    for key, data in sent.items():
        producer.publish(data, key=key.encode())
    producer.sync()
    got = received(official(pulsar.service_url), topic, len(sent))
    assert {m.partition_key(): m.data() for m in got} == sent
    consumer = consumer_of(app, topic, "shared")
    mine = [consumer.next() for _ in sent]
    assert {m.key.decode(): m.data for m in mine} == sent
    for m in mine:
        consumer.ack(m)
    consumer.sync()


# ---- Java's client -------------------------------------------------------------------------------


PEER_S = 200


@pytest.fixture(name="java")
def java_peer(jars, pulsar):
    """java(mode, cases): what the program over Java's client says of them."""
    try:
        _, command = peers.java(jars)
    except peers.Missing as why:
        pytest.skip(f"no peer of the official client for Java: {why}")

    def call(mode, cases):
        done = subprocess.run([*command, "Peer", mode, f"url={pulsar.service_url}"], input=json.dumps(cases),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PEER_S,
                              check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return call


@pytest.mark.timeout(1000)
def test_java_in_both_directions(java, app, topic):
    """Of 20 MiB; every compression, whose chunks are cut from what is compressed as a whole."""
    sent = {word: [payload(20 * MIB, word.encode()), b"small", payload(LIMIT + 1)] for word in COMPRESSIONS}
    topics = {word: f"{topic}-from-java-{word}" for word in COMPRESSIONS}
    java("peer-produce", [{"topic": topics[word], "compression": word, "chunking": True, "messages": [
        {"payload": base64.b64encode(data).decode()} for data in sent[word]]} for word in COMPRESSIONS])
    for word, name in topics.items():
        consumer = consumer_of(app, name)
        assert [consumer.next().data for _ in sent[word]] == sent[word], word
        consumer.close()
    topics = {word: f"{topic}-to-java-{word}-chunks" for word in COMPRESSIONS}
    for word, name in topics.items():
        producer = Producer(app, name)
        for data in sent[word]:
            producer.publish(data)
        producer.sync()
    got = json.loads(java("peer-consume", [{"topic": name, "count": 3} for name in topics.values()]))
    for case, word in zip(got, topics):
        assert [base64.b64decode(m["payload"]) for m in case["messages"]] == sent[word], word


# ---- kill -9 -------------------------------------------------------------------------------------


@pytest.fixture(name="begin")
def beginner(begin):
    """begin(broker, members of publish)"""
    return lambda broker, **publish: begin(broker, session={"ring_max": "64MiB"}, topics=[{
        "match": "**", "publish": {"chunking": True, "send_timeout": 0, **publish}}])


def whole(client, topic):
    """All that is there, each message once: the numbers of those that were published by publish_through()."""
    reader = client.create_reader(topic, library.MessageId.earliest)
    got = []
    while reader.has_message_available():
        data = reader.read_next(RECEIVE_MS).data()
        n = int(data[:4])
        assert data == numbered(n)
        got.append(n)
    reader.close()
    return got


def numbered(n):
    data = payload(7 * MIB, b"%d" % n)
    return b"%04d" % n + data if n % 3 else b"%04d" % n


def publish_through(app, topic, count, harm, ring=None):
    """harm() is done when half of them are in the ring or behind it. A broker is started by the main thread alone."""
    half, failed = threading.Event(), []

    def publish():
        try:
            producer = Producer(app, topic, ring=ring)
            for n in range(count):
                if n == count // 2:
                    half.set()
                producer.publish(numbered(n), timeout_ms=200000)
            producer.sync(200000)
        except BaseException as why:  # told by the main thread
            failed.append(why)
            half.set()

    publisher = threading.Thread(target=publish)
    publisher.start()
    half.wait()
    harm()
    publisher.join()
    assert not failed, failed


def entries_of(pulsar, topic):
    status, stats = pulsar.admin("GET", topic.replace("://", "/") + "/internalStats")
    assert status == 200, stats
    return stats


def still(pulsar, topic):
    """Says whether nothing is being stored, and nothing came since it was asked before."""
    before = []

    def is_still():
        stats = entries_of(pulsar, topic)
        before.append(stats["entriesAddedCounter"])
        return stats["pendingAddEntriesCount"] == 0 and before[-2:-1] == before[-1:]

    return is_still


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dedup", [False, True])
@pytest.mark.ends_broker
def test_the_broker_is_killed(pulsar, official, begin, topic, once, dedup):
    """In the middle of a message: it goes on with the chunk that has no receipt. What the broker has got is stored first: the only
    copy of a chunk that a bookie was writing down when it died is torn, and its ledger lost (journals are preallocated)."""
    topic = once if dedup else topic
    daemon = begin(pulsar, dedup=dedup)

    def harm():
        daemon.process.send_signal(signal.SIGSTOP)
        eventually(still(pulsar, topic), seconds=60)
        pulsar.kill()
        daemon.process.send_signal(signal.SIGCONT)
        pulsar.start()

    with App(daemon) as app:
        publish_through(app, topic, 12, harm)
    got = whole(official(pulsar.service_url), topic)
    assert list(dict.fromkeys(got)) == list(range(12))
    assert not dedup or got == list(range(12))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dedup", [False, True])
def test_the_daemon_is_killed(pulsar, official, begin, topic, once, dedup):
    """What has no receipt is in the ring still, and goes again: with deduplication it is there once."""
    topic = once if dedup else topic
    first = begin(pulsar, dedup=dedup)

    def harm():
        first.kill()
        begin(pulsar, dedup=dedup)

    with App(first) as app:
        publish_through(app, topic, 12, harm, ring=32 * MIB)
    got = whole(official(pulsar.service_url), topic)
    assert list(dict.fromkeys(got)) == list(range(12))
    assert not dedup or got == list(range(12))


@pytest.fixture(name="slowly")
def slow_topic(pulsar, once):
    """A topic whose broker takes a large message in seconds, so that there is a time in the middle of it: as
    much as in a second at once, the rest as the seconds pass."""
    path = "namespaces/public/once/publishRate"
    assert pulsar.admin("POST", path, {"publishThrottlingRateInMsg": -1, "publishThrottlingRateInByte": 16 * MIB})[0] == 204
    yield once
    assert pulsar.admin("DELETE", path)[0] == 204


def publish_torn(pulsar, topic, producer, stop, go_on):
    """Publishes large messages until the broker has but a part of one when stop() is done; go_on() comes after each. Gives all."""
    def stored():
        return entries_of(pulsar, topic)["entriesAddedCounter"]

    sent, torn = [], False
    while not torn:
        before = stored()
        sent.append(payload(56 * MIB, b"%d" % len(sent)))
        producer.publish(sent[-1])
        eventually(lambda was=before: stored() != was, seconds=60)
        stop()
        eventually(still(pulsar, topic), seconds=60)
        torn = stored() - before < len(sent[-1]) // LIMIT
        go_on()
        producer.sync(200000)
    return sent


def assert_all_are_read(client, topic, sent):
    reader = client.create_reader(topic, library.MessageId.earliest)
    for data in sent:
        assert reader.read_next(RECEIVE_MS).data() == data
    assert not reader.has_message_available()


@pytest.mark.timeout(600)
def test_the_daemon_is_killed_within_a_message(pulsar, official, begin, slowly):
    """The next one sends it from its first chunk, by the same name and number. A client that takes both for one message throws
    both away (C++ up to 4.2.0, older ones of Java)."""
    daemons = [begin(pulsar, dedup=True)]
    with App(daemons[0]) as app:
        sent = publish_torn(pulsar, slowly, Producer(app, slowly, ring=64 * MIB), lambda: daemons[-1].kill(),
                            lambda: daemons.append(begin(pulsar, dedup=True)))
    assert_all_are_read(official(pulsar.service_url), slowly, sent)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("before", [0, 1])
def test_the_topic_is_unloaded_within_a_message(pulsar, official, begin, slowly, before, dies):
    """A broker that opens a topic takes the number in each entry for that of a message which it has whole: with the last chunk's
    in the first it would drop the last one as a copy, and say that it is stored."""
    daemons, first = [begin(pulsar, dedup=True)], [b"%d" % n for n in range(before)]

    def stop():
        if dies:
            daemons[-1].kill()
        else:
            daemons[-1].process.send_signal(signal.SIGSTOP)

    def go_on():
        assert pulsar.admin("PUT", slowly.replace("://", "/") + "/unload")[0] == 204
        if dies:
            daemons.append(begin(pulsar, dedup=True))
        else:
            daemons[-1].process.send_signal(signal.SIGCONT)

    with App(daemons[0]) as app:
        producer = Producer(app, slowly, ring=64 * MIB)
        for data in first:
            producer.publish(data)
            producer.sync()
        sent = publish_torn(pulsar, slowly, producer, stop, go_on)
    assert_all_are_read(official(pulsar.service_url), slowly, first + sent)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["exclusive", "shared"])
@pytest.mark.ends_broker
def test_a_subscriber_lives_through_both(pulsar, official, begin, topic, kind):
    """What it has acknowledged does not come again, not even what had all but its last chunk; nothing is left of it."""
    producer = chunking(official(pulsar.service_url), topic)
    daemon = begin(pulsar)
    sent = [numbered(n) for n in range(8)]
    for data in sent:
        producer.send(data)
    with App(daemon) as app:
        consumer = consumer_of(app, topic, kind)
        got = [consumer.next() for _ in range(4)]
        consumer.ack(got[0])
        consumer.ack(got[1])
        daemon.kill()
        consumer.ack(got[2])
        daemon = begin(pulsar)
        got.append(consumer.next())
        pulsar.kill()
        pulsar.start()
        for m in got[3:]:
            consumer.ack(m)
        while len(set(m.data for m in got)) < len(sent):
            got.append(consumer.next(60000))
            consumer.ack(got[-1])
        consumer.sync()
        numbers = list(dict.fromkeys(int(m.data[:4]) for m in got))
        assert sorted(numbers) == list(range(8))
        assert kind == "shared" or numbers == list(range(8))
        if kind == "exclusive":
            eventually(lambda: nothing_is_left(pulsar, topic, consumer), seconds=60)
        consumer.close()


def nothing_is_left(pulsar, topic, consumer):
    """A broker that is killed forgets acknowledgements: what it sends once more is acknowledged once more."""
    again = consumer.next(200)
    if again is not None:
        consumer.ack(again)
        consumer.sync()
    # Of one chunk and not of another, too: in order the rest is known to be over. Of a Shared subscription it never sends a
    # chunk whose first one is acknowledged, to any client.
    return pulsar.backlog(topic, "hulse") == 0


# ---- positions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_seek_to_one(daemon, pulsar, official, topic, kind):
    producer = chunking(official(pulsar.service_url), topic)
    for n in range(6):
        producer.send(b"%d " % n + b"x" * (6 * MIB if n % 2 else 10))
    app = Application(daemon, topic, "hulse", kind, reassembly=16 * MIB)
    try:
        assert [m["payload"].split()[0] for m in app.next(6)] == list("012345")
        for n in (3, 4, 1):
            app.seek(number=n)
            assert [m["payload"].split()[0] for m in app.next(6 - n)] == list("012345")[n:]
    finally:
        app.kill()


# ---- what a real broker does not do when it is wanted ---------------------------------------------


def chunk(fake, topic, data, uuid, number, count, total, **more):
    fake.publish(topic, data, uuid=uuid, chunk_id=number, num_chunks_from_msg=count,
                 total_chunk_msg_size=total, **more)


def good(fake, topic):
    for number in range(3):
        chunk(fake, topic, b"good " * 4, "good", number, 3, 60)


def first_of(daemon, topic):
    return ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 1, timeout=60))


def test_a_flood_of_beginnings(fake, hulsed, topic):
    """Each says to become 60 MiB: neither their number nor what they say is believed to be paid for."""
    daemon = hulsed(fake.url)
    for n in range(300):
        chunk(fake, topic, b"x" * 1000, f"u{n}", 0, 10, 60 * MIB)
    good(fake, topic)
    assert first_of(daemon, topic) == b"good " * 12 + b"\n"
    assert broker_stats(daemon)["chunks_given_up"] > 280


LIES = [{"number": 5, "count": 3, "total": 60}, {"number": 0, "count": 2**31 - 1, "total": 60},
        {"number": 0, "count": 2, "total": 2}, {"number": -1, "count": 2, "total": 60}]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_damage(fake, hulsed, topic, lie):
    daemon = hulsed(fake.url)
    chunk(fake, topic, b"x" * 20, "lie", **lie)
    good(fake, topic)
    assert first_of(daemon, topic) == b"good " * 12 + b"\n"
    assert broker_stats(daemon)["corrupted"] == 1


def test_what_is_larger_than_the_bound_is_left(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    for number in range(2):
        chunk(fake, topic, b"x" * 20, "huge", number, 2, 2**31 - 1)
    good(fake, topic)
    assert first_of(daemon, topic) == b"good " * 12 + b"\n"
    found = broker_stats(daemon)
    assert (found["unreadable"], found["corrupted"]) == (2, 0)


@pytest.mark.parametrize("auto_ack", [False, True])
def test_what_has_no_end_is_given_up(fake, hulsed, topic, auto_ack):
    daemon = hulsed(fake.url, [{"match": "**", "consume": {"chunks": {"expire": "200ms", "auto_ack": auto_ack}}}])
    chunk(fake, topic, b"x" * 20, "torn", 0, 3, 60)
    chunk(fake, topic, b"x" * 20, "torn", 1, 3, 60)
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 1) as sub:
        eventually(lambda: broker_stats(daemon)["chunks_given_up"] == 1, seconds=20)
        good(fake, topic)
        out, code = sub.wait(20)
        assert (out, code) == (b"good " * 12 + b"\n", 0)
    acked = {i["entryId"] for request in fake.heard("ACK") for i in request.fields["message_id"]}
    assert acked == ({0, 1} if auto_ack else set()) | {2, 3, 4}
