"""Photographs and masks in memory, ready to be cut: which image a step sees, and its split.

Everything random is a pure function of (seed, step, row), so a run that was stopped sees the same
data when it goes on, without any stored loader state.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image
from anymask.core.rle import Rle
from anymask.dataset.coco_folder import LabelledImage, find_sets, read_coco_folder


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A labelled photograph; `masks` are at its original size."""

    path: Path
    original_size: tuple[int, int]
    masks: tuple[Rle, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExampleSet:
    """Examples and the probability of drawing each."""

    examples: tuple[Example, ...]
    probabilities: np.ndarray

    def draw(self, rng: np.random.Generator) -> Example:
        """One example at random."""
        return self.examples[int(rng.choice(len(self.examples), p=self.probabilities))]


class ImageCache:
    """Decoded photographs, kept until `max_bytes` are held; later ones are decoded each time."""

    def __init__(self, max_bytes: int = 6 << 30, longest_side: int = 720) -> None:
        self._images: dict[Path, Image.Image] = {}
        self._free_bytes = max_bytes
        self._longest_side = longest_side
        self._lock = threading.Lock()

    def get(self, path: Path) -> Image.Image:
        """The photograph, RGB, at most `longest_side` pixels long (training inputs are smaller)."""
        image = self._images.get(path)
        if image is None:
            image = Image.fromarray(read_image(path))
            image.thumbnail((self._longest_side, self._longest_side), Image.Resampling.BOX)
            with self._lock:
                if self._free_bytes > 0 and path not in self._images:
                    self._images[path] = image
                    self._free_bytes -= 3 * image.width * image.height
        return image


def read_examples(
    folders: Sequence[Path], *, validation_fraction: float, set_weights: Mapping[str, float]
) -> tuple[ExampleSet, tuple[Example, ...]]:
    """The training set and the validation examples of one or more data folders.

    An image belongs to validation by the hash of its set and file name, so the split does not move
    when sets are added. A set's share of the draws is (number of images)^0.75 times its weight, so
    that small sets are heard and one large set is not all there is.

    Raises:
        InvalidInputError: no examples, or a weight for a set that is not there.
    """
    sets = {name: path for folder in folders for name, path in find_sets(folder).items()}
    unknown = sorted(set(set_weights) - set(sets))
    if unknown:
        raise InvalidInputError(
            f"set_weights must name sets of the data, got {unknown[0]!r}. Known: {', '.join(sets)}."
        )
    train: list[Example] = []
    validation: list[Example] = []
    shares: list[float] = []
    for name, path in sets.items():
        rows: list[Example] = []
        for image in read_coco_folder(path):
            example = _example(image)
            if not example.masks:
                continue
            held_out = _unit_hash(f"{name}/{image.path.name}") < validation_fraction
            (validation if held_out else rows).append(example)
        train += rows
        shares += [len(rows) ** -0.25 * set_weights.get(name, 1.0)] * len(rows)
    if not train:
        raise InvalidInputError(
            f"data must hold labelled images, got none in {folders[0]}. Check the folder."
        )
    probabilities = np.array(shares) / np.sum(shares)
    return ExampleSet(examples=tuple(train), probabilities=probabilities), tuple(validation)


def _example(image: LabelledImage) -> Example:
    masks = tuple(mask.rle for mask in image.masks)
    return Example(path=image.path, original_size=image.original_size, masks=masks)


def _unit_hash(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
