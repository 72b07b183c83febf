import dataclasses
from pathlib import Path

import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.config import SamConfig
from anymask.model.presets import tiny, tiny_vit
from anymask.training.init_model import init_model


def _saved(config: SamConfig, folder: Path, seed: int = 5) -> str:
    path = folder / "weights.safetensors"
    save_sam(build_sam(config, seed=seed), path)
    return str(path)


def test_without_init_everything_is_random_but_seeded() -> None:
    a, fresh = init_model(tiny(), None, seed=3)
    b = build_sam(tiny(), seed=3)
    assert fresh == ()
    assert all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def test_weights_of_the_same_model_are_taken_whole(tmp_path: Path) -> None:
    path = _saved(tiny(), tmp_path)
    model, fresh = init_model(tiny(), path, seed=0)
    expected = build_sam(tiny(), seed=5).state_dict()
    assert fresh == ()
    assert all(torch.equal(x, expected[name]) for name, x in model.state_dict().items())


def test_parts_that_an_earlier_model_lacks_start_at_random_and_are_named(tmp_path: Path) -> None:
    path = _saved(tiny(), tmp_path)
    later = dataclasses.replace(tiny(), text_dim=16, text_link_dim=8, iou_from_mask=True)
    model, fresh = init_model(later, path, seed=11)
    assert set(fresh) == {
        "prompt_encoder.text_projection",
        "mask_decoder.iou_prediction_head",
        "text_link.cell_projection",
        "text_link.word_projection",
        "text_link.log_scale",
        "text_link.bias",
    }
    old, random = build_sam(tiny(), seed=5).state_dict(), build_sam(later, seed=11).state_dict()
    for name, value in model.state_dict().items():
        is_fresh = name.startswith(fresh)
        assert torch.equal(value, random[name] if is_fresh else old[name]), name


def test_thresholds_and_names_do_not_matter(tmp_path: Path) -> None:
    other = dataclasses.replace(tiny(), name="mine", pred_iou_thresh=0.1, close_up_fraction=0.4)
    path = _saved(other, tmp_path)
    model, fresh = init_model(tiny(), path, seed=0)
    assert fresh == ()
    assert model.config == tiny()


def test_positions_of_a_vit_are_resized_to_another_side(tmp_path: Path) -> None:
    path = _saved(dataclasses.replace(tiny_vit(), image_size=64), tmp_path)
    model, _ = init_model(tiny_vit(), path, seed=0)
    assert model.config.image_size == 96


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"activation": "gelu"}, "activation gelu, not relu"),
        ({"decoder_depth": 3}, "decoder_depth 3, not 2"),
        ({"text_dim": 16}, "text_dim 16, not 0"),
    ],
)
def test_another_model_is_refused_and_says_what_differs(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    path = _saved(dataclasses.replace(tiny(), **changes), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=named):
        init_model(tiny(), path, seed=0)


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"of the model 'tiny'.*kind vit"):
        init_model(tiny(), _saved(tiny_vit(), tmp_path), seed=0)


def test_parameters_of_another_shape_are_listed(tmp_path: Path) -> None:
    path = _saved(dataclasses.replace(tiny(), text_dim=16), tmp_path)
    with pytest.raises(InvalidInputError, match=r"prompt_encoder.text_projection.weight does not"):
        init_model(dataclasses.replace(tiny(), text_dim=32), path, seed=0)


def test_deeper_refinement_keeps_the_blocks_there_are(tmp_path: Path) -> None:
    path = _saved(tiny(), tmp_path)
    model, fresh = init_model(dataclasses.replace(tiny(), refine_depth=4), path, seed=0)
    assert set(fresh) == {"mask_decoder.refine8", "mask_decoder.refine4"}
    old = build_sam(tiny(), seed=5).state_dict()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in old.items())
