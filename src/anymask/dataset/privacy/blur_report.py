"""What was concealed, for people who answer for a release: numbers, every region, pictures.

The pictures are cut out of the released files, so that a report shows no more than the release; a
second one, with the originals beside them, is for reviewers and stays out of it.
"""

import html
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.files import write_bytes, write_json
from anymask.core.html_page import data_url, html_page
from anymask.core.image_io import read_image
from anymask.dataset.privacy.concealing import widened
from anymask.dataset.privacy.journal import REPORT_FOLDER, BlurredImage
from anymask.dataset.privacy.regions import Region
from anymask.dataset.shards import find_shards, read_pairs

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
_MAX_IMAGES = 200  # with pictures in a page: some 3 MB
_PICTURE_PX = 160

_STYLE = """
ul.grid { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0; }
figure { width: 160px; }
figcaption { font-size: 12px; overflow-wrap: anywhere; }
img { width: 160px; height: 160px; object-fit: contain; background: var(--line); }
"""


def summarize(images: Sequence[BlurredImage]) -> dict[str, Any]:
    """Return the counts of a report: pictures, regions by kind and source, what was left out."""
    regions = [region for image in images for region in image.regions]
    return {
        "num_images": sum(image.problem is None for image in images),
        "num_images_with_regions": sum(bool(image.regions) for image in images),
        "num_left_out": sum(image.problem is not None for image in images),
        "num_regions": len(regions),
        "by_kind": dict(Counter(region.kind for region in regions)),
        "by_source": dict(Counter(region.source for region in regions)),
    }


def write_report(output: Path, images: Sequence[BlurredImage], settings: Any) -> Path:
    """Write `report/report.json` and `report/report.html` of a copy; return the latter's path."""
    folder = output / REPORT_FOLDER
    content = {
        "summary": summarize(images),
        "detectors": settings,
        "images": [image.to_json() for image in images],
    }
    write_json(folder / REPORT_JSON, content)
    chosen = _chosen(images)
    figures = [
        _figure(image, region, [_cut_out(pixels, region)])
        for image, pixels in _pictures(output, chosen)
        for region in image.regions
    ]
    _write_page(folder / REPORT_HTML, images, len(chosen), figures)
    return folder / REPORT_HTML


def write_reviewer_report(
    path: Path, source: str | Path, output: Path, images: Sequence[BlurredImage]
) -> None:
    """Write a page with each concealed region beside its original, to a place out of the copy.

    Args:
        path: of the page.
        source: the data set with the originals.
        output: the copy.
        images: of the copy.

    Raises:
        InvalidInputError: as `check_outside`.
    """
    check_outside(path, output)
    chosen = _chosen(images)
    released = {image.key: pixels for image, pixels in _pictures(output, chosen)}
    figures = [
        _figure(image, region, [_cut_out(original, region), _cut_out(released[image.key], region)])
        for image, original in _pictures(source, chosen)
        if image.key in released
        for region in image.regions
    ]
    _write_page(path, images, len(chosen), figures)


def check_outside(path: Path, output: Path) -> None:
    """Raise InvalidInputError if a page with originals would be released with the copy."""
    if path.resolve().is_relative_to(output.resolve()):
        raise InvalidInputError(
            f"the page with originals must lie outside of {output}, got {path}. It is not for "
            "release: choose another folder."
        )


def _chosen(images: Sequence[BlurredImage]) -> list[BlurredImage]:
    """The images with regions, or so many of them from first to last as a page holds."""
    found = [image for image in images if image.regions and image.problem is None]
    if len(found) <= _MAX_IMAGES:
        return found
    return [found[i * len(found) // _MAX_IMAGES] for i in range(_MAX_IMAGES)]


def _pictures(
    place: str | Path, chosen: Iterable[BlurredImage]
) -> Iterator[tuple[BlurredImage, NDArray[np.uint8]]]:
    """The images (H, W, 3) uint8 as they are in a data set: the original one, or the copy."""
    of_shard: dict[str, dict[str, BlurredImage]] = {}
    for image in chosen:
        if image.shard is None:
            for name in (image.released_name, image.name):
                path = Path(place) / name
                if path.is_file():
                    yield image, read_image(path)
                    break
        else:
            stem = PurePosixPath(image.name).stem
            of_shard.setdefault(image.shard, {})[stem] = image
    for shard in find_shards(place) if of_shard else ():
        wanted = of_shard.get(PurePosixPath(shard).name, {})
        yield from _from_shard(shard, wanted)


def _from_shard(
    shard: str, wanted: Mapping[str, BlurredImage]
) -> Iterator[tuple[BlurredImage, NDArray[np.uint8]]]:
    def is_wanted(name: str) -> bool:
        return PurePosixPath(name).name in wanted

    for pair in read_pairs(shard, set_aside=lambda _: None, select=is_wanted):
        assert pair is not None  # as all that have a number are wanted
        yield wanted[PurePosixPath(pair.name).stem], read_image(pair.image)


def _cut_out(image: NDArray[np.uint8], region: Region) -> str:
    """The region with as much around it again, as the text of a small picture in a page."""
    x0, y0, x1, y1 = region.box
    across, down = (x1 - x0) / 2, (y1 - y0) / 2
    around = (x0 - across, y0 - down, x1 + across, y1 + down)
    box = widened(around, (image.shape[0], image.shape[1]))
    assert box is not None  # regions lie in their image
    left, top, right, bottom = box
    picture = Image.fromarray(image[top:bottom, left:right])
    picture.thumbnail((_PICTURE_PX, _PICTURE_PX))
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=80)
    return data_url(stream.getvalue(), "image/jpeg")


def _figure(image: BlurredImage, region: Region, pictures: Sequence[str]) -> str:
    place = image.name if image.shard is None else f"{image.shard}: {image.name}"
    text = f"{region.kind} {region.score:.2f}, {region.source}, {place}"
    shown = "".join(f'<img src="{picture}" alt="{region.kind}">' for picture in pictures)
    return f"<li><figure>{shown}<figcaption>{html.escape(text)}</figcaption></figure></li>"


def _write_page(
    path: Path, images: Sequence[BlurredImage], num_shown: int, figures: Sequence[str]
) -> None:
    summary = summarize(images)
    counts = [
        ("pictures", summary["num_images"]),
        ("with regions", summary["num_images_with_regions"]),
        ("left out", summary["num_left_out"]),
        ("regions", summary["num_regions"]),
        *((f"regions: {kind}", number) for kind, number in summary["by_kind"].items()),
        *((f"found by {source}", number) for source, number in summary["by_source"].items()),
    ]
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{n}</td></tr>" for name, n in counts)
    left_out = "".join(
        f"<li>{html.escape(image.name)}: {html.escape(image.problem)}</li>"
        for image in images
        if image.problem is not None
    )
    body = (
        f"<section><table>{rows}</table></section>"
        + (f"<section><h2>Left out</h2><ul>{left_out}</ul></section>" if left_out else "")
        + f"<h2>Regions of {num_shown} pictures</h2><ul class='grid'>{''.join(figures)}</ul>"
    )
    write_bytes(path, html_page("Concealed regions", body, _STYLE).encode())
