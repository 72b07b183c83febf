from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.core.errors import CheckpointError
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.config import SamConfig, VitConfig
from anymask.model.mae import Mae, MaeConfig, sincos_positions
from anymask.model.mae_checkpoints import (
    MaeEncoder,
    holds_mae,
    load_mae,
    read_mae_encoder,
    resize_patch_kernels,
    sam_from_mae,
    save_mae,
)
from anymask.model.presets import tiny, tiny_vit
from anymask.model.sam import Sam

VIT = VitConfig(width=16, depth=2, num_heads=2, patch_size=8, global_blocks=(0, 1))
MAE = MaeConfig(
    name="tiny",
    image_size=32,
    image_encoder=VIT,
    decoder_width=8,
    decoder_depth=1,
    decoder_num_heads=2,
)


def _sam_config(image_size: int = 32, **vit: object) -> SamConfig:
    return replace(
        tiny_vit(),
        name="sam",
        image_size=image_size,
        image_encoder=replace(VIT, **vit),  # type: ignore[arg-type]
    )


@pytest.fixture
def mae() -> Mae:
    torch.manual_seed(0)
    mae = Mae(MAE)
    for parameter in mae.parameters():  # zeros would hide a swap
        nn.init.normal_(parameter, std=0.1)
    return mae.eval()


@pytest.fixture
def mae_path(mae: Mae, tmp_path: Path) -> Path:
    path = tmp_path / "mae.safetensors"
    save_mae(mae, path)
    return path


def _before_the_neck(model: Sam, images: Tensor) -> Tensor:
    model.eval()
    model.image_encoder.neck = nn.Identity()
    with torch.no_grad():
        features: Tensor = model.image_encoder(images).image_embeddings
    return features


def test_a_saved_auto_encoder_loads_as_it_was(mae: Mae, mae_path: Path) -> None:
    again = load_mae(mae_path)
    assert again.config == mae.config
    images, visible = torch.randn(1, 3, 32, 32), torch.tensor([[0, 3, 9, 15]])
    with torch.no_grad():
        assert torch.equal(again(images, visible), mae(images, visible))
    assert holds_mae(mae_path)


def test_the_same_grid_and_global_blocks_give_the_same_features(mae: Mae, mae_path: Path) -> None:
    sam = sam_from_mae(read_mae_encoder(mae_path), _sam_config(), seed=0)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = mae.encode(images).reshape(2, 4, 4, 16).permute(0, 3, 1, 2)
    torch.testing.assert_close(_before_the_neck(sam, images), expected, atol=1e-5, rtol=1e-5)


def test_windows_see_themselves_only_and_the_whole_grid_as_one_window_sees_all(
    mae_path: Path,
) -> None:
    encoder = read_mae_encoder(mae_path)
    images = torch.randn(1, 3, 32, 32)
    whole = _before_the_neck(sam_from_mae(encoder, _sam_config()), images)
    one_window = _sam_config(global_blocks=(), window_size=4)
    features = _before_the_neck(sam_from_mae(encoder, one_window), images)
    torch.testing.assert_close(features, whole, atol=1e-5, rtol=1e-5)

    four_windows = sam_from_mae(encoder, _sam_config(global_blocks=(), window_size=2))
    features = _before_the_neck(four_windows, images)
    changed = images.clone()
    changed[:, :, :16, :16] = 0  # the first window
    difference = (_before_the_neck(four_windows, changed) - features).abs().amax(1)[0]
    assert difference[:2, :2].min() > 1e-3
    difference[:2, :2] = 0
    assert difference.max() < 1e-6


def test_positions_of_a_ramp_stay_a_ramp_on_a_larger_grid(mae_path: Path) -> None:
    encoder = read_mae_encoder(mae_path)
    centres = torch.arange(4) + 0.5
    ramp = (centres[None, :, None, None] + 10 * centres[None, None, :, None]).expand(1, 4, 4, 16)
    encoder = MaeEncoder(state={**encoder.state, "pos_embed": ramp}, source="a ramp")
    sam = sam_from_mae(encoder, _sam_config(image_size=128))  # 16 cells a side
    positions = sam.image_encoder.pos_embed[0, :, :, 0]
    fine = (torch.arange(16) + 0.5) / 4
    expected = fine[:, None] + 10 * fine[None, :]
    inside = slice(6, 10)  # a kernel of the border reaches beyond the old grid
    torch.testing.assert_close(positions[inside, inside], expected[inside, inside])
    assert (positions.diff(dim=0) >= 0).all()
    assert (positions.diff(dim=1) >= 0).all()


