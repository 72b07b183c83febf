"""`write_viewer`: a data set as pages that any web server can host, to be looked through."""

import html
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import version
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import write_bytes, write_json
from anymask.core.palette import PALETTE
from anymask.core.processes import map_in_processes
from anymask.dataset.described import find_parts
from anymask.dataset.reports import PrivacyState, ValidationState
from anymask.dataset.statistics import DatasetStatistics
from anymask.dataset.statistics_page import write_page
from anymask.dataset.viewer_images import (
    SCORE_SCALE,
    UNKNOWN,
    PartJob,
    ViewedImage,
    ViewedPart,
    read_part,
    write_part,
)

PAGES = Path(__file__).parent / "viewer_pages"
_INDEX = "index.json"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ViewerOptions:
    """What is shown beside images and masks.

    Attributes:
        title: of the pages.
        longest_side: larger pictures are written anew so large, in pixels; None copies all.
        validation: of the data set; None where it is not known.
        privacy: what was blurred; None where it is not known.
        num_processes: that write (default: one a core).
    """

    title: str
    longest_side: int | None = None
    validation: ValidationState | None = None
    privacy: PrivacyState | None = None
    num_processes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ViewerSite:
    """A viewer that was written, and a line for each image that is left out."""

    path: Path
    num_images: int
    num_masks: int
    problems: tuple[str, ...]


def write_viewer(
    source: str | Path,
    output: str | Path,
    options: ViewerOptions,
    *,
    pages: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ViewerSite:
    """Write a viewer of a data set; one that was begun, or is there of an earlier state, goes on.

    Args:
        source: as for `find_parts`.
        output: a folder that is absent, empty, or has an earlier viewer.
        options: what is shown.
        pages: the built pages (default: those of the package).
        on_progress: gets how many parts of how many are written.

    Raises:
        InvalidInputError: no data set is there, the folder holds something else, or the pages are
            not built.
        MissingExtraError: matplotlib is not installed.
        OutputError: the folder cannot be written.
    """
    pages = pages or PAGES
    if not (pages / "viewer.html").is_file():
        raise InvalidInputError(
            f"pages must hold the built viewer, got {pages} without viewer.html. Run: make web"
        )
    parts = find_parts(source)
    site = _opened(Path(output))
    folders = [site / "parts" / f"{number:04d}" for number in range(len(parts))]
    jobs = [
        PartJob(part=part, folder=folder.resolve(), longest_side=options.longest_side)
        for part, folder in zip(parts, folders, strict=True)
    ]
    on_progress(0, len(jobs))
    for done, _ in enumerate(map_in_processes(write_part, jobs, options.num_processes), 1):
        on_progress(done, len(jobs))
    try:
        for other in set((site / "parts").iterdir()) - set(folders):
            shutil.rmtree(other)
    except OSError as error:
        raise OutputError(
            f"{site} could not be cleaned: {error.strerror}. Choose another place."
        ) from error
    written = [read_part(folder) for folder in folders]
    problems = tuple(problem for part in written for problem in part.problems)
    _write_pages(site, pages, written, options, problems)
    return ViewerSite(
        path=site,
        num_images=sum(len(part.images) for part in written),
        num_masks=sum(part.columns.shape[1] for part in written),
        problems=problems,
    )


def _opened(site: Path) -> Path:
    """The folder, ready for parts; its being a viewer is known by its folder of parts."""
    if site.is_dir() and any(site.iterdir()) and not (site / "parts").is_dir():
        raise InvalidInputError(
            f"output must be a new or empty folder, or an earlier viewer, got {site}. "
            "Choose another place."
        )
    try:
        (site / "parts").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"output folder {site} must be writable, got: {error.strerror}. Choose another."
        ) from error
    return site


def _write_pages(
    site: Path,
    pages: Path,
    parts: Sequence[ViewedPart],
    options: ViewerOptions,
    problems: Sequence[str],
) -> None:
    """Everything but the parts; the page last, as it is what people open."""
    counts = (DatasetStatistics.from_json(part.statistics) for part in parts)
    statistics = reduce(add, counts, DatasetStatistics.empty())
    page = write_page({options.title: statistics}, problems=problems)
    write_bytes(site / "statistics.html", page.encode())
    columns = np.concatenate([part.columns for part in parts], axis=1)
    write_bytes(site / "masks.bin", columns.tobytes())
    write_json(site / _INDEX, _index(parts, options, problems))
    shutil.rmtree(site / "assets", ignore_errors=True)
    shutil.copytree(pages / "assets", site / "assets")
    text = (pages / "viewer.html").read_text(encoding="utf-8")
    titled = text.replace("<title>anymask data set</title>", _title(options.title))
    write_bytes(site / "index.html", titled.encode())


def _title(title: str) -> str:
    return f"<title>{html.escape(title)}</title>"


def _index(
    parts: Sequence[ViewedPart], options: ViewerOptions, problems: Sequence[str]
) -> dict[str, Any]:
    """What the pages know before an image is opened, by columns, as there may be many images."""
    placed = [
        (f"parts/{number:04d}", image) for number, part in enumerate(parts) for image in part.images
    ]
    images = [image for _, image in placed]
    validation = options.validation
    return {
        "version": _VERSION,
        "anymask_version": version("anymask"),
        "title": options.title,
        "palette": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in PALETTE],
        "score_scale": SCORE_SCALE,
        "unknown": UNKNOWN,
        "images": {
            "ids": [image.image_id for image in images],
            "names": [image.name for image in images],
            "widths": [image.width for image in images],
            "heights": [image.height for image in images],
            "num_masks": [image.num_masks for image in images],
            "pictures": [f"{folder}/{image.picture}" for folder, image in placed],
        },
        "regions": None if options.privacy is None else _regions(images, options.privacy),
        "num_broken_rules": None if validation is None else validation.num_problems,
        "num_problems": len(problems),
    }


def _regions(images: Sequence[ViewedImage], privacy: PrivacyState) -> dict[str, Any]:
    """The blurred regions by the place of their image."""
    return {
        str(place): [region.to_json() for region in privacy.regions[image.name]]
        for place, image in enumerate(images)
        if privacy.regions.get(image.name)
    }
