"""The named training runs: the default's, a tiny one, and the paper's."""

from collections.abc import Callable
from dataclasses import replace

from anymask.core.errors import UnknownNameError
from anymask.training.config import (
    AugmentConfig,
    LossConfig,
    OptimConfig,
    PromptConfig,
    Stage,
    StreamConfig,
    TextConfig,
    TrainConfig,
)


def small() -> TrainConfig:
    """The default model on a few thousand photos in about two hours on two cores with AMX.

    Coarse images in small batches first, then its own size.
    """
    return TrainConfig(
        model="small",
        stages=(
            Stage(end_step=3200, image_size=256, batch_size=8),
            Stage(end_step=4400, image_size=256, batch_size=16),
            Stage(end_step=5300, image_size=384, batch_size=8),
        ),
    )


def tiny() -> TrainConfig:
    """A minute on any machine: shows that a set-up works, not a useful model."""
    return TrainConfig(
        model="tiny",
        stages=(Stage(end_step=300, image_size=64, batch_size=8),),
        masks_per_image=2,
        min_mask_fraction=0.005,
        validate_every=100,
        checkpoint_every=50,
        dtype="float32",
        augment=AugmentConfig(min_scale=0.9, max_scale=1.3),
        optim=OptimConfig(learning_rate=3e-3, warmup_steps=20, ema_decay=0.98),
    )


def text_link() -> TrainConfig:
    """The text link of a trained default model, in minutes: the encoder's features are kept."""
    still = AugmentConfig(
        min_scale=1.0,
        max_scale=1.0,
        full_view_probability=1.0,
        color_jitter=0.0,
        grey_probability=0.0,
    )
    return TrainConfig(
        model="small",
        trained_part="text_link",
        stages=(Stage(end_step=1200, image_size=384, batch_size=32),),
        masks_per_image=12,
        min_mask_fraction=0.002,
        validate_every=200,
        augment=still,
        optim=OptimConfig(learning_rate=1e-3, warmup_steps=50, ema_decay=0.99),
    )


def vit_tiny() -> TrainConfig:
    """The paper's kind of encoder in minutes on a CPU; for comparisons, not a useful model."""
    return TrainConfig(
        model="vit_tiny",
        stages=(Stage(end_step=1000, image_size=128, batch_size=16),),
        masks_per_image=3,
        min_mask_fraction=0.004,
        validate_every=200,
        checkpoint_every=100,
        augment=AugmentConfig(min_scale=0.9, max_scale=1.5),
        prompts=PromptConfig(min_rounds=1, max_rounds=2),
        optim=OptimConfig(learning_rate=1e-3, warmup_steps=100, ema_decay=0.99),
    )


# App. A, "Training algorithm": a first point or box, 8 clicks, 2 rounds that only feed back.
PAPER_PROMPTS = PromptConfig(
    box_probability=0.5,
    box_noise="gaussian",
    box_noise_fraction=0.1,
    box_noise_max_px=20.0,
    min_rounds=10,
    max_rounds=10,
    graded_rounds=10,
    blank_rounds="paper",
    interior_probability=0.0,
    truth_probability=0.0,
    text_probability=0.0,
)
# App. A, "Losses".
PAPER_LOSS = LossConfig(
    mask_loss="focal",
    focal_weight=20.0,
    dice_weight=1.0,
    iou_weight=1.0,
    single_mask_weight=0.0,
    other_masks_weight=0.0,
    supervise_all_ious=False,
    iou_error="squared",
    text_link_weight=0.0,
    affinity_weight=0.0,
)
# Stage 3, eleven million photographs: no augmentation.
NO_AUGMENTATION = AugmentConfig(
    min_scale=1.0,
    max_scale=1.0,
    full_view_probability=1.0,
    flip_probability=0.0,
    color_jitter=0.0,
    grey_probability=0.0,
)
# Stages 1 and 2 alone: large-scale jitter in [0.1, 2.0].
LARGE_SCALE_JITTER = AugmentConfig(
    min_scale=0.1,
    max_scale=2.0,
    scale_distribution="uniform",
    full_view_probability=0.0,
    flip_probability=0.5,
    color_jitter=0.0,
    grey_probability=0.0,
)


def paper_vit_h() -> TrainConfig:
    """SAM ViT-H as App. A trained it, on SA-1B's automatic masks; the paper had 256 GPUs."""
    return _paper("vit_h", num_steps=90_000, batch_size=256, learning_rate=8e-4)


def paper_vit_l() -> TrainConfig:
    """SAM ViT-L as App. A trained it."""
    return _paper("vit_l", num_steps=180_000, batch_size=128, learning_rate=4e-4)


def paper_vit_b() -> TrainConfig:
    """SAM ViT-B as App. A trained it."""
    return _paper(
        "vit_b",
        num_steps=180_000,
        batch_size=128,
        learning_rate=8e-4,
        layer_decay=0.6,
        drop_path=0.6,
    )


