# SPDX-License-Identifier: Apache-2.0
"""The C library as Python sees it: where it is, and the structures of include/hulse that both ways of calling it need."""

import ctypes
import os
import pathlib

TYPES = {"exclusive": 0, "shared": 1, "failover": 2, "key_shared": 3, "reader": 4}


def library():
    """libhulse beside the installed program, else in the build folder; None: it is not there."""
    places = [pathlib.Path(os.environ[name]) for name in ("HULSE_PREFIX", "HULSE_BUILD_DIR")
              if os.environ.get(name)]
    return next((path for place in places for pattern in ("lib*/libhulse.so.0", "lib/*/libhulse.so.0",
                                                          "libhulse.so.0")
                 for path in place.glob(pattern)), None)


class Id(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("ledger", ctypes.c_uint64), ("entry", ctypes.c_uint64),
                ("batch", ctypes.c_int32), ("partition", ctypes.c_uint16),
                ("batch_size", ctypes.c_uint16), ("ref", ctypes.c_uint64),
                ("source", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class Schema(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("version", ctypes.c_uint64), ("type", ctypes.c_char_p),
                ("definition", ctypes.c_void_p), ("definition_bytes", ctypes.c_size_t),
                ("properties", ctypes.c_void_p), ("property_count", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p), ("data_bytes", ctypes.c_size_t),
                ("id", Id), ("publish_time_ms", ctypes.c_uint64), ("event_time_ms", ctypes.c_uint64),
                ("redelivery_count", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("key", ctypes.c_void_p), ("key_bytes", ctypes.c_size_t),
                ("producer", ctypes.c_void_p), ("producer_bytes", ctypes.c_size_t),
                ("topic", ctypes.c_char_p), ("meta", ctypes.c_void_p), ("meta_bytes", ctypes.c_size_t),
                ("end", ctypes.c_uint64)]
