"""What a model in training does with held-out images, to look at.

One row an image: its target, the answer to the target's box, the answer to a click, each answer
with its IoU.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.errors import OutputError
from anymask.core.geometry import mask_iou
from anymask.core.image_io import write_png
from anymask.core.prompts import PointLabel, Prompt
from anymask.inference.overlay import draw_overlay
from anymask.inference.overlay_labels import draw_labels
from anymask.model.features import PromptTensors
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch
from anymask.training.encoding import encode_batch
from anymask.training.validation import centre_points

_MOST_IMAGES = 8
_TILE_SIDE = 256
_GAP = 4


@torch.no_grad()
def draw_validation(model: Sam, batch: TrainBatch, path: Path) -> None:
    """Writes the picture, one target for each of the first images of the batch.

    Args:
        model: in evaluation mode.
        batch: from `make_validation_batch`.
        path: a .png file; its folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    chosen = _largest_of_each_image(batch)[:_MOST_IMAGES]
    device = next(model.parameters()).device
    features = encode_batch(model, batch.images)
    targets, boxes = batch.target_masks[chosen], batch.target_boxes[chosen]
    points = centre_points(targets)
    asked = {
        "box": (boxes.reshape(-1, 2, 2), [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]),
        "click": (
            torch.stack([points, torch.zeros_like(points)], dim=1),
            [PointLabel.FOREGROUND, PointLabel.PADDING],
        ),
    }
    answers = {}
    for name, (coords, labels) in asked.items():
        prompts = PromptTensors(
            point_coords=coords.to(device),
            point_labels=torch.tensor(labels, device=device).expand(len(chosen), -1),
        )
        index = batch.image_index[chosen].to(device)
        decoded = model.decode(features, prompts, index, multimask_output=True)
        answers[name] = _at_full_size(decoded.best()[:, 0].float().cpu(), batch.image_size) > 0
    truths = (_at_full_size(targets, batch.image_size) > 0.5).numpy()
    rows = []
    for i, target in enumerate(chosen):
        image = batch.images[batch.image_index[target]].permute(1, 2, 0).numpy()
        shown = {
            "box": Prompt(box=boxes[i].numpy()),
            "click": Prompt(point_coords=points[i : i + 1].numpy() - 0.5),  # to pixel centres
        }
        row = [_tile(image, truths[i], "target")]
        for name, prompt in shown.items():
            mask = answers[name][i].numpy()
            label = f"{name} {mask_iou(mask, truths[i]):.2f}"
            row.append(_tile(image, mask, label, prompt))
        rows.append(_joined(row, axis=1))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path.parent} could not be created: {error.strerror}. Make room."
        ) from None
    write_png(path, _joined(rows, axis=0))


def _largest_of_each_image(batch: TrainBatch) -> list[int]:
    """One target of each image: the targets of a validation batch come largest first."""
    images = batch.image_index.tolist()
    return [images.index(b) for b in range(batch.images.shape[0])]


def _at_full_size(maps: Tensor, side: int) -> Tensor:
    return F.interpolate(maps.unsqueeze(1), (side, side), mode="bilinear")[:, 0]


def _tile(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], label: str, *prompts: Prompt
) -> NDArray[np.uint8]:
    """The overlay, enlarged a whole number of times to about the tiles' side, and its label."""
    factor = max(1, _TILE_SIDE // image.shape[0])
    overlay = draw_overlay(image, [mask], prompts).repeat(factor, 0).repeat(factor, 1)
    return draw_labels(overlay, [mask.repeat(factor, 0).repeat(factor, 1)], [label])


def _joined(pictures: list[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    """Side by side or below each other, with white gaps."""
    shape = list(pictures[0].shape)
    shape[axis] = _GAP
    gap = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=axis)
