# SPDX-License-Identifier: Apache-2.0
"""Goal:   retry letters on a real broker: of every subscription type, of partitions, lists and patterns; a chain of retries that we
        began is gone on with by Java's client and the other way round; the broker delays; nothing is lost when a broker or a
        daemon dies.
Method: an application that does what the test says (application.py), hulsed, the real broker, the official clients for
        Python and Java."""

import json
import subprocess
import time

import pytest

import peers
from application import Application
from command import ok, run
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(600)

CONSUME = {"redeliver_max": 2, "retry_letter": "{topic}-{subscription}-RETRY",
           "dead_letter": "{topic}-{subscription}-DLQ", "nack": {"delay": "1ms", "delay_max": "1ms"}}
TYPES = ["exclusive", "shared", "failover", "key_shared"]
QUIET_MS = 1500


@pytest.fixture(name="begin")
def beginner(tmp_path):
    running = []

    def begin(broker, consume=None, **rule):
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps({
            "brokers": {"main": {"type": "pulsar", "service_url": broker.service_url}},
            "topics": [{"match": "**", "consume": {**CONSUME, **(consume or {})}, **rule}]}))
        running.append(Hulsed(tmp_path / "run", args=["--config", config]))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.kill()


def keep(client, *topics):
    """For whoever reads them later."""
    for topic in topics:
        client.subscribe(topic, "look", library.ConsumerType.Shared).close()


