# SPDX-License-Identifier: Apache-2.0
"""Goal:   readers of persistent topics as a user meets them: `hulse read` prints to the end that stood
        when it began and ends there; one that follows repeats nothing and misses nothing over kill -9
        of the daemon, wherever it began; how often a message was delivered is known after a kill.
Method: the real binaries over a folder; the daemon is killed and started again while readers wait.
"""
import json
import signal
import subprocess
import time

import pytest

from by_hand import eventually
from command import Background, ok, run
from test_kills import BETWEEN, Feed, lines

MANY = 20000
WORKERS = [1, 2]
KILLS = 4


def numbers(first, end):
    return [str(i) for i in range(first, end)]


def publish(daemon, topic, first, end):
    ok(run(daemon, "pub", topic, input="\n".join(numbers(first, end)) + "\n"))


class Follower(Background):
    """`hulse read --follow`, from the moment when it is open."""

    def __init__(self, daemon, topic, *args, **more):
        super().__init__(daemon, "read", topic, "--follow", "--timeout", "60s", *args, **more)
        try:
            self.await_error_line("reading ")
        except BaseException:
            self.__exit__()
            raise

    def take(self, count):
        return [self.line().decode() for _ in range(count)]

    def end(self):
        """What it printed beyond what was taken."""
        self.signal(signal.SIGINT)
        rest, code = self.wait()
        assert code == 0, self.stderr()
        return rest.decode().split()


@pytest.fixture(params=WORKERS)
def begin(request, start, tmp_path):
    """Starts the daemon of this test's folder, once more after each kill."""
    def begin_one(*sets):
        return start(f"workers.count={request.param}", *sets, folder=tmp_path / "run")

    return begin_one


def keep(daemon, topic):
    """Somebody needs the messages, so they stay."""
    assert run(daemon, "sub", topic, "-s", "keeper", "-n", "1", "--timeout",
               "100ms").returncode == 75


# ---- over a restart ----


def test_an_earliest_reader_repeats_nothing(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, 50)
    with Follower(daemon, "t") as reader:
        assert reader.take(50) == numbers(0, 50)
        for round_ in range(1, 4):
            daemon.kill()
            daemon = begin()
            publish(daemon, "t", 50 * round_, 50 * round_ + 50)
            assert reader.take(50) == numbers(50 * round_, 50 * round_ + 50)
        assert reader.end() == []


def test_a_latest_reader_that_has_read_nothing_loses_nothing(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, 10)
    with Follower(daemon, "t", "--from", "latest") as reader:
        for round_ in range(3):
            reader.signal(signal.SIGSTOP)  # it is away while the next daemon takes messages
            daemon.kill()
            daemon = begin()
            publish(daemon, "t", 10 + 10 * round_, 20 + 10 * round_)
            reader.signal(signal.SIGCONT)
            assert reader.take(10) == numbers(10 + 10 * round_, 20 + 10 * round_)
        assert reader.end() == []


def test_a_latest_reader_of_an_empty_topic_loses_nothing(begin):
    daemon = begin()
    keep(daemon, "t")
    with Follower(daemon, "t", "--from", "latest") as reader:
        reader.signal(signal.SIGSTOP)
        daemon.kill()
        daemon = begin()
        publish(daemon, "t", 0, 10)
        reader.signal(signal.SIGCONT)
        assert reader.take(10) == numbers(0, 10)
        assert reader.end() == []


def test_a_topic_made_anew_is_read_from_its_begin(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, 20)
    with Follower(daemon, "t") as reader:
        assert reader.take(20) == numbers(0, 20)
        reader.signal(signal.SIGSTOP)
        daemon.kill()
        daemon = begin()
        ok(run(daemon, "topics", "delete", "t", "--force"))
        keep(daemon, "t")
        publish(daemon, "t", 100, 130)
        reader.signal(signal.SIGCONT)
        assert reader.take(30) == numbers(100, 130)
        assert daemon.await_lines("reader.position_unknown")
        assert reader.end() == []


def test_readers_live_through_kills_while_messages_come(begin, tmp_path):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, 100)
    paths = {start: tmp_path / start for start in ("earliest", "latest")}
    with open(paths["earliest"], "wb") as earliest, open(paths["latest"], "wb") as latest, \
            Follower(daemon, "t", stdout=earliest) as first, \
            Follower(daemon, "t", "--from", "latest", stdout=latest) as second:
        with Background(daemon, "pub", "t", stdin=subprocess.PIPE) as pub:
            feed = Feed(pub.process.stdin)
            try:
                for _ in range(KILLS):
                    wanted = {path: lines(path) + BETWEEN for path in paths.values()}
                    eventually(lambda: all(lines(p) >= n for p, n in wanted.items()), "arrivals")
                    daemon.kill()
                    daemon = begin()
            finally:
                count = feed.end()
            assert pub.process.wait(60) == 0, pub.stderr()
        eventually(lambda: lines(paths["earliest"]) >= 100 + count, "the last ones")
        eventually(lambda: lines(paths["latest"]) >= count, "the last ones")
        first.end()
        second.end()
    assert paths["earliest"].read_text().split() == numbers(0, 100) + numbers(0, count)
    assert paths["latest"].read_text().split() == numbers(0, count)


