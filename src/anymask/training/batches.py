"""A training batch: images, target masks, and which image each target belongs to.

Letters: B images, P targets, S model side. Targets are kept at S/4, the size of the logits: their
values are the covered share of each cell, so that an edge can lie between cells.
"""

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.core.geometry import mask_to_box
from anymask.core.rle import Rle
from anymask.dataset.shard_stream import StreamDraw
from anymask.training.augment import (
    View,
    close_up_view,
    cut_image,
    cut_mask,
    full_view,
    random_color,
    random_view,
)
from anymask.training.config import TrainConfig
from anymask.training.copy_paste import Picture, paste_objects
from anymask.training.examples import Example, ExampleSet, ImageCache
from anymask.training.prefetch import prefetched
from anymask.training.row_sources import FolderRows, RowSource, StreamRows
from anymask.training.share import WHOLE, Share
from anymask.training.streaming import streamed_rows
from anymask.training.text_crops import TextCrop, TextCrops, collate_crops, draw_text_crops

LOGIT_STRIDE = 4
_MAX_DRAWS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainBatch:
    """Flat targets with an image index.

    Attributes:
        images: (B, 3, S, S) uint8.
        target_masks: (P, S/4, S/4) float32 in [0, 1], share of each cell that is covered.
        target_boxes: (P, 4) float32 xyxy half-open, in pixels of the model input.
        image_index: (P,) int64.
        target_names: what each target shows, "" where it is not known.
        name_is_complete: (P,) bool, every mask of that name in the image is among the targets.
        image_names: the names in each image, seen in this view or not.
        paths: where each image is from, to be printed: a path, or archive:member.
        text_crops: what CLIP sees of the targets, where the configuration asks for it.
    """

    images: Tensor
    target_masks: Tensor
    target_boxes: Tensor
    image_index: Tensor
    target_names: tuple[str, ...]
    name_is_complete: Tensor
    image_names: tuple[tuple[str, ...], ...]
    paths: tuple[str, ...]
    text_crops: TextCrops | None = None

    @property
    def image_size(self) -> int:
        """S."""
        return self.images.shape[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Target:
    """A target in a view: its place among the masks, and what a batch keeps of it.

    `num_covered` (S/4, S/4) uint8 is the number of its pixels in each cell, `box` (4,) float32; the
    pixels themselves, a megabyte at the paper's size, are let go.
    """

    index: int
    num_covered: NDArray[np.uint8]
    box: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """One image: (S, S, 3) pixels, and its targets."""

    path: str
    pixels: NDArray[np.uint8]
    targets: list[_Target]
    names: tuple[str, ...]
    crops: list[TextCrop | None]

    def target_names(self) -> list[str]:
        return [self.names[target.index] for target in self.targets]

    def name_is_complete(self) -> list[bool]:
        seen = Counter(self.names[i] for i in {target.index for target in self.targets})
        total = Counter(self.names)
        return [seen[name] == total[name] for name in self.target_names()]


def row_generator(seed: int, step: int, row: int) -> np.random.Generator:
    """The randomness of one row of one step."""
    return np.random.default_rng([seed, step, row])


def make_batch(
    examples: ExampleSet,
    cache: ImageCache,
    config: TrainConfig,
    step: int,
    share: Share = WHOLE,
    streamed: Mapping[int, StreamDraw] = MappingProxyType({}),
) -> TrainBatch:
    """The batch of a step, or a share of it: a pure function of configuration, data and step.

    Args:
        examples: in memory.
        cache: of their photographs.
        config: the run.
        step: from 0.
        share: which rows.
        streamed: what a stream gave some of the rows; the others draw from the examples.

    Raises:
        InvalidInputError: no mask that the configuration allows, in many draws, or an image has
            another size than its masks.
        ImageReadError: an image of the examples is damaged.
    """
    stage = config.stage_at(step)
    rows = []
    for row in share.rows(stage.batch_size):
        rng = row_generator(config.seed, step, row)
        source: RowSource = FolderRows(examples, cache)
        if row in streamed:
            assert examples.stream is not None
            source = StreamRows(streamed[row], examples.stream.set_aside)
        rows.append(_draw_row(source, config, stage.image_size, rng))
    return _collate(rows)


def make_validation_batch(
    examples: tuple[Example, ...], cache: ImageCache, config: TrainConfig, image_size: int
) -> TrainBatch | None:
    """Held-out images as the predictor sees them, with targets of all sizes.

    Of an image with many masks it takes `masks_per_image`, evenly from the largest to the smallest:
    the largest ones alone would hide a model that only finds those. None when no image has a target
    that the configuration allows.
    """
    rows = []
    for example in examples:
        view = full_view(example.original_size, image_size)
        order = sorted(range(len(example.masks)), key=lambda i: -example.masks[i].area)
        places = np.linspace(0, len(order) - 1, min(len(order), config.masks_per_image))
        chosen = [order[round(place)] for place in places]
        masks = {i: cut_mask(example.masks[i], view, image_size) for i in chosen}
        kept = [i for i, mask in masks.items() if _is_usable(mask, config)]
        if kept:
            image = cache.picture(example)
            pixels = cut_image(image, example.original_size, view, image_size)
            rles = [example.masks[i] for i in kept]
            # A generator of its own: the same crops at every validation.
            rng = np.random.default_rng(config.seed)
            crops = draw_text_crops(image, example.original_size, rles, config.text, rng)
            rows.append(
                _Row(
                    path=example.label,
                    pixels=pixels,
                    targets=[_target(i, masks[i]) for i in kept],
                    names=example.names,
                    crops=crops,
                )
            )
    return _collate(rows) if rows else None


def _draw_row(
    source: RowSource, config: TrainConfig, image_size: int, rng: np.random.Generator
) -> _Row:
    """An augmented image and exactly `masks_per_image` targets (repeated when it has fewer)."""
    for _ in range(_MAX_DRAWS):
        example = source.draw(rng)
        try:
            view, targets = _draw_view(example, config, image_size, rng)
            if targets:
                image = source.picture(example, _least_side(example, view, config))
                break
        except AnymaskError as error:
            source.reject(example, error)
    else:
        raise InvalidInputError(
            f"no usable mask in {_MAX_DRAWS} draws (last image: {example.label}). "
            "Lower min_mask_fraction, or check that the masks fit their images."
        )
    color = random_color(config.augment, rng)
    pixels = cut_image(image, example.original_size, view, image_size, color)
    picture = paste_objects(
        Picture(pixels=pixels, targets=targets, names=example.names),
        view.size,
        source.donor,
        lambda mask: _is_usable(mask, config),
        config.augment,
        rng,
    )
    targets = picture.targets
    chosen = [targets[i % len(targets)] for i in range(config.masks_per_image)]
    kept = {index: _target(index, mask) for index, mask in targets}
    # Pasted objects have no crops.
    own = {i: example.masks[i] for i, _ in chosen if i < len(example.masks)}
    return _Row(
        path=example.label,
        pixels=picture.pixels,
        targets=[kept[index] for index, _ in chosen],
        names=picture.names,
        crops=draw_text_crops(
            image, example.original_size, [own.get(i) for i, _ in chosen], config.text, rng
        ),
    )


def _draw_view(
    example: Example, config: TrainConfig, image_size: int, rng: np.random.Generator
) -> tuple[View, list[tuple[int, NDArray[np.bool_]]]]:
    """A random view around a random mask, and the targets that can be seen in it."""
    focus = int(rng.integers(len(example.masks)))
    x0, y0, x1, y1 = example.masks[focus].to_box().tolist()
    centre = (float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1)))
    view = random_view(example.original_size, centre, image_size, config.augment, rng)
    # Drawn only where it may be used, so that runs without close-ups stay as they were.
    if config.augment.close_up_probability > 0:
        fraction = max(x1 - x0, y1 - y0) / max(example.original_size)
        is_small = fraction < config.augment.max_close_up_fraction
        if rng.random() < config.augment.close_up_probability and is_small:
            box = (x0, y0, x1, y1)
            view = close_up_view(example.original_size, box, image_size, config.augment, rng)
    return view, _usable_targets(example.masks, focus, view, image_size, config, rng)


