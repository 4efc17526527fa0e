# SPDX-License-Identifier: Apache-2.0
"""A secret key, and the tokens (JWT, HS256) that a broker with this key accepts; and passwords."""

import base64
import hashlib
import hmac
import json
import pathlib
import secrets
import subprocess
import time

KEY_BYTES = 32
PASSWORD = "correct horse, battery"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Tokens:
    """<folder>/secret.key, <folder>/admin and <folder>/proxy: tokens for the role that may do everything
    and for a proxy, and <folder>/passwords: the first one's, in the form of htpasswd."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        self.key = secrets.token_bytes(KEY_BYTES)
        (self.folder / "secret.key").write_bytes(self.key)
        self.admin = self.token("admin")
        (self.folder / "admin").write_text(self.admin, encoding="ascii")
        (self.folder / "proxy").write_text(self.token("proxy"), encoding="ascii")
        done = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True,
                              text=True, check=True)
        (self.folder / "passwords").write_text(f"admin:{done.stdout.strip()}\n", encoding="ascii")

    def token(self, role, expires_in_s=None, key=None):
        """Ends in so many seconds (below 0: has ended); never without; `key`: of somebody else."""
        claims = {"sub": role}
        if expires_in_s is not None:
            claims["exp"] = int(time.time()) + expires_in_s
        parts = [base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
        signature = hmac.digest(key or self.key, b".".join(parts), hashlib.sha256)
        return b".".join([*parts, base64url(signature)]).decode()
