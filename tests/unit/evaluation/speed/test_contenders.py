"""All contenders get the same weights and the same request, so they must give the same answer."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError, UnknownNameError
from anymask.evaluation.speed import comparison
from anymask.evaluation.speed.comparison import compare
from anymask.evaluation.speed.contenders import REFERENCE, segment_anything_contender
from anymask.evaluation.speed.machine import describe_machine, installed_versions
from anymask.evaluation.speed.memory import measure_peak
from anymask.evaluation.speed.report import format_rows, plot_rows, rows_to_json
from anymask.evaluation.speed.setup import Setup
from anymask.evaluation.speed.timing import Times

SETUP = Setup(
    model="tiny_vit", random_weights=True, photo_size=(60, 90), points_per_side=2, num_clicks=3
)
PEERS = ("anymask float32", REFERENCE, "transformers")


if any(find_spec(package) is None for package in ("segment_anything", "transformers")):
    pytest.skip("the peers are not installed", allow_module_level=True)


def test_contenders_give_the_same_masks_for_a_click() -> None:
    masks = {}
    for name in PEERS:
        contender = SETUP.build(name)
        masks[name] = np.asarray(
            contender.click(contender.encode(SETUP.image), np.array([40.0, 30.0]))
        )
    for name in PEERS:
        assert masks[name].shape == (3, 60, 90)
        assert (masks[name] == masks[PEERS[0]]).mean() > 0.999, name


def test_comparison_has_ratios_to_the_reference_and_small_errors() -> None:
    steps: list[str] = []
    rows = compare(
        SETUP,
        ["encode", "decode", "everything"],
        PEERS,
        2,
        with_memory=False,
        on_progress=steps.append,
    )
    found = {(row.task, row.contender): row for row in rows}
    assert ("everything", "transformers") not in found
    assert len(found) == 8
    for (task, name), row in found.items():
        assert len(row.seconds) == 2
        assert (row.ratio is None) == (name == REFERENCE)
        if task == "encode" and name != REFERENCE:
            assert row.embedding_error is not None
            assert row.embedding_error < 1e-4
    assert steps[0] == "build anymask float32"

    machine = describe_machine()
    table = format_rows(rows)
    assert table.count("| segment-anything ") == 3
    assert rows_to_json(rows, machine)["rows"][0]["median_seconds"] > 0
    assert plot_rows(rows, machine).startswith(b"\x89PNG")


def test_a_decode_is_counted_by_the_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        comparison,
        "take_turns",
        lambda actions, *_, **__: dict.fromkeys(actions, Times(seconds=(6.0,))),
    )
    (row,) = compare(SETUP, ["decode"], [PEERS[0]], 1, with_memory=False)
    assert row.seconds == (2.0,)
    assert row.ratio is None


@pytest.mark.slow
def test_peak_memory_is_of_a_process_of_its_own() -> None:
    found = measure_peak(SETUP, PEERS[0], "encode")
    assert 50 << 20 < found.before <= found.peak < 2 << 30


def test_a_model_of_ours_alone_has_no_peers() -> None:
    setup = Setup(model="tiny", random_weights=True)
    assert REFERENCE not in setup.contender_names()
    with pytest.raises(InvalidInputError, match="the paper's structure for segment-anything"):
        segment_anything_contender(setup.loaded[0], torch.device("cpu"), {})
    with pytest.raises(UnknownNameError, match=r"'nobody'.*transformers"):
        setup.build("nobody")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_exported_files_compete_with_the_same_weights(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip(runtime)
    setup = SETUP.with_exports([runtime], tmp_path)
    assert Setup.from_json(setup.to_json()) == setup
    name = "onnx" if runtime == "onnx" else "openvino float32"
    assert name in setup.contender_names()
    rows = compare(setup, ["encode", "click"], [name, "anymask float32"], 1, with_memory=False)
    assert [row.task for row in rows if row.contender == name] == ["encode", "click"]
    assert rows[0].embedding_error is not None
    assert rows[0].embedding_error < 1e-4


def test_a_folder_without_an_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="must be folders of anymask export"):
        dataclasses.replace(SETUP, exported=(str(tmp_path),)).contender_names()


def test_setup_survives_the_way_to_another_process() -> None:
    assert Setup.from_json(SETUP.to_json()) == SETUP


def test_machine_is_described() -> None:
    described = describe_machine().describe()
    assert f"torch {torch.__version__}" in described
    assert "threads" in described
    assert installed_versions(["torch", "no-such-package"]) == {"torch": torch.__version__}
