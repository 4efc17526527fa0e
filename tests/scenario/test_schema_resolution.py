# SPDX-License-Identifier: Apache-2.0
"""Goal:   payloads of Avro become what a reader with another schema expects, as another implementation sees it.
Method: schemas, changes of them and values by chance; fastavro writes a value, the daemon's code turns it into the reader's
        form, and fastavro reads both: the one with both schemas, the other with the reader's alone."""

import io
import json
import math
import random
import subprocess

import pytest

from conftest import program

fastavro = pytest.importorskip("fastavro", reason="no fastavro for this Python")

ROUNDS = 2000
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
WIDER = {"int": ("long", "float", "double"), "long": ("float", "double"), "float": ("double",),
         "string": ("bytes",), "bytes": ("string",)}


class Maker:
    """Schemas and values; names are given once in a definition."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = 0

    def name(self, letter):
        self.names += 1
        return f"{letter}{self.names}"

    def type(self, depth=0):
        kinds = PRIMITIVES if depth > 3 else PRIMITIVES + ("record", "enum", "fixed", "array", "map", "union") * 2
        kind = self.random.choice(kinds)
        return getattr(self, "make_" + kind, lambda _: kind)(depth)

    def make_record(self, depth):
        return {"type": "record", "name": self.name("R"), "fields": [
            {"name": f"f{n}", "type": self.type(depth + 1)} for n in range(self.random.randrange(5))]}

    def make_enum(self, _):
        return {"type": "enum", "name": self.name("E"), "symbols": ["A", "B", "C"][:self.random.randrange(1, 4)]}

    def make_fixed(self, _):
        return {"type": "fixed", "name": self.name("F"), "size": self.random.randrange(4)}

    def make_array(self, depth):
        return {"type": "array", "items": self.type(depth + 1)}

    def make_map(self, depth):
        return {"type": "map", "values": self.type(depth + 1)}

    def make_union(self, depth):
        # Of text and bytes one: where there are both, Java's Avro takes the same type, the other one the first.
        others = self.random.sample(PRIMITIVES[1:-1], self.random.randrange(1, 4))
        return ["null", *others] if self.random.random() < .7 else [*others, self.make_record(depth + 1)]

    def value(self, schema):
        if isinstance(schema, list):
            return self.value(self.random.choice(schema))
        if isinstance(schema, str):
            return getattr(self, "value_" + schema)()
        return getattr(self, "value_" + schema["type"])(schema)

    def value_null(self):
        return None

    def value_boolean(self):
        return self.random.random() < .5

    def value_int(self):
        return self.random.choice((0, -1, 63, 64, 2**31 - 1, -2**31, self.random.randrange(-1000, 1000)))

    def value_long(self):
        return self.random.choice((0, 2**52, -2**63, 2**63 - 1, self.value_int()))

    def value_float(self):
        return self.random.choice((0.0, -1.5, math.inf, 2.0**20))

    def value_double(self):
        return self.random.choice((0.1, -1e300, math.inf, self.random.random()))

    def value_bytes(self):
        return bytes(self.random.randrange(32, 127) for _ in range(self.random.randrange(9)))

    def value_string(self):
        return self.value_bytes().decode()

    def value_record(self, schema):
        return {f["name"]: self.value(f["type"]) for f in schema["fields"]}

    def value_enum(self, schema):
        return self.random.choice(schema["symbols"])

    def value_fixed(self, schema):
        return self.random.randbytes(schema["size"])

    def value_array(self, schema):
        return [self.value(schema["items"]) for _ in range(self.random.randrange(4))]

    def value_map(self, schema):
        return {self.value_string(): self.value(schema["values"]) for _ in range(self.random.randrange(4))}

    # ---- what a reader has instead

    def change(self, schema):
        if isinstance(schema, str):
            wider = WIDER.get(schema, ())
            return self.random.choice(wider) if wider and self.random.random() < .3 else schema
        if isinstance(schema, list):
            return self.change_union(schema)
        return getattr(self, "change_" + schema["type"], lambda s: s)(schema)

    def change_union(self, schema):
        if self.random.random() < .3:
            return self.random.sample(schema, len(schema))
        return schema + [t for t in ("double",) if t not in schema and self.random.random() < .3]

    def change_record(self, schema):
        fields = []
        for field in schema["fields"]:
            if self.random.random() < .2:
                continue
            field = {"name": field["name"], "type": self.change(field["type"])}
            if self.random.random() < .2:
                field = {**field, "name": self.name("g"), "aliases": [field["name"]]}
            fields.append(field)
        for default in self.random.sample((("int", 7), ("string", "d"), (["null", "int"], None), (
                {"type": "array", "items": "double"}, [1.5])), self.random.randrange(3)):
            fields.append({"name": self.name("h"), "type": default[0], "default": default[1]})
        if self.random.random() < .5:
            self.random.shuffle(fields)
        return {**schema, "fields": fields}

    def change_enum(self, schema):
        symbols = schema["symbols"] + ["D"]
        self.random.shuffle(symbols)
        return {**schema, "symbols": symbols}

    def change_array(self, schema):
        return {**schema, "items": self.change(schema["items"])}

    def change_map(self, schema):
        return {**schema, "values": self.change(schema["values"])}


def alike(one, other):
    """Values that a float has lost the same digits of are alike."""
    if isinstance(one, float) or isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def read(payload, writer, reader):
    return fastavro.schemaless_reader(io.BytesIO(payload), fastavro.parse_schema(writer),
                                      None if reader is None else fastavro.parse_schema(reader))


def cases():
    for seed in range(ROUNDS):
        maker = Maker(seed)
        writer = maker.make_record(0)
        reader = maker.change(writer)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(writer), maker.value(writer))
        yield writer, reader, out.getvalue()


def test_another_implementation_reads_the_same():
    todo = list(cases())
    lines = "".join(f"{json.dumps(w)}\n{json.dumps(r)}\n{p.hex()}\n" for w, r, p in todo)
    done = subprocess.run([program("tests/unit/daemon/schema/test_transcode"), "--serve"], input=lines, text=True,
                          capture_output=True, timeout=60, check=True)
    said = done.stdout.splitlines()
    assert len(said) == len(todo)
    compared, wrong = 0, []
    for (writer, reader, payload), line in zip(todo, said):
        try:
            wanted = read(payload, writer, reader)
        except (fastavro.read.SchemaResolutionError, UnicodeDecodeError, TypeError):
            continue  # Java's Avro, which ours follows, reads more
        compared += 1
        if line.startswith("!") or not alike(read(bytes.fromhex(line), reader, None), wanted):
            wrong.append((writer, reader, payload.hex(), line, wanted))
    assert not wrong, (len(wrong), wrong[0])
    assert compared > ROUNDS // 2
