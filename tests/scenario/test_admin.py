# SPDX-License-Identifier: Apache-2.0
"""Goal:   an operator sees what is there: health, statistics that add up, the list of topics; two
        daemons do not disturb each other.
Method: the command against daemons with known traffic."""

import json
import pathlib
import signal
import subprocess

import pytest

from command import Background, Subscriber, new_topic, ok, publish, run, stats

KEYS = ["version", "uptime_s", "workers", "sessions", "channels", "topics", "brokers",
        "consumer_lag", "memory", "missed_doorbells", "config_generation", "config_reload_failed"]


@pytest.mark.smoke
def test_health(daemon):
    text = ok(run(daemon, "health")).decode()
    assert "healthy" in text.splitlines()[0]
    answer = json.loads(ok(run(daemon, "health", "--json")))
    assert answer["status"] == "healthy"
    assert answer["pid"] == daemon.pid


def test_a_daemon_that_drains_is_alive(start):
    daemon = start("drain_timeout=1h")
    with Subscriber(daemon, new_topic(), "-s", "s"):
        daemon.terminate()
        assert daemon.next_state() == "STOPPING=1"
        answer = json.loads(ok(run(daemon, "health", "--json")))
        assert (answer["status"], answer["ready"]) == ("draining", False)
        text = ok(run(daemon, "health")).decode()
        assert ["ready", "no"] in [line.split() for line in text.splitlines()]
    assert daemon.wait() == 0


def test_drain_begins_once_and_waits_for_the_end(start):
    daemon = start("drain_timeout=1h")
    with Subscriber(daemon, new_topic(), "-s", "s") as sub:
        for _ in range(2):  # The second is no second TERM.
            answer = json.loads(ok(run(daemon, "drain", "--json")))
            assert answer == {"draining": True, "pid": daemon.pid, "sessions": 1}
        assert daemon.next_state() == "STOPPING=1"
        late = run(daemon, "drain", "--wait", "1ms")
        assert late.returncode == 75
        assert b"has not ended yet" in late.stderr
        with Background(daemon, "drain", "--wait", "60s") as waiting:
            assert waiting.line().split() == [b"draining", b"yes"]
            assert daemon.process.poll() is None
            sub.signal(signal.SIGTERM)
            # A pidfd is readable once the process is a zombie, so that wait() finds it at once.
            assert waiting.wait()[1] == 0
            assert daemon.process.poll() == 0
    assert len(daemon.lines("daemon.stopping")) == 1
    assert not daemon.lines("daemon.aborted")


def test_drain_without_sessions_answers_and_ends(start):
    daemon = start()
    text = ok(run(daemon, "drain", "--wait", "60s")).decode()
    assert ["sessions", "0"] in [line.split() for line in text.splitlines()]
    assert daemon.process.poll() == 0
    assert run(daemon, "drain").returncode == 69


def test_stats_have_the_documented_members(daemon):
    answer = stats(daemon)
    assert list(answer)[:len(KEYS)] == KEYS
    assert answer["missed_doorbells"] == 0
    assert answer["memory"]["used"] <= answer["memory"]["cap"]
    text = ok(run(daemon, "stats")).decode()
    for key in KEYS:
        assert any(line.split()[:1] == [key] for line in text.splitlines()), key


ALLOCATOR = ["allocated", "active", "metadata", "resident", "mapped", "retained", "arenas"]


def test_stats_say_what_the_allocator_holds(start):
    daemon = start("workers=3", "sandbox.dumpable=true")
    linked = "libjemalloc" in pathlib.Path(f"/proc/{daemon.pid}/maps").read_text()
    answer = stats(daemon)
    text = ok(run(daemon, "stats")).decode()
    assert ("allocator" in answer) == linked
    assert ("allocator" in text) == linked
    if not linked:
        pytest.skip("this daemon has another allocator")
    figures = answer["allocator"]
    assert list(figures) == ALLOCATOR
    assert 0 < figures["allocated"] <= figures["active"] <= figures["resident"]
    assert figures["arenas"] == answer["workers"] == 3
    for key in ALLOCATOR:
        assert any(line.split()[:1] == [key] for line in text.splitlines()), key
    names = [(task / "comm").read_text().strip()
             for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir()]
    assert names.count("jemalloc_bg_thd") == 1


def test_stats_count_sessions_and_messages(daemon):
    topic = new_topic()
    before = stats(daemon)["sessions"]
    with Subscriber(daemon, topic, "-s", "s", "-n", "7") as sub:
        ok(run(daemon, "pub", topic, "--repeat", "6", "x"))
        assert stats(daemon)["sessions"] == before + 1
        entry = next(t for t in stats(daemon)["topics"] if t["name"] == topic)
        assert entry["published"] == 6
        assert entry["consumers"] == 1
        publish(daemon, topic, b"last")
        assert sub.wait()[1] == 0


def test_topics_list(daemon):
    names = [f"non-persistent://acme/{word}/list" for word in ("orders", "billing")] + \
        ["non-persistent://acme2/orders/list"]
    readers = [Background(daemon, "read", name, "--follow") for name in names]
    try:
        for reader in readers:
            reader.await_error_line("reading ")
        everything = ok(run(daemon, "topics", "list")).decode().split()
        assert set(names) <= set(everything)
        assert everything == sorted(everything)
        assert ok(run(daemon, "topics", "list", "acme")).decode().split() == sorted(names[:2])
        assert ok(run(daemon, "topics", "list", "acme/orders")).decode().split() == names[:1]
        assert json.loads(ok(run(daemon, "topics", "list", "acme2", "--json"))) == names[2:]
        assert ok(run(daemon, "topics", "list", "nobody")) == b""
    finally:
        for reader in readers:
            reader.__exit__()


def test_two_daemons_are_two_worlds(start, tmp_path):
    topic = new_topic()
    a, b = start(folder=tmp_path / "a"), start(folder=tmp_path / "b")
    with Subscriber(a, topic, "-s", "s", "-n", "1", "--timeout", "60s") as on_a, \
            Subscriber(b, topic, "-s", "s", "-n", "1", "--timeout", "60s") as on_b:
        publish(b, topic, b"for b")
        publish(a, topic, b"for a")
        assert on_a.wait() == (b"for a\n", 0)
        assert on_b.wait() == (b"for b\n", 0)
    assert stats(a)["topics"][0]["published"] == 1
    # The options win over the environment.
    ok(run(a, "--socket", b.socket, "pub", topic, "x"))
    assert stats(a)["topics"][0]["published"] == 1
    assert stats(b)["topics"][0]["published"] == 2
    answer = json.loads(ok(run(a, "health", "--admin-socket", b.admin_socket, "--json")))
    assert answer["pid"] == b.pid


def test_who_comes_when_the_daemon_has_gone_gets_69(start):
    daemon = start()
    daemon.kill()
    assert run(daemon, "pub", new_topic(), "three").returncode == 69
