"""Drop path and dropout act while training and leave no trace in what is saved."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import PointLabel
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.config import SamConfig
from anymask.model.features import PromptTensors
from anymask.model.layers import DropPath
from anymask.model.presets import tiny as tiny_conv
from anymask.model.presets import tiny_vit
from anymask.model.sam import Sam
from anymask.training.presets import tiny
from anymask.training.regularization import set_regularization


def _logits(model: Sam) -> torch.Tensor:
    torch.manual_seed(3)
    features = model.encode_images(torch.ones(4, 3, 64, 64))
    prompts = PromptTensors(
        point_coords=torch.full((4, 1, 2), 20.0),
        point_labels=torch.full((4, 1), int(PointLabel.FOREGROUND)),
    )
    return model.decode(
        features, prompts, torch.arange(4), multimask_output=True
    ).low_res_logits.detach()


@pytest.mark.parametrize("model_config", [tiny_conv(), tiny_vit()], ids=["conv", "vit"])
def test_rates_grow_with_depth_and_the_saved_file_does_not_know(
    model_config: SamConfig, tmp_path: Path
) -> None:
    plain, model = build_sam(model_config, seed=0), build_sam(model_config, seed=0)
    set_regularization(model, replace(tiny(), drop_path=0.4, decoder_dropout=0.1))
    rates = [m.drop_probability for m in model.image_encoder.modules() if isinstance(m, DropPath)]
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.4)
    assert rates == sorted(rates)
    assert len(set(rates)) == len(rates)
    assert model.config == model_config
    for built, name in ((plain, "a"), (model, "b")):
        save_sam(built, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert torch.equal(_logits(plain.eval()), _logits(model.eval()))


@pytest.mark.parametrize("changes", [{"drop_path": 0.9}, {"decoder_dropout": 0.5}])
def test_each_changes_what_is_computed_in_training(changes: dict[str, float]) -> None:
    plain, model = build_sam(tiny_vit(), seed=0).train(), build_sam(tiny_vit(), seed=0).train()
    set_regularization(model, replace(tiny(), **changes))  # type: ignore[arg-type]
    assert not torch.equal(_logits(plain), _logits(model))


def test_none_leaves_the_models_own_rates() -> None:
    own = replace(tiny_vit(), decoder_dropout=0.2)
    model = build_sam(own, seed=0)
    set_regularization(model, tiny())
    assert {layer.dropout.p for layer in model.mask_decoder.transformer.layers} == {0.2}


@pytest.mark.parametrize("name", ["drop_path", "decoder_dropout"])
def test_rate_of_one_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"{name} must be in \[0, 1\), got 1.0"):
        replace(tiny(), **{name: 1.0})  # type: ignore[arg-type]
