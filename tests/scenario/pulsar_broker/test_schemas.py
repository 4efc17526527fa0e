# SPDX-License-Identifier: Apache-2.0
"""Goal:   a new schema is judged by `hulse schema check` as a real broker judges it. A topic whose rule names a schema has
        it at its broker, which refuses one that does not fit, and its messages have the version, also those of
        partitions and after a loss; official clients read them by it. `hulse schema` gets and puts what a broker has.
Method: each pair of tests/unit/daemon/schema/compatibility_cases.txt is put to the broker through its admin REST, in
        a namespace for each strategy, and to the command. hulsed and the official client of Python publish and consume
        the same topics."""

import base64
import concurrent.futures
import json
import pathlib

import pytest

from command import ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import RECEIVE_MS, received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(600)
CASES = pathlib.Path(__file__).parents[2] / "unit/daemon/schema/compatibility_cases.txt"
# Avro 1.12 takes a default of any type of a union, 1.11 (Pulsar 4.0, and ours) of its first one alone.
LOOSER_SINCE_4_2 = "a default of the second type of a union"
STRATEGIES = ("BACKWARD", "FORWARD", "FULL")


def wrapped(text):
    """A broker takes no unions, arrays and the like at the top."""
    definition = json.loads(text.replace("'", '"'))
    if isinstance(definition, dict) and definition["type"] == "record":
        return definition
    return {"type": "record", "name": "Top", "fields": [{"name": "v", "type": definition}]}


def cases():
    """(name, verdicts of the table, two definitions)"""
    for line in CASES.read_text().splitlines():
        if not line.startswith("#"):
            verdicts, name, old, fresh = line.split("\t")
            yield name, {"BACKWARD": verdicts[0] == "y", "FORWARD": verdicts[1] == "y",
                         "FULL": verdicts == "yy"}, (wrapped(old), wrapped(fresh))


@pytest.fixture(scope="module")
def namespaces(plain_broker):
    for strategy in STRATEGIES + ("FULL_TRANSITIVE", "BACKWARD_TRANSITIVE"):
        name = f"public/{strategy.lower()}"
        plain_broker.admin("PUT", f"namespaces/{name}", {})
        plain_broker.admin("PUT", f"namespaces/{name}/schemaCompatibilityStrategy", strategy)
    return plain_broker


def body(definition, kind="AVRO"):
    return {"type": kind, "schema": json.dumps(definition), "properties": {}}


def broker_agrees(broker, path, definition, kind="AVRO"):
    """An incompatible schema is an error of the server."""
    status, answer = broker.admin("POST", f"schemas/{path}/compatibility", body(definition, kind))
    assert status in (200, 202, 500), (status, answer)
    return status != 500 and answer["compatibility"]


def ours_agree(folder, strategy, *definitions, kind="AVRO"):
    files = []
    for n, definition in enumerate(definitions):
        files.append(folder / f"{n}.json")
        files[-1].write_text(json.dumps(definition))
    done = run(None, "schema", "check", *files, "--strategy", strategy, "--type", kind)
    assert done.returncode in (0, 65), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["AVRO", "JSON"])
def test_pairs(namespaces, tmp_path, strategy, kind):
    wrong = []
    for number, (name, verdicts, (old, fresh)) in enumerate(cases()):
        path = f"public/{strategy.lower()}/{kind.lower()}-{number}"
        status, answer = namespaces.admin("POST", f"schemas/{path}/schema", body(old, kind))
        assert status == 200, answer
        broker = broker_agrees(namespaces, path, fresh, kind)
        ours = ours_agree(tmp_path, strategy, old, fresh, kind=kind)
        if name == LOOSER_SINCE_4_2 and namespaces.version >= (4, 2):
            broker = broker and verdicts[strategy]
        if not broker == ours == verdicts[strategy]:
            wrong.append((name, {"broker": broker, "ours": ours, "table": verdicts[strategy]}))
    assert not wrong


@pytest.mark.parametrize("strategy", ["BACKWARD", "BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"])
def test_all_schemas_of_a_topic(namespaces, tmp_path, strategy):
    """The third fits the second alone."""
    def record(*fields):
        return {"type": "record", "name": "R", "fields": list(fields)}

    chain = [record(), record({"name": "x", "type": "int", "default": 1}),
             record({"name": "x", "type": "int"})]
    path = f"public/{strategy.lower()}/chain"
    for definition in chain[:2]:
        status, answer = namespaces.admin("POST", f"schemas/{path}/schema", body(definition))
        assert status == 200, answer
    broker = broker_agrees(namespaces, path, chain[2])
    assert broker == (strategy == "BACKWARD")
    assert broker == ours_agree(tmp_path, strategy, *chain)


def test_another_type(namespaces, tmp_path):
    old = {"type": "record", "name": "R", "fields": []}
    path = "public/full/another-type"
    status, answer = namespaces.admin("POST", f"schemas/{path}/schema", body(old))
    assert status == 200, answer
    assert not broker_agrees(namespaces, path, old, "JSON")
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(json.dumps(body(old)))
    second.write_text(json.dumps(body(old, "JSON")))
    assert run(None, "schema", "check", first, second).returncode == 65


# ---- topics whose rules name schemas ----

class Order(library.schema.Record):
    """What ORDER is to the official client."""

    id = library.schema.Long(required=True)
    note = library.schema.String()


ORDER = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}]}
FIRST = (0).to_bytes(8, "big")
SECOND = (1).to_bytes(8, "big")


@pytest.fixture(name="typed")
def daemon_with_a_schema(hulsed, pulsar, tmp_path):
    """typed(kind, definition, more of the rule) gives a daemon all of whose topics have that schema."""
    def begin(kind, definition, **more):
        path = tmp_path / "schema.json"
        path.write_text(json.dumps(definition))
        schema = {"file": str(path), "type": kind.lower()} if definition else {"type": kind.lower()}
        return hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {
            "schema": schema, "validate": True, **more}}])

    return begin


def registered(broker, topic):
    """The newest schema of a topic at its broker."""
    status, answer = broker.admin("GET", f"schemas/{topic.split('://')[1]}/schema")
    return answer if status == 200 else None


def publish_orders(daemon, topic, *ids):
    return run(daemon, "pub", topic, *[json.dumps({"id": n, "note": "x"}) for n in ids])


def versions(messages):
    """Eight bytes each."""
    return [m.schema_version().encode("latin-1") for m in messages]


def test_the_broker_has_the_schema_and_messages_its_version(typed, pulsar, official, topic):
    daemon = typed("JSON", ORDER)
    ok(publish_orders(daemon, topic, 1, 2, 3))
    there = registered(pulsar, topic)
    assert (there["version"], there["type"], json.loads(there["data"])) == (0, "JSON", ORDER)
    client = official(pulsar.service_url)
    consumer = client.subscribe(topic, "typed", schema=library.schema.JsonSchema(Order),
                                initial_position=library.InitialPosition.Earliest)
    got = [consumer.receive(RECEIVE_MS) for _ in range(3)]
    assert [(m.value().id, m.value().note) for m in got] == [(n, "x") for n in (1, 2, 3)]
    assert versions(got) == [FIRST] * 3


def test_what_does_not_fit_never_reaches_the_broker(typed, pulsar, official, topic):
    daemon = typed("JSON", ORDER)
    done = run(daemon, "pub", topic, json.dumps({"id": 1}), json.dumps({"id": "x"}), json.dumps({"id": 2}))
    assert done.returncode == 1
    got = received(official(pulsar.service_url), topic, 2)
    assert [json.loads(m.data()) for m in got] == [{"id": 1}, {"id": 2}]


def test_a_schema_that_the_broker_refuses(typed, pulsar, topic):
    status, answer = pulsar.admin("POST", f"schemas/{topic.split('://')[1]}/schema",
                                  body({**ORDER, "fields": [{"name": "id", "type": "string"}]}, "JSON"))
    assert status == 200, answer
    done = publish_orders(typed("JSON", ORDER), topic, 1)
    assert done.returncode != 0
    assert b"ncompatible" in done.stderr, done.stderr
    assert registered(pulsar, topic)["version"] == 0


