# SPDX-License-Identifier: Apache-2.0
"""Goal:   dead letters on a real broker: what ours puts aside the official clients read as they read Java's own, and the other way
        round; counts are the broker's; nothing is lost when a broker or a daemon dies, or the dead-letter topic does not
        take it; what does not fit the memory is put aside all the same.
Method: an application that does what the test says (application.py), hulsed, the real broker, the official clients for
        Python and Java."""

import json
import subprocess
import time

import pytest

import peers
from application import Application
from command import ok, run, stats

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(600)

CONSUME = {"redeliver_max": 1, "dead_letter": "{topic}-{subscription}-DLQ",
           "nack": {"delay": "1ms", "delay_max": "1ms"}}
TYPES = ["exclusive", "shared", "failover", "key_shared"]
QUIET_MS = 1500
OURS = ("hulse-reason", "hulse-detail", "hulse-attempts", "hulse-host", "hulse-app", "hulse-first-failure")


@pytest.fixture(name="begin")
def beginner(begin):
    return lambda broker, topics=(), **more: begin(
        broker, topics=[*topics, {"match": "**", "consume": CONSUME}], **more)


def subscribed(client, topic, name="s", **options):
    """So that nothing is lost for want of a subscription."""
    client.subscribe(topic, name, library.ConsumerType.Shared,
                     initial_position=library.InitialPosition.Earliest, **options).close()


def letters(client, topic, count):
    """What is in a dead-letter topic, of which more than `count` may be there."""
    reader = client.create_reader(topic, library.MessageId.earliest)
    got = [reader.read_next(20000) for _ in range(count)]
    while reader.has_message_available():
        got.append(reader.read_next(20000))
    reader.close()
    return got


def counts(daemon, topic):
    return json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))["refused"]


def nothing_left(daemon, topic, kind="shared"):
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []
        app.close()


