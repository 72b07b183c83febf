import dataclasses
from pathlib import Path

import pytest
import torch

from anymask.model import presets as model_presets
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.training.config import Stage
from anymask.training.presets import iou_head
from anymask.training.sam_objective import train_sam


def test_only_the_head_changes_and_it_learns(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = dataclasses.replace(model_presets.preset("tiny"), iou_from_mask=True)
    monkeypatch.setitem(model_presets._PRESETS, "tiny", lambda: tiny)
    save_sam(build_sam(tiny, seed=3), tmp_path / "base.safetensors")
    config = dataclasses.replace(
        iou_head(),
        model="tiny",
        stages=(Stage(end_step=60, image_size=64, batch_size=4),),
        masks_per_image=2,
        dtype="float32",
        validation_fraction=0.3,
        validate_every=30,
        optim=dataclasses.replace(iou_head().optim, warmup_steps=2, ema_decay=0.8),
    )
    folder = train_sam(
        config, [shapes_folder], tmp_path / "run", init=str(tmp_path / "base.safetensors")
    )
    before, after = (
        load_sam(path)[0].state_dict()
        for path in (tmp_path / "base.safetensors", folder.weights_path)
    )
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(key.startswith("mask_decoder.iou_prediction_head.") for key in changed)
    losses = [row["first_iou"] for row in folder.read_log()]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert -1 <= folder.read_log()[-1]["val_click_correlation"] <= 1
