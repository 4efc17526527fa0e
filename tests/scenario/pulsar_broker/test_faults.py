# SPDX-License-Identifier: Apache-2.0
"""The faults of the scripted broker do what they say, seen by a client that is made by hand and forgives nothing."""

import socket
import time

import pytest

import faults
import frames
from fake import FakeBroker

WAIT_S = 10
QUIET_S = 0.3
NONE = (1 << 64) - 1


class Hand:
    """A client: says what it is told to, and gives what it hears."""

    def __init__(self, fake, connect=True):
        self.door = socket.create_connection(("127.0.0.1", fake.port), timeout=WAIT_S)
        self.stream = self.door.makefile("rb")
        self.requests = 0
        if connect:
            self.say("CONNECT", client_version="test", protocol_version=21)
            assert self.hear()[0] == "CONNECTED"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.door.close()

    def say(self, name, rest=b"", **fields):
        self.door.sendall(frames.pack(name, fields, rest))

    def ask(self, name, **fields):
        """With a request_id, which it gives."""
        self.requests += 1
        self.say(name, request_id=self.requests, **fields)
        return self.requests

    def hear(self, want=None):
        """(name, fields, rest), or None at the end."""
        head = self.stream.read(4)
        if len(head) < 4:
            return None
        size = int.from_bytes(head, "big")
        frame = self.stream.read(size)
        if len(frame) < size:
            return None
        heard = frames.unpack(frame)
        assert want in (None, heard[0]), heard
        return heard

    def quiet(self):
        self.door.settimeout(QUIET_S)
        with pytest.raises(TimeoutError):
            self.door.recv(1)
        self.door.settimeout(WAIT_S)

    def producer(self, topic, number=1, **fields):
        self.ask("PRODUCER", topic=topic, producer_id=number, **fields)
        return self.hear("PRODUCER_SUCCESS")[1]

    def send(self, sequence_id, payload=b"x", number=1):
        metadata = {"producer_name": "p", "sequence_id": sequence_id, "publish_time": 1}
        self.say("SEND", frames.pack_entry(metadata, payload), producer_id=number,
                 sequence_id=sequence_id)

    def consumer(self, topic, number=1, kind="Exclusive", permits=100, **fields):
        self.ask("SUBSCRIBE", topic=topic, subscription="s", subType=kind, consumer_id=number,
                 initialPosition="Earliest", **fields)
        self.hear("SUCCESS")
        self.say("FLOW", consumer_id=number, messagePermits=permits)


@pytest.fixture
def fake():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def hand(fake):
    with Hand(fake) as client:
        yield client


def test_what_is_ignored_is_heard(fake, hand):
    fake.on("LOOKUP", faults.ignore, times=1)
    hand.ask("LOOKUP", topic="a")
    hand.quiet()
    second = hand.ask("LOOKUP", topic="a")
    assert hand.hear("LOOKUP_RESPONSE")[1]["request_id"] == second
    assert len(fake.heard("LOOKUP")) == 2


@pytest.mark.parametrize("fault", [faults.drop, faults.done_and_drop])
def test_a_dropped_connection_ends(fake, hand, fault):
    fake.on("LOOKUP", fault)
    hand.ask("LOOKUP", topic="a")
    assert hand.hear() is None


def test_a_reset_connection_is_reset(fake, hand):
    fake.on("LOOKUP", faults.reset)
    hand.ask("LOOKUP", topic="a")
    with pytest.raises(ConnectionResetError):
        hand.hear()


def test_what_was_done_before_the_drop_is_done(fake, hand, topic):
    hand.producer(topic)
    fake.on("SEND", faults.done_and_drop)
    hand.send(0)
    assert hand.hear() is None
    assert [entry.messages for entry in fake.topic(topic).entries] == [b"x"]


def test_a_half_closed_broker_listens_on(fake, hand):
    fake.on("PING", faults.half_close, times=1)
    hand.say("PING")
    assert hand.hear() is None
    hand.ask("LOOKUP", topic="a")
    fake.wait_for("LOOKUP")


@pytest.mark.parametrize("size", [1, 4, 9, 20])
def test_a_torn_answer_has_so_many_bytes(fake, hand, size):
    fake.on("LOOKUP", faults.tear(size))
    hand.ask("LOOKUP", topic="a")
    assert len(hand.stream.read()) == size


