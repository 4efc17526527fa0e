# SPDX-License-Identifier: Apache-2.0
"""Goal:   of a compacted topic a reader, or the one consumer of a subscription, gets the last message of each key and all that
        came later, as the official client does: from batches too, over partitions, over the daemon's death. Who cannot have
        that is refused with the rule.
Method: hulsed, the real broker, which is told to compact; the official client publishes, and reads beside ours."""

import json
import time

import pytest

from command import Background, ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)

COMPACT_S = 240
KEYS = 3
ROUNDS = 10
BATCHES = {"single": {"batching_enabled": False},
           "batched": {"batching_enabled": True, "batching_max_publish_delay_ms": 1000,
                       "batching_max_messages": 7}}


def path_of(topic):
    return topic.replace("://", "/", 1)


def compact(broker, topic, partitions=0):
    assert broker.admin("PUT", f"{path_of(topic)}/compaction")[0] == 204
    parts = [f"{topic}-partition-{i}" for i in range(partitions)] or [topic]
    for part in parts:
        until = time.monotonic() + COMPACT_S
        state = "NOT_RUN"
        while state in ("NOT_RUN", "RUNNING") and time.monotonic() < until:
            time.sleep(0.05)
            state = broker.admin("GET", f"{path_of(part)}/compaction")[1]["status"]
        assert state == "SUCCESS", part


def publish(client, topic, values, **options):
    """Of value n the key is n % KEYS."""
    producer = client.create_producer(topic, **options)
    for n in values:
        producer.send_async(b"%d" % n, lambda *_: None, partition_key=f"k{n % KEYS}")
    producer.flush()
    producer.close()


def delete(daemon, topic, key):
    ok(run(daemon, "pub", topic, "--json-lines", input=json.dumps({"tombstone": True, "key": key}) + "\n"))


def values(output):
    """In their order; of a tombstone None."""
    return [m.get("payload") and int(m["payload"]) for m in map(json.loads, output.splitlines())]


def read(daemon, topic, *more):
    return values(ok(run(daemon, "read", topic, "--json", "--timeout", "30s", *more)))


def read_officially(client, topic):
    reader = client.create_reader(topic, library.MessageId.earliest, is_read_compacted=True)
    got = []
    while reader.has_message_available():
        got.append(reader.read_next(20000).data())
    reader.close()
    return [int(value) for value in got if value]  # it hands out what is gone of a batch, empty


LAST = list(range(KEYS * ROUNDS - KEYS, KEYS * ROUNDS))


@pytest.mark.parametrize("batch", BATCHES)
def test_a_reader_gets_the_last_of_each_key(pulsar, official, begin, topic, batch):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    publish(client, topic, range(KEYS * ROUNDS), **BATCHES[batch])
    assert read(daemon, topic, "--compacted") == list(range(KEYS * ROUNDS))
    compact(pulsar, topic)
    assert read(daemon, topic, "--compacted") == LAST == read_officially(client, topic)
    assert read(daemon, topic) == list(range(KEYS * ROUNDS))
    assert read(daemon, topic, "--compacted", "-n", "1") == LAST[:1]


@pytest.mark.parametrize("batch", BATCHES)
def test_a_deleted_key_is_gone_and_what_is_behind_comes_whole(pulsar, official, begin, topic, batch):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    publish(client, topic, range(KEYS * ROUNDS), **BATCHES[batch])
    delete(daemon, topic, f"k{LAST[-1] % KEYS}")
    compact(pulsar, topic)
    assert read(daemon, topic, "--compacted") == LAST[:-1]  # and ends, though the last message is gone
    publish(client, topic, [90, 93], **BATCHES[batch])
    delete(daemon, topic, "k1")
    assert read(daemon, topic, "--compacted") == [*LAST[:-1], 90, 93, None]


@pytest.mark.parametrize("kind", ["exclusive", "failover"])
def test_a_subscription_of_one_consumer_may(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    publish(client, topic, range(KEYS * ROUNDS), **BATCHES["single"])
    compact(pulsar, topic)
    publish(client, topic, [90], **BATCHES["single"])
    sub = ("sub", topic, "-s", "s", "-t", kind, "--from", "earliest", "--compacted", "--json", "--timeout", "30s")
    assert values(ok(run(daemon, *sub, "-n", "2"))) == LAST[:2]
    assert values(ok(run(daemon, *sub, "-n", "2"))) == [LAST[2], 90]


def test_over_partitions(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    assert pulsar.admin("PUT", f"{path_of(topic)}/partitions", 3)[0] == 204
    publish(client, topic, range(KEYS * ROUNDS), **BATCHES["single"])
    compact(pulsar, topic, partitions=3)
    assert sorted(read(daemon, topic, "--compacted")) == LAST


@pytest.mark.parametrize("batch", BATCHES)
def test_a_reader_goes_on_after_the_daemons_death(pulsar, official, begin, topic, batch):
    """What it has is compacted away meanwhile, the message that it was given last, too."""
    client = official(pulsar.service_url)
    publish(client, topic, range(KEYS * ROUNDS), **BATCHES[batch])
    compact(pulsar, topic)
    daemon = begin(pulsar)
    with Background(daemon, "read", topic, "--compacted", "--follow", "--json") as reader:
        got = values(b"\n".join(reader.line() for _ in range(KEYS)))
        daemon.kill()
        publish(client, topic, [90, 91, 93, 94, 95], **BATCHES[batch])
        compact(pulsar, topic)
        publish(client, topic, [96], **BATCHES[batch])
        begin(pulsar)
        got += values(b"\n".join(reader.line() for _ in range(4)))
    assert got == [*LAST, 93, 94, 95, 96]


def test_who_cannot_is_refused(pulsar, begin, topic):
    daemon = begin(pulsar, topics=[{"match": "*://*/own/**", "broker": "own"}], brokers={
        "main": {"type": "pulsar", "service_url": pulsar.service_url}, "own": {"type": "local"}})
    for kind in ("shared", "key_shared"):
        refused = run(daemon, "sub", topic, "-s", "s", "-t", kind, "--compacted")
        assert refused.returncode != 0
        assert "only a reader, or an exclusive or failover subscription" in refused.stderr.decode()
    volatile = topic.replace("persistent", "non-persistent", 1)
    refused = run(daemon, "read", volatile, "--compacted")
    assert refused.returncode != 0 and "keeps nothing to compact" in refused.stderr.decode()
    refused = run(daemon, "read", "persistent://public/own/t", "--compacted")
    assert refused.returncode == 69
    assert "a broker of type local has no compacted topics" in refused.stderr.decode()
