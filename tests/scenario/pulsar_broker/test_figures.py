# SPDX-License-Identifier: Apache-2.0
"""Goal:   `hulse stats` tells what the client of Pulsar has counted, `hulse health` whether a cluster is reachable and why
        not, and the log says each trouble once.
Method: the scripted broker, with one thing to be counted for each test."""

import json
import subprocess
import time

import pytest

import faults
from command import Background, broker_stats, ok, run, stats
from fake import FakeBroker

pytestmark = pytest.mark.timeout(120)

WAIT_S = 30
# All that is always there; certificates and tokens only where there are any.
FIGURES = """connections_ready connections_connecting connection_attempts connection_attempts_failed
connections_closed_idle connections_closed_lost connections_closed_silent connections_closed_protocol
connections_closed_denied connections_closed_renewed tls_files_refused broken_frames auth_refreshes
lookups lookups_cached lookups_collapsed lookup_redirects lookups_failed
partitions_grown partitions_shrunk
producers producers_parked in_flight_messages in_flight_bytes batches singles resends receipts_late receipts_wrong deduplicated
send_errors send_timeouts moved_apart
consumers permits_granted permits_used permits_overrun corrupted corrupted_checksum corrupted_size
corrupted_compression corrupted_batch unreadable repeated redelivered redeliveries_asked acks_pending ack_errors
rewound unkept consumer_stalls permits_lost consumer_stalls_left resubscribed""".split()


def await_figures(daemon, condition):
    """The figures, when they are as they should be."""
    end = time.monotonic() + WAIT_S
    while not condition(got := broker_stats(daemon)):
        assert time.monotonic() < end, got
        time.sleep(0.02)
    return got


def health(daemon):
    done = run(daemon, "health", "--json")
    answer = json.loads(done.stdout)
    return done.returncode, next(b for b in answer["brokers"] if b["name"] == "main")


def await_health(daemon, healthy):
    end = time.monotonic() + WAIT_S
    while (got := health(daemon))[1]["healthy"] != healthy:
        assert time.monotonic() < end, got
        time.sleep(0.02)
    return got


def test_all_is_there_from_the_start(daemon):
    got = broker_stats(daemon)
    assert [name for name in FIGURES if name not in got] == []
    assert all(got[name] == 0 for name in FIGURES)
    assert got["healthy"] and "last_failure" not in got
    assert "certificate_seconds_to_expiry" not in got


def test_people_see_them(daemon, topic):
    ok(run(daemon, "pub", topic, "a", timeout=60))
    text = ok(run(daemon, "stats")).decode().splitlines()
    line = next(line for line in text if line.split()[:1] == ["batches"])
    # One column for each broker; others have no such number.
    assert sorted(line.split()[1:]) == ["-"] * (len(stats(daemon)["brokers"]) - 1) + ["1"]


def test_an_ordinary_day(fake, daemon, topic):
    lines = "".join(f"{i}\n" for i in range(500))
    ok(run(daemon, "pub", topic, input=lines, timeout=60))
    ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 500, timeout=60))
    got = await_figures(daemon, lambda f: f["consumers"] == 0)
    assert got["connections_ready"] == 2 and got["connection_attempts"] == 2
    assert got["lookups"] == 2 and got["lookups_cached"] + got["lookups_collapsed"] == 1
    assert got["batches"] + got["singles"] == len(fake.topic(topic).entries)
    assert got["permits_used"] == 500 and got["permits_granted"] >= 500
    assert got["in_flight_messages"] == 0 and got["in_flight_bytes"] == 0
    assert got["acks_pending"] == 0 and got["resends"] == 0


def test_what_is_on_its_way(fake, daemon, topic):
    fake.on("SEND", faults.ignore)
    with Background(daemon, "pub", topic, "12345", "12345"):
        got = await_figures(daemon, lambda f: f["in_flight_messages"] == 2)
        assert got["in_flight_bytes"] >= 10 and got["producers"] == 1


def test_lookups_that_are_sent_on(fake, daemon, topic):
    with FakeBroker(topics_of=fake) as owner:
        fake.on("LOOKUP", faults.redirect(owner.url, authoritative=True))
        ok(run(daemon, "pub", topic, "a", timeout=60))
        assert broker_stats(daemon)["lookup_redirects"] == 1


def test_a_lookup_that_fails(fake, daemon, topic):
    fake.on("LOOKUP", faults.fail("AuthorizationError", "not for you"))
    assert run(daemon, "pub", topic, "a", timeout=60).returncode == 77
    got = broker_stats(daemon)
    assert got["lookups_failed"] == 1
    assert topic in got["last_failure"] and "AuthorizationError: not for you" in got["last_failure"]
    assert got["last_failure_age_s"] < 60
    assert got["healthy"]  # the broker is there


