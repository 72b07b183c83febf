"""Exported graphs against torch: random cases, the largest difference, and its case.

Letters: P prompts, N points of a prompt, S model side.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.prompts import PointLabel, Prompt
from anymask.inference.export_graphs import FEATURE_NAMES, feature_tensors, image_features
from anymask.inference.mask_tensors import upscale_logits
from anymask.inference.predictor import Predictor
from anymask.model.features import PromptTensors
from anymask.model.sam import Sam

Arrays = Mapping[str, NDArray[np.generic]]
Run = Callable[[Arrays], Arrays]
MAX_POINTS, MAX_BOXES, MAX_PROMPTS = 20, 5, 3


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest of many: its size, the output it is of, and the case in words."""

    size: float
    output: str
    case: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """Inputs of a graph, and what torch answers to them."""

    description: str
    inputs: Arrays
    expected: Arrays


def largest_difference(run: Run, cases: Iterator[Case]) -> Difference:
    """Return the largest absolute difference between what `run` and torch answer."""
    worst = Difference(size=0.0, output="none", case="none")
    for case in cases:
        found = run(case.inputs)
        for output, expected in case.expected.items():
            if found[output].shape != expected.shape:
                size = float("inf")
            else:
                gap = np.abs(found[output].astype(np.float64) - expected.astype(np.float64))
                size = float(gap.max()) if np.isfinite(gap).all() else float("inf")
            if size > worst.size:
                worst = Difference(size=size, output=output, case=case.description)
    return worst


