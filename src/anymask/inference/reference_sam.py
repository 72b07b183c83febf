"""The reference package's model object: its registry, its members, its batched call.

Letters: P prompts of an image, N points, M masks.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from anymask.core.errors import CheckpointError
from anymask.core.frames import PIXEL_CENTER_OFFSET, ImageFrame
from anymask.core.prompts import PointLabel
from anymask.inference.decoding import DecodableImage, decode_prompts, prepare_decoding
from anymask.inference.mask_tensors import upscale_logits
from anymask.inference.mask_upscaling import MaskUpscaler
from anymask.inference.prompt_tensors import BOX_LABELS
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.features import PromptTensors
from anymask.model.presets import preset
from anymask.model.sam import Sam


class ReferenceSam(Sam):
    """A `Sam` with the members of the reference's class, for code that uses them."""

    image_format = "RGB"

    def __init__(self, sam: Sam) -> None:
        super().__init__(sam.config)
        self.load_state_dict(sam.state_dict())
        self.image_encoder.img_size = sam.config.image_size  # type: ignore[assignment]
        self.mask_threshold = sam.config.mask_threshold

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.pixel_mean.device

    @torch.no_grad()
    def forward(
        self, batched_input: Sequence[Mapping[str, Any]], multimask_output: bool
    ) -> list[dict[str, Tensor]]:
        """Return masks, iou_predictions and low_res_logits for each image of a batch.

        Args:
            batched_input: for each image a mapping with "image" (3, height, width) of 0..255,
                scaled; "original_size" (H, W); and, scaled, any of "point_coords" (P, N, 2) with
                "point_labels" (P, N), "boxes" (P, 4), "mask_inputs" (P, 1, h, w).
            multimask_output: three masks instead of one.
        """
        features = self.encode_images(self.preprocess([row["image"] for row in batched_input]))
        answers = []
        for i, row in enumerate(batched_input):
            prompts = pack_scaled_prompts(
                row.get("point_coords"),
                row.get("point_labels"),
                row.get("boxes"),
                row.get("mask_inputs"),
                self.device,
            )
            one = features.map(lambda x, i=i: x[i : i + 1])  # type: ignore[misc]
            H, W = row["original_size"]
            masks, ious, low_res_logits = answer_prompts(
                self,
                prepare_decoding(self, one, torch.float32),
                (int(H), int(W)),
                prompts,
                multimask_output,
                return_logits=False,
            )
            answers.append(
                {
                    "masks": masks,
                    "iou_predictions": ious,
                    "low_res_logits": low_res_logits,
                }
            )
        return answers


def answer_prompts(
    model: Sam,
    image: DecodableImage,
    original_size: tuple[int, int],
    prompts: PromptTensors,
    multimask_output: bool,
    *,
    return_logits: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return masks (P, M, H, W), IoU (P, M) and low-resolution logits (P, M, h, w) of P prompts.

    The masks are bool or, with `return_logits`, float32 logits.
    """
    decoded = decode_prompts(model, image, prompts, multimask_output=multimask_output)
    config = model.config
    frame = ImageFrame(original_size=original_size, image_size=config.image_size)
    logits = decoded.low_res_logits
    flat = logits.flatten(0, 1)
    if return_logits:
        masks = torch.stack([upscale_logits(one, frame) for one in flat])
    else:
        upscaler = MaskUpscaler(frame, config.mask_size, logits.device)
        masks = torch.from_numpy(upscaler.masks(flat, config.mask_threshold)).to(logits.device)
    masks = torch.unflatten(masks, 0, logits.shape[:2])
    return masks, decoded.iou_predictions, logits


def pack_scaled_prompts(
    point_coords: Tensor | None,
    point_labels: Tensor | None,
    boxes: Tensor | None,
    mask_input: Tensor | None,
    device: torch.device,
) -> PromptTensors:
    """Return P prompts, scaled as the reference scales them, as the network takes them.

    Half a pixel is added; the box's corners, or without a box a padding point, are appended.
    """
    given = [x for x in (point_coords, boxes, mask_input) if x is not None]
    P = len(given[0]) if given else 1
    coords, labels = [], []
    if point_coords is not None and point_labels is not None:
        coords.append(point_coords + PIXEL_CENTER_OFFSET)
        labels.append(point_labels.to(torch.int64))
    if boxes is not None:
        coords.append(boxes.reshape(-1, 2, 2) + PIXEL_CENTER_OFFSET)
        labels.append(torch.tensor(BOX_LABELS, device=device).expand(P, 2))
    else:
        filler = PointLabel.PADDING if coords else PointLabel.ABSENT
        coords.append(torch.zeros(P, 1, 2, device=device))
        labels.append(torch.full((P, 1), filler, device=device))
    return PromptTensors(
        point_coords=torch.cat(coords, dim=1).float(),
        point_labels=torch.cat(labels, dim=1),
        mask_input=None if mask_input is None else mask_input.expand(P, -1, -1, -1),
    )


def _build(name: str, checkpoint: str | None = None) -> ReferenceSam:
    """Return the model of that name in evaluation mode, with random weights without checkpoint.

    Raises:
        CheckpointError: the file is damaged or holds another model.
    """
    config = preset(name)
    if checkpoint is None:
        return ReferenceSam(load_sam(None)[0] if name == "small" else build_sam(config)).eval()
    model, _ = load_sam(checkpoint)
    if model.config.image_encoder != config.image_encoder:
        raise CheckpointError(
            f"checkpoint must hold the model {name}, got {model.config.name}. "
            "Take the registry entry of that name."
        )
    return ReferenceSam(model).eval()


sam_model_registry: dict[str, Callable[..., ReferenceSam]] = {
    "default": partial(_build, "vit_h"),  # as in the reference
    "vit_h": partial(_build, "vit_h"),
    "vit_l": partial(_build, "vit_l"),
    "vit_b": partial(_build, "vit_b"),
    "small": partial(_build, "small"),
}
