# SPDX-License-Identifier: Apache-2.0
"""Goal:   a new schema is judged by `hulse schema check` as a real broker judges it.
Method: each pair of tests/unit/daemon/schema/compatibility_cases.txt is put to the broker through its admin REST, in
        a namespace for each strategy, and to the command."""

import json
import pathlib

import pytest

from command import run

pytestmark = pytest.mark.timeout(600)
CASES = pathlib.Path(__file__).parents[2] / "unit/daemon/schema/compatibility_cases.txt"
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
