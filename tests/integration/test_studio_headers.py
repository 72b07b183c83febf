"""What every answer carries, whoever answers; cookies; and texts that want to be commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from anymask.server import pages
from studio import PASSWORD, add_project, browser, draft, make_app, new_id, picture

COMMANDS = (
    "'; DROP TABLE users; --",
    "1 OR 1=1",
    "%' OR '1'='1",
    'x" UNION SELECT password_hash FROM users --',
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    app = make_app(tmp_path / "studio", max_body_bytes=50_000)
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets" / "a.js").write_text("export {}")
    app.dependency_overrides[pages.front_end] = lambda: folder
    yield app
    app.state.import_jobs.close()
    app.state.studio.close()


def test_every_answer_has_the_headers(app: FastAPI) -> None:
    @app.get("/api/broken")
    def fail() -> None:
        raise RuntimeError("a fault of ours")

    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    careless = TestClient(app, base_url=str(eve.base_url), raise_server_exceptions=False)
    answers = {
        "page": (eve.get("/"), 200),
        "script": (eve.get("/assets/a.js"), 200),
        "no asset": (eve.get("/assets/..%2f..%2fstudio.db"), 404),
        "mode": (eve.get("/studio.json"), 200),
        "api": (eve.get("/api/projects"), 200),
        "description": (eve.get("/api/openapi.json"), 200),
        "file": (eve.get("/api/images/1/file"), 200),
        "export": (eve.get(f"/api/projects/{project}/export?format=voc&pictures=true"), 200),
        "import": (eve.post(f"/api/projects/{project}/imports?name=a.json", content=b"{}"), 202),
        "no content": (eve.delete("/api/images/1/lease"), 204),
        "not logged in": (careless.get("/api/projects"), 401),
        "no token": (eve.post("/api/projects", headers={"X-CSRF-Token": ""}), 403),
        "no route": (eve.get("/api/nothing"), 404),
        "no method": (eve.put("/api/projects"), 405),
        "too large": (eve.post("/api/projects", content=bytes(60_000)), 413),
        "invalid": (eve.post("/api/projects", json={}), 422),
        "fault": (careless.get("/api/broken"), 500),
    }
    for name, (answer, status) in answers.items():
        assert answer.status_code == status, (name, answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", ""), name
        assert "unsafe-inline" not in policy, name
        assert "object-src 'none'" in policy, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["X-Frame-Options"] == "DENY", name
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", name
        assert answer.headers["Referrer-Policy"] == "same-origin", name
        assert "Cache-Control" in answer.headers, name
        assert "server" not in answer.headers, name
    assert answers["fault"][0].json()["error"].startswith("the server failed")
    assert "RuntimeError" not in answers["fault"][0].text


@pytest.mark.parametrize("is_secure", [True, False])
def test_session_cookies_are_out_of_reach(tmp_path: Path, is_secure: bool) -> None:
    app = make_app(tmp_path / "studio", secure_cookies=is_secure)
    login = {"name": "ada", "password": PASSWORD}
    cookie = browser(app).post("/api/session", json=login).headers["Set-Cookie"]
    flags = {part.strip().split("=")[0].lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite", "path", "max-age"} <= flags
    assert "domain" not in flags
    assert ("secure" in flags) == is_secure
    assert cookie.startswith("__Host-anymask=") == is_secure
    app.state.studio.close()


@pytest.mark.parametrize("text", COMMANDS)
def test_texts_stay_texts(app: FastAPI, text: str) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, name=text, images=1)
    assert eve.get(f"/api/projects/{project}").json()["name"] == text
    eve.put("/api/images/1/lease")
    saved = eve.put(f"/api/annotations/{new_id()}", json=draft(1, name=text))
    assert saved.json()["name"] == text
    images = f"/api/projects/{project}/images"
    named = eve.post(images, params={"name": f"{text}.png"}, content=picture(7))
    assert named.json()["name"] == f"{text}.png"
    assert len(eve.get(images, params={"name": text}).json()) == 1
    for url in (f"/api/projects/{text}", f"/api/imports/{text}", f"/api/annotations/{text}"):
        assert eve.get(url).status_code in (404, 405, 422)
    for name in ("state", "after", "limit"):
        assert eve.get(images, params={name: text}).status_code == 422
    assert eve.get(f"/api/projects/{project}/export", params={"format": text}).status_code == 422
    login = browser(app).post("/api/session", json={"name": text, "password": text})
    assert login.status_code == 401
    assert len(eve.get("/api/users").json()) == 5


def test_names_of_pictures_cannot_add_headers_or_leave_an_archive(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    images = f"/api/projects/{project}/images"
    for name in ("a\r\nSet-Cookie: x=1.png", "a\u2028b.png", "..", "\0.png", ""):
        assert eve.post(images, params={"name": name}, content=picture(1)).status_code == 422
    odd = '";filename=evil.html;é.png'
    eve.post(images, params={"name": odd}, content=picture(1))
    answer = eve.get("/api/images/1/file")
    assert answer.headers["Content-Disposition"].count(";") == 1
    assert "\n" not in answer.headers["Content-Disposition"]
