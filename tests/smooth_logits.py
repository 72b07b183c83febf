"""Mask logits such as a network draws: smooth blobs of both signs."""

import numpy as np
import torch
from scipy import ndimage


def smooth_logits(count: int, size: int = 32, sigma: float = 2.5) -> torch.Tensor:
    """Return (count, size, size) float32, seeded."""
    noise = np.random.default_rng(0).normal(size=(count, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma)) * 10 * sigma
    return torch.tensor(smooth, dtype=torch.float32)
