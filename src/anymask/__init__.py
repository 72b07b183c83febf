"""Segment Anything, whole: `anymask.load_model()` gives a predictor; names load when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.client import Client
    from anymask.core.image_io import read_image
    from anymask.core.prompts import Prompt
    from anymask.inference.close_up import CloseUpPredictor
    from anymask.inference.facade import SamAutomaticMaskGenerator, SamPredictor
    from anymask.inference.generator import MaskGenerator
    from anymask.inference.loading import load_model
    from anymask.inference.longest_side import ResizeLongestSide
    from anymask.inference.predictor import Predictor
    from anymask.inference.reference_sam import sam_model_registry
    from anymask.inference.text_search import TextSearch

__version__ = "0.1.0"

__all__ = [
    "Client",
    "CloseUpPredictor",
    "MaskGenerator",
    "Predictor",
    "Prompt",
    "ResizeLongestSide",
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "TextSearch",
    "__version__",
    "load_model",
    "read_image",
    "sam_model_registry",
]

# Importing anymask must not import torch, which takes seconds (PEP 562).
_HOMES = {
    "Client": "anymask.client",
    "CloseUpPredictor": "anymask.inference.close_up",
    "MaskGenerator": "anymask.inference.generator",
    "Predictor": "anymask.inference.predictor",
    "Prompt": "anymask.core.prompts",
    "ResizeLongestSide": "anymask.inference.longest_side",
    "SamAutomaticMaskGenerator": "anymask.inference.facade",
    "SamPredictor": "anymask.inference.facade",
    "TextSearch": "anymask.inference.text_search",
    "load_model": "anymask.inference.loading",
    "read_image": "anymask.core.image_io",
    "sam_model_registry": "anymask.inference.reference_sam",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'anymask' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
