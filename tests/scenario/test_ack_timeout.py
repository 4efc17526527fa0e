# SPDX-License-Identifier: Apache-2.0
"""Goal:   a message without a verdict for the rule's ack_timeout comes again, counted; what the application has not read yet is not
        taken away from it.
Method: an application with the library on the embedded engine.
"""

import json
import time

import pytest

from application import Application
from command import ok, run
from conftest import Hulsed


@pytest.fixture(name="daemon")
def daemon_with_timeouts(tmp_path):
    config = tmp_path / "hulse.yaml"
    config.write_text(json.dumps({"topics": [{"match": "**", "consume": {"ack_timeout": "1s"}}]}))
    hulsed = Hulsed(tmp_path / "run", args=["--config", config])
    yield hulsed
    hulsed.kill()


@pytest.mark.parametrize("topic", ["persistent://public/default/t",
                                   "non-persistent://public/default/t"])
@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_what_has_no_verdict_comes_again(daemon, topic, kind):
    with Application(daemon, topic, "s", kind) as app:
        ok(run(daemon, "pub", topic, input="0\n1\n"))
        assert [m["payload"] for m in app.next(2)] == ["0", "1"]
        app.ack(1)
        assert [(m["payload"], m["redelivery"]) for m in app.next(1)] == [("0", 1)]
        app.ack(0)  # too late: it was taken back
        assert [(m["payload"], m["redelivery"]) for m in app.next(1)] == [("0", 2)]
        app.ack(3)
        assert app.next(1, 1500) == []
        counts = json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))
        assert counts["refused"]["ack_timed_out"] == 2
        app.close()


def test_what_lies_unread_is_not_taken_away(daemon):
    topic = "persistent://public/default/unread"
    with Application(daemon, topic, "s", "exclusive") as app:
        ok(run(daemon, "pub", topic, input="0\n1\n2\n"))
        for n in range(3):
            (m,) = app.next(1)
            assert (m["payload"], m["redelivery"]) == (str(n), 0)
            time.sleep(0.7)  # the last of them lies longer than it may be worked at
            app.ack(n)
        app.close()