def test_a_broken_frame(fake, daemon, topic):
    fake.on("PRODUCER", faults.garbage(), times=1)
    ok(run(daemon, "pub", topic, "a", timeout=60))
    got = broker_stats(daemon)
    assert got["broken_frames"] == 1 and got["connections_closed_protocol"] == 1


def test_a_connection_that_is_lost(fake, daemon, topic):
    fake.on("SEND", faults.drop, times=1)
    ok(run(daemon, "pub", topic, "a", timeout=60))
    got = broker_stats(daemon)
    assert got["connections_closed_lost"] == 1 and got["resends"] == 1


def test_receipts_that_do_not_fit(fake, daemon, topic):
    def twice(request):
        request.default()
        request.default(stored=False)
    fake.on("SEND", twice, times=1)
    fake.on("SEND", faults.receipt_of_another(1000), times=1)
    with Background(daemon, "pub", topic, stdin=subprocess.PIPE) as pub:
        pub.process.stdin.write(b"a\n")
        pub.process.stdin.flush()
        got = await_figures(daemon, lambda f: f["receipts_late"] == 1)
    assert got["receipts_wrong"] == 1


def test_what_the_broker_had_already(daemon, fake, topic):
    fake.on("SEND", faults.receipt(), times=1)
    ok(run(daemon, "pub", topic, "a", timeout=60))
    assert broker_stats(daemon)["deduplicated"] == 1


def test_messages_that_are_given_up(fake, hulsed, topic, tmp_path):
    daemon = hulsed(fake.url, topics=[{"match": "**", "publish": {"send_timeout": "1s"}}])
    fake.on("SEND", faults.ignore)
    assert run(daemon, "pub", topic, "a", "b", timeout=60).returncode == 1
    assert broker_stats(daemon)["send_timeouts"] == 2


def test_damaged_entries_by_kind(fake, daemon, topic):
    fake.publish(topic, b"bad", checksum=1)
    fake.publish(topic, b"bad", compression=1, uncompressed_size=10)
    fake.publish(topic, b"bad", compression=1, uncompressed_size=1 << 30)
    fake.publish(topic, b"bad", num_messages_in_batch=3)
    fake.publish(topic, b"good")
    ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 1, timeout=60))
    got = broker_stats(daemon)
    kinds = [got[f"corrupted_{kind}"] for kind in ("checksum", "compression", "size", "batch")]
    assert kinds == [1, 1, 1, 1] and got["corrupted"] == 4, got
    daemon.await_lines("pulsar.entry_damaged", 4)


def test_acknowledgements_and_what_comes_again(fake, daemon, topic):
    fake.on("ACK", faults.ignore)
    with Background(daemon, "sub", topic, "-s", "s", "-t", "shared") as sub:
        fake.wait_for("FLOW")
        fake.publish(topic, b"a")
        assert sub.line() == b"a"
        assert await_figures(daemon, lambda f: f["acks_pending"] == 1)["consumers"] == 1


def test_how_long_the_way_is(hulsed, fake, topic):
    """From the first PING that is answered on; the delay is the broker's."""
    fake.on("PING", faults.delay(0.05))
    daemon = hulsed(fake.url, keep_alive="200ms")
    assert "round_trip_us" not in broker_stats(daemon)
    with Background(daemon, "sub", topic, "-s", "s"):
        got = await_figures(daemon, lambda f: "round_trip_us" in f)
        assert got["round_trip_us"] >= 50_000, got


def test_a_token_that_was_asked_for(fake, hulsed, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text("abc\n")
    daemon = hulsed(fake.url, auth={"token_file": str(token)})
    with Background(daemon, "sub", topic, "-s", "s"):
        fake.wait_for("FLOW")
        fake.challenge()
        fake.wait_for("AUTH_RESPONSE")
        assert await_figures(daemon, lambda f: f["auth_refreshes"] >= 1)


# ---- health, and the log


def test_a_broker_that_is_away(fake, daemon, topic):
    """Degraded while somebody wants it and it does not come; well again when it is back; said once."""
    with Background(daemon, "sub", topic, "-s", "s") as sub:
        fake.wait_for("FLOW")
        assert health(daemon)[0] == 0
        fake.shut()
        code, broker = await_health(daemon, False)
        assert code == 69
        assert f"{fake.address}: " in broker["why"] and "Connection refused" in broker["why"]
        assert "Connection refused" in ok_or(run(daemon, "health"), 69).decode()
        await_figures(daemon, lambda f: f["connection_attempts_failed"] >= 4)
        assert len(daemon.lines("pulsar.unreachable")) == 1
        assert len(daemon.lines("pulsar.consumer_waits")) <= 2
        fake.listen()
        await_health(daemon, True)
        fake.publish(topic, b"a")
        assert sub.line() == b"a"
    assert health(daemon)[0] == 0
    assert "why" not in health(daemon)[1]


def ok_or(done, code):
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [("pub", "x"), ("sub", "-s", "s")], ids=["pub", "sub"])
def test_applications_hear_why_a_broker_is_silent(fake, hulsed, topic, words):
    """Of the broker, not of the daemon, which has answered."""
    fake.silent = True
    daemon = hulsed(fake.url, connect_timeout="1s", operation_timeout="3s")
    done = run(daemon, words[0], topic, *words[1:], timeout=60)
    assert done.returncode == 75, done.stderr
    assert b"hulsed has not answered" not in done.stderr, done.stderr
    assert f"{fake.address}: no answer ".encode() in done.stderr, done.stderr
    assert "no answer " in broker_stats(daemon)["last_failure"]


