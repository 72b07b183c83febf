import dataclasses
import json
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError, OutputError
from anymask.training.config import TrainConfig
from anymask.training.presets import tiny
from anymask.training.run_folder import RunFolder

MAY_CHANGE = ("stages", "validate_every")


def _stored(folder: Path, config: TrainConfig) -> RunFolder:
    run = RunFolder(path=folder)
    run.prepare(config)
    run.checkpoint_path.write_bytes(b"some state")
    return run


def test_same_settings_and_allowed_changes_pass(tmp_path: Path) -> None:
    run = _stored(tmp_path, tiny())
    run.check(tiny(), MAY_CHANGE)
    run.check(dataclasses.replace(tiny(), validate_every=7), MAY_CHANGE)


def test_changed_settings_are_named_down_to_the_field(tmp_path: Path) -> None:
    run = _stored(tmp_path, tiny())
    config = tiny().with_setting("optim.learning_rate", "1e-5").with_setting("seed", "4")
    with pytest.raises(InvalidInputError, match=r"\(seed, optim.learning_rate\).*Only stages"):
        run.check(config, MAY_CHANGE)


def test_setting_that_an_earlier_version_did_not_write_counts_as_its_default(
    tmp_path: Path,
) -> None:
    run = _stored(tmp_path, tiny())
    before = json.loads(run.config_path.read_text())
    del before["masks_per_chunk"]
    del before["loss"]["focal_alpha"]
    run.config_path.write_text(json.dumps(before))
    run.check(tiny(), MAY_CHANGE)
    with pytest.raises(InvalidInputError, match=r"\(masks_per_chunk\)"):
        run.check(dataclasses.replace(tiny(), masks_per_chunk=4), MAY_CHANGE)


def test_folder_without_a_checkpoint_takes_any_settings(tmp_path: Path) -> None:
    RunFolder(path=tmp_path).prepare(tiny())
    RunFolder(path=tmp_path).check(dataclasses.replace(tiny(), seed=4), MAY_CHANGE)


def test_shared_checkpoints_come_in_order_of_their_steps(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path)
    assert not run.has_checkpoint
    for step in (900, 100, 12_345_678):
        run.sharded_checkpoint_path(step).mkdir()
    (tmp_path / "checkpoint-notes").mkdir()
    assert [p.name for p in run.sharded_checkpoints()] == [
        "checkpoint-00000100",
        "checkpoint-00000900",
        "checkpoint-12345678",
    ]
    assert run.has_checkpoint


def test_log_drops_a_line_that_was_cut_short_and_rows_to_be_run_again(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path)
    for step in range(4):
        run.append_log({"step": step, "loss": 1.0})
    with run.log_path.open("a") as file:
        file.write('{"step": 4, "lo')
    assert [row["step"] for row in run.read_log()] == [0, 1, 2, 3]
    run.rewind_log(2)
    assert [row["step"] for row in run.read_log()] == [0, 1]


def test_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="could not be created"):
        RunFolder(path=tmp_path / "file" / "run").prepare(tiny())
