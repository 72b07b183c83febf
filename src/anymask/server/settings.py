"""What a server is told before it starts, from the environment or in code."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import MAX_PIXELS

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_PREFIX = "ANYMASK_"
_AMOUNTS = (
    "max_upload_bytes",
    "max_pixels",
    "max_body_bytes",
    "max_import_bytes",
    "max_unpacked_bytes",
    "max_import_files",
    "session_seconds",
    "invitation_seconds",
    "lease_seconds",
    "login_attempts",
)
_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """A server's settings; each can come from the environment as ANYMASK_ and its name.

    Attributes:
        folder: where database and files lie unless the next two say otherwise.
        database_url: `postgresql://USER:PASSWORD@HOST/NAME`, or `sqlite:///FILE`; empty for
            `studio.db` in the folder.
        blobs_url: a folder or fsspec URL for images and embeddings; empty for the folder.
        host: the address that is listened on.
        port: the port that is listened on; 0 for any free one.
        auth: whether people must log in. Without, everybody is the admin, and only this machine is
            served.
        secure_cookies: whether cookies travel by HTTPS only; set it behind a TLS proxy.
        model: name or file of the model; empty for the default one.
        max_upload_bytes: a larger file is refused while it comes.
        max_pixels: a larger image is refused before it is decoded.
        max_body_bytes: a larger request that is not a file is refused.
        max_import_bytes: a larger import is refused while it comes.
        max_unpacked_bytes: an import that is larger once unpacked is given up.
        max_import_files: an import of more files is given up.
        session_seconds: how long a browser stays logged in.
        invitation_seconds: how long an invitation can be used.
        lease_seconds: how long an image stays somebody's without a heartbeat.
        login_attempts: failed ones, from one address or for one name, in five minutes.
        prepare_ahead: images whose embeddings are computed before they are opened.
        region_detectors: ONNX files that propose faces and plates beside the default detector,
            divided as in PATH; docs/privacy.md says what lies beside them.
        webhooks_to_private: whether webhooks may call addresses of this machine and its network.
        public_url: where browsers reach the server; needed with `oidc_issuer`.
        oidc_issuer: URL of an identity provider (OpenID Connect) that people may log in with; empty
            for none.
        oidc_client_id: what the provider calls this server.
        oidc_client_secret: shared with the provider; empty where it wants none.
        oidc_domains: of mail addresses, divided by commas, whose owners get an account, as
            annotators, without an invitation.
    """

    folder: str = "studio"
    database_url: str = ""
    blobs_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    auth: bool = True
    secure_cookies: bool = False
    model: str = ""
    max_upload_bytes: int = 64_000_000
    max_pixels: int = MAX_PIXELS
    max_body_bytes: int = 16_000_000
    max_import_bytes: int = 4_000_000_000
    max_unpacked_bytes: int = 16_000_000_000
    max_import_files: int = 200_000
    session_seconds: float = 14 * 24 * 3600.0
    invitation_seconds: float = 7 * 24 * 3600.0
    lease_seconds: float = 120.0
    login_attempts: int = 10
    prepare_ahead: int = 4
    region_detectors: str = ""
    webhooks_to_private: bool = False
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_domains: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidInputError for settings that are out of range or not safe together."""
        if not self.auth and self.host not in LOCAL_HOSTS:
            raise InvalidInputError(
                f"host must be one of {', '.join(LOCAL_HOSTS)} without accounts, got {self.host}. "
                "Leave out --no-auth to serve others."
            )
        if not 0 <= self.port <= 65535:
            raise InvalidInputError(f"port must be 0 to 65535, got {self.port}. Try 8000.")
        if self.prepare_ahead < 0:
            raise InvalidInputError(
                f"prepare_ahead must be at least 0, got {self.prepare_ahead}. Try 4."
            )
        if self.oidc_issuer and not (self.oidc_client_id and self.public_url):
            raise InvalidInputError(
                "oidc_client_id and public_url must be set with oidc_issuer, got "
                f"{self.oidc_client_id!r} and {self.public_url!r}. Set both."
            )
        for name in _AMOUNTS:
            value = getattr(self, name)
            if value < 1:
                raise InvalidInputError(f"{name} must be at least 1, got {value}. Correct it.")

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{Path(self.folder) / 'studio.db'}"

    @property
    def blobs(self) -> str:
        """The folder or URL of the files."""
        return self.blobs_url or str(Path(self.folder) / "files")

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **given: Any
    ) -> "ServerSettings":
        """Return the settings of the environment, but for those that are given.

        Raises:
            InvalidInputError: a variable's text is not of the setting's type.
        """
        values: dict[str, Any] = {}
        for setting in dataclasses.fields(cls):
            variable = _PREFIX + setting.name.upper()
            if setting.name not in given and variable in environment:
                values[setting.name] = _parse(variable, setting.type, environment[variable])
        return cls(**values, **given)


def _parse(variable: str, kind: Any, text: str) -> Any:
    try:
        return _TRUTH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise InvalidInputError(
            f"{variable} must be {'true or false' if kind is bool else 'a number'}, got {text!r}. "
            "Correct it or unset it."
        ) from None
