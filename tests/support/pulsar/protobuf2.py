# SPDX-License-Identifier: Apache-2.0
"""Protobuf by the text of a .proto file (proto2, what Pulsar uses of it), as dictionaries.

Independent of the daemon's codec but for the file itself. A field that is not there is not in the dictionary;
enumerations are numbers, and may be given by their names."""

import re
import struct

SCALARS = {"uint64", "int64", "uint32", "int32", "bool", "double", "string", "bytes"}
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MASK = (1 << 64) - 1


def strip_comments(text):
    return re.sub(r"//[^\n]*", "", text)


class Field:
    def __init__(self, label, kind, name, number):
        self.label, self.kind, self.name, self.number = label, kind, name, int(number)


class Protobuf:
    """encode(message, fields) and decode(message, bytes); `enums`: name to number, by the enum's full name."""

    def __init__(self, path):
        self.messages, self.enums = {}, {}
        with open(path, encoding="utf-8") as file:
            self.tokens = re.findall(r"[\w.]+|[{}=;\[\]\"-]", strip_comments(file.read()))
        self.position = 0
        while self.position < len(self.tokens):
            self.declaration("")
        self.by_name = {message: {field.name: field for field in fields.values()}
                        for message, fields in self.messages.items()}

    # ---- the .proto file

    def take(self):
        self.position += 1
        return self.tokens[self.position - 1]

    def skip_to_semicolon(self):
        while self.take() != ";":
            pass

    def declaration(self, scope):
        word = self.take()
        if word == "message":
            self.message(scope)
        elif word == "enum":
            self.enum(scope)
        else:  # syntax, package, option
            self.skip_to_semicolon()

    def enum(self, scope):
        name = scope + self.take()
        values = self.enums[name] = {}
        assert self.take() == "{"
        while (word := self.take()) != "}":
            assert self.take() == "="
            values[word] = int(self.take())
            self.skip_to_semicolon()

    def message(self, scope):
        name = scope + self.take()
        fields = self.messages[name] = {}
        assert self.take() == "{"
        while (word := self.take()) != "}":
            if word == "enum":
                self.enum(name + ".")
            elif word == "message":
                self.message(name + ".")
            else:
                kind, field, equals, number = (self.take() for _ in range(4))
                assert word in ("required", "optional", "repeated") and equals == "=", word
                fields[int(number)] = Field(word, kind, field, number)
                self.skip_to_semicolon()

    def resolve(self, message, kind):
        """The full name of a type that a message uses."""
        for name in (f"{message}.{kind}", kind):
            if name in self.messages or name in self.enums:
                return name
        raise KeyError(f"{kind} in {message}")

    # ---- out

    @staticmethod
    def varint(number):
        number &= MASK
        out = bytearray()
        while number > 0x7f:
            out.append(number & 0x7f | 0x80)
            number >>= 7
        out.append(number)
        return bytes(out)

    def value(self, message, field, value):
        """(wire type, bytes) of one value."""
        kind = field.kind
        if kind in ("string", "bytes"):
            data = value.encode() if isinstance(value, str) else bytes(value)
            return LENGTH, self.varint(len(data)) + data
        if kind == "double":
            return FIXED64, struct.pack("<d", value)
        if kind in SCALARS:
            return VARINT, self.varint(int(value))
        name = self.resolve(message, kind)
        if name in self.enums:
            return VARINT, self.varint(self.enums[name][value] if isinstance(value, str) else value)
        data = self.encode(name, value)
        return LENGTH, self.varint(len(data)) + data

    def encode(self, message, fields):
        known = self.by_name[message]
        unknown = set(fields) - set(known)
        assert not unknown, f"{message} has no {unknown}"
        out = bytearray()
        for field in sorted(known.values(), key=lambda f: f.number):
            if field.name not in fields or fields[field.name] is None:
                assert field.label != "required", f"{message} wants {field.name}"
                continue
            values = fields[field.name]
            for value in values if field.label == "repeated" else [values]:
                wire_type, data = self.value(message, field, value)
                out += self.varint(field.number << 3 | wire_type) + data
        return bytes(out)

    # ---- in

    @staticmethod
    def read_varint(data, at):
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7f) << shift
            if byte < 0x80:
                return number & MASK, at
            shift += 7
            if shift > 63:
                raise ValueError("a varint of more than ten bytes")

    def read_raw(self, data, at, wire_type):
        if wire_type == VARINT:
            return self.read_varint(data, at)
        size = {FIXED64: 8, FIXED32: 4}.get(wire_type)
        if wire_type == LENGTH:
            size, at = self.read_varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError("a field that is cut off or of an unknown kind")
        return data[at:at + size], at + size

    def convert(self, message, field, raw):
        kind = field.kind
        if kind == "string":
            return bytes(raw).decode()
        if kind == "bytes":
            return bytes(raw)
        if kind == "bool":
            return bool(raw)
        if kind == "double":
            return struct.unpack("<d", raw)[0]
        if kind in SCALARS:
            bits = 32 if kind.endswith("32") else 64
            number = raw & ((1 << bits) - 1)
            signed = not kind.startswith("u") and number >> (bits - 1)
            return number - (1 << bits) if signed else number
        name = self.resolve(message, kind)
        return raw if name in self.enums else self.decode(name, raw)

    def decode(self, message, data):
        """Fields that are not known are passed over."""
        out, at = {}, 0
        while at < len(data):
            tag, at = self.read_varint(data, at)
            raw, at = self.read_raw(data, at, tag & 7)
            field = self.messages[message].get(tag >> 3)
            if field is None:
                continue
            if field.label == "repeated" and tag & 7 == LENGTH and \
                    field.kind in SCALARS - {"string", "bytes"}:  # packed
                inner = 0
                while inner < len(raw):
                    number, inner = self.read_varint(raw, inner)
                    out.setdefault(field.name, []).append(self.convert(message, field, number))
            elif field.label == "repeated":
                out.setdefault(field.name, []).append(self.convert(message, field, raw))
            else:
                out[field.name] = self.convert(message, field, raw)
        for field in self.messages[message].values():
            if field.label == "required" and field.name not in out:
                raise ValueError(f"{message} without {field.name}")
        return out

    def name_of(self, enum, number):
        return next((name for name, value in self.enums[enum].items() if value == number), None)
