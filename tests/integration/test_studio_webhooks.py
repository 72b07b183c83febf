"""Webhooks: told once what happened, signed; again until they hear it, and never at home."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from anymask.core.errors import InvalidInputError
from anymask.engine.store import webhooks
from anymask.engine.store.webhooks import DueDelivery
from anymask.server import webhook_sender
from anymask.server.webhook_sender import check_url, post_signed
from studio import add_project, browser, make_app


class Receiver(HTTPServer):
    """A web server on this machine that keeps what it gets and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?x=1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", self.server.url)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    monkeypatch.setattr(webhook_sender, "_POLL_SECONDS", 0.01)
    app = make_app(tmp_path / "studio", webhooks_to_private=True)
    yield app
    app.state.studio.close()


def wait_for(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("it never came")


def submit_next(app: FastAPI, project: int) -> int:
    ada = browser(app, "ada")
    image: int = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    for _ in range(2):  # said again, as the answer was lost
        assert ada.post(f"/api/images/{image}/submit").status_code == 200
    return image


def test_a_submission_and_its_review_are_told_once_and_signed(
    app: FastAPI, receiver: Receiver
) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    made = eve.post(f"/api/projects/{project}/webhooks", json={"url": receiver.url}).json()
    image = submit_next(app, project)
    reject = {"decision": "reject", "reason": "The tail."}
    browser(app, "bob").post(f"/api/images/{image}/review", json=reject)
    wait_for(lambda: len(receiver.got) == 2)
    for headers, body in receiver.got:
        signed = hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Anymask-Signature"] == f"sha256={signed}"
    submitted, reviewed = (json.loads(body) for _, body in receiver.got)
    assert (submitted["event"], reviewed["event"]) == ("image.submitted", "image.reviewed")
    assert submitted["data"]["image_id"] == image
    assert reviewed["data"]["reason"] == "The tail."

    url = f"/api/projects/{project}/webhooks/{made['id']}"
    wait_for(lambda: all(not row["next_at"] for row in eve.get(f"{url}/deliveries").json()))
    assert [row["answer"] for row in eve.get(f"{url}/deliveries").json()] == ["204", "204"]
    assert "secret" not in eve.get(f"/api/projects/{project}/webhooks").json()[0]
    assert eve.delete(url).status_code == 204
    assert eve.get(f"{url}/deliveries").status_code == 404


def test_what_is_not_heard_is_said_again_also_by_another_process(
    app: FastAPI, receiver: Receiver, tmp_path: Path
) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    eve.post(f"/api/projects/{project}/webhooks", json={"url": receiver.url})
    receiver.statuses = [500, 302]  # a fault; a redirection, which is not followed
    submit_next(app, project)
    database = app.state.studio.database
    start = database.now()
    wait_for(lambda: len(receiver.got) == 1)
    app.state.studio.webhooks.close()  # the server ends
    later = make_app(tmp_path / "studio", people=False, webhooks_to_private=True)
    for number, pause in ((2, 11), (3, 60)):
        assert len(receiver.got) == number - 1
        later.state.studio.database.now = lambda at=start + pause: at
        wait_for(lambda number=number: len(receiver.got) == number)
    later.state.studio.close()
    assert len({body for _, body in receiver.got}) == 1


def test_a_webhook_that_never_hears_is_given_up(app: FastAPI) -> None:
    app.state.studio.webhooks.close()
    project = add_project(browser(app, "eve"), images=0)
    database, at = app.state.studio.database, 0.0
    with database.writing() as session:
        webhooks.add_webhook(session, project, "http://example.org", "s", at)
        webhooks.announce(session, project, "image.submitted", at, {})
    for _ in range(webhooks.MAX_ATTEMPTS):
        with database.writing() as session:
            due = webhooks.take_due(session, at)
            assert due is not None
            assert webhooks.take_due(session, at) is None  # somebody makes it already
            webhooks.record_attempt(session, due.id, "500", False, at)
            assert not webhooks.has_due(session, at)
        at += 3 * 24 * 3600
    with database.writing() as session:
        assert not webhooks.has_due(session, at)


def test_no_webhook_reaches_into_the_own_network(receiver: Receiver) -> None:
    addresses = ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "0x7f000001")
    for host in addresses:
        url = f"http://{host}:{receiver.server_port}/"
        due = DueDelivery(id=1, url=url, secret="s", event="e", data={}, created_at=0.0)
        with pytest.raises((InvalidInputError, OSError)):
            post_signed(due, allows_private=False)
    assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    ["ftp://a.b/", "file:///etc/passwd", "http://", "https://user:secret@a.b/", "http://a:99999/"],
)
def test_urls_that_cannot_be_are_refused(app: FastAPI, url: str) -> None:
    with pytest.raises(InvalidInputError, match="url must be"):
        check_url(url)
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    answer = eve.post(f"/api/projects/{project}/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["field"]) == (422, "url")
