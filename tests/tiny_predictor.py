"""Predictors of tiny random models: real code paths without weights."""

from functools import cache

import numpy as np

from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset


@cache
def tiny_predictor(name: str = "tiny") -> Predictor:
    """Return a predictor of the preset with seeded weights on the CPU."""
    return Predictor(build_sam(preset(name), seed=7), f"{name}-test", "cpu", "float32")


def noise_image(height: int = 50, width: int = 70, seed: int = 0) -> np.ndarray:
    """Return an image (height, width, 3) uint8 of coarse noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 5 + 1, width // 5 + 1, 3))
    fine = coarse.repeat(5, axis=0).repeat(5, axis=1)[:height, :width]
    return np.ascontiguousarray(fine.astype(np.uint8))
