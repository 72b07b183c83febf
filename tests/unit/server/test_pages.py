"""The pages as the server gives them: which files, with which headers, and no others."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from anymask.server import pages
from studio import browser, make_app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A front end of four files, with a secret beside it."""
    built = tmp_path / "static"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>")
    (built / "icon.svg").write_text("<svg/>")
    (built / "assets" / "index-1a2b.js").write_text("1")
    (built / "assets" / "runtime.wasm").write_bytes(b"\0asm")
    (built / "assets" / "inner").mkdir()
    (built / "secret.txt").write_text("secret")
    return built


@pytest.fixture
def app(tmp_path: Path, folder: Path) -> FastAPI:
    made = make_app(tmp_path / "data", lease_seconds=90.0)
    made.dependency_overrides[pages.front_end] = lambda: folder
    return made


def test_the_page_is_asked_for_again_and_its_parts_are_kept(app: FastAPI) -> None:
    page = browser(app)
    answer = page.get("/")
    assert answer.text == "<!doctype html>"
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-cache"
    script = page.get("/assets/index-1a2b.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in script.headers["Cache-Control"]
    assert page.get("/assets/runtime.wasm").headers["Content-Type"] == "application/wasm"
    assert page.get("/icon.svg").headers["Content-Type"].startswith("image/svg+xml")
    for one in (answer, script):
        assert one.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "'unsafe-eval'" not in one.headers["Content-Security-Policy"]
        assert one.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_did_not_change_is_not_sent_again(app: FastAPI) -> None:
    page = browser(app)
    tag = page.get("/").headers["ETag"]
    assert page.get("/", headers={"If-None-Match": tag}).headers["ETag"] == tag


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2fsecret.txt",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/secret.txt",
        "/assets/..%5csecret.txt",
        "/assets/inner",
        "/assets/",
        "/assets/%00",
        "/secret.txt",
        "/static/secret.txt",
        "/assets/absent.js",
    ],
)
def test_nothing_else_comes_out(app: FastAPI, path: str) -> None:
    answer = browser(app).get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")
    assert set(answer.json()) == {"error", "field"}


def test_a_link_out_of_the_folder_is_not_followed(app: FastAPI, folder: Path) -> None:
    (folder / "assets" / "link.js").symlink_to(folder / "secret.txt")
    assert browser(app).get("/assets/link.js").status_code == 404


def test_the_page_learns_that_there_is_a_server(app: FastAPI, tmp_path: Path) -> None:
    mode = browser(app).get("/studio.json").json()
    assert (mode["server"], mode["auth"], mode["lease_seconds"]) == (True, True, 90.0)
    alone = browser(make_app(tmp_path / "alone", auth=False)).get("/studio.json").json()
    assert alone["auth"] is False


def test_without_pages_there_is_one_line_about_it(app: FastAPI, folder: Path) -> None:
    (folder / "index.html").unlink()
    answer = browser(app).get("/")
    assert answer.status_code == 404
    assert "make web" in answer.text
    assert answer.text.count("\n") == 1
    app.dependency_overrides[pages.front_end] = lambda: folder / "absent"
    assert browser(app).get("/icon.svg").status_code == 404
