"""A folder of pages on this machine's own address, for looking at them at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from anymask.core.errors import OutputError

_HOST = "127.0.0.1"
_LOCAL_NAMES = (_HOST, "localhost")


@contextmanager
def serving(folder: str | Path, port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """Return a context with a server of a folder's files; `serve_forever` answers requests.

    Only this machine reaches it, and only under its own names, so that pages elsewhere cannot have
    a browser here ask for the pictures. Folders are not listed.

    Args:
        folder: of the files; nothing outside is given.
        port: to listen on; 0 is any that is free.

    Raises:
        OutputError: the port is taken.
    """
    handler = partial(_Handler, directory=str(Path(folder).resolve()))
    try:
        server = ThreadingHTTPServer((_HOST, port), handler)
    except (OSError, OverflowError) as error:
        raise OutputError(
            f"port must be free, got {port}: {error}. Choose another, or 0 for any."
        ) from error
    with server:
        yield server


class _Handler(SimpleHTTPRequestHandler):
    # Said here, as what systems think of file endings differs.
    extensions_map = {  # noqa: RUF012 - declared so by the library
        "": "application/octet-stream",
        ".css": "text/css",
        ".html": "text/html; charset=utf-8",
        ".jpg": "image/jpeg",
        ".js": "text/javascript",
        ".json": "application/json",
        ".png": "image/png",
        ".svg": "image/svg+xml",
    }

    def send_head(self) -> Any:
        """Answer with a file, or an error, and send the headers."""
        name = self.headers.get("Host", "").partition(":")[0]
        if name not in _LOCAL_NAMES:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if not Path(self.translate_path(self.path)).resolve().is_relative_to(self.directory):
            self.send_error(HTTPStatus.NOT_FOUND)  # a link that leads elsewhere
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """Refuse."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Send the headers, with those that all files have."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
