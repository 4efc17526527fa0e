# SPDX-License-Identifier: Apache-2.0
"""Goal:   a message's time to live goes with it through a cluster: after it the daemon that consumes does not hand it
        out; whoever is not hulsed sees a property.
Method: `hulse pub --ttl`, the official client and `hulse sub`; the instant itself is written by the official one.
"""

import json
import time

import pytest

from command import ok, run
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
from official import received  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)
EXPIRES = "hulse-expires-ms"


@pytest.fixture(name="hulsed")
def daemon_of_the_broker(pulsar, tmp_path):
    config = tmp_path / "hulse.yaml"
    config.write_text(json.dumps({
        "brokers": {"main": {"type": "pulsar", "service_url": pulsar.service_url}},
        "topics": [{"match": "**"}]}))
    hulsed = Hulsed(tmp_path / "run", args=["--config", config])
    yield hulsed
    hulsed.kill()


def test_it_is_said(hulsed, pulsar, official, topic):
    before = int(time.time() * 1000)
    ok(run(hulsed, "pub", topic, "--ttl", "1h", "-p", "a=b", "x", timeout=60))
    said = received(official(pulsar.service_url), topic, 1)[0].properties()
    assert said.keys() == {"a", EXPIRES}
    assert before <= int(said[EXPIRES]) - 3600000 <= int(time.time() * 1000)


def test_it_is_heard(hulsed, pulsar, official, topic):
    producer = official(pulsar.service_url).create_producer(topic)
    now = int(time.time() * 1000)
    for payload, instant in ((b"over", str(now - 1000)), (b"later", str(now + 3600000)),
                             (b"nonsense", "soon")):
        producer.send(payload, properties={EXPIRES: instant})
    out = ok(run(hulsed, "sub", topic, "-s", "s", "--from", "earliest", "-n", 2, timeout=60))
    assert out == b"later\nnonsense\n"