def test_official_and_hulse_have_one_schema(typed, pulsar, official, topic):
    client = official(pulsar.service_url)
    producer = client.create_producer(topic, schema=library.schema.JsonSchema(Order))
    producer.send(Order(id=1, note="official"))
    definition = json.loads(registered(pulsar, topic)["data"])
    ok(publish_orders(typed("JSON", definition), topic, 2))
    assert registered(pulsar, topic)["version"] == 0
    first, second = received(client, topic, 2)
    assert first.schema_version() == second.schema_version()


def test_avro_as_bytes(typed, pulsar, official, topic, tmp_path):
    daemon = typed("AVRO", ORDER)
    payload = tmp_path / "payload"
    payload.write_bytes(b"\x0e\x02\x04hi")
    ok(run(daemon, "pub", topic, "--file", payload))
    payload.write_bytes(b"\x0e\x02\x04h")
    assert run(daemon, "pub", topic, "--file", payload).returncode == 1
    assert registered(pulsar, topic)["type"] == "AVRO"
    got = received(official(pulsar.service_url), topic, 1)
    assert got[0].data() == b"\x0e\x02\x04hi"


def test_a_primitive_type(typed, pulsar, topic, tmp_path):
    daemon = typed("INT32", None)
    payload = tmp_path / "payload"
    payload.write_bytes(b"\0\0\0\1")
    ok(run(daemon, "pub", topic, "--file", payload))
    assert registered(pulsar, topic)["type"] == "INT32"


def test_the_version_survives_a_loss(typed, pulsar, official, topic):
    daemon = typed("JSON", ORDER)
    ok(publish_orders(daemon, topic, 1))
    assert pulsar.admin("PUT", topic.replace("://", "/") + "/unload")[0] == 204
    ok(publish_orders(daemon, topic, 2))
    assert versions(received(official(pulsar.service_url), topic, 2)) == [FIRST, FIRST]


def test_all_partitions_have_the_version_from_their_first_record(typed, pulsar, official, topic):
    assert pulsar.admin("PUT", topic.replace("://", "/") + "/partitions", 4)[0] == 204
    daemon = typed("JSON", ORDER, batch_max=1)
    ok(publish_orders(daemon, topic, *range(40)))
    got = received(official(pulsar.service_url), topic, 40)
    assert len({m.topic_name() for m in got}) == 4
    assert set(versions(got)) == {FIRST}


def test_one_that_evolves(typed, pulsar, official, hulsed, topic, tmp_path):
    first = typed("JSON", ORDER)
    ok(publish_orders(first, topic, 1))
    first.stop()
    more = {**ORDER, "fields": ORDER["fields"] + [{"name": "more", "type": "int", "default": 0}]}
    path = tmp_path / "more.json"
    path.write_text(json.dumps(body(more, "JSON")))
    daemon = hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {"schema": str(path)}}])
    ok(publish_orders(daemon, topic, 2))
    assert registered(pulsar, topic)["version"] == 1
    assert versions(received(official(pulsar.service_url), topic, 2)) == [FIRST, SECOND]


# ---- the registry ----

@pytest.fixture(name="plain")
def daemon_without_rules(hulsed, pulsar):
    return hulsed(pulsar.service_url)


def test_get_what_is_there(plain, pulsar, topic, tmp_path):
    assert run(plain, "schema", "get", topic).returncode == 65
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    nothing = run(plain, "schema", "get", topic)
    assert nothing.returncode == 65 and b"the topic has no schema" in nothing.stderr, nothing.stderr
    for definition in (ORDER, {**ORDER, "fields": ORDER["fields"][:1]}):
        status, answer = pulsar.admin("POST", f"schemas/{topic.split('://')[1]}/schema", body(definition, "JSON"))
        assert status == 200, answer
    newest = json.loads(ok(run(plain, "schema", "get", topic, "--json")))
    assert (newest["topic"], newest["version"], newest["type"]) == (topic, 1, "JSON")
    assert json.loads(newest["definition"])["fields"] == ORDER["fields"][:1]
    first = tmp_path / "first"
    first.write_bytes(ok(run(plain, "schema", "get", topic, "--version", 0)))
    form = json.loads(first.read_text())
    assert (form["type"], json.loads(form["schema"]), form["properties"]) == ("JSON", ORDER, {})
    ok(run(None, "schema", "check", first))
    assert json.loads(ok(run(plain, "schema", "put", topic, first, "--json")))["version"] == 0
    missing = run(plain, "schema", "get", topic, "--version", 7)
    assert missing.returncode == 65 and b"no schema" in missing.stderr, missing.stderr


