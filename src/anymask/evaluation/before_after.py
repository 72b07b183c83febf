"""Pictures of two models beside the truth, from one click in the middle of each target."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from anymask.core.prompts import Prompt
from anymask.dataset.labelled import LabelledImage
from anymask.evaluation.clicker import next_click
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.protocol import BoolArray, Predictor
from anymask.evaluation.sampling import read_labelled_image
from anymask.inference.overlay import draw_overlay

MAX_TARGETS = 4  # the largest of an image; more would hide each other
_CAPTION_PX, _GAP_PX = 18, 4


def draw_before_after(
    before: Predictor, after: Predictor, image: LabelledImage
) -> NDArray[np.uint8]:
    """Return the targets, what `before` and what `after` answer to one click each, side by side.

    Of the three masks of a click, that of the highest predicted IoU is drawn. The picture is
    (H + caption, 3 W + gaps, 3) uint8.

    Raises:
        ImageReadError, InvalidInputError: as `read_labelled_image`.
    """
    pixels = read_labelled_image(image)
    largest = sorted(image.masks, key=lambda mask: -mask.rle.area)[:MAX_TARGETS]
    targets = [np.ascontiguousarray(mask.rle.to_mask()) for mask in largest]
    prompts = [_middle_click(target) for target in targets]
    panels = [(draw_overlay(pixels, targets), "target")]
    for name, predictor in (("before", before), ("after", after)):
        masks = _answers(predictor, pixels, prompts)
        ious = [masks_iou(m[None], t)[0] for m, t in zip(masks, targets, strict=True)]
        caption = f"{name}, 1 click: mean IoU {np.mean(ious):.2f}"
        panels.append((draw_overlay(pixels, masks, prompts), caption))
    return _side_by_side(panels)


def _middle_click(target: BoolArray) -> Prompt:
    click = next_click(target)
    assert click is not None, "a labelled mask has pixels"
    return Prompt(
        point_coords=np.array([[click.x, click.y]], dtype=np.float32),
        point_labels=np.array([int(click.label)]),
    )


def _answers(
    predictor: Predictor, pixels: NDArray[np.uint8], prompts: Sequence[Prompt]
) -> list[BoolArray]:
    predictions = predictor.predict(predictor.embed(pixels), prompts, multimask_output=True)
    return [p.masks[int(np.argmax(p.iou_predictions))] for p in predictions]


def _side_by_side(panels: Sequence[tuple[NDArray[np.uint8], str]]) -> NDArray[np.uint8]:
    height, width = panels[0][0].shape[:2]
    size = (len(panels) * (width + _GAP_PX) - _GAP_PX, height + _CAPTION_PX)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, (overlay, caption) in enumerate(panels):
        left = i * (width + _GAP_PX)
        draw.text((left + 3, 3), caption, fill="black")
        sheet.paste(Image.fromarray(overlay), (left, _CAPTION_PX))
    return np.array(sheet)