def test_a_scattered_answer_is_whole(fake, hand):
    fake.on("LOOKUP", faults.dribble(size=3))
    hand.ask("LOOKUP", topic="a")
    assert hand.hear("LOOKUP_RESPONSE")[1]["brokerServiceUrl"] == fake.url


def test_a_delayed_answer_comes_later(fake, hand):
    fake.on("LOOKUP", faults.delay(0.3), times=1)
    begun = time.monotonic()
    first = hand.ask("LOOKUP", topic="a")
    second = hand.ask("LOOKUP", topic="a")
    assert [hand.hear("LOOKUP_RESPONSE")[1]["request_id"] for _ in range(2)] == [second, first]
    assert time.monotonic() - begun >= 0.3


def test_garbage_is_garbage(fake, hand):
    fake.on("LOOKUP", faults.garbage(b"\0\0\0\x01\xff"))
    hand.ask("LOOKUP", topic="a")
    assert hand.stream.read(5) == b"\0\0\0\x01\xff"


def test_receipts_come_in_another_order(fake, hand, topic):
    hand.producer(topic)
    fake.on("SEND", faults.out_of_order(3), times=3)
    for i in range(4):
        hand.send(i)
    assert [hand.hear("SEND_RECEIPT")[1]["sequence_id"] for _ in range(4)] == [2, 1, 0, 3]
    assert [entry.metadata["sequence_id"] for entry in fake.topic(topic).entries] == [0, 1, 2, 3]


def test_receipts_without_an_id(fake, hand, topic):
    hand.producer(topic)
    fake.on("SEND", faults.receipt(), times=1)
    hand.send(0)
    assert hand.hear("SEND_RECEIPT")[1]["message_id"] == {"ledgerId": NONE, "entryId": NONE}
    hand.send(1)
    assert hand.hear("SEND_RECEIPT")[1]["message_id"]["entryId"] == 0


def test_receipts_for_something_else(fake, hand, topic):
    hand.producer(topic)
    fake.on("SEND", faults.receipt_of_another(5), times=1)
    hand.send(0)
    assert [hand.hear("SEND_RECEIPT")[1]["sequence_id"] for _ in range(2)] == [5, 0]


@pytest.mark.parametrize("fault, stored, told", [(faults.stored_without_receipt, 1, False),
                                                 (faults.lost_with_receipt, 0, True)])
def test_stored_and_told_are_two_things(fake, hand, topic, fault, stored, told):
    hand.producer(topic)
    fake.on("SEND", fault)
    hand.send(0)
    if told:
        hand.hear("SEND_RECEIPT")
    else:
        hand.quiet()
    assert len(fake.topic(topic).entries) == stored


def test_errors_have_the_form_of_their_command(fake, hand, topic):
    hand.producer(topic)
    for name in ("LOOKUP", "PARTITIONED_METADATA", "SUBSCRIBE", "SEND"):
        fake.on(name, faults.fail("MetadataError"))
    code = frames.API.enums["ServerError"]["MetadataError"]
    hand.ask("LOOKUP", topic=topic)
    assert hand.hear("LOOKUP_RESPONSE")[1]["error"] == code
    hand.ask("PARTITIONED_METADATA", topic=topic)
    assert hand.hear("PARTITIONED_METADATA_RESPONSE")[1]["error"] == code
    hand.ask("SUBSCRIBE", topic=topic, subscription="s", subType="Shared", consumer_id=1)
    assert hand.hear("ERROR")[1]["error"] == code
    hand.send(3)
    answer = hand.hear("SEND_ERROR")[1]
    assert (answer["error"], answer["sequence_id"]) == (code, 3)
    fake.on("PARTITIONED_METADATA", faults.crossed("TopicNotFound"))
    hand.ask("PARTITIONED_METADATA", topic=topic)
    assert hand.hear("LOOKUP_RESPONSE")[1]["response"] == 2


def test_a_refused_connection_is_told_why(fake):
    fake.on("CONNECT", faults.fail("AuthenticationError", "no"))
    with Hand(fake, connect=False) as client:
        client.say("CONNECT", client_version="test", protocol_version=21)
        answer = client.hear("ERROR")[1]
        assert (answer["request_id"], answer["message"]) == (NONE, "no")
        assert client.hear() is None


