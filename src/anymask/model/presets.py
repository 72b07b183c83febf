"""The named models: the three official sizes, the small default, and a tiny one for tests."""

from dataclasses import replace

from anymask.core.errors import UnknownNameError
from anymask.model.config import ConvConfig, SamConfig, VitConfig

DEFAULT_NAME = "small"


def vit_b() -> SamConfig:
    """SAM ViT-B (91M parameters)."""
    return SamConfig(name="vit_b")


def vit_l() -> SamConfig:
    """SAM ViT-L (308M parameters)."""
    encoder = VitConfig(width=1024, depth=24, num_heads=16, global_blocks=(5, 11, 17, 23))
    return SamConfig(name="vit_l", image_encoder=encoder)


def vit_h() -> SamConfig:
    """SAM ViT-H (641M parameters)."""
    encoder = VitConfig(width=1280, depth=32, num_heads=16, global_blocks=(7, 15, 23, 31))
    return SamConfig(name="vit_h", image_encoder=encoder)


def vit_h_engine() -> SamConfig:
    """The data engine's ViT-H (App. A): a mask decoder of three layers."""
    return replace(vit_h(), name="vit_h_engine", decoder_depth=3)


def vit_h_text() -> SamConfig:
    """ViT-H that also takes text, as embeddings of CLIP ViT-L/14 (App. D.5)."""
    return replace(vit_h(), name="vit_h_text", text_dim=768)


def small(image_size: int = 384) -> SamConfig:
    """The default: a hybrid encoder and a narrow decoder, made for CPUs and browsers."""
    return SamConfig(
        name="small",
        image_size=image_size,
        image_encoder=ConvConfig(),
        embed_dim=128,
        decoder_mlp_dim=512,
        decoder_attention_downsample=1,
        decoder_num_heads=4,
        iou_head_dim=128,
        activation="relu",
        high_res_features=True,
        prompt_maps=True,
        refine_depth=2,
        iou_from_mask=True,
        iou_sigmoid=True,
        text_dim=384,
        text_link_dim=128,
        # Chosen on held-out training photos; see docs/experiments.md.
        box_is_ambiguous=False,
        pred_iou_thresh=0.4,
        # Its logits are soft: a shift by one would move every edge, and say nothing about quality.
        stability_score_offset=0.2,
        close_up_fraction=0.2,
        stability_score_thresh=0.6,
    )


def small_192() -> SamConfig:
    """The default's network at half its side, without text: for studies of many models."""
    return replace(small(192), name="small_192", text_dim=0, text_link_dim=0, close_up_fraction=0.0)


def vit_tiny() -> SamConfig:
    """The paper's encoder at 3M parameters and 128 pixels: to try ViT recipes on a CPU."""
    return SamConfig(
        name="vit_tiny",
        image_size=128,
        image_encoder=VitConfig(
            width=192, depth=6, num_heads=6, global_blocks=(2, 5), window_size=4
        ),
        embed_dim=96,
        decoder_num_heads=4,
        decoder_mlp_dim=192,
        decoder_attention_downsample=1,
        iou_head_dim=96,
        activation="relu",
        prompt_maps=True,
        iou_sigmoid=True,
        box_is_ambiguous=False,
    )


def tiny() -> SamConfig:
    """Under 100,000 parameters and 64-pixel images: the default's structure, for tests."""
    return SamConfig(
        name="tiny",
        image_size=64,
        image_encoder=ConvConfig(
            stem_width=8, widths=(8, 16, 16, 16), depths=(1, 1, 1), attention_depth=1, num_heads=2
        ),
        embed_dim=32,
        mask_prompt_channels=8,  # a layer norm of the fourth part needs two channels
        decoder_num_heads=2,
        decoder_mlp_dim=32,
        iou_head_dim=16,
        activation="relu",
        high_res_features=True,
        prompt_maps=True,
        refine_depth=2,
        iou_sigmoid=True,
    )


def tiny_vit() -> SamConfig:
    """The paper's structure with windows, global blocks and padding, small enough for tests."""
    return SamConfig(
        name="tiny_vit",
        image_size=96,
        image_encoder=VitConfig(
            width=32, depth=2, num_heads=2, global_blocks=(1,), window_size=4, patch_size=16
        ),
        embed_dim=32,
        decoder_num_heads=2,
        decoder_mlp_dim=64,
        iou_head_dim=32,
    )


_PRESETS = {
    f.__name__: f
    for f in (
        vit_b,
        vit_l,
        vit_h,
        vit_h_engine,
        vit_h_text,
        small,
        small_192,
        vit_tiny,
        tiny,
        tiny_vit,
    )
}
PRESET_NAMES = tuple(_PRESETS)


def preset(name: str) -> SamConfig:
    """The configuration of that name.

    Raises:
        UnknownNameError: no such preset; the text lists them.
    """
    if name not in _PRESETS:
        raise UnknownNameError("model", name, PRESET_NAMES)
    return _PRESETS[name]()
