"""The ViT encoder: any image size, any batch, with gradients and without, in short types."""

import dataclasses

import pytest
import torch

from anymask.model import image_encoder, relative_attention
from anymask.model.image_encoder import ImageEncoderViT
from anymask.model.precision import store_weights
from anymask.model.presets import tiny_vit

CONFIG = tiny_vit().image_encoder


@pytest.mark.parametrize("side", [64, 96, 160])
@torch.no_grad()
def test_other_image_sizes_resize_the_positions(side):
    encoder = ImageEncoderViT(CONFIG, 96, 32).eval()
    features = encoder(torch.randn(2, 3, side, side))
    assert features.image_embeddings.shape == (2, 32, side // 16, side // 16)
    assert features.stride8 is None
    assert features.stride4 is None


def test_drop_path_acts_only_in_training():
    torch.manual_seed(0)
    encoder = ImageEncoderViT(dataclasses.replace(CONFIG, drop_path=0.5), 96, 32)
    images = torch.randn(8, 3, 96, 96)
    trained, again = encoder(images).image_embeddings, encoder(images).image_embeddings
    assert not torch.allclose(trained, again)
    encoder.eval()
    assert torch.equal(encoder(images).image_embeddings, encoder(images).image_embeddings)


@pytest.fixture
def encoder() -> ImageEncoderViT:
    torch.manual_seed(0)
    encoder = ImageEncoderViT(CONFIG, 96, 32).eval()
    for name, parameter in encoder.named_parameters():
        if "rel_pos" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return encoder


@pytest.mark.parametrize("small_parts", [False, True])
def test_work_in_parts_gives_the_numbers_of_the_whole(encoder, monkeypatch, small_parts):
    if small_parts:
        monkeypatch.setattr(image_encoder, "_CELLS_PER_PASS", 72)
        monkeypatch.setattr(image_encoder, "_CELLS_PER_MLP", 7)
        monkeypatch.setattr(relative_attention, "_SCORES_PER_THREAD", 100)
    images = torch.randn(3, 3, 96, 96)
    whole = encoder(images).image_embeddings
    with torch.no_grad():
        parts = encoder(images).image_embeddings
    assert whole.requires_grad
    assert (whole - parts).norm() <= 1e-5 * whole.norm()


def test_gradient_is_the_same_with_the_bias_in_wider_heads(encoder, monkeypatch):
    images = torch.randn(2, 3, 96, 96)
    gradients = []
    for attend in (relative_attention._with_added_bias, widened):
        monkeypatch.setattr(relative_attention, "_with_added_bias", attend)
        encoder.zero_grad()
        encoder(images).image_embeddings.square().sum().backward()
        gradients.append([parameter.grad for parameter in encoder.parameters()])
    for added, wider in zip(*gradients, strict=True):
        torch.testing.assert_close(wider, added, rtol=1e-3, atol=1e-3 * float(added.abs().max()))


def widened(q, k, v, bias_h, bias_w):
    scale = q.shape[-1] ** 0.5
    return relative_attention._with_wider_heads(q, k, v, bias_h * scale, bias_w * scale)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_short_types_give_nearly_the_same(encoder, dtype):
    images = torch.randn(2, 3, 96, 96)
    exact = encoder(images).image_embeddings
    store_weights(encoder, dtype)
    with torch.autocast("cpu", dtype):
        got = encoder(images).image_embeddings.float()
    error = float((got - exact).norm() / exact.norm())
    assert 0 < error < 0.012
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert {norm.weight.dtype for norm in norms} == {torch.float32}
    assert encoder.blocks[0].mlp.lin1.weight.dtype == dtype


def test_drop_path_still_acts_where_no_gradient_is_asked_for():
    torch.manual_seed(0)
    encoder = ImageEncoderViT(dataclasses.replace(CONFIG, drop_path=0.9), 96, 32)
    images = torch.randn(8, 3, 96, 96)
    with torch.no_grad():
        assert not torch.allclose(
            encoder(images).image_embeddings, encoder.eval()(images).image_embeddings
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_scores_are_never_whole_in_memory(dtype):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, tuple) else (result,):
                if isinstance(tensor, torch.Tensor):
                    self.size = max(self.size, tensor.numel())
            return result

    L, heads = 48 * 48, 12
    q, k, v = torch.randn(3, 1, heads, L, 8, dtype=dtype)
    rows = columns = torch.randn(48, 48, 8)
    with Largest() as largest:
        relative_attention.relative_attention(q, k, v, rows, columns)
    assert largest.size < heads * L * L / 2