def _least_side(example: Example, view: View, config: TrainConfig) -> int | None:
    """The longest side that a photograph needs for the view to be sharp; None for its own."""
    if config.text.source == "clip_crops":
        return None
    x0, y0, x1, y1 = view.box
    scale = max(view.size[0] / (y1 - y0), view.size[1] / (x1 - x0))
    return math.ceil(scale * max(example.original_size))


def _usable_targets(
    masks: Sequence[Rle],
    focus: int,
    view: View,
    image_size: int,
    config: TrainConfig,
    rng: np.random.Generator,
) -> list[tuple[int, NDArray[np.bool_]]]:
    order = [focus, *(int(i) for i in rng.permutation(len(masks)) if i != focus)]
    H, W = masks[focus].size
    # Lazily: an archive's masks are decoded one by one.
    allowed = (i for i in order if masks[i].area <= config.max_image_fraction * H * W)
    targets: list[tuple[int, NDArray[np.bool_]]] = []
    for index in islice(allowed, 2 * config.masks_per_image):
        mask = cut_mask(masks[index], view, image_size)
        if _is_usable(mask, config):
            targets.append((index, mask))
        if len(targets) == config.masks_per_image:
            break
    return targets


def _is_usable(mask: NDArray[np.bool_], config: TrainConfig) -> bool:
    fraction = int(np.count_nonzero(mask)) / mask.size
    return config.min_mask_fraction <= fraction <= config.max_mask_fraction


