import errno
import json
import os

import pytest

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import atomic_write, write_bytes, write_json


def test_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as stream:
        stream.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_survives_a_failure_and_nothing_else_stays(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    with pytest.raises(TypeError), atomic_write(path) as stream:
        stream.writelines([b"new", "text"])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_an_output_error(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"a\.bin could not be written: No space left"):
        write_bytes(tmp_path / "a.bin", b"abc")
    assert not list(tmp_path.iterdir())


def test_missing_folder_and_folder_as_target_are_output_errors(tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        write_bytes(tmp_path / "missing" / "a.bin", b"abc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="could not be written"):
        write_bytes(tmp_path / "folder", b"abc")
    with pytest.raises(OutputError, match="must be a file name"):
        write_bytes("/", b"abc")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_very_long_name_still_gets_a_temporary_file(tmp_path):
    path = tmp_path / ("n" * 250)
    write_bytes(path, b"abc")
    assert path.read_bytes() == b"abc"


def test_our_own_errors_pass_through_unchanged(tmp_path):
    with pytest.raises(OutputError, match=r"^inner$"), atomic_write(tmp_path / "a"):
        raise OutputError("inner")


def test_json_is_written_with_a_final_newline(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"name": "caf\u00e9", "values": [1, 2.5]})
    assert path.read_bytes().endswith(b"\n")
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "caf\u00e9", "values": [1, 2.5]}


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_say_is_refused_and_writes_nothing(tmp_path, value):
    with pytest.raises(InvalidInputError, match="plain JSON data"):
        write_json(tmp_path / "a.json", [value])
    assert not list(tmp_path.iterdir())