def letters(client, topic, count):
    """What is in a topic, of which more than `count` may be there."""
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
def test_it_comes_again_from_the_retry_topic_until_it_is_a_dead_letter(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    keep(client, topic + "-s-RETRY", topic + "-s-DLQ")
    client.create_producer(topic).send(b"x", partition_key="k", properties={"a": "1"},
                                       event_timestamp=1700000000001)
    with Application(daemon, topic, "s", kind) as app:
        (first,) = app.next(1)
        assert first["topic"] == topic
        for attempt in range(2):
            app.retry(attempt, delay_ms=100)
            (m,) = app.next(1)
            assert (m["payload"], m["topic"], m["redelivery"], m["last"]) == ("x", topic + "-s-RETRY", 0, False)
        app.retry(2)
        assert app.next(1, QUIET_MS) == []
        app.close()
    ledger, entry, _ = first["id"]
    told = {"a": "1", "REAL_TOPIC": topic, "REAL_SUBSCRIPTION": "s",
            "ORIGIN_MESSAGE_ID": f"{ledger}:{entry}:-1", "ORIGIN_MESSAGE_IDY_TIME": f"{ledger}:{entry}:-1"}
    found = letters(client, topic + "-s-RETRY", 2)
    assert [m.properties() for m in found] == \
        [{**told, "RECONSUMETIMES": str(times), "DELAY_TIME": "100"} for times in (1, 2)]
    for m in found:
        assert (m.data(), m.partition_key(), m.event_timestamp()) == (b"x", "k", 1700000000001)
    (dead,) = letters(client, topic + "-s-DLQ", 1)
    assert (dead.properties()["RECONSUMETIMES"], dead.properties()["hulse-reason"]) == ("3", "retried")
    nothing_left(daemon, topic, kind)


@pytest.mark.parametrize("kind", ["shared", "key_shared"])
def test_the_broker_delays_it(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    official(pulsar.service_url).create_producer(topic).send(b"x")
    with Application(daemon, topic, "s", kind) as app:
        app.next(1)
        app.retry(0, delay_ms=4000)
        assert app.next(1, QUIET_MS) == []
        (m,) = app.next(1)
        assert m["topic"] == topic + "-s-RETRY"
        app.ack(1)
        app.close()
    nothing_left(daemon, topic, kind)


def test_of_partitions_there_is_one_topic(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    assert pulsar.admin("PUT", f"{topic.replace('://', '/')}/partitions", 3)[0] == 204
    client = official(pulsar.service_url)
    producer = client.create_producer(topic, batching_enabled=False)
    with Application(daemon, topic, "s") as app:
        for n in range(6):
            producer.send(b"%d" % n, partition_key=str(n))
        got = {m["payload"]: m for m in app.next(6)}
        keep(client, topic + "-s-RETRY")
        app.retry(*range(6))
        again = app.next(6)
        assert {m["topic"] for m in again} == {topic + "-s-RETRY"}
        app.ack(*(m["number"] for m in again))
        app.close()
    for m in letters(client, topic + "-s-RETRY", 6):
        ledger, entry, _ = got[m.data().decode()]["id"]
        assert m.properties()["ORIGIN_MESSAGE_ID"].startswith(f"{ledger}:{entry}:{got[m.data().decode()]['partition']}")
        assert m.properties()["REAL_TOPIC"] == topic
    assert len({m["partition"] for m in got.values()}) > 1
    nothing_left(daemon, topic)


def test_a_retry_topic_with_partitions(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    assert pulsar.admin("PUT", f"{topic.replace('://', '/')}-s-RETRY/partitions", 3)[0] == 204
    fill(official(pulsar.service_url), topic, 6)
    with Application(daemon, topic, "s") as app:
        app.next(6)
        app.retry(*range(6))
        again = app.next(6)
        assert {m["topic"] for m in again} == {topic + "-s-RETRY"}
        app.retry(*(m["number"] for m in again))
        app.ack(*(m["number"] for m in app.next(6)))
        app.close()
    nothing_left(daemon, topic)


def test_a_pattern_has_the_retry_topics_of_its_topics(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    client.create_producer(topic + "-a").send(b"a")
    with Application(daemon, topic.removeprefix("persistent://") + "-.*", "s", pattern=0) as app:
        assert app.next(1)[0]["topic"] == topic + "-a"
        client.create_producer(topic + "-b").send(b"b")
        (m,) = app.next(1)
        assert m["topic"] == topic + "-b"
        app.retry(0, 1)
        again = app.next(2)
        assert {m["topic"] for m in again} == {topic + "-a-s-RETRY", topic + "-b-s-RETRY"}
        app.retry(*(m["number"] for m in again))  # they match, too, and stay what they are
        again = app.next(2)
        assert {m["topic"] for m in again} == {topic + "-a-s-RETRY", topic + "-b-s-RETRY"}
        app.ack(*(m["number"] for m in again))
        app.close()
    names = pulsar.admin("GET", "persistent/public/default")[1]
    assert sum(name.startswith(topic) for name in names) == 4


def test_a_seek_moves_the_topic(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    fill(official(pulsar.service_url), topic, 2)
    with Application(daemon, topic, "s") as app:
        app.next(2)
        app.ack(0, 1)
        app.seek(number=1)
        assert app.next(1)[0]["payload"].split() == ["1"]
        app.seek("earliest")
        assert [m["payload"].split() for m in app.next(2)] == [["0"], ["1"]]
        app.close()


def java(jars, broker, mode, case):
    try:
        _, command = peers.java(jars)
    except peers.Missing as why:
        pytest.skip(str(why))
    done = subprocess.run([*command, "Peer", mode, f"url={broker.service_url}"], timeout=180,
                          input=json.dumps([case]), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)[0]["messages"] if done.stdout else None


@pytest.mark.parametrize("first", ["ours", "java"])
def test_java_goes_on_with_our_chain_and_we_with_javas(pulsar, official, begin, topic, jars, first):
    daemon = begin(pulsar, {"redeliver_max": 10})
    client = official(pulsar.service_url)
    retry = topic + "-peer-RETRY"
    keep(client, retry)
    sent = {"payload": "AAECgP8=", "key": "ключ", "ordering_key": "b3Jk", "properties": {"a": "ü"},
            "event_time_ms": 1700000000001}
    with Application(daemon, topic, "peer") as app:
        app.close()
    java(jars, pulsar, "peer-produce", {"topic": topic, "messages": [sent]})
    for who in ["ours", "java", "ours", "java"][first == "java":][:3]:
        if who == "java":
            java(jars, pulsar, "peer-retry", {"topic": topic, "count": 1})
        else:
            with Application(daemon, topic, "peer") as app:
                app.next(1)
                app.retry(0, delay_ms=1)
                app.close()
    found = letters(client, retry, 3)
    told = [m.properties() for m in found]
    assert [each.pop("RECONSUMETIMES") for each in told] == ["1", "2", "3"]
    assert told[0] == told[1] == told[2]
    assert set(told[0]) == {"a", "REAL_TOPIC", "REAL_SUBSCRIPTION", "ORIGIN_MESSAGE_ID", "ORIGIN_MESSAGE_IDY_TIME",
                            "DELAY_TIME"}
    assert {(m.partition_key(), m.ordering_key(), m.data(), m.event_timestamp()) for m in found} == \
        {("ключ", "ord", b"\x00\x01\x02\x80\xff", 1700000000001)}


def fill(client, topic, count):
    producer = client.create_producer(topic, batching_enabled=False)
    for n in range(count):
        producer.send_async(f"{n} ".encode(), lambda *_: None)
    producer.flush()
    producer.close()


def retry_all(daemon, app, topic, count):
    """And let some be stored."""
    assert len(app.next(count)) == count
    app.retry(*range(count), settle=False)
    deadline = time.monotonic() + 60
    while counts(daemon, topic)["retried"] == 0:
        assert time.monotonic() < deadline, counts(daemon, topic)
        time.sleep(0.05)


def every_one(app, topic, count):
    """Each comes, perhaps twice; what comes from its topic is retried once more."""
    came, deadline = set(), time.monotonic() + 120
    while came != set(range(count)):
        assert time.monotonic() < deadline, len(came)
        for m in app.next(count, 1000):
            if m["topic"] == topic:
                app.retry(m["number"], settle=False)
            else:
                came.add(int(m["payload"].split()[0]))
                app.ack(m["number"], settle=False)
    while True:
        try:
            app.settle()
            return
        except AssertionError:  # a broker that has just begun takes its time
            assert time.monotonic() < deadline


@pytest.mark.parametrize("kind", TYPES)
def test_a_daemon_that_is_killed_loses_none(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    fill(official(pulsar.service_url), topic, 500)
    with Application(daemon, topic, "s", kind) as app:
        retry_all(daemon, app, topic, 500)
        daemon.kill()
        daemon = begin(pulsar)
        app.settle()
        every_one(app, topic, 500)
        app.close()
    nothing_left(daemon, topic, kind)


@pytest.mark.ends_broker
def test_a_broker_that_is_killed_loses_none(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    fill(official(pulsar.service_url), topic, 500)
    with Application(daemon, topic, "s") as app:
        retry_all(daemon, app, topic, 500)
        pulsar.kill()
        pulsar.start()
        every_one(app, topic, 500)
        drain(pulsar, app, topic)
        app.close()
    nothing_left(daemon, topic)


def drain(pulsar, app, topic):
    """A broker that is killed forgets acknowledgements: what it sends once more is acknowledged once more."""
    deadline = time.monotonic() + 120
    while pulsar.backlog(topic, "s") + pulsar.backlog(f"{topic}-s-RETRY", "s") > 0:
        assert time.monotonic() < deadline
        app.ack(*(m["number"] for m in app.next(500, 500)))


def test_a_retry_topic_that_takes_none(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    fill(official(pulsar.service_url), topic, 1)
    with Application(daemon, topic, "s") as app:
        app.next(1)
        assert pulsar.admin("POST", f"{topic.replace('://', '/')}-s-RETRY/terminate")[0] in (200, 204)
        app.retry(0)
        (m,) = app.next(1)
        assert (m["topic"], m["payload"].split()) == (topic, ["0"])
        app.ack(1)
        app.close()
    assert counts(daemon, topic)["retry_failed"] >= 1
    nothing_left(daemon, topic)


class Item(library.schema.Record):
    id = library.schema.Long(required=True)
    note = library.schema.String(required=True)


def swapped(tmp_path):
    """Its fields are in another order; what Item writes may look like one of its, of other values."""
    path = tmp_path / "item.avsc"
    path.write_text(json.dumps({"type": "record", "name": "Item", "fields": [
        {"name": "note", "type": "string"}, {"name": "id", "type": "long"}]}))
    return {"file": str(path)}


@pytest.mark.parametrize("validate", [False, True])
def test_a_copy_is_read_as_the_message_was(pulsar, official, begin, tmp_path, topic, validate):
    """Whatever schema the rule gives to those who publish."""
    schema = swapped(tmp_path)
    daemon = begin(pulsar, {"schema": schema}, publish={"schema": schema, "validate": validate})
    client = official(pulsar.service_url)
    client.create_producer(topic, schema=library.schema.AvroSchema(Item)).send(Item(id=2, note="ab"))
    keep(client, topic + "-s-RETRY")
    read = ("\x04ab\x04", True)
    with Application(daemon, topic, "s") as app:
        (m,) = app.next(1)
        assert (m["payload"], m["own_schema"]) == read
        for attempt in range(2):
            app.retry(attempt)
            (m,) = app.next(1)
            assert (m["topic"], m["payload"], m["own_schema"]) == (topic + "-s-RETRY", *read)
        app.retry(2)
        app.close()
    assert counts(daemon, topic + "-s-RETRY")["dead_lettered"] == 1
    assert [m.data() for m in letters(client, topic + "-s-RETRY", 2)] == [b"\x04\x04ab"] * 2


def test_a_dead_letter_topic_that_has_another_schema(pulsar, official, begin, tmp_path, topic):
    """Its broker refuses the message's: the letter is there without one, rather than not at all, and so are those behind it."""
    daemon = begin(pulsar, {"schema": swapped(tmp_path)})
    client = official(pulsar.service_url)
    dead = topic + "-s-DLQ"
    client.create_producer(dead, schema=library.schema.StringSchema()).close()
    keep(client, dead)
    producer = client.create_producer(topic, schema=library.schema.AvroSchema(Item))
    for n in range(2):
        producer.send(Item(id=n, note="ab"))
    with Application(daemon, topic, "s") as app:
        app.next(2)
        app.reject(0, 1)
        app.close()
    assert sorted(m.data() for m in letters(client, dead, 2)) == [b"\x00\x04ab", b"\x02\x04ab"]
    (line,) = daemon.await_lines("letter.schema_refused", topic=dead)
    assert "ncompatible" in line["why"], line
    nothing_left(daemon, topic)


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
@pytest.mark.parametrize("mib", [7, 20])
def test_a_message_in_chunks(pulsar, official, begin, topic, kind, mib):
    """The larger one is more than what a consumer keeps for copies: it comes again first."""
    daemon = begin(pulsar, publish={"chunking": True})
    payload = bytes(range(256)) * (mib << 12)
    client = official(pulsar.service_url)
    keep(client, topic + "-s-RETRY", topic + "-s-DLQ")
    client.create_producer(topic, chunking_enabled=True, batching_enabled=False).send(payload)
    with Application(daemon, topic, "s", kind, reassembly=32 << 20) as app:
        (m,) = app.next(1)
        for attempt in range(2):
            app.retry(attempt, delay_ms=10)
            (m,) = app.next(1)
            assert (m["topic"], m["bytes"]) == (topic + "-s-RETRY", len(payload))
        app.retry(2)
        deadline = time.monotonic() + 60
        while counts(daemon, topic + "-s-RETRY")["dead_lettered"] == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        app.close()
    (dead,) = letters(client, topic + "-s-DLQ", 1)
    assert dead.data() == payload
    nothing_left(daemon, topic, kind)
