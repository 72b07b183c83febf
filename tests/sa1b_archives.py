"""Tiny archives of SA-1B's form, drawn by the tests."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.rle import Rle


def draw_image(number: int, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """Noise whose colour tells the number."""
    rng = np.random.default_rng(number)
    return rng.integers(0, 60, (*size, 3), dtype=np.uint8) + np.uint8(number % 190)


def draw_masks(number: int, size: tuple[int, int] = (48, 64)) -> list[NDArray[np.bool_]]:
    """A ring with a hole, and two bars that are one mask."""
    H, W = size
    rows, columns = np.mgrid[:H, :W]
    distance = np.hypot(rows - H / 2, columns - W / 2 - number % 8)
    ring = (distance < H / 3) & (distance > H / 6)
    bars = (columns < W // 8) | (columns >= W - W // 8)
    return [ring, bars]


def record_of(number: int, masks: Iterable[NDArray[np.bool_]], **changes: Any) -> dict[str, Any]:
    annotations = []
    for i, mask in enumerate(masks):
        rle = Rle.from_mask(mask)
        x0, y0, x1, y1 = (int(value) for value in rle.to_box())
        annotations.append(
            {
                "bbox": [x0, y0, x1 - x0 - 1, y1 - y0 - 1],  # one short, as in SA-1B
                "area": rle.area,
                "segmentation": rle.to_coco(),
                "predicted_iou": 0.9,
                "point_coords": [[float(x0), float(y0)]],
                "crop_box": [0, 0, mask.shape[1], mask.shape[0]],
                "id": 1000 * number + i,
                "stability_score": 0.95,
            }
        )
    H, W = next(iter(masks)).shape
    image = {"image_id": number, "width": W, "height": H, "file_name": f"sa_{number}.jpg"}
    return {"image": image, "annotations": annotations, **changes}


def jpeg_bytes(number: int, size: tuple[int, int] = (48, 64), **options: Any) -> bytes:
    """The image as a file, of another kind if the options say so."""
    stream = io.BytesIO()
    Image.fromarray(draw_image(number, size)).save(
        stream, **({"format": "JPEG", "quality": 95} | options)
    )
    return stream.getvalue()


def pair_files(number: int, size: tuple[int, int] = (48, 64)) -> list[tuple[str, bytes]]:
    """The two files of an image: name and content."""
    record = json.dumps(record_of(number, draw_masks(number, size))).encode()
    return [(f"./sa_{number}.jpg", jpeg_bytes(number, size)), (f"./sa_{number}.json", record)]


def pack(files: Iterable[tuple[str, bytes]], *, is_gzip: bool = False) -> bytes:
    """A tar file of these files, in order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    raw = stream.getvalue()
    return gzip.compress(raw, mtime=0) if is_gzip else raw


def write_shards(
    folder: Path, counts: Iterable[int], *, is_gzip: bool = False, size: tuple[int, int] = (48, 64)
) -> list[str]:
    """Archives of so many images each, numbered through from 1; gzip but named .tar if asked."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, number = [], 1
    for i, count in enumerate(counts):
        files = [f for n in range(number, number + count) for f in pair_files(n, size)]
        path = folder / f"sa_{i:06d}.tar"
        path.write_bytes(pack(files, is_gzip=is_gzip))
        paths.append(str(path))
        number += count
    return paths
