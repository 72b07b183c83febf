"""The studio's pages: the built front end, served as it lies in the package."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, PlainTextResponse, Response

from anymask import __version__
from anymask.core.errors import NotFoundError
from anymask.server.access import StudioOf
from anymask.server.static_site import FRONT_END

router = APIRouter(include_in_schema=False)

# Said here, as what systems think of file endings differs, and browsers are told not to guess.
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_READ = ["GET", "HEAD"]
_FOREVER = "public, max-age=31536000, immutable"  # a changed file has another name
_ASK_AGAIN = "no-cache"
_NOT_BUILT = "The pages are not built. Run: make web. The API is at /api/openapi.json.\n"


def front_end() -> Path:
    """Return the folder of the built pages."""
    return FRONT_END


_FrontEnd = Annotated[Path, Depends(front_end)]


@router.api_route("/", methods=_READ)
def get_page(folder: _FrontEnd) -> Response:
    """Give the page."""
    if not (folder / "index.html").is_file():
        return PlainTextResponse(_NOT_BUILT, status_code=404)
    return _file(folder, "index.html", _ASK_AGAIN)


@router.api_route("/icon.svg", methods=_READ)
def get_icon(folder: _FrontEnd) -> Response:
    """Give the page's icon."""
    return _file(folder, "icon.svg", _ASK_AGAIN)


@router.get("/studio.json")
def get_mode(studio: StudioOf) -> dict[str, Any]:
    """Tell the page that there is a server, in the place of the file that says there is none."""
    return {
        "server": True,
        "auth": studio.settings.auth,
        "oidc": studio.identity_provider is not None,
        "lease_seconds": studio.settings.lease_seconds,
        "version": __version__,
    }


@router.api_route("/assets/{name}", methods=_READ)
def get_asset(name: str, folder: _FrontEnd) -> Response:
    """Give a script, a style sheet or the like; its name has a hash of its content."""
    return _file(folder / "assets", name, _FOREVER)


def _file(folder: Path, name: str, cache_control: str) -> Response:
    """The file of that name, looked up among those that are there: no name can lead elsewhere."""
    files = (one for one in folder.glob("*") if one.is_file() and not one.is_symlink())
    path = next((one for one in files if one.name == name), None)
    if path is None:
        raise NotFoundError(f"path must be one of the page's files, got {name!r}. Load / again.")
    return FileResponse(
        path,
        media_type=_MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        headers={"Cache-Control": cache_control},
    )
