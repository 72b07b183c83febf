"""A tiny model on disk, for the commands."""

import pytest

from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_sam(build_sam(tiny(), seed=7), path)
    return str(path)
