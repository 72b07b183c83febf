"""Running the server: one process, until it is stopped."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from anymask.core.errors import OutputError
from anymask.server.app import create_app
from anymask.server.samples import add_samples
from anymask.server.settings import ServerSettings

_BACKLOG = 2048


def serve(
    settings: ServerSettings, announce: Callable[[str], None], *, has_samples: bool = False
) -> None:
    """Serve until Ctrl-C or SIGTERM; requests that have begun are answered first.

    Args:
        settings: of the server.
        announce: gets lines for whoever started it: the address, the first admin's password.
        has_samples: add a project of sample photos, if there is no project.

    Raises:
        InvalidInputError: a setting cannot be used.
        MissingExtraError: samples are wanted, and scikit-image is not installed.
        OutputError: the folder, the database or the port cannot be used.
    """
    with _listening(settings.host, settings.port) as listener:
        app = create_app(settings, announce)
        if has_samples:
            add_samples(app.state.studio, announce)
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
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OutputError(
            f"port {port} of {host} must be free, got: {error.strerror}. Choose another --port."
        ) from error
    # Connections have it from here. Without, an answer's body waits 40 ms for the head's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
