# SPDX-License-Identifier: Apache-2.0
"""Goal:   a consumer or reader whose topic's rule names a schema says it in every SUBSCRIBE: a topic without one gets it, and
        a broker that refuses it is heard by the application, in its words. An application is told which schema each
        message was written with, and what that is; a broker is asked once for a version, whoever wants to know.
Method: hulsed, the official client of Python and the scripted broker."""

import json

import pytest

from command import Background, Subscriber, ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

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


# ---- which schema a message was written with ----

class Order(library.schema.Record):
    """What ORDER is to the official client."""

    id = library.schema.Long(required=True)
    note = library.schema.String(required_default=True)


class Newer(library.schema.Record):
    """One field more, which may be missing."""

    id = library.schema.Long(required=True)
    note = library.schema.String(required_default=True)
    more = library.schema.Integer(required_default=True)


@pytest.fixture(name="plain")
def daemon_without_rules(hulsed, pulsar):
    return hulsed(pulsar.service_url)


def decoded(daemon, topic, *words):
    return [json.loads(line) for line in ok(run(daemon, "read", topic, "--decode", "--json", *words)).splitlines()]


@pytest.mark.parametrize("kind", ["AvroSchema", "JsonSchema"])
def test_each_message_is_decoded_by_its_own_schema(plain, pulsar, official, topic, kind):
    make = getattr(library.schema, kind)
    client = official(pulsar.service_url)
    client.create_producer(topic, schema=make(Order)).send(Order(id=1, note="first"))
    client.create_producer(topic, schema=make(Newer)).send(Newer(id=2, note=None, more=7))
    first, second = decoded(plain, topic)
    assert (first["schema_version"], second["schema_version"]) == (0, 1)
    assert first["payload"] == {"id": 1, "note": "first"}
    assert second["payload"] == {"id": 2, "note": None, "more": 7}
    lines = ok(run(plain, "read", topic, "--decode")).splitlines()
    assert json.loads(lines[0]) == {"id": 1, "note": "first"}


@pytest.mark.parametrize("kind, value", [
    (library.schema.StringSchema(), "a text"), (library.schema.BytesSchema(), b"bytes")])
def test_others_than_records(plain, pulsar, official, topic, kind, value):
    official(pulsar.service_url).create_producer(topic, schema=kind).send(value)
    message, = decoded(plain, topic)
    if isinstance(value, bytes):
        assert (message["payload"], message["undecoded"]) == (value.decode(), "it was written without a schema")
        assert "schema_version" not in message
    else:
        assert (message["payload"], message["schema_version"]) == (value, 0)
        assert "undecoded" not in message


def publish_typed(fake, topic, versions):
    """Entries of JSON whose metadata have these versions, eight bytes each, or whatever is given."""
    for number, version in enumerate(versions):
        fake.publish(topic, b'{"id": %d}' % number, schema_version=version)


def answer_schemas(request):
    number = request.fields.get("schema_version", b"")
    if number == (7).to_bytes(8, "big"):
        request.reply("GET_SCHEMA_RESPONSE", error_code="TopicNotFound", error_message="no such version")
    else:
        request.reply("GET_SCHEMA_RESPONSE", schema_version=number,
                      schema={"name": "", "schema_data": json.dumps(ORDER).encode(), "type": "Json"})


