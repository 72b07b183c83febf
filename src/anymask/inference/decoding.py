"""The decoder in use: what prompts share is made once an image, and few go through it together."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.sam import Sam
from anymask.model.two_way_transformer import PreparedCells

# A CPU decodes a few prompts at a time: for larger tensors malloc maps fresh pages each time, which
# costs more than the arithmetic; with fewer prompts the many calls cost more.
_LARGEST_TENSOR_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodableImage:
    """One image as the decoder reads it.

    Attributes:
        features: of the image (B = 1), in the dtype of the work on its cells.
        prepared: what all prompts about it share.
    """

    features: ImageFeatures
    prepared: PreparedCells


def prepare_decoding(model: Sam, features: ImageFeatures, dtype: torch.dtype) -> DecodableImage:
    """Return what decoding needs of one image's float32 features (B = 1), to work in `dtype`."""
    return DecodableImage(
        features=features.map(lambda x: x.to(dtype)),
        prepared=model.prepare_image(features).to(dtype),
    )


def decode_prompts(
    model: Sam,
    image: DecodableImage,
    prompts: PromptTensors,
    *,
    multimask_output: bool,
    decode: Callable[..., DecodedMasks] | None = None,
) -> DecodedMasks:
    """Return the float32 answers to P prompts about one image, in their order.

    Args:
        model: whose decoder answers.
        image: prepared by the same model.
        prompts: P of them.
        multimask_output: as of `Sam.decode`.
        decode: that method, translated for the device; None for itself.
    """
    decode = decode or model.decode
    P, cells = len(prompts.point_labels), image.features.image_embeddings
    parts = prompts.split(_prompts_at_once(model, cells) or P)
    answers = [
        decode(
            image.features,
            part,
            torch.zeros(len(part.point_labels), dtype=torch.int64, device=cells.device),
            multimask_output=multimask_output,
            prepared=image.prepared,
        )
        for part in parts
    ]
    # Joining copies: a CUDA graph writes its next answer over this one.
    decoded = DecodedMasks.cat(answers)
    return DecodedMasks(
        low_res_logits=decoded.low_res_logits.float(),
        iou_predictions=decoded.iou_predictions.float(),
    )


def _prompts_at_once(model: Sam, cells: torch.Tensor) -> int | None:
    """How many prompts are decoded together; None for all."""
    if cells.device.type != "cpu":
        return None
    config = model.config
    upscaled_bytes = cells.itemsize * config.mask_size**2 * config.embed_dim // 8
    return max(1, _LARGEST_TENSOR_BYTES // upscaled_bytes)
