"""Logging in at an identity provider: a fake one on this machine, and what must not get in."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from anymask.core.errors import InvalidInputError
from anymask.server.settings import ServerSettings
from studio import BASE_URL, add_project, browser, make_app

pytest.importorskip("joserfc")

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT = "studio"


class Provider(HTTPServer):
    """An identity provider that believes everybody, and can be told to lie."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.keys = KeySet([RSAKey.generate_key(2048, {"kid": "k"})])
        self.signing = self.keys.keys[0]
        self.claims: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.person = {"sub": "7", "email": "Zoe@lab.example", "email_verified": True}

    def authorize(self, address: str) -> dict[str, str]:
        """Return what the browser brings back from that address."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == f"{BASE_URL}/api/oidc/callback"
        code = f"code{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Return the tokens of a code, which serves once, for whoever knows the verifier."""
        asked = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(
            hashlib.sha256(form["code_verifier"].encode()).digest()
        )
        if asked is None or asked["code_challenge"] != challenge.rstrip(b"=").decode():
            return None
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "exp": int(time.time()) + 60,
            "nonce": asked["nonce"],
            **self.person,
            **self.claims,
        }
        header = {"alg": "RS256", "kid": "k"}
        return {"id_token": jwt.encode(header, claims, self.signing), "token_type": "Bearer"}


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        issuer = self.server.issuer
        if self.path == "/keys":
            self._answer(self.server.keys.as_dict(private=False))
        else:
            self._answer(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                }
            )

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(text).items()}
        self._answer(self.server.token(form))

    def _answer(self, content: object) -> None:
        self.send_response(400 if content is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    thread = threading.Thread(target=provider.serve_forever)
    thread.start()
    yield provider
    provider.shutdown()
    thread.join()
    provider.server_close()


@pytest.fixture
def app(tmp_path: Path, provider: Provider) -> Iterator[FastAPI]:
    app = make_app(
        tmp_path / "studio",
        public_url=BASE_URL,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_domains="lab.example, other.example",
    )
    yield app
    app.state.studio.close()


def start(person: TestClient, invitation: str = "") -> str:
    """Return where the browser is sent."""
    params = {"invitation": invitation} if invitation else {}
    sent = person.get("/api/oidc/start", params=params, follow_redirects=False)
    assert sent.status_code == 303
    assert "HttpOnly" in sent.headers["Set-Cookie"]
    return str(sent.headers["Location"])


def log_in(person: TestClient, provider: Provider, invitation: str = "") -> Any:
    """Return the answer to a browser that went to the provider and came back."""
    brought = provider.authorize(start(person, invitation))
    return person.get("/api/oidc/callback", params=brought, follow_redirects=False)


def test_who_the_provider_knows_gets_in_again_and_again(app: FastAPI, provider: Provider) -> None:
    ids = []
    for email in ("Zoe@lab.example", "zoe.new@elsewhere.example"):
        zoe = browser(app)
        provider.person["email"] = email  # the subject counts, addresses change
        back = log_in(zoe, provider)
        assert back.headers["Location"] == f"{BASE_URL}/"
        user = zoe.get("/api/session").json()["user"]
        assert (user["name"], user["role"]) == ("zoe@lab.example", "annotator")
        ids.append(user["id"])
    assert ids[0] == ids[1]
    eve = browser(app, "eve")
    eve.patch(f"/api/users/{ids[0]}", json={"is_active": False})
    assert log_in(browser(app), provider).status_code == 403


def test_strangers_need_an_invitation(app: FastAPI, provider: Provider) -> None:
    for email, is_verified in (("x@elsewhere.example", True), ("x@lab.example", False)):
        provider.person |= {"email": email, "email_verified": is_verified}
        assert log_in(browser(app), provider).status_code == 403
    eve = browser(app, "eve")
    project = add_project(eve, images=0, has_members=False)
    invited = {"role": "reviewer", "project_ids": [project]}
    secret = eve.post("/api/invitations", json=invited).json()["secret"]
    guest = browser(app)
    assert log_in(guest, provider, secret).status_code == 303
    assert guest.get("/api/session").json()["user"]["role"] == "reviewer"
    assert [one["id"] for one in guest.get("/api/projects").json()] == [project]
    provider.person["sub"] = "8"
    provider.person["email"] = "y@elsewhere.example"
    assert log_in(browser(app), provider, secret).status_code == 404  # it was used


def test_a_browser_that_was_not_sent_cannot_come_back(app: FastAPI, provider: Provider) -> None:
    attacker, victim = browser(app), browser(app)
    brought = provider.authorize(start(attacker))
    url = "/api/oidc/callback"
    assert victim.get(url, params=brought).status_code == 403
    start(victim)
    assert victim.get(url, params=brought).status_code == 403
    assert victim.get(url).status_code == 403
    assert attacker.get(url, params=brought, follow_redirects=False).status_code == 303
    attacker.cookies.set("anymask-oidc", brought["state"], domain="127.0.0.1", path="/api/oidc")
    assert attacker.get(url, params=brought).status_code == 403  # once


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1000},
        {"sub": None},
    ],
)
def test_a_token_that_is_not_for_this_login_is_refused(
    app: FastAPI, provider: Provider, lie: dict[str, Any]
) -> None:
    provider.claims = lie
    answer = log_in(browser(app), provider)
    assert answer.status_code == 403
    assert "id_token" in answer.json()["error"]


def test_a_token_that_another_has_signed_is_refused(app: FastAPI, provider: Provider) -> None:
    provider.signing = RSAKey.generate_key(2048, {"kid": "k"})
    assert log_in(browser(app), provider).status_code == 403


def test_without_a_provider_there_is_no_such_login(tmp_path: Path) -> None:
    app = make_app(tmp_path / "studio")
    assert browser(app).get("/api/oidc/start").status_code == 404
    app.state.studio.close()
    with pytest.raises(InvalidInputError, match="public_url"):
        ServerSettings(oidc_issuer="https://id.example", oidc_client_id="x")


def test_a_provider_that_is_away_is_told(tmp_path: Path) -> None:
    where = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": "x", "public_url": BASE_URL}
    app = make_app(tmp_path / "studio", **where)
    answer = browser(app).get("/api/oidc/start", follow_redirects=False)
    assert answer.status_code == 403
    assert "identity provider" in answer.json()["error"]
    app.state.studio.close()
