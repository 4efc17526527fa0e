# SPDX-License-Identifier: Apache-2.0
"""Goal:   what one process publishes, another one receives: every byte, key and property, in order.
Method: `hulse pub` and `hulse sub` as separate processes, whole outputs compared."""

import base64
import json
import os
import signal
import subprocess
import time

import pytest

from command import Background, Subscriber, new_topic, ok, publish, run, stats


@pytest.mark.smoke
def test_lines_arrive_in_order(daemon):
    topic = new_topic()
    lines = [f"message {i}" for i in range(1000)]
    with Subscriber(daemon, topic, "-s", "s", "-n", "1000", "--timeout", "60s") as sub:
        result = run(daemon, "pub", topic, input="\n".join(lines) + "\n")
        assert ok(result) == b""
        assert result.stderr.splitlines()[-1] == b"published 1000, failed 0"
        out, code = sub.wait()
    assert code == 0
    assert out.decode().splitlines() == lines


def test_arguments_are_messages(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "3", "--timeout", "60s") as sub:
        ok(run(daemon, "pub", topic, "--", "one", "", "-three"))
        out, code = sub.wait()
    assert (out, code) == (b"one\n\n-three\n", 0)


def test_a_dash_reads_standard_input(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "2", "--timeout", "60s") as sub:
        ok(run(daemon, "pub", topic, "-", input=b"one\ntwo without an end"))
        out, _ = sub.wait()
    assert out == b"one\ntwo without an end\n"


def test_every_byte_survives(daemon):
    topic = new_topic()
    every = bytes(b for b in range(256) if b != 10)
    with Subscriber(daemon, topic, "-s", "s", "-n", "3", "--timeout", "60s") as sub:
        ok(run(daemon, "pub", topic, input=every + b"\n\n" + every[::-1]))
        out, _ = sub.wait()
    assert out == every + b"\n\n" + every[::-1] + b"\n"


def test_a_file_is_one_message(daemon, tmp_path):
    topic = new_topic()
    content = os.urandom(70_000) + b"\nlines\n\n"
    (tmp_path / "file").write_bytes(content)
    with Subscriber(daemon, topic, "-s", "s", "-n", "2", "--timeout", "60s") as sub:
        ok(run(daemon, "pub", topic, "--file", tmp_path / "file"))
        publish(daemon, topic, b"")
        out, _ = sub.wait()
    assert out == content + b"\n" + b"\n"


@pytest.mark.parametrize("size", [255 * 1024, 257 * 1024, 513 * 1024, 3 * 1024 * 1024])
def test_messages_larger_than_records_and_rings(daemon, size):
    topic = new_topic()
    content = os.urandom(size).replace(b"\n", b"-")
    with Subscriber(daemon, topic, "-s", "s", "-n", "3", "--timeout", "60s") as sub:
        ok(run(daemon, "pub", topic, input=b"before\n" + content + b"\nbehind\n", timeout=60))
        out, code = sub.wait()
    assert code == 0
    assert out == b"before\n" + content + b"\nbehind\n"


def test_keys_and_properties(daemon):
    topic = new_topic()
    before = int(time.time() * 1000)
    with Subscriber(daemon, topic, "-s", "s", "-n", "2", "--timeout", "60s", "--format",
                    "json") as sub:
        ok(run(daemon, "pub", topic, "-k", "käy", "-p", "b=2", "-p", "a=x=y", "-p", "empty=", "m"))
        publish(daemon, topic, b"\xff\x00")
        first, second = (json.loads(sub.line()) for _ in range(2))
        sub.wait()
    assert list(first) == ["id", "topic", "key", "properties", "publish_time_ms", "event_time_ms",
                           "redelivery_count", "producer", "payload"]
    assert first["topic"] == topic
    assert first["key"] == "käy"
    assert first["properties"] == {"b": "2", "a": "x=y", "empty": ""}
    assert before - 1000 <= first["publish_time_ms"] <= int(time.time() * 1000) + 1000
    assert first["event_time_ms"] is None
    assert first["redelivery_count"] == 0
    assert first["payload"] == "m"
    assert second["key"] is None and "payload" not in second
    assert base64.b64decode(second["payload_base64"]) == b"\xff\x00"


