"""A whole engine with a tiny model: rounds, records, kills, lineage, and the studio beside it."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.core.errors import ConflictError, InvalidInputError, NotFoundError, UnknownNameError
from anymask.core.records import mask_id
from anymask.engine import cycle
from anymask.engine.context import EngineContext, Outcome
from anymask.engine.cycle import DataEngine
from anymask.engine.embedding_files import embedding_blob
from anymask.engine.lineage import trace
from anymask.engine.plan import EnginePlan, Promotion, RoundTraining
from anymask.engine.steps import Journal, Stage, Step, StepKind, StepRecord
from anymask.engine.versions import open_version
from anymask.training.run_folder import RunFolder
from drawn_shapes import draw_set
from engine_people import SECONDS_PER_MASK, Clock, annotate, begin, save_tiny, tiny_plan

CHILD = Path(__file__).parents[1] / "engine_child.py"
ALWAYS = {"promotion": Promotion(rule="always")}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("engine") / "shapes", 6)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("engine") / "held_out", 2, (44, 60))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("engine") / "model.safetensors")


def work(folder: Path, photos: Path, plan: EnginePlan) -> DataEngine:
    """An engine with all rounds done."""
    clock = Clock()
    engine = begin(folder, photos / "images", plan, clock)
    engine.run()
    while engine.project_of_people() is not None:
        annotate(engine, photos, clock)
        engine.run()
    return engine


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, photos: Path, held_out: Path, model: Path
) -> Iterator[DataEngine]:
    """An engine that promoted both its models."""
    folder = tmp_path_factory.mktemp("engine") / "studio"
    engine = work(folder, photos, tiny_plan(model, held_out, **ALWAYS))
    yield engine
    engine.close()


def record(engine: DataEngine, name: str) -> StepRecord:
    return next(r for r in engine.context.records if r.name == name)


def test_rounds_follow_each_other_and_models_each_other(done: DataEngine, model: Path) -> None:
    assert [r.name for r in done.context.records[:8]] == [
        "r00-start",
        "r01-queue",
        "r01-embed",
        "r01-annotate",
        "r01-freeze",
        "r01-train",
        "r01-evaluate",
        "r01-promote",
    ]
    assert done.planned_step() is None
    first, second = record(done, "r01-train"), record(done, "r02-train")
    assert first.inputs["model_id"] == record(done, "r00-start").outputs["model_id"]
    assert second.inputs["model_id"] == first.outputs["model_id"]
    # Only newly annotated masks (Sec. 4).
    assert second.inputs["versions"] == [record(done, "r02-freeze").outputs["version"]]
    assert done.context.current_model.model_id == second.outputs["model_id"]
    people = record(done, "r01-annotate")
    assert people.figures["masks_per_image"] == 2
    assert people.figures["seconds_per_mask"] == SECONDS_PER_MASK
    assert people.seconds == 4 * SECONDS_PER_MASK


def test_rounds_share_no_photo_and_each_has_its_project(done: DataEngine) -> None:
    queues = [record(done, f"r0{n}-queue") for n in (1, 2)]
    first, second = (set(queue.outputs["photos"]) for queue in queues)
    assert len(first) == len(second) == 2
    assert first.isdisjoint(second)
    assert queues[0].outputs["project_id"] != queues[1].outputs["project_id"]


def test_embeddings_of_models_that_are_gone_are_removed(done: DataEngine) -> None:
    models = [record(done, name).outputs["model_id"] for name in ("r00-start", "r01-train")]
    (photo, *_) = record(done, "r01-queue").outputs["photos"]
    (later, *_) = record(done, "r02-queue").outputs["photos"]
    assert embedding_blob(models[0], photo) not in done.blobs
    assert embedding_blob(models[1], later) in done.blobs
    assert record(done, "r02-embed").figures["removed"] == 2


def test_a_worse_model_is_refused_and_its_masks_are_learned_from_next(
    tmp_path: Path, photos: Path, held_out: Path, model: Path
) -> None:
    plan = tiny_plan(model, held_out, promotion=Promotion(rule="better"))
    engine = work(tmp_path / "studio", photos, plan)
    versions = [record(engine, f"r0{n}-freeze").outputs["version"] for n in (1, 2)]
    measured = record(engine, "r01-evaluate").figures
    assert measured["low"] < 0  # random steps of a random model
    assert not record(engine, "r01-promote").figures["is_promoted"]
    assert record(engine, "r02-train").inputs["versions"] == versions
    assert engine.context.current_model.model_id == record(engine, "r00-start").outputs["model_id"]
    engine.close()


def test_people_and_plan_are_waited_for(
    tmp_path: Path, photos: Path, held_out: Path, model: Path
) -> None:
    plan = tiny_plan(model, held_out, needs_review=True)
    engine = begin(tmp_path / "studio", photos / "images", plan)
    engine.run()
    status = engine.status()
    assert status.waits_for_people
    assert status.queue is not None
    assert (status.round, status.queue.waiting, status.unused_photos) == (1, 2, 4)
    annotate(engine, photos)
    assert engine.next_step() is None  # handed in, and not accepted
    with pytest.raises(InvalidInputError, match="another model"):
        DataEngine.begin(tmp_path / "studio", tiny_plan(photos, held_out))
    with pytest.raises(InvalidInputError, match="to take every new model unseen"):
        DataEngine.begin(tmp_path / "studio", EnginePlan())
    for where in ("automatic", "detector"):
        wrong = tiny_plan(model, held_out, **{where: ("no_such_setting=1",)})
        with pytest.raises(UnknownNameError, match="no_such_setting"):
            DataEngine.begin(tmp_path / "studio", wrong)
    DataEngine.begin(tmp_path / "studio", tiny_plan(model, held_out, manual_rounds=5))
    engine.close()


def test_held_out_photos_are_not_annotated(
    tmp_path: Path, photos: Path, held_out: Path, model: Path
) -> None:
    engine = begin(tmp_path / "studio", held_out / "images", tiny_plan(model, held_out))
    assert engine.status().unused_photos == 0
    with pytest.raises(InvalidInputError, match="photos must be left for round 1"):
        engine.run()
    engine.close()


def test_one_process_is_at_work(tmp_path: Path, photos: Path, held_out: Path, model: Path) -> None:
    engine = begin(tmp_path / "studio", photos / "images", tiny_plan(model, held_out))
    with cycle._alone(engine.folder), pytest.raises(ConflictError, match="one process"):
        engine.next_step()
    assert engine.next_step() is not None
    engine.close()


class Killed(BaseException):
    """Stands for `kill -9`: nothing that catches errors sees it."""


@pytest.mark.parametrize("is_recorded", [False, True], ids=["before its record", "after it"])
def test_an_engine_that_is_killed_at_any_step_ends_alike(
    is_recorded: bool,
    tmp_path: Path,
    done: DataEngine,
    photos: Path,
    held_out: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = Journal.write
    killed: set[str] = set()

    def write_and_die(self: Journal, record: StepRecord, step: Step) -> None:
        if is_recorded or step.name in killed:
            write(self, record, step)
        if step.name not in killed:
            killed.add(step.name)
            raise Killed

    monkeypatch.setattr(Journal, "write", write_and_die)
    end = go_on_after_kills(
        tmp_path / "studio", photos, tiny_plan(model, held_out, **ALWAYS), Killed
    )
    assert len(killed) == len(done.context.records)
    assert end == outcome(done)


def test_a_training_that_is_killed_ends_alike(
    tmp_path: Path,
    done: DataEngine,
    photos: Path,
    held_out: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append, died = RunFolder.append_log, []

    def append_and_die(self: RunFolder, row: dict[str, Any]) -> None:
        append(self, row)
        if row["step"] == 4 and self.path not in died:
            died.append(self.path)
            raise Killed

    monkeypatch.setattr(RunFolder, "append_log", append_and_die)
    plan = tiny_plan(model, held_out, **ALWAYS)
    assert go_on_after_kills(tmp_path / "studio", photos, plan, Killed) == outcome(done)
    assert len(died) == 2


@pytest.mark.slow
def test_kill_9_at_any_moment_changes_nothing(
    tmp_path: Path, done: DataEngine, photos: Path, held_out: Path, model: Path
) -> None:
    folder = tmp_path / "studio"
    command = [sys.executable, str(CHILD), *map(str, (folder, photos, held_out, model))]
    rng = np.random.default_rng(0)
    for _ in range(6):
        child = subprocess.Popen(command)
        try:
            assert child.wait(timeout=rng.uniform(2, 7)) == 0
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
    assert subprocess.run(command, check=False).returncode == 0
    engine = DataEngine.open(folder)
    expected, end = outcome(done), outcome(engine)
    for name in ("r01-annotate", "r02-annotate"):  # by the real clock here
        del expected[name], end[name]
    assert end == expected
    engine.close()


@pytest.mark.slow
def test_all_three_stages(tmp_path: Path, held_out: Path, model: Path) -> None:
    photos = draw_set(tmp_path / "photos", 10)
    learning = RoundTraining(
        preset="tiny",
        settings=("stages=6:64:2", "min_mask_fraction=0", "max_mask_fraction=1"),
        data="all",
    )
    plan = tiny_plan(
        model,
        held_out,
        manual_rounds=1,
        semi_automatic_rounds=1,
        images_per_round=4,
        detector=(
            "finder=detector",
            "precision=0.001",
            "min_answers=1",
            "held_out_fraction=0.5",
            "detector.num_steps=2",
            "detector.views_per_image=1",
            "detector.batch_size=2",
            "detector.num_queries=4",
        ),
        has_automatic_stage=True,
        automatic=(
            "blur=false",
            "images_per_shard=1",
            "generator.points_per_side=3",
            "generator.crop_num_layers=0",
            "generator.pred_iou_thresh=0",
            "generator.stability_score_thresh=0",
            "generator.max_mask_area_fraction=1",
        ),
        final_training=learning,
        **ALWAYS,
    )
    engine = work(tmp_path / "studio", photos, plan)
    assert engine.planned_step() is None
    summary = {row.round: row for row in engine.status().rounds}
    assert record(engine, "r02-detector").inputs["versions"] == [
        record(engine, "r01-freeze").outputs["version"]
    ]
    assert summary[2].prefilled == record(engine, "r02-prefill").figures["masks"]
    assert (summary[3].photos_masked, summary[3].stage) == (2, Stage.FULLY_AUTOMATIC)
    final = record(engine, "r03-train")
    assert final.inputs["release"]
    assert len(final.inputs["versions"]) == 2

    image = trace(engine.context, "sa_2")
    mask = trace(engine.context, str(mask_id(2, 0)))
    assert mask.about["digest"] == image.about["digest"]
    assert mask.about["generator"] == record(engine, "r02-train").outputs["model_id"]
    assert len(mask.models_before) == 3
    assert image.redo == mask.redo == ("r03-automatic", "r03-train", "r03-evaluate", "r03-promote")
    engine.close()


def go_on_after_kills(
    folder: Path, photos: Path, plan: EnginePlan, killed: type[BaseException]
) -> dict[str, Any]:
    clock = Clock()
    while True:
        engine = begin(folder, photos / "images", plan, clock)
        try:
            engine.run()
            if engine.planned_step() is None:
                return outcome(engine)
            annotate(engine, photos, clock)
        except killed:
            pass
        finally:
            engine.close()


def outcome(engine: DataEngine) -> dict[str, Any]:
    """All that must not depend on when the engine was killed."""
    return {
        record.name: (record.inputs, record.outputs, record.figures)
        for record in engine.context.records
        if record.kind is not StepKind.EMBED  # how many it removed is told by the try that did
    } | {"model": engine.context.current_model.model_id}


def test_a_changed_version_is_not_trained_on(tmp_path: Path, done: DataEngine) -> None:
    version = done.context.version_folder(record(done, "r01-freeze").outputs["version"])
    copy = tmp_path / version.name
    shutil.copytree(version, copy)
    assert open_version(copy).num_masks == 4
    (copy / "more.txt").write_text("more")
    with pytest.raises(InvalidInputError, match=r"as it was frozen, got another more\.txt"):
        open_version(copy)
    (copy / "more.txt").unlink()
    (copy / "annotations.json").write_text("{}")
    with pytest.raises(InvalidInputError, match=r"got another annotations\.json"):
        open_version(copy)


def test_lineage_goes_back_and_forward(done: DataEngine) -> None:
    context = done.context
    version = record(done, "r01-freeze").outputs["version"]
    photo = json.loads((context.version_folder(version) / "version.json").read_text())["images"][0]
    mask = trace(context, photo["masks"][0]["annotation_id"])
    base, first, second = (
        record(done, name).outputs["model_id"] for name in ("r00-start", "r01-train", "r02-train")
    )
    assert mask.about["digest"] == photo["digest"]
    assert mask.about["author"] == "ada"
    assert mask.about["prompts"]["point_coords"] == [[1, 2]]
    assert [model["model_id"] for model in mask.models_before] == [base]
    assert mask.versions == (version,)
    assert mask.models_after == (first, second)  # the second went on from the first
    assert mask.redo[0] == "r01-freeze"
    assert mask.redo[-1] == "r02-promote"

    photo_lineage = trace(context, photo["file_name"])
    assert photo_lineage.masks == tuple(m["annotation_id"] for m in photo["masks"])
    assert photo_lineage.models_after == (first, second)
    model = trace(context, second)
    assert [one["model_id"] for one in model.models_before] == [first, base]
    assert model.about["versions"] == [record(done, "r02-freeze").outputs["version"]]
    assert len(trace(context, first).masks) == 4  # those of round 2
    assert len(trace(context, "ada").versions) == 2
    assert trace(context, record(done, "r02-freeze").outputs["version"]).models_after == (second,)
    with pytest.raises(NotFoundError, match="nobody"):
        trace(context, "nobody")


def test_a_step_that_fails_leaves_no_record(
    tmp_path: Path, photos: Path, held_out: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(context: EngineContext, step: Step) -> Outcome:
        raise InvalidInputError("nothing works today.")

    todo: dict[StepKind, Callable[[EngineContext, Step], Outcome | None]] = {
        **cycle._WORK,
        StepKind.START: fail,
    }
    monkeypatch.setattr(cycle, "_WORK", todo)
    engine = begin(tmp_path / "studio", photos / "images", tiny_plan(model, held_out))
    with pytest.raises(InvalidInputError, match="today"):
        engine.run()
    assert engine.context.records == ()
    engine.close()
