"""How what finds objects is trained, a detector or a scorer: frozen values, kept as JSON."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from anymask.core.errors import InvalidInputError
from anymask.training.config import AugmentConfig, OptimConfig


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """A run that teaches a detector on the frozen model; see `DetectorShape` for its sizes.

    Attributes:
        num_steps, batch_size: of the run; images a step.
        views_per_image: each image is seen in so many views: whole, flipped, then random ones. The
            encoder, which does not change, looks at each view once.
        min_box_px: targets with a shorter side are left out, in pixels of the model's square.
        max_box_fraction: so are those that cover more of the square.
        min_visible_fraction: and those of which a view shows less.
        validation_fraction: of the images, by a hash of their names, that are not learned from; the
            threshold of confidence is chosen on them.
        width, num_queries, decoder_layers: of the detector.
        dtype: of the detector; the library's sampling takes no other. The frozen model computes as
            it does in use.
        validate_every, checkpoint_every: in steps.
        seed: of views, order and first weights.
        augment: the random views.
        optim: see `OptimConfig`.
    """

    num_steps: int = 1200
    batch_size: int = 8
    views_per_image: int = 6
    min_box_px: float = 8.0
    max_box_fraction: float = 0.9
    min_visible_fraction: float = 0.25
    validation_fraction: float = 0.2
    width: int = 128
    num_queries: int = 100
    decoder_layers: int = 2
    dtype: Literal["float32"] = "float32"
    validate_every: int = 300
    checkpoint_every: int = 100
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            learning_rate=5e-4,
            weight_decay=0.01,
            warmup_steps=50,
            max_gradient_norm=1.0,
            ema_decay=0.99,
        )
    )

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "views_per_image"):
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"{name} must be at least 1, got {getattr(self, name)}. Raise it."
                )
        if not 0 <= self.validation_fraction < 1:
            raise InvalidInputError(
                f"validation_fraction must be in [0, 1), got {self.validation_fraction}. Try 0.2."
            )

    def batch_size_at(self, step: int) -> int:
        """Images of a step's batch."""
        return self.batch_size

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class ScorerConfig:
    """A run that teaches a scorer; it takes seconds, after the photos' masks are there.

    Attributes:
        num_steps, batch_size: of the run; masks a step.
        width, dropout: of the scorer.
        learning_rate, weight_decay: of AdamW; the rate falls to 0 along half a cosine.
        max_images: that are learned from, evenly chosen; finding their masks takes the time.
        seed: of first weights and batches.
    """

    num_steps: int = 800
    batch_size: int = 512
    width: int = 128
    dropout: float = 0.2
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    max_images: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "width", "max_images"):
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"{name} must be at least 1, got {getattr(self, name)}. Raise it."
                )
