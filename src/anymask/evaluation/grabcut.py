"""The GrabCut baseline (OpenCV): the mask a user got from a box before learned models."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import MissingExtraError, OutputError
from anymask.core.files import write_json
from anymask.dataset.labelled import LabelledMask
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.protocol import BoolArray

ITERATIONS = 5
MAX_SIDE = 480  # GrabCut takes seconds at full size; its mask is scaled back (nearest pixel).
_MIN_SAMPLES = 5  # OpenCV fits mixtures of five colours to the pixels inside and outside the box.


@dataclass(frozen=True, kw_only=True)
class GrabCut:
    """Scores GrabCut from tight boxes; results are kept in `cache_folder`, since they are slow.

    A result is found again by the content of the picture and of the mask, so a changed set never
    meets an old result. None keeps nothing.
    """

    cache_folder: Path | None = None

    def score(self, image: NDArray[np.uint8], masks: Sequence[LabelledMask]) -> list[float]:
        """Return the IoU of GrabCut's mask from each mask's box; `image` is (H, W, 3) uint8 RGB.

        Raises:
            MissingExtraError: OpenCV is not installed.
            OutputError: the cache folder cannot be written.
        """
        file = self._cache_file(image)
        known = _read_cache(file)
        keys = [_mask_key(mask) for mask in masks]
        for key, mask in zip(keys, masks, strict=True):
            if key not in known:
                cut = grabcut_mask(image, mask.rle.to_box())
                known[key] = float(masks_iou(cut[None], mask.rle.to_mask())[0])
        if file is not None:
            _write_cache(file, known)
        return [known[key] for key in keys]

    def _cache_file(self, image: NDArray[np.uint8]) -> Path | None:
        if self.cache_folder is None:
            return None
        content = hashlib.sha256(repr((image.shape, ITERATIONS, MAX_SIDE)).encode())
        content.update(image.tobytes())
        return self.cache_folder / f"{content.hexdigest()[:32]}.json"


def grabcut_mask(image: NDArray[np.uint8], box: NDArray[np.floating]) -> BoolArray:
    """Return GrabCut's mask (H, W) of what is in `box` (4,) xyxy half-open, not expanded.

    Five iterations at a longest side of 480 at most, the mask scaled back. The filled box is
    returned where the method has no answer: too few pixels inside or outside the box to fit its
    colour models, or nothing found.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("opencv-python-headless", "eval") from None
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    small_size = (max(1, round(width * scale)), max(1, round(height * scale)))  # cv2: (W, H)
    small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = _scale_box(box, (height, width), (small.shape[0], small.shape[1]))
    labels = np.full(small.shape[:2], cv2.GC_BGD, dtype=np.uint8)
    labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
    inside = (y1 - y0) * (x1 - x0)
    filled = np.zeros((height, width), dtype=bool)
    filled[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    if min(inside, labels.size - inside) < _MIN_SAMPLES:
        return filled
    cv2.setRNGSeed(0)  # Its k-means start is drawn; the same box must give the same mask.
    background, foreground = np.zeros((2, 1, 65))
    bgr = np.ascontiguousarray(small[..., ::-1])
    cv2.grabCut(
        bgr, labels, (0, 0, 1, 1), background, foreground, ITERATIONS, cv2.GC_INIT_WITH_MASK
    )
    found = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    mask = cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    return mask if mask.any() else filled


def _scale_box(
    box: NDArray[np.floating], original: tuple[int, int], small: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the box on the small picture, at least a pixel wide and high."""
    factors = np.array([small[1] / original[1], small[0] / original[0]] * 2)
    x0, y0, x1, y1 = (int(value) for value in np.round(np.asarray(box) * factors))
    x0, y0 = min(x0, small[1] - 1), min(y0, small[0] - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _mask_key(mask: LabelledMask) -> str:
    counts = np.ascontiguousarray(mask.rle.counts, dtype=np.int64)
    return hashlib.sha256(counts.tobytes()).hexdigest()[:32]


def _read_cache(file: Path | None) -> dict[str, float]:
    if file is None:
        return {}
    try:
        return {str(key): float(value) for key, value in json.loads(file.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # Not there, or damaged: computed again and rewritten.


def _write_cache(file: Path, known: dict[str, float]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cache folder {file.parent} could not be made: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder that can be written."
        ) from None
    write_json(file, known)
