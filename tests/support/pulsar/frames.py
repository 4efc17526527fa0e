# SPDX-License-Identifier: Apache-2.0
"""Frames of the Pulsar protocol: commands as (name, fields), and what stands behind SEND and MESSAGE."""

import pathlib
import struct

from protobuf2 import Protobuf

PROTO = (pathlib.Path(__file__).resolve().parents[3] /
         "daemon" / "broker" / "pulsar" / "wire" / "pulsar_api.proto")
API = Protobuf(PROTO)
TYPES = API.enums["BaseCommand.Type"]
# A command's body is the field with the number of its type, but for the first ones.
BODIES = {name: field.name
          for name, number in TYPES.items()
          for field in API.messages["BaseCommand"].values() if field.number == number}
MAGIC_CHECKSUM = b"\x0e\x01"
MAGIC_ENTRY = b"\x0e\x02"
MESSAGE_BYTES_MAX = 5 * 1024 * 1024
PADDING_BYTES = 10 * 1024


def table():
    out = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82f63b78 if number & 1 else 0)
        out.append(number)
    return out


TABLE = table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def pack(name, fields=None, rest=b""):
    """The frame of a command."""
    command = API.encode("BaseCommand", {"type": TYPES[name], BODIES[name]: fields or {}})
    return struct.pack(">II", 4 + len(command) + len(rest), len(command)) + command + rest


def unpack(frame):
    """(name, fields, what stands behind the command) of a frame without its first four bytes. A type that is not
    known has the name None."""
    (size,) = struct.unpack_from(">I", frame)
    if size > len(frame) - 4:
        raise ValueError("a command that is longer than its frame")
    command = API.decode("BaseCommand", frame[4:4 + size])
    name = API.name_of("BaseCommand.Type", command["type"])
    if name is not None and BODIES[name] not in command:
        raise ValueError(f"{name} without its body")
    return name, command.get(BODIES.get(name), {}), bytes(frame[4 + size:])


def pack_entry(metadata, payload, checksum=None):
    """What stands behind a SEND; `checksum`: instead of the right one."""
    encoded = API.encode("MessageMetadata", metadata)
    body = struct.pack(">I", len(encoded)) + encoded + payload
    return MAGIC_CHECKSUM + struct.pack(">I", crc32c(body) if checksum is None else checksum) + body


def unpack_entry(rest):
    """(metadata, payload, None or whether the checksum is right)."""
    right = None
    if rest[:2] == MAGIC_CHECKSUM:
        (checksum,) = struct.unpack_from(">I", rest, 2)
        rest = rest[6:]
        right = checksum == crc32c(rest)
    (size,) = struct.unpack_from(">I", rest)
    return API.decode("MessageMetadata", rest[4:4 + size]), rest[4 + size:], right


def with_wrong_checksum(rest):
    """The entry with one bit of its checksum changed."""
    assert rest[:2] == MAGIC_CHECKSUM
    return rest[:5] + bytes([rest[5] ^ 1]) + rest[6:]
