# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an application wants to see later goes to the retry topic, with what Pulsar's clients say of it, is acknowledged
        only then, and comes to the same consumer from there; more often than redeliver_max to the dead-letter topic.
Method: applications with the library on the embedded engine; what is in the topics is read with `hulse`.
"""

import json
import os
import time

import pytest

from application import Application
from command import ok, run, stats
from conftest import Hulsed

FULL = "persistent://public/default/"
CONSUME = {"redeliver_max": 2, "retry_letter": "{topic}-{subscription}-RETRY",
           "dead_letter": "{topic}-{subscription}-DLQ", "nack": {"delay": "1ms", "delay_max": "1ms"}}
RETRY, DEAD = FULL + "orders-s-RETRY", FULL + "orders-s-DLQ"
QUIET_MS = 700
KINDS = ["exclusive", "shared"]


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


def keep(daemon, *topics):
    """What comes there stays, for another subscription."""
    for topic in topics:
        with Application(daemon, topic, "look") as app:
            app.close()


def all_of(daemon, topic):
    """What is in it, as JSON."""
    return [json.loads(line) for line in ok(run(daemon, "read", topic, "--json")).splitlines()]


def waiting(daemon, topic=FULL + "orders"):
    """Of the subscription: what has no acknowledgement; and what the topic has counted."""
    (mine,) = json.loads(ok(run(daemon, "subs", "stats", topic, "s", "--json")))["subscriptions"]
    return mine["backlog"], json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))["refused"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_again_from_the_retry_topic_until_it_is_a_dead_letter(begin, kind):
    daemon = begin()
    keep(daemon, RETRY, DEAD)
    with Application(daemon, "orders", "s", kind) as app:
        ok(run(daemon, "pub", "orders", "x", "-k", "key", "-p", "a=1", "-p", "DELAY_TIME=old"))
        first, *_ = app.next(1)
        assert first["topic"] == FULL + "orders"
        for attempt in range(2):
            app.retry(attempt, delay_ms=10)
            (m,) = app.next(1)
            assert (m["payload"], m["topic"], m["redelivery"], m["last"]) == ("x", RETRY, 0, False)
        app.retry(2)
        assert app.next(1, QUIET_MS) == []
        app.close()
    ledger, entry, _ = first["id"]
    letters = all_of(daemon, RETRY)
    told = {"a": "1", "REAL_TOPIC": FULL + "orders", "REAL_SUBSCRIPTION": "s",
            "ORIGIN_MESSAGE_ID": f"{ledger}:{entry}:-1", "ORIGIN_MESSAGE_IDY_TIME": f"{ledger}:{entry}:-1"}
    assert [(m["payload"], m["key"]) for m in letters] == [("x", "key")] * 2
    assert [m["properties"] for m in letters] == \
        [{**told, "RECONSUMETIMES": str(times), "DELAY_TIME": "10"} for times in (1, 2)]
    (dead,) = all_of(daemon, DEAD)
    more = dead["properties"]
    assert {name: more[name] for name in told} == told
    assert (more["RECONSUMETIMES"], more["DELAY_TIME"], more["hulse-reason"]) == ("3", "0", "retried")
    assert waiting(daemon)[0] == 0 and waiting(daemon, RETRY)[0] == 0
    assert waiting(daemon)[1]["retried"] == 1 and waiting(daemon, RETRY)[1]["retried"] == 1
    assert waiting(daemon, RETRY)[1]["dead_lettered"] == 1
    totals = stats(daemon)["totals"]
    assert (totals["retry_letters"], totals["retry_letters_failed"], totals["dead_letters"]) == (2, 0, 1)


def test_without_a_delay_it_comes_at_once(begin):
    daemon = begin()
    keep(daemon, RETRY)
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        app.next(1)
        app.retry(0)
        assert app.next(1)[0]["topic"] == RETRY
        app.ack(1)
        app.close()
    assert all_of(daemon, RETRY)[0]["properties"]["DELAY_TIME"] == "0"
    assert waiting(daemon)[0] == 0 and waiting(daemon, RETRY)[0] == 0


def test_without_a_dead_letter_topic_it_is_retried_for_ever(begin):
    daemon = begin([{"match": "**", "consume": {**CONSUME, "dead_letter": None}}])
    keep(daemon, RETRY)
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        for attempt in range(6):
            app.next(1)
            app.retry(attempt)
        assert app.next(1)[0]["topic"] == RETRY
        app.ack(6)
        app.close()
    assert [m["properties"]["RECONSUMETIMES"] for m in all_of(daemon, RETRY)] == list("123456")


def test_a_chain_that_others_began_is_counted_on(begin):
    daemon = begin()
    keep(daemon, RETRY, DEAD)
    with Application(daemon, "orders", "s") as app:
        for times in ("1", "-1", "x", "4294967296", "2147483647", "2"):
            ok(run(daemon, "pub", "orders", f"of {times}", "-p", f"RECONSUMETIMES={times}"))
        got = {m["payload"]: m["number"] for m in app.next(6)}
        app.retry(*got.values())
        counted = {}
        for m in app.next(5):
            app.ack(m["number"])
        app.close()
    for m in all_of(daemon, RETRY):
        counted[m["payload"][3:]] = m["properties"]["RECONSUMETIMES"]
    assert counted == {"1": "2", "-1": "1", "x": "1", "4294967296": "1", "2147483647": "1"}
    (dead,) = all_of(daemon, DEAD)
    assert (dead["payload"], dead["properties"]["RECONSUMETIMES"]) == ("of 2", "3")


def test_a_nack_of_a_retried_message_stays_under_its_topic_s_rule(begin):
    daemon = begin([{"match": "**-RETRY", "consume": {"nack": {"delay": "1d", "delay_max": "1d"}}},
                    {"match": "**", "consume": CONSUME}])
    keep(daemon, DEAD)
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        app.next(1)
        app.retry(0)
        for attempt in range(3):
            (m,) = app.next(1)
            assert (m["topic"], m["redelivery"], m["last"]) == (RETRY, attempt, attempt == 2)
            app.nack(m["number"])
        assert app.next(1, QUIET_MS) == []
        app.close()
    (dead,) = all_of(daemon, DEAD)
    assert (dead["properties"]["hulse-reason"], dead["properties"]["REAL_TOPIC"]) == ("refused", FULL + "orders")


def test_who_dies_with_it_gets_it_again_from_where_it_was(begin):
    daemon = begin()
    keep(daemon, RETRY)
    ok(run(daemon, "pub", "orders", "x"))
    with Application(daemon, "orders", "s") as app:
        app.next(1)
        app.retry(0)
        assert app.next(1)[0]["topic"] == RETRY
        app.kill()
    with Application(daemon, "orders", "s") as app:
        (m,) = app.next(1)
        assert (m["topic"], m["redelivery"]) == (RETRY, 1)
        app.ack(0)
        app.close()
    assert len(all_of(daemon, RETRY)) == 1


def test_of_several_topics_each_has_its_own_and_a_listed_one_is_the_same(begin):
    daemon = begin([{"match": "**/plain", "consume": {"nack": CONSUME["nack"]}}, {"match": "**", "consume": CONSUME}])
    with Application(daemon, "orders", "s", topics=["bills-s-RETRY", "bills", "plain"]) as app:
        for topic in ("orders", "bills", "plain"):
            ok(run(daemon, "pub", topic, f"of {topic}"))
        got = {m["payload"]: m["number"] for m in app.next(3)}
        app.retry(*got.values())
        again = {m["payload"]: m for m in app.next(3)}
        assert {payload: m["topic"] for payload, m in again.items()} == \
            {"of orders": RETRY, "of bills": FULL + "bills-s-RETRY", "of plain": FULL + "plain"}
        app.retry(*(again[f"of {topic}"]["number"] for topic in ("orders", "bills")))
        app.ack(again["of plain"]["number"])
        assert {m["topic"] for m in app.next(2)} == {RETRY, FULL + "bills-s-RETRY"}
        app.close()
    names = ok(run(daemon, "topics", "list")).decode().split()
    assert sum("RETRY" in name for name in names) == 2


def of(app, topic):
    """The next message of a topic; those of others are acknowledged."""
    while (m := app.next(1)[0])["topic"] != FULL + topic:
        app.ack(m["number"])
    return m["number"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_pattern_has_the_retry_topics_of_its_topics_and_makes_no_chain(begin, order):
    daemon = begin([{"match": "**", "consume": {**CONSUME, "redeliver_max": 100}}])
    for topic in ["orders", "orders-s-RETRY", "orders-t-RETRY"][::order]:
        ok(run(daemon, "topics", "create", topic))
    apps = {name: Application(daemon, "public/default/orders.*", name, pattern=0) for name in ("s", "t")}
    try:
        for topic in ("orders", "orders-new"):
            ok(run(daemon, "pub", topic, "x"))
            for name, app in apps.items():
                app.retry(of(app, topic))
                for _ in range(2):
                    app.retry(of(app, f"{topic}-{name}-RETRY"))
                app.ack(of(app, f"{topic}-{name}-RETRY"))
        # The other one's retries match, too, and are retried nowhere.
        while not (m := apps["s"].next(1)[0])["topic"].endswith("-t-RETRY"):
            apps["s"].ack(m["number"])
        apps["s"].retry(m["number"])
        while not (again := apps["s"].next(1)[0])["redelivery"]:
            apps["s"].ack(again["number"])
        assert (again["topic"], again["id"]) == (m["topic"], m["id"])
    finally:
        for app in apps.values():
            app.kill()
    names = ok(run(daemon, "topics", "list")).decode().split()
    assert sorted(name for name in names if "RETRY" in name) == \
        sorted(FULL + f"{topic}-{name}-RETRY" for topic in ("orders", "orders-new") for name in ("s", "t"))


def test_a_retry_topic_by_its_own_name_is_retried_to_itself(begin):
    daemon = begin()
    keep(daemon, RETRY, DEAD)
    with Application(daemon, "orders-s-RETRY", "s") as app:
        ok(run(daemon, "pub", "orders-s-RETRY", "x"))
        for attempt in range(2):
            assert app.next(1)[0]["topic"] == RETRY
            app.retry(attempt)
        app.next(1)
        app.reject(2)
        app.close()
    assert len(all_of(daemon, DEAD)) == 1
    assert len(all_of(daemon, RETRY)) == 3


def test_what_cannot_be_stored_comes_again_to_the_application(begin):
    daemon = begin([{"match": "**-RETRY", "publish": {"rate": 1}}, {"match": "**", "consume": CONSUME}])
    with Application(daemon, "orders", "s", "exclusive") as app:
        ok(run(daemon, "pub", "orders", input="".join(f"{n}\n" for n in range(4))))
        assert len(app.next(4)) == 4
        app.retry(0, 1, 2)  # the first is stored, the others are too many for the topic's rate
        app.ack_cumulative(3)
        came = {}
        while len(came) < 3:
            (m,) = app.next(1)
            if m["topic"] == FULL + "orders":
                assert m["redelivery"] > 0
                app.retry(m["number"])
            else:
                came[m["payload"]] = m["topic"]
                app.ack(m["number"])
        app.settle()
        app.close()
    assert set(came) == {"0", "1", "2"}
    backlog, refused = waiting(daemon)
    assert (backlog, refused["retried"]) == (0, 3)
    assert refused["retry_failed"] >= 2


@pytest.mark.parametrize("missing", ["consume", "produce"])
def test_nobody_consumes_without_both_permissions_on_the_retry_topic(begin, missing):
    role = {"uids": [os.geteuid()], "produce": ["**"], "consume": ["**"],
            missing: [FULL + "orders", FULL + "orders-s-DLQ"]}
    daemon = begin(roles={"tester": role})
    refused = run(daemon, "sub", "orders", "-s", "s", "-n", "1", "--timeout", "5s")
    assert refused.returncode == 77
    assert f"role tester may not {missing}".encode() in refused.stderr
    assert b"persistent://public/default/orders-s-RETRY" in refused.stderr
    ok(run(daemon, "read", "orders"))  # a reader retries nothing


def test_a_retry_topic_that_is_not_there_is_named(begin):
    daemon = begin([{"match": "**-RETRY", "publish": {"auto_create": False}}, {"match": "**", "consume": CONSUME}])
    refused = run(daemon, "sub", "orders", "-s", "s", "-n", "1", "--timeout", "5s")
    assert refused.returncode != 0 and b"orders-s-RETRY" in refused.stderr


def test_in_memory_there_are_none(begin):
    daemon = begin()
    with Application(daemon, "non-persistent://public/default/orders", "s") as app:
        ok(run(daemon, "pub", "non-persistent://public/default/orders", "x"))
        app.next(1)
        with pytest.raises(AssertionError, match="not configured"):
            app.retry(0)


def retry_all(daemon, app, count, **more):
    """And let some be stored."""
    ok(run(daemon, "pub", "orders", input="".join(f"{n}\n" for n in range(count))))
    assert len(app.next(count)) == count
    app.retry(*range(count), settle=False, **more)
    deadline = time.monotonic() + 20
    while waiting(daemon)[1]["retried"] == 0:
        assert time.monotonic() < deadline


def every_one(app, count):
    """Each comes, perhaps twice, until nothing more does."""
    came = []
    while new := app.next(1, 3000):
        came += new
        app.ack(new[0]["number"])
    assert {int(m["payload"]) for m in came} == set(range(count))
    return came


def test_a_daemon_that_is_killed_loses_none(begin):
    daemon = begin([{"match": "**-RETRY", "publish": {"rate": 20}}, {"match": "**", "consume": CONSUME}])
    with Application(daemon, "orders", "s") as app:
        retry_all(daemon, app, 100)
        daemon.kill()
        app.kill()
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        every_one(app, 100)
        app.close()
    assert waiting(daemon)[0] == 0 and waiting(daemon, RETRY)[0] == 0


def test_an_application_that_lives_on_gets_each_from_the_retry_topic(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        retry_all(daemon, app, 2000)
        daemon.kill()
        daemon = begin()
        app.settle()
        assert {m["topic"] for m in every_one(app, 2000)} == {RETRY}
        app.close()
    assert waiting(daemon)[0] == 0 and waiting(daemon, RETRY)[0] == 0


def test_verdicts_on_retried_messages_outlive_the_daemon(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x", "y"))
        app.next(2)
        app.retry(0, 1)
        held = app.next(2)
        daemon.kill()
        app.ack(held[0]["number"], settle=False)
        app.retry(held[1]["number"], settle=False)
        daemon = begin()
        app.settle()
        (m,) = app.next(1)
        assert (m["topic"], m["payload"]) == (RETRY, held[1]["payload"])
        app.ack(m["number"])
        app.close()
    assert waiting(daemon)[0] == 0 and waiting(daemon, RETRY)[0] == 0


def test_a_verdict_on_a_retried_message_is_of_no_other_topic(begin):
    """The next daemon's rule has no retry topic any more."""
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x", "y"))
        first = app.next(2)
        app.retry(1)
        (again,) = app.next(1)
        assert (again["topic"], again["id"][:2]) == (RETRY, first[0]["id"][:2])  # the same number, of another topic
        daemon.kill()
        app.ack(2, settle=False)
        daemon = begin([{"match": "**", "consume": {"nack": CONSUME["nack"]}}])
        app.settle()
        app.kill()
    with Application(daemon, "orders", "s") as app:
        (m,) = app.next(1)
        assert (m["topic"], m["payload"]) == (FULL + "orders", "x")


