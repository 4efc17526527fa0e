# SPDX-License-Identifier: Apache-2.0
"""The loaded classes of a broker, kept beside its jars: the next one starts with half the work."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile


class ClassArchive:
    """Written by the first broker that ends in good order. Java takes no archive of another Java or of
    jars elsewhere: each has its own, and starts without until then."""

    def __init__(self, libraries, folder):
        java = subprocess.run(["java", "-version"], stdin=subprocess.DEVNULL, capture_output=True,
                              check=True).stderr
        made_for = hashlib.sha256(java + os.fsencode(libraries)).hexdigest()[:8]
        self.kept = pathlib.Path(libraries).parent / f"classes-{made_for}.jsa"
        self.fresh = pathlib.Path(folder) / "classes.jsa"

    def options(self):
        if self.kept.exists():
            return [f"-XX:SharedArchiveFile={self.kept}"]
        return [f"-XX:ArchiveClassesAtExit={self.fresh}"]

    def keep(self):
        """After the end of the process; brokers of other runs may do the same."""
        if not self.fresh.exists():
            return
        if not self.kept.exists():
            number, copy = tempfile.mkstemp(dir=self.kept.parent)
            os.close(number)
            shutil.copyfile(self.fresh, copy)
            os.replace(copy, self.kept)
        self.fresh.unlink()
