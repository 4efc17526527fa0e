# SPDX-License-Identifier: Apache-2.0
"""An application with the library, which holds messages and gives verdicts as a test says. It is a process of its own."""

import ctypes
import json
import subprocess
import sys
import time

import abi
from abi import TYPES, Message, Schema
from command import environment

OK, AGAIN, BUSY, AGAIN_WAIT_MS = 0, -1, -17, 10000
LAST_ATTEMPT, OWN_SCHEMA = 1, 16
VERSIONS = {"own": 2**64 - 1, "newest": 2**64 - 2}
ENDS, AT_ID = {"latest": 0, "earliest": 1}, 2


def sanitized(path):
    """What has to be loaded first with a library that was built for a sanitizer."""
    needed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    names = [line.split()[2] for line in needed.splitlines() if "asan.so" in line or "tsan.so" in line]
    return {"LD_PRELOAD": ":".join(names), "ASAN_OPTIONS": "detect_leaks=0"} if names else {}


class Application:
    """One consumer, of one topic or with `topics` of some more, or with `pattern` of those that match. Messages are numbered
    as they come. Without `subscription` it is a reader. `more`: options of the library by their names, each with its values."""

    def __init__(self, daemon, topic, subscription, kind="shared", **options):
        path = abi.library()
        assert path, "no libhulse.so.0 in HULSE_PREFIX or HULSE_BUILD_DIR"
        self.process = subprocess.Popen([sys.executable, __file__, path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env={**environment(daemon), **sanitized(path)})
        self.got = []
        try:
            self.opened_ms = self.ask("open", topic=topic, subscription=subscription, kind=TYPES[kind], **options)
        except BaseException:
            self.kill()
            raise

    def ask(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the application has ended with {self.process.wait()}"
        answer = json.loads(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def next(self, count, timeout_ms=20000):
        """The next messages, fewer when no other has come in time:
        {payload, topic, bytes, id, partition, redelivery, last, own_schema, schema_version, number}."""
        new = self.ask("next", count=count, timeout_ms=timeout_ms)
        self.got += new
        return new

    def ack(self, *numbers, settle=True):
        self.ask("verdicts", how="ack", numbers=numbers, settle=settle)

    def ack_cumulative(self, number):
        self.ask("verdicts", how="cumulative", numbers=[number])

    def nack(self, *numbers, delay_ms=0):
        self.ask("verdicts", how="nack", numbers=numbers, delay_ms=delay_ms)

    def reject(self, *numbers, code=0, reason=None):
        self.ask("verdicts", how="reject", numbers=numbers, code=code, reason=reason)

    def schema(self, number, version, by_id=True, timeout_ms=10000):
        """Of the topic of message `number`: {type, definition, version}; "own" is what it is read with, "newest" the topic's."""
        return self.ask("schema", number=number, version=VERSIONS.get(version, version), by_id=by_id,
                        timeout_ms=timeout_ms)

    def retry(self, *numbers, delay_ms=0, settle=True):
        self.ask("verdicts", how="retry", numbers=numbers, delay_ms=delay_ms, settle=settle)

    def is_active(self):
        """Of a failover subscription's consumers it gets the messages."""
        return self.ask("is_active")

    def at_end_of_topic(self):
        """No message is left, and none will come."""
        return self.ask("at_end_of_topic")

    def settle(self):
        """What the broker has to know it knows."""
        self.ask("settle")

    def seek(self, to=None, number=None, time_ms=None):
        """To an end ("earliest", "latest"), to message `number`, to a time."""
        self.ask("seek", to=to, number=number, time_ms=time_ms)

    def close(self):
        self.ask("close")
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(20) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.kill()


# ---- the process ---------------------------------------------------------------------------------


class Process:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        for name in ("hulse_open_error", "hulse_last_error", "hulse_consumer_error"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.lib.hulse_consumer_options_new.restype = ctypes.c_void_p
        self.session, self.consumer, self.ids = ctypes.c_void_p(), ctypes.c_void_p(), []

    def must(self, status, text=lambda: b""):
        if status != OK:
            raise RuntimeError(f"status {status}: {(text() or b'').decode()}")

    def must_of_consumer(self, status):
        self.must(status, lambda: self.lib.hulse_consumer_error(self.consumer))

    def open(self, topic, subscription, kind, earliest=True, unacked_max=0, reassembly=0, topics=(),
             pattern=None, topics_max=None, more=()):
        self.must(self.lib.hulse_open(ctypes.byref(self.session), None), self.lib.hulse_open_error)
        options = ctypes.c_void_p(self.lib.hulse_consumer_options_new())
        self.must(self.lib.hulse_consumer_options_type(options, kind))
        self.must(self.lib.hulse_consumer_options_start(options, int(earliest)))
        self.must(self.lib.hulse_consumer_options_unacked_max(options, unacked_max))
        self.must(self.lib.hulse_consumer_options_reassembly(options, reassembly))
        for name, *values in more:
            texts = [value.encode() if isinstance(value, str) else ctypes.c_int64(value) for value in values]
            self.must(getattr(self.lib, f"hulse_consumer_options_{name}")(options, *texts))
        for each in topics:
            self.must(self.lib.hulse_consumer_options_topic(options, each.encode()))
        if pattern is not None:
            self.must(self.lib.hulse_consumer_options_pattern(options, pattern))
        if topics_max is not None:
            self.must(self.lib.hulse_consumer_options_topics_max(options, topics_max))
        before = time.monotonic()
        self.must(self.lib.hulse_consumer_open(self.session, ctypes.byref(self.consumer),
                                               topic.encode(),
                                               subscription.encode() if subscription else None, options),
                  lambda: self.lib.hulse_last_error(self.session))
        took = time.monotonic() - before
        self.lib.hulse_consumer_options_free(ctypes.byref(options))
        return took * 1000

    def one(self, timeout_ms):
        m = Message(size=ctypes.sizeof(Message))
        if self.lib.hulse_next_wait(self.consumer, ctypes.byref(m), timeout_ms) != OK:
            return None
        payload = ctypes.string_at(m.data, min(m.data_bytes, 64)).decode(errors="replace")
        found = {"payload": payload, "topic": m.topic.decode(), "bytes": m.data_bytes, "redelivery": m.redelivery_count,
                 "last": bool(m.flags & LAST_ATTEMPT), "own_schema": bool(m.flags & OWN_SCHEMA),
                 "schema_version": self.version(m),
                 "id": [m.id.ledger, m.id.entry, m.id.batch], "partition": m.id.partition,
                 "number": len(self.ids), "publish_time_ms": m.publish_time_ms}
        self.lib.hulse_release(self.consumer, ctypes.byref(m))
        self.ids.append(m.id)
        return found

    def version(self, m):
        number = ctypes.c_uint64()
        status = self.lib.hulse_message_schema_version(ctypes.byref(m), ctypes.byref(number))
        return number.value if status == OK else None

    def schema(self, number, version, by_id, timeout_ms):
        told = ctypes.POINTER(Schema)()
        more = (ctypes.c_uint64(version), ctypes.byref(told), timeout_ms)
        status = BUSY  # while the next daemon opens the topic
        until = time.monotonic() + timeout_ms / 1000
        while status == BUSY and time.monotonic() < until:
            time.sleep(0.05)
            status = self.lib.hulse_schema_get_of(self.consumer, ctypes.byref(self.ids[number]), *more) if by_id else \
                self.lib.hulse_schema_get(self.consumer, *more)
        self.must(status, lambda: self.lib.hulse_last_error(self.session))
        found = {"type": told.contents.type.decode(), "version": told.contents.version,
                 "definition": ctypes.string_at(told.contents.definition, told.contents.definition_bytes).decode()}
        self.lib.hulse_schema_free(ctypes.byref(told))
        return found

    def next(self, count, timeout_ms):
        found = []
        while len(found) < count:
            m = self.one(timeout_ms)
            if m is None:
                break
            found.append(m)
        return found

    def verdicts(self, how, numbers, delay_ms=0, code=0, reason=None, settle=True):
        call, more = {"ack": (self.lib.hulse_ack, ()),
                      "cumulative": (self.lib.hulse_ack_cumulative, ()),
                      "reject": (self.lib.hulse_reject, (ctypes.c_uint16(code),
                                                         reason.encode() if reason else None)),
                      "nack": (self.lib.hulse_nack, (ctypes.c_uint32(delay_ms),)),
                      "retry": (self.lib.hulse_retry, (ctypes.c_uint32(delay_ms),))}[how]
        for number in numbers:
            while (status := call(self.consumer, ctypes.byref(self.ids[number]), *more)) != OK:
                if status != AGAIN:
                    self.must_of_consumer(status)
                self.settle()
        if settle:
            self.settle()

    def is_active(self):
        self.lib.hulse_poll(self.session, 0)
        return self.lib.hulse_consumer_active(self.consumer) == OK

    def at_end_of_topic(self):
        return self.one(0) is None and self.lib.hulse_end_of_topic(self.consumer) == OK

    def settle(self):
        self.must_of_consumer(self.lib.hulse_consumer_sync(self.consumer, AGAIN_WAIT_MS))

    def seek(self, to, number, time_ms):
        if number is not None:
            status = self.lib.hulse_seek_id(self.consumer, AT_ID, ctypes.byref(self.ids[number]),
                                            AGAIN_WAIT_MS)
        elif time_ms is not None:
            status = self.lib.hulse_seek_time(self.consumer, ctypes.c_uint64(time_ms), AGAIN_WAIT_MS)
        else:
            status = self.lib.hulse_seek(self.consumer, ENDS[to], AGAIN_WAIT_MS)
        self.must(status, lambda: self.lib.hulse_last_error(self.session))

    def close(self):
        self.must(self.lib.hulse_consumer_close(ctypes.byref(self.consumer), AGAIN_WAIT_MS))
        self.must(self.lib.hulse_close(ctypes.byref(self.session), 0))

    def serve(self):
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = {"result": getattr(self, order.pop("do"))(**order)}
            except RuntimeError as why:
                answer = {"error": str(why)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    Process(sys.argv[1]).serve()
