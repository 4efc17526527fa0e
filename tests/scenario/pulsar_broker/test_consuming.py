# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an application of hulsed does with its messages is what the broker and the official clients see of it:
        held, acknowledged one by one or up to one, refused.
Method: an application that does what the test says (application.py), hulsed, the real broker, the official client."""

import json

import pytest

from application import Application
from command import stats
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)

MEMORY_MAX = 64 << 20
LARGE_BYTES = 200_000
MANY = 500
QUIET_MS = 1500
TYPES = ["exclusive", "shared", "failover", "key_shared"]


@pytest.fixture(name="begin")
def beginner(tmp_path):
    running = []

    def begin(broker, consume=None, **more):
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps({
            "brokers": {"main": {"type": "pulsar", "service_url": broker.service_url}},
            "topics": [{"match": "**", "consume": consume or {}}], **more}))
        running.append(Hulsed(tmp_path / f"run-{len(running)}", args=["--config", config]))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.kill()


def numbers(messages):
    return [int(m["payload"].split()[0]) for m in messages]


@pytest.mark.parametrize("kind", ["exclusive", "failover"])
def test_what_is_held_does_not_fill_the_memory(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar, memory_max=MEMORY_MAX)
    producer = official(pulsar.service_url).create_producer(topic, batching_enabled=False)
    for n in range(MANY):
        producer.send_async(f"{n} ".encode().ljust(LARGE_BYTES), lambda *_: None)
    producer.flush()
    with Application(daemon, topic, "s", kind, reassembly=1 << 20) as app:
        assert numbers(app.next(MANY)) == list(range(MANY))
        assert stats(daemon)["memory"]["used"] < MEMORY_MAX
        app.nack(0, 300, MANY - 1, delay_ms=1)
        again = app.next(3)
        assert numbers(again) == [0, 300, MANY - 1]
        assert [m["redelivery"] for m in again] == [1, 1, 1]
        producer.send(b"%d" % MANY)
        assert numbers(app.next(1)) == [MANY]
        app.ack_cumulative(MANY + 3)
        app.close()
    assert daemon.lines("pulsar.consumer_renewed") == []
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", TYPES)
def test_without_a_verdict_in_time_it_comes_again(pulsar, official, begin, topic, kind):
    daemon = begin(pulsar, {"ack_timeout": "1s"})
    producer = official(pulsar.service_url).create_producer(topic, batching_enabled=False)
    for n in range(3):
        producer.send(b"%d" % n)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(3)) == [0, 1, 2]
        app.ack(1)
        again = app.next(2)
        assert sorted(numbers(again)) == [0, 2]
        assert [m["redelivery"] for m in again] == [1, 1]
        app.ack(0, 2)  # too late: they were taken back
        app.ack(3, 4)
        assert app.next(1, QUIET_MS) == []
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []
