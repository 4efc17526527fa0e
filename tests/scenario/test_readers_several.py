# SPDX-License-Identifier: Apache-2.0
"""Goal:   `hulse read` of several topics prints all of each in its order, ends where all of them do, and goes on in each where it
        was over kill -9 of the daemon.
Method: the real binaries over a folder; the daemon is killed and started again while readers wait and messages come."""
import json
import signal
import subprocess

import pytest

from application import Application
from by_hand import eventually
from command import Background, ok, run
from test_kills import BETWEEN, Feed, lines
from test_readers import begin, keep, numbers, publish  # noqa: F401: a fixture

TOPICS = ["a", "b", "c"]
KILLS = 4


def by_topic(text):
    found = {}
    for line in text.splitlines():
        m = json.loads(line)
        found.setdefault(m["topic"].rpartition("/")[2], []).append(m["payload"])
    return found


def test_it_ends_where_all_of_them_do(begin):  # noqa: F811
    daemon = begin()
    for topic, count in zip(TOPICS, (10, 0, 3000)):
        keep(daemon, topic)
        if count:
            publish(daemon, topic, 0, count)
    for _ in range(2):
        printed = by_topic(ok(run(daemon, "read", *TOPICS, "--json")))
        assert printed == {"a": numbers(0, 10), "c": numbers(0, 3000)}
        assert ok(run(daemon, "read", *TOPICS, "--from", "latest")) == b""
        assert len(ok(run(daemon, "read", *TOPICS, "-n", "7")).split()) == 7
        daemon.kill()
        daemon = begin()


def test_what_cannot_be_read(begin):  # noqa: F811
    daemon = begin()
    keep(daemon, "a")
    ids = ok(run(daemon, "pub", "a", "-v", "x")).decode().split()
    refused = run(daemon, "read", "a", "b", "--from", ids[0])
    assert refused.returncode != 0 and b"an id is of one topic, and this is of several" in refused.stderr
    twice = run(daemon, "read", "a", "a")
    assert twice.returncode != 0 and b"stands twice" in twice.stderr
    assert b"a topic is needed" in run(daemon, "read").stderr
    timed = run(daemon, "read", "a", "b", "--from", "-1h")
    assert timed.returncode == 69 and b"cannot begin at a time" in timed.stderr
    with pytest.raises(AssertionError, match="not by a pattern"):
        Application(daemon, "public/default/.*", None, "reader", pattern=0)


def test_nothing_is_lost_of_those_that_nothing_was_read_of(begin):  # noqa: F811
    daemon = begin()
    for topic in TOPICS:
        keep(daemon, topic)
        publish(daemon, topic, 0, 5)
    with Background(daemon, "read", *TOPICS, "--from", "latest", "--follow", "--json", "--timeout", "60s") as reader:
        for topic in TOPICS:
            reader.await_error_line("reading ")
        publish(daemon, "a", 5, 6)
        got = [reader.line()]
        for round_ in range(3):
            reader.signal(signal.SIGSTOP)  # it is away while the next daemon takes messages
            daemon.kill()
            daemon = begin()
            for topic in TOPICS:
                publish(daemon, topic, 10 + 10 * round_, 20 + 10 * round_)
            reader.signal(signal.SIGCONT)
            got += [reader.line() for _ in range(30)]
        reader.signal(signal.SIGINT)
        rest, code = reader.wait()
        assert code == 0 and rest == b"", reader.stderr()
    assert by_topic(b"\n".join(got)) == {"a": ["5", *numbers(10, 40)], "b": numbers(10, 40), "c": numbers(10, 40)}


def test_it_lives_through_kills_while_messages_come(begin, tmp_path):  # noqa: F811
    daemon = begin()
    for topic in TOPICS:
        keep(daemon, topic)
        publish(daemon, topic, 0, 1000)
    path = tmp_path / "got"
    with open(path, "wb") as out, \
            Background(daemon, "read", *TOPICS, "--follow", "--json", stdout=out) as reader:
        with Background(daemon, "pub", "b", stdin=subprocess.PIPE) as pub:
            feed = Feed(pub.process.stdin)
            try:
                for _ in range(KILLS):
                    wanted = lines(path) + BETWEEN
                    eventually(lambda: lines(path) >= wanted, "arrivals")
                    daemon.kill()
                    daemon = begin()
            finally:
                count = feed.end()
            assert pub.process.wait(60) == 0, pub.stderr()
        eventually(lambda: lines(path) >= 3000 + count, "the last ones")
        reader.signal(signal.SIGINT)
        assert reader.process.wait(30) == 0, reader.stderr()
    assert by_topic(path.read_bytes()) == {"a": numbers(0, 1000), "b": numbers(0, 1000) + numbers(0, count),
                                           "c": numbers(0, 1000)}
