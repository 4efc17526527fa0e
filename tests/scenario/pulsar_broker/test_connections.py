# SPDX-License-Identifier: Apache-2.0
"""Goal:   however many applications there are, a worker has one connection to a broker to publish and one to consume; a
        topic that the broker holds back does not hold up the others.
Method: `hulse pub` and `hulse sub` in numbers; the daemon's sockets as the kernel has them; a namespace with a rate.
"""

import os
import pathlib
import subprocess

import pytest

from command import Background, Feed, Subscriber

pytestmark = pytest.mark.timeout(300)

WORKERS = 2
APPS = 20
RATE = 100


@pytest.fixture(name="begin")
def beginner(begin, pulsar):
    """begin(workers) starts the daemon, once."""
    return lambda workers: begin(pulsar, workers=workers, topics=[
        {"match": "**/held/**",
         "publish": {"send_timeout": 0, "pending_max": 8 * RATE, "batch_max": 4 * RATE}}])


def sockets_to(hulsed, url):
    """How many connections the process has to that port."""
    port = int(url.rsplit(":", 1)[1])
    wanted = set()
    for kind in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            words = line.split()
            if int(words[2].rsplit(":", 1)[1], 16) == port and words[3] == "01":
                wanted.add(f"socket:[{words[9]}]")
    folder = f"/proc/{hulsed.pid}/fd"
    return sum(1 for fd in os.listdir(folder) if os.readlink(f"{folder}/{fd}") in wanted)


def test_two_sockets_a_worker_for_all_applications(pulsar, begin, topic):
    hulsed = begin(WORKERS)
    apps = []
    try:
        for n in range(APPS):
            apps.append(Subscriber(hulsed, f"{topic}-{n}", "-s", "s", "--from", "earliest"))
            apps.append(Background(hulsed, "pub", f"{topic}-{n}", "-v", stdin=subprocess.PIPE))
        for n in range(APPS):
            pub = apps[2 * n + 1]
            pub.process.stdin.write(b"%d\n" % n)
            pub.process.stdin.flush()
            pub.line()
        for n in range(APPS):
            assert apps[2 * n].line() == b"%d" % n
        assert 2 <= sockets_to(hulsed, pulsar.service_url) <= 2 * WORKERS
    finally:
        for app in apps:
            app.__exit__()


def test_a_topic_that_is_held_back_gets_a_connection_of_its_own(pulsar, begin, topic, tmp_path):
    hulsed = begin(1)
    held = topic.replace("public/default", "public/held")
    pulsar.admin("PUT", "namespaces/public/held")
    assert pulsar.admin("POST", "namespaces/public/held/publishRate",
                        {"publishThrottlingRateInMsg": RATE,
                         "publishThrottlingRateInByte": 0})[0] == 204
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{n}\n" for n in range(40 * RATE)))
    with open(lines, "rb") as numbers, open(tmp_path / "told", "wb") as told, \
            Background(hulsed, "pub", held, stdin=numbers) as slow, \
            Background(hulsed, "pub", topic, "-v", stdin=subprocess.PIPE, stdout=told) as other:
        feed = Feed(other.process.stdin)
        try:
            hulsed.await_lines("pulsar.producer_apart")  # one of the two: they part
        finally:
            feed.end()
        hulsed.await_lines("pulsar.connected", 2)
        assert other.process.wait(60) == 0, other.stderr()
        # It was served before what has been waiting for longer.
        assert slow.process.poll() is None, slow.stderr()
    assert not hulsed.lines("pulsar.lost")