def test_put_one_and_the_same_again(plain, pulsar, topic, tmp_path):
    path = tmp_path / "schema"
    path.write_text(json.dumps(ORDER))
    assert run(plain, "schema", "put", topic, path).returncode == 65
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    for _ in range(2):
        answer = json.loads(ok(run(plain, "schema", "put", topic, path, "--json")))
        assert answer == {"topic": topic, "broker": "main", "version": 0, "type": "AVRO"}
    assert json.loads(registered(pulsar, topic)["data"]) == ORDER
    path.write_text(json.dumps({**ORDER, "fields": [{"name": "id", "type": "string"}]}))
    refused = run(plain, "schema", "put", topic, path)
    assert refused.returncode != 0 and b"ncompatible" in refused.stderr, refused.stderr
    assert registered(pulsar, topic)["version"] == 0


def test_partitions_have_one_schema(plain, pulsar, topic, tmp_path):
    assert pulsar.admin("PUT", topic.replace("://", "/") + "/partitions", 3)[0] == 204
    path = tmp_path / "schema"
    path.write_text(json.dumps(ORDER))
    ok(run(plain, "schema", "put", topic, path))
    assert json.loads(registered(pulsar, topic)["data"]) == ORDER
    assert json.loads(ok(run(plain, "schema", "get", topic, "--json")))["version"] == 0


def test_a_broker_that_does_not_answer(fake, hulsed, topic):
    daemon = hulsed(fake.url, operation_timeout="300ms")
    fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: None)
    done = run(daemon, "schema", "get", topic)
    assert done.returncode == 75 and b"does not answer" in done.stderr, done.stderr


@pytest.mark.parametrize("unanswered", ["PARTITIONED_METADATA", "LOOKUP", "GET_SCHEMA"])
def test_the_daemon_ends_meanwhile(fake, hulsed, topic, unanswered):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    fake.on(unanswered, lambda request: None)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        asked = threads.submit(run, daemon, "schema", "get", topic)
        fake.wait_for(unanswered)
        assert daemon.stop() == 0
        assert asked.result().returncode != 0


def test_the_connection_is_lost(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: request.connection.reset())
    done = run(daemon, "schema", "get", topic)
    assert done.returncode == 69 and b"onnection" in done.stderr, done.stderr


HOSTILE = ({"schema_version": b"\0" * 8}, {"schema": {}}, {"schema": {}, "schema_version": b"\0" * 7},
           {"schema": {}, "schema_version": b"\xff" * 8},
           {"schema": {"data": b"x" * (513 << 10)}, "schema_version": b"\0" * 8},
           {"schema": {"type": "KeyValue", "data": b"\0\0\0\2x"}, "schema_version": b"\0" * 8})


def reply_schema(answer):
    """Of an Avro schema, unless the answer says otherwise."""
    def reply(request):
        fields = dict(answer)
        if "schema" in fields:
            fields["schema"] = {"name": "", "schema_data": fields["schema"].get("data", b"1"),
                                "type": fields["schema"].get("type", "Avro")}
        request.reply("GET_SCHEMA_RESPONSE", **fields)

    return reply


