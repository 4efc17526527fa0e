# SPDX-License-Identifier: Apache-2.0
"""Goal:   `hulse schema check` judges files without a daemon: what it says, with which code, as text and JSON. A daemon
        whose rules name schemas refuses payloads that do not fit, and definitions that are none. A broker without
        schemas says so.
Method: definitions and payloads in files. What the verdicts are is tests/unit/daemon/schema's."""

import json
import subprocess

import pytest

from command import Subscriber, new_topic, ok, run
from conftest import program

OLD = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
NEW = {"type": "record", "name": "R", "fields": OLD["fields"] + [{"name": "y", "type": "string"}]}


@pytest.fixture(name="file")
def file_with(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def check(*args):
    return run(None, "schema", "check", *args)


def test_one_definition(file):
    assert ok(check(file("good", OLD))) == b""
    bad = check(file("bad", {"type": "record", "name": "R", "fields": [{"name": "x", "type": "lung"}]}))
    assert bad.returncode == 65
    assert b'bad: R.x: type "lung" is not known' in bad.stderr


def test_two_definitions(file):
    old, new = file("old", OLD), file("new", NEW)
    ok(check(old, new, "--strategy", "forward"))
    refused = check(old, new)
    assert refused.returncode == 65
    assert b"y: it is not written and has no default" in refused.stderr
    assert json.loads(ok(check(old, new, "--strategy=FORWARD", "--json"))) == {"good": True}
    told = json.loads(check(old, new, "--json").stdout)
    assert told == {"good": False, "why": "the new schema cannot read what the old one wrote: y: it is not "
                                          "written and has no default"}


def test_all_before_count_when_it_is_transitive(file):
    first = file("first", {**OLD, "fields": []})
    second = file("second", {**OLD, "fields": [{**OLD["fields"][0], "default": 1}]})
    third = file("third", OLD)
    ok(check(first, second, third, "--strategy", "BACKWARD"))
    assert check(first, second, third, "--strategy", "BACKWARD_TRANSITIVE").returncode == 65


def test_the_form_of_pulsars_tools(file):
    form = file("form", {"type": "JSON", "schema": json.dumps(OLD), "properties": {}})
    ok(check(form, form))
    assert check(form, file("avro", OLD)).returncode == 65
    ok(check(form, file("json", OLD), "--type", "json"))
    ok(check("/dev/null", "--type", "int32"))


def test_a_payload(file):
    schema = file("schema", OLD)
    ok(check(schema, "--type", "JSON", "--payload", file("good", {"x": 1})))
    bad = file("bad", {"x": "1"})
    refused = check(schema, "--type", "JSON", "--payload", bad)
    assert (refused.returncode, refused.stdout) == (65, b"")
    assert b"x: no number" in refused.stderr
    told = check(schema, "--type", "JSON", "--payload", bad, "--json")
    assert (told.returncode, json.loads(told.stdout)) == (65, {"good": False, "path": "x", "why": "no number"})
    ok(check(schema, "--payload", file("avro", b"\x02")))
    assert check(schema, "--payload", file("longer", b"\x02\x02")).returncode == 65


def test_usage(file, tmp_path):
    good = file("good", OLD)
    for words in ((), ("list",), ("check",), ("check", good, "--strategy", "SIDEWARD"), ("check", good, "--type", "x"),
                  ("check", good, "--version", 1), ("list", "t", "--version", 1), ("list", "t", "--type", "AVRO"),
                  ("get",), ("get", "t", "u"), ("get", "t", "--version", "x"), ("get", "t", "--version", -1),
                  ("get", "t", "--payload", good), ("get", "t", "--strategy", "FULL"), ("get", "t", "--type", "AVRO"),
                  ("put", "t"), ("put", "t", good, "--version", 1), ("put", "t", good, "--payload", good)):
        assert run(None, "schema", *words).returncode == 64, words
    assert check(tmp_path / "nowhere").returncode == 74
    assert check(good, "--payload", tmp_path).returncode == 74
    assert check(file("long", b" " * (9 << 20))).returncode == 74


# ---- a daemon whose rules name schemas ----

def rules(path, kind="json", validate=True):
    return json.dumps({"topics": [{"match": "**/checked*", "publish": {
        "schema": {"file": str(path), "type": kind}, "validate": validate}}]})


def refused(daemon, topic):
    return json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))["refused"]["schema"]


