# SPDX-License-Identifier: Apache-2.0
"""Goal:   of one consumer of several topics each message is read by its own topic's schemas: those that its rule names, those of
        the versions it was written with, whatever the others have, whoever dies meanwhile; a topic whose schema is not told
        keeps back nothing of the others.
Method: `hulse sub` and an application that does what the test says, hulsed, the official client of Python, the real broker and
        the scripted one. A namespace of its own for each test."""

import json

import pytest

from application import Application
from command import Subscriber, ok, publish as publish_locally, run
from conftest import Hulsed

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(600)
PERSISTENT = 0


class Order(library.schema.Record):
    id = library.schema.Long(required=True)
    note = library.schema.String(required_default=True)


class Newer(library.schema.Record):
    id = library.schema.Long(required=True)
    note = library.schema.String(required_default=True)
    more = library.schema.Integer(required_default=True)


class Person(library.schema.Record):
    name = library.schema.String(required=True)


ORDER = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}]}
READ = {**ORDER, "fields": [{"name": "more", "type": "int", "default": 3}, *ORDER["fields"]]}
PERSON = {"type": "record", "name": "Person", "fields": [
    {"name": "name", "type": "string"}, {"name": "age", "type": "int", "default": 44}]}

PERSON_AS_WRITTEN = {**PERSON, "fields": PERSON["fields"][:1]}


@pytest.fixture(name="space")
def namespace(pulsar, topic):
    name = f"public/schemas-{topic.rpartition('/')[2]}"
    assert pulsar.admin("PUT", f"namespaces/{name}")[0] == 204
    return name


@pytest.fixture(name="begin")
def beginner(tmp_path):
    """begin(url, {topic: (type, definition)}) starts the daemon in its folder, again and again."""
    running = []

    def begin(url, read=None, **more):
        rules = []
        for number, (topic, (kind, definition)) in enumerate((read or {}).items()):
            path = tmp_path / f"read-{number}.json"
            path.write_text(json.dumps(definition))
            rules.append({"match": topic, "consume": {"schema": {"file": str(path), "type": kind.lower()}}})
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps({"topics": [*more.pop("topics", ()), *rules], "brokers": {"main": {
            "type": "pulsar", "service_url": url, "operation_timeout": "60s"}}}))
        running.append(Hulsed(tmp_path / "run", args=["--config", config]))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.kill()


def name_of(space, word):
    return f"persistent://{space}/{word}"


def send(client, topic, schema, *values, **more):
    producer = client.create_producer(topic, schema=schema, **more)
    for value in values:
        producer.send(value)
    producer.close()


def decoded(daemon, *words, count):
    """{topic: [(version, payload)]} in the order of each topic."""
    found = {}
    for line in ok(run(daemon, "sub", *words, "-s", "s", "--from", "earliest", "--decode", "--json", "-n", count,
                       timeout=60)).splitlines():
        m = json.loads(line)
        assert "undecoded" not in m, m["undecoded"]
        found.setdefault(m["topic"].rpartition("/")[2], []).append((m.get("schema_version"), m["payload"]))
    return found


def unresolved(daemon, topic):
    return json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))["refused"]["unresolved"]


def send_all(client, space):
    """Three topics; the same numbers of versions are different schemas."""
    avro = library.schema.AvroSchema
    send(client, name_of(space, "orders"), avro(Order), Order(id=1, note="first"))
    send(client, name_of(space, "orders"), avro(Newer), Newer(id=2, note=None, more=7))
    send(client, name_of(space, "people"), library.schema.JsonSchema(Person), Person(name="Ada"))
    send(client, name_of(space, "texts"), library.schema.StringSchema(), "a text")
    return {"orders": [(0, {"id": 1, "note": "first"}), (1, {"id": 2, "note": None, "more": 7})],
            "people": [(0, {"name": "Ada"})], "texts": [(0, "a text")]}


def test_a_list_is_decoded_by_each_topics_schemas(begin, pulsar, official, space):
    expected = send_all(official(pulsar.service_url), space)
    daemon = begin(pulsar.service_url)
    assert decoded(daemon, *(name_of(space, word) for word in expected), count=4) == expected


