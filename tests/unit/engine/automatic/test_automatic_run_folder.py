from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError, OutputError
from anymask.engine.automatic.run_folder import RunFolder


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    folder.make()
    assert list(folder.read_log()) == []
    folder.append_log({"image_id": 1})
    with folder.log.open("a") as stream:
        stream.write('{"image_id": 2')
    assert list(folder.read_log()) == [{"image_id": 1}]


def test_values_must_stay(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    folder.make()
    folder.agree("options", {"a": 1, "b": {"c": (1, 2)}})
    folder.agree("options", {"b": {"c": [1, 2]}, "a": 1})
    with pytest.raises(InvalidInputError, match=r"b\.c must stay \[1, 2\] in .*, got \[1, 3\]"):
        folder.agree("options", {"a": 1, "b": {"c": (1, 3)}})


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="must be writable, got: Not a directory"):
        RunFolder(path=tmp_path / "file").make()


def test_remains_of_killed_workers_go(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    folder.make()
    (folder.release / ".sa_000000.tar.0a.tmp").touch()
    folder.shard(0).touch()
    folder.done_folder(0).mkdir(parents=True)
    folder.remove_remains()
    assert [path.name for path in folder.release.iterdir()] == ["sa_000000.tar"]
    assert not folder.done_folder(0).exists()
