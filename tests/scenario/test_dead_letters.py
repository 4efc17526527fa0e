# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an application rejects, refuses for the last time, or ends with goes to the dead-letter topic, with what Pulsar's
        clients say of it, and is acknowledged only then; a last attempt is marked and handed out alone.
Method: applications with the library on the embedded engine; the dead letters are read with `hulse`.
"""

import json
import os
import time

import pytest

from application import Application
from command import ok, run, stats
from conftest import Hulsed

FULL = "persistent://public/default/"
CONSUME = {"redeliver_max": 2, "dead_letter": "{topic}-{subscription}-DLQ",
           "nack": {"delay": "1ms", "delay_max": "1ms"}}
QUIET_MS = 700


@pytest.fixture(name="begin")
def beginner(tmp_path):
    running = []

    def begin(topics=None, **more):
        config = tmp_path / f"hulse-{len(running)}.yaml"
        config.write_text(json.dumps({"name": "orders-pod", "brokers": {"local": {
            "type": "local"}},
            "topics": topics or [{"match": "**", "consume": CONSUME}], **more}))
        running.append(Hulsed(tmp_path / "run", args=["--config", config]))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.kill()


def dead(daemon, count, topic=FULL + "orders-s-DLQ"):
    """So many messages of it, as JSON."""
    out = ok(run(daemon, "sub", topic, "-s", "look", "--from", "earliest", "-n", count, "--no-ack",
                 "--json", "--timeout", "20s"))
    return [json.loads(line) for line in out.splitlines()]


def waiting(daemon, topic=FULL + "orders"):
    """Of the first subscription: what has no acknowledgement."""
    answer = json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))
    return answer["backlog"], answer["refused"]


def refused_twice(daemon, app, delay_ms=0):
    """x, whose last attempt comes after that time."""
    ok(run(daemon, "pub", "orders", "x"))
    for attempt in range(2):
        app.next(1)
        app.nack(attempt, delay_ms=delay_ms * attempt)


def test_letters_wait_for_who_subscribes(begin):
    """Under the name that they are kept for, from the first one on; also over the daemon's death."""
    rule = {"match": "**", "consume": {**CONSUME, "dead_letter_subscription": "kept"}}
    daemon = begin([rule])
    with Application(daemon, "orders", "s", "shared") as app:
        ok(run(daemon, "pub", "orders", "a", "b"))
        app.next(2)
        app.reject(0, 1, reason="bad")
        app.close()
    while waiting(daemon)[0] > 0:
        time.sleep(0.05)
    letters = FULL + "orders-s-DLQ"
    assert json.loads(ok(run(daemon, "subs", "list", letters, "--json")))["subscriptions"] == ["kept"]
    daemon.kill()
    daemon = begin([rule])
    got = ok(run(daemon, "sub", letters, "-s", "kept", "-n", 2, "--timeout", "20s"))
    assert sorted(got.split()) == [b"a", b"b"]


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_a_rejected_message_goes_there_at_once(begin, kind):
    daemon = begin()
    with Application(daemon, "orders", "s", kind) as app:
        ok(run(daemon, "pub", "orders", "bad", "-k", "key", "-p", "a=1", "-p", "hulse-reason=old"))
        ok(run(daemon, "pub", "orders", "good"))
        first, second = app.next(2)
        assert not first["last"]
        app.reject(0, code=7, reason="no such customer")
        app.ack(1)
        assert app.next(1, QUIET_MS) == []
        (letter,) = dead(daemon, 1)
        ledger, entry, _ = first["id"]
        told = letter["properties"]
        assert (letter["payload"], letter["key"]) == ("bad", "key")
        assert abs(int(told.pop("hulse-first-failure")) - time.time() * 1000) < 60000
        told.pop("hulse-app")
        assert told == {"a": "1", "REAL_TOPIC": FULL + "orders", "REAL_SUBSCRIPTION": "s",
                        "ORIGIN_MESSAGE_ID": f"{ledger}:{entry}:-1",
                        "ORIGIN_MESSAGE_IDY_TIME": f"{ledger}:{entry}:-1",
                        "hulse-reason": "rejected", "hulse-detail": "7: no such customer",
                        "hulse-attempts": "1", "hulse-host": "orders-pod"}
        backlog, refused = waiting(daemon)
        assert backlog == 0
        assert (refused["dead_lettered"], refused["dead_letter_failed"]) == (1, 0)
        assert stats(daemon)["totals"]["dead_letters"] == 1
        app.close()


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_the_last_refusal_puts_it_aside(begin, kind):
    daemon = begin()
    with Application(daemon, "orders", "s", kind) as app:
        ok(run(daemon, "pub", "orders", "x"))
        for attempt in range(3):
            (m,) = app.next(1)
            assert (m["redelivery"], m["last"]) == (attempt, attempt == 2)
            app.nack(attempt)
        assert app.next(1, QUIET_MS) == []
        (letter,) = dead(daemon, 1)
        assert letter["properties"]["hulse-reason"] == "refused"
        assert letter["properties"]["hulse-attempts"] == "3"
        assert waiting(daemon)[0] == 0
        app.close()


