"""Photographs and masks in memory, ready to be cut: which image a step sees, and its split.

Everything random is a pure function of (seed, step, row), so a run that was stopped sees the same
data when it goes on, without any stored loader state.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image, read_image_size
from anymask.core.rle import Rle
from anymask.dataset.labelled import LabelledImage, check_size
from anymask.dataset.place_random import unit_hash
from anymask.dataset.sets import find_sets, read_set
from anymask.dataset.shard_stream import ShardStream


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A labelled photograph; `masks` are at its original size.

    Attributes:
        path: of the file; of a member of an archive, the archive's with the member's.
        original_size: (H, W).
        masks: of an archive's member they are decoded on access, which then may raise.
        names: what each mask shows; "" where the data do not say.
        data: the file's bytes, where it is not on a disk of its own.
        source: where that is from, archive:member.
    """

    path: Path
    original_size: tuple[int, int]
    masks: Sequence[Rle]
    names: tuple[str, ...]
    data: bytes | None = None
    source: str = ""

    @property
    def label(self) -> str:
        """Where it is from, to be printed: the path, or archive:member."""
        return self.source or str(self.path)

    def read_bytes(self) -> bytes:
        """The image file's content."""
        return self.path.read_bytes() if self.data is None else self.data

    def read_image(self, least_side: int | None = None) -> Image.Image:
        """The photograph, upright RGB; perhaps reduced, see `core.image_io.read_image`.

        Raises:
            ImageReadError: it is damaged.
            InvalidInputError: it has another size than its masks.
        """
        source = self.path if self.data is None else self.data
        check_size(self.label, read_image_size(source), self.original_size)
        return Image.fromarray(read_image(source, least_side=least_side))


@dataclass(frozen=True, kw_only=True, eq=False)
class ExampleSet:
    """What is learned from.

    Attributes:
        examples: in memory; may be empty when there is a stream.
        probabilities: (n,) of drawing each of them.
        stream: archives that are too large for that, if any.
    """

    examples: tuple[Example, ...]
    probabilities: np.ndarray
    stream: ShardStream | None = None

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
            image = Image.fromarray(read_image(path, least_side=self._longest_side))
            image.thumbnail((self._longest_side, self._longest_side), Image.Resampling.BOX)
            with self._lock:
                if self._free_bytes > 0 and path not in self._images:
                    self._images[path] = image
                    self._free_bytes -= 3 * image.width * image.height
        return image

    def picture(self, example: Example, least_side: int | None = None) -> Image.Image:
        """The example's photograph; of an archive's member not kept, with at least that side."""
        if example.data is None:
            return self.get(example.path)
        return example.read_image(least_side)


def read_examples(
    folders: Sequence[str | Path],
    *,
    validation_fraction: float,
    set_weights: Mapping[str, float],
    set_size_power: float = 0.75,
) -> tuple[ExampleSet, tuple[Example, ...]]:
    """The training set and the validation examples of one or more data folders.

    An image belongs to validation by the hash of its set and file name, so the split does not move
    when sets are added. A set's share of the draws is (number of images)^set_size_power times its
    weight: below a power of 1 small sets are heard and one large set is not all there is.

    Raises:
        InvalidInputError: no examples, two sets of one name, or a weight for a set that is not
            there.
    """
    sets: dict[str, Path] = {}
    for folder in folders:
        for name, path in find_sets(folder).items():
            if name in sets and sets[name] != path:
                raise InvalidInputError(
                    f"sets must have different names, got {sets[name]} and {path}. Rename one."
                )
            sets[name] = path
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
        for image in read_set(path):
            example = _example(image)
            if not example.masks:
                continue
            held_out = unit_hash(f"{name}/{image.path.name}") < validation_fraction
            (validation if held_out else rows).append(example)
        train += rows
        share = max(1, len(rows)) ** (set_size_power - 1) * set_weights.get(name, 1.0)
        shares += [share] * len(rows)
    if not train:
        raise InvalidInputError(
            f"data must hold labelled images, got none in {folders[0]}. Check the folder."
        )
    probabilities = np.array(shares) / np.sum(shares)
    return ExampleSet(examples=tuple(train), probabilities=probabilities), tuple(validation)


def _example(image: LabelledImage) -> Example:
    masks = tuple(mask.rle for mask in image.masks)
    names = tuple(mask.category for mask in image.masks)
    return Example(path=image.path, original_size=image.original_size, masks=masks, names=names)
