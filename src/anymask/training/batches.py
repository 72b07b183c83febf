"""A training batch: images, target masks, and which image each target belongs to.

Letters: B images, P targets, S model side. Targets are kept at S/4, the size of the logits: their
values are the covered share of each cell, so that an edge can lie between cells.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.geometry import mask_to_box
from anymask.core.rle import Rle
from anymask.training.augment import (
    View,
    cut_image,
    cut_mask,
    full_view,
    random_color,
    random_view,
)
from anymask.training.config import TrainConfig
from anymask.training.examples import Example, ExampleSet, ImageCache

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
    """

    images: Tensor
    target_masks: Tensor
    target_boxes: Tensor
    image_index: Tensor

    @property
    def image_size(self) -> int:
        """S."""
        return self.images.shape[-1]


def row_generator(seed: int, step: int, row: int) -> np.random.Generator:
    """The randomness of one row of one step."""
    return np.random.default_rng([seed, step, row])


def make_batch(
    examples: ExampleSet, cache: ImageCache, config: TrainConfig, step: int
) -> TrainBatch:
    """The batch of a step: a pure function of the configuration, the data and the step."""
    stage = config.stage_at(step)
    rows = []
    for row in range(stage.batch_size):
        rng = row_generator(config.seed, step, row)
        rows.append(_draw_row(examples, cache, config, stage.image_size, rng))
    return _collate(rows)


def make_validation_batch(
    examples: tuple[Example, ...], cache: ImageCache, config: TrainConfig, image_size: int
) -> TrainBatch:
    """Held-out images as the predictor sees them, with their largest-first targets."""
    rows = []
    for example in examples:
        view = full_view(example.original_size, image_size)
        largest = sorted(example.masks, key=lambda rle: -rle.area)
        masks = [cut_mask(rle, view, image_size) for rle in largest[: config.masks_per_image]]
        kept = [mask for mask in masks if _is_usable(mask, config)]
        if kept:
            image = cache.get(example.path)
            pixels = cut_image(image, example.original_size, view, image_size)
            rows.append((pixels, kept))
    return _collate(rows)


def _draw_row(
    examples: ExampleSet,
    cache: ImageCache,
    config: TrainConfig,
    image_size: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """An augmented image and exactly `masks_per_image` targets (repeated when it has fewer)."""
    for _ in range(_MAX_DRAWS):
        example = examples.draw(rng)
        focus = example.masks[int(rng.integers(len(example.masks)))]
        x0, y0, x1, y1 = focus.to_box()
        centre = (float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1)))
        view = random_view(example.original_size, centre, image_size, config.augment, rng)
        targets = _usable_targets(example.masks, focus, view, image_size, config, rng)
        if targets:
            break
    else:
        raise ValueError(
            f"no usable mask in {_MAX_DRAWS} draws (last image: {example.path}). "
            "Lower min_mask_fraction, or check that the masks fit their images."
        )
    color = random_color(config.augment, rng)
    image = cache.get(example.path)
    pixels = cut_image(image, example.original_size, view, image_size, color)
    return pixels, [targets[i % len(targets)] for i in range(config.masks_per_image)]


def _usable_targets(
    masks: tuple[Rle, ...],
    focus: Rle,
    view: View,
    image_size: int,
    config: TrainConfig,
    rng: np.random.Generator,
) -> list[NDArray[np.bool_]]:
    order = [focus, *(masks[i] for i in rng.permutation(len(masks)) if masks[i] is not focus)]
    targets: list[NDArray[np.bool_]] = []
    for rle in order[: 2 * config.masks_per_image]:
        mask = cut_mask(rle, view, image_size)
        if _is_usable(mask, config):
            targets.append(mask)
        if len(targets) == config.masks_per_image:
            break
    return targets


def _is_usable(mask: NDArray[np.bool_], config: TrainConfig) -> bool:
    fraction = int(np.count_nonzero(mask)) / mask.size
    return config.min_mask_fraction <= fraction <= config.max_mask_fraction


def _collate(rows: list[tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]]) -> TrainBatch:
    masks = np.stack([mask for _, row in rows for mask in row])
    coverage = F.avg_pool2d(torch.from_numpy(masks).float().unsqueeze(1), LOGIT_STRIDE)[:, 0]
    counts = torch.tensor([len(row) for _, row in rows])
    return TrainBatch(
        images=torch.from_numpy(np.stack([pixels for pixels, _ in rows])).permute(0, 3, 1, 2),
        target_masks=coverage,
        target_boxes=torch.from_numpy(np.stack([mask_to_box(mask) for mask in masks])),
        image_index=torch.arange(len(rows)).repeat_interleave(counts),
    )


def batches(
    examples: ExampleSet, cache: ImageCache, config: TrainConfig, first_step: int
) -> Iterator[TrainBatch]:
    """The batches of steps `first_step` and on, made ahead of time by background threads."""
    with ThreadPoolExecutor(config.num_loader_threads) as pool:
        ahead = 2 * config.num_loader_threads
        steps = range(first_step, config.num_steps)
        pending = [pool.submit(make_batch, examples, cache, config, s) for s in steps[:ahead]]
        for step in steps:
            batch = pending.pop(0).result()
            if step + ahead < config.num_steps:
                pending.append(pool.submit(make_batch, examples, cache, config, step + ahead))
            yield batch