def test_a_last_attempt_that_is_acknowledged_is_no_dead_letter(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        refused_twice(daemon, app)
        assert app.next(1)[0]["last"]
        app.ack(2)
        app.close()
    backlog, refused = waiting(daemon)
    assert (backlog, refused["dead_lettered"]) == (0, 0)


def test_it_is_handed_out_alone(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        refused_twice(daemon, app, 300)
        ok(run(daemon, "pub", "orders", "y"))
        assert app.next(1)[0]["payload"] == "y"  # held while the last attempt becomes due
        assert app.next(1, QUIET_MS) == []
        ok(run(daemon, "pub", "orders", "z"))
        assert app.next(1, QUIET_MS) == []  # it stands in line behind it
        app.ack(2)
        (m,) = app.next(2, QUIET_MS)
        assert (m["payload"], m["last"]) == ("x", True)
        app.ack(3)
        assert [m["payload"] for m in app.next(1)] == ["z"]
        app.close()


def test_an_application_that_holds_the_others_gets_it_all_the_same(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        refused_twice(daemon, app, 300)
        ok(run(daemon, "pub", "orders", "y"))
        assert app.next(1)[0]["payload"] == "y"
        (m,) = app.next(1, 20000)
        assert (m["payload"], m["last"]) == ("x", True)
        app.kill()  # either may have been the reason
    with Application(daemon, "orders", "s") as app:
        came = []
        for number in range(2):
            came += app.next(1)
            app.ack(number)
        assert sorted(m["payload"] for m in came) == ["x", "y"]
    assert waiting(daemon)[1]["dead_lettered"] == 0


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_whoever_dies_with_it_puts_it_aside(begin, kind):
    daemon = begin()
    ok(run(daemon, "pub", "orders", "x", "y"))
    for attempt in range(3):
        with Application(daemon, "orders", "s", kind) as app:
            (m,) = app.next(1)
            assert (m["payload"], m["redelivery"], m["last"]) == ("x", attempt, attempt == 2)
            app.kill()
    (letter,) = dead(daemon, 1)
    assert letter["properties"]["hulse-reason"] == "application ended"
    with Application(daemon, "orders", "s", kind) as app:
        (m,) = app.next(2, QUIET_MS)
        assert (m["payload"], m["redelivery"]) == ("y", 0)
        app.ack(0)
        app.close()
    assert waiting(daemon)[0] == 0


def test_whoever_only_closes_does_not(begin):
    daemon = begin()
    ok(run(daemon, "pub", "orders", "x"))
    for attempt in range(4):
        with Application(daemon, "orders", "s") as app:
            (m,) = app.next(1)
            assert (m["redelivery"], m["last"]) == (attempt, attempt >= 2)
            app.close()
    assert waiting(daemon)[1]["dead_lettered"] == 0


def test_a_last_attempt_without_a_verdict_in_time(begin):
    daemon = begin([{"match": "**", "consume": {**CONSUME, "redeliver_max": 1, "ack_timeout": "1s"}}])
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        assert [m["last"] for m in app.next(2, 4000)] == [False, True]
        (letter,) = dead(daemon, 1)
        assert letter["properties"]["hulse-reason"] == "timed out"
        app.close()


def test_many_at_once(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", input="".join(f"{n}\n" for n in range(500))))
        assert len(app.next(500)) == 500
        app.reject(*range(0, 500, 2))
        app.ack(*range(1, 500, 2))
        app.close()
    assert sorted(int(m["payload"]) for m in dead(daemon, 250)) == list(range(0, 500, 2))
    assert waiting(daemon)[0] == 0


def test_an_acknowledgement_of_all_leaves_out_what_is_not_stored_yet(begin):
    daemon = begin([{"match": "**-DLQ", "publish": {"rate": 1}}, {"match": "**", "consume": CONSUME}])
    with Application(daemon, "orders", "s", "exclusive") as app:
        ok(run(daemon, "pub", "orders", input="".join(f"{n}\n" for n in range(10))))
        assert len(app.next(10)) == 10
        app.reject(*range(0, 6))  # the first is stored, the others are too many for the topic's rate
        app.ack_cumulative(9)
        assert app.next(1, QUIET_MS) == []
        assert sorted(int(m["payload"]) for m in dead(daemon, 6)) == list(range(6))
        assert [m["payload"] for m in app.next(1, QUIET_MS)] == []
        app.settle()
        app.close()
    backlog, refused = waiting(daemon)
    assert (backlog, refused["dead_lettered"]) == (0, 6)
    assert refused["dead_letter_failed"] >= 5


def test_what_cannot_be_stored_comes_again_and_goes_there_later(begin):
    daemon = begin([{"match": "**-DLQ", "publish": {"auto_create": False}},
                    {"match": "**", "consume": CONSUME}])
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        app.next(1)
        app.reject(0, reason="kept over the failure")
        deadline = time.monotonic() + 20
        while waiting(daemon)[1]["dead_letter_failed"] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert waiting(daemon)[0] == 1
        assert app.next(1, QUIET_MS) == []  # it is not the application's any more
        ok(run(daemon, "topics", "create", FULL + "orders-s-DLQ"))
        (letter,) = dead(daemon, 1)
        assert letter["properties"]["hulse-detail"] == "kept over the failure"
        app.close()
    assert waiting(daemon)[0] == 0


def test_nobody_consumes_without_the_permission_to_put_aside(begin):
    role = {"uids": [os.geteuid()], "produce": [FULL + "orders"], "consume": ["**"]}
    daemon = begin(roles={"tester": role})
    refused = run(daemon, "sub", "orders", "-s", "s", "-n", "1", "--timeout", "5s")
    assert refused.returncode == 77
    assert b"role tester may not produce to the dead-letter topic persistent://public/default/orders-s-DLQ" in refused.stderr
    ok(run(daemon, "read", "orders"))  # a reader puts nothing aside


def test_a_dead_letter_topic_has_no_dead_letters_of_its_own(begin):
    daemon = begin([{"match": "**", "consume": {**CONSUME, "dead_letter": "dead"}}])
    with Application(daemon, "dead", "s") as app:
        ok(run(daemon, "pub", "dead", "x"))
        for attempt in range(4):
            (m,) = app.next(1)
            assert (m["redelivery"], m["last"]) == (attempt, False)
            app.nack(attempt)
        with pytest.raises(AssertionError, match="not configured"):
            app.reject(3)


def test_of_several_topics_each_has_its_own(begin):
    daemon = begin([{"match": "**/plain", "consume": {"nack": CONSUME["nack"]}}, {"match": "**", "consume": CONSUME}])
    with Application(daemon, "orders", "s", topics=["bills", "plain"]) as app:
        for topic in ("orders", "bills", "plain"):
            ok(run(daemon, "pub", topic, f"of {topic}"))
        got = {m["payload"]: m["number"] for m in app.next(3)}
        app.reject(got["of orders"])
        app.ack(got["of plain"])
        app.nack(got["of bills"])
        for attempt in (1, 2):
            (m,) = app.next(1)
            assert (m["payload"], m["redelivery"], m["last"]) == ("of bills", attempt, attempt == 2)
            app.nack(m["number"])
        assert app.next(1, QUIET_MS) == []
        app.close()
    for topic, reason in (("orders", "rejected"), ("bills", "refused")):
        (letter,) = dead(daemon, 1, f"{FULL}{topic}-s-DLQ")
        told = letter["properties"]
        assert (letter["payload"], told["REAL_TOPIC"], told["hulse-reason"]) == \
            (f"of {topic}", FULL + topic, reason)
        backlog, refused = waiting(daemon, FULL + topic)
        assert (backlog, refused["dead_lettered"]) == (0, 1)
    assert waiting(daemon, FULL + "plain")[0] == 0


SLOW = [{"match": "**-DLQ", "publish": {"rate": 20}}, {"match": "**", "consume": CONSUME}]


def reject_all(daemon, app, count):
    """And let some be stored."""
    ok(run(daemon, "pub", "orders", input="".join(f"{n}\n" for n in range(count))))
    assert len(app.next(count)) == count
    app.ask("verdicts", how="reject", numbers=list(range(count)), settle=False)
    deadline = time.monotonic() + 20
    while waiting(daemon)[1]["dead_lettered"] == 0:
        assert time.monotonic() < deadline


def every_one(daemon, count):
    """Each is in the dead-letter topic, perhaps twice."""
    out = ok(run(daemon, "read", FULL + "orders-s-DLQ", "--json"))
    letters = [int(json.loads(line)["payload"]) for line in out.splitlines()]
    assert set(letters) == set(range(count))
    assert len(letters) <= 2 * count
    assert waiting(daemon)[0] == 0


def test_a_daemon_that_is_killed_loses_none(begin):
    daemon = begin(SLOW)
    with Application(daemon, "orders", "s") as app:
        reject_all(daemon, app, 100)
        daemon.kill()
        app.kill()
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        came = app.next(100, QUIET_MS)
        assert 0 < len(came) <= 100
        app.reject(*range(len(came)))
        app.close()
    every_one(daemon, 100)


def test_an_application_that_lives_on_sees_none_of_them_again(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        reject_all(daemon, app, 2000)
        daemon.kill()
        daemon = begin()
        app.settle()
        assert app.next(1, QUIET_MS) == []
        app.close()
    every_one(daemon, 2000)
