from pathlib import Path

import torch

from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny as tiny_model
from anymask.training.batches import TrainBatch, make_batch
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny
from anymask.training.step import step_draws, training_losses
from anymask.training.validation import centre_points, validate


def _batch(shapes_folder: Path) -> TrainBatch:
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    return make_batch(examples, ImageCache(), tiny(), step=0)


def test_gradients_reach_every_parameter(shapes_folder: Path) -> None:
    model = build_sam(tiny_model(), seed=0).train()
    losses = training_losses(model, _batch(shapes_folder), tiny(), step_draws(0, 0))
    losses.total.backward()
    # "no mask" is drawn as zeros by models with prompt maps
    without = {n for n, p in model.named_parameters() if p.grad is None} - {
        "prompt_encoder.no_mask_embed.weight"
    }
    assert not without


def test_same_seed_gives_the_same_loss(shapes_folder: Path) -> None:
    model = build_sam(tiny_model(), seed=0).train()
    batch = _batch(shapes_folder)
    a = training_losses(model, batch, tiny(), step_draws(0, 3)).values()
    b = training_losses(model, batch, tiny(), step_draws(0, 3)).values()
    c = training_losses(model, batch, tiny(), step_draws(0, 4)).values()
    assert a == b
    assert a != c


def test_centre_point_of_a_square_is_its_middle() -> None:
    target = torch.zeros(1, 16, 16)
    target[0, 3:8, 5:10] = 1
    assert centre_points(target).tolist() == [[(7 + 0.5) * 4, (5 + 0.5) * 4]]


def test_validation_reports_every_prompt_kind(shapes_folder: Path) -> None:
    model = build_sam(tiny_model(), seed=0).eval()
    scores = validate(model, [_batch(shapes_folder)])
    assert set(scores) == {
        "box",
        "box_oracle",
        "box_correlation",
        "click",
        "click_oracle",
        "click_correlation",
        "clicks_3",
    }
    assert all(
        (-1 if name.endswith("correlation") else 0) <= value <= 1 for name, value in scores.items()
    )
    assert scores["click_oracle"] >= scores["click"]
