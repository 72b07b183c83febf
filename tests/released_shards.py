"""Shards as we write them, of the tests' drawn images."""

from pathlib import Path

from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.dataset.manifest import write_manifest
from anymask.dataset.release import ReleasedImage, release_image
from anymask.dataset.shard_writing import shard_name, write_shard
from sa1b_archives import draw_image, draw_masks


def released(number: int, size: tuple[int, int] = (48, 64)) -> ReleasedImage:
    """A drawn image whose masks have what a generator gives them."""
    H, W = size
    masks = [
        MaskRecord(
            bbox=(0.0, 0.0, 0.0, 0.0),  # the writer's to fill in, as area and id
            area=0,
            segmentation=Rle.from_mask(mask),
            predicted_iou=0.9 + i / 100,
            point_coords=((W / 2 + i, H / 4),),
            crop_box=(0.0, 0.0, float(W), float(H)),
            id=0,
            stability_score=0.95,
        )
        for i, mask in enumerate(draw_masks(number, size))
    ]
    return release_image(number, draw_image(number, size), masks)


def write_release(folder: Path, counts: list[int], *, released_bbox: bool = False) -> Path:
    """A folder of shards of so many images each, numbered through from 1, with its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    first = 1
    for i, count in enumerate(counts):
        images = (released(number) for number in range(first, first + count))
        write_shard(folder / shard_name(i), images, released_bbox=released_bbox)
        first += count
    write_manifest(folder)
    return folder