def _target(index: int, mask: NDArray[np.bool_]) -> _Target:
    pixels = mask.view(np.uint8)
    rows = np.zeros((len(mask) // LOGIT_STRIDE, len(mask)), np.uint8)
    num_covered = np.zeros((len(rows), len(rows)), np.uint8)
    for i in range(LOGIT_STRIDE):  # faster than a sum over axes
        rows += pixels[i::LOGIT_STRIDE]
    for i in range(LOGIT_STRIDE):
        num_covered += rows[:, i::LOGIT_STRIDE]
    return _Target(index=index, num_covered=num_covered, box=mask_to_box(mask))


def _collate(rows: list[_Row]) -> TrainBatch:
    targets = [target for row in rows for target in row.targets]
    num_covered = torch.from_numpy(np.stack([target.num_covered for target in targets]))
    counts = torch.tensor([len(row.targets) for row in rows])
    return TrainBatch(
        images=torch.from_numpy(np.stack([row.pixels for row in rows])).permute(0, 3, 1, 2),
        target_masks=num_covered.float() / LOGIT_STRIDE**2,
        target_boxes=torch.from_numpy(np.stack([target.box for target in targets])),
        image_index=torch.arange(len(rows)).repeat_interleave(counts),
        target_names=tuple(name for row in rows for name in row.target_names()),
        name_is_complete=torch.tensor([flag for row in rows for flag in row.name_is_complete()]),
        image_names=tuple(tuple(sorted(set(row.names))) for row in rows),
        paths=tuple(row.path for row in rows),
        text_crops=collate_crops([crop for row in rows for crop in row.crops]),
    )


def batches(
    examples: ExampleSet,
    cache: ImageCache,
    config: TrainConfig,
    first_step: int,
    share: Share = WHOLE,
) -> Generator[TrainBatch]:
    """The batches of steps `first_step` and on, made ahead of time by background threads."""

    def make(item: tuple[int, Mapping[int, StreamDraw]]) -> TrainBatch:
        step, streamed = item
        return make_batch(examples, cache, config, step, share, streamed)

    with closing(streamed_rows(examples, config, first_step, share)) as streamed:
        steps = zip(range(first_step, config.num_steps), streamed, strict=True)
        yield from prefetched(make, steps, config.num_loader_threads)
