from pathlib import Path

import pytest
import torch

from anymask.core.errors import CheckpointError
from anymask.model.object_scorer import ObjectScorer, load_scorer, save_scorer


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    scorer = ObjectScorer(6, 8).eval()
    scorer.mean.fill_(0.5)
    save_scorer(scorer, tmp_path / "s.safetensors", "tiny-123")
    loaded, model_id = load_scorer(tmp_path / "s.safetensors")
    rows = torch.randn(4, 6)
    assert model_id == "tiny-123"
    assert torch.equal(loaded(rows), scorer(rows).detach())


def test_other_files_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="must hold a scorer of masks"):
        load_scorer(tmp_path / "other.safetensors")
