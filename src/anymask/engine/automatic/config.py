"""What the automatic stage does with each photo, and the presets of it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.core.image_io import MAX_PIXELS
from anymask.dataset.release import SHORTEST_SIDE

# How long a run tries, and what a model is called: workers tell which one they loaded.
_NOT_OUTCOME = ("model", "num_tries", "photo_seconds")


@dataclass(frozen=True, kw_only=True)
class GeneratorOptions:
    """The options of `MaskGenerator`, under its names; by default the paper's (App. B).

    32 x 32 clicks on the photo, 16 x 16 on each of 2 x 2 crops, 8 x 8 on each of 4 x 4. The
    thresholds of predicted IoU and stability are the model's own, as numbers that are calibrated
    for one model mean little for another; `paper` has those of the paper.
    """

    points_per_side: int = 32
    points_per_batch: int = 64
    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    stability_score_offset: float | None = None
    box_nms_thresh: float = 0.7
    crop_num_layers: int = 2
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_points_downscale_factor: int = 2
    min_mask_region_area: float = 100
    max_mask_area_fraction: float = 0.95
    min_mask_area: float = 100
    adaptive_grid: bool = False


@dataclass(frozen=True, kw_only=True)
class AutomaticConfig:
    """How photos become a release.

    Attributes:
        model: a known model's name or a checkpoint; None for the default one.
        device: auto, cpu, cuda or mps.
        dtype: of the image encoder. "auto" may differ between machines, which a run refuses.
        generator: how masks are found, on the photo's original resolution.
        images_per_shard: photos of a shard, before any is set aside (SA-1B has 11,186).
        shortest_side: of released images, in pixels.
        released_bbox: write boxes as SA-1B has them, one short in width and height.
        blur: find faces and licence plates and conceal them before anything else.
        num_threads: of a worker's computations. Their number changes sums in the last bits, so
            that it belongs to what is made and not to the machine.
        max_pixels: larger photos are set aside before they are decoded.
        num_tries: a photo is set aside when so many tries have failed.
        photo_seconds: a try that takes longer has failed.

    Raises:
        InvalidInputError: a number is out of its range.
    """

    model: str | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    generator: GeneratorOptions = field(default_factory=GeneratorOptions)
    images_per_shard: int = 1000
    shortest_side: int = SHORTEST_SIDE
    released_bbox: bool = False
    blur: bool = True
    num_threads: int = 1
    max_pixels: int = MAX_PIXELS
    num_tries: int = 3
    photo_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Raise InvalidInputError for a number below what makes sense."""
        names = ("images_per_shard", "shortest_side", "num_threads", "max_pixels", "num_tries")
        for name in names:
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"{name} must be at least 1, got {getattr(self, name)}. Raise it."
                )
        if not self.photo_seconds > 0:
            raise InvalidInputError(
                f"photo_seconds must be above 0, got {self.photo_seconds}. Try 600."
            )

    def outcome_json(self) -> dict[str, Any]:
        """Return, as plain JSON data, all that decides what is made of a photo."""
        value = dataclasses.asdict(self)
        return {name: value[name] for name in value if name not in _NOT_OUTCOME}


def _quick() -> AutomaticConfig:
    return AutomaticConfig(
        generator=GeneratorOptions(
            crop_num_layers=0, crop_points_downscale_factor=1, adaptive_grid=True
        )
    )


def _paper() -> AutomaticConfig:
    return AutomaticConfig(
        generator=GeneratorOptions(
            pred_iou_thresh=0.88, stability_score_thresh=0.95, stability_score_offset=1.0
        )
    )


PRESETS: dict[str, Callable[[], AutomaticConfig]] = {
    "calibrated": AutomaticConfig,  # the paper's crops and grids, the model's own thresholds
    "paper": _paper,  # its thresholds as well, which are for its ViT-H
    "quick": _quick,  # the photo as a whole, a third of the clicks
}


def automatic_preset(name: str) -> AutomaticConfig:
    """Return the configuration of that name; UnknownNameError lists those that there are."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, tuple(PRESETS))
    return PRESETS[name]()