def test_a_broker_is_asked_once_for_a_version(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    fake.on("GET_SCHEMA", answer_schemas)
    publish_typed(fake, topic, [(n % 2).to_bytes(8, "big") for n in range(6)])
    for _ in range(3):
        got = decoded(daemon, topic)
        assert [m["schema_version"] for m in got] == [0, 1] * 3
        assert [m["payload"] for m in got] == [{"id": n} for n in range(6)]
    assert len(fake.heard("GET_SCHEMA")) == 2


def test_one_that_there_is_not_is_asked_for_once(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    fake.on("GET_SCHEMA", answer_schemas)
    publish_typed(fake, topic, [(7).to_bytes(8, "big")] * 3)
    for _ in range(2):
        got = decoded(daemon, topic)
        assert [m["payload"] for m in got] == ['{"id": %d}' % n for n in range(3)]
        assert all("no schema of that version" in m["undecoded"] for m in got), got
    assert len(fake.heard("GET_SCHEMA")) == 1


def test_a_version_that_is_none(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    publish_typed(fake, topic, [b"", b"x", b"\xff" * 8, b"y" * 64])
    got = decoded(daemon, topic)
    assert len(got) == 4 and not any("schema_version" in m for m in got)
    assert not fake.heard("GET_SCHEMA")


@pytest.mark.parametrize("answer", [lambda request: None, lambda request: request.connection.reset()])
def test_a_broker_that_does_not_say_loses_nothing(fake, hulsed, topic, answer):
    daemon = hulsed(fake.url, operation_timeout="300ms")
    fake.topic(topic)
    fake.on("GET_SCHEMA", answer)
    publish_typed(fake, topic, [(0).to_bytes(8, "big")])
    message, = decoded(daemon, topic, "-n", 1)
    assert message["payload"] == '{"id": 0}' and "is not told" in message["undecoded"]


DEEP = b'{"type":"array","items":' * 2000 + b'"int"' + b"}" * 2000
HOSTILE = [b"", b"{", b"x" * (513 << 10), DEEP, b'{"type":"lung"}',
           b'{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}']


@pytest.mark.parametrize("definition", HOSTILE, ids=range(len(HOSTILE)))
def test_a_definition_that_is_none(fake, hulsed, topic, definition):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: request.reply(
        "GET_SCHEMA_RESPONSE", schema_version=request.fields["schema_version"],
        schema={"name": "", "schema_data": definition, "type": "Avro"}))
    publish_typed(fake, topic, [(0).to_bytes(8, "big")])
    message, = decoded(daemon, topic)
    assert message["payload"] == '{"id": 0}' and message["undecoded"]
    assert run(daemon, "stats").returncode == 0


# ---- what a consumer with a schema of its own gets ----

NEWER = {**ORDER, "fields": [{"name": "more", "type": "int", "default": 3}, *ORDER["fields"]]}
NUMBERS = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "double"}]}


def unresolved(daemon, topic):
    return json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))["refused"]["unresolved"]


@pytest.mark.parametrize("words", [("read",), ("sub", "-s", "s", "--from", "earliest"),
                                   ("sub", "-s", "s", "-t", "failover", "--from", "earliest")])
def test_another_version_becomes_the_consumers(reading, pulsar, official, topic, words):
    producer = official(pulsar.service_url).create_producer(topic, schema=library.schema.AvroSchema(Order))
    for number in range(3):
        producer.send(Order(id=number, note=None))
    daemon = reading(pulsar.service_url, "AVRO", NEWER)
    got = [json.loads(line) for line in ok(run(
        daemon, words[0], topic, *words[1:], "--decode", "--json", "-n", 3)).splitlines()]
    assert [m["payload"] for m in got] == [{"more": 3, "id": n, "note": None} for n in range(3)]
    assert [m["schema_version"] for m in got] == [0] * 3
    assert unresolved(daemon, topic) == 0


def test_another_version_in_chunks(reading, pulsar, official, topic):
    producer = official(pulsar.service_url).create_producer(
        topic, schema=library.schema.AvroSchema(Order), chunking_enabled=True, batching_enabled=False)
    note = "n" * (6 << 20)
    producer.send(Order(id=1, note=note))
    daemon = reading(pulsar.service_url, "AVRO", NEWER)
    message = json.loads(ok(run(daemon, "read", topic, "--decode", "--json", "-n", 1)))
    assert message["payload"] == {"more": 3, "id": 1, "note": note}
    assert unresolved(daemon, topic) == 0


def publish_avro(fake, topic, *payloads, version=0):
    for payload in payloads:
        fake.publish(topic, payload, schema_version=version.to_bytes(8, "big"))


def tell(fake, *definitions, kind="Avro"):
    """The broker has these versions."""
    def answer(request):
        number = int.from_bytes(request.fields["schema_version"], "big")
        request.reply("GET_SCHEMA_RESPONSE", schema_version=request.fields["schema_version"],
                      schema={"name": "", "schema_data": json.dumps(definitions[number]).encode(), "type": kind})

    fake.on("GET_SCHEMA", answer)


