# SPDX-License-Identifier: Apache-2.0
"""The scripted broker of tests/support/pulsar: correct by itself, with the official client as the judge, and wrong
where it is told to be."""

import socket
import threading
import time

import pytest

import faults
import frames
from fake import FakeBroker

library = pytest.importorskip("pulsar")

WAIT_MS = 10000
QUIET_MS = 300


@pytest.fixture
def fake():
    with FakeBroker() as broker:
        yield broker
        assert not broker.complaints


@pytest.fixture
def client(fake, official):
    return official(fake.url, operation_timeout_seconds=10)


def payloads(consumer, count, ack=True):
    out = []
    for _ in range(count):
        message = consumer.receive(WAIT_MS)
        out.append(message.data())
        if ack:
            consumer.acknowledge(message)
    return out


def silent(consumer):
    with pytest.raises(library.Timeout):
        consumer.receive(QUIET_MS)


def subscribe(client, topic, **options):
    return client.subscribe(topic, "s", initial_position=library.InitialPosition.Earliest, **options)


# ---- the codec


def test_the_golden_frames_are_read_and_written_again():
    """Each command of the golden frames, which a real broker has accepted or sent, comes out as it went in."""
    path = frames.PROTO.parents[4] / "tests/unit/daemon/broker/pulsar/wire/golden_frames.txt"
    seen = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        for word in words:
            if len(word) >= 16 and set(word) <= set("0123456789abcdef"):
                frame = bytes.fromhex(word)
                if len(frame) < 8 or int.from_bytes(frame[:4], "big") != len(frame) - 4:
                    continue
                name, fields, rest = frames.unpack(frame[4:])
                assert name is not None
                assert frames.unpack(frames.pack(name, fields, rest)[4:]) == (name, fields, rest)
                seen += 1
    assert seen >= 10


def test_a_checksum_is_the_known_one():
    assert frames.crc32c(b"123456789") == 0xe3069283


# ---- a correct broker


@pytest.mark.parametrize("batching", [False, True])
def test_what_is_sent_is_received_in_order(fake, client, topic, batching):
    producer = client.create_producer(topic, batching_enabled=batching, block_if_queue_full=True)
    expected = [b"%d" % i for i in range(200)]
    for payload in expected:
        producer.send_async(payload, lambda *_: None, properties={"a": "b"})
    producer.flush()
    consumer = subscribe(client, topic)
    assert payloads(consumer, len(expected)) == expected
    silent(consumer)
    assert len(fake.topic(topic).entries) < 200 or not batching
    fake.wait_until(lambda: fake.topic(topic).subscriptions["s"].mark ==
                    len(fake.topic(topic).entries))


def test_a_consumer_that_waits_gets_what_comes(client, topic):
    consumer = subscribe(client, topic)
    producer = client.create_producer(topic)
    for i in range(5):
        producer.send(b"%d" % i)
        assert payloads(consumer, 1) == [b"%d" % i]


def test_what_was_not_acknowledged_comes_again(client, topic):
    producer = client.create_producer(topic)
    for i in range(10):
        producer.send(b"%d" % i)
    first = subscribe(client, topic)
    assert len(payloads(first, 4)) == 4
    assert len(payloads(first, 3, ack=False)) == 3
    first.close()
    assert payloads(subscribe(client, topic), 6) == [b"%d" % i for i in range(4, 10)]


def test_acknowledging_cumulatively_ends_all_before(fake, client, topic):
    producer = client.create_producer(topic)
    for i in range(10):
        producer.send(b"%d" % i)
    consumer = subscribe(client, topic)
    messages = [consumer.receive(WAIT_MS) for _ in range(10)]
    consumer.acknowledge_cumulative(messages[6])
    fake.wait_until(lambda: fake.topic(topic).subscriptions["s"].mark == 7)
    consumer.close()
    assert payloads(subscribe(client, topic), 3) == [b"7", b"8", b"9"]


def test_a_refused_message_comes_again_with_its_count(client, topic):
    consumer = subscribe(client, topic, consumer_type=library.ConsumerType.Shared,
                         negative_ack_redelivery_delay_ms=100)
    client.create_producer(topic).send(b"a")
    message = consumer.receive(WAIT_MS)
    assert message.redelivery_count() == 0
    consumer.negative_acknowledge(message)
    again = consumer.receive(WAIT_MS)
    assert (again.data(), again.redelivery_count()) == (b"a", 1)
    consumer.acknowledge(again)


def test_two_share_a_subscription(client, topic):
    consumers = [subscribe(client, topic, consumer_type=library.ConsumerType.Shared)
                 for _ in range(2)]
    producer = client.create_producer(topic)
    for i in range(20):
        producer.send(b"%d" % i)
    got = [payloads(consumer, 10) for consumer in consumers]
    assert sorted(got[0] + got[1], key=int) == [b"%d" % i for i in range(20)]


