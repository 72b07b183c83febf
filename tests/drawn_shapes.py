"""A small labelled folder, drawn by the tests: discs and rectangles on noise."""

import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image

from anymask.core.rle import Rle


def draw_set(folder: Path, num_images: int = 6, size: tuple[int, int] = (48, 64)) -> Path:
    rng = np.random.default_rng(0)
    H, W = size
    rows, columns = np.mgrid[:H, :W]
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(num_images):
        image = rng.integers(60, 90, (H, W, 3), dtype=np.uint8)
        cx, cy = int(rng.integers(16, 32)), int(rng.integers(14, 34))
        disc = (rows - cy) ** 2 + (columns - cx) ** 2 < 100
        x0, y0 = int(rng.integers(40, 46)), int(rng.integers(4, 20))
        rectangle = (rows >= y0) & (rows < y0 + 20) & (columns >= x0) & (columns < x0 + 14)
        for mask, color in ((disc, (220, 60, 60)), (rectangle, (60, 200, 80))):
            image[mask] = color
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i + 1,
                    "category_id": 1,
                    "segmentation": Rle.from_mask(mask).to_coco(),
                    "area": int(mask.sum()),
                    "bbox": [0, 0, 1, 1],
                    "iscrowd": 0,
                }
            )
        Image.fromarray(image).save(folder / "images" / f"{i:05d}.png")
        row = {"id": i + 1, "file_name": f"{i:05d}.png", "width": W, "height": H}
        images.append(row)
    content = {
        "info": {"name": "shapes"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "shape"}],
    }
    with gzip.open(folder / "masks.json.gz", "wt") as file:
        json.dump(content, file)
    return folder
