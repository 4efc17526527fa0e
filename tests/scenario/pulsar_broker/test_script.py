# SPDX-License-Identifier: Apache-2.0
"""Goal:   hulsed at a broker that misbehaves loses nothing silently, keeps the order, says what is wrong, and goes on.
Method: the scripted broker, with one fault for each test; applications are the commands `hulse pub` and `hulse sub`."""

import collections
import os
import random
import threading

import pytest

import fake_answers
import faults
import frames
from command import Background, ok, run
from fake import FakeBroker

pytestmark = pytest.mark.timeout(120)

COUNT = 50
LINES = [b"%d" % i for i in range(COUNT)]


def publish(daemon, topic, lines=LINES, timeout=60):
    return run(daemon, "pub", topic, input=b"".join(line + b"\n" for line in lines).decode(),
               timeout=timeout)


def split(entry):
    """The payloads of an entry: of a batch, or one."""
    metadata, payload, _ = frames.unpack_entry(entry.rest)
    if "num_messages_in_batch" not in metadata:
        return [payload]
    out, at = [], 0
    for _ in range(metadata["num_messages_in_batch"]):
        size = int.from_bytes(payload[at:at + 4], "big")
        single = frames.API.decode("SingleMessageMetadata", payload[at + 4:at + 4 + size])
        at += 4 + size
        out.append(payload[at:at + single["payload_size"]])
        at += single["payload_size"]
    return out


def stored(fake, topic):
    return [payload for entry in fake.topic(topic).entries for payload in split(entry)]


def deduplicated(payloads):
    return list(collections.OrderedDict.fromkeys(payloads))


def received(daemon, topic, count, *options):
    out = ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", count, *options,
                 timeout=60))
    return out.splitlines()


def test_it_is_a_broker(fake, daemon, topic):
    ok(publish(daemon, topic))
    assert stored(fake, topic) == LINES
    assert received(daemon, topic, COUNT) == LINES
    fake.wait_until(lambda: fake.topic(topic).subscriptions["s"].mark ==
                    len(fake.topic(topic).entries))
    assert not fake.complaints


# ---- lookups


def test_a_circle_of_redirects_is_said(fake, daemon, topic):
    fake.on("LOOKUP", faults.redirect_to_self)
    done = publish(daemon, topic)
    assert done.returncode != 0
    assert b"more than 20 times" in done.stderr, done.stderr


@pytest.mark.parametrize("error", ["ServiceNotReady", "MetadataError", "TooManyRequests"])
@pytest.mark.parametrize("command", ["PARTITIONED_METADATA", "LOOKUP", "PRODUCER"])
def test_what_passes_is_waited_for(fake, daemon, topic, command, error):
    fake.on(command, faults.fail(error), times=2)
    ok(publish(daemon, topic))
    assert stored(fake, topic) == LINES


@pytest.mark.parametrize("error, word", [("AuthorizationError", b"AuthorizationError"),
                                         ("TopicNotFound", b"TopicNotFound"),
                                         ("NotAllowedError", b"NotAllowedError")])
@pytest.mark.parametrize("command", ["PARTITIONED_METADATA", "LOOKUP", "PRODUCER"])
def test_what_does_not_pass_is_said(fake, daemon, topic, command, error, word):
    fake.on(command, faults.fail(error, "as the test wants"))
    done = publish(daemon, topic)
    assert done.returncode != 0
    assert word in done.stderr and b"as the test wants" in done.stderr, done.stderr


def test_redirects_lead_to_the_owner(fake, daemon, topic):
    with FakeBroker(topics_of=fake) as owner:
        fake.on("LOOKUP", faults.redirect(owner.url, authoritative=True))
        ok(publish(daemon, topic))
        assert received(daemon, topic, COUNT) == LINES
        assert owner.heard("SEND") and not fake.heard("SEND")
        assert all(each.fields["authoritative"] for each in owner.heard("LOOKUP"))


