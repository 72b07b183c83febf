"""The five functions of torchvision that segment-anything needs, so that tests run without it."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor


def import_segment_anything() -> ModuleType:
    """Return the reference package, or skip the test when it is not installed."""
    if importlib.util.find_spec("torchvision") is not None:
        return pytest.importorskip("segment_anything")
    modules = _modules()
    sys.modules.update(modules)
    try:
        return pytest.importorskip("segment_anything")
    finally:
        # The package holds the functions now; others must not take these for the real thing.
        for name in modules:
            del sys.modules[name]


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the image at size (height, width), bilinear with antialiasing."""
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def to_pil_image(array: np.ndarray) -> Image.Image:
    """Return a Pillow image of (H, W, 3) uint8."""
    return Image.fromarray(array)


def box_area(boxes: Tensor) -> Tensor:
    """Return (N,) areas of xyxy boxes (N, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return indices of the boxes that survive greedy suppression, best score first."""
    areas = box_area(boxes)
    order = scores.sort(descending=True, stable=True).indices
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = (high - low).clamp(min=0).prod(dim=1)
        iou = overlap / (areas[best] + areas[rest] - overlap)
        order = rest[~(iou > iou_threshold)]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Return what `nms` keeps when boxes of different `idxs` never suppress each other."""
    if not boxes.numel():
        return torch.empty(0, dtype=torch.int64)
    offsets = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores, iou_threshold)


def _modules() -> dict[str, ModuleType]:
    contents = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"nms": nms, "batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": resize, "to_pil_image": to_pil_image},
    }
    modules = {}
    for name, functions in contents.items():
        modules[name] = ModuleType(name)
        modules[name].__dict__.update(functions)
    return modules
