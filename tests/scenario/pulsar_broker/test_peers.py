# SPDX-License-Identifier: Apache-2.0
"""Goal:   what the official clients for Go and Java send arrives through hulsed as it was, and the other way round.
Method: a program over each client (tests/support/pulsar/peers.py), hulsed and the real broker. The programs get all
        cases at once, so that each starts twice only: compressions with and without batches, every kind of message."""

import base64
import json
import subprocess

import pytest

import peers
from by_name import BATCHES, COMPRESSIONS
from command import ok, run

# A program that has to be built first takes minutes, once.
pytestmark = pytest.mark.timeout(1000)

CASES = [f"{compression}-{batch}" for compression in COMPRESSIONS for batch in BATCHES]
PEER_S = 120


def message(payload, key=None, properties=None, event_time_ms=None):
    return {"payload": payload, "key": key, "properties": properties or {}, "event_time_ms": event_time_ms}


SENT = [message(b"plain"), message(b""), message(bytes(range(256)) * 20, key="binary"),
        message("значение".encode(), key="ключ-ü", properties={"имя": "ü", "empty": "", "n": "1"}),
        message(b"timed", event_time_ms=1700000000001),
        *(message(b"%d " % n + b"x" * (n * 37 % 500), key=f"k{n % 3}", event_time_ms=n + 1) for n in range(20))]
TOMBSTONE = message(None, key="gone")


class Peer:
    """One official client: runs its program over the cases of the table."""

    def __init__(self, name, command, tombstones):
        self.name, self.command = name, command
        self.sent = SENT + [TOMBSTONE] if tombstones else SENT

    def run(self, broker, mode, cases):
        done = subprocess.run([*self.command, mode, f"url={broker.service_url}"], input=json.dumps(cases),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PEER_S,
                              check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def reads(self, case):
        """Go's client never hands out a message alone without a byte: for it the entry is at its end."""
        return [m for m in self.sent if m["payload"] != b"" or self.name != "go" or case.endswith("batched")]

    def case(self, topic, name, **more):
        compression, batch = name.split("-")
        return {"topic": topic, "compression": compression, "batching": batch == "batched", **more}


def coded(payload):
    return None if payload is None else base64.b64encode(payload).decode()


def to_peer(m):
    return {"payload": coded(m["payload"]), "key": m["key"] or "", "properties": m["properties"],
            "event_time_ms": m["event_time_ms"] or 0, "tombstone": m["payload"] is None}


def from_peer(m, tombstones):
    """Go's client knows no tombstones: an empty payload is all that it shows."""
    gone = tombstones and m["tombstone"]
    return message(None if gone else base64.b64decode(m["payload"] or ""), m["key"] or None,
                   m["properties"], m["event_time_ms"] or None)


def to_hulse(m):
    what = {"tombstone": True} if m["payload"] is None else {"payload_base64": coded(m["payload"])}
    return json.dumps({**{name: value for name, value in m.items() if name != "payload"}, **what})


def from_hulse(line):
    m = json.loads(line)
    if "tombstone" in m:
        payload = None
    else:
        payload = base64.b64decode(m["payload_base64"]) if "payload_base64" in m else m["payload"].encode()
    return message(payload, m["key"], m["properties"], m["event_time_ms"])


@pytest.fixture(scope="module")
def hulsed(hulsed_by_name):
    return hulsed_by_name


@pytest.fixture(scope="module", params=["go", "java"])
def peer(request, jars):
    try:
        _, command = peers.go() if request.param == "go" else peers.java(jars)
    except peers.Missing as why:
        pytest.skip(f"no peer of the official client for {request.param}: {why}")
    tombstones = request.param == "java"
    return Peer(request.param, command + ["Peer"] * tombstones, tombstones)


@pytest.fixture(scope="module", name="by_hulse")
def what_hulse_gets(peer, hulsed, plain_broker):
    """By case, of what the peer has published."""
    topics = {name: f"persistent://public/default/from-{peer.name}-{name}" for name in CASES}
    peer.run(plain_broker, "peer-produce",
             [peer.case(topics[name], name, messages=[to_peer(m) for m in peer.sent]) for name in CASES])
    return {name: [from_hulse(line) for line in ok(
        run(hulsed, "sub", topic, "-s", "hulse", "--from", "earliest", "-n", len(peer.sent), "--format", "json",
            timeout=60)).splitlines()] for name, topic in topics.items()}


@pytest.fixture(scope="module", name="by_peer")
def what_a_peer_gets(peer, hulsed, plain_broker):
    """By case, of what hulse has published."""
    topics = {name: f"persistent://public/default/to-{peer.name}-{name}" for name in CASES}
    for name, topic in topics.items():
        lines = "".join(to_hulse(m) + "\n" for m in peer.reads(name))
        ok(run(hulsed, "pub", topic, "--json-lines", input=lines, timeout=60))
    got = json.loads(peer.run(plain_broker, "peer-consume", [
        peer.case(topic, name, count=len(peer.reads(name))) for name, topic in topics.items()]))
    return {name: [from_peer(m, peer.name == "java") for m in case["messages"]]
            for name, case in zip(CASES, got)}


@pytest.mark.parametrize("case", CASES)
def test_peer_to_hulse(peer, by_hulse, case):
    assert by_hulse[case] == peer.sent


@pytest.mark.parametrize("case", CASES)
def test_hulse_to_peer(peer, by_peer, case):
    assert by_peer[case] == peer.reads(case)
