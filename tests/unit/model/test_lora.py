import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.core.prompts import PointLabel
from anymask.model.adapters import apply_adapter, load_adapter, save_adapter
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.features import PromptTensors
from anymask.model.lora import (
    LoraConfig,
    LoraLayer,
    add_lora,
    load_lora_state,
    lora_state,
    merge_lora,
)
from anymask.model.presets import preset
from anymask.model.sam import Sam

MODELS = ("tiny", "tiny_vit")


def _model(name: str = "tiny") -> Sam:
    model = build_sam(preset(name), seed=3).eval()
    with torch.no_grad():  # no layer at zero, so that every one matters
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(5)
            )
    return model


def _answer(model: Sam) -> Tensor:
    S = model.config.image_size
    images = torch.randn(2, 3, S, S, generator=torch.Generator().manual_seed(0))
    coords = torch.tensor([[[5.0, 9.0]], [[30.0, 31.0]], [[11.0, 50.0]]])
    labels = torch.full((3, 1), int(PointLabel.FOREGROUND))
    prompts = PromptTensors(point_coords=coords, point_labels=labels, mask_input=None)
    index = torch.tensor([0, 1, 1])
    decoded = model.decode(model.encode_images(images), prompts, index, multimask_output=None)
    return torch.cat([decoded.low_res_logits.flatten(1), decoded.iou_predictions], dim=1)


