"""Where the image of a batch's row comes from: the examples in memory, or a draw of a stream."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from PIL import Image

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.dataset.shard_stream import StreamDraw
from anymask.dataset.shards import ShardPair
from anymask.training.copy_paste import Donor
from anymask.training.examples import Example, ExampleSet, ImageCache
from anymask.training.streaming import example_of, why_unusable

_TRIES_AN_IMAGE = 3


class RowSource(Protocol):
    """Gives a row examples until one of them can be used."""

    def draw(self, rng: np.random.Generator) -> Example:
        """An example, which may be the last one again."""
        ...

    def picture(self, example: Example, least_side: int | None) -> Image.Image:
        """Its photograph, decoded with at least that side; None for its own size."""
        ...

    def reject(self, example: Example, error: AnymaskError) -> None:
        """The example proved damaged: raises the error, or will not draw it again."""
        ...

    def donor(self, rng: np.random.Generator) -> Donor:
        """An object of some other photograph."""
        ...


class FolderRows:
    """Draws any of the examples in memory, time and again; what is damaged stops the run."""

    def __init__(self, examples: ExampleSet, cache: ImageCache) -> None:
        self._examples = examples
        self._cache = cache

    def draw(self, rng: np.random.Generator) -> Example:
        """See `RowSource`; another one each time."""
        return self._examples.draw(rng)

    def picture(self, example: Example, least_side: int | None) -> Image.Image:
        """See `RowSource`; from the cache, which has its own size."""
        return self._cache.picture(example, least_side)

    def reject(self, example: Example, error: AnymaskError) -> None:
        """See `RowSource`; raises the error."""
        raise error

    def donor(self, rng: np.random.Generator) -> Donor:
        """See `RowSource`."""
        example = self.draw(rng)
        return _donor(self, example, int(rng.integers(len(example.masks))))


class StreamRows:
    """Gives the stream's image a few times, then others of its buffer; what is damaged is left out.

    Args:
        draw: what the stream gave the row.
        set_aside: told of damaged ones, in one line without a full stop.
    """

    def __init__(self, draw: StreamDraw, set_aside: Callable[[str], None]) -> None:
        self._first = draw.pair.label
        self._pairs = [draw.pair, *draw.others]
        self._set_aside = set_aside
        self._current: Example | None = None
        self._tries = 0

    def draw(self, rng: np.random.Generator) -> Example:
        """See `RowSource`.

        Raises:
            InvalidInputError: all of them were tried.
        """
        while self._current is None or self._tries == _TRIES_AN_IMAGE:
            if not self._pairs:
                raise InvalidInputError(
                    f"archives must hold usable images, got none in {self._first} and others "
                    "near it. Lower min_mask_fraction, or check the archive."
                )
            self._current, self._tries = self._parse(self._pairs.pop(0)), 0
        self._tries += 1
        return self._current

    def picture(self, example: Example, least_side: int | None) -> Image.Image:
        """See `RowSource`; decoded afresh."""
        return example.read_image(least_side)

    def reject(self, example: Example, error: AnymaskError) -> None:
        """See `RowSource`; the next one's turn."""
        self._set_aside(why_unusable(example.label, error))
        self._current = None

    def donor(self, rng: np.random.Generator) -> Donor:
        """See `RowSource`; of the others in the buffer, or of the row's own image."""
        order = rng.permutation(len(self._pairs)).tolist()
        start = float(rng.random())
        for i in [*order, None]:
            example = self._current if i is None else self._parse(self._pairs[i])
            if example is None:
                continue
            try:
                number = len(example.masks)
                for i in range(number):
                    index = (int(start * number) + i) % number
                    if example.masks[index].area:
                        return _donor(self, example, index)
            except AnymaskError as error:
                self._set_aside(why_unusable(example.label, error))
        raise AssertionError("the row's own image has a mask")

    def _parse(self, pair: ShardPair) -> Example | None:
        try:
            return example_of(pair)
        except AnymaskError as error:
            self._set_aside(why_unusable(pair.label, error))
            return None


def _donor(source: RowSource, example: Example, index: int) -> Donor:
    return Donor(
        image=source.picture(example, None),
        original_size=example.original_size,
        mask=example.masks[index],
        name=example.names[index],
    )
