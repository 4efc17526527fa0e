# SPDX-License-Identifier: Apache-2.0
"""A real Pulsar standalone of a test's own: its process, its data, its doors."""

import http.client
import json
import pathlib
import shutil
import string

import java_program
from certificates import Certificates
from class_archive import ClassArchive
from java_program import NotStarted
from kdc import Kdc
from ports import free_ports
from tokens import Tokens
from zts import Athenz

CONF = pathlib.Path(__file__).resolve().parent / "conf"
VARIANTS = ("token", "athenz", "kerberos", "tls", "deduplication", "transactions", "batch_index", "migration",
            "prompt", "proxied", "reclaim", "trusting", "entry_metadata")
TOKENS = {"token", "athenz", "kerberos"}  # those where an administrator has one
READY_S = 180
ADMIN_S = 20
TRIES = 3


class Broker(java_program.JavaProgram):
    """Variants may be combined. It is started and ready once it exists, and dies with the thread
    that has started it."""

    heap = "512m"
    compiler = ("-XX:TieredStopAtLevel=1",)  # a start costs less; a load of minutes wants more

    def __init__(self, folder, libraries, *variants):
        assert set(variants) <= set(VARIANTS), variants
        super().__init__(folder, "broker.log")
        self.libraries = libraries
        self.variants = variants
        self.tokens = Tokens(self.folder / "tokens") if TOKENS & set(variants) else None
        self.kdc = Kdc(self.folder / "kerberos", *free_ports(1)) if "kerberos" in variants else None
        self.athenz = Athenz(self.folder / "athenz") if "athenz" in variants else None
        self.certificates = \
            Certificates(self.folder / "certificates") if "tls" in variants else None
        self.classes = ClassArchive(libraries, self.folder)
        self.start_new()

    @property
    def version(self):
        """(4, 0, 7), by the folder that `fetch` has made."""
        return tuple(map(int, pathlib.Path(self.libraries).parent.name.partition("-")[0].split(".")))

    # ---- doors -------------------------------------------------------------------------------

    @property
    def service_url(self):
        return f"pulsar://127.0.0.1:{self.ports['binary_port']}"

    @property
    def service_url_tls(self):
        return f"pulsar+ssl://localhost:{self.ports['tls_port']}"

    @property
    def https_url(self):
        return f"https://localhost:{self.ports['https_port']}"

    @property
    def admin_url(self):
        return f"http://127.0.0.1:{self.ports['http_port']}"

    def admin(self, method, path, body=None):
        """(status, content) of one request below /admin/v2/: JSON as objects, else text."""
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens.admin}"
        door = http.client.HTTPConnection("127.0.0.1", self.ports["http_port"], timeout=ADMIN_S)
        try:
            door.request(method, f"/admin/v2/{path}",
                         None if body is None else json.dumps(body), headers)
            answer = door.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            door.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def backlog(self, topic, subscription):
        """How many messages a subscription has not acknowledged; None: there is no such topic."""
        status, stats = self.admin("GET", f"{topic.replace('://', '/', 1)}/stats")
        return stats["subscriptions"][subscription]["msgBacklog"] if status == 200 else None

    # ---- life --------------------------------------------------------------------------------

    def start_new(self):
        """Without data, on ports that were free a moment ago; another process may have taken one since."""
        names = ("binary_port", "http_port", "tls_port", "https_port", "bookie_port")
        for attempt in range(TRIES):
            self.ports = dict(zip(names, free_ports(len(names))))
            self.configure()
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            try:
                self.start()
                if not self.classes.kept.exists():
                    self.stop()
                    self.start()
                return
            except NotStarted:
                if attempt == TRIES - 1 or "Address already in use" not in self.tail():
                    raise

    def configure(self):
        text = "".join((CONF / f"{name}.conf").read_text(encoding="ascii")
                       for name in ("plain", *self.variants))
        text = string.Template(text).substitute(self.ports, folder=self.folder)
        (self.folder / "standalone.conf").write_text(text, encoding="utf-8")

    def command(self):
        temporary = self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        return ["java", f"-Xmx{self.heap}", f"-XX:MaxDirectMemorySize={self.heap}", "-XX:+UseSerialGC",
                *self.compiler, *self.classes.options(), *java_program.opened(),
                "--add-exports", "java.base/jdk.internal.platform=ALL-UNNAMED",
                f"-Djava.io.tmpdir={temporary}", *self.properties(),
                "-Dio.netty.tryReflectionSetAccessible=true", "-Dpulsar.allocator.exit_on_oom=true",
                f"-Dlog4j2.configurationFile={CONF / 'log4j2.properties'}",
                "-cp", f"{self.libraries}/*", "org.apache.pulsar.PulsarStandaloneStarter",
                "-c", str(self.folder / "standalone.conf"), "-nfw", "-nss",
                "--bookkeeper-port", str(self.ports["bookie_port"]),
                f"--metadata-dir={self.folder / 'data/metadata'}",
                f"--bookkeeper-dir={self.folder / 'data/bookkeeper'}"]

    def properties(self):
        """Of the process, for its providers of authentication."""
        if self.athenz:
            yield f"-Dathenz.athenz_conf={self.athenz.folder / 'athenz.conf'}"
        if self.kdc:
            yield f"-Djava.security.krb5.conf={self.kdc.folder / 'krb5.conf'}"
            yield f"-Djava.security.auth.login.config={self.kdc.folder / 'jaas.conf'}"

    def start(self):
        """With the data and the ports that it has; returns when it is ready."""
        self.run_program(READY_S)

    def ready(self):
        """Its health is good before the namespace of all topics exists."""
        try:
            if self.admin("GET", "brokers/health") != (200, "ok"):
                return False
            status, namespaces = self.admin("GET", "namespaces/public")
        except (OSError, http.client.HTTPException):
            return False
        return status == 200 and "public/default" in namespaces

    def stop(self):
        """As an operator does. Data and ports are kept for start()."""
        self.process.terminate()
        self.end()
        self.classes.keep()