# ---- to the end ----


def test_read_ends_at_the_end(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, MANY)
    for _ in range(3):
        assert ok(run(daemon, "read", "t")).decode().split() == numbers(0, MANY)
    daemon.kill()
    daemon = begin()
    assert ok(run(daemon, "read", "t")).decode().split() == numbers(0, MANY)
    assert ok(run(daemon, "read", "t", "-n", "5")).decode().split() == numbers(0, 5)
    assert ok(run(daemon, "read", "t", "--from", "latest")) == b""


def test_read_of_an_empty_topic_ends_at_once(begin):
    daemon = begin()
    ok(run(daemon, "topics", "create", "empty"))
    assert ok(run(daemon, "read", "empty")) == b""
    keep(daemon, "t")
    daemon.kill()
    daemon = begin()
    for name in ("t", "empty"):
        assert ok(run(daemon, "read", name)) == b""


def rest_of(reader):
    """The payloads that a reader that ends by itself prints yet."""
    rest, code = reader.wait()
    assert code == 0, reader.stderr()
    return [json.loads(line)["payload"] for line in rest.splitlines()]


def test_read_ends_where_it_began_although_more_comes(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, MANY)
    with Background(daemon, "read", "t", "--format", "json") as reader:
        first = json.loads(reader.line())["payload"]
        publish(daemon, "t", MANY, MANY + 100)  # while the reader's pipe is full
        assert [first] + rest_of(reader) == numbers(0, MANY)


def test_read_ends_at_its_end_over_a_restart(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, MANY)
    with Background(daemon, "read", "t", "--format", "json") as reader:
        first = json.loads(reader.line())["payload"]
        daemon.kill()
        daemon = begin()
        publish(daemon, "t", MANY, MANY + 100)
        assert [first] + rest_of(reader) == numbers(0, MANY)


def test_read_passes_a_last_message_that_has_expired(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, 3)
    ok(run(daemon, "pub", "t", "--ttl", "500ms", "over"))
    daemon.kill()
    daemon = begin()
    time.sleep(0.5)
    assert ok(run(daemon, "read", "t")).decode().split() == numbers(0, 3)


# ---- from a message ----


def test_reading_and_a_new_subscription_begin_at_a_message(begin):
    daemon = begin()
    ok(run(daemon, "topics", "create", "t"))
    ids = ok(run(daemon, "pub", "t", "-v", input="\n".join(numbers(0, 20)))).decode().split()
    for first in (0, 7, 19):
        assert ok(run(daemon, "read", "t", "--from", ids[first])).decode().split() == numbers(first, 20)
    taken = ok(run(daemon, "sub", "t", "-s", "s", "--from", ids[12], "-n", "3")).decode()
    assert taken.split() == numbers(12, 15)
    daemon.kill()
    daemon = begin()
    # It is there: where it began counts no more.
    taken = ok(run(daemon, "sub", "t", "-s", "s", "--from", ids[0], "-n", "5")).decode()
    assert taken.split() == numbers(15, 20)
    refused = run(daemon, "read", "t", "--from", "2026-11-30T09:30:00Z")
    assert refused.returncode == 69 and b"cannot begin at a time" in refused.stderr


# ---- redeliveries ----


def refuse_first(daemon):
    """The first message is begun and not acknowledged; gives how often it had come before."""
    line = ok(run(daemon, "sub", "t", "-s", "keeper", "-n", "1", "--no-ack", "--format", "json",
                  "--timeout", "20s"))
    eventually(lambda: json.loads(ok(run(daemon, "topics", "stats", "t", "--json")))
               ["subscriptions"][0]["unacked"] == 0, "its return")
    publish(daemon, "t", 1, 2)  # what was noted before is stored with it
    message = json.loads(line)
    assert message["payload"] == "0"
    return message.get("redelivery_count", 0)


def test_redeliveries_are_counted_over_kills(begin):
    daemon = begin()
    keep(daemon, "t")
    publish(daemon, "t", 0, 1)
    for round_ in range(3):
        assert refuse_first(daemon) == 2 * round_
        assert refuse_first(daemon) == 2 * round_ + 1
        daemon.kill()
        daemon = begin()
