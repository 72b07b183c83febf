"""What a model is made of: frozen values that a checkpoint carries as JSON."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anymask.core.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class VitConfig:
    """The plain ViT image encoder (Sec. 3, App. A): windows, a few global blocks, a neck."""

    kind: Literal["vit"] = "vit"
    patch_size: int = 16
    width: int = 768
    depth: int = 12
    num_heads: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    mlp_ratio: float = 4.0
    drop_path: float = 0.0

    @property
    def stride(self) -> int:
        """Pixels of the model input per embedding cell."""
        return self.patch_size


@dataclass(frozen=True, kw_only=True)
class ConvConfig:
    """The small hybrid image encoder: dense convolutions at strides 4, 8, 16, attention at 32."""

    kind: Literal["conv"] = "conv"
    stem_width: int = 32
    widths: tuple[int, int, int, int] = (64, 128, 192, 320)
    depths: tuple[int, int, int] = (2, 3, 5)
    attention_depth: int = 2
    num_heads: int = 10
    mlp_ratio: float = 2.0
    drop_path: float = 0.0

    @property
    def stride(self) -> int:
        """Pixels of the model input per embedding cell."""
        return 16


@dataclass(frozen=True, kw_only=True)
class SamConfig:
    """A whole model.

    Attributes:
        image_size: S, side of the square model input in pixels; a multiple of the encoder's stride.
        embed_dim: D, width of image and prompt embeddings.
        num_multimask_outputs: masks for an ambiguous prompt; one more token serves the single mask.
        high_res_features: the encoder's stride-4 and stride-8 features enter the mask up-scaling.
        prompt_maps: clicks and boxes are also drawn as maps beside `mask_input`, so that a small
            model need not learn locality from tokens alone.
        refine_depth: convolution blocks that mix image and drawn prompt at stride 8, and half as
            many at stride 4, on the way up; needs high_res_features.
        activation: of the mask prompt and the mask up-scaling; ReLU costs a fifth of GELU on CPUs.
        box_is_ambiguous: a box alone is answered by three masks, as the paper's text has it; False
            answers it by the single-mask token, as later models do.
        pred_iou_thresh, stability_score_thresh, stability_score_offset: what "segment everything"
            asks of a mask unless told otherwise (App. B); how sure a model is of itself, and how
            steep its logits are, belongs to the model.
        close_up_fraction: objects smaller than this part of an image's sides are worth a second,
            closer look (`inference/close_up.py`); 0 for a model that needs none.
        iou_from_mask: predicted IoU is read off the drawn mask, not off one token (`MaskQuality`).
        text_dim: width of the text embeddings that may be a prompt; 0 for a model without text.
        text_link_dim: width of the space that links text to places of an image; 0 for none.
        iou_sigmoid: the IoU head ends in a sigmoid (the paper's is linear and can leave [0, 1]).
    """

    name: str
    image_size: int = 1024
    image_encoder: VitConfig | ConvConfig = field(default_factory=VitConfig)
    embed_dim: int = 256
    mask_prompt_channels: int = 16
    decoder_depth: int = 2
    decoder_num_heads: int = 8
    decoder_mlp_dim: int = 2048
    decoder_attention_downsample: int = 2
    decoder_dropout: float = 0.0
    activation: Literal["gelu", "relu"] = "gelu"
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_dim: int = 256
    high_res_features: bool = False
    prompt_maps: bool = False
    refine_depth: int = 0
    iou_from_mask: bool = False
    text_dim: int = 0
    text_link_dim: int = 0
    iou_sigmoid: bool = False
    mask_threshold: float = 0.0
    box_is_ambiguous: bool = True
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    close_up_fraction: float = 0.0
    # ImageNet statistics on the 0..255 scale, as the released weights expect.
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        if self.image_size % self.image_encoder.stride:
            raise CheckpointError(
                f"image_size must be a multiple of {self.image_encoder.stride}, "
                f"got {self.image_size}. Round it."
            )

    @property
    def grid_size(self) -> int:
        """Side of the embedding grid in cells."""
        return self.image_size // self.image_encoder.stride

    @property
    def mask_size(self) -> int:
        """Side of `low_res_logits` and of `mask_input`: four times the grid."""
        return 4 * self.grid_size

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "SamConfig":
        """The configuration that `to_json` wrote.

        Raises:
            CheckpointError: a field is missing or unknown.
        """
        fields = with_tuples(value)
        try:
            encoder = with_tuples(fields.pop("image_encoder"))
            kinds: dict[Any, type[VitConfig | ConvConfig]] = {"vit": VitConfig, "conv": ConvConfig}
            return SamConfig(image_encoder=kinds[encoder["kind"]](**encoder), **fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"the model configuration does not fit this version: {error}"
            ) from None


def with_tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with JSON's lists as tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in value.items()}