def test_answers_that_cannot_be_used(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    for answer in HOSTILE:
        fake.on("GET_SCHEMA", reply_schema(answer))
        assert run(daemon, "schema", "get", topic).returncode == 69, answer
    fake.on("GET_SCHEMA", reply_schema({"schema": {}, "schema_version": b"\0" * 8}))
    assert json.loads(ok(run(daemon, "schema", "get", topic)))["schema"] == "1"
    fake.on("GET_OR_CREATE_SCHEMA", lambda request: request.reply("GET_OR_CREATE_SCHEMA_RESPONSE"))
    assert run(daemon, "schema", "put", topic, "/dev/null", "--type", "STRING").returncode == 69


def test_a_schema_is_put_where_the_topic_is_now(fake, hulsed, topic):
    daemon = hulsed(fake.url)
    fake.topic(topic)
    for _ in range(2):
        ok(run(daemon, "schema", "put", topic, "/dev/null", "--type", "STRING"))
    assert len(fake.heard("LOOKUP")) == 2


def test_a_large_definition(plain, pulsar, topic, tmp_path):
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    path = tmp_path / "large"
    definition = {**ORDER, "doc": "\"" * 200_000}
    path.write_text(json.dumps(definition))
    ok(run(plain, "schema", "put", topic, path))
    assert json.loads(registered(pulsar, topic)["data"]) == definition
    got = json.loads(ok(run(plain, "schema", "get", topic)))
    assert json.loads(got["schema"]) == definition
    path.write_text(json.dumps({**ORDER, "doc": "x" * (600 << 10)}))
    refused = run(plain, "schema", "put", topic, path)
    assert refused.returncode == 65 and b"524288" in refused.stderr, refused.stderr


PAIR = {"type": "KEY_VALUE", "schema": json.dumps({"key": "", "value": ORDER}), "properties": {
    "key.schema.name": "", "key.schema.type": "STRING", "key.schema.properties": "{}", "value.schema.name": "",
    "value.schema.type": "AVRO", "value.schema.properties": "{}", "kv.encoding.type": "INLINE"}}


def test_properties_and_pairs_are_put_and_got(plain, pulsar, topic, tmp_path):
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    path = tmp_path / "form"
    path.write_text(json.dumps(PAIR))
    ok(run(None, "schema", "check", path))
    ok(run(plain, "schema", "put", topic, path))
    there = registered(pulsar, topic)
    assert there["type"] == "KEY_VALUE"
    assert {k: v for k, v in there["properties"].items() if k in PAIR["properties"]} == PAIR["properties"]
    got = json.loads(ok(run(plain, "schema", "get", topic)))
    assert json.loads(got["schema"]) == json.loads(PAIR["schema"])
    assert got["properties"]["value.schema.type"] == "AVRO"
    path.write_text(json.dumps(got))
    assert json.loads(ok(run(plain, "schema", "put", topic, path, "--json")))["version"] == 0


@pytest.mark.parametrize("kind, definition", [
    ("PROTOBUF", {"type": "record", "name": "P", "fields": [{"name": "a", "type": "int"}]}),
    ("LOCAL_DATE_TIME", None), ("STRING", None)])
def test_other_types_are_put_and_got(plain, pulsar, topic, tmp_path, kind, definition):
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    path = tmp_path / "form"
    path.write_text(json.dumps({"type": kind, "schema": "" if definition is None else json.dumps(definition),
                                "properties": {"by": "hulse"}}))
    ok(run(plain, "schema", "put", topic, path))
    got = json.loads(ok(run(plain, "schema", "get", topic)))
    assert (got["type"], got["properties"]["by"]) == (kind, "hulse")


# ---- publishing with the topic's own schema ----

@pytest.fixture(name="auto")
def daemon_with_auto(hulsed, pulsar):
    return hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {"schema": {"type": "auto"}}}])


def test_auto_has_the_newest_of_the_topic(auto, pulsar, official, topic):
    assert pulsar.admin("PUT", topic.replace("://", "/"))[0] == 204
    for definition in (ORDER, {**ORDER, "fields": ORDER["fields"] + [{"name": "more", "type": "int", "default": 0}]}):
        status, answer = pulsar.admin("POST", f"schemas/{topic.split('://')[1]}/schema", body(definition, "JSON"))
        assert status == 200, answer
    done = run(auto, "pub", topic, "-v", json.dumps({"id": 1}), json.dumps({"id": "x"}))
    assert done.returncode == 1 and b"does not match the schema" in done.stderr, done.stderr
    message, = received(official(pulsar.service_url), topic, 1)
    assert (message.data(), versions([message])) == (b'{"id": 1}', [SECOND])
    assert registered(pulsar, topic)["version"] == 1