def test_one_lookup_for_the_host(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    running = [Background(daemon, "pub", topic, f"{i}") for i in range(8)]
    for each in running:
        assert each.process.wait(60) == 0, each.stderr()
    assert received(daemon, topic, 8)
    assert len(fake.heard("PARTITIONED_METADATA")) == 1
    assert len(fake.heard("LOOKUP")) == 1


def test_the_daemon_stops_while_a_broker_is_silent(fake, daemon, topic):
    fake.on("LOOKUP", faults.ignore)
    with Background(daemon, "pub", topic, "a"):
        fake.wait_for("LOOKUP")
        assert daemon.stop() == 0, daemon.log.read_text()


# ---- connections


def test_slow_answers_are_whole(fake, daemon, topic):
    for name in ("CONNECT", "PARTITIONED_METADATA", "LOOKUP", "PRODUCER", "SEND", "SUBSCRIBE"):
        fake.on(name, faults.dribble(size=2), times=1)
    ok(publish(daemon, topic))
    assert stored(fake, topic) == LINES
    assert received(daemon, topic, COUNT) == LINES


@pytest.mark.parametrize("data", [b"\x7f\xff\xff\xff", b"\0\0\0\x08\0\0\0\xff\x08\x02\0\0",
                                  b"\0\0\0\x04\0\0\0\0", b"\0\0\0\x06\0\0\0\x02\x08\x0c"],
                         ids=["huge", "longer than its frame", "empty", "without a body"])
def test_a_bad_frame_ends_one_connection(fake, daemon, topic, data):
    fake.on("PRODUCER", faults.garbage(data), times=1)
    ok(publish(daemon, topic))
    assert stored(fake, topic) == LINES
    assert daemon.process.poll() is None


def test_what_names_nobody_is_ignored(fake, daemon, topic):
    def hook(request):
        send = request.connection.send
        send("SEND_RECEIPT", producer_id=99999, sequence_id=0)
        send("CLOSE_PRODUCER", producer_id=99999, request_id=(1 << 64) - 1)
        send("CLOSE_CONSUMER", consumer_id=99999, request_id=(1 << 64) - 1)
        send("SUCCESS", request_id=123456789)
        send("ACTIVE_CONSUMER_CHANGE", consumer_id=99999, is_active=True)
        send("MESSAGE", frames.pack_entry({"producer_name": "p", "sequence_id": 0,
                                           "publish_time": 0}, b"x"),
             consumer_id=99999, message_id={"ledgerId": 1, "entryId": 0})
        request.default()
    fake.on("SEND", hook)
    ok(publish(daemon, topic))
    assert stored(fake, topic) == LINES
    assert len(fake.heard("CONNECT")) == 1


def test_challenges_without_end_are_given_up(fake, hulsed, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text("abc\n")

    def challenge(request):
        request.connection.connect = {}
        request.connection.send("AUTH_CHALLENGE", server_version="fake",
                                challenge={"auth_method_name": "token", "auth_data": b"more"})
    fake.on("CONNECT", challenge)
    fake.on("AUTH_RESPONSE", challenge)
    daemon = hulsed(fake.url, auth={"token_file": str(token)})
    done = publish(daemon, topic)
    assert done.returncode != 0
    assert done.stderr
    connections = len(fake.heard("CONNECT"))
    assert len(fake.heard("AUTH_RESPONSE")) <= 20 * connections
    assert connections <= 20


# ---- publishing


@pytest.mark.parametrize("fault", [faults.drop, faults.reset, faults.done_and_drop, faults.tear(10),
                                   faults.half_close, faults.garbage()],
                         ids=["drop", "reset", "done_and_drop", "tear", "half_close", "garbage"])
def test_sends_that_are_broken_off(fake, daemon, topic, fault):
    fake.on("SEND", fault, times=1)
    ok(publish(daemon, topic))
    assert deduplicated(stored(fake, topic)) == LINES


def test_receipts_in_another_order(fake, daemon, topic):
    lines = [b"%d" % i for i in range(3000)]
    fake.on("SEND", faults.out_of_order(2), times=2)
    ok(publish(daemon, topic, lines))
    assert deduplicated(stored(fake, topic)) == lines


def test_receipts_without_an_id(fake, daemon, topic):
    fake.on("SEND", faults.receipt(), times=1)
    ok(publish(daemon, topic))


def test_receipts_for_what_was_not_sent(fake, daemon, topic):
    fake.on("SEND", faults.receipt_of_another(100000), times=1)
    ok(publish(daemon, topic))
    assert deduplicated(stored(fake, topic)) == LINES
    fake.wait_for("CONNECT", count=2)


def test_old_receipts_are_ignored(fake, daemon, topic):
    def hook(request):
        request.default()
        request.default(stored=False)
    fake.on("SEND", hook)
    ok(publish(daemon, topic))
    ok(publish(daemon, topic))
    assert len(fake.heard("CONNECT")) == 1


def test_deduplication_stores_once(hulsed, topic):
    with FakeBroker(deduplication=True) as fake:
        fake.on("SEND", faults.done_and_drop, times=1)
        daemon = hulsed(fake.url)
        ok(publish(daemon, topic))
        assert stored(fake, topic) == LINES


def test_pushed_and_not_persisted(hulsed, topic):
    with FakeBroker(deduplication=True) as fake:
        fake.on("SEND", faults.pushed_not_persisted(1))
        daemon = hulsed(fake.url)
        ok(publish(daemon, topic))
        assert stored(fake, topic) == LINES


@pytest.mark.parametrize("error", ["PersistenceError", "ChecksumError"])
def test_an_error_of_a_send_that_passes(fake, daemon, topic, error):
    fake.on("SEND", faults.fail(error), times=1)
    ok(publish(daemon, topic))
    # What was on its way behind it is stored before it, and once more behind it.
    assert deduplicated(reversed(stored(fake, topic))) == list(reversed(LINES))


def test_an_unloaded_topic(fake, daemon, topic):
    def hook(request):
        request.default()
        fake.later(0, lambda: fake_answers.unload(fake.topics[topic], None))
    fake.on("SEND", hook, times=1)
    ok(publish(daemon, topic))
    assert deduplicated(stored(fake, topic)) == LINES


# ---- consuming


def test_a_damaged_entry_is_passed_over(fake, daemon, topic):
    fake.publish(topic, b"bad", checksum=1)
    fake.publish(topic, b"good")
    assert received(daemon, topic, 1) == [b"good"]
    acks = fake.wait_for("ACK", where=lambda r: "validation_error" in r.fields)
    assert acks[0].fields["validation_error"] == 2


@pytest.mark.parametrize("fault", [faults.drop, faults.reset, faults.tear(10), faults.garbage()],
                         ids=["drop", "reset", "tear", "garbage"])
def test_a_consumer_that_is_broken_off(fake, daemon, topic, fault):
    for line in LINES:
        fake.publish(topic, line)
    fake.on("FLOW", fault, times=1)
    assert received(daemon, topic, COUNT) == LINES


def test_more_than_was_permitted(fake, daemon, topic):
    def hook(request):
        consumer = request.connection.consumers[request.fields["consumer_id"]]
        consumer.permits += 100000
        request.default()
    lines = [b"%d" % i for i in range(3000)]
    for line in lines:
        fake.publish(topic, line)
    fake.on("FLOW", hook, times=1)
    assert received(daemon, topic, len(lines)) == lines


def test_an_acknowledgement_without_an_answer_is_sent_again(fake, hulsed, topic):
    """Others behind it have their answers."""
    daemon = hulsed(fake.url, operation_timeout="2s")
    fake.on("ACK", faults.ignore, times=1)
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as subscriber:
        fake.wait_for("FLOW")
        for line in LINES:
            fake.publish(topic, line)
            assert subscriber.line() == line
        fake.wait_until(lambda: fake.topic(topic).subscriptions["s"].mark == COUNT, 30,
                        lambda: "all to be acknowledged")


def test_an_assigned_broker_is_followed_at_once(fake, daemon, topic):
    with FakeBroker(topics_of=fake) as other:
        with Background(daemon, "sub", topic, "-s", "s") as subscriber:
            fake.wait_for("FLOW")
            fake.unload(topic, other.url)
            other.wait_for("FLOW")
            assert not other.heard("LOOKUP")
            other.publish(topic, b"a")
            assert subscriber.line() == b"a"


@pytest.mark.parametrize("command", ["PRODUCER", "FLOW"])
def test_brokers_that_send_on_and_on_are_not_followed_for_ever(fake, daemon, topic, command):
    def hook(request):
        request.default()
        fake.later(0, lambda: fake_answers.unload(fake.topics[topic], fake.url))
    fake.on(command, hook)
    words = ["pub", topic, "a"] if command == "PRODUCER" else ["sub", topic, "-s", "s"]
    with Background(daemon, *words):
        fake.wait_for("LOOKUP", count=3)
    assert len(fake.heard(command)) <= 20


def test_what_was_acknowledged_does_not_come_again(fake, daemon, topic):
    for line in LINES:
        fake.publish(topic, line)
    assert received(daemon, topic, 20) == LINES[:20]
    fake.wait_until(lambda: fake.topic(topic).subscriptions["s"].mark == 20)
    fake.drop_all()
    assert received(daemon, topic, COUNT - 20) == LINES[20:]


def test_the_broker_is_away_for_a_while(fake, daemon, topic):
    ok(run(daemon, "pub", topic, "a", timeout=60))
    fake.shut()
    fake.listen()
    ok(run(daemon, "pub", topic, "b", timeout=60))
    assert deduplicated(stored(fake, topic)) == [b"a", b"b"]


def test_a_silent_broker_is_said(fake, hulsed, topic):
    fake.silent = True
    daemon = hulsed(fake.url, connect_timeout="1s")
    done = publish(daemon, topic)
    assert done.returncode != 0
    assert done.stderr
    assert fake.accepted <= 20


def test_a_challenge_is_answered(fake, hulsed, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text("abc\n")
    daemon = hulsed(fake.url, auth={"token_file": str(token)})
    with Background(daemon, "sub", topic, "-s", "s"):
        fake.wait_for("FLOW")
        assert fake.heard("CONNECT")[0].fields["auth_data"] == b"abc"
        token.write_text("def\n")
        fake.challenge()
        answers = fake.wait_for("AUTH_RESPONSE")
        assert answers[0].fields["response"]["auth_data"] in (b"abc", b"def")


# ---- everything at once

FAULTS = {"CONNECT": [faults.drop, faults.fail("ServiceNotReady"), faults.late(0.1), faults.tear(7)],
          "PARTITIONED_METADATA": [faults.drop, faults.fail("ServiceNotReady"), faults.tear(5)],
          "LOOKUP": [faults.drop, faults.fail("MetadataError"), faults.dribble(), faults.garbage()],
          "PRODUCER": [faults.drop, faults.fail("ServiceNotReady"), faults.done_and_drop],
          "SEND": [faults.drop, faults.reset, faults.done_and_drop, faults.tear(11),
                   faults.half_close, faults.garbage(), faults.fail("PersistenceError"),
                   faults.late(0.05), faults.receipt_of_another(1000)],
          "SUBSCRIBE": [faults.drop, faults.fail("ServiceNotReady"), faults.done_and_drop],
          "FLOW": [faults.drop, faults.tear(30)],
          "ACK": [faults.drop, faults.ignore]}


@pytest.mark.timeout(600)
def test_whatever_happens_nothing_is_lost(fake, hulsed, topic):
    """Faults by chance, while one publishes and one consumes. Without deduplication what is stored twice comes twice."""
    seed = int(os.environ.get("HULSE_TEST_SEED", random.randrange(1 << 32)))
    print(f"HULSE_TEST_SEED={seed}")
    chance = random.Random(seed)
    expected, got = [], []
    daemon = hulsed(fake.url, operation_timeout="30s")
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as subscriber:
        reader = threading.Thread(target=lambda: got.extend(
            line.rstrip(b"\n") for line in subscriber.process.stdout))
        reader.start()
        fake.wait_for("SUBSCRIBE")
        for number in range(12):
            for _ in range(2):
                command = chance.choice(sorted(FAULTS))
                fake.on(command, chance.choice(FAULTS[command]), times=1)
            if chance.random() < 0.2:
                fake.unload(topic)
            if chance.random() < 0.1:
                fake.shut()
                fake.listen()
            lines = [b"%d-%d" % (number, i) for i in range(chance.choice([1, 40, 700]))]
            expected += lines
            ok(publish(daemon, topic, lines, timeout=150))
        # A host that has failed so often is left alone for up to a minute.
        fake.wait_until(lambda: set(expected) <= set(got), 150, lambda: "all to be received")
        subscriber.process.terminate()
        reader.join(30)
    assert deduplicated(stored(fake, topic)) == expected
    assert deduplicated(got) == expected
