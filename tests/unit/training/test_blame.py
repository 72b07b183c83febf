"""The images behind a loss that is not finite."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny as tiny_model
from anymask.training.batches import TrainBatch, make_batch
from anymask.training.blame import blame
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny
from anymask.training.step import step_draws, training_losses


@pytest.fixture
def batch(shapes_folder: Path) -> TrainBatch:
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    made = make_batch(examples, ImageCache(), tiny(), step=0)
    return replace(made, paths=tuple(f"photo {i}.jpg" for i in range(8)))


def _blamed(batch: TrainBatch) -> str:
    model = build_sam(tiny_model(), seed=0).train()
    losses = training_losses(model, batch, tiny(), step_draws(0, 0))
    return blame(losses.target_losses(), batch)


def test_broken_target_names_its_image(batch: TrainBatch) -> None:
    masks = batch.target_masks.clone()
    masks[5, 3, 3] = torch.nan  # targets 4 and 5 are of image 2
    assert _blamed(replace(batch, target_masks=masks)) == "photo 2.jpg"


def test_nothing_wrong_blames_no_image(batch: TrainBatch) -> None:
    assert _blamed(batch) == "no single image"


def test_all_images_speak_for_broken_weights(batch: TrainBatch) -> None:
    text = blame(torch.full((16,), torch.inf), batch)
    assert text.startswith("all images of the batch, so rather the weights than the data")
    assert text.endswith("photo 0.jpg, photo 1.jpg, photo 2.jpg, photo 3.jpg and 4 more")
