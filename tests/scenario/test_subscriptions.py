# SPDX-License-Identifier: Apache-2.0
"""Goal:   subscriptions share, exclude and conserve: nothing is lost or doubled between consumers,
        and what a consumer held comes back when it goes, however it goes.
Method: several `hulse sub`, sets of messages compared, consumers ended by kill -9 and by signals."""

import json
import os
import signal
import subprocess
import time

from command import Background, Subscriber, new_topic, ok, publish, run, stats


def test_an_exclusive_subscription_has_one_consumer(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-t", "exclusive", "-n", "1") as first:
        second = run(daemon, "sub", topic, "-s", "s", "-t", "exclusive", "-n", "1")
        assert second.returncode == 69
        assert topic.encode() in second.stderr
        # Whoever is refused may be a producer.
        assert b"wait-for-exclusive" in second.stderr
        other_type = run(daemon, "sub", topic, "-s", "s", "-t", "shared", "-n", "1")
        assert other_type.returncode == 69
        publish(daemon, topic, b"still mine")
        assert first.wait() == (b"still mine\n", 0)
    with Subscriber(daemon, topic, "-s", "s", "-t", "exclusive", "-n", "1") as third:
        publish(daemon, topic, b"free again")
        assert third.wait() == (b"free again\n", 0)


def await_acknowledged(daemon, topic, count):
    end = time.monotonic() + 60
    acknowledged = -1
    while acknowledged < count:
        assert time.monotonic() < end, f"{acknowledged} of {count} are acknowledged"
        time.sleep(0.02)
        acknowledged = next(t for t in stats(daemon)["topics"] if t["name"] == topic)["acknowledged"]


def test_shared_consumers_split_and_conserve(daemon):
    topic = new_topic()
    count = 3000
    with Subscriber(daemon, topic, "-s", "s") as a, Subscriber(daemon, topic, "-s", "s") as b:
        ok(run(daemon, "pub", topic, input="".join(f"{i}\n" for i in range(count))))
        await_acknowledged(daemon, topic, count)
        parts = []
        for consumer in (a, b):
            consumer.signal(signal.SIGTERM)
            out, code = consumer.wait()
            assert code == 0
            parts.append(out.split())
    assert sorted(int(n) for part in parts for n in part) == list(range(count))
    assert all(parts), "one consumer got nothing"


def test_a_killed_consumer_gives_back_what_it_held(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "--no-ack", "--json") as victim:
        ok(run(daemon, "pub", topic, input="".join(f"{i}\n" for i in range(50))))
        held = [json.loads(victim.line())["payload"] for _ in range(50)]
        assert held == [str(i) for i in range(50)]
        with Subscriber(daemon, topic, "-s", "s", "-n", "50", "--timeout", "60s",
                        "--json") as heir:
            victim.signal(signal.SIGKILL)
            out, code = heir.wait()
    assert code == 0
    got = [json.loads(line) for line in out.splitlines()]
    assert sorted(int(m["payload"]) for m in got) == list(range(50))
    assert all(m["redelivery_count"] == 1 for m in got), "they had been handed out"


def test_a_consumer_that_leaves_gives_back_what_it_did_not_print(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "10") as first:
        first.signal(signal.SIGSTOP)  # a message without a consumer would be dropped
        ok(run(daemon, "pub", topic, input="".join(f"{i}\n" for i in range(100))))
        first.signal(signal.SIGCONT)
        out, code = first.wait()
    assert code == 0 and len(out.split()) == 10
    with Subscriber(daemon, topic, "-s", "s", "-n", "90", "--timeout", "60s") as second:
        rest, code = second.wait()
    assert code == 0
    assert sorted(map(int, out.split() + rest.split())) == list(range(100))


def test_no_ack_leaves_everything_for_the_next_one(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "5", "--no-ack") as first:
        publish(daemon, topic, b"1", b"2", b"3", b"4", b"5")
        assert first.wait() == (b"1\n2\n3\n4\n5\n", 0)
    with Subscriber(daemon, topic, "-s", "s", "-n", "5", "--timeout", "60s") as second:
        out, code = second.wait()
    assert code == 0 and sorted(out.split()) == [b"1", b"2", b"3", b"4", b"5"]


def test_interrupt_ends_cleanly_and_acknowledges_what_was_printed(daemon):
    for number in (signal.SIGINT, signal.SIGTERM):
        topic = new_topic()
        with Subscriber(daemon, topic, "-s", "s") as sub:
            publish(daemon, topic, b"seen")
            assert sub.line() == b"seen"
            sub.signal(number)
            assert sub.wait() == (b"", 0)
        with Subscriber(daemon, topic, "-s", "s", "-n", "1", "--timeout", "60s") as after:
            publish(daemon, topic, b"next")
            assert after.wait() == (b"next\n", 0)


def test_a_closed_pipe_ends_the_consumer_and_loses_nothing(daemon):
    topic = new_topic()
    read_end, write_end = os.pipe()
    with Subscriber(daemon, topic, "-s", "s", stdout=write_end) as sub:
        os.close(write_end)
        publish(daemon, topic, b"read")
        assert os.read(read_end, 100) == b"read\n"
        # Closed behind its back, and with a message on the way: whatever it sees first.
        sub.signal(signal.SIGSTOP)
        os.close(read_end)
        publish(daemon, topic, b"unseen")
        sub.signal(signal.SIGCONT)
        assert sub.process.wait(30) == 74
        assert "hulse:" not in sub.stderr(), "a reader that has seen enough is no news"
    with Subscriber(daemon, topic, "-s", "s", "-n", "1", "--timeout", "60s") as after:
        assert after.wait() == (b"unseen\n", 0)


def test_a_closed_pipe_is_noticed_without_messages(daemon):
    read_end, write_end = os.pipe()
    with Subscriber(daemon, new_topic(), "-s", "s", stdout=write_end) as sub:
        os.close(write_end)
        os.close(read_end)
        assert sub.process.wait(30) == 74


def test_a_reader_that_is_slow_gets_everything(daemon):
    """More than ring and overflow hold waits with the publisher or the daemon's bounds; no verdict
    wakes the daemon here, only the room that the reader gives back."""
    topic = new_topic()
    lines = b"".join(b"%05d %s\n" % (i, b"z" * 1017) for i in range(1000))
    with Background(daemon, "read", topic, "--follow", "-n", "1000", "--timeout",
                    "60s") as reader:
        reader.await_error_line("reading ")
        reader.signal(signal.SIGSTOP)
        ok(run(daemon, "pub", topic, input=lines))
        reader.signal(signal.SIGCONT)
        assert reader.wait() == (lines, 0)


def test_a_timeout_before_the_count_is_75(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "3", "--timeout", "2s") as sub:
        publish(daemon, topic, b"only one")
        assert sub.wait() == (b"only one\n", 75)
    assert run(daemon, "sub", topic, "-s", "s", "--timeout", "200ms").returncode == 0


def test_a_publisher_that_is_interrupted_reports_what_it_did(daemon):
    topic = new_topic()
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub:
        pub.process.stdin.write(b"one\ntwo\n")
        pub.process.stdin.flush()
        ids = [pub.line(), pub.line()]
        pub.signal(signal.SIGINT)
        out, code = pub.wait()
        assert (out, code) == (b"", 0)
        assert pub.stderr().splitlines()[-1] == "published 2, failed 0"
    assert all(i.count(b":") == 3 for i in ids)
