import io
from typing import Any

from PIL import Image

from anymask.engine.report import write_report
from anymask.engine.round_plots import plot_rounds
from anymask.engine.status import EngineStatus, summarize_rounds
from anymask.engine.steps import Stage, StepKind, StepRecord


def record(kind: StepKind, number: int, **figures: Any) -> StepRecord:
    return StepRecord(
        name=f"r{number:02d}-{kind}",
        kind=kind,
        stage=Stage.ASSISTED_MANUAL,
        round=number,
        started_at=0.0,
        seconds=1.0,
        outputs={"model_id": f"tiny-{number}"},
        figures=figures,
    )


SCORES = {"score": 0.5, "score_low": 0.4, "score_high": 0.6}
RECORDS = (
    record(StepKind.START, 0, **SCORES),
    record(
        StepKind.ANNOTATE,
        1,
        images=2,
        masks=9,
        masks_per_image=4.5,
        seconds_per_mask=34.0,
        clicks_per_mask=3.0,
    ),
    record(StepKind.TRAIN, 1),
    record(StepKind.EVALUATE, 1, **SCORES, change=-0.1, low=-0.2, high=-0.05),
    record(StepKind.PROMOTE, 1, is_promoted=False),
)


def test_a_round_has_the_figures_of_its_steps() -> None:
    begun, first = summarize_rounds(RECORDS)
    assert (begun.round, begun.score, begun.model_id, begun.masks) == (0, 0.5, "tiny-0", None)
    assert (first.masks, first.seconds_per_mask, first.change_low) == (9, 34.0, -0.2)
    assert (first.model_id, first.is_promoted) == ("tiny-1", False)


def test_the_report_says_it_in_words_and_pictures() -> None:
    rounds = summarize_rounds(RECORDS)
    status = EngineStatus(
        stage=Stage.ASSISTED_MANUAL,
        round=2,
        num_rounds=6,
        next_step="r02-queue",
        next_does="choose the round's photos",
        waits_for_people=False,
        queue=None,
        model_id="tiny-0",
        unused_photos=3,
        rounds=rounds,
    )
    page = write_report(status, "<studio>")
    assert "&lt;studio&gt;" in page
    assert "<td>34.0</td>" in page
    assert "-0.100 [-0.200, -0.050]" in page
    assert "tiny-1 refused" in page
    picture = Image.open(io.BytesIO(plot_rounds([rounds, rounds])))
    assert picture.width > 900
