import dataclasses
import json
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError
from anymask.engine.plan import (
    PLAN_FILE,
    EnginePlan,
    HeldOut,
    Promotion,
    QueueOptions,
    RoundTraining,
    TrainingChange,
    plan_from_json,
    read_plan,
    write_plan,
)
from anymask.engine.steps import Stage, StepKind, planned_steps

LARGE = RoundTraining(preset="paper_vit_h", init="random", settings=("seed=1",))


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / PLAN_FILE).parent.mkdir()
    plan = EnginePlan(
        held_out=HeldOut(folders=("a",)),
        changes=(TrainingChange(from_round=3, training=LARGE),),
        final_training=RoundTraining(data="all"),
    )
    write_plan(plan, tmp_path)
    assert read_plan(tmp_path / PLAN_FILE) == plan


def test_a_plan_of_a_file_has_defaults_and_no_unknown_fields() -> None:
    plan = plan_from_json({"images_per_round": 7, "promotion": {"rule": "better"}})
    assert (plan.images_per_round, plan.promotion.rule) == (7, "better")
    assert (plan.manual_rounds, plan.semi_automatic_rounds) == (6, 5)  # Sec. 4
    with pytest.raises(InvalidInputError, match="rounds"):
        plan_from_json({"rounds": 3})


def test_a_round_trains_as_the_last_change_before_it_says() -> None:
    plan = EnginePlan(
        changes=(
            TrainingChange(from_round=3, training=LARGE),
            TrainingChange(from_round=5, training=RoundTraining(num_steps=9)),
        )
    )
    assert plan.training_of(2) == plan.training
    assert plan.training_of(4) == LARGE
    assert plan.training_of(5).num_steps == 9
    final = dataclasses.replace(plan, final_training=RoundTraining(data="all"))
    assert final.training_of(plan.num_rounds + 1).data == "all"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: EnginePlan(manual_rounds=0), "manual_rounds must be at least 1"),
        (lambda: EnginePlan(semi_automatic_rounds=-1), "at least 0, got -1"),
        (lambda: QueueOptions(need_fraction=2), r"need_fraction must be in \[0, 1\]"),
        (lambda: HeldOut(max_images=0), "max_images"),
        (lambda: RoundTraining(init="random"), "must be current without a preset"),
        (
            lambda: EnginePlan(has_automatic_stage=False, final_training=RoundTraining()),
            "has_automatic_stage must be true",
        ),
    ],
)
def test_what_cannot_be_is_said(make: "type[EnginePlan]", text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()


def test_without_held_out_photos_every_model_must_be_wanted() -> None:
    with pytest.raises(InvalidInputError, match="held_out"):
        EnginePlan().check_promotion()
    EnginePlan(promotion=Promotion(rule="always")).check_promotion()


def test_the_steps_of_a_plan_are_in_the_order_of_the_stages() -> None:
    plan = EnginePlan(
        manual_rounds=1, semi_automatic_rounds=1, final_training=RoundTraining(data="all")
    )
    steps = planned_steps(plan)
    assert len({step.name for step in steps}) == len(steps)
    kinds = {
        stage: [step.kind for step in steps if step.stage is stage and step.round]
        for stage in Stage
    }
    manual = kinds[Stage.ASSISTED_MANUAL]
    assert manual[0] is StepKind.QUEUE
    assert manual[-1] is StepKind.PROMOTE
    semi = kinds[Stage.SEMI_AUTOMATIC]
    assert semi[0] is StepKind.DETECTOR
    assert semi.index(StepKind.PREFILL) == semi.index(StepKind.ANNOTATE) - 1
    assert [kind for kind in semi if kind in manual] == manual
    assert kinds[Stage.FULLY_AUTOMATIC][0] is StepKind.AUTOMATIC
    alone = dataclasses.replace(
        plan, has_detector=False, has_automatic_stage=False, final_training=None
    )
    assert [step.kind for step in planned_steps(alone) if step.round == 2] == manual
    assert json.dumps(dataclasses.asdict(plan))
