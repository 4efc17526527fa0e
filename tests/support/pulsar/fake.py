# SPDX-License-Identifier: Apache-2.0
"""A Pulsar broker that does what a test says: correct by itself, and wrong in exactly the way that is wanted.

    with FakeBroker() as fake:
        fake.on("SEND", faults.ignore, times=1)
        ... a client of fake.url ...
        fake.wait_for("SEND", count=2)

A hook takes the place of the default answer to a command; it is called on the broker's thread with a Request."""

import asyncio
import collections
import socket
import struct
import threading
import time

import fake_answers
import frames
from fake_topics import Topic

WAIT_S = 10

Received = collections.namedtuple("Received", "connection name fields rest")


class Connection:
    """All but `number` on the broker's thread."""

    def __init__(self, fake, number, reader, writer):
        self.fake, self.number, self.reader, self.writer = fake, number, reader, writer
        self.producers, self.consumers = {}, {}
        self.told_closed = set()  # ids of producers that the broker has closed
        self.connect = None  # the fields of its CONNECT
        self.held = None     # frames that are not to go yet
        self.mute = False    # hears, and does nothing any more
        self.dropped = False

    def send(self, name, rest=b"", **fields):
        self.raw(frames.pack(name, fields, rest))

    def raw(self, data):
        if self.held is not None:
            self.held.append(data)
        else:
            self.write(data)

    def write(self, data):
        if not self.writer.is_closing():
            self.writer.write(data)

    def hold(self):
        """What is sent from now on stays, up to release()."""
        self.held = [] if self.held is None else self.held

    def release(self, order=None):
        """Lets what was held go; `order`: a function of the list of frames, such as reversed."""
        data, self.held = self.held or [], None
        for frame in order(data) if order else data:
            self.raw(frame)

    def half_close(self):
        """Says and does nothing more, and listens on."""
        self.mute = True
        if self.writer.can_write_eof():
            self.writer.write_eof()

    def drop(self):
        """What has come behind is not heard any more."""
        self.dropped = True
        self.writer.close()

    def reset(self):
        """As a host that has crashed and is back: what was sent and not yet read is lost as well."""
        self.dropped = True
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                        struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def serve(self):
        try:
            while not self.dropped:
                size = int.from_bytes(await self.reader.readexactly(4), "big")
                if size < 4 or size > self.fake.message_bytes_max + frames.PADDING_BYTES - 4:
                    break
                frame = await self.reader.readexactly(size)
                if not self.dropped:
                    self.take(frame)
                await self.writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, IndexError) as why:
            self.fake.complaints.append(f"connection {self.number}: {why}")
        finally:
            self.gone()

    def take(self, frame):
        name, fields, rest = frames.unpack(frame)
        if name is None:
            raise ValueError("a command that no broker knows")
        if (name == "CONNECT") != (self.connect is None):
            raise ValueError("CONNECT comes first, and once")
        self.fake.take(Request(self, name, fields, rest))

    def gone(self):
        self.dropped = True
        self.writer.close()
        fake_answers.leave(self)
        self.fake.connections.discard(self)
        with self.fake.changed:
            self.fake.changed.notify_all()


class Request:
    """One command that a client has sent."""

    def __init__(self, connection, name, fields, rest):
        self.connection, self.name, self.fields, self.rest = connection, name, fields, rest
        self.fake = connection.fake

    def default(self, **options):
        """What a correct broker does about it."""
        fake_answers.answer(self, **options)

    def reply(self, name, **fields):
        """With the id of the request, where both have one."""
        body = frames.API.messages["BaseCommand"][frames.TYPES[name]].kind
        if "request_id" in self.fields and "request_id" in frames.API.by_name[body]:
            fields.setdefault("request_id", self.fields["request_id"])
        self.connection.send(name, **fields)

    def fail(self, error, message=""):
        """An ERROR; `error`: a name of ServerError."""
        self.reply("ERROR", error=error, message=message)

    def later(self, seconds, call):
        """Unless the connection has gone by then."""
        self.fake.loop.call_later(seconds, lambda: self.connection.dropped or call())