def raw(daemon, topic, *words):
    return ok(run(daemon, "read", topic, *words)).split(b"\n")[:-1]


def test_older_newer_and_the_same_in_their_order(reading, fake, topic):
    fake.topic(topic)
    tell(fake, ORDER, NEWER, NUMBERS)
    for n in range(20):
        publish_avro(fake, topic, b"\x22\x00" if n % 2 == 0 else b"\x24\x26\x00", version=n % 2)
    daemon = reading(fake.url, "AVRO", ORDER)
    assert raw(daemon, topic) == [b"\x22\x00", b"\x26\x00"] * 10
    assert len(fake.heard("GET_SCHEMA")) == 2


@pytest.mark.parametrize("kind, definition, payload", [
    ("Avro", OTHER, b"\x02x"), ("Avro", ORDER, b"\x22\x07"), ("Json", ORDER, b'{"id": 1}'), ("Avro", "lung", b"x")])
def test_what_cannot_be_resolved_is_handed_out_as_written(reading, fake, topic, kind, definition, payload):
    fake.topic(topic)
    tell(fake, ORDER, definition, kind=kind)
    publish_avro(fake, topic, payload, version=1)
    publish_avro(fake, topic, b"\x22\x00", version=1 if definition == ORDER and kind == "Avro" else 0)
    daemon = reading(fake.url, "AVRO", NEWER)
    got = raw(daemon, topic)
    assert got[0] == payload
    assert got[1] == (b"\x06\x22\x00" if kind == "Avro" else b"\x22\x00")
    assert unresolved(daemon, topic) == (1 if kind == "Avro" else 2)
    line = daemon.await_lines("consume.unresolved")[0]
    assert line["topic"] == topic and line["why"]


def test_a_schema_that_is_not_told_keeps_nothing_back(reading, fake, topic):
    fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: request.fail("MetadataError", "no metadata today"))
    publish_avro(fake, topic, b"\x22\x00", b"\x24\x00")
    daemon = reading(fake.url, "AVRO", NEWER)
    assert raw(daemon, topic) == [b"\x22\x00", b"\x24\x00"]
    assert unresolved(daemon, topic) == 2
    tell(fake, ORDER)
    assert raw(daemon, topic) == [b"\x06\x22\x00", b"\x06\x24\x00"]


def test_closed_while_a_schema_is_asked_for(reading, fake, topic):
    fake.topic(topic)
    held = []
    fake.on("GET_SCHEMA", held.append)
    publish_avro(fake, topic, *[b"\x22\x00"] * 50)
    daemon = reading(fake.url, "AVRO", NEWER)
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest"):
        fake.wait_for("GET_SCHEMA")
    with Subscriber(daemon, topic, "-s", "s") as again:
        fake.run(lambda: held[0].reply("GET_SCHEMA_RESPONSE", schema_version=bytes(8), schema={
            "name": "", "schema_data": json.dumps(ORDER).encode(), "type": "Avro"}))
        assert [again.line() for _ in range(50)] == [b"\x06\x22\x00"] * 50
    assert daemon.stop() == 0


def test_json_is_handed_out_as_it_is(reading, fake, topic):
    fake.topic(topic)
    publish_avro(fake, topic, b'{"id": 1, "other": 2}', b'{"id": "x"}', b"no json")
    daemon = reading(fake.url, "JSON", ORDER)
    assert raw(daemon, topic) == [b'{"id": 1, "other": 2}', b'{"id": "x"}', b"no json"]
    assert unresolved(daemon, topic) == 2
    assert not fake.heard("GET_SCHEMA")
    assert daemon.await_lines("consume.unresolved")[0]["path"] == "id"


def test_a_message_without_a_version_is_read_as_the_consumers(reading, fake, topic):
    fake.topic(topic)
    fake.publish(topic, b"\x22\x00")
    fake.publish(topic, b"\x22")
    fake.publish(topic, b"", null_value=True)
    daemon = reading(fake.url, "AVRO", ORDER)
    assert raw(daemon, topic) == [b"\x22\x00", b"\x22", b""]
    assert unresolved(daemon, topic) == 1
