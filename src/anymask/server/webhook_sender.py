"""Telling webhooks what happened: signed, to public addresses only, again until it is heard."""

import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import ssl
import threading
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from anymask.core.errors import InvalidInputError
from anymask.engine.store import webhooks
from anymask.engine.store.database import Database
from anymask.engine.store.webhooks import DueDelivery

SIGNATURE_HEADER = "X-Anymask-Signature"
_POLL_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


class WebhookSender:
    """A thread that makes the deliveries that are due; several processes may have one each.

    Args:
        database: where they are.
        allows_private: whether addresses of this machine and its network may be told.
    """

    def __init__(self, database: Database, allows_private: bool) -> None:
        self._database = database
        self._allows_private = allows_private
        self._stopped = threading.Event()
        self._worker = threading.Thread(target=self._work, name="webhooks", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """End the thread after what it is doing; the rest is due when the server starts again."""
        self._stopped.set()
        self._worker.join()

    def _work(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            try:
                while not self._stopped.is_set() and self._send_one():
                    pass
            except Exception:  # a database that is away for a while: what is due stays due
                _LOG.exception("webhooks could not be sent")

    def _send_one(self) -> bool:
        """Make a delivery that is due, if there is one."""
        with self._database.reading() as session:
            if not webhooks.has_due(session, self._database.now()):
                return False
        with self._database.writing() as session:
            due = webhooks.take_due(session, self._database.now())
        if due is None:
            return False
        try:
            status = post_signed(due, self._allows_private)
            answer, is_heard = str(status), 200 <= status < 300
        except (OSError, HTTPException, InvalidInputError) as error:
            answer, is_heard = str(error), False
        with self._database.writing() as session:
            now = self._database.now()
            webhooks.record_attempt(session, due.id, answer, is_heard, now)
        return True


def check_url(url: str) -> None:
    """Raise InvalidInputError for a URL that no webhook can have."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # not a URL, or not a port
        is_good = False
    if not is_good or "@" in parts.netloc or not url.isascii() or not url.isprintable():
        raise InvalidInputError(
            f"url must be http:// or https:// with a host, without a password, got {url[:80]!r}. "
            "Correct it."
        )


def post_signed(due: DueDelivery, allows_private: bool) -> int:
    """Return the status of the answer; redirections are not followed.

    Raises:
        InvalidInputError: the host is a private address, and these are not allowed.
        OSError, HTTPException: there is no answer.
    """
    parts = urlsplit(due.url)
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    content = {"id": due.id, "event": due.event, "at": due.created_at, "data": due.data}
    body = json.dumps(content).encode()
    signature = hmac.new(due.secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", SIGNATURE_HEADER: f"sha256={signature}"}
    # The address that was looked at is the one that is called: a name may change in between.
    stream = socket.create_connection(
        (_address(host, port, allows_private), port), _TIMEOUT_SECONDS
    )
    try:
        if is_secure:
            stream = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
        connection = HTTPConnection(host, port)
        connection.sock = stream
        path = parts.path or "/"
        connection.request("POST", f"{path}?{parts.query}" if parts.query else path, body, headers)
        return connection.getresponse().status
    finally:
        stream.close()


def _address(host: str, port: int, allows_private: bool) -> str:
    """An address of the host, all of whose addresses must be public unless others are allowed."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not allows_private and not ipaddress.ip_address(address.split("%")[0]).is_global:
            raise InvalidInputError(
                f"host must have a public address, got {address}. Set "
                "ANYMASK_WEBHOOKS_TO_PRIVATE=true to allow it."
            )
    return found[0]
