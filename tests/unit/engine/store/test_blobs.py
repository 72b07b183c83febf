from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError, NotFoundError
from anymask.engine.store.blobs import open_blobs

NAME = "images/ab/abcd"


@pytest.mark.parametrize("scheme", ["", "file://", "memory://"])
def test_files_are_kept_by_name(tmp_path: Path, scheme: str) -> None:
    blobs = open_blobs(f"{scheme}{tmp_path}/files")
    assert NAME not in blobs
    with pytest.raises(NotFoundError):
        blobs.read(NAME)
    blobs.write(NAME, b"one")
    blobs.write(NAME, b"two")
    assert NAME in blobs
    assert blobs.read(NAME) == b"two"


@pytest.mark.parametrize("name", ["../a", "images/../../a", "/etc/passwd", "images/a/../b", "a\0b"])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    blobs = open_blobs(str(tmp_path / "files"))
    with pytest.raises(InvalidInputError):
        blobs.write(name, b"")
    with pytest.raises(InvalidInputError):
        blobs.read(name)
