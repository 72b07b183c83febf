"""Stand-ins for trained models: answers that a test can work out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anymask.core.prompts import Prompt


@dataclass(frozen=True, kw_only=True, eq=False)
class FakePrediction:
    """Masks and what a model says of them."""

    masks: np.ndarray
    iou_predictions: np.ndarray
    low_res_logits: np.ndarray


@dataclass(kw_only=True)
class DiscPredictor:
    """Answers a disc around each foreground click less those of background clicks, or the box.

    Of three masks the radii are 1, 2 and 4 pixels, the middle one claiming the highest IoU; a
    single mask has radius 2. `calls` keeps what was asked.
    """

    calls: list[tuple[int, bool]] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    num_embedded: int = 0

    def embed(self, image: np.ndarray) -> Any:
        self.num_embedded += 1
        return image.shape[:2]

    def predict(
        self, embedding: Any, prompts: Sequence[Prompt], *, multimask_output: bool | None
    ) -> list[FakePrediction]:
        self.calls.append((len(prompts), multimask_output))
        self.prompts += prompts
        radii = (1, 2, 4) if multimask_output else (2,)
        claims = np.array([0.3, 0.8, 0.5]) if multimask_output else np.array([0.9])
        return [
            FakePrediction(
                masks=np.stack([draw_answer(embedding, prompt, radius) for radius in radii]),
                iou_predictions=claims,
                low_res_logits=np.zeros((len(radii), 8, 8), dtype=np.float32),
            )
            for prompt in prompts
        ]


def draw_answer(size: tuple[int, int], prompt: Prompt, radius: float) -> np.ndarray:
    """Return the mask (H, W) that `DiscPredictor` gives."""
    y, x = np.ogrid[: size[0], : size[1]]
    mask = np.zeros(size, dtype=bool)
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        mask |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    if prompt.point_coords is not None and prompt.point_labels is not None:
        for (px, py), label in zip(prompt.point_coords, prompt.point_labels, strict=True):
            disc = (x - px) ** 2 + (y - py) ** 2 <= radius**2
            mask = mask | disc if label == 1 else mask & ~disc
    return mask
