"""Layers: norms over channels, dropped paths, perceptrons."""

import torch
from torch import nn

from anymask.model.layers import DropPath, LayerNorm2d, MlpBlock, ReluMlp


def test_layer_norm_2d_normalises_each_pixel_over_its_channels():
    norm = LayerNorm2d(5)
    x = 3 * torch.randn(2, 5, 3, 4) + 7
    mean, std = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False).sqrt()
    torch.testing.assert_close(norm(x), (x - mean) / std, atol=1e-4, rtol=1e-4)


def test_layer_norm_2d_scales_and_shifts_channels():
    norm = LayerNorm2d(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([2.0, 3.0]))
        norm.bias.copy_(torch.tensor([10.0, 20.0]))
    x = torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(norm(x).flatten(), torch.tensor([8.0, 23.0]))


def test_layer_norm_2d_keeps_channels_last_memory():
    x = torch.randn(1, 4, 3, 3).to(memory_format=torch.channels_last)
    assert LayerNorm2d(4)(x).is_contiguous(memory_format=torch.channels_last)


def test_drop_path_does_nothing_in_evaluation():
    x = torch.randn(8, 3)
    assert torch.equal(DropPath(0.9).eval()(x), x)


def test_drop_path_does_nothing_without_probability():
    x = torch.randn(8, 3)
    assert torch.equal(DropPath(0.0).train()(x), x)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    dropped = DropPath(0.25).train()(torch.ones(4000, 2, 3))
    rows = dropped.flatten(1)
    assert bool((rows == rows[:, :1]).all())
    assert set(rows[:, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(dropped.mean().item() - 1) < 0.05


def test_relu_mlp_has_no_relu_at_its_end():
    mlp = ReluMlp(3, 4, 2, 3)
    assert [tuple(layer.weight.shape) for layer in mlp.layers] == [(4, 3), (4, 4), (2, 4)]
    with torch.no_grad():
        mlp.layers[-1].weight.zero_()
        mlp.layers[-1].bias.fill_(-1)
    assert torch.equal(mlp(torch.randn(5, 3)), torch.full((5, 2), -1.0))


def test_mlp_block_is_linear_activation_linear():
    block = MlpBlock(3, 6, nn.ReLU)
    x = torch.randn(2, 3)
    torch.testing.assert_close(block(x), block.lin2(block.lin1(x).clamp(min=0)))
