# SPDX-License-Identifier: Apache-2.0
"""Goal:   `hulse pub` and `hulse sub` of a persistent topic live through kill -9 of the daemon again and
        again: what was reported as stored arrives exactly once, in order, under the reported id.
Method: the real binaries; lines are fed through a pipe all the time while the daemon is killed and
        started again in its folder.
"""
import json
import signal
import subprocess
import time

import pytest

from by_hand import eventually
from command import Background, Feed, Subscriber

KILLS = 6
BETWEEN = 200  # lines that arrive between two kills
TOPIC = "kills"


def lines(path):
    return path.read_bytes().count(b"\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_pub_and_sub_live_through_kills(start, tmp_path, workers):
    def begin():
        return start(f"workers.count={workers}", folder=tmp_path / "run")

    daemon = begin()
    got, told = tmp_path / "got", tmp_path / "told"
    with open(got, "wb") as out, open(told, "wb") as ids, \
            Subscriber(daemon, TOPIC, "-s", "s", "-t", "exclusive", "--format", "json",
                       stdout=out) as sub:
        with Background(daemon, "pub", TOPIC, "-v", stdin=subprocess.PIPE, stdout=ids) as pub:
            feed = Feed(pub.process.stdin)
            try:
                for _ in range(KILLS):
                    wanted = lines(got) + BETWEEN
                    eventually(lambda: lines(got) >= wanted, "arrivals")
                    daemon.kill()
                    daemon = begin()
            finally:
                count = feed.end()
            assert pub.process.wait(60) == 0, pub.stderr()
        eventually(lambda: lines(got) >= count, "the last ones")
        time.sleep(0.2)  # and no more of them
        sub.signal(signal.SIGINT)
        assert sub.process.wait(30) == 0, sub.stderr()
    arrived = [json.loads(line) for line in got.read_text().splitlines()]
    assert [m["payload"] for m in arrived] == [str(i) for i in range(count)]
    # One that a daemon had stored when it was killed has its verdict from the next one, without an id.
    reported = told.read_text().split()
    assert len(reported) == count
    assert all(name in (m["id"], "-") for m, name in zip(arrived, reported))
    assert reported.count("-") < count / 2
    assert daemon.stop() == 0