def test_sam_gets_all_of_the_encoder_and_new_parts_only_where_it_must(
    mae: Mae, mae_path: Path
) -> None:
    config = _sam_config(global_blocks=(1,), window_size=2)
    sam = sam_from_mae(read_mae_encoder(mae_path), config, seed=3)
    fresh = build_sam(config, seed=3)
    state, random = sam.state_dict(), fresh.state_dict()
    given = {f"image_encoder.{key}": value for key, value in mae.state_dict().items()}
    from_mae = {key for key in state if key in given}
    assert from_mae == {
        "image_encoder.pos_embed",
        "image_encoder.patch_embed.proj.weight",
        "image_encoder.patch_embed.proj.bias",
        *(
            f"image_encoder.blocks.{i}.{name}.{kind}"
            for i in range(2)
            for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.lin1", "mlp.lin2")
            for kind in ("weight", "bias")
        ),
    }
    assert all(torch.equal(state[key], given[key]) for key in from_mae)
    others = set(state) - from_mae
    assert all(torch.equal(state[key], random[key]) for key in others)
    assert {key for key in others if key.startswith("image_encoder.")} == {
        *(f"image_encoder.blocks.{i}.attn.rel_pos_{axis}" for i in range(2) for axis in "hw"),
        *(f"image_encoder.neck.{i}.{k}" for i in (1, 3) for k in ("weight", "bias")),
        "image_encoder.neck.0.weight",
        "image_encoder.neck.2.weight",
    }
    assert not any(state[key].any() for key in others if "rel_pos" in key)