def test_a_verdict_on_a_retried_message_is_not_of_the_next_retry_topic(begin):
    """The next daemon's rule names another one, which has a message with the same number."""
    other = FULL + "orders-s-AGAIN"
    daemon = begin()
    keep(daemon, other)
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        app.next(1)
        app.retry(0)
        (again,) = app.next(1)
        with Application(daemon, other, "s") as first:
            first.close()
        ok(run(daemon, "pub", other, "y"))
        daemon.kill()
        app.ack(1, settle=False)
        daemon = begin([{"match": "**", "consume": {**CONSUME, "retry_letter": "{topic}-{subscription}-AGAIN"}}])
        app.settle()
        (m,) = app.next(1)
        assert (m["topic"], m["payload"], m["id"][:2]) == (other, "y", again["id"][:2])
        app.ack(2)
        app.close()


def test_what_waits_here_for_its_delay_comes_though_the_daemon_dies(begin):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x"))
        app.next(1)
        app.retry(0, delay_ms=60000)
        assert app.next(1, QUIET_MS) == []
        daemon.kill()
        daemon = begin()
        (m,) = app.next(1)
        assert (m["topic"], m["payload"]) == (FULL + "orders", "x")
        app.ack(1)
        app.close()
    assert waiting(daemon)[0] == 0


def test_a_change_of_the_rule_is_for_consumers_that_open_later(begin, tmp_path):
    daemon = begin()
    with Application(daemon, "orders", "s") as app:
        ok(run(daemon, "pub", "orders", "x", "y"))
        app.next(2)
        config = tmp_path / "hulse-0.yaml"
        config.write_text(config.read_text().replace('"retry_letter": "{topic}-{subscription}-RETRY"', '"retry_letter": null'))
        ok(run(daemon, "reload"))
        app.retry(0)
        assert app.next(1)[0]["topic"] == RETRY
        app.close()
    with Application(daemon, "orders", "s") as app:
        (m,) = app.next(1)
        assert m["topic"] == FULL + "orders"
        with pytest.raises(AssertionError, match="not configured"):
            app.retry(0)
