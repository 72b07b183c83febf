"""What a simulation of the data engine does, and the one that fits two CPU cores and an hour."""

from dataclasses import dataclass, field

from anymask.engine.plan import (
    EnginePlan,
    HeldOut,
    Promotion,
    QueueOptions,
    RoundTraining,
)
from anymask.engine.simulation.annotator import Habits


def _training(stages: str, learning_rate: str, init: str, ema_decay: str = "0.9") -> RoundTraining:
    """Training of `small` at 192 pixels without text; the squared IoU error of experiments 9."""
    return RoundTraining(
        preset="small",
        init=init,
        settings=(
            "model=small_192",
            f"stages={stages}",
            f"optim.learning_rate={learning_rate}",
            "optim.warmup_steps=20",
            f"optim.ema_decay={ema_decay}",
            "masks_per_image=4",
            "min_mask_fraction=0.0004",
            "prompts.max_rounds=3",
            "prompts.text_probability=0",
            "loss.text_link_weight=0",
            "loss.iou_error=squared",
            "loss.iou_weight=2",
            "validation_fraction=0",
            "validate_every=100000",
            "checkpoint_every=40",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """A simulation: the same for all its seeds, which draw the photos, people and trainings.

    Attributes:
        start_sets: labelled sets that the first model learns from; no round sees them. One object
            a photo, mostly, as public sets have it.
        loop_sets: whose photos the loop gets without their masks, which only people know.
        eval_sets: unseen sets, for the model before and after the loop.
        start_training: of the first model, which all seeds share.
        round_training: of every round.
        final_training: of the last model, which also learns from automatic masks; None for none.
        manual_rounds: of stage 1.
        semi_automatic_rounds: of stage 2.
        images_per_round: photos that people annotate.
        pool_photos: photos of the loop's sets that a seed draws; what the rounds leave is for the
            automatic stage.
        held_out_fraction: of the loop's sets' photos, on which models are compared.
        held_out_images: of each set, at most.
        masks_per_image: of each photo that models are compared on, at most.
        eval_images: of each evaluation set, at most.
        measured_photos: held-out photos that a person annotates with each round's model, so that
            rounds are compared on the same photos; and that the model masks by itself.
        points_per_side: of the grid of clicks by which it does that.
        num_people: who annotate.
        smallest_px: objects of fewer pixels are annotated by nobody.
        detector: settings of what finds objects in stage 2, as FIELD=VALUE (`SemiAutomaticConfig`).
        has_detector: whether there is one.
        automatic: settings of stage 3, as FIELD=VALUE.
    """

    start_sets: tuple[str, ...] = ("duts_tr", "sysu_shape")
    loop_sets: tuple[str, ...] = (
        "building_facade",
        "car_parts",
        "ccp",
        "coco_a",
        "coco_b",
        "labelmefacade",
    )
    eval_sets: tuple[str, ...] = ("coco", "davis", "ecssd", "food_indonesia")
    start_training: RoundTraining = field(
        default_factory=lambda: _training("640:192:16", "6e-4", "random", "0.98")
    )
    round_training: RoundTraining = field(
        default_factory=lambda: _training("150:192:16", "6e-4", "current")
    )
    final_training: RoundTraining | None = field(
        default_factory=lambda: _training("150:192:16", "3e-4", "current")
    )
    manual_rounds: int = 3
    semi_automatic_rounds: int = 3
    images_per_round: int = 50
    pool_photos: int = 360
    held_out_fraction: float = 0.15
    held_out_images: int = 8
    masks_per_image: int = 4
    eval_images: int = 30
    measured_photos: int = 12
    points_per_side: int = 12
    num_people: int = 3
    smallest_px: int = Habits.smallest_px
    detector: tuple[str, ...] = ("precision=0.6", "points_per_side=12")
    has_detector: bool = True
    automatic: tuple[str, ...] = (
        "generator.points_per_side=16",
        # The model's predicted IoU is honest: a click on anything is seldom a whole object here.
        "generator.pred_iou_thresh=0.3",
        "generator.stability_score_thresh=0.4",
        "generator.crop_num_layers=0",
        "blur=false",
        "images_per_shard=64",
    )

    @property
    def habits(self) -> Habits:
        """How people work."""
        return Habits(smallest_px=self.smallest_px)

    def plan(self, model: str, held_out: str, seed: int, *, has_final: bool = True) -> EnginePlan:
        """Return the engine's plan of one seed.

        Args:
            model: file of the first weights.
            held_out: folder of the sets that models are compared on.
            seed: of all that is drawn.
            has_final: whether there is the last training.
        """
        return EnginePlan(
            model=model,
            manual_rounds=self.manual_rounds,
            semi_automatic_rounds=self.semi_automatic_rounds,
            images_per_round=self.images_per_round,
            training=self.round_training,
            # All photos by chance: what the model needs most would make early rounds the harder.
            queue=QueueOptions(need_fraction=0.0),
            held_out=HeldOut(
                folders=(held_out,),
                max_images=self.held_out_images,
                max_masks_per_image=self.masks_per_image,
            ),
            promotion=Promotion(rule="not_worse"),
            has_detector=self.has_detector,
            detector=self.detector,
            automatic=self.automatic,
            final_training=self.final_training if has_final else None,
            seed=seed,
        )
