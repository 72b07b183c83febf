"""`write_static_site`: the studio and a model as a folder that any web server can host."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from anymask import __version__
from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import rename_folder, write_bytes, write_json
from anymask.inference.export import export_model
from anymask.model.sam import Sam

FRONT_END = Path(__file__).parent / "static"
_MARK = "anymask-site.json"

# What Netlify, Cloudflare Pages and the like read: with it browsers allow the model threads.
_HEADERS = b"""/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
"""


@dataclass(frozen=True, kw_only=True)
class StaticSite:
    """A folder that was written.

    Attributes:
        path: its place.
        num_files: in it.
        num_bytes: of all of them.
    """

    path: Path
    num_files: int
    num_bytes: int


def write_static_site(
    model: Sam,
    model_id: str,
    output: str | os.PathLike[str],
    *,
    front_end: Path | None = None,
) -> StaticSite:
    """Write the front end with a model's encoder and decoder; nothing else is needed to use it.

    The folder appears whole, in the place of an earlier one if there is one.

    Args:
        model: on the CPU. Weights are stored in half the bytes (float16), computed in float32.
        model_id: of its weights.
        output: a folder that is absent, empty, or was written by this function.
        front_end: the built pages (default: those of the package).

    Raises:
        ExportError: the exported model answers otherwise than torch.
        InvalidInputError: the folder holds something else, or the pages are not built.
        MissingExtraError: onnx or onnxruntime is not installed.
        OutputError: the folder cannot be written.
    """
    target = Path(os.path.abspath(output))  # noqa: PTH100 - a link stays the link it is
    front_end = front_end or FRONT_END
    if not (front_end / "index.html").is_file():
        raise InvalidInputError(
            f"front_end must hold the built pages, got {front_end} without index.html. "
            "Run: make web"
        )
    if target.exists() and not (target / _MARK).is_file() and not _is_empty_folder(target):
        raise InvalidInputError(
            f"output must be a new or empty folder, or an earlier site, got {target}. "
            "Choose another place."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".site-", dir=target.parent) as scratch:
            site = Path(scratch) / "new"
            shutil.copytree(front_end, site)
            _write_model(model, model_id, site / "model")
            write_bytes(site / "_headers", _HEADERS)
            write_json(site / _MARK, {"anymask_version": __version__, "model_id": model_id})
            if target.exists():
                target.rename(Path(scratch) / "old")
            rename_folder(site, target)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{target} could not be written: {error.strerror}. Choose another place or make room."
        ) from error
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    return StaticSite(path=target, num_files=len(sizes), num_bytes=sum(sizes))


def _write_model(model: Sam, model_id: str, folder: Path) -> None:
    files = export_model(model, model_id, folder, parts=("encoder", "decoder"), dtype="float16")
    write_json(
        folder / "model.json",
        {
            "model_id": model_id,
            "image_size": model.config.image_size,
            "mask_threshold": model.config.mask_threshold,
            "num_bytes": sum(file.num_bytes for file in files),
        },
    )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