class FakeBroker:
    """Options: `tls`, an ssl.SSLContext; `deduplication`; `batch_index_acks`; `auto_create`: topics that are not
    there are made; `topics_of`: a broker whose topics are those of this one too; `max_message_size`."""

    def __init__(self, **options):
        self.tls = options.pop("tls", None)
        self.deduplication = options.pop("deduplication", False)
        self.batch_index_acks = options.pop("batch_index_acks", False)
        self.auto_create = options.pop("auto_create", True)
        self.message_bytes_max = options.pop("max_message_size", frames.MESSAGE_BYTES_MAX)
        other = options.pop("topics_of", None)
        assert not options, f"unknown options: {options}"
        self.topics = other.topics if other else {}
        self.partitions = other.partitions if other else {}  # by topic: more than 0
        self.features = {"supports_topic_watchers": False,
                         "supports_get_partitioned_metadata_without_auto_creation": True}
        self.connections, self.received = set(), []
        self.accepted = 0
        self.silent = False  # connections are accepted and nothing more
        self.complaints = []  # why it has closed connections
        self.hooks = collections.defaultdict(list)
        self.changed = threading.Condition()
        self.names = 0
        self.port = 0
        self.server = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="fake broker")

    # ---- its life

    def __enter__(self):
        self.thread.start()
        self.listen()
        return self

    def __exit__(self, *_):
        self.shut()
        self.run(self.settle)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def run(self, call, *arguments):
        """On the broker's thread, with its result; a coroutine is awaited."""
        async def both():
            result = call(*arguments)
            return await result if asyncio.iscoroutine(result) else result
        return asyncio.run_coroutine_threadsafe(both(), self.loop).result(WAIT_S)

    @staticmethod
    async def settle():
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def listen(self):
        """At its port, which stays the same."""
        async def begin():
            self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port,
                                                     ssl=self.tls, limit=1 << 24)
            self.port = self.server.sockets[0].getsockname()[1]
        self.run(begin)

    def shut(self):
        """Refuses connections and ends those it has; listen() goes on with what it keeps."""
        async def end():
            if self.server is not None:
                self.server.close()
                self.server = None
            for connection in list(self.connections):
                connection.writer.transport.abort()
        self.run(end)

    def drop_all(self):
        self.run(lambda: [connection.drop() for connection in list(self.connections)])

    async def accept(self, reader, writer):
        self.accepted += 1
        connection = Connection(self, self.accepted, reader, writer)
        self.connections.add(connection)
        with self.changed:
            self.changed.notify_all()
        if self.silent:
            await reader.read(-1)
            connection.gone()
        else:
            await connection.serve()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"pulsar{'+ssl' if self.tls else ''}://{self.address}"

    # ---- the script

    def on(self, name, hook, times=None):
        """Instead of the default answer, so many times; the hook that was set last comes first."""
        self.run(self.hooks[name].insert, 0, [hook, times])
        return self

    def off(self, name):
        self.run(self.hooks.pop, name, None)

    def take(self, request):
        with self.changed:
            self.received.append(Received(request.connection.number, request.name, request.fields,
                                          request.rest))
            self.changed.notify_all()
        if request.connection.mute:
            return
        for entry in list(self.hooks[request.name]):
            if entry[1] is not None:
                entry[1] -= 1
                if entry[1] == 0:
                    self.hooks[request.name].remove(entry)
            entry[0](request)
            return
        request.default()

    # ---- what it has heard

    def heard(self, name=None, where=None):
        """Commands received so far, in their order; `where`: a function of Received."""
        with self.changed:
            return [r for r in self.received
                    if (name is None or r.name == name) and (where is None or where(r))]

    def wait_for(self, name, count=1, timeout=WAIT_S, where=None):
        """The commands of this name, when there are so many."""
        self.wait_until(lambda: len(self.heard(name, where)) >= count, timeout,
                        lambda: f"{count} {name}, heard: {[r.name for r in self.received]}")
        return self.heard(name, where)

    def wait_until(self, condition, timeout=WAIT_S, what=lambda: "a condition"):
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"waited {timeout} s for {what()}"
            with self.changed:
                self.changed.wait(min(left, 0.05))

    # ---- what it keeps

    def topic(self, name, create=True):
        """From any thread, to look at; to change it, run() a function."""
        if name not in self.topics and create:
            self.topics[name] = Topic(name, len(self.topics) + 1, self.later)
        return self.topics.get(name)

    def later(self, seconds, call):
        return self.loop.call_later(seconds, call)

    def new_name(self, what):
        self.names += 1
        return f"fake-{what}-{self.names}"

    # ---- what a broker does by itself

    def publish(self, name, payload, checksum=None, **metadata):
        """An entry out of nothing; `checksum`: a wrong one."""
        metadata = {"producer_name": "fake", "sequence_id": len(self.topic(name).entries),
                    "publish_time": int(time.time() * 1000), **metadata}
        rest = frames.pack_entry(metadata, payload, checksum)
        return self.run(fake_answers.store, self.topic(name), rest, metadata, 0)

    def terminate(self, name):
        self.run(fake_answers.terminate, self.topic(name))

    def unload(self, name, assigned=None):
        """CLOSE_PRODUCER and CLOSE_CONSUMER to all; `assigned`: the URL of the broker that has it now."""
        self.run(fake_answers.unload, self.topic(name), assigned)

    def migrate(self, name, url):
        """The topic is another cluster's from now on, and those who are here hear of it."""
        self.run(fake_answers.migrate, self.topic(name), url)

    def challenge(self):
        """Wants a new token from everybody."""
        for connection in list(self.connections):
            self.run(lambda c=connection: c.send(
                "AUTH_CHALLENGE", server_version="fake",
                challenge={"auth_method_name": "token", "auth_data": b"PulsarAuthRefresh"},
                protocol_version=21))