def test_json_lines(daemon):
    topic = new_topic()
    lines = [
        {"payload": "text", "key": "k", "properties": {"p": "v"}, "event_time_ms": 1234},
        {"payload": {"any": ["value", 1, None]}},
        {"payload_base64": base64.b64encode(b"\x00\xff").decode()},
        {"payload": ""},
        {"tombstone": True, "key": "gone"},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\n\n"
    with Subscriber(daemon, topic, "-s", "s", "-n", "5", "--timeout", "60s", "--json") as sub:
        result = run(daemon, "pub", topic, "--json-lines", "-k", "default", input=text)
        ok(result)
        assert result.stderr.splitlines()[-1] == b"published 5, failed 0"
        got = [json.loads(sub.line()) for _ in range(5)]
        sub.wait()
    assert got[0]["payload"] == "text" and got[0]["key"] == "k"
    assert got[0]["properties"] == {"p": "v"} and got[0]["event_time_ms"] == 1234
    assert json.loads(got[1]["payload"]) == {"any": ["value", 1, None]}
    assert got[1]["key"] == "default"
    assert base64.b64decode(got[2]["payload_base64"]) == b"\x00\xff"
    assert got[3]["payload"] == "" and "tombstone" not in got[3]
    assert got[4]["tombstone"] is True and got[4]["key"] == "gone" and "payload" not in got[4]


def test_a_bad_json_line_is_named_and_the_others_go_on(daemon):
    topic = new_topic()
    text = '{"payload":1}\n{"payload":\n{"payload":2,"key":5}\n\n{"payload":3}\n' \
        '{"payload":4,"tombstone":true}\n{"tombstone":false}\n'
    with Subscriber(daemon, topic, "-s", "s", "-n", "2", "--timeout", "60s") as sub:
        result = run(daemon, "pub", topic, "--json-lines", input=text)
        out, _ = sub.wait()
    assert result.returncode == 1
    errors = result.stderr.decode()
    assert "line 2:" in errors and "line 3: key" in errors
    assert "line 6: payload" in errors and "line 7: tombstone" in errors
    assert errors.splitlines()[-1] == "published 2, failed 4"
    assert out == b"1\n3\n"


def test_input_without_anything_usable_is_65(daemon):
    result = run(daemon, "pub", new_topic(), "--json-lines", input="nonsense\n{}\n")
    assert result.returncode == 65
    assert result.stderr.splitlines()[-1] == b"published 0, failed 2"


def test_ids_are_printed_in_order(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "500", "--timeout", "60s", "--json") as sub:
        ids = ok(run(daemon, "pub", topic, "-v", input="x\n" * 500)).decode().splitlines()
        out, _ = sub.wait()
    assert [json.loads(line)["id"] for line in out.splitlines()] == ids
    parts = [tuple(map(int, i.split(":"))) for i in ids]
    assert all(len(p) == 4 for p in parts)
    assert parts == sorted(parts) and len(set(parts)) == 500


def test_json_result(daemon):
    lines = ok(run(daemon, "pub", new_topic(), "--json", "-v", "a", "b")).splitlines()
    values = [json.loads(line) for line in lines]
    assert [v.get("message") for v in values] == [1, 2, None]
    assert values[-1] == {"published": 2, "failed": 0, "unknown": 0}


def test_repeat(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "6", "--timeout", "60s") as sub:
        result = run(daemon, "pub", topic, "--repeat", "3", "a", "b")
        out, _ = sub.wait()
    assert result.stderr.splitlines()[-1] == b"published 6, failed 0"
    assert out == b"a\na\na\nb\nb\nb\n"


def test_a_rate_is_not_exceeded(daemon):
    """20 intervals of 20 ms cannot pass in less than 0.4 s, however slow the machine is."""
    begin = time.monotonic()
    ok(run(daemon, "pub", new_topic(), "--rate", "50", "--repeat", "21", "x"))
    assert time.monotonic() - begin >= 0.4


def test_accepted_does_not_lose_messages(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "2000", "--timeout", "60s") as sub:
        ok(run(daemon, "pub", topic, "--wait", "accepted", "--repeat", "2000", "x"))
        out, code = sub.wait()
    assert (out, code) == (b"x\n" * 2000, 0)


def test_more_than_the_ring_holds(daemon):
    """8 MiB of lines through a ring of 512 KiB, with ids."""
    topic = new_topic()
    lines = b"".join(b"%07d %s\n" % (i, b"y" * 1015) for i in range(8192))
    with Subscriber(daemon, topic, "-s", "s", "-n", "8192", "--timeout", "100s") as sub:
        publisher = run(daemon, "pub", topic, "-v", input=lines, timeout=100)
        out, code = sub.wait(100)
    assert len(ok(publisher).splitlines()) == 8192
    assert code == 0 and out == lines


def await_publishing(daemon, topic, publisher):
    end = time.monotonic() + 60
    while not any(t["name"] == topic and t["published"] > 1000 for t in stats(daemon)["topics"]):
        assert time.monotonic() < end and publisher.process.poll() is None, publisher.stderr()
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("wait", [(), ("--wait", "accepted")])
def test_a_publisher_goes_on_with_the_next_daemon(start, tmp_path, number, wait):
    """Again and again; no message fails, and a note says what has happened."""
    daemon = start("drain_timeout=200ms")
    topic = new_topic()
    with Background(daemon, "pub", topic, *wait, "--json", "--repeat", "1000000000",
                    "x" * 100, stdout=open(tmp_path / "out", "wb")) as publisher:
        await_publishing(daemon, topic, publisher)
        for count in (1, 2):
            daemon.terminate(number)
            daemon.wait()
            publisher.await_error_line("the daemon has gone", count)
            daemon = start("drain_timeout=200ms", folder=daemon.folder)
            publisher.await_error_line("a daemon is there again", count)
            await_publishing(daemon, topic, publisher)
        publisher.signal(signal.SIGINT)
        publisher.process.wait(60)
    counts = json.loads((tmp_path / "out").read_bytes().splitlines()[-1])
    assert counts["published"] > 3000
    assert counts["failed"] == 0, publisher.stderr()


@pytest.mark.parametrize("more, rest, words", [
    ((), b"two\nthree\n", "2 messages: they may be stored, now or later; publish them again"),
    (("-v",), b"two\n", "1 message: it may be stored, now or later; publish it again")])
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_what_has_no_verdict_is_of_unknown_fate(start, number, more, rest, words):
    """Neither published nor failed: the daemon has it, and perhaps it goes on."""
    daemon = start()
    with Subscriber(daemon, "fate", "-s", "s") as sub, \
            Background(daemon, "pub", "fate", "--timeout", "1s", "--json", *more,
                       stdin=subprocess.PIPE) as pub:
        pub.process.stdin.write(b"one\n")
        pub.process.stdin.flush()
        assert sub.line() == b"one"
        daemon.terminate(number)
        pub.process.stdin.write(rest)
        pub.process.stdin.close()
        out, code = pub.wait()
    daemon.terminate(signal.SIGKILL)
    unknown = rest.count(b"\n")
    assert code == 75
    assert json.loads(out.splitlines()[-1]) == {"published": 1, "failed": 0, "unknown": unknown}
    assert f"no verdict for {words}" in pub.stderr()
    assert "hulse_" not in pub.stderr()
    assert pub.stderr().splitlines()[-1] == f"published 1, failed 0, unknown {unknown}"


def test_a_subscriber_goes_on_with_the_next_daemon(start):
    daemon = start()
    topic = new_topic()
    with Subscriber(daemon, topic, "--subscription", "s") as subscriber:
        publish(daemon, topic, b"before")
        assert subscriber.line() == b"before"
        daemon.terminate(signal.SIGKILL)
        daemon.wait()
        daemon = start(folder=daemon.folder)
        end = time.monotonic() + 60
        while not any(t["name"] == topic and t["consumers"] for t in stats(daemon)["topics"]):
            assert time.monotonic() < end, subscriber.stderr()
            time.sleep(0.02)
        publish(daemon, topic, b"after")
        assert subscriber.line() == b"after"


def test_several_topics(daemon):
    a, b = new_topic("a"), new_topic("b")
    with Subscriber(daemon, a, b, "-s", "s", "-n", "4", "--timeout", "60s", "--json",
                    topics=2) as sub:
        publish(daemon, a, b"a1", b"a2")
        publish(daemon, b, b"b1", b"b2")
        got = [json.loads(sub.line()) for _ in range(4)]
        assert sub.wait()[1] == 0
    assert [m["payload"] for m in got if m["topic"] == a] == ["a1", "a2"]
    assert [m["payload"] for m in got if m["topic"] == b] == ["b1", "b2"]


def test_every_subscription_gets_every_message(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "one", "-n", "100", "--timeout", "60s") as first, \
            Subscriber(daemon, topic, "-s", "two", "-n", "100", "--timeout", "60s") as second:
        ok(run(daemon, "pub", topic, input="".join(f"{i}\n" for i in range(100))))
        assert first.wait() == second.wait()


def test_follow_reads_without_a_subscription(daemon):
    topic = new_topic()
    with Background(daemon, "read", topic, "--follow", "-n", "2", "--timeout", "60s") as reader:
        reader.await_error_line("reading ")
        publish(daemon, topic, b"one", b"two")
        assert reader.wait() == (b"one\ntwo\n", 0)


def test_read_ends_at_once_because_the_topic_keeps_nothing(daemon):
    topic = new_topic()
    publish(daemon, topic, b"gone")
    result = run(daemon, "read", topic)
    assert (result.returncode, result.stdout) == (0, b"")
    assert b"keeps no messages" in result.stderr
    assert run(daemon, "read", topic, "--quiet").stderr == b""