def test_one_key_has_one_consumer(client, topic):
    consumers = [subscribe(client, topic, consumer_type=library.ConsumerType.KeyShared)
                 for _ in range(2)]
    producer = client.create_producer(topic)
    for i in range(40):
        producer.send(b"%d" % i, partition_key=f"key-{i % 8}")
    seen = [set(), set()]
    for _ in range(40):
        for which, consumer in enumerate(consumers):
            try:
                message = consumer.receive(20)
            except library.Timeout:
                continue
            seen[which].add(message.partition_key())
            consumer.acknowledge(message)
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == 8


def test_the_next_one_takes_over(client, topic):
    first = subscribe(client, topic, consumer_type=library.ConsumerType.Failover)
    second = subscribe(client, topic, consumer_type=library.ConsumerType.Failover)
    producer = client.create_producer(topic)
    producer.send(b"a")
    assert payloads(first, 1) == [b"a"]
    silent(second)
    first.close()
    producer.send(b"b")
    assert payloads(second, 1) == [b"b"]


def test_an_exclusive_subscription_has_one(client, topic):
    subscribe(client, topic)
    with pytest.raises(library.ConsumerBusy):
        subscribe(client, topic)


def test_a_reader_starts_where_it_wants_and_knows_the_end(client, topic):
    producer = client.create_producer(topic)
    ids = [producer.send(b"%d" % i) for i in range(5)]
    reader = client.create_reader(topic, ids[2], start_message_id_inclusive=True)
    got = []
    while reader.has_message_available():
        got.append(reader.read_next(WAIT_MS).data())
    assert got == [b"2", b"3", b"4"]
    assert not client.create_reader(topic, library.MessageId.latest).has_message_available()


def test_a_consumer_seeks(client, topic):
    producer = client.create_producer(topic)
    ids = [producer.send(b"%d" % i) for i in range(5)]
    consumer = subscribe(client, topic, start_message_id_inclusive=True)
    assert len(payloads(consumer, 5)) == 5
    consumer.seek(ids[1])
    assert payloads(consumer, 1) == [b"1"]
    consumer.seek(library.MessageId.earliest)
    assert payloads(consumer, 5) == [b"%d" % i for i in range(5)]


def test_unsubscribing_forgets(fake, client, topic):
    consumer = subscribe(client, topic)
    consumer.unsubscribe()
    assert "s" not in fake.topic(topic).subscriptions


def test_names_of_producers_are_unique(client, topic):
    client.create_producer(topic, producer_name="p")
    with pytest.raises(library.ProducerBusy):
        client.create_producer(topic, producer_name="p")


def test_partitions_are_told(fake, client, topic):
    fake.partitions[topic] = 3
    assert client.get_topic_partitions(topic) == [f"{topic}-partition-{i}" for i in range(3)]
    producer = client.create_producer(topic)
    for i in range(9):
        producer.send(b"%d" % i)
    assert sum(len(fake.topic(f"{topic}-partition-{i}").entries) for i in range(3)) == 9


def test_a_delayed_message_waits(client, topic):
    consumer = subscribe(client, topic, consumer_type=library.ConsumerType.Shared)
    producer = client.create_producer(topic)
    begun = time.monotonic()
    producer.send(b"a", deliver_at=int(time.time() * 1000) + 500)
    assert payloads(consumer, 1) == [b"a"]
    assert time.monotonic() - begun >= 0.5


def test_it_goes_on_after_it_was_away(fake, client, topic):
    producer = client.create_producer(topic)
    consumer = subscribe(client, topic)
    producer.send(b"a")
    assert payloads(consumer, 1) == [b"a"]
    fake.wait_until(lambda: fake.topic(topic).subscriptions["s"].mark == 1)
    fake.shut()
    fake.listen()
    producer.send(b"b")
    assert payloads(consumer, 1) == [b"b"]


def test_a_topic_is_unloaded(fake, client, topic):
    producer = client.create_producer(topic)
    consumer = subscribe(client, topic)
    fake.unload(topic)
    producer.send(b"a")
    assert payloads(consumer, 1) == [b"a"]
    assert len(fake.heard("CONNECT")) == 1
    assert len(fake.heard("PRODUCER")) == 2


# ---- told to be wrong


def test_a_failed_lookup_is_tried_again(fake, client, topic):
    fake.on("LOOKUP", faults.fail("ServiceNotReady"), times=1)
    client.create_producer(topic)
    assert len(fake.heard("LOOKUP")) == 2


def test_a_refusal_is_one(fake, client, topic):
    fake.on("PRODUCER", faults.fail("AuthorizationError"))
    with pytest.raises(library.AuthorizationError):
        client.create_producer(topic)


def test_two_brokers_redirect(fake, client, topic):
    with FakeBroker(topics_of=fake) as other:
        fake.on("LOOKUP", faults.redirect(other.url, authoritative=True))
        client.create_producer(topic).send(b"a")
        assert other.heard("SEND") and not fake.heard("SEND")
        assert other.heard("LOOKUP")[0].fields["authoritative"]


