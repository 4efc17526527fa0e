# SPDX-License-Identifier: Apache-2.0
"""Goal:   reading begins, and goes on, where the user says: at a message, at a time, at an end; also when the daemon is
        killed in between. What a broker cannot is refused.
Method: `hulse read`, applications with the library, hulsed, the real broker, messages of the official client."""

import datetime
import time

import pytest

from application import Application
from command import Background, ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

HALF = 10
PAUSE_S = 0.05
QUIET_MS = 1500
AHEAD_S = 600


@pytest.fixture(name="filled")
def fill(official, topic):
    """Two halves with a moment between them; the ids and that moment."""
    def send(broker, batched):
        producer = official(broker.service_url).create_producer(
            topic, batching_enabled=batched, batching_max_publish_delay_ms=1000)
        ids = []
        for half in range(2):
            time.sleep(PAUSE_S)
            between = time.time()
            time.sleep(PAUSE_S)
            for n in range(half * HALF, (half + 1) * HALF):
                producer.send_async(b"%d" % n, lambda _, message_id: ids.append(message_id))
            producer.flush()
        return ids, between

    return send


def numbers(messages):
    return [int(m["payload"].split()[0]) for m in messages]


def printed(output):
    return [int(line) for line in output.split()]


def name_of(message_id):
    parts = [message_id.ledger_id(), message_id.entry_id(), 0, message_id.batch_index()]
    return ":".join(map(str, parts))


@pytest.mark.parametrize("batched", [False, True])
def test_read_begins_at_a_message_or_a_time(pulsar, hulsed, filled, topic, batched):
    ids, between = filled(pulsar, batched)
    daemon = hulsed(pulsar.service_url)
    everything = list(range(2 * HALF))
    for first in (0, 3, HALF, 2 * HALF - 1):
        got = printed(ok(run(daemon, "read", topic, "--from", name_of(ids[first]))))
        assert got == everything[first:]
    moment = datetime.datetime.fromtimestamp(between, datetime.timezone.utc)
    text = moment.isoformat(timespec="milliseconds")
    assert printed(ok(run(daemon, "read", topic, "--from", text))) == everything[HALF:]
    assert printed(ok(run(daemon, "read", topic, "--from", "-10m"))) == everything
    future = (moment + datetime.timedelta(hours=1)).isoformat(timespec="seconds")
    assert printed(ok(run(daemon, "read", topic, "--from", future))) == []
    behind = f"{ids[-1].ledger_id()}:{ids[-1].entry_id() + 1}"
    assert printed(ok(run(daemon, "read", topic, "--from", behind))) == []


def test_a_new_subscription_begins_at_an_end_only(pulsar, hulsed, topic):
    daemon = hulsed(pulsar.service_url)
    for where in ("1:2", "-1m"):
        refused = run(daemon, "sub", topic, "-s", "s", "--from", where)
        assert refused.returncode == 69
        assert b"earliest or latest" in refused.stderr


def test_a_topic_that_keeps_nothing_is_read_to_its_end_at_once(pulsar, hulsed, topic):
    daemon = hulsed(pulsar.service_url)
    where = topic.replace("persistent:", "non-persistent:")
    ok(run(daemon, "pub", where, "1"))
    assert ok(run(daemon, "read", where)) == b""


@pytest.mark.parametrize("kind", ["exclusive", "shared", "failover", "key_shared"])
def test_a_consumer_is_moved(pulsar, hulsed, filled, topic, kind):
    _, between = filled(pulsar, False)
    daemon = hulsed(pulsar.service_url)
    with Application(daemon, topic, "s", kind) as app:
        assert numbers(app.next(HALF)) == list(range(HALF))
        app.ack(*range(5))
        app.seek(number=3)
        again = app.next(2 * HALF - 3)
        assert numbers(again) == list(range(3, 2 * HALF))
        app.ack(0, 1)  # of before: no effect
        app.seek(time_ms=int(between * 1000))
        assert numbers(app.next(HALF)) == list(range(HALF, 2 * HALF))
        app.seek("earliest")
        first = app.next(2 * HALF)
        assert numbers(first) == list(range(2 * HALF))
        app.ack(*(m["number"] for m in first))
        app.close()
    with Application(daemon, topic, "s", kind) as app:
        assert app.next(1, QUIET_MS) == []
        app.seek("earliest")
        assert numbers(app.next(1)) == [0]
        app.seek("latest")
        assert app.next(1, QUIET_MS) == []


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_a_clock_that_is_ahead_loses_nothing(pulsar, hulsed, filled, topic, kind):
    """What is published after the move is handed out, although its time is before the one that was moved to."""
    filled(pulsar, False)
    daemon = hulsed(pulsar.service_url)
    with Application(daemon, topic, "s", kind) as app:
        app.seek(time_ms=int((time.time() + AHEAD_S) * 1000))
        filled(pulsar, False)
        assert numbers(app.next(2 * HALF)) == list(range(2 * HALF))


def test_what_an_earlier_daemon_delivered_comes_again(pulsar, hulsed, filled, topic):
    """The application holds it still; without the move the next daemon's redelivery is kept from it."""
    filled(pulsar, False)
    daemon = hulsed(pulsar.service_url)
    with Application(daemon, topic, "s", "exclusive") as app:
        assert numbers(app.next(HALF)) == list(range(HALF))
        daemon.kill()
        daemon = hulsed(pulsar.service_url)
        assert numbers(app.next(HALF)) == list(range(HALF, 2 * HALF))
        app.seek("earliest")
        again = app.next(2 * HALF)
        assert numbers(again) == list(range(2 * HALF))
        app.ack(*(m["number"] for m in again))
        app.close()
    with Application(daemon, topic, "s", "exclusive") as app:
        assert app.next(1, QUIET_MS) == []


def test_a_reader_that_was_moved_goes_on_there(pulsar, hulsed, filled, topic):
    """The daemon is killed before the reader has been given anything of there."""
    ids, _ = filled(pulsar, False)
    daemon = hulsed(pulsar.service_url)
    with Background(daemon, "read", topic, "--follow", "--from", name_of(ids[7])) as reader:
        reader.await_error_line("reading")
        daemon.kill()
        hulsed(pulsar.service_url)
        assert [int(reader.line()) for _ in range(2 * HALF - 7)] == list(range(7, 2 * HALF))