def _stir(model: Sam, seed: int = 1) -> None:
    """Gives the adapters an effect, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".up"):
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("name", MODELS)
def test_fresh_adapter_changes_nothing(name: str) -> None:
    model = _model(name)
    before = _answer(model)
    add_lora(model, LoraConfig(rank=2))
    assert torch.equal(_answer(model), before)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("qkv_parts", ["qv", "qkv", "k"])
@torch.no_grad()
def test_merged_model_answers_as_the_adapted_one(name: str, qkv_parts: str) -> None:
    model = _model(name)
    before = _answer(model)
    add_lora(model, LoraConfig(rank=3, alpha=4.0, qkv_parts=qkv_parts))
    _stir(model)
    adapted = _answer(model)
    assert (adapted - before).abs().max() > 0.01
    merge_lora(model)
    assert not any(isinstance(module, LoraLayer) for module in model.modules())
    assert model.state_dict().keys() == _model(name).state_dict().keys()
    torch.testing.assert_close(_answer(model), adapted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 9), (4, 6)),
        (nn.Conv2d(3, 5, 3, stride=2, padding=1), (2, 3, 8, 9)),
        (nn.Conv2d(3, 5, 3, dilation=2, bias=False), (2, 3, 8, 9)),
        (nn.Conv2d(4, 6, 1), (2, 4, 3, 3)),
    ],
    ids=["linear", "strided", "dilated", "pointwise"],
)
@torch.no_grad()
def test_update_is_the_scaled_product_of_two_small_matrices(
    layer: nn.Linear | nn.Conv2d, shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    adapted = LoraLayer(layer, LoraConfig(rank=2, alpha=6.0), generator)
    adapted.up.copy_(torch.randn(adapted.up.shape, generator=generator))
    x = torch.randn(shape, generator=generator)
    update = (adapted.up[0] @ adapted.down.flatten(1)).reshape(layer.weight.shape)
    assert torch.linalg.matrix_rank(update.flatten(1)) == 2
    plain = copy.deepcopy(layer)
    plain.weight += 3.0 * update
    torch.testing.assert_close(adapted(x), plain(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_only_the_chosen_parts_of_a_fused_projection_are_updated() -> None:
    model = _model("tiny_vit")
    before = model.get_submodule("image_encoder.blocks.0.attn.qkv").weight.clone()
    add_lora(model, LoraConfig(rank=2, modules=("image_encoder.blocks",), qkv_parts="qv"))
    _stir(model)
    merge_lora(model)
    after = model.get_submodule("image_encoder.blocks.0.attn.qkv").weight
    q, k, v = (after - before).chunk(3)
    assert torch.equal(k, torch.zeros_like(k))
    assert torch.linalg.matrix_rank(q, rtol=1e-4) == 2
    assert torch.linalg.matrix_rank(torch.cat([q, v]), rtol=1e-4) == 4


@pytest.mark.parametrize("name", MODELS)
def test_training_moves_adapters_and_nothing_else(name: str) -> None:
    model = _model(name)
    add_lora(model, LoraConfig(rank=2))
    before = copy.deepcopy(model.state_dict())
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained == set(lora_state(model))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(2):  # at the first step `down` has no gradient yet, as `up` is zero
        optimizer.zero_grad()
        _answer(model).square().mean().backward()
        optimizer.step()
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert moved == trained


def test_same_seed_gives_the_same_adapters() -> None:
    states = []
    for seed in (0, 0, 1):
        model = _model()
        add_lora(model, LoraConfig(), seed=seed)
        states.append(lora_state(model))
    key = "mask_decoder.transformer.layers.0.self_attn.q_proj.down"
    assert torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[0][key], states[2][key])


def test_adapter_file_restores_the_adapted_model(tmp_path: Path) -> None:
    save_sam(_model(), tmp_path / "base.safetensors")
    model, base_id = load_sam(tmp_path / "base.safetensors")
    config = LoraConfig(rank=2, alpha=3.0, modules=("image_encoder.stage8", "mask_decoder"))
    add_lora(model, config)
    _stir(model)
    save_adapter(model, tmp_path / "adapter.safetensors", config=config, base_id=base_id)
    size = (tmp_path / "adapter.safetensors").stat().st_size
    assert size < (tmp_path / "base.safetensors").stat().st_size / 2

    other, other_id = load_sam(tmp_path / "base.safetensors")
    adapter = load_adapter(tmp_path / "adapter.safetensors")
    assert adapter.config == config
    apply_adapter(other, other_id, adapter)
    with torch.no_grad():
        assert torch.equal(_answer(other), _answer(model))


def test_adapter_on_another_base_names_both(tmp_path: Path) -> None:
    model = _model()
    add_lora(model, LoraConfig(rank=1))
    path = tmp_path / "adapter.safetensors"
    save_adapter(model, path, config=LoraConfig(rank=1), base_id="small-aaa")
    with pytest.raises(CheckpointError, match="small-aaa, got tiny-bbb"):
        apply_adapter(_model(), "tiny-bbb", load_adapter(path))


def test_adapter_is_not_taken_for_a_model_nor_a_model_for_an_adapter(tmp_path: Path) -> None:
    model = _model()
    save_sam(model, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="must be an adapter"):
        load_adapter(tmp_path / "model.safetensors")
    add_lora(model, LoraConfig(rank=1))
    path = tmp_path / "adapter.safetensors"
    save_adapter(model, path, config=LoraConfig(rank=1), base_id="tiny-x")
    with pytest.raises(CheckpointError, match="anymask models merge"):
        load_sam(path)


def test_adapter_of_other_layers_is_refused() -> None:
    one, two = _model(), _model()
    add_lora(one, LoraConfig(rank=1))
    add_lora(two, LoraConfig(rank=2))
    with pytest.raises(CheckpointError, match=r"tensors must be those of its layers"):
        load_lora_state(two, lora_state(one))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rank": 0}, "rank must be 1 or more, got 0"),
        ({"alpha": 0.0}, "alpha must be above 0"),
        ({"alpha": float("nan")}, "alpha must be above 0"),
        ({"modules": ()}, "modules must name"),
        ({"qkv_parts": "vq"}, "qkv_parts must be"),
        ({"qkv_parts": ""}, "qkv_parts must be"),
    ],
)
def test_configuration_out_of_range(changes: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        LoraConfig(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["encoder", "image_encoder.stage", "mask_decoder.iou_token", ""])
def test_unknown_module_names_are_refused_before_anything_is_changed(name: str) -> None:
    model = _model()
    with pytest.raises(InvalidInputError, match=r"Use for example .*image_encoder"):
        add_lora(model, LoraConfig(modules=("mask_decoder", name)))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_adapting_twice_is_refused() -> None:
    model = _model()
    add_lora(model, LoraConfig(rank=1))
    with pytest.raises(InvalidInputError, match="Merge it first"):
        add_lora(model, LoraConfig(rank=1))
