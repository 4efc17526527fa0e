# SPDX-License-Identifier: Apache-2.0
"""Goal:   roles of the file decide who may do what; a permission that is taken away under load is felt
        at once, by nobody else; a rate refuses what is beyond it.
Method: the real daemon and command; roles for the test's own uid; how long a refusal takes is printed
        and not judged."""

import json
import os
import signal
import subprocess
import time

import pytest

from command import Subscriber, environment, new_topic, ok, program, run


def roles(produce, consume, **more):
    role = {"uids": [os.geteuid()], "produce": produce, "consume": consume, **more}
    return json.dumps({"roles": {"tester": role}})


def test_nobody_may_do_more_than_its_role(configured):
    mine, other = new_topic("mine"), new_topic("other")
    c = configured(roles([mine], [mine]))
    ok(run(c.daemon, "pub", mine, "x"))
    refused = run(c.daemon, "pub", other, "x")
    assert refused.returncode == 77 and b"role tester may not produce" in refused.stderr
    refused = run(c.daemon, "sub", other, "-s", "s", "-n", "1", "--timeout", "5s")
    assert refused.returncode == 77 and b"role tester may not consume" in refused.stderr
    # What may not be produced leaves no trace of its name.
    assert mine.encode() in ok(run(c.daemon, "topics", "list"))
    assert other.encode() not in ok(run(c.daemon, "topics", "list"))
    assert c.daemon.stop() == 0


def test_a_role_without_the_daemons_uid_leaves_it_the_owner(configured):
    c = configured(json.dumps({"roles": {"others": {"uids": [os.geteuid() + 1]}}}))
    ok(run(c.daemon, "pub", new_topic("owner"), "x"))
    assert c.daemon.stop() == 0


class Stream:
    """A publisher that goes on until its input ends."""

    def __init__(self, daemon, topic):
        self.process = subprocess.Popen([program(), "pub", topic, "-v", "-"], env=environment(daemon),
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL)
        self.sent = 0

    def send(self, count):
        for _ in range(count):
            self.process.stdin.write(f"{self.sent}\n".encode())
            self.sent += 1
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        return self.process.wait(30), errors


def test_a_permission_is_taken_away_under_load(configured):
    taken, kept = new_topic("taken"), new_topic("kept")
    both = [taken, kept]
    c = configured(roles(both, both))
    with Subscriber(c.daemon, taken, "-s", "s", "--timeout", "60s") as loser, \
            Subscriber(c.daemon, kept, "-s", "s", "-n", "30000", "--timeout", "60s") as winner:
        publishers = {topic: Stream(c.daemon, topic) for topic in both}
        for _ in range(10):
            for publisher in publishers.values():
                publisher.send(1000)
        assert loser.line() == b"0"
        c.write(roles([kept], [kept]))
        before = time.monotonic()
        ok(run(c.daemon, "reload"))
        out, code = loser.wait()
        print(f"reload and end of the consumer: {(time.monotonic() - before) * 1000:.0f} ms")
        assert code == 77, loser.stderr()
        assert "permission to consume was taken away" in loser.stderr()
        received = out.decode().split()
        assert received == [str(i) for i in range(1, 1 + len(received))]
        for _ in range(20):
            for publisher in publishers.values():
                publisher.send(1000)
        code, errors = publishers[taken].end()
        assert code == 1, errors
        assert "no permission to produce" in errors
        failed = int(errors.split()[-1])
        assert 20000 <= failed < 30000
        code, errors = publishers[kept].end()
        assert code == 0, errors
        out, code = winner.wait()
    assert code == 0
    assert out.decode().split() == [str(i) for i in range(30000)]
    revoked = c.daemon.lines("consumer.revoked")
    assert [line["topic"] for line in revoked] == [taken]
    # It may come back when it is allowed again.
    c.write(roles(both, both))
    ok(run(c.daemon, "reload"))
    ok(run(c.daemon, "pub", taken, "x"))
    assert c.daemon.stop() == 0


@pytest.mark.parametrize("where", ["session", "role", "topic"])
def test_a_rate_refuses_what_is_beyond_it(configured, where):
    topic = new_topic("rate")
    text = {
        "session": json.dumps({"session": {"rate": 10}}),
        "role": roles(["**"], ["**"], rate=10),
        "topic": json.dumps({"topics": [{"match": topic, "publish": {"rate": {"messages": 10}}}]}),
    }[where]
    c = configured(text)
    result = run(c.daemon, "pub", topic, "-v", *[str(i) for i in range(1000)])
    assert result.returncode == 1
    errors = result.stderr.decode()
    assert "over the configured rate" in errors, errors[:500]
    last = errors.strip().splitlines()[-1]
    published = int(last.split()[1].rstrip(","))
    assert 10 <= published < 900, last  # a second's worth at once, and what a slow run earns
    assert c.daemon.stop() == 0


@pytest.mark.parametrize("ttl, delivered", [("1ms", False), ("1h", True)])
def test_a_message_past_its_time_is_not_delivered(configured, ttl, delivered):
    topic = new_topic("ttl")
    c = configured(json.dumps({"topics": [{"match": topic, "policy": {"ttl": ttl}}]}))
    with Subscriber(c.daemon, topic, "-s", "s") as first:
        first.signal(signal.SIGSTOP)
        ok(run(c.daemon, "pub", topic, *["x"] * 3))
        time.sleep(0.05)  # older than a millisecond
        first.signal(signal.SIGKILL)  # what it has not seen goes back
        first.process.wait(10)
    late = run(c.daemon, "sub", topic, "-s", "s", "-n", "3", "--timeout", "2s")
    assert (late.returncode, late.stdout) == ((0, b"x\nx\nx\n") if delivered else (75, b""))
    assert c.daemon.stop() == 0
