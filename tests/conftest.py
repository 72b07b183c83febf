"""Fixtures for all tests; being here also puts this folder on the import path."""

from pathlib import Path

import pytest

from drawn_shapes import draw_set


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled set of six tiny pictures."""
    return draw_set(tmp_path_factory.mktemp("data") / "shapes")
