# SPDX-License-Identifier: Apache-2.0
"""The C library, called from Python: for what the command does not do (cumulative and negative acknowledgements,
tombstones, ordering keys)."""

import collections
import ctypes

import pytest

import abi
from abi import TYPES, Id, Message

OK, AGAIN, TIMED_OUT = 0, -1, -9
RECEIPTS_FULL = 2
ACCESS = ["shared", "exclusive", "wait-for-exclusive", "exclusive-with-fencing"]
TOMBSTONE_OUT, NO_BATCH = 2, 1  # HULSE_META_…
LEFT_OUT, TOMBSTONE_IN = 2, 4    # HULSE_MESSAGE_…
LARGEST_BYTES = 5 << 20
WAIT_MS = 20000

Got = collections.namedtuple("Got", "data key properties event_time_ms redelivery_count tombstone left_out id")


class Property(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("name_bytes", ctypes.c_size_t),
                ("value", ctypes.c_char_p), ("value_bytes", ctypes.c_size_t)]


class Receipt(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("token", ctypes.c_uint64), ("outcome", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32), ("id", Id)]


class Borrowed(ctypes.Structure):
    """A property that lies in a message: its texts have no end."""
    _fields_ = [("name", ctypes.c_void_p), ("name_bytes", ctypes.c_size_t),
                ("value", ctypes.c_void_p), ("value_bytes", ctypes.c_size_t)]


class Meta(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("key", ctypes.c_char_p), ("key_bytes", ctypes.c_size_t),
                ("ordering_key", ctypes.c_char_p), ("ordering_key_bytes", ctypes.c_size_t),
                ("properties", ctypes.POINTER(Property)), ("property_count", ctypes.c_size_t),
                ("event_time_ms", ctypes.c_uint64), ("deliver_after_ms", ctypes.c_uint64),
                ("ttl_ms", ctypes.c_uint64), ("partition", ctypes.c_int32),
                ("flags", ctypes.c_uint32)]


