"""What every request and answer goes through: size limits, own origin only, security headers."""

import re
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.server.errors import error_response, fault_response

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# WebAssembly needs its own word; nothing may be evaluated, nothing loaded from elsewhere.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_UPLOADS = re.compile(r"/api/projects/\d+/(images|imports)")
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    # Both together isolate the page, which gives its WebAssembly threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class TooLargeError(HTTPException):
    """A body is longer than is allowed; raised to whoever reads it."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, _too_large(limit)[1])


class Protection:
    """An ASGI application around another one.

    Args:
        app: what answers.
        max_body_bytes: of requests that are not uploads.
        max_upload_bytes: of an image that is uploaded.
        max_import_bytes: of an archive that is imported.
        allowed_hosts: the names that this server may be asked by; None for any. A page elsewhere
            can make its own name point here, and then counts as the same origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        max_upload_bytes: int,
        max_import_bytes: int,
        allowed_hosts: frozenset[str] | None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_of_uploads = {"images": max_upload_bytes, "imports": max_import_bytes}
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._limit(scope)

        has_begun = False

        async def send_protected(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                answer = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answer.setdefault(name, value)
                answer.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope, headers, limit)
        if refusal is not None:
            await error_response(*refusal)(scope, receive, send_protected)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise TooLargeError(limit)
            return message

        try:
            await self._app(scope, receive_limited, send_protected)
        except Exception:
            # Answered here: the framework would do so further out, without the headers.
            if not has_begun:
                await fault_response()(scope, receive, send_protected)
            raise

    def _limit(self, scope: Scope) -> int:
        """By the path, not by what the content is said to be: other routes read bodies at once."""
        upload = _UPLOADS.fullmatch(scope["path"])
        return self._max_of_uploads[upload[1]] if upload else self._max_body_bytes

    def _refusal(self, scope: Scope, headers: Headers, limit: int) -> tuple[int, str, str] | None:
        """Status, text and field of why the request is refused before anybody looks at it."""
        host = headers.get("host", "")
        if self._allowed_hosts is not None and _host_name(host) not in self._allowed_hosts:
            return 403, "host must be this machine's own name. Open http://127.0.0.1.", "Host"
        origin = headers.get("origin")
        if scope["method"] not in SAFE_METHODS and origin not in (None, *_origins(host)):
            return 403, "origin must be this server's own, got another page's.", "Origin"
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit:
            return _too_large(limit)
        return None


def _too_large(limit: int) -> tuple[int, str, str]:
    return 413, f"body must have at most {limit} bytes, got more. Send less at once.", "body"


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # not a host at all
        return ""


def _origins(host: str) -> tuple[str, str]:
    return f"http://{host}", f"https://{host}"
