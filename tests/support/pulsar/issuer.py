# SPDX-License-Identifier: Apache-2.0
"""An issuer of tokens for client credentials (OAuth 2.0), honest or not."""

import http.server
import json
import threading
import urllib.parse

CLIENT, SECRET = "hulse", "s3cret:with&signs=100%+"


class Issuer:
    """Serves on a port of its own until close(). A test changes what it does meanwhile:

    token      () -> the access token
    life_s     what it says of its life; None: nothing
    mood       "good"; "refuses", "garbage", "no token" (200, JSON without one), "down" (503),
               "hangs" (no answer), "huge", "lies" (its token endpoint is elsewhere)
    asked      the forms that were posted, as dicts"""

    def __init__(self, token, life_s=3600):
        self.token, self.life_s, self.mood, self.asked = token, life_s, "good", []
        self.ended = threading.Event()
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *unused):
                pass

            def do_GET(self):
                assert self.path == "/realm/.well-known/openid-configuration", self.path
                where = "http://127.0.0.1:1" if issuer.mood == "lies" else issuer.url
                self.answer(200, {"issuer": issuer.url, "token_endpoint": f"{where}/token"})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                issuer.asked.append(dict(urllib.parse.parse_qsl(body)))
                issuer.answer(self)

            def answer(self, code, body):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/realm"

    def answer(self, request):
        form, mood = self.asked[-1], self.mood
        if mood == "hangs":
            self.ended.wait()
        elif mood == "down":
            request.answer(503, b"busy")
        elif mood == "garbage":
            request.answer(200, b"\xff\x00<html>{")
        elif mood == "huge":
            request.answer(200, b"[" * (1 << 20))
        elif mood == "no token":
            request.answer(200, {"token_type": "bearer", "access_token": 1})
        elif mood == "refuses" or form.get("client_secret") != SECRET or form["client_id"] != CLIENT:
            request.answer(401, {"error": "invalid_client"})
        else:
            answer = {"token_type": "Bearer", "access_token": self.token()}
            request.answer(200, answer if self.life_s is None else
                           {**answer, "expires_in": self.life_s})

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
