# SPDX-License-Identifier: Apache-2.0
"""Goal:   whatever a broker and the network do to a SEND, a receipt or the way back, publishers at full rate lose nothing,
        the order stays, and with deduplication each message is there once.
Method: the scripted broker, which cuts at random by seed; `hulse pub` on several topics at once; the official client
        reads what the topics have. HULSE_TEST_SEED repeats a run, HULSE_CHAOS_CUTS makes it longer.
"""

import json
import os
import random

import pytest

import faults
from command import Background
from conftest import Hulsed
from fake import FakeBroker

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

CUTS = int(os.environ.get("HULSE_CHAOS_CUTS", "20"))
TOPICS = 3
BATCH = 20
# For each cut so many batches of each topic, since most go by untouched.
MESSAGES = CUTS * BATCH * 16 // TOPICS
ONE_IN = 8

pytestmark = pytest.mark.timeout(120 + 10 * CUTS)


def stored_and_dropped(request):
    request.default(answered=False)
    request.connection.drop()


def stored_and_reset(request):
    request.default(answered=False)
    request.connection.reset()


def refuse(error):
    """A broker that could not store one stores nothing behind it before the producer is opened again."""
    def hook(request):
        faults.fail(error)(request)
        request.connection.drop()
    return hook


ON_SEND = [faults.drop, faults.reset, faults.done_and_drop, faults.half_close, stored_and_dropped,
           stored_and_reset, faults.tear(7), faults.dribble(5), faults.late(0.05), faults.garbage(),
           refuse("ServiceNotReady"), refuse("PersistenceError")]
ON_THE_WAY = [faults.drop, faults.reset, faults.fail("ServiceNotReady"), faults.delay(0.05)]


class Chaos:
    """So many of them, then none."""

    def __init__(self, fake, seed):
        self.random = random.Random(seed)
        self.left = CUTS
        for name in ("SEND", "PRODUCER", "LOOKUP", "CONNECT"):
            fake.on(name, self.hook(ON_SEND if name == "SEND" else ON_THE_WAY))

    def hook(self, choices):
        def one(request):
            if request.connection.dropped:
                return
            if self.left == 0 or self.random.randrange(ONE_IN) > 0:
                request.default()
                return
            self.left -= 1
            self.random.choice(choices)(request)
        return one


def everything(client, topic):
    reader = client.create_reader(topic, library.MessageId.earliest, receiver_queue_size=5000)
    got = []
    while reader.has_message_available():
        got.append(int(reader.read_next(20000).data()))
    reader.close()
    return got


@pytest.mark.parametrize("dedup", [False, True], ids=["plain", "deduplication"])
def test_publishers_live_through_everything(dedup, official, topic, tmp_path):
    seed = int(os.environ.get("HULSE_TEST_SEED", str(random.randrange(1, 1 << 32))))
    print(f"HULSE_TEST_SEED={seed} HULSE_CHAOS_CUTS={CUTS}")
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{n}\n" for n in range(MESSAGES)))
    with FakeBroker(deduplication=dedup) as fake:
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps({
            "brokers": {"main": {"type": "pulsar", "service_url": fake.url}},
            "topics": [{"match": "**", "publish": {"send_timeout": 0, "dedup": dedup,
                                                   "batch_max": BATCH}}]}))
        chaos = Chaos(fake, seed)
        hulsed = Hulsed(tmp_path / "run", args=["--config", config])
        pubs = []
        try:
            for n in range(TOPICS):
                with open(lines, "rb") as numbers, open(tmp_path / f"told{n}", "wb") as told:
                    pubs.append(Background(hulsed, "pub", f"{topic}-{n}", "-v", stdin=numbers,
                                           stdout=told))
            for pub in pubs:
                assert pub.process.wait(60 + 5 * CUTS) == 0, pub.stderr()
        finally:
            for pub in pubs:
                pub.__exit__()
            hulsed.kill()
        assert chaos.left == 0
        for name in ("SEND", "PRODUCER", "LOOKUP", "CONNECT"):
            fake.off(name)
        client = official(fake.url)
        for n in range(TOPICS):
            assert (tmp_path / f"told{n}").read_bytes().count(b"\n") == MESSAGES
            got = everything(client, f"{topic}-{n}")
            if not dedup:
                got = list(dict.fromkeys(got))
            assert got == list(range(MESSAGES))
