"""Images and prompts in the original frame, put to our network and to others'."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.prompts import PointLabel
from anymask.model.features import DecodedMasks, PromptTensors
from anymask.model.sam import Sam


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """P prompts about one image; coordinates are pixels of the original."""

    image: np.ndarray
    point_coords: np.ndarray | None = None  # P N 2
    point_labels: np.ndarray | None = None  # P N
    boxes: np.ndarray | None = None  # P 4
    mask_input: Tensor | None = None  # P 1 4h 4w

    @property
    def num_prompts(self) -> int:
        given = (self.point_coords, self.boxes, self.mask_input)
        return next(len(value) for value in given if value is not None)

    def first_prompt(self) -> "Case":
        """Return the case with its first prompt only."""
        arrays = ("point_coords", "point_labels", "boxes", "mask_input")
        present = {name: getattr(self, name) for name in arrays if getattr(self, name) is not None}
        return replace(self, **{name: value[:1] for name, value in present.items()})

    def frame(self, image_size: int) -> ImageFrame:
        return ImageFrame(original_size=self.image.shape[:2], image_size=image_size)

    def resized(self, image_size: int) -> Tensor:
        """Return the (3, height, width) image whose longer side is the model's."""
        height, width = self.frame(image_size).input_size
        pixels = Image.fromarray(self.image).resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float()


PROMPTS = ("points", "boxes", "boxes_and_points", "mask_alone", "points_and_mask")


def make_case(prompts: str, *, mask_size: int, size: tuple[int, int] = (61, 97)) -> Case:
    """Return a seeded case of two prompts about an odd-sized image."""
    random = np.random.default_rng(len(prompts))
    H, W = size
    corners = np.sort(random.uniform(0, 1, (2, 2, 2)), axis=1) * (W, H)
    has_points, has_mask = "points" in prompts, "mask" in prompts
    generator = torch.Generator().manual_seed(1)
    return Case(
        image=random.integers(0, 256, (H, W, 3), dtype=np.uint8),
        point_coords=random.uniform(0, 1, (2, 3, 2)) * (W, H) if has_points else None,
        point_labels=np.array([[1, 0, 1], [1, 1, 0]]) if has_points else None,
        boxes=corners.reshape(2, 4) if "boxes" in prompts else None,
        mask_input=(
            8 * torch.randn(2, 1, mask_size, mask_size, generator=generator) if has_mask else None
        ),
    )


def to_prompt_tensors(case: Case, image_size: int) -> PromptTensors:
    """Return the prompts as ours: a box is two points, without a box there is a padding point."""
    frame, num_prompts = case.frame(image_size), case.num_prompts
    coords, labels = [np.zeros((num_prompts, 0, 2))], [np.zeros((num_prompts, 0))]
    if case.point_coords is not None:
        coords.append(frame.points_to_model(case.point_coords))
        labels.append(case.point_labels)
        if case.boxes is None:
            coords.append(np.zeros((num_prompts, 1, 2)))
            labels.append(np.full((num_prompts, 1), PointLabel.PADDING))
    if case.boxes is not None:
        coords.append(frame.boxes_to_model(case.boxes).reshape(num_prompts, 2, 2))
        corners = [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]
        labels.append(np.tile(corners, (num_prompts, 1)))
    return PromptTensors(
        point_coords=torch.from_numpy(np.concatenate(coords, axis=1)).float(),
        point_labels=torch.from_numpy(np.concatenate(labels, axis=1)).long(),
        mask_input=case.mask_input,
    )


@torch.no_grad()
def answer(model: Sam, case: Case, *, multimask_output: bool) -> tuple[Tensor, DecodedMasks]:
    """Return the image embedding and the decoded masks of our model."""
    image_size = model.config.image_size
    features = model.encode_images(model.preprocess([case.resized(image_size)]))
    prompts = to_prompt_tensors(case, image_size)
    decoded = model.decode(
        features,
        prompts,
        torch.zeros(len(prompts.point_labels), dtype=torch.int64),
        multimask_output=multimask_output,
    )
    return features.image_embeddings, decoded
