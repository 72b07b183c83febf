"""The reference package's network of any size, with weights that a comparison cannot miss."""

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from anymask.evaluation.speed import reference_package
from anymask.model.config import SamConfig


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
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