def test_a_pattern_is_too_and_a_topic_that_comes_later(begin, pulsar, official, space):
    client = official(pulsar.service_url)
    expected = send_all(client, space)
    daemon = begin(pulsar.service_url)
    with Subscriber(daemon, "--regex", f"{space}/.*", "-s", "s", "--from", "earliest", "--decode", "--json") as sub:
        found = {}
        for number in range(5):
            if number == 4:
                send(client, name_of(space, "later"), library.schema.AvroSchema(Person), Person(name="Eve"))
            m = json.loads(sub.line())
            found.setdefault(m["topic"].rpartition("/")[2], []).append((m["schema_version"], m["payload"]))
    assert found == {**expected, "later": [(0, {"name": "Eve"})]}


@pytest.mark.parametrize("kind", ["shared", "failover", "key_shared"])
def test_each_topics_rule_says_what_it_is_read_with(begin, pulsar, official, space, kind):
    """Avro becomes the topic's own schema, JSON is checked, what no rule names is as it was written."""
    client = official(pulsar.service_url)
    orders, people, texts = (name_of(space, word) for word in ("orders", "people", "texts"))
    for number in range(3):
        send(client, orders, library.schema.AvroSchema(Order), Order(id=number, note=None))
        send(client, people, library.schema.JsonSchema(Person), Person(name=f"n{number}"))
    send(client, texts, library.schema.StringSchema(), "a text")
    daemon = begin(pulsar.service_url, {orders: ("AVRO", READ), people: ("JSON", PERSON_AS_WRITTEN)})
    assert decoded(daemon, orders, people, texts, "-t", kind, count=7) == {
        "orders": [(0, {"more": 3, "id": n, "note": None}) for n in range(3)],
        "people": [(0, {"name": f"n{n}"}) for n in range(3)], "texts": [(0, "a text")]}
    assert unresolved(daemon, orders) == unresolved(daemon, people) == 0


def test_two_rules_of_one_pattern(begin, pulsar, official, space):
    """The second comes later. Its first version cannot be turned into what it is read with."""
    client = official(pulsar.service_url)
    orders, people = name_of(space, "orders"), name_of(space, "people")
    send(client, orders, library.schema.AvroSchema(Order), Order(id=1, note="x"))
    daemon = begin(pulsar.service_url, {orders: ("AVRO", READ), people: ("AVRO", PERSON)})
    with Application(daemon, f"{space}/.*", "s", pattern=PERSISTENT) as app:
        message, = app.next(1)
        assert (message["payload"], message["own_schema"]) == ("\x06\x02\x02\x02x", True)
        send(client, people, library.schema.AvroSchema(Person), Person(name="Eve"))
        message, = app.next(1)
        assert (message["payload"], message["own_schema"]) == ("\x06EveX", True)
        assert json.loads(app.schema(0, "own")["definition"]) == READ
        assert json.loads(app.schema(1, "own")["definition"]) == PERSON


def test_an_application_asks_by_a_message(begin, pulsar, official, space):
    client = official(pulsar.service_url)
    orders, people, ours = name_of(space, "orders"), name_of(space, "people"), f"persistent://{space}/ours"
    daemon = begin(pulsar.service_url, {people: ("JSON", PERSON_AS_WRITTEN)},
                   topics=[{"match": ours, "broker": "local"}])
    with Application(daemon, orders, "s", topics=[people, ours]) as app:
        send(client, orders, library.schema.AvroSchema(Order), Order(id=1, note=None))
        send(client, orders, library.schema.AvroSchema(Newer), Newer(id=2, note=None, more=None))
        send(client, people, library.schema.JsonSchema(Person), Person(name="Ada"))
        publish_locally(daemon, ours, b"ours")
        got = {(m["topic"], m["schema_version"]): m["number"] for m in app.next(4)}
        first, second = got[orders, 0], got[orders, 1]
        person, own = got[people, 0], got[ours, None]
        for number, version in ((first, 0), (second, 1), (first, 1)):
            told = app.schema(number, version)
            assert (told["type"], told["version"]) == ("AVRO", version)
            assert len(json.loads(told["definition"])["fields"]) == 2 + version
        assert app.schema(first, "newest")["version"] == 1
        told = app.schema(person, "newest")
        assert (told["type"], told["version"]) == ("JSON", 0) and "name" in told["definition"]
        assert json.loads(app.schema(person, "own")["definition"]) == PERSON_AS_WRITTEN
        for number, version, by_id, why in (
                (first, "own", True, "no consume.schema"), (person, 5, True, "no schema of that version"),
                (own, 0, True, "a broker of type local keeps no schemas"), (first, 0, False, "by a message's id")):
            with pytest.raises(AssertionError, match=why):
                app.schema(number, version, by_id)