def load():
    """As the programs are found; skips the test where Python cannot load it."""
    found = abi.library()
    if found is None:
        pytest.skip("no libhulse.so.0 in HULSE_PREFIX or HULSE_BUILD_DIR")
    if any(word in found.read_bytes() for word in (b"__asan_init", b"__tsan_init", b"__ubsan_")):
        pytest.skip("the library of a sanitizer's build cannot be loaded into Python")
    library = ctypes.CDLL(str(found))
    for name in ("hulse_options_new", "hulse_producer_options_new", "hulse_consumer_options_new"):
        getattr(library, name).restype = ctypes.c_void_p
    for name in ("hulse_open_error", "hulse_last_error", "hulse_producer_error",
                 "hulse_consumer_error"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


def text(start, size):
    return ctypes.string_at(start, size) if start else b""


class App:
    """A session. Everything that is opened is closed with it."""

    def __init__(self, daemon):
        self.library = load()
        options = ctypes.c_void_p(self.library.hulse_options_new())
        self.library.hulse_options_socket(options, str(daemon.socket).encode())
        self.session = ctypes.c_void_p()
        self.check(self.library.hulse_open(ctypes.byref(self.session), options),
                   self.library.hulse_open_error)
        self.library.hulse_options_free(ctypes.byref(options))

    def check(self, status, error=None, *of):
        if status != OK:
            raise Refused(status, error(*of).decode() if error else "")

    def close(self):
        self.library.hulse_close(ctypes.byref(self.session), WAIT_MS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Refused(AssertionError):
    """A call gave another status than OK."""

    def __init__(self, status, text):
        super().__init__(status, text)
        self.status, self.text = status, text


class Producer:
    def __init__(self, app, topic, access="shared", initial_subscription=None, receipts=False, ring=None):
        self.app, self.library = app, app.library
        self.handle = ctypes.c_void_p()
        options = ctypes.c_void_p(self.library.hulse_producer_options_new())
        if ring is not None:
            self.library.hulse_producer_options_ring(options, ring)
        if receipts:
            self.library.hulse_producer_options_receipts(options, RECEIPTS_FULL)
        if access != "shared":
            app.check(self.library.hulse_producer_options_access(options, ACCESS.index(access)))
        if initial_subscription is not None:
            app.check(self.library.hulse_producer_options_initial_subscription(
                options, initial_subscription.encode()))
        status = self.library.hulse_producer_open(app.session, ctypes.byref(self.handle),
                                                  topic.encode(), options)
        self.library.hulse_producer_options_free(ctypes.byref(options))
        app.check(status, self.library.hulse_last_error, app.session)

    def outcome(self):
        """Of the next message that has its receipt; of producers with receipts."""
        got, count = Receipt(ctypes.sizeof(Receipt)), ctypes.c_uint(0)
        while count.value == 0:
            self.library.hulse_poll(self.app.session, 0)
            self.app.check(self.library.hulse_receipts(self.handle, ctypes.byref(got), 1,
                                                       ctypes.byref(count)),
                           self.library.hulse_producer_error, self.handle)
        return got.outcome

    def close(self):
        return self.library.hulse_producer_close(ctypes.byref(self.handle), WAIT_MS)

    def publish(self, data, key=b"", ordering_key=b"", properties=(), event_time_ms=0,
                deliver_after_ms=0, flags=0, timeout_ms=WAIT_MS):
        pairs = [(name.encode(), value.encode()) for name, value in dict(properties).items()]
        array = (Property * len(pairs))(*((n, len(n), v, len(v)) for n, v in pairs))
        meta = Meta(ctypes.sizeof(Meta), key or None, len(key), ordering_key or None,
                    len(ordering_key), array if pairs else None, len(pairs), event_time_ms,
                    deliver_after_ms, 0, 0, flags)
        self.app.check(self.library.hulse_publish_wait(
            self.handle, data, ctypes.c_size_t(len(data)), ctypes.byref(meta), ctypes.c_uint64(0),
            timeout_ms), self.library.hulse_producer_error, self.handle)

    def sync(self, timeout_ms=WAIT_MS):
        self.app.check(self.library.hulse_sync(self.handle, timeout_ms, None),
                       self.library.hulse_producer_error, self.handle)


class Consumer:
    def __init__(self, app, topic, subscription, kind="exclusive", reassembly=LARGEST_BYTES):
        self.app, self.library = app, app.library
        options = ctypes.c_void_p(self.library.hulse_consumer_options_new())
        self.library.hulse_consumer_options_type(options, TYPES[kind])
        self.library.hulse_consumer_options_start(options, 1)
        self.library.hulse_consumer_options_reassembly(options, reassembly)
        self.handle = ctypes.c_void_p()
        app.check(self.library.hulse_consumer_open(app.session, ctypes.byref(self.handle),
                                                   topic.encode(), subscription.encode(), options),
                  self.library.hulse_last_error, app.session)
        self.library.hulse_consumer_options_free(ctypes.byref(options))

    def properties(self, message):
        found, one = {}, Borrowed()
        while self.library.hulse_message_property(ctypes.byref(message), len(found),
                                                  ctypes.byref(one)) == OK:
            found[text(one.name, one.name_bytes).decode()] = text(one.value, one.value_bytes).decode()
        return found

    def next(self, timeout_ms=WAIT_MS):
        """Copied and released; None: nothing came in time."""
        m = Message(ctypes.sizeof(Message))
        status = self.library.hulse_next_wait(self.handle, ctypes.byref(m), timeout_ms)
        if status == TIMED_OUT:
            return None
        self.app.check(status, self.library.hulse_consumer_error, self.handle)
        got = Got(text(m.data, m.data_bytes), text(m.key, m.key_bytes), self.properties(m),
                  m.event_time_ms, m.redelivery_count, bool(m.flags & TOMBSTONE_IN),
                  bool(m.flags & LEFT_OUT),
                  Id.from_buffer_copy(m.id))
        self.library.hulse_release(self.handle, ctypes.byref(m))
        return got

    def verdict(self, call, got, *more):
        self.app.check(getattr(self.library, call)(self.handle, ctypes.byref(got.id), *more),
                       self.library.hulse_consumer_error, self.handle)

    def ack(self, got):
        self.verdict("hulse_ack", got)

    def ack_cumulative(self, got):
        self.verdict("hulse_ack_cumulative", got)

    def nack(self, got, delay_ms):
        self.verdict("hulse_nack", got, ctypes.c_uint32(delay_ms))
        self.library.hulse_consumer_flush(self.handle)

    def sync(self):
        self.app.check(self.library.hulse_consumer_sync(self.handle, WAIT_MS),
                       self.library.hulse_consumer_error, self.handle)

    def close(self):
        self.library.hulse_consumer_close(ctypes.byref(self.handle), WAIT_MS)