def test_payloads_are_checked(configured, file):
    daemon = configured(rules(file("schema", OLD))).daemon
    topic = new_topic("checked")
    with Subscriber(daemon, topic, "-s", "s", "-n", "2") as subscriber:
        done = run(daemon, "pub", topic, "-v", json.dumps({"x": 1}), json.dumps({"x": "1"}), json.dumps({"x": 2}))
        assert done.returncode == 1
        assert b"the payload does not match the schema" in done.stderr
        assert [json.loads(subscriber.line()) for _ in range(2)] == [{"x": 1}, {"x": 2}]
    line = daemon.await_lines("publish.invalid_schema")[0]
    assert (line["topic"], line["path"], line["why"]) == (topic, "x", "no number")
    assert refused(daemon, topic) == 1
    ok(run(daemon, "pub", new_topic("other"), "anything"))


def test_a_schema_without_validate_refuses_nothing(configured, file):
    daemon = configured(rules(file("schema", OLD), validate=False)).daemon
    ok(run(daemon, "pub", new_topic("checked"), "anything"))


def test_a_bad_definition_is_not_accepted(configured, file):
    path = file("schema", OLD)
    c = configured(rules(path))
    topic = new_topic("checked")
    ok(run(c.daemon, "pub", topic, json.dumps({"x": 1})))
    file("schema", {**OLD, "fields": [{"name": "x", "type": "lung"}]})
    result = run(c.daemon, "reload")
    assert result.returncode == 78
    assert b'topics.0.publish.schema.file: R.x: type "lung" is not known' in result.stderr
    ok(run(c.daemon, "pub", topic, json.dumps({"x": 1})))
    file("schema", {**OLD, "fields": [{"name": "x", "type": "string"}]})
    assert b"applied topics" in ok(run(c.daemon, "reload"))
    assert run(c.daemon, "pub", topic, json.dumps({"x": 1})).returncode == 1
    ok(run(c.daemon, "pub", topic, json.dumps({"x": "1"})))
    path.unlink()
    assert run(c.daemon, "reload").returncode == 78


def test_the_schema_of_consumers_is_checked_and_reloaded(configured, file):
    path = file("schema", OLD)
    c = configured(json.dumps({"topics": [{"match": "**", "consume": {"schema": str(path)}}]}))
    file("schema", {**OLD, "fields": [{"name": "x", "type": "lung"}]})
    result = run(c.daemon, "reload")
    assert result.returncode == 78
    assert b'topics.0.consume.schema.file: R.x: type "lung" is not known' in result.stderr
    file("schema", {**OLD, "fields": []})
    assert b"applied topics" in ok(run(c.daemon, "reload"))


def test_check_of_a_configuration(file):
    def checked(text):
        path = file("hulse.yaml", text.encode())
        done = subprocess.run([program("hulsed"), "--config", path, "--check"], capture_output=True, text=True,
                              timeout=30, check=False)
        return done.returncode, done.stderr

    assert checked(rules(file("schema", OLD)))[0] == 0
    code, said = checked(rules(file("bad", {"type": "lung"})))
    assert code == 78 and 'type "lung" is not known' in said
    code, said = checked(json.dumps({"topics": [{"match": "**", "publish": {"validate": True}}]}))
    assert code == 78 and "there is no publish.schema" in said
    code, said = checked(rules("/nowhere"))
    assert code == 78 and "/nowhere" in said
    assert checked(json.dumps({"topics": [{"match": "**", "publish": {"schema": {"type": "int32"}}}]}))[0] == 0


def test_a_broker_without_schemas(daemon, file):
    topic = new_topic()
    ok(run(daemon, "topics", "create", topic))
    for words in (("list", topic), ("get", topic), ("put", topic, file("schema", OLD))):
        done = run(daemon, "schema", *words)
        assert done.returncode == 69, done.stderr
        assert b"keep schemas" in done.stderr
    assert run(daemon, "schema", "put", topic, file("bad", {"type": "lung"})).returncode == 65