def test_pushed_and_not_persisted(topic):
    with FakeBroker(deduplication=True) as fake:
        fake.on("SEND", faults.pushed_not_persisted(2))
        with Hand(fake) as client:
            client.producer(topic, producer_name="p")
            client.send(0)
            assert client.hear() is None
        with Hand(fake) as client:
            assert client.producer(topic, producer_name="p")["last_sequence_id"] == -1
            for _ in range(2):
                client.send(0)
                client.hear("SEND_ERROR")
            assert not fake.topic(topic).entries
            client.send(1)
            assert client.hear("SEND_RECEIPT")[1]["message_id"]["entryId"] == 1
            client.send(0)
            assert client.hear("SEND_RECEIPT")[1]["message_id"]["entryId"] == NONE
        with Hand(fake) as client:
            assert client.producer(topic, producer_name="p")["last_sequence_id"] == 1
    assert [entry.metadata["sequence_id"] for entry in fake.topic(topic).entries] == [0, 1]


def test_a_last_sequence_id_that_is_wanted(fake, hand, topic):
    fake.on("PRODUCER", faults.last_sequence_id(41))
    assert hand.producer(topic)["last_sequence_id"] == 41


def test_an_entry_is_damaged_later(fake, hand, topic):
    hand.producer(topic)
    hand.send(0)
    hand.hear("SEND_RECEIPT")
    fake.run(faults.corrupt, fake.topic(topic), 0)
    hand.consumer(topic)
    assert frames.unpack_entry(hand.hear("MESSAGE")[2])[2] is False


def test_permits_are_never_overrun(fake, hand, topic):
    for i in range(5):
        fake.publish(topic, b"%d" % i)
    hand.consumer(topic, permits=3)
    for _ in range(3):
        hand.hear("MESSAGE")
    hand.quiet()
    hand.say("FLOW", consumer_id=1, messagePermits=2)
    assert [frames.unpack_entry(hand.hear("MESSAGE")[2])[1] for _ in range(2)] == [b"3", b"4"]


@pytest.mark.parametrize("kept", [False, True])
def test_parts_of_a_batch(topic, kept):
    with FakeBroker(batch_index_acks=kept) as fake, Hand(fake) as client:
        fake.publish(topic, b"...", num_messages_in_batch=3)
        client.consumer(topic, kind="Shared")
        message_id = client.hear("MESSAGE")[1]["message_id"]
        client.say("ACK", consumer_id=1, ack_type="Individual",
                   message_id=[dict(message_id, ack_set=[0b101])])
        client.say("REDELIVER_UNACKNOWLEDGED_MESSAGES", consumer_id=1)
        again = client.hear("MESSAGE")[1]
        assert again.get("ack_set") == ([0b101] if kept else None)
        assert again["redelivery_count"] == 1
        client.ask("ACK", consumer_id=1, ack_type="Individual", message_id=[message_id])
        client.hear("ACK_RESPONSE")
        assert fake.topic(topic).subscriptions["s"].mark == 1


def test_a_command_that_breaks_the_protocol_ends_the_connection(fake):
    for say in (lambda c: c.send(0), lambda c: c.say("CONNECT", client_version="again"),
                lambda c: c.door.sendall(b"\0\0\0\x08\0\0\0\xff\x08\x02\0\0"),
                lambda c: c.door.sendall(b"\x7f\xff\xff\xff")):
        with Hand(fake) as client:
            say(client)
            assert client.hear() is None
    with Hand(fake, connect=False) as client:
        client.say("PING")
        assert client.hear() is None
    assert len(fake.complaints) >= 4


def test_unloading_names_the_next_broker(fake, hand, topic):
    hand.producer(topic)
    hand.consumer(topic)
    fake.unload(topic, "pulsar://b:1")
    for name in ("CLOSE_PRODUCER", "CLOSE_CONSUMER"):
        told = hand.hear(name)[1]
        assert (told["request_id"], told["assignedBrokerServiceUrl"]) == (NONE, "pulsar://b:1")
    hand.send(0)
    hand.quiet()