def test_one_topic_is_asked_by_a_message_too(begin, pulsar, official, space):
    orders = name_of(space, "orders")
    send(official(pulsar.service_url), orders, library.schema.AvroSchema(Order), Order(id=1, note=None))
    with Application(begin(pulsar.service_url), orders, "s") as app:
        app.next(1)
        assert app.schema(0, 0) == app.schema(0, 0, by_id=False) == app.schema(0, "newest")


def test_in_chunks(begin, pulsar, official, space):
    client = official(pulsar.service_url)
    orders, people = name_of(space, "orders"), name_of(space, "people")
    note = "n" * (6 << 20)
    send(client, people, library.schema.AvroSchema(Person), Person(name="Ada"))
    send(client, orders, library.schema.AvroSchema(Order), Order(id=1, note=note),
         chunking_enabled=True, batching_enabled=False)
    daemon = begin(pulsar.service_url, {orders: ("AVRO", READ), people: ("AVRO", PERSON)})
    assert decoded(daemon, orders, people, count=2) == {
        "orders": [(0, {"more": 3, "id": 1, "note": note})], "people": [(0, {"name": "Ada", "age": 44})]}


def test_what_comes_again_is_read_again(begin, pulsar, official, space):
    """Refused, given back, and after the daemon died; the application still asks by what it holds."""
    client = official(pulsar.service_url)
    orders, people = name_of(space, "orders"), name_of(space, "people")
    read = {orders: ("AVRO", READ), people: ("AVRO", PERSON)}
    daemon = begin(pulsar.service_url, read)
    expected = sorted([(orders, f"\x06{chr(2 * n)}\x00") for n in range(5)] +
                      [(people, f"\x04n{n}X") for n in range(5)])

    def same(messages):
        assert all(m["own_schema"] for m in messages)
        assert sorted((m["topic"], m["payload"]) for m in messages) == expected

    with Application(daemon, f"{space}/.*", "s", pattern=PERSISTENT) as app:
        for number in range(5):
            send(client, orders, library.schema.AvroSchema(Order), Order(id=number, note=None))
            send(client, people, library.schema.AvroSchema(Person), Person(name=f"n{number}"))
        same(app.next(10))
        app.nack(*range(10))
        again = app.next(10)
        same(again)
        daemon.kill()
        daemon = begin(pulsar.service_url, read)
        for m in again[:2] + again[-2:]:
            definition = json.loads(app.schema(m["number"], "own")["definition"])
            assert definition == (READ if m["topic"] == orders else PERSON)
            assert app.schema(m["number"], 0)["type"] == "AVRO"
        app.kill()
    with Application(daemon, orders, "s", topics=[people]) as app:
        got = app.next(10)
        same(got)
        app.ack(*range(10))
        app.close()


def test_a_topic_that_has_gone(begin, pulsar, official, space):
    """While no daemon was there. The application holds a message of it still."""
    client = official(pulsar.service_url)
    daemon = begin(pulsar.service_url)
    for word in ("gone", "there"):
        send(client, name_of(space, word), library.schema.AvroSchema(Person), Person(name=word))
    client.close()
    with Application(daemon, f"{space}/.*", "s", pattern=PERSISTENT) as app:
        numbers = {m["topic"]: m["number"] for m in app.next(2)}
        daemon.kill()
        assert pulsar.admin("DELETE", f"persistent/{space}/gone?force=true")[0] == 204
        begin(pulsar.service_url)
        assert app.schema(numbers[name_of(space, "there")], 0)["type"] == "AVRO"
        with pytest.raises(AssertionError, match="gone has gone"):
            app.schema(numbers[name_of(space, "gone")], 0)


def tell(request, definition):
    request.reply("GET_SCHEMA_RESPONSE", schema_version=request.fields["schema_version"],
                  schema={"name": "", "schema_data": json.dumps(definition).encode(), "type": "Avro"})


def test_a_schema_that_is_waited_for_keeps_back_its_topic_alone(begin, fake):
    """And what has waited comes in its order; a message to the one does not pass those that wait."""
    first, second = "persistent://public/default/first", "persistent://public/default/second"
    held = []
    for topic in (first, second):
        fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: held.append(request) if request.fields["topic"] == first else
            tell(request, ORDER))
    for number in range(20):
        fake.publish(first, bytes([2 * number, 0]), schema_version=bytes(8))
        fake.publish(second, bytes([2 * number, 0]), schema_version=bytes(8))
    daemon = begin(fake.url, {first: ("AVRO", READ), second: ("AVRO", READ)})
    wanted = [f"\x06{chr(2 * n)}\x00" for n in range(20)]
    with Application(daemon, first, "s", kind="exclusive", topics=[second]) as app:
        got = app.next(20)
        assert [(m["topic"], m["payload"]) for m in got] == [(second, each) for each in wanted]
        assert not app.next(1, 500)
        fake.run(lambda: tell(held[0], ORDER))
        got = app.next(20)
        assert [(m["topic"], m["payload"]) for m in got] == [(first, each) for each in wanted]
        assert len(held) == 1 and len(fake.heard("GET_SCHEMA")) == 2
        app.close()


