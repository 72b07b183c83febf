"""The settings of masked pre-training, and the named runs: the paper's, and one for a CPU."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.model.config import VitConfig
from anymask.model.mae import MaeConfig
from anymask.model.presets import preset as model_preset
from anymask.training.config import OptimConfig
from anymask.training.settings import check_probabilities

_IMAGENET_PHOTOS = 1_281_167
_PAPER_BATCH = 4096


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """A whole run of masked pre-training (He et al. 2021).

    Attributes:
        model: the model preset whose image encoder, a ViT, is trained.
        num_steps: of the run; `with_epochs` counts in rounds through the photos.
        batch_size: photos of a step, over all processes.
        image_size: of the training crops; the encoder's positions are resized for segmentation.
        mask_fraction, normalize_targets, decoder_width, decoder_depth, decoder_num_heads: see
            `MaeConfig`.
        min_crop_area: of a random crop, as a part of the photo's.
        flip_probability: of a left-right flip; there is no other augmentation.
        seed: of crops, hidden patches and first weights.
        validation_fraction: of the photos that are held out, `max_validation_images` at most.
        num_pictures: held-out photos that are painted at each validation.
        validate_every, checkpoint_every: in steps.
        num_loader_threads: that decode and cut photos.
        dtype: of the computation.
        optim: He et al. scale the learning rate with the batch: 1.5e-4 * batch_size / 256.
    """

    model: str
    num_steps: int
    batch_size: int = _PAPER_BATCH
    image_size: int = 224
    mask_fraction: float = 0.75
    normalize_targets: bool = True
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    min_crop_area: float = 0.2
    flip_probability: float = 0.5
    seed: int = 0
    validation_fraction: float = 0.004
    max_validation_images: int = 2000
    num_pictures: int = 8
    validate_every: int = 5000
    checkpoint_every: int = 500
    num_loader_threads: int = 8
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "num_loader_threads"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.min_crop_area <= 1:
            raise InvalidInputError(
                f"min_crop_area must be in (0, 1], got {self.min_crop_area}. The usual is 0.2."
            )
        check_probabilities(self)
        _ = self.mae  # what does not fit together says so before the run

    @property
    def mae(self) -> MaeConfig:
        """The auto-encoder that is trained.

        Raises:
            InvalidInputError: the model's image encoder is no ViT, or the sizes do not fit.
            UnknownNameError: no such model.
        """
        model = model_preset(self.model)
        if not isinstance(model.image_encoder, VitConfig):
            raise InvalidInputError(
                f"model must have a ViT as its image encoder, got {self.model!r}. "
                "Choose vit_tiny, vit_b, vit_l or vit_h."
            )
        return MaeConfig(
            name=self.model,
            image_size=self.image_size,
            image_encoder=model.image_encoder,
            decoder_width=self.decoder_width,
            decoder_depth=self.decoder_depth,
            decoder_num_heads=self.decoder_num_heads,
            mask_fraction=self.mask_fraction,
            normalize_targets=self.normalize_targets,
            pixel_mean=model.pixel_mean,
            pixel_std=model.pixel_std,
        )

    def batch_size_at(self, step: int) -> int:
        """Rows of the global batch of a step: always the same."""
        return self.batch_size

    def num_epochs(self, num_photos: int) -> float:
        """How often the run goes through that many photos."""
        return self.num_steps * self.batch_size / num_photos

    def with_epochs(self, epochs: float, num_photos: int) -> "PretrainConfig":
        """The run made as long as that many rounds through the photos; the warm-up keeps its part.

        Raises:
            InvalidInputError: not a positive number.
        """
        if not epochs > 0:
            raise InvalidInputError(f"epochs must be over 0, got {epochs:g}. The paper has 1600.")
        num_steps = max(1, round(epochs * num_photos / self.batch_size))
        warmup_steps = round(num_steps * self.optim.warmup_steps / self.num_steps)
        optim = dataclasses.replace(self.optim, warmup_steps=warmup_steps)
        return dataclasses.replace(self, num_steps=num_steps, optim=optim)

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return dataclasses.asdict(self)


def mae_vit_b() -> PretrainConfig:
    """The encoder of SAM ViT-B, 1600 epochs of ImageNet-1k's size in batches of 4096."""
    return _paper("vit_b")


def mae_vit_l() -> PretrainConfig:
    """The encoder of SAM ViT-L, as `mae_vit_b`."""
    return _paper("vit_l")


def mae_vit_h() -> PretrainConfig:
    """The encoder of SAM ViT-H, as `mae_vit_b`; patches of 16 pixels as SAM's, not MAE's 14."""
    return _paper("vit_h")


def mae_tiny() -> PretrainConfig:
    """The encoder of `vit_tiny` on a few thousand photos: minutes on one CPU core."""
    return PretrainConfig(
        model="vit_tiny",
        num_steps=1500,
        batch_size=64,
        image_size=128,
        decoder_width=96,
        decoder_depth=2,
        decoder_num_heads=4,
        validation_fraction=0.03,
        max_validation_images=200,
        validate_every=250,
        checkpoint_every=125,
        num_loader_threads=1,
        optim=OptimConfig(
            learning_rate=1e-3,
            weight_decay=0.05,
            betas=(0.9, 0.95),
            warmup_steps=100,
            schedule="cosine",
            ema_decay=0.0,
        ),
    )


def _paper(model: str) -> PretrainConfig:
    steps_an_epoch = _IMAGENET_PHOTOS / _PAPER_BATCH
    return PretrainConfig(
        model=model,
        num_steps=round(1600 * steps_an_epoch),
        optim=OptimConfig(
            learning_rate=1.5e-4 * _PAPER_BATCH / 256,
            weight_decay=0.05,
            betas=(0.9, 0.95),
            warmup_steps=round(40 * steps_an_epoch),
            schedule="cosine",
            ema_decay=0.0,
        ),
    )


_PRESETS = {f.__name__: f for f in (mae_vit_b, mae_vit_l, mae_vit_h, mae_tiny)}
PRESET_NAMES = tuple(_PRESETS)


def preset(name: str) -> PretrainConfig:
    """The pre-training configuration of that name.

    Raises:
        UnknownNameError: no such preset; the text lists them.
    """
    if name not in _PRESETS:
        raise UnknownNameError("pre-training preset", name, PRESET_NAMES)
    return _PRESETS[name]()
