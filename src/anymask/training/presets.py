"""The named training runs."""

from anymask.core.errors import UnknownNameError
from anymask.training.config import AugmentConfig, OptimConfig, Stage, TrainConfig


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


_PRESETS = {f.__name__: f for f in (small, tiny)}
PRESET_NAMES = tuple(_PRESETS)


def preset(name: str) -> TrainConfig:
    """The training configuration of that name.

    Raises:
        UnknownNameError: no such preset; the text lists them.
    """
    if name not in _PRESETS:
        raise UnknownNameError("training preset", name, PRESET_NAMES)
    return _PRESETS[name]()
