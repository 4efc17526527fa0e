# SPDX-License-Identifier: Apache-2.0
"""Goal:   `hulse sub --regex` consumes topics of a cluster that match, with partitions and without, those that come too.
Method: a namespace of its own, the official client publishes."""

import json

import pytest

from command import Subscriber, run
from conftest import Hulsed

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(name="space")
def namespace(pulsar, topic):
    name = f"public/patterns-{topic.rpartition('/')[2]}"
    assert pulsar.admin("PUT", f"namespaces/{name}")[0] == 204
    return name


@pytest.fixture(name="daemon")
def running_daemon(pulsar, tmp_path):
    config = tmp_path / "hulse.yaml"
    config.write_text(json.dumps({"brokers": {"main": {
        "type": "pulsar", "service_url": pulsar.service_url}}}))
    running = Hulsed(tmp_path / "run", args=["--config", config])
    yield running
    running.kill()


def publish(client, name, *payloads):
    producer = client.create_producer(name)
    for each in payloads:
        producer.send(each)
    producer.close()


def test_topics_with_and_without_partitions(pulsar, daemon, official, space):
    assert pulsar.admin("PUT", f"persistent/{space}/a-1/partitions", 3)[0] == 204
    client = official(pulsar.service_url)
    for name in ("a-1", "a-2", "b"):
        publish(client, f"persistent://{space}/{name}", *[name.encode()] * 5)
    with Subscriber(daemon, f"{space}/a-.*", "-s", "s", "--regex", "--from", "earliest",
                    "-n", 13) as sub:
        assert sorted(sub.line() for _ in range(10)) == [b"a-1"] * 5 + [b"a-2"] * 5
        publish(client, f"persistent://{space}/a-3", b"1", b"2", b"3")
        assert sub.wait(60) == (b"1\n2\n3\n", 0)
        assert "partition" not in sub.stderr()


def test_a_cluster_that_is_away_is_told(hulsed):
    """Although the daemon's own topics are listed at once."""
    daemon = hulsed("pulsar://127.0.0.1:1", operation_timeout="1s")
    done = run(daemon, "sub", "x.*", "-s", "s", "--regex")
    assert done.returncode == 69
    assert b"Connection refused" in done.stderr
