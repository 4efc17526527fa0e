# SPDX-License-Identifier: Apache-2.0
"""Goal:   a consumer or reader whose topic's rule names a schema says it in every SUBSCRIBE: a topic without one gets it, and
        a broker that refuses it is heard by the application, in its words.
Method: hulsed, the official client of Python and the scripted broker."""

import json

import pytest

from command import Background, Subscriber, ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

pytestmark = pytest.mark.timeout(600)
ORDER = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}]}
OTHER = {**ORDER, "fields": [{"name": "id", "type": "string"}]}


@pytest.fixture(name="reading")
def daemon_with_a_schema(hulsed, tmp_path):
    """reading(url, kind, definition, more of the rule) gives a daemon that reads all topics with that schema."""
    def begin(url, kind, definition, **more):
        path = tmp_path / "read.json"
        path.write_text(json.dumps(definition))
        return hulsed(url, topics=[{"match": "**", "consume": {"schema": {
            "file": str(path), "type": kind.lower()}}, **more}])

    return begin


def put(broker, topic, kind, definition):
    status, answer = broker.admin("POST", f"schemas/{topic.split('://')[1]}/schema",
                                  {"type": kind, "schema": json.dumps(definition), "properties": {}})
    assert status == 200, answer


def registered(broker, topic):
    """The newest schema of a topic at its broker."""
    status, answer = broker.admin("GET", f"schemas/{topic.split('://')[1]}/schema")
    return answer if status == 200 else None


@pytest.mark.parametrize("words", [("sub", "-s", "s"), ("sub", "-s", "s", "-t", "key_shared"), ("read",)])
def test_a_topic_without_a_schema_gets_it(reading, pulsar, topic, words):
    daemon = reading(pulsar.service_url, "JSON", ORDER)
    command, *options = words
    if command == "read":
        ok(run(daemon, "read", topic))
    else:
        with Subscriber(daemon, topic, *options):
            pass
    there = registered(pulsar, topic)
    assert (there["version"], there["type"], json.loads(there["data"])) == (0, "JSON", ORDER)


def test_of_partitions(reading, pulsar, topic):
    assert pulsar.admin("PUT", topic.replace("://", "/") + "/partitions", 3)[0] == 204
    with Subscriber(reading(pulsar.service_url, "AVRO", ORDER), topic, "-s", "s"):
        there = registered(pulsar, topic)
    assert (there["version"], there["type"], json.loads(there["data"])) == (0, "AVRO", ORDER)


@pytest.mark.parametrize("command", ["sub", "read"])
def test_one_that_does_not_fit_is_refused_in_the_broker_s_words(reading, pulsar, topic, command):
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    put(pulsar, topic, "JSON", OTHER)
    daemon = reading(pulsar.service_url, "JSON", ORDER)
    done = run(daemon, command, topic, *(["-s", "s"] if command == "sub" else []))
    assert done.returncode != 0 and b"ncompatible" in done.stderr, done.stderr
    assert registered(pulsar, topic)["version"] == 0


def test_it_is_said_again_after_a_loss(reading, fake, topic):
    with Background(reading(fake.url, "JSON", ORDER), "sub", topic, "-s", "s"):
        fake.wait_for("SUBSCRIBE")
        fake.drop_all()
        fake.wait_for("SUBSCRIBE", count=2)
    for heard in fake.heard("SUBSCRIBE"):
        schema = heard.fields["schema"]
        assert (schema["type"], json.loads(schema["schema_data"])) == (2, ORDER)
