"""What the exported files compute: the encoder, the decoder and the up-scaling as whole graphs.

They take what a caller in C++ or JavaScript has: the bytes of a resized image, points in pixels of
the original image. Everything the released model expects beyond that happens inside.

Letters: B images, P prompts, N points, K masks of a prompt, S model side, D width, h w grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.core.frames import PIXEL_CENTER_OFFSET
from anymask.core.prompts import PointLabel
from anymask.model.features import ImageFeatures, PromptTensors
from anymask.model.sam import Sam

FEATURE_NAMES = ("image_embeddings", "stride8", "stride4")


class EncoderGraph(nn.Module):
    """(B, H, W, 3) uint8 RGB, resized so that the longer side is S, to the image's features."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.image_size = model.config.image_size
        self.image_encoder = model.image_encoder
        self.register_buffer("mean", model.pixel_mean.reshape(3))
        self.register_buffer("std", model.pixel_std.reshape(3))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """`image_embeddings` (B, D, h, w) and, of encoders that have them, stride 8 and 4."""
        S = self.image_size
        B, H, W = images.shape[0], images.shape[1], images.shape[2]
        pixels = ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        square = F.pad(pixels, (0, S - W, 0, S - H))
        # said again, as a runtime cannot know that the padded sides are S
        features: ImageFeatures = self.image_encoder(square.reshape(B, 3, S, S))
        return feature_tensors(features)


class DecoderGraph(nn.Module):
    """Prompts about images to all masks of each prompt, and which of them answers it."""

    def __init__(self, model: Sam) -> None:
        super().__init__()
        config = model.config
        self.config = config
        self.prompt_encoder = model.prompt_encoder
        self.mask_decoder = model.mask_decoder

    def forward(
        self,
        original_sizes: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
        *features: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The masks of P prompts.

        Args:
            original_sizes: (B, 2) int64, H and W of the images; B is 1 (all prompts are about one
                image) or P (each has its own).
            point_coords: (P, N, 2) float32 xy pixels of the original image; N may be 0.
            point_labels: (P, N) int64 `PointLabel`: 1, 0, a box as two points of 2 and 3, -2 where
                a prompt has fewer points than others.
            mask_input: (P, 1, 4h, 4w) float32 logits of an earlier prediction.
            has_mask_input: (P,) float32, 0 where `mask_input` is to be ignored.
            features: the encoder's outputs for these B images.

        Returns:
            low_res_logits (P, 1 + K, 4h, 4w): the single mask, then those of an ambiguous prompt.
            iou_predictions (P, 1 + K).
            best (P,) int64: the mask that answers, by the paper's rule.
        """
        config = self.config
        embedded = image_features(features)
        is_hint = (point_labels == PointLabel.FOREGROUND) | (point_labels == PointLabel.BACKGROUND)
        is_box = point_labels == PointLabel.BOX_TOP_LEFT
        coords, labels = _padded(
            _to_model_frame(point_coords, original_sizes, config.image_size), point_labels
        )
        has_mask = has_mask_input > 0
        prompts = PromptTensors(
            point_coords=coords, point_labels=labels, mask_input=mask_input, has_mask=has_mask
        )
        encoding = self.prompt_encoder.pe_layer.grid(config.grid_size, config.grid_size)
        decoded = self.mask_decoder(
            embedded,
            self.mask_decoder.prepare_positions(encoding),
            self.prompt_encoder(prompts, config.grid_size),
            None,
        )
        num_hints = is_hint.sum(1) + is_box.sum(1)
        is_ambiguous = (num_hints == 1) & ~has_mask
        if not config.box_is_ambiguous:
            is_ambiguous = is_ambiguous & (is_box.sum(1) == 0)
        ious = decoded.iou_predictions
        best = (ious[:, 1:].argmax(1) + 1) * is_ambiguous  # else 0, the single mask
        return decoded.low_res_logits, ious, best


class UpscaleGraph(nn.Module):
    """Low-resolution logits (P, M, 4h, 4w) to the pixels of an original image."""

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.image_size = model.config.image_size

    def forward(self, low_res_logits: Tensor, original_size: Tensor) -> Tensor:
        """(P, M, H, W) logits; `original_size` (2,) int64 is H, W."""
        S = self.image_size
        H, W = original_size[0], original_size[1]
        sides = _input_sides(original_size[None], S)[0]
        square = F.interpolate(low_res_logits, (S, S), mode="bilinear", align_corners=False)
        inside = square[:, :, : sides[0], : sides[1]]
        # A size as tensors, not numbers: so the traced graph reads it from its input.
        return F.interpolate(inside, (H, W), mode="bilinear", align_corners=False)  # type: ignore[arg-type]


def feature_tensors(features: ImageFeatures) -> tuple[Tensor, ...]:
    """The tensors that there are, in the order of an exported encoder's outputs."""
    tensors = (features.image_embeddings, features.stride8, features.stride4)
    return tuple(tensor for tensor in tensors if tensor is not None)


def image_features(tensors: tuple[Tensor, ...]) -> ImageFeatures:
    """The inverse of `feature_tensors`."""
    if len(tensors) == 1:
        return ImageFeatures(image_embeddings=tensors[0])
    image_embeddings, stride8, stride4 = tensors
    return ImageFeatures(image_embeddings=image_embeddings, stride8=stride8, stride4=stride4)


def _input_sides(original_sizes: Tensor, image_size: int) -> Tensor:
    """(B, 2) int64 sides of the scaled images: `ImageFrame.input_size` in whole numbers."""
    longest = original_sizes.amax(1, keepdim=True)
    doubled = 2 * image_size * original_sizes + longest
    return torch.div(doubled, 2 * longest, rounding_mode="floor").clamp_min(1)


def _to_model_frame(point_coords: Tensor, original_sizes: Tensor, image_size: int) -> Tensor:
    # `ImageFrame` scales in double, which not every runtime has, and the last bits of a box's
    # corner are seen along its edge. So whole cells are exact here, and only a rest is rounded.
    size = original_sizes.float().flip(1)[:, None]
    sides = _input_sides(original_sizes, image_size).float().flip(1)[:, None]
    whole = point_coords.floor()
    cells = (whole * sides / size).floor()
    rest = (whole * sides - cells * size) + (point_coords - whole) * sides
    return cells + (rest / size + PIXEL_CENTER_OFFSET)


def _padded(point_coords: Tensor, point_labels: Tensor) -> tuple[Tensor, Tensor]:
    """One more column: the "not a point" of prompts of points alone, a filler for all others."""
    is_point = (point_labels == PointLabel.FOREGROUND) | (point_labels == PointLabel.BACKGROUND)
    is_other = (point_labels == PointLabel.PADDING) | (point_labels > PointLabel.FOREGROUND)
    needs_padding = (is_point.sum(1, keepdim=True) > 0) & (is_other.sum(1, keepdim=True) == 0)
    column = torch.where(needs_padding, int(PointLabel.PADDING), int(PointLabel.ABSENT))
    # concatenated, as OpenVINO pads nothing on to a tensor without points
    coords = torch.cat([point_coords, torch.zeros_like(column)[..., None].expand(-1, -1, 2)], dim=1)
    return coords, torch.cat([point_labels, column.to(point_labels.dtype)], dim=1)
