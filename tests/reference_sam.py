"""The reference package's network of any size, with weights that a comparison cannot miss."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from anymask.evaluation.speed import reference_package
from anymask.model.checkpoint_layouts import from_official
from anymask.model.checkpoints import build_sam
from anymask.model.config import SamConfig
from anymask.model.sam import Sam


def import_segment_anything() -> ModuleType:
    """Return the reference package, or skip the test when it is not installed."""
    package = reference_package.import_segment_anything()
    if package is None:
        pytest.skip("segment-anything is not installed", allow_module_level=True)
    return package


def build_reference(config: SamConfig) -> Any:
    """Return `segment_anything`'s Sam of that configuration in evaluation mode."""
    return reference_package.build_reference(import_segment_anything(), config)


def randomise(model: nn.Module, seed: int) -> None:
    """Move every parameter that starts as zeros or ones, so that none of them is without effect."""
    reference_package.randomise(model, seed, spread=0.3)


def vivid_pair(config: SamConfig, image: np.ndarray) -> tuple[Any, Sam]:
    """Return the reference's network and ours with its weights.

    Strong decoder weights and a high threshold, found on the image: masks of many shapes.
    """
    torch.manual_seed(0)
    reference = build_reference(config)
    randomise(reference, seed=4)
    with torch.no_grad():
        for parameter in reference.mask_decoder.parameters():
            parameter *= 3 if parameter.ndim > 1 else 1
    predictor = import_segment_anything().SamPredictor(reference)
    predictor.set_image(image)
    logits = predictor.predict(np.array([[50, 37]]), np.array([1]))[2]
    reference.mask_threshold = float(np.percentile(logits, 95))
    ours = build_sam(replace(config, mask_threshold=reference.mask_threshold))
    ours.load_state_dict(from_official(reference.state_dict()))
    return reference, ours
