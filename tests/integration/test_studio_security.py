"""What the studio must refuse: strangers, wrong roles, other pages, planted sessions, bad files."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymask.core.errors import InvalidInputError
from anymask.server.settings import ServerSettings
from studio import BASE_URL, PASSWORD, add_project, browser, draft, make_app, new_id, picture

PUBLIC = {
    ("post", "/api/session"),
    ("post", "/api/invitations/accept"),
    ("get", "/api/health"),
    ("get", "/api/oidc/start"),
    ("get", "/api/oidc/callback"),
}
REVIEWERS = {
    ("get", "/api/projects/{project_id}/statistics"),
    ("get", "/api/projects/{project_id}/members"),
    ("get", "/api/projects/{project_id}/export"),
    ("post", "/api/images/{image_id}/review"),
    ("post", "/api/projects/{project_id}/rating/jobs"),
    ("get", "/api/projects/{project_id}/rating/figures"),
    ("get", "/api/projects/{project_id}/audit/figures"),
}
ADMINS = {
    ("post", "/api/invitations"),
    ("get", "/api/users"),
    ("get", "/api/audit"),
    ("patch", "/api/users/{user_id}"),
    ("post", "/api/projects"),
    ("patch", "/api/projects/{project_id}"),
    ("post", "/api/projects/{project_id}/members"),
    ("delete", "/api/projects/{project_id}/members/{user_id}"),
    ("post", "/api/projects/{project_id}/webhooks"),
    ("get", "/api/projects/{project_id}/webhooks"),
    ("get", "/api/projects/{project_id}/webhooks/{webhook_id}/deliveries"),
    ("delete", "/api/projects/{project_id}/webhooks/{webhook_id}"),
    ("post", "/api/projects/{project_id}/images"),
    ("post", "/api/projects/{project_id}/imports"),
    ("get", "/api/projects/{project_id}/imports"),
    ("get", "/api/imports/{import_id}"),
    ("post", "/api/images/{image_id}/annotations"),
}
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    app = make_app(tmp_path / "studio", max_upload_bytes=200_000, max_body_bytes=50_000)
    yield app
    app.state.studio.close()


def operations(app: FastAPI) -> list[tuple[str, str]]:
    return [(method, path) for path, by in app.openapi()["paths"].items() for method in by]


def filled(path: str) -> str:
    """The path with numbers and a UUID in place of its parameters."""
    uuid = new_id()
    return (
        path.replace("{annotation_id}", uuid)
        .replace("{", "")
        .replace("}", "")
        .replace("project_id", "1")
        .replace("image_id", "1")
        .replace("user_id", "1")
        .replace("token_id", "1")
        .replace("webhook_id", "1")
    )


def test_no_route_answers_strangers(app: FastAPI) -> None:
    stranger = browser(app)
    assert set(operations(app)) >= PUBLIC | REVIEWERS | ADMINS
    for method, path in operations(app):
        answer = stranger.request(method, filled(path), json={})
        if (method, path) not in PUBLIC:
            assert answer.status_code == 401, (method, path)
            assert set(answer.json()) == {"error", "field"}


def test_no_route_answers_without_its_role(app: FastAPI) -> None:
    add_project(browser(app, "eve"), images=1)
    ada, bob = browser(app, "ada"), browser(app, "bob")
    for method, path in sorted(REVIEWERS | ADMINS):
        assert ada.request(method, filled(path), json={}).status_code == 403, (method, path)
    for method, path in sorted(ADMINS):
        assert bob.request(method, filled(path), json={}).status_code == 403, (method, path)


def test_nothing_of_a_project_is_there_for_who_is_no_member(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1, has_members=False)
    of_projects = [
        (method, path)
        for method, path in operations(app)
        if ("{project_id}" in path or "{image_id}" in path) and (method, path) not in ADMINS
    ]
    assert len(of_projects) >= 16
    for name in ("ada", "bob"):
        outsider = browser(app, name)
        assert outsider.get("/api/projects").json() == []
        for method, path in of_projects:
            answer = outsider.request(method, filled(path), json={})
            assert answer.status_code == 404, (name, method, path)
        saved = outsider.put(f"/api/annotations/{new_id()}", json=draft(1))
        assert (saved.status_code, saved.json()["field"]) == (409, "lease")
    eve, ada = browser(app, "eve"), browser(app, "ada")
    user = ada.get("/api/session").json()["user"]["id"]
    eve.post(f"/api/projects/{project}/members", json={"user_ids": [user, user]})
    assert [one["name"] for one in eve.get(f"/api/projects/{project}/members").json()] == ["ada"]
    assert ada.post(f"/api/projects/{project}/next").status_code == 200
    eve.delete(f"/api/projects/{project}/members/{user}")
    assert ada.put("/api/images/1/lease").status_code == 404
    assert ada.put(f"/api/annotations/{new_id()}", json=draft(1)).status_code == 409


def test_a_change_needs_the_sessions_csrf_token_and_the_own_origin(app: FastAPI) -> None:
    eve = browser(app, "eve")
    token = eve.headers.pop("X-CSRF-Token")
    project = {"name": "planted"}
    assert eve.post("/api/projects", json=project).status_code == 403
    wrong = {"X-CSRF-Token": token[:-1] + "!"}
    assert eve.post("/api/projects", json=project, headers=wrong).status_code == 403
    eve.headers["X-CSRF-Token"] = token
    elsewhere = {"Origin": "https://evil.example"}
    assert eve.post("/api/projects", json=project, headers=elsewhere).status_code == 403
    assert eve.post("/api/projects", json=project, headers={"Origin": "null"}).status_code == 403
    assert eve.get("/api/projects").json() == []
    own = {"Origin": BASE_URL}
    assert eve.post("/api/projects", json=project, headers=own).status_code == 201


def test_a_planted_cookie_is_not_the_session_after_login(app: FastAPI) -> None:
    ada = browser(app, "ada")
    planted = ada.cookies["anymask"]
    victim = browser(app)
    victim.cookies.set("anymask", planted, domain="127.0.0.1", path="/")
    answer = victim.post("/api/session", json={"name": "bob", "password": PASSWORD})
    fresh = answer.headers["Set-Cookie"]
    assert planted not in fresh
    assert "HttpOnly" in fresh
    assert "SameSite=lax" in fresh
    assert ada.get("/api/session").status_code == 401  # the planted one has ended


def test_logging_out_ends_the_session_on_the_server(app: FastAPI) -> None:
    ada = browser(app, "ada")
    secret = ada.cookies["anymask"]
    assert ada.delete("/api/session").status_code == 204
    thief = browser(app)
    thief.cookies.set("anymask", secret, domain="127.0.0.1", path="/")
    assert thief.get("/api/session").status_code == 401


def test_a_new_password_logs_out_everywhere(app: FastAPI) -> None:
    ada, other = browser(app, "ada"), browser(app, "ada")
    change = {"password": PASSWORD, "new_password": "another good password"}
    assert ada.put("/api/session/password", json=change).status_code == 204
    assert other.get("/api/session").status_code == 401


def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    app = make_app(tmp_path / "studio", login_attempts=3)
    guesser = browser(app)
    guess = {"name": "ada", "password": "wrong"}
    codes = [guesser.post("/api/session", json=guess).status_code for _ in range(4)]
    assert codes == [401, 401, 401, 429]
    last = guesser.post("/api/session", json={"name": "ada", "password": PASSWORD})
    assert last.status_code == 429
    assert 0 < int(last.headers["Retry-After"]) <= 301
    app.state.studio.close()
    later = make_app(tmp_path / "studio", login_attempts=3, people=False)  # another process
    assert browser(later).post("/api/session", json=guess).status_code == 429
    later.state.studio.close()


def test_what_admins_do_is_kept_without_secrets(app: FastAPI) -> None:
    eve = browser(app, "eve")
    add_project(eve, images=0)
    secret = eve.post("/api/invitations", json={"role": "reviewer"}).json()["secret"]
    kept = eve.get("/api/audit").json()
    assert [entry["action"] for entry in kept] == ["invite", "add members", "add project"]
    assert kept[0]["data"]["role"] == "reviewer"
    assert secret not in json.dumps(kept)
    assert len(eve.get("/api/audit", params={"before": kept[1]["id"]}).json()) == 1


def test_secrets_are_kept_as_hashes_only(app: FastAPI) -> None:
    ada, eve = browser(app, "ada"), browser(app, "eve")
    secrets = [
        ada.cookies["anymask"],
        ada.post("/api/tokens", json={"label": "x"}).json()["token"],
        eve.post("/api/invitations", json={}).json()["secret"],
        PASSWORD,
    ]
    folder = Path(app.state.studio.settings.folder)
    kept = b"".join(file.read_bytes() for file in folder.glob("studio.db*"))
    assert b"ada" in kept
    assert not [secret for secret in secrets if secret.encode() in kept]


def test_every_answer_has_the_security_headers(app: FastAPI) -> None:
    stranger = browser(app)
    for answer in (
        stranger.get("/api/health"),
        stranger.get("/nothing"),
        stranger.post("/api/session", content=b"{"),
        stranger.post("/api/projects", headers={"Origin": "https://evil.example"}),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "'unsafe-eval'" not in policy
        assert "'unsafe-inline'" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<html><script>alert(1)</script></html>",
        picture()[:200],
        b"\xff\xd8\xff<html><script>alert(1)</script>",
        b"%PDF-1.4",
    ],
    ids=["empty", "svg", "html", "cut off", "html behind JPEG's sign", "pdf"],
)
def test_only_whole_images_come_in(app: FastAPI, data: bytes) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    url = f"/api/projects/{project}/images?name=a.png"
    answer = eve.post(url, content=data, headers=PNG)
    assert answer.status_code == 422
    assert "\n" not in answer.json()["error"]
    assert not list(Path(app.state.studio.settings.blobs).rglob("*.*"))


def test_a_decompression_bomb_is_refused_before_it_is_decoded(app: FastAPI) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    answer = eve.post(f"/api/projects/{project}/images?name=b.png", content=bomb, headers=PNG)
    assert answer.status_code == 422
    assert "pixels" in answer.json()["error"]


def test_too_large_bodies_are_refused_announced_or_not(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    url = f"/api/projects/{project}/images?name=a.png"
    assert eve.post(url, headers={**PNG, "Content-Length": str(10**10)}).status_code == 413
    pieces = (b"x" * 50_000 for _ in range(5))
    assert eve.post(url, content=pieces, headers=PNG).status_code == 413
    text = json.dumps({"name": "x" * 60_000}).encode()
    json_type = {"Content-Type": "application/json"}
    assert eve.post("/api/projects", content=text, headers=json_type).status_code == 413
    assert eve.post("/api/projects", content=iter([text]), headers=json_type).status_code == 413


def test_names_are_names_not_paths_nor_headers(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    url = f"/api/projects/{project}/images"
    params = {"name": "../../etc/passwd"}
    image = eve.post(url, params=params, content=picture(1), headers=PNG).json()
    assert image["name"] == "passwd"
    split = eve.post(url, params={"name": "a\r\nX-Evil: 1"}, content=picture(2), headers=PNG)
    assert split.status_code == 422
    quoted = eve.post(url, params={"name": 'a";é.png'}, content=picture(3), headers=PNG).json()
    shown = eve.get(f"/api/images/{quoted['id']}/file").headers["Content-Disposition"]
    assert shown == "inline; filename*=UTF-8''a%22%3B%C3%A9.png"
    for path in ("/api/images/..%2f..%2fetc/file", "/..%2f..%2fetc%2fpasswd", "/api/../../etc"):
        assert eve.get(path).status_code in (404, 422)
    found = eve.get(url, params={"name": "%' OR '1'='1"}).json()
    assert found == []


def test_without_accounts_only_this_machine_is_served(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="host must be one of"):
        ServerSettings(auth=False, host="0.0.0.0")
    app = make_app(tmp_path / "studio", auth=False)
    local = browser(app)
    assert local.post("/api/projects", json={"name": "mine"}).status_code == 201
    # A page elsewhere whose name was made to point here.
    rebound = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    assert local.get("/api/projects", headers=rebound).status_code == 403
    assert local.get("/api/projects", headers={"Host": "[not a host"}).status_code == 403
    other_page = {"Origin": "https://evil.example"}
    assert local.post("/api/projects", json={"name": "b"}, headers=other_page).status_code == 403
    app.state.studio.close()


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_body_is_answered_with_a_fault_of_ours(fuzzed: FastAPI, data: st.DataObject) -> None:
    eve = fuzzed.state.eve
    fields = {
        ("PUT", f"/api/annotations/{new_id()}"): draft(1),
        ("POST", "/api/images/1/masks"): {"point_coords": [[1, 1]], "box": None},
        ("POST", "/api/images/1/events"): {},
        ("POST", "/api/images/1/review"): {"decision": "fix", "reason": ""},
        ("POST", "/api/projects"): {"name": "a", "guideline": ""},
        ("POST", "/api/session"): {"name": "a", "password": "b"},
        ("PATCH", "/api/users/1"): {"role": "admin"},
    }
    method, path = data.draw(st.sampled_from(sorted(fields)))
    base = fields[method, path]
    if base and data.draw(st.booleans()):
        field = data.draw(st.sampled_from(sorted(base)))
        body = {**base, field: data.draw(_ANY_JSON)}
    else:
        body = data.draw(_ANY_JSON)
    headers = {"Content-Type": "application/json"}
    answer = eve.request(method, path, content=json.dumps(body), headers=headers)
    assert answer.status_code < 500, (method, path, body, answer.text)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    app = make_app(tmp_path_factory.mktemp("fuzzed") / "studio", login_attempts=100_000)
    app.state.eve = browser(app, "eve")
    add_project(app.state.eve, images=1)
    app.state.eve.put("/api/images/1/lease")
    yield app
    app.state.studio.close()


def test_a_picture_is_served_as_what_its_bytes_are(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    data = picture(4, format="JPEG")
    url = f"/api/projects/{project}/images?name=page.html"
    image = eve.post(
        url, content=io.BytesIO(data).getvalue(), headers={"Content-Type": "image/png"}
    )
    file = eve.get(f"/api/images/{image.json()['id']}/file")
    assert file.headers["Content-Type"] == "image/jpeg"