def test_a_question_that_is_not_answered_keeps_back_no_other(begin, fake):
    first, second = "persistent://public/default/first", "persistent://public/default/second"
    held = []
    for topic in (first, second):
        fake.topic(topic)
        fake.publish(topic, b"\x02\x00", schema_version=bytes(8))
    fake.on("GET_SCHEMA", lambda request: held.append(request) if request.fields["topic"] == first else
            tell(request, ORDER))
    with Application(begin(fake.url), first, "s", topics=[second]) as app:
        numbers = {m["topic"]: m["number"] for m in app.next(2)}
        with pytest.raises(AssertionError, match="has not answered"):
            app.schema(numbers[first], 0, timeout_ms=200)
        assert json.loads(app.schema(numbers[second], 0)["definition"]) == ORDER
        fake.run(lambda: tell(held[0], ORDER))
        assert json.loads(app.schema(numbers[first], 0)["definition"]) == ORDER
        assert app.schema(numbers[second], 0)["type"] == "AVRO"
        app.close()


def test_closed_while_a_schema_is_asked_for(begin, fake):
    first, second = "persistent://public/default/first", "persistent://public/default/second"
    held = []
    for topic in (first, second):
        fake.topic(topic)
    fake.on("GET_SCHEMA", held.append)
    fake.publish(first, b"\x02\x00", schema_version=bytes(8))
    daemon = begin(fake.url, {first: ("AVRO", READ)})
    with Application(daemon, first, "s", topics=[second]):
        fake.wait_for("GET_SCHEMA")
    fake.run(lambda: tell(held[0], ORDER))
    with Application(daemon, first, "s", topics=[second]) as app:
        assert app.next(1)[0]["payload"] == "\x06\x02\x00"
        app.close()
    assert daemon.stop() == 0


def test_what_cannot_be_read_comes_as_it_was_written(begin, fake):
    """Of the one topic; counted and logged for it alone."""
    first, second = "persistent://public/default/first", "persistent://public/default/second"
    for topic in (first, second):
        fake.topic(topic)
        fake.publish(topic, b"\x22\x07" if topic == first else b"\x22\x00", schema_version=bytes(8))
    fake.on("GET_SCHEMA", lambda request: tell(request, ORDER))
    daemon = begin(fake.url, {first: ("AVRO", READ), second: ("AVRO", READ)})
    with Application(daemon, first, "s", topics=[second]) as app:
        got = {m["topic"]: (m["payload"], m["own_schema"]) for m in app.next(2)}
    assert got == {first: ("\x22\x07", False), second: ("\x06\x22\x00", True)}
    assert (unresolved(daemon, first), unresolved(daemon, second)) == (1, 0)
    assert daemon.await_lines("consume.unresolved")[0]["topic"] == first


def test_more_versions_than_are_remembered(begin, fake):
    """In turns, twice: each is learnt again from what the daemon has, and read the same."""
    first, second = "persistent://public/default/first", "persistent://public/default/second"
    for topic in (first, second):
        fake.topic(topic)
    fake.on("GET_SCHEMA", lambda request: tell(request, {**ORDER, "fields": [*ORDER["fields"], {
        "name": f"n{request.fields['topic'][-1]}{int.from_bytes(request.fields['schema_version'], 'big')}",
        "type": "int"}]}))
    for version in [*range(70), *range(70)]:
        for topic in (first, second):
            fake.publish(topic, bytes([version, 0, 2]), schema_version=version.to_bytes(8, "big"))
    daemon = begin(fake.url, {topic: ("AVRO", READ) for topic in (first, second)})
    with Application(daemon, first, "s", topics=[second]) as app:
        got = app.next(280)
        app.close()
    for topic in (first, second):
        assert [m["payload"].encode() for m in got if m["topic"] == topic] == [
            bytes([6, version, 0]).decode(errors="replace").encode() for version in [*range(70), *range(70)]]
    assert all(m["own_schema"] for m in got)
    assert len(fake.heard("GET_SCHEMA")) == 140