@pytest.mark.parametrize("kind", TYPES)
def test_the_last_refusal(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    client.create_producer(topic).send(b"x", partition_key="k", properties={"a": "1"},
                                       event_timestamp=1700000000001)
    with Application(daemon, topic, "s", kind) as app:
        for attempt in range(2):
            (m,) = app.next(1)
            assert (m["redelivery"], m["last"]) == (attempt, attempt == 1)
            app.nack(attempt)
        assert app.next(1, QUIET_MS) == []
        app.close()
    (letter,) = letters(client, topic + "-s-DLQ", 1)
    assert (letter.data(), letter.partition_key()) == (b"x", "k")
    assert letter.event_timestamp() == 1700000000001
    told = letter.properties()
    assert (told["a"], told["hulse-reason"], told["hulse-attempts"]) == ("1", "refused", "2")
    nothing_left(daemon, topic, kind)


def test_letters_wait_for_who_subscribes(pulsar, official, begin, topic):
    """A broker keeps nothing of a topic without a subscription; this one comes with the first letter."""
    consume = {**CONSUME, "dead_letter_subscription": "kept"}
    daemon = begin(pulsar, [{"match": "**", "consume": consume}])
    client = official(pulsar.service_url)
    for n in range(3):
        client.create_producer(topic).send(b"%d" % n)
    with Application(daemon, topic, "s") as app:
        app.next(3)
        app.reject(0, 1, 2, reason="bad")
        app.close()
    place = (topic + "-s-DLQ").replace("://", "/")
    await_letters(daemon, topic, 3)
    assert pulsar.admin("GET", place + "/subscriptions")[1] == ["kept"]
    consumer = client.subscribe(topic + "-s-DLQ", "kept")
    assert sorted(consumer.receive(20000).data() for _ in range(3)) == [b"0", b"1", b"2"]


def test_of_a_batch_only_the_rejected(pulsar_of_parts, official, begin, topic):
    daemon = begin(pulsar_of_parts)
    client = official(pulsar_of_parts.service_url)
    producer = client.create_producer(topic, batching_enabled=True, batching_max_messages=10,
                                      batching_max_publish_delay_ms=10000)
    for n in range(10):
        producer.send_async(b"%d" % n, lambda *_: None)
    producer.flush()
    with Application(daemon, topic, "s") as app:
        got = app.next(10)
        app.reject(3, 7, reason="bad")
        app.ack(*(n for n in range(10) if n not in (3, 7)))
        app.close()
    found = letters(client, topic + "-s-DLQ", 2)
    assert sorted(m.data() for m in found) == [b"3", b"7"]
    ledger, entry, _ = got[3]["id"]
    assert found[0].properties()["ORIGIN_MESSAGE_ID"] in (f"{ledger}:{entry}:-1:3", f"{ledger}:{entry}:-1:7")
    nothing_left(daemon, topic)


def test_of_partitions_there_is_one_topic(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    path = topic.replace("://", "/")
    assert pulsar.admin("PUT", f"{path}/partitions", 3)[0] == 204
    client = official(pulsar.service_url)
    producer = client.create_producer(topic, batching_enabled=False)
    for n in range(6):
        producer.send(b"%d" % n, partition_key=str(n))
    with Application(daemon, topic, "s") as app:
        got = {m["payload"]: m for m in app.next(6)}
        app.reject(*range(6))
        app.close()
    found = letters(client, topic + "-s-DLQ", 6)
    for m in found:
        ledger, entry, _ = got[m.data().decode()]["id"]
        partition = got[m.data().decode()]["partition"]
        assert m.properties()["ORIGIN_MESSAGE_ID"].startswith(f"{ledger}:{entry}:{partition}")
        assert m.properties()["REAL_TOPIC"] == topic
    assert len({got[m.data().decode()]["partition"] for m in found}) > 1


def java(jars, broker, mode, case):
    _, command = peers.java(jars)
    done = subprocess.run([*command, "Peer", mode, f"url={broker.service_url}"], timeout=180,
                          input=json.dumps([case]), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)[0]["messages"] if done.stdout else None


def test_as_java_says_it(pulsar, begin, topic, jars):
    """Its own dead letter of a message and ours differ in what we add, and nothing else."""
    try:
        peers.java(jars)
    except peers.Missing as why:
        pytest.skip(str(why))
    daemon = begin(pulsar)
    sent = {"payload": "AAECgP8=", "key": "ключ", "ordering_key": "b3Jk", "properties": {"a": "ü", "REAL_TOPIC": "first"},
            "event_time_ms": 1700000000001}
    java(jars, pulsar, "peer-produce", {"topic": topic, "messages": [sent]})
    with Application(daemon, topic, "peer2") as app:
        app.next(1)
        app.reject(0)
        app.close()
    (theirs,) = java(jars, pulsar, "peer-refuse", {"topic": topic, "count": 1})
    (ours,) = java(jars, pulsar, "peer-consume", {"topic": topic + "-peer2-DLQ", "count": 1})
    for name in OURS:
        ours["properties"].pop(name)
    assert ours["properties"].pop("REAL_SUBSCRIPTION") == "peer2"
    assert theirs["properties"].pop("REAL_SUBSCRIPTION") == "peer"
    assert ours == theirs
    assert ours["properties"]["REAL_TOPIC"] == "first"


def test_javas_is_a_message_like_any_other(pulsar, begin, topic, jars):
    """And, put aside once more, says still where it came from."""
    try:
        peers.java(jars)
    except peers.Missing as why:
        pytest.skip(str(why))
    daemon = begin(pulsar)
    java(jars, pulsar, "peer-produce", {"topic": topic, "messages": [{"payload": "eA=="}]})
    (theirs,) = java(jars, pulsar, "peer-refuse", {"topic": topic, "count": 1})
    with Application(daemon, topic + "-peer-DLQ", "s") as app:
        app.next(1)
        app.reject(0)
        app.close()
    (again,) = java(jars, pulsar, "peer-consume", {"topic": topic + "-peer-DLQ-s-DLQ", "count": 1})
    assert theirs["properties"].items() <= again["properties"].items()


def test_pythons_count_is_ours(pulsar, official, begin, topic):
    """Refused elsewhere, it is here for the last time."""
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    client.create_producer(topic).send(b"x")
    consumer = client.subscribe(topic, "s", library.ConsumerType.Shared, negative_ack_redelivery_delay_ms=100,
                                initial_position=library.InitialPosition.Earliest)
    for _ in range(3):
        consumer.negative_acknowledge(consumer.receive(20000))
    with Application(daemon, topic, "s") as app:
        consumer.close()  # the broker counts as long as somebody is there
        (m,) = app.next(1)
        assert m["last"] and m["redelivery"] >= 2  # above the number, and unseen here
        app.kill()
    (letter,) = letters(client, topic + "-s-DLQ", 1)
    assert letter.properties()["hulse-reason"] == "application ended"
    nothing_left(daemon, topic)


def fill(client, topic, count, size=1):
    producer = client.create_producer(topic, batching_enabled=False)
    for n in range(count):
        producer.send_async(f"{n} ".encode().ljust(size), lambda *_: None)
    producer.flush()
    producer.close()


def await_letters(daemon, topic, count, name="dead_lettered"):
    deadline = time.monotonic() + 60
    while counts(daemon, topic)[name] < count:
        assert time.monotonic() < deadline, counts(daemon, topic)
        time.sleep(0.05)


def reject_all(daemon, app, topic, count):
    """Until the first ones are put aside."""
    assert len(app.next(count)) == count
    app.ask("verdicts", how="reject", numbers=list(range(count)), settle=False)
    await_letters(daemon, topic, 1)


def numbers(messages):
    return {int(m.data().split()[0]) for m in messages}


def test_a_daemon_that_is_killed_loses_none(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    fill(client, topic, 500)
    with Application(daemon, topic, "s") as app:
        reject_all(daemon, app, topic, 500)
        daemon.kill()
        daemon = begin(pulsar)
        app.settle()
        assert app.next(1, QUIET_MS) == []
        app.close()
    assert numbers(letters(client, topic + "-s-DLQ", 500)) == set(range(500))
    nothing_left(daemon, topic)


@pytest.mark.ends_broker
def test_a_broker_that_is_killed_loses_none(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    fill(client, topic, 500)
    with Application(daemon, topic, "s") as app:
        reject_all(daemon, app, topic, 500)
        pulsar.kill()
        pulsar.start()
        deadline = time.monotonic() + 120
        while (found := numbers(letters(official(pulsar.service_url), topic + "-s-DLQ", 1))) != set(range(500)):
            assert time.monotonic() < deadline, len(found)
            for m in app.next(500, 1000):  # whose letter was lost with the daemon's note of it
                app.reject(m["number"])
        app.close()
    nothing_left(daemon, topic)


def test_a_topic_that_takes_none(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    dead = topic + "-s-DLQ"
    subscribed(client, dead)
    path = dead.replace("://", "/")
    assert pulsar.admin("POST", f"{path}/terminate")[0] in (200, 204)
    fill(client, topic, 1)
    with Application(daemon, topic, "s") as app:
        app.next(1)
        app.reject(0, reason="kept")
        await_letters(daemon, topic, 2, "dead_letter_failed")
        assert app.next(1, QUIET_MS) == []
        assert pulsar.admin("DELETE", f"{path}?force=true")[0] == 204
        await_letters(daemon, topic, 1)
        app.close()
    (letter,) = letters(client, dead, 1)
    assert letter.properties()["hulse-detail"] == "kept"
    nothing_left(daemon, topic)


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_what_does_not_fit_the_memory_comes_again_first(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar, memory_max=64 << 20)
    client = official(pulsar.service_url)
    fill(client, topic, 300, 200_000)
    with Application(daemon, topic, "s", kind, reassembly=1 << 20) as app:
        assert len(app.next(300)) == 300
        assert stats(daemon)["memory"]["used"] < 64 << 20
        app.reject(0, 299, reason="large")
        app.ack(*range(1, 299))
        assert app.next(1, 3000) == []
        app.close()
    found = letters(client, topic + "-s-DLQ", 2)
    assert numbers(found) == {0, 299}
    assert {m.properties()["hulse-detail"] for m in found} == {"large"}
    nothing_left(daemon, topic, kind)
