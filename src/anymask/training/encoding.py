"""The images of a batch, encoded."""

import torch
from torch import Tensor

from anymask.model.features import ImageFeatures
from anymask.model.sam import Sam


def encode_batch(model: Sam, images: Tensor) -> ImageFeatures:
    """The features of images (B, 3, S, S) uint8 RGB, on the model's device."""
    device = next(model.parameters()).device
    inputs = model.preprocess(list(images.to(device).float()), images.shape[-1])
    return model.encode_images(inputs.contiguous(memory_format=torch.channels_last))
