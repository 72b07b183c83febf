"""Logging in at an identity provider: OpenID Connect's code flow with PKCE, state and nonce."""

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from anymask.core.errors import AccessError, MissingExtraError
from anymask.server.settings import ServerSettings

if TYPE_CHECKING:
    import httpx

_ALGORITHMS = ["RS256", "PS256", "ES256"]
_TIMEOUT_SECONDS = 10.0
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whom the provider vouches for; `is_verified` tells whether it has checked the address."""

    subject: str
    email: str
    is_verified: bool


class IdentityProvider:
    """The provider of the settings.

    Args:
        settings: with `oidc_issuer`.

    Raises:
        MissingExtraError: httpx or joserfc is not installed.
    """

    def __init__(self, settings: ServerSettings) -> None:
        try:
            import httpx  # noqa: F401
            import joserfc  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "joserfc", "oidc") from None
        self._settings = settings
        self._redirect_uri = f"{settings.public_url.rstrip('/')}/api/oidc/callback"

    def address(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser is sent to log in.

        Args:
            state: secret that comes back with the browser.
            nonce: secret that comes back in the signed token.
            verifier: secret of which only the hash travels now (PKCE).

        Raises:
            AccessError: the provider does not answer as it must.
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        question = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        with _browser() as http:
            endpoint = self._described(http)["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(question)}"

    def person(self, code: str, nonce: str, verifier: str) -> Person:
        """Return who came back with that code, as a token tells that the provider has signed.

        Raises:
            AccessError: the code is not good, or the token is not for us, not of this login, out of
                date or not signed by the provider.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._settings.oidc_client_id,
            "client_secret": self._settings.oidc_client_secret,
            "code_verifier": verifier,
        }
        with _browser() as http:
            described = self._described(http)
            answer = _json(http.post, described["token_endpoint"], data=form)
            keys = _json(http.get, described["jwks_uri"])
        claims = self._claims(str(answer.get("id_token", "")), keys, nonce)
        return Person(
            subject=str(claims["sub"]),
            email=str(claims.get("email", "")),
            is_verified=claims.get("email_verified") is True,
        )

    def is_welcome(self, person: Person) -> bool:
        """Whether a person needs no invitation: the address is checked, and of a given domain."""
        domains = {one.strip().lower() for one in self._settings.oidc_domains.split(",")} - {""}
        return person.is_verified and person.email.rpartition("@")[2].lower() in domains

    def _described(self, http: "httpx.Client") -> dict[str, Any]:
        issuer = self._settings.oidc_issuer.rstrip("/")
        described = _json(http.get, f"{issuer}/.well-known/openid-configuration")
        if str(described.get("issuer", "")).rstrip("/") != issuer:
            raise AccessError(f"issuer must be {issuer}, got another. Correct the setting.")
        return described

    def _claims(self, token: str, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True},
            aud={"essential": True, "value": self._settings.oidc_client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
            registry.validate(decoded.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise AccessError(
                f"id_token must be the provider's, for this login: {error}."
            ) from error
        if str(decoded.claims["iss"]).rstrip("/") != self._settings.oidc_issuer.rstrip("/"):
            raise AccessError("id_token must be the provider's, got another's. Log in again.")
        return dict(decoded.claims)


def _browser() -> "httpx.Client":
    import httpx

    return httpx.Client(timeout=_TIMEOUT_SECONDS)


def _json(send: Any, url: str, **more: Any) -> dict[str, Any]:
    """The provider's answer, a JSON object."""
    import httpx

    try:
        answer = send(url, **more).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise AccessError("the identity provider must answer, it did not. Try again.") from error
    if not isinstance(answer, dict):
        raise AccessError("the identity provider must answer with an object, got another thing.")
    return answer
