# SPDX-License-Identifier: Apache-2.0
"""A key distribution centre of Kerberos (MIT's), with what a broker and its client have of it."""

import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import time

REALM, CLIENT, OTHER, SERVICE = "HULSE.TEST", "hulse/worker", "stranger/worker", "broker/localhost"
INSTALL = pathlib.Path(__file__).resolve().parents[3] / "deploy" / "install-build-deps"
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
READY_S = 20

KRB5_CONF = """\
[libdefaults]
default_realm = {realm}
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
[domain_realm]
localhost = {realm}
"""

KDC_CONF = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  max_life = 1h
}}
"""

JAAS_CONF = """\
PulsarBroker {{
  com.sun.security.auth.module.Krb5LoginModule required
  useKeyTab=true storeKey=true useTicketCache=false
  keyTab="{folder}/broker.keytab" principal="{service}@{realm}";
}};
"""


def missing():
    """Why there can be none here; None: there can."""
    def lacks():
        return [p for p in PROGRAMS if not shutil.which(p, path=PATH)]
    if lacks():
        subprocess.run([INSTALL, "--kerberos"], stdin=subprocess.DEVNULL, capture_output=True,
                       check=False)
    return f"a KDC needs {lacks()[0]} (deploy/install-build-deps --kerberos)" if lacks() else None


class Kdc:
    """<folder>/krb5.conf, jaas.conf and role.key for a broker, broker.keytab; client.keytab and
    other.keytab for daemons. It answers between start() and stop()."""

    def __init__(self, folder, port):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        self.port = port
        self.process = None
        for name, text in (("krb5.conf", KRB5_CONF), ("kdc.conf", KDC_CONF),
                           ("jaas.conf", JAAS_CONF)):
            (self.folder / name).write_text(text.format(
                realm=REALM, port=port, folder=self.folder, service=SERVICE), encoding="ascii")
        (self.folder / "role.key").write_bytes(secrets.token_bytes(32))
        self.run("kdb5_util", "create", "-r", REALM, "-s", "-P", secrets.token_hex(8))
        for principal, keytab in ((SERVICE, "broker"), ("broker/127.0.0.1", "scripted"),
                                  (CLIENT, "client"), (OTHER, "other")):
            self.admin(f"addprinc -randkey {principal}@{REALM}")
            self.admin(f"ktadd -k {self.keytab(keytab)} {principal}@{REALM}")
        self.start()

    @property
    def environment(self):
        return {"KRB5_CONFIG": str(self.folder / "krb5.conf"),
                "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf")}

    def keytab(self, name):
        return str(self.folder / f"{name}.keytab")

    def run(self, program, *args):
        done = subprocess.run([shutil.which(program, path=PATH), *args], text=True,
                              env={**os.environ, **self.environment}, capture_output=True,
                              stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stderr

    def admin(self, words):
        self.run("kadmin.local", "-r", REALM, "-q", words)

    def start(self):
        """Ready when this returns."""
        log = open(self.folder / "kdc.log", "ab")
        self.process = subprocess.Popen([shutil.which("krb5kdc", path=PATH), "-n", "-r", REALM],
                                        env={**os.environ, **self.environment}, stdout=log,
                                        stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        end = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, \
                    (self.folder / "kdc.log").read_text()
                time.sleep(0.05)

    def stop(self):
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def freeze(self):
        """It takes connections, but answers nothing, until thaw()."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