@pytest.mark.parametrize("words", [("pub", "x"), ("sub", "-s", "s")], ids=["pub", "sub"])
def test_applications_hear_why_a_broker_is_away(fake, hulsed, topic, words):
    fake.shut()
    daemon = hulsed(fake.url, operation_timeout="1s")
    done = run(daemon, words[0], topic, *words[1:], timeout=60)
    assert done.returncode == 69, done.stderr
    assert f"{fake.address}: 127.0.0.1: Connection refused".encode() in done.stderr, done.stderr


def test_another_reason_is_said_too(fake, daemon, topic):
    with Background(daemon, "sub", topic, "-s", "s"):
        fake.wait_for("FLOW")
        fake.shut()
        daemon.await_lines("pulsar.unreachable")
        fake.on("CONNECT", faults.fail("ServiceNotReady", "still starting"))
        fake.listen()
        lines = daemon.await_lines("pulsar.unreachable", 2)
        assert "refused" in lines[0]["why"] and "still starting" in lines[1]["why"]
        assert "still starting" in await_health(daemon, False)[1]["why"]


@pytest.mark.parametrize("what", ["consumer", "producer"])
def test_what_comes_again_is_said_again(fake, daemon, topic, what):
    command = "SUBSCRIBE" if what == "consumer" else "PRODUCER"
    words = ["sub", topic, "-s", "s"] if what == "consumer" else ["pub", topic]
    with Background(daemon, *words, stdin=subprocess.PIPE):
        for times in (1, 2):
            fake.wait_for(command)
            fake.on(command, faults.fail("MetadataError"), times=1)
            fake.unload(topic)
            daemon.await_lines(f"pulsar.{what}_is_back" if what == "consumer" else
                               f"pulsar.{what}_back", times)
    assert sum("MetadataError" in line["why"] for line in daemon.lines(f"pulsar.{what}_waits")) == 2


def test_a_quota_is_said_everywhere(fake, hulsed, topic):
    """A topic whose backlog is full fails what is published, and goes on when there is room."""
    daemon = hulsed(fake.url)
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub:
        pub.process.stdin.write(b"first\n")
        pub.process.stdin.flush()
        fake.wait_for("SEND")
        fake.on("PRODUCER", faults.fail("ProducerBlockedQuotaExceededException", "backlog is full"))
        fake.unload(topic)
        fake.wait_for("PRODUCER", 2)
        pub.process.stdin.write(b"second\n")
        pub.process.stdin.close()
        pub.process.stdin = None
        assert pub.process.wait(60) == 1
        pub.reader.join(60)
        assert "quota" in pub.stderr(), pub.stderr()
    assert "backlog is full" in broker_stats(daemon)["last_failure"]
    lines = daemon.lines("pulsar.producer_waits")
    assert len([line for line in lines if "backlog is full" in line["why"]]) == 1
    fake.off("PRODUCER")
    ok(run(daemon, "pub", topic, "third", timeout=60))


def test_a_quota_before_the_first_message(fake, daemon, topic):
    fake.on("PRODUCER", faults.fail("ProducerBlockedQuotaExceededError", "backlog is full"))
    done = run(daemon, "pub", topic, "a", timeout=60)
    assert done.returncode != 0
    assert b"backlog is full" in done.stderr, done.stderr
    assert "backlog is full" in broker_stats(daemon)["last_failure"]


# ---- what a broker cannot


def test_topics_of_a_cluster_are_not_listed_silently(fake, daemon, topic):
    ok(run(daemon, "pub", topic, "a", timeout=60))
    done = run(daemon, "topics", "list")
    assert done.returncode == 69
    assert b"broker main" in done.stderr and b"admin_url" in done.stderr
    done = run(daemon, "topics", "list", "--json")
    assert done.returncode == 69 and json.loads(done.stdout) == []
