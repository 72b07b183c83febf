"""Looking closer: what is small in an image is embedded again, with its surroundings alone.

A model that sees an image at a few hundred pixels draws small objects coarsely. Where a prompt
tells how large its object is, by a box or by an earlier mask, the part of the image around it can
fill the model's square instead, for the price of one more pass of the encoder. Interactive models
gain much by it ("zoom-in", Sofiiuk et al. 2021; focus crops, Chen et al. 2022); for the default
model it is worth more than any further training was (docs/experiments.md, 20).

Letters: M masks, h w cells of the logits, H W pixels of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.core.close_up import Region, region_around, region_around_click, size_fraction
from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.geometry import mask_to_box
from anymask.core.image_io import to_rgb_array
from anymask.core.prompts import Prompt
from anymask.inference.close_up_prediction import CloseUpPrediction
from anymask.inference.embedding import ImageEmbedding, MaskPrediction
from anymask.inference.logits_grid import LogitsGrid, resample_logits
from anymask.inference.predictor import ImageLike, Predictor
from anymask.inference.prompt_tensors import is_ambiguous
from anymask.inference.two_views import TwoViewPrediction, choose_masks

MARGIN = 3.0
CLICK_FRACTION = 0.35


@dataclass(frozen=True, kw_only=True, eq=False)
class CloseUpEmbedding:
    """An encoded image that can be looked at again.

    Attributes:
        whole: the embedding of the whole image.
        image: (H, W, 3) uint8 RGB.
    """

    whole: ImageEmbedding
    image: NDArray[np.uint8]


Answer = MaskPrediction | CloseUpPrediction | TwoViewPrediction


class CloseUpPredictor:
    """A predictor that looks closer at small objects; it is asked like any other.

    A first click on its own says nothing about size: asked for three masks it is answered from the
    whole image and from a square around it, and the three best of the six stay.

    Args:
        predictor: answers about the whole image and about parts of it.
        max_fraction: an object is small when its box is, along each axis, below this part of the
            image; None takes what the model's configuration names, 0 never looks closer.
        margin: the sides of the part that is looked at by those of the object.
        click_fraction: the side of the square around a first click by the image's longer side.

    Raises:
        InvalidInputError: a fraction is not in [0, 1], or margin is below 1.
    """

    def __init__(
        self,
        predictor: Predictor,
        max_fraction: float | None = None,
        margin: float = MARGIN,
        click_fraction: float = CLICK_FRACTION,
    ) -> None:
        if max_fraction is None:
            max_fraction = predictor.model.config.close_up_fraction
        for name, value in (("max_fraction", max_fraction), ("click_fraction", click_fraction)):
            if not 0 <= value <= 1:
                raise InvalidInputError(f"{name} must be between 0 and 1, got {value}. Try 0.2.")
        if not margin >= 1:
            raise InvalidInputError(f"margin must be at least 1, got {margin}. Try 3.")
        self.predictor = predictor
        self.max_fraction = max_fraction
        self.margin = margin
        self.click_fraction = click_fraction if max_fraction > 0 else 0.0

    def embed(self, image: ImageLike) -> CloseUpEmbedding:
        """Return the embedding of an image (H, W, 3) uint8 RGB or of a Pillow image.

        Raises:
            InvalidInputError: the image is not RGB bytes or has no pixels.
        """
        pixels = to_rgb_array(image)
        return CloseUpEmbedding(whole=self.predictor.embed(pixels), image=pixels)

    def predict(
        self,
        embedding: CloseUpEmbedding,
        prompts: Sequence[Prompt],
        *,
        multimask_output: bool | None = None,
    ) -> tuple[Answer, ...]:
        """Return one answer a prompt; prompts and answers are about the whole image.

        Raises:
            InvalidInputError: as `Predictor.predict`.
        """
        self.predictor.check(embedding.whole, prompts)
        frame = embedding.whole.frame
        regions = [self._region(frame, prompt) for prompt in prompts]
        from_whole = [p for p, region in zip(prompts, regions, strict=True) if region is None]
        answers = iter(
            self.predictor.predict(embedding.whole, from_whole, multimask_output=multimask_output)
        )
        return tuple(
            self._look_again(embedding, prompt, next(answers), multimask_output)
            if region is None
            else self._look(embedding, prompt, region, multimask_output)
            for prompt, region in zip(prompts, regions, strict=True)
        )

    def _region(self, frame: ImageFrame, prompt: Prompt) -> Region | None:
        """The part of the image to look at; None where the object is large or its size unknown."""
        box = _known_box(prompt, frame, self.predictor.model.config.mask_threshold)
        if box is None:
            return None
        if size_fraction(box.tolist(), frame.original_size) >= self.max_fraction:
            return None
        return region_around(box.tolist(), self.margin, frame.original_size)

    def _look_again(
        self,
        embedding: CloseUpEmbedding,
        prompt: Prompt,
        answer: MaskPrediction,
        multimask_output: bool | None,
    ) -> MaskPrediction | TwoViewPrediction:
        """Of a first click that may mean several things, the masks of both views."""
        is_first_click = prompt.num_points == 1 and is_ambiguous(prompt)
        if not is_first_click or multimask_output is False or self.click_fraction == 0:
            return answer
        size = embedding.whole.frame.original_size
        region = region_around_click(prompt.point_coords[0], self.click_fraction, size)
        return choose_masks(answer, self._look(embedding, prompt, region, multimask_output))

    def _look(
        self,
        embedding: CloseUpEmbedding,
        prompt: Prompt,
        region: Region,
        multimask_output: bool | None,
    ) -> CloseUpPrediction:
        x0, y0, x1, y1 = region
        part = self.predictor.embed(np.ascontiguousarray(embedding.image[y0:y1, x0:x1]))
        moved = _moved(prompt, embedding.whole.frame, part.frame, (x0, y0))
        return CloseUpPrediction(
            part=self.predictor.predict(part, moved, multimask_output=multimask_output),
            region=region,
            frame=embedding.whole.frame,
        )


def _known_box(prompt: Prompt, frame: ImageFrame, threshold: float) -> NDArray[np.float32] | None:
    """The box (4,) around all that a prompt says of its object; None without box or mask."""
    parts = []
    if prompt.box is not None:
        parts.append(prompt.box)
    if prompt.mask_input is not None:
        logits = prompt.mask_input[0]
        grid = LogitsGrid(frame=frame, size=logits.shape[-1])
        cells = mask_to_box(logits > threshold)
        if cells.any():
            parts.append(cells * np.tile(grid.cell_px, 2).astype(np.float32))
    if not parts:
        return None
    if prompt.point_coords is not None:
        parts += [np.tile(point, 2) for point in prompt.point_coords]
    corners = np.stack(parts)
    return np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)])


def _moved(
    prompt: Prompt, frame: ImageFrame, part_frame: ImageFrame, corner: tuple[int, int]
) -> Prompt:
    """The prompt about a whole image as one about its part."""
    offset = np.array(corner, dtype=np.float32)
    points, box, logits = prompt.point_coords, prompt.box, prompt.mask_input
    if logits is not None:
        size = logits.shape[-1]
        whole = LogitsGrid(frame=frame, size=size)
        part = LogitsGrid(frame=part_frame, corner=corner, size=size)
        logits = resample_logits(logits[0], whole, part)
    return Prompt(
        point_coords=None if points is None else points - offset,
        point_labels=prompt.point_labels,
        box=None if box is None else box - np.tile(offset, 2),
        mask_input=logits,
        text=prompt.text,
    )