def _published(side: int = 4, patch_size: int = 8) -> dict[str, Tensor]:
    """Random weights by the names and shapes of mae_pretrain_vit_*.pth, 16 wide and 2 deep."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, 16),
        "pos_embed": (1, side**2 + 1, 16),
        "patch_embed.proj.weight": (16, 3, patch_size, patch_size),
        "patch_embed.proj.bias": (16,),
        "norm.weight": (16,),
        "norm.bias": (16,),
    }
    for i in range(2):
        for name, shape in {
            "norm1": (16,),
            "norm2": (16,),
            "attn.qkv": (48, 16),
            "attn.proj": (16, 16),
            "mlp.fc1": (64, 16),
            "mlp.fc2": (16, 64),
        }.items():
            shapes[f"blocks.{i}.{name}.weight"] = shape
            shapes[f"blocks.{i}.{name}.bias"] = shape[:1]
    generator = torch.Generator().manual_seed(5)
    return {key: 0.2 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def _reference_encoder(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """A plain ViT written from the description, on published names, without the class token."""
    x = F.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=8)
    x = x.flatten(2).transpose(1, 2) + state["pos_embed"][:, 1:]
    for i in range(2):
        w = {
            key.removeprefix(f"blocks.{i}."): value
            for key, value in state.items()
            if key.startswith(f"blocks.{i}.")
        }
        y = F.layer_norm(x, (16,), w["norm1.weight"], w["norm1.bias"], eps=1e-6)
        q, k, v = F.linear(y, w["attn.qkv.weight"], w["attn.qkv.bias"]).split(16, dim=-1)
        heads = []
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / 8**0.5
            heads.append(scores.softmax(-1) @ v[..., part])
        x = x + F.linear(torch.cat(heads, -1), w["attn.proj.weight"], w["attn.proj.bias"])
        y = F.layer_norm(x, (16,), w["norm2.weight"], w["norm2.bias"], eps=1e-6)
        y = F.gelu(F.linear(y, w["mlp.fc1.weight"], w["mlp.fc1.bias"]))
        x = x + F.linear(y, w["mlp.fc2.weight"], w["mlp.fc2.bias"])
    return x


def test_a_published_checkpoint_computes_what_a_plain_vit_does(tmp_path: Path) -> None:
    state = _published()
    path = tmp_path / "mae_pretrain_vit_tiny.pth"
    torch.save({"model": state}, path)
    assert holds_mae(path)
    sam = sam_from_mae(read_mae_encoder(path), _sam_config(), seed=0)
    images = torch.randn(2, 3, 32, 32)
    expected = _reference_encoder(state, images).reshape(2, 4, 4, 16).permute(0, 3, 1, 2)
    torch.testing.assert_close(_before_the_neck(sam, images), expected, atol=1e-5, rtol=1e-5)


def test_a_published_checkpoint_may_carry_its_decoder_and_a_head(tmp_path: Path) -> None:
    state = _published()
    extra = {"mask_token": (1, 1, 8), "decoder_embed.weight": (8, 16), "head.weight": (10, 16)}
    path = tmp_path / "mae.pth"
    torch.save(state | {key: torch.zeros(shape) for key, shape in extra.items()}, path)
    sam_from_mae(read_mae_encoder(path), _sam_config())


def test_patches_of_another_side_answer_alike(tmp_path: Path) -> None:
    state = _published(patch_size=14)
    path = tmp_path / "p14.pth"
    torch.save(state, path)
    sam = sam_from_mae(read_mae_encoder(path), _sam_config(64, patch_size=16))
    patch = torch.randn(5, 3, 14, 14)
    larger = F.interpolate(patch, size=16, mode="bilinear")
    old = F.conv2d(patch, state["patch_embed.proj.weight"])
    new = F.conv2d(larger, sam.image_encoder.patch_embed.proj.weight)
    torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_kernels_of_the_same_side_stay() -> None:
    kernels = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(resize_patch_kernels(kernels, 8), kernels)


def test_vit_sizes_of_the_paper_fit_published_shapes() -> None:
    with torch.device("meta"):
        for width, depth, heads, patch, length in (
            (768, 12, 12, 16, 197),
            (1024, 24, 16, 16, 197),
            (1280, 32, 16, 14, 257),
        ):
            vit = VitConfig(width=width, depth=depth, num_heads=heads, patch_size=patch)
            mae = Mae(MaeConfig(name="paper", image_encoder=vit))
            shapes = {key: tuple(value.shape) for key, value in mae.state_dict().items()}
            assert shapes["patch_embed.proj.weight"] == (width, 3, patch, patch)
            assert shapes[f"blocks.{depth - 1}.attn.qkv.weight"] == (3 * width, width)
            assert shapes[f"blocks.{depth - 1}.mlp.lin1.weight"] == (4 * width, width)
            assert shapes["pos_embed"][1] * shapes["pos_embed"][2] + 1 == length


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (tiny(), "is the encoder of a ViT, and tiny has another kind"),
        (_sam_config(depth=3), r"needs blocks\.2\.norm1.*Use the encoder"),
        (_sam_config(depth=1), r"has no place for blocks\.1\."),
        (_sam_config(width=32), r"must have shape .* for sam, got"),
        (_sam_config(num_heads=4), "has 4 attention heads, and .* was trained with 2"),
    ],
)
def test_an_encoder_that_does_not_fit_says_where(
    mae_path: Path, config: SamConfig, text: str
) -> None:
    with pytest.raises(CheckpointError, match=text) as error:
        sam_from_mae(read_mae_encoder(mae_path), config)
    assert "\n" not in str(error.value)


def test_unknown_weights_are_not_dropped_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(_published() | {"blocks.0.ls1.gamma": torch.ones(16)}, path)
    with pytest.raises(CheckpointError, match=r"no place for blocks\.0\.ls1\.gamma \(1 in all\)"):
        sam_from_mae(read_mae_encoder(path), _sam_config())


def test_other_files_are_refused_in_one_line(mae_path: Path, tmp_path: Path) -> None:
    sam_path = tmp_path / "sam.safetensors"
    save_sam(build_sam(_sam_config(), seed=0), sam_path)
    assert not holds_mae(sam_path)
    with pytest.raises(CheckpointError, match="must be a masked auto-encoder of ours"):
        load_mae(sam_path)
    with pytest.raises(CheckpointError, match="ours or a published one, got other tensors"):
        read_mae_encoder(sam_path)
    with pytest.raises(CheckpointError, match=r"masked auto-encoder, which segments nothing"):
        load_sam(mae_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        holds_mae(tmp_path / "none.pth")


def test_positions_without_a_class_token_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "square.pth"
    state = _published()
    state["pos_embed"] = sincos_positions(4, 16).flatten(1, 2)
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="a square grid and a class token, got 16"):
        read_mae_encoder(path)
