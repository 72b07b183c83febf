"""The picture of masked pre-training: photographs, what is left of them, what is painted."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.model.mae import Mae, patchify, unpatchify
from anymask.training.photo_batches import PhotoBatch

_HIDDEN_GREY = 128.0
_GAP = 4  # pixels between pictures


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction:
    """(B, 3, S, S) float32 RGB of 0..255 each."""

    originals: Tensor
    masked: Tensor
    painted: Tensor


@torch.no_grad()
def reconstruct(mae: Mae, batch: PhotoBatch) -> Reconstruction:
    """Each photograph with its hidden patches grey, and as the auto-encoder paints it.

    See `Mae.reconstruct` for what normalised targets mean for the last.
    """
    device = mae.pixel_mean.device
    originals, visible = batch.images.to(device).float(), batch.visible.to(device)
    images = mae.preprocess(originals)
    patch = mae.config.image_encoder.patch_size
    patches = patchify(originals, patch)
    index = visible.unsqueeze(-1).expand(-1, -1, patches.shape[-1])
    grey = torch.full_like(patches, _HIDDEN_GREY).scatter(1, index, patches.gather(1, index))
    painted = mae.reconstruct(mae(images, visible), images, visible)
    return Reconstruction(
        originals=originals.cpu(), masked=unpatchify(grey, patch).cpu(), painted=painted.cpu()
    )


def draw_reconstructions(pictures: Reconstruction, columns: int = 2) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: original | masked | painted, `columns` photographs side by side."""
    triples = [
        np.concatenate([_framed(image) for image in triple], axis=1)
        for triple in zip(pictures.originals, pictures.masked, pictures.painted, strict=True)
    ]
    empty = np.full_like(triples[0], 255)
    triples += [empty] * (-len(triples) % columns)
    rows = [
        np.concatenate(triples[start : start + columns], axis=1)
        for start in range(0, len(triples), columns)
    ]
    return np.concatenate(rows, axis=0)


def _framed(image: Tensor) -> NDArray[np.uint8]:
    """A (3, S, S) picture as (S + gap, S + gap, 3) bytes with white to its right and below."""
    pixels = image.round().to(torch.uint8).permute(1, 2, 0).numpy()
    return np.pad(pixels, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