def paper_vit_h_lsj() -> TrainConfig:
    """ViT-H on masks of stages 1 and 2, with large-scale jitter."""
    return replace(paper_vit_h(), augment=LARGE_SCALE_JITTER)


def paper_vit_l_lsj() -> TrainConfig:
    """ViT-L on masks of stages 1 and 2, with large-scale jitter."""
    return replace(paper_vit_l(), augment=LARGE_SCALE_JITTER)


def paper_vit_b_lsj() -> TrainConfig:
    """ViT-B on masks of stages 1 and 2, with large-scale jitter."""
    return replace(paper_vit_b(), augment=LARGE_SCALE_JITTER)


def paper_vit_h_mixed() -> TrainConfig:
    """ViT-H on all three stages (Sec. 7.6): masks made with people's help are drawn ten times.

    The data are three sets named manual, semi_automatic and automatic.
    """
    weights = (("manual", 10.0), ("semi_automatic", 10.0), ("automatic", 1.0))
    return replace(paper_vit_h(), set_weights=weights)


def data_engine_vit_h() -> TrainConfig:
    """The data engine's own ViT-H (App. A): trained on manual and semi-automatic masks.

    Points and masks as prompts, no boxes; a first point and three more instead of eight; a decoder
    of three layers; large-scale jitter.
    """
    config = _paper("vit_h_engine", num_steps=177_656, batch_size=256, learning_rate=8e-4)
    prompts = replace(
        PAPER_PROMPTS, box_probability=0.0, min_rounds=5, max_rounds=5, graded_rounds=5
    )
    return replace(config, prompts=prompts, augment=LARGE_SCALE_JITTER)


def paper_text_vit_h() -> TrainConfig:
    """ViT-H that takes text (App. D.5), on masks of stages 1 and 2, with large-scale jitter.

    Each mask of 100 x 100 pixels and more is asked for by CLIP's embedding of its crop, then by
    clicks; smaller ones by a point or box as ever.
    """
    config = _paper("vit_h_text", num_steps=120_000, batch_size=128, learning_rate=8e-4)
    return replace(
        config,
        augment=LARGE_SCALE_JITTER,
        prompts=replace(PAPER_PROMPTS, text_alone_probability=1.0),
        text=TextConfig(source="clip_crops"),
    )


def _paper(
    model: str,
    *,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    layer_decay: float = 0.8,
    drop_path: float = 0.4,
) -> TrainConfig:
    return TrainConfig(
        model=model,
        stages=(Stage(end_step=num_steps, image_size=1024, batch_size=batch_size),),
        masks_per_image=64,  # at most 64 random masks on each GPU, which has one image
        masks_per_chunk=16,
        min_mask_fraction=2e-5,  # five cells of the mask grid: what a click can still be put into
        max_mask_fraction=1.0,
        max_image_fraction=0.9,
        drop_path=drop_path,
        decoder_dropout=0.1,
        validation_fraction=0.005,  # of the first archive: some fifty images of SA-1B
        validate_every=5000,
        checkpoint_every=500,
        num_loader_threads=8,
        set_size_power=1.0,
        stream=StreamConfig(num_lanes=256, buffer_size=32),  # one lane a GPU
        augment=NO_AUGMENTATION,
        prompts=PAPER_PROMPTS,
        loss=PAPER_LOSS,
        optim=OptimConfig(
            learning_rate=learning_rate,
            layer_decay=layer_decay,
            weight_decay=0.1,
            betas=(0.9, 0.999),
            warmup_steps=250,
            schedule="step",
            milestones=_milestones(num_steps),
            max_gradient_norm=1.0,  # not in the paper
            ema_decay=0.0,
        ),
    )


def _milestones(num_steps: int) -> tuple[int, int]:
    """The paper's 60,000 and 86,666 of 90,000 steps, as parts of a run of another length."""
    return num_steps * 60_000 // 90_000, num_steps * 86_666 // 90_000


_RUNS: tuple[Callable[[], TrainConfig], ...] = (
    small,
    text_link,
    vit_tiny,
    tiny,
    paper_vit_b,
    paper_vit_l,
    paper_vit_h,
    paper_vit_b_lsj,
    paper_vit_l_lsj,
    paper_vit_h_lsj,
    paper_vit_h_mixed,
    data_engine_vit_h,
    paper_text_vit_h,
)
_PRESETS = {f.__name__: f for f in _RUNS}
PRESET_NAMES = tuple(_PRESETS)


def preset(name: str) -> TrainConfig:
    """The training configuration of that name.

    Raises:
        UnknownNameError: no such preset; the text lists them.
    """
    if name not in _PRESETS:
        raise UnknownNameError("training preset", name, PRESET_NAMES)
    return _PRESETS[name]()
