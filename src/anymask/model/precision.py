"""Weights kept in a short floating-point type, for inference."""

import torch
from torch import nn


def store_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Keeps the weights of linear layers and convolutions in `dtype`, in place.

    Norms and embeddings stay as they are, and so does what they make: under `torch.autocast` the
    sums along a deep network are then of the longer type (float16 alone overflows in ViT-H).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.to(dtype)