@torch.no_grad()
def encoder_cases(model: Sam, num_cases: int, seed: int = 0) -> Iterator[Case]:
    """Noise images of random sizes, the longer side S, against `Sam.encode_images`."""
    rng, S = np.random.default_rng(seed), model.config.image_size
    for _ in range(num_cases):
        sides = [S, int(rng.integers(max(1, S // 5), S + 1))]
        height, width = sides if rng.random() < 0.5 else sides[::-1]
        images = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        pixels = torch.from_numpy(images[0]).permute(2, 0, 1).float()
        features = feature_tensors(model.encode_images(model.preprocess([pixels])))
        yield Case(
            description=f"an image of {width} x {height}",
            inputs={"images": images},
            expected=dict(zip(FEATURE_NAMES, (f.numpy() for f in features), strict=False)),
        )


@torch.no_grad()
def decoder_cases(
    model: Sam, features: tuple[Tensor, ...], num_cases: int, seed: int = 0
) -> Iterator[Case]:
    """Random prompts about one image of a random size, against `Sam.decode`.

    Args:
        model: whose decoder it is.
        features: of one image, as `feature_tensors` orders them.
        num_cases: each has 1 to 3 prompts of 0 to 20 points and 0 to 5 boxes, some with a mask.
        seed: the same cases for the same seed.
    """
    rng, side = np.random.default_rng(seed), model.config.mask_size
    for _ in range(num_cases):
        H, W = (int(n) for n in rng.integers(1, 3000, 2))
        counts = rng.integers(
            0, [MAX_POINTS + 1, MAX_BOXES + 1], (int(rng.integers(1, MAX_PROMPTS + 1)), 2)
        )
        has_mask = rng.random(len(counts)) < 0.5
        coords, labels = _random_points(rng, counts, (H, W))
        masks = rng.normal(0, 5, (len(counts), 1, side, side)).astype(np.float32)
        prompts = _prompt_tensors(coords, labels, masks, has_mask, (H, W), model)
        index = torch.zeros(len(counts), dtype=torch.int64)
        decoded = model.decode(image_features(features), prompts, index, multimask_output=None)
        yield Case(
            description=f"{W} x {H} pixels, (points, boxes) {counts.tolist()}, "
            f"with mask {has_mask.tolist()}",
            inputs={
                "original_sizes": np.array([[H, W]]),
                "point_coords": coords,
                "point_labels": labels,
                "mask_input": masks,
                "has_mask_input": has_mask.astype(np.float32),
                **dict(zip(FEATURE_NAMES, (f.numpy() for f in features), strict=False)),
            },
            expected={
                "low_res_logits": decoded.low_res_logits.numpy(),
                "iou_predictions": decoded.iou_predictions.numpy(),
            },
        )


def upscale_cases(model: Sam, num_cases: int, seed: int = 0) -> Iterator[Case]:
    """Random smooth logits to random sizes, against `upscale_logits`."""
    rng, config = np.random.default_rng(seed), model.config
    for _ in range(num_cases):
        H, W = (int(n) for n in rng.integers(1, 700, 2))
        frame = ImageFrame(original_size=(H, W), image_size=config.image_size)
        # smooth as masks are: on noise the rounding of coordinates alone would exceed 1e-4
        coarse = torch.from_numpy(rng.normal(0, 5, (1, 2, 8, 8)).astype(np.float32))
        logits = F.interpolate(coarse, (config.mask_size,) * 2, mode="bilinear").numpy()
        full = [upscale_logits(torch.from_numpy(one), frame) for one in logits[0]]
        yield Case(
            description=f"{W} x {H} pixels",
            inputs={"low_res_logits": logits, "original_size": np.array([H, W])},
            expected={"mask_logits": torch.stack(full)[None].numpy()},
        )


def _random_points(
    rng: np.random.Generator, counts: NDArray[np.int64], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(P, N, 2) points and the corners of boxes, and their labels (P, N); N may be 0."""
    H, W = size
    N = int((counts @ [1, 2]).max())
    coords = (rng.random((len(counts), N, 2)) * [W, H]).astype(np.float32)
    labels = np.full((len(counts), N), PointLabel.ABSENT, dtype=np.int64)
    for row, (num_points, num_boxes) in zip(labels, counts, strict=True):
        corners = [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT] * num_boxes
        row[: num_points + 2 * num_boxes] = [*rng.integers(0, 2, num_points), *corners]
    return coords, labels


def _prompt_tensors(
    coords: NDArray[np.float32],
    labels: NDArray[np.int64],
    masks: NDArray[np.float32],
    has_mask: NDArray[np.bool_],
    size: tuple[int, int],
    model: Sam,
) -> PromptTensors:
    """The same prompts as `pack_prompts` packs them: prompts of points alone get a padding."""
    frame = ImageFrame(original_size=size, image_size=model.config.image_size)
    has_points = ((labels == 0) | (labels == 1)).any(axis=1)
    has_box = (labels == PointLabel.BOX_TOP_LEFT).any(axis=1)
    last = np.where(has_points & ~has_box, PointLabel.PADDING, PointLabel.ABSENT)
    in_model = np.pad(frame.points_to_model(coords), ((0, 0), (0, 1), (0, 0)))
    return PromptTensors(
        point_coords=torch.from_numpy(in_model),
        point_labels=torch.from_numpy(np.column_stack([labels, last])),
        mask_input=torch.from_numpy(masks),
        has_mask=torch.from_numpy(has_mask),
    )


def mask_agreement(
    truth: Predictor,
    other: Predictor,
    images: Sequence[NDArray[np.uint8]],
    clicks_per_side: int = 4,
) -> float:
    """Return the mean IoU of two predictors' masks over a grid of clicks on each image.

    At full size; of each click the masks that `truth` thinks best are compared.
    """
    ious = []
    for image in images:
        H, W = image.shape[:2]
        grid = (np.indices((clicks_per_side, clicks_per_side)).reshape(2, -1).T + 0.5)[:, ::-1]
        prompts = [Prompt(point_coords=[xy]) for xy in grid / clicks_per_side * [W, H]]
        pair = [each.predict(each.embed(image), prompts) for each in (truth, other)]
        for expected, found in zip(*pair, strict=True):
            a, b = (answer.masks[expected.best] for answer in (expected, found))
            union = np.count_nonzero(a | b)
            ious.append(np.count_nonzero(a & b) / union if union else 1.0)
    return float(np.mean(ious))
