"""Batches of unlabelled photographs for masked pre-training: crops, and which patches are seen.

Everything random is a pure function of (seed, step, global row). Letters: B images, S side,
K visible patches.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.dataset.photo_folder import Photo
from anymask.dataset.place_random import unit_hash
from anymask.model.mae import MaeConfig, draw_visible
from anymask.training.examples import ImageCache
from anymask.training.pretrain_config import PretrainConfig
from anymask.training.progress import say

_MAX_DRAWS = 20
_MAX_ASPECT = 4 / 3
# Held-out photos are always hidden in the same way, so that runs can be compared.
_VALIDATION_SEED = 2_304_02643


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotoBatch:
    """Photographs and the patches of each that the encoder sees.

    Attributes:
        images: (B, 3, S, S) uint8 RGB.
        visible: (B, K) int64, ascending.
        sources: the photographs' paths.
    """

    images: Tensor
    visible: Tensor
    sources: tuple[Path, ...]


class PhotoSet:
    """The photographs of a run: those to learn from, those held out, and which are damaged.

    Whether a photograph is held out follows from the hash of its name, so the split does not move
    when others are added.
    """

    def __init__(self, photos: Sequence[Photo], config: PretrainConfig) -> None:
        held_out = [p for p in photos if unit_hash(p.name) < config.validation_fraction]
        kept = set(held_out)
        self.train = tuple(p.path for p in photos if p not in kept)
        self.held_out = tuple(p.path for p in held_out[: config.max_validation_images])
        if not self.train:
            raise InvalidInputError(
                f"there must be photos to learn from, got {len(photos)} in all, all held out. "
                "Add photos or lower validation_fraction."
            )
        # A crop of the smallest area still has about a pixel for each of its own.
        longest_side = round(config.image_size / config.min_crop_area**0.5 * _MAX_ASPECT)
        self._cache = ImageCache(longest_side=longest_side)
        self._bad: set[Path] = set()
        self._lock = threading.Lock()

    @property
    def num_set_aside(self) -> int:
        """How many photographs could not be read so far."""
        return len(self._bad)

    def read(self, path: Path) -> Image.Image | None:
        """The photograph; None, and at the first time a line about it, when it cannot be read."""
        if path in self._bad:
            return None
        try:
            return self._cache.get(path)
        except ImageReadError as error:
            with self._lock:
                is_new = path not in self._bad
                self._bad.add(path)
            if is_new:
                say(f"set aside: {error}")
            return None


def make_photo_batch(
    photos: PhotoSet, config: PretrainConfig, step: int, rows: Iterable[int]
) -> PhotoBatch:
    """These rows of the global batch of a step.

    Photographs are taken in a new random order each epoch. One that cannot be read is replaced by
    another at random, the same whenever the row is made.

    Raises:
        InvalidInputError: nothing but photographs that cannot be read.
    """
    images, visible, sources = [], [], []
    for row in rows:
        rng = np.random.default_rng([config.seed, step, row])
        first = _in_order(config.seed, step * config.batch_size + row, len(photos.train))
        path, image = _draw(photos, first, rng)
        images.append(random_crop(image, config, rng))
        visible.append(draw_visible(config.mae, rng))
        sources.append(path)
    return _collate(images, visible, sources)


def make_held_out_batches(
    photos: PhotoSet, config: MaeConfig, batch_size: int
) -> Iterable[PhotoBatch]:
    """The held-out photographs that can be read, their middle squares, in fixed disguise."""
    readable = [(path, image) for path in photos.held_out if (image := photos.read(path))]
    for start in range(0, len(readable), batch_size):
        chunk = readable[start : start + batch_size]
        rngs = [np.random.default_rng([_VALIDATION_SEED, start + i]) for i in range(len(chunk))]
        yield _collate(
            [middle_square(image, config.image_size) for _, image in chunk],
            [draw_visible(config, rng) for rng in rngs],
            [path for path, _ in chunk],
        )


def random_crop(
    image: Image.Image, config: PretrainConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """(S, S, 3) uint8: a window of random place, area and aspect, perhaps mirrored.

    The area is uniform in [min_crop_area, 1] of the photograph's, the aspect log-uniform in
    [3/4, 4/3] (He et al. 2021); a window that does not fit is cut at the photograph's sides.
    """
    area = image.width * image.height * rng.uniform(config.min_crop_area, 1.0)
    aspect = np.exp(rng.uniform(-np.log(_MAX_ASPECT), np.log(_MAX_ASPECT)))
    width = min(image.width, (area * aspect) ** 0.5)
    height = min(image.height, (area / aspect) ** 0.5)
    x0 = rng.uniform(0, image.width - width)
    y0 = rng.uniform(0, image.height - height)
    pixels = _cut(image, (x0, y0, x0 + width, y0 + height), config.image_size)
    return pixels[:, ::-1] if rng.random() < config.flip_probability else pixels


def middle_square(image: Image.Image, image_size: int) -> NDArray[np.uint8]:
    """(S, S, 3) uint8: the largest square in the middle of the photograph."""
    side = min(image.width, image.height)
    x0, y0 = (image.width - side) / 2, (image.height - side) / 2
    return _cut(image, (x0, y0, x0 + side, y0 + side), image_size)


def _cut(
    image: Image.Image, box: tuple[float, float, float, float], size: int
) -> NDArray[np.uint8]:
    # Sums of floats may end a hair outside the image, which Pillow refuses.
    box = (box[0], box[1], min(box[2], float(image.width)), min(box[3], float(image.height)))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def _draw(photos: PhotoSet, first: int, rng: np.random.Generator) -> tuple[Path, Image.Image]:
    path = photos.train[first]
    for _ in range(_MAX_DRAWS):
        image = photos.read(path)
        if image is not None:
            return path, image
        path = photos.train[int(rng.integers(len(photos.train)))]
    raise InvalidInputError(
        f"photos must be readable, got none in {_MAX_DRAWS} draws (the last was {path}). "
        "Check the folder."
    )


def _in_order(seed: int, position: int, count: int) -> int:
    """The photograph at that place of an endless row of epochs."""
    epoch, place = divmod(position, count)
    return int(_permutation(seed, epoch, count)[place])


@lru_cache(maxsize=4)  # a batch may lie across epochs, and threads work ahead
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(count)


def _collate(
    images: list[NDArray[np.uint8]], visible: list[NDArray[np.int64]], sources: list[Path]
) -> PhotoBatch:
    return PhotoBatch(
        images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
        visible=torch.from_numpy(np.stack(visible)),
        sources=tuple(sources),
    )
