"""One process and several learn the same; what one kind of run saves, the other goes on from."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from anymask.model.checkpoints import load_sam
from anymask.training.run_folder import RunFolder

SCRIPT = Path(__file__).parent / "two_processes.py"


def _run(
    what: str,
    data: Path,
    output: Path,
    *,
    num_processes: int = 1,
    end_step: int = 1,
    parallel: str = "ddp",
    accumulate: int = 1,
    recompute: bool = False,
    chunk: int = 0,
    fails_with: str = "",
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = [what, data, output, end_step, parallel, accumulate, "recompute" if recompute else "-"]
    words.append(chunk)
    output.mkdir(exist_ok=True)
    children = []
    for rank in range(num_processes):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
        environment |= {"MASTER_PORT": port, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        environment |= {"WORLD_SIZE": str(num_processes)}
        command = [sys.executable, str(SCRIPT), *map(str, words)]
        children.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    for child in children:
        _, errors = child.communicate(timeout=240)
        assert (child.returncode != 0) == bool(fails_with), errors.decode()[-3000:]
        assert fails_with in errors.decode()


def _gradients(folder: Path) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    saved: dict[str, Any] = torch.load(folder / "gradients.pt", weights_only=True)
    return saved["gradients"], saved["numbers"]


@pytest.fixture(scope="module")
def alone(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    _run("gradients", shapes_folder, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_processes", "options"),
    [
        pytest.param(2, {}, id="ddp"),
        pytest.param(2, {"parallel": "fsdp"}, id="fsdp"),
        pytest.param(1, {"accumulate": 2, "recompute": True}, id="accumulated"),
        pytest.param(2, {"accumulate": 2}, id="ddp-accumulated"),
        pytest.param(
            2, {"parallel": "fsdp", "accumulate": 2, "recompute": True}, id="fsdp-accumulated"
        ),
        pytest.param(3, {}, id="uneven"),
        pytest.param(2, {"chunk": 3}, id="ddp-chunks"),
        pytest.param(2, {"parallel": "fsdp", "chunk": 3}, id="fsdp-chunks"),
    ],
)
def test_gradients_do_not_depend_on_the_number_of_processes(
    alone: Path, shapes_folder: Path, tmp_path: Path, num_processes: int, options: dict[str, Any]
) -> None:
    _run("gradients", shapes_folder, tmp_path, num_processes=num_processes, **options)
    expected, numbers = _gradients(alone)
    found, numbers_found = _gradients(tmp_path)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(numbers_found, numbers, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def whole(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    _run("train", shapes_folder, folder, end_step=8)
    return folder


def _losses(folder: Path) -> list[float]:
    return [row["loss"] for row in RunFolder(path=folder).read_log()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param((2, "fsdp"), (1, "ddp"), id="two-to-one"),
        pytest.param((1, "ddp"), (2, "fsdp"), id="one-to-two"),
        pytest.param((3, "fsdp"), (2, "fsdp"), id="three-to-two"),
        pytest.param((2, "ddp"), (2, "fsdp"), id="ddp-to-fsdp"),
    ],
)
def test_run_goes_on_with_another_number_of_processes(
    whole: Path,
    shapes_folder: Path,
    tmp_path: Path,
    first: tuple[int, str],
    then: tuple[int, str],
) -> None:
    moved = tmp_path / "moved"
    for (num_processes, parallel), end_step in ((first, 4), (then, 8)):
        _run(
            "train",
            shapes_folder,
            moved,
            num_processes=num_processes,
            parallel=parallel,
            end_step=end_step,
        )
    config = json.loads((moved / "config.json").read_text())
    assert config["stages"][0]["end_step"] == 8
    assert _losses(moved) == pytest.approx(_losses(whole), rel=1e-3)
    stored = {p.name for p in moved.iterdir() if p.name.startswith("checkpoint")}
    assert stored == ({"checkpoint-00000008"} if then[1] == "fsdp" else {"checkpoint.pt"})
    a, b = (load_sam(folder / "weights.safetensors")[0].state_dict() for folder in (whole, moved))
    # Adam divides by tiny numbers: rounding shows as a small part of the 8 steps' way
    assert all(float((a[name] - b[name]).abs().max()) < 3e-3 for name in a)


@pytest.mark.slow
@pytest.mark.parametrize(("num_processes", "parallel"), [(1, "ddp"), (2, "fsdp")])
def test_full_disk_ends_a_run_with_one_line_and_keeps_its_checkpoint(
    whole: Path, shapes_folder: Path, tmp_path: Path, num_processes: int, parallel: str
) -> None:
    options: dict[str, Any] = {"num_processes": num_processes, "parallel": parallel}
    _run("train", shapes_folder, tmp_path, end_step=4, **options)
    before = {p: p.read_bytes() for p in tmp_path.rglob("checkpoint*/*") if p.is_file()}
    before |= {p: p.read_bytes() for p in tmp_path.glob("checkpoint.pt")}
    assert before
    message = "could not be written: File too large. Make room"
    options_then = {**options, "fails_with": message}
    _run("train-on-full-disk", shapes_folder, tmp_path, end_step=8, **options_then)
    assert all(path.read_bytes() == data for path, data in before.items())
    _run("train", shapes_folder, tmp_path, end_step=8, **options)
    assert _losses(tmp_path) == pytest.approx(_losses(whole), rel=1e-3)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
