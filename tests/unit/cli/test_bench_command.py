import json
from pathlib import Path

import pytest

from anymask.cli import bench
from anymask.cli.main import main
from anymask.evaluation.speed.tasks import TASKS

QUICK = ["--only", "anymask float32", "--rounds", "1", "--no-memory"]


def test_it_times_writes_and_prints(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "bench"
    request = ["bench", "encode", "click", "--model", model, *QUICK, "-o", str(output)]
    assert main([*request, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["task"] for row in printed["rows"]] == ["encode", "click"]
    assert printed["machine"]["packages"]["torch"]
    assert json.loads((output / "bench.json").read_text()) == printed
    assert (output / "bench.png").read_bytes().startswith(b"\x89PNG")

    assert main(request) == 0
    assert "| anymask float32 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fly"], "unknown task 'fly'"),
        (["encode", "--only", "nobody"], "unknown contender 'nobody'"),
        (["encode", "--only", "anymask float32", "--rounds", "0"], "rounds must be at least 1"),
        (["encode", "--image", "nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], text: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments, "--model", model, "--no-memory"]) in (1, 2)
    error = capsys.readouterr().err
    assert text in error
    assert "Traceback" not in error


def test_the_table_of_tasks_is_that_of_the_package() -> None:
    assert set(bench.TASKS) == {*TASKS, "first-use"}


@pytest.mark.slow
def test_first_use_starts_fresh_processes(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "first-use", "--model", model, "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("start Python", "import torch", "segment"))
