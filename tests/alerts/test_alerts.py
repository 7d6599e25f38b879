import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from kinoloop.alerts.config import AlertsConfig
from kinoloop.alerts.outbox import AlertOutbox
from kinoloop.alerts.send import raise_alerts, tell
from kinoloop.data.tables import Tables
from kinoloop.schema import OCCURRENCES

LOOPBACK = ["127.0.0.0/8"]


class Receiver:
    """A webhook on a free port; answers `status` and keeps what it got."""

    def __init__(self):
        self.status, self.got = 200, []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((json.loads(body), self.headers["Idempotency-Key"]))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def tables(tmp_path):
    made = Tables(tmp_path / "data")
    write(made, {"cam1": [("sound", "door opens", 12.4, 0.9), ("shows", "dog", 30.0, 0.3)]})
    return made


def write(tables, videos):
    rows = [
        {
            "video_id": video_id,
            "content_hash": "c",
            "fingerprint": "f",
            "occurrences": [
                {"facet": facet, "label": label, "start_s": at, "end_s": at + 2, "score": score,
                 "evidence": "subtitles"}
                for facet, label, at, score in listed
            ],
            "labelled_at": datetime.now(UTC),
        }
        for video_id, listed in videos.items()
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=OCCURRENCES)
    frame.write_delta(str(tables.path("occurrences")), mode="overwrite")


class Runs:
    """What a flow does after labelling, again and again."""

    def __init__(self, tables, path, **settings):
        self.tables, self.outbox, self.events = tables, AlertOutbox(path), []
        self.config = AlertsConfig.model_validate(settings)

    def __call__(self):
        raise_alerts(self.tables, self.config, self.outbox)
        return tell(self.config, self.outbox, self.events.append)


def test_a_door_that_opens_is_told_once_with_its_time(tables, receiver, tmp_path):
    rule = {"label": "Door opens", "webhook": receiver.url, "event": True}
    run = Runs(tables, tmp_path / "alerts.db", rules=[rule], networks=LOOPBACK)
    assert run().sent == 2
    ((told, key),) = receiver.got
    assert (told["video_id"], told["label"], told["start_s"]) == ("cam1", "door opens", 12.4)
    assert told["score"] == pytest.approx(np.float32(0.9))
    assert told["alert_id"] == key
    assert [json.loads(one.body)["label"] for one in run.events] == ["door opens"]
    write(
        tables, {"cam1": [("sound", "door opens", 12.9, 0.8), ("sound", "door opens", 50.0, 0.9)]}
    )
    again = Runs(tables, tmp_path / "alerts.db", rules=[rule], networks=LOOPBACK)
    assert again().sent == 2  # the second door alone, to both
    assert [one[0]["start_s"] for one in receiver.got] == [12.4, 50.0]


def test_an_improbable_label_and_another_facet_raise_nothing(tables, receiver, tmp_path):
    for label in ("dog", "topic: door opens"):
        rule = {"label": label, "webhook": receiver.url}
        run = Runs(tables, tmp_path / "alerts.db", rules=[rule], networks=LOOPBACK)
        assert run().sent == 0
    assert receiver.got == []


def test_what_fails_is_tried_again_and_given_up_at_last(tables, receiver, tmp_path):
    rule = {"label": "sound: door opens", "webhook": receiver.url}
    run = Runs(tables, tmp_path / "a.db", rules=[rule], networks=LOOPBACK, tries=3)
    receiver.status = 503
    assert (run().failed, run.outbox.counts()) == (1, {"waiting": 1})
    receiver.status = 302  # a redirect is not followed
    assert (run().failed, run.outbox.counts()) == (1, {"waiting": 1})
    assert (run().failed, run.outbox.counts()) == (1, {"given up": 1})
    receiver.status = 200
    assert run().sent == 0
    assert len(receiver.got) == 3


def test_a_private_address_is_told_nothing_unless_the_settings_name_it(tables, receiver, tmp_path):
    rule = {"label": "door opens", "webhook": receiver.url}
    run = Runs(tables, tmp_path / "a.db", rules=[rule])
    assert run().failed == 1
    assert receiver.got == []
    allowed = Runs(tables, tmp_path / "a.db", rules=[rule], networks=LOOPBACK)
    assert allowed().sent == 1


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"label": "dog"}, "alert on 'dog' tells nobody"),
        ({"label": "dog", "webhook": "file:///etc/passwd"}, "is not an http"),
        ({"label": "dog", "webhook": "https://me:secret@host/x"}, "without user and password"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule, said):
    with pytest.raises(ValidationError, match=said) as refused:
        AlertsConfig(rules=[rule])
    assert "secret" not in str(refused.value.errors(include_input=False)[0]["msg"])
