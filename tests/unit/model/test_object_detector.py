from pathlib import Path

import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.model.features import ImageFeatures
from anymask.model.object_detector import (
    DetectorShape,
    ObjectDetector,
    load_detector,
    save_detector,
    shape_for,
)
from anymask.model.presets import preset

SHAPE = DetectorShape(embed_dim=16, has_high_res=True, width=16, num_queries=5, num_heads=2)


def features(num_images: int = 2) -> ImageFeatures:
    generator = torch.Generator().manual_seed(0)
    return ImageFeatures(
        image_embeddings=torch.randn(num_images, 16, 8, 8, generator=generator),
        stride8=torch.randn(num_images, 4, 16, 16, generator=generator),
    )


def build() -> ObjectDetector:
    torch.manual_seed(0)
    return ObjectDetector(SHAPE)


def test_every_image_gets_its_boxes_and_scores() -> None:
    with torch.no_grad():
        found = build().eval()(features(3))
    assert found.boxes.shape == (3, 5, 4)
    assert found.scores.shape == (3, 5)
    assert (found.boxes[..., 2:] >= found.boxes[..., :2]).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_it_learns_a_box() -> None:
    detector = build().train()
    boxes = [torch.tensor([[0.2, 0.3, 0.6, 0.8]]), torch.zeros(0, 4)]
    optimizer = torch.optim.AdamW(detector.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = detector.loss(features(), boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    detector = build().eval()
    save_detector(detector, tmp_path / "d.safetensors", "tiny-123")
    loaded, model_id = load_detector(tmp_path / "d.safetensors")
    assert model_id == "tiny-123"
    with torch.no_grad():
        assert torch.equal(loaded(features()).boxes, detector(features()).boxes)


def test_other_files_are_refused(tmp_path: Path) -> None:
    from anymask.model.checkpoints import build_sam, save_sam

    save_sam(build_sam(preset("tiny"), seed=0), tmp_path / "sam.safetensors")
    with pytest.raises(CheckpointError, match="must hold a detector of objects"):
        load_detector(tmp_path / "sam.safetensors")


def test_shapes_follow_the_model_and_are_checked() -> None:
    assert not shape_for(preset("tiny_vit")).has_high_res
    assert shape_for(preset("small"), width=64).embed_dim == 128
    with pytest.raises(InvalidInputError, match="decoder_layers must be at least 2"):
        shape_for(preset("small"), decoder_layers=1)
    with pytest.raises(InvalidInputError, match="width must be a multiple"):
        shape_for(preset("small"), width=30)
