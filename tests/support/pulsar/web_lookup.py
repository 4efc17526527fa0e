# SPDX-License-Identifier: Apache-2.0
"""A broker's HTTP door for lookups alone, honest or not."""

import http.server
import json
import threading


class WebLookup:
    """Serves on a port of its own until close(). Says that every topic is whole and at `broker`, a service URL. A test
    changes what it does meanwhile:

    hook       (request) in the place of an answer; request.path, request.headers, request.answer(code, body, headers),
               request.usual(); None: as above
    asked      (path, headers) of each question"""

    def __init__(self, broker):
        self.broker, self.hook, self.asked = broker, None, []
        self.ended = threading.Event()
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *unused):
                pass

            def do_GET(self):
                door.asked.append((self.path, dict(self.headers)))
                (door.hook or Handler.usual)(self)

            def usual(self):
                if "/partitions" in self.path:
                    self.answer(200, {"partitions": 0})
                else:
                    self.answer(200, {"brokerUrl": door.broker, "nativeUrl": door.broker})

            def answer(self, code, body, **headers):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def hang(self):
                door.ended.wait()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
