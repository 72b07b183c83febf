"""Running the server: one process, until it is stopped."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from anymask.core.errors import OutputError
from anymask.server.app import create_app
from anymask.server.settings import ServerSettings

_BACKLOG = 2048


def serve(settings: ServerSettings, announce: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; requests that have begun are answered first.

    Args:
        settings: of the server.
        announce: gets lines for whoever started it: the address, the first admin's password.

    Raises:
        InvalidInputError: a setting cannot be used.
        OutputError: the folder, the database or the port cannot be used.
    """
    with _listening(settings.host, settings.port) as listener:
        app = create_app(settings, announce)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        announce(f"Serving http://{host}:{listener.getsockname()[1]} (Ctrl-C stops it)")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens already: the port is known to be ours before anything is opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OutputError(
            f"port {port} of {host} must be free, got: {error.strerror}. Choose another --port."
        ) from error