def test_a_circle_of_redirects_ends(fake, client, topic):
    fake.on("LOOKUP", faults.redirect_to_self)
    with pytest.raises(library.PulsarException):
        client.create_producer(topic)
    assert len(fake.heard("LOOKUP")) >= 20


@pytest.mark.parametrize("fault", [faults.drop, faults.reset, faults.done_and_drop, faults.tear(9),
                                   faults.stored_without_receipt])
def test_a_send_that_is_broken_off_is_sent_again(fake, client, topic, fault):
    producer = client.create_producer(topic, batching_enabled=False)

    def hook(request):
        fault(request)
        if fault is faults.stored_without_receipt:
            request.connection.drop()
    fake.on("SEND", hook, times=1)
    producer.send(b"a")
    assert len(fake.wait_for("SEND", count=2)) == 2
    stored = fault in (faults.drop, faults.reset)
    assert len(fake.topic(topic).entries) == (1 if stored else 2)


def test_deduplication_stores_once(topic, official):
    with FakeBroker(deduplication=True) as fake:
        producer = official(fake.url).create_producer(topic, producer_name="p",
                                                      batching_enabled=False)
        fake.on("SEND", faults.done_and_drop, times=1)
        producer.send(b"a")
        producer.send(b"b")
        assert [entry.messages for entry in fake.topic(topic).entries] == [b"a", b"b"]


def test_answers_come_out_of_order(fake, client, topic):
    fake.on("PARTITIONED_METADATA", faults.out_of_order(2), times=2)
    topics = [f"{topic}-a", f"{topic}-b"]
    threads = [threading.Thread(target=client.create_producer, args=[name]) for name in topics]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert set(fake.topics) == set(topics)


def test_a_damaged_entry_is_passed_over(fake, client, topic):
    fake.publish(topic, b"bad", checksum=1)
    fake.publish(topic, b"good")
    assert payloads(subscribe(client, topic), 1) == [b"good"]
    acks = fake.wait_for("ACK", where=lambda r: "validation_error" in r.fields)
    assert acks[0].fields["validation_error"] == 2  # ChecksumMismatch


def test_a_wrong_checksum_is_an_error(fake, topic):
    """By hand, since no client sends one."""
    metadata = {"producer_name": "p", "sequence_id": 0, "publish_time": 0}
    right = frames.pack_entry(metadata, b"x")
    send = {"producer_id": 1, "sequence_id": 0}
    with socket.create_connection(("127.0.0.1", fake.port), timeout=WAIT_MS / 1000) as peer:
        peer.sendall(frames.pack("CONNECT", {"client_version": "test", "protocol_version": 21}))
        peer.sendall(frames.pack("PRODUCER", {"topic": topic, "producer_id": 1, "request_id": 1}))
        peer.sendall(frames.pack("SEND", send, frames.with_wrong_checksum(right)))
        peer.sendall(frames.pack("SEND", send, right))
        stream = peer.makefile("rb")
        answers = [frames.unpack(stream.read(int.from_bytes(stream.read(4), "big")))
                   for _ in range(4)]
    assert [name for name, _, _ in answers] == ["CONNECTED", "PRODUCER_SUCCESS", "SEND_ERROR",
                                                "SEND_RECEIPT"]
    assert answers[2][1]["error"] == frames.API.enums["ServerError"]["ChecksumError"]
    assert [entry.rest for entry in fake.topic(topic).entries] == [right]


def test_answers_in_single_bytes(fake, client, topic):
    for name in ("CONNECT", "LOOKUP", "PRODUCER"):
        fake.on(name, faults.dribble(), times=1)
    client.create_producer(topic).send(b"a")


def test_a_silent_broker_accepts(fake):
    """By hand: the official client of version 3.13 crashes at it."""
    fake.silent = True
    with socket.create_connection(("127.0.0.1", fake.port), timeout=QUIET_MS / 1000) as peer:
        peer.sendall(frames.pack("CONNECT", {"client_version": "test"}))
        with pytest.raises(TimeoutError):
            peer.recv(1)
    assert fake.accepted == 1
    assert not fake.heard()


def test_the_token_is_asked_for_again(fake, topic, official):
    client = official(fake.url, authentication=library.AuthenticationToken("abc"))
    client.create_producer(topic)
    fake.challenge()
    answer = fake.wait_for("AUTH_RESPONSE")[0]
    assert answer.fields["response"]["auth_data"] == b"abc"


def test_the_end_of_a_topic_is_told(fake, client, topic):
    consumer = subscribe(client, topic)
    producer = client.create_producer(topic)
    producer.send(b"a")
    assert payloads(consumer, 1) == [b"a"]
    subscription = fake.topic(topic).subscriptions["s"]
    fake.wait_until(lambda: subscription.mark == 1)
    heard = subscription.consumers[0]
    fake.terminate(topic)
    # The official client of C++ does not know REACHED_END_OF_TOPIC and connects anew.
    assert heard.told_end
    with pytest.raises(library.PulsarException):
        producer.send(b"b")
