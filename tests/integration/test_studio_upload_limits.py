"""Uploads that want to fill memory or disk: ten gigabytes, announced or not, and forged bodies."""

import asyncio
import os
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from studio import add_project, browser, make_app, running

GIGABYTE = 10**9
LIMIT = 5_000_000
PIECE = bytes(100_000)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    app = make_app(tmp_path / "studio", max_import_bytes=LIMIT, max_upload_bytes=1_000_000)
    yield app
    app.state.import_jobs.close()
    app.state.studio.close()


def disk_bytes(app: FastAPI) -> int:
    folder = Path(app.state.studio.settings.folder) / "imports"
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def send_ten_gigabytes(
    app: FastAPI, path: str, headers: dict[str, str], query: str = "name=a.zip"
) -> tuple[int, int]:
    """The answer's status, and how many bytes were taken before it."""
    taken, statuses = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += len(PIECE)
        return {"type": "http.request", "body": PIECE, "more_body": taken < 10 * GIGABYTE}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    return statuses[0], taken


def session_headers(client: TestClient | None) -> dict[str, str]:
    headers = {"Host": "127.0.0.1:8000"}
    if client is not None:
        headers["Cookie"] = f"anymask={client.cookies['anymask']}"
        headers["X-CSRF-Token"] = client.headers["X-CSRF-Token"]
    return headers


@pytest.mark.parametrize("kind", ["imports", "images"])
def test_ten_gigabytes_are_refused_early(app: FastAPI, kind: str) -> None:
    eve = browser(app, "eve")
    path = f"/api/projects/{add_project(eve, images=0)}/{kind}"
    headers = session_headers(eve)
    announced = headers | {"Content-Length": str(10 * GIGABYTE)}
    assert asyncio.run(send_ten_gigabytes(app, path, announced)) == (413, 0)
    tracemalloc.start()
    status, taken = asyncio.run(send_ten_gigabytes(app, path, headers))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == 413
    assert taken <= LIMIT + 2 * len(PIECE)
    assert peak < 4 * LIMIT
    assert disk_bytes(app) == 0


def test_who_may_not_import_gets_to_send_nothing(app: FastAPI) -> None:
    path = f"/api/projects/{add_project(browser(app, 'eve'), images=0)}/imports"
    for name, status in ((None, 401), ("ada", 403), ("bob", 403)):
        headers = session_headers(None if name is None else browser(app, name))
        assert asyncio.run(send_ten_gigabytes(app, path, headers)) == (status, 0)
    assert disk_bytes(app) == 0


@pytest.mark.parametrize("kind", ["application/zip", "image/png", "application/octet-stream"])
def test_a_body_is_no_longer_for_what_it_is_called(app: FastAPI, kind: str) -> None:
    headers = session_headers(browser(app, "eve")) | {"Content-Type": kind}
    limit = app.state.studio.settings.max_body_bytes
    for path in ("/api/projects", "/api/session", "/api/projects/1/members"):
        status, taken = asyncio.run(send_ten_gigabytes(app, path, headers))
        assert 400 <= status < 500
        assert taken <= limit + 2 * len(PIECE)


@pytest.mark.parametrize(
    "body",
    [
        b"PK\x03\x04" + os.urandom(2000),
        b"\xff\xd8\xffPK\x05\x06" + bytes(18),
        b"GIF89a<script>alert(1)</script>",
        b"",
    ],
    ids=["random", "polyglot", "script", "empty"],
)
def test_what_no_reader_knows_ends_as_a_line(app: FastAPI, body: bytes) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    answer = eve.post(f"/api/projects/{project}/imports?name=a.png", content=body)
    assert answer.status_code == 202
    finished = threading.Event()
    state = answer.json()
    for _ in range(500):
        state = eve.get(f"/api/imports/{state['id']}").json()
        if state["status"] in ("done", "failed"):
            break
        finished.wait(0.02)
    assert state["images"] == state["masks"] == 0
    assert state["num_problems"] == 1


def test_names_of_imports_are_names(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    url = f"/api/projects/{project}/imports"
    for name, kept in (("../../etc/passwd", "passwd"), ("C:\\a\\b.json", "b.json")):
        assert eve.post(url, params={"name": name}, content=b"{}").json()["name"] == kept
    for name in ("..", "", "a\r\nX-Evil: 1", "x" * 500):
        assert eve.post(url, params={"name": name}, content=b"{}").status_code == 422
    for import_id in ("..%2f..%2fstudio", "....", "a/b", "%00"):
        assert eve.get(f"/api/imports/{import_id}").status_code == 404


def test_a_server_cuts_off_who_sends_on(tmp_path: Path) -> None:
    """Over a real socket: the answer comes while the sender is still sending."""
    app = make_app(tmp_path / "other")
    with running(app) as url, socket.create_connection(address_of(url), timeout=20) as connection:
        connection.sendall(
            b"POST /api/projects/1/imports?name=a.zip HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Length: 10000000000\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert disk_bytes(app) == 0


def address_of(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)
