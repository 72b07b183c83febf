"""Shorter floating-point types: for the weights in memory, and for the products with them."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn


def store_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Keeps the weights of linear layers and convolutions in `dtype`, in place.

    Norms and embeddings stay as they are, and so does what they make: under `torch.autocast` the
    sums along a deep network are then of the longer type (float16 alone overflows in ViT-H).
    """
    for layer in _product_layers(module):
        layer.to(dtype)


def stored_dtypes(module: nn.Module) -> set[torch.dtype]:
    """The dtypes of the weights that `store_weights` is about."""
    return {layer.weight.dtype for layer in _product_layers(module)}


def products_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Within it linear layers and convolutions multiply in `dtype`, whatever their weights' is.

    Nothing changes for float32, and nothing inside a `torch.autocast` of the caller's.
    """
    if dtype == torch.float32 or torch.is_autocast_enabled(device.type):
        return nullcontext()
    # A weight that is not kept in this type is used once: a cache would only take memory.
    return torch.autocast(device.type, dtype, cache_enabled=False)


def _product_layers(module: nn.Module) -> list[nn.Linear | nn.Conv2d | nn.ConvTranspose2d]:
    return [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]