def test_auto_without_a_schema_publishes_bytes(auto, pulsar, official, topic):
    ok(run(auto, "pub", topic, "anything"))
    message, = received(official(pulsar.service_url), topic, 1)
    assert (message.data(), versions([message])) == (b"anything", [b""])
    assert registered(pulsar, topic) is None


def test_auto_of_partitions(auto, pulsar, official, topic):
    assert pulsar.admin("PUT", topic.replace("://", "/") + "/partitions", 3)[0] == 204
    status, answer = pulsar.admin("POST", f"schemas/{topic.split('://')[1]}/schema", body(ORDER, "JSON"))
    assert status == 200, answer
    ok(publish_orders(auto, topic, 1, 2, 3))
    assert versions(received(official(pulsar.service_url), topic, 3)) == [FIRST] * 3


def test_auto_when_the_broker_does_not_say(fake, hulsed, topic):
    daemon = hulsed(fake.url, operation_timeout="300ms", topics=[{"match": "**", "publish": {
        "schema": {"type": "auto"}}}])
    fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: None)
    done = run(daemon, "pub", topic, "x")
    assert done.returncode != 0 and b"does not answer" in done.stderr, done.stderr
    assert not fake.heard("PRODUCER")
    assert daemon.stop() == 0


# ---- schemas that Hulse does not look into, and pairs ----

def form(tmp_path, kind, definition, **properties):
    path = tmp_path / "form"
    path.write_text(json.dumps({"type": kind, "schema": definition, "properties": properties}))
    return path


@pytest.mark.parametrize("encoding", ["INLINE", "SEPARATED"])
def test_pairs_are_registered_checked_and_decoded(hulsed, pulsar, topic, tmp_path, encoding):
    path = form(tmp_path, "KEY_VALUE", PAIR["schema"], **{**PAIR["properties"], "kv.encoding.type": encoding})
    daemon = hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {
        "schema": str(path), "validate": True}}])
    value = b"\x0e\x02\x04hi"
    payload = tmp_path / "payload"
    key = [] if encoding == "INLINE" else ["--key", "k"]
    payload.write_bytes(value if key else b"\0\0\0\1k\0\0\0\5" + value)
    ok(run(daemon, "pub", topic, *key, "--file", payload))
    payload.write_bytes(b"\0")
    assert run(daemon, "pub", topic, *key, "--file", payload).returncode == 1
    there = registered(pulsar, topic)
    assert (there["type"], there["properties"]["kv.encoding.type"]) == ("KEY_VALUE", encoding)
    message = json.loads(ok(run(daemon, "read", topic, "--decode", "--json")))
    assert message["payload"] == {"key": "k", "value": {"id": 7, "note": "hi"}}


def test_protobuf_native_is_registered(hulsed, pulsar, official, topic, tmp_path):
    # Of x.proto, with a message M: its name, its messages, its syntax.
    file = b"\x0a\x07x.proto" + b"\x22\x03\x0a\x01M" + b"\x62\x06proto3"
    native = json.dumps({"fileDescriptorSet": base64.b64encode(b"\x0a" + bytes([len(file)]) + file).decode(),
                         "rootMessageTypeName": "M", "rootFileDescriptorName": "x.proto"})
    path = form(tmp_path, "PROTOBUF_NATIVE", native)
    daemon = hulsed(pulsar.service_url, topics=[{"match": "**", "publish": {"schema": str(path)}}])
    ok(run(daemon, "pub", topic, "bytes"))
    assert registered(pulsar, topic)["type"] == "PROTOBUF_NATIVE"
    message, = received(official(pulsar.service_url), topic, 1)
    assert (message.data(), versions([message])) == (b"bytes", [FIRST])
