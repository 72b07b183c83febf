"""What an image encoder gives and what a prompt becomes: tensors that travel together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFeatures:
    """An encoded batch of images.

    Attributes:
        image_embeddings: (B, D, h, w).
        stride8: (B, D/4, 2h, 2w), or None for encoders without high-resolution features.
        stride4: (B, D/8, 4h, 4w), or None.
    """

    image_embeddings: Tensor
    stride8: Tensor | None = None
    stride4: Tensor | None = None

    def select(self, image_index: Tensor) -> "ImageFeatures":
        """The features of image `image_index[p]` for each prompt p; of a single image, one row."""
        B, P = self.image_embeddings.shape[0], image_index.shape[0]
        if B == 1:
            return self
        in_order = torch.arange(B, device=image_index.device).repeat_interleave(P // B)
        if torch.equal(image_index, in_order):  # a broadcast: its gradient is a sum, not a scatter
            return self.map(lambda x: x.unsqueeze(1).expand(-1, P // B, -1, -1, -1).flatten(0, 1))
        return self.map(lambda x: x[image_index])

    def map(self, function: Callable[[Tensor], Tensor]) -> "ImageFeatures":
        """The same features, each tensor passed through `function`."""
        return ImageFeatures(
            image_embeddings=function(self.image_embeddings),
            stride8=None if self.stride8 is None else function(self.stride8),
            stride4=None if self.stride4 is None else function(self.stride4),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptTensors:
    """A ragged batch of prompts, made rectangular.

    Attributes:
        point_coords: (P, N, 2) float, continuous xy of the model input (pixel centres at .5). A box
            is its two corners.
        point_labels: (P, N) int64, values of `anymask.core.prompts.PointLabel`.
        mask_input: (P, 1, 4h, 4w) float logits of an earlier prediction, or None.
        has_mask: (P,) bool, which prompts have a `mask_input`; None means all or, without
            `mask_input`, none.
        text_embeddings: (P, text_dim) float, one embedding of what is meant, or None.
        has_text: (P,) bool, which prompts have one; None means all or, without `text_embeddings`,
            none.
    """

    point_coords: Tensor
    point_labels: Tensor
    mask_input: Tensor | None = None
    has_mask: Tensor | None = None
    text_embeddings: Tensor | None = None
    has_text: Tensor | None = None

    def split(self, size: int) -> "list[PromptTensors]":
        """The prompts in order, `size` at a time."""
        P = len(self.point_labels)
        given: list[tuple[str, Tensor]] = [
            (f.name, getattr(self, f.name))
            for f in fields(self)
            if getattr(self, f.name) is not None
        ]
        return [
            PromptTensors(**{name: x[i : i + size] for name, x in given}) for i in range(0, P, size)
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedPrompts:
    """Prompts as the decoder reads them.

    Attributes:
        sparse_embeddings: (P, N, D).
        sparse_mask: (P, N) bool, False for fillers, or None when there is none.
        dense_embeddings: (P, D, h, w), or (1, D, 1, 1) when it is the same everywhere.
        stride8: (P, D/4, 2h, 2w), the prompt drawn at stride 8, or None.
        stride4: (P, D/8, 4h, 4w), the prompt drawn at stride 4, or None.
    """

    sparse_embeddings: Tensor
    sparse_mask: Tensor | None
    dense_embeddings: Tensor
    stride8: Tensor | None = None
    stride4: Tensor | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedMasks:
    """The decoder's answer: `low_res_logits` (P, M, 4h, 4w) and `iou_predictions` (P, M)."""

    low_res_logits: Tensor
    iou_predictions: Tensor

    @staticmethod
    def cat(parts: "Sequence[DecodedMasks]") -> "DecodedMasks":
        """The answers to all prompts from those to parts of them."""
        return DecodedMasks(
            low_res_logits=torch.cat([part.low_res_logits for part in parts]),
            iou_predictions=torch.cat([part.iou_predictions for part in parts]),
        )

    def best(self) -> Tensor:
        """(P, 1, 4h, 4w) logits of the mask with the highest predicted IoU."""
        index = self.iou_predictions.argmax(1)
        return self.low_res_logits[torch.arange(len(index), device=index.device), index].unsqueeze(
            1
        )
