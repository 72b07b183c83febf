"""The hybrid encoder: shapes at every size, and blocks that start as the identity."""

import dataclasses

import pytest
import torch

from anymask.model.conv_encoder import ConvBlock, ConvEncoder, GlobalBlock
from anymask.model.presets import tiny

CONFIG = tiny().image_encoder


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (96, 96), (64, 128), (160, 32)])
@torch.no_grad()
def test_features_at_strides_16_8_and_4(height, width):
    features = ConvEncoder(CONFIG, 16).eval()(torch.randn(2, 3, height, width))
    assert features.image_embeddings.shape == (2, 16, height // 16, width // 16)
    assert features.stride8.shape == (2, 4, height // 8, width // 8)
    assert features.stride4.shape == (2, 2, height // 4, width // 4)


@torch.no_grad()
def test_memory_layout_does_not_change_the_result():
    torch.manual_seed(0)
    encoder, images = ConvEncoder(CONFIG, 16).eval(), torch.randn(1, 3, 64, 64)
    plain = encoder(images).image_embeddings
    encoder = encoder.to(memory_format=torch.channels_last)
    other = encoder(images.to(memory_format=torch.channels_last)).image_embeddings
    torch.testing.assert_close(other, plain, atol=1e-5, rtol=1e-4)


def test_a_fresh_block_is_the_identity():
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(ConvBlock(4, 0.0)(x), x)


@torch.no_grad()
def test_attention_lets_every_cell_see_every_other():
    torch.manual_seed(0)
    block = GlobalBlock(8, 2, 2.0, 0.0).eval()
    x = torch.randn(1, 8, 4, 4)
    moved = x.clone()
    moved[0, :, 3, 3] += torch.randn(8)
    assert not torch.allclose(block(moved)[0, :, 0, 0], block(x)[0, :, 0, 0], atol=1e-5)


def test_drop_path_acts_only_in_training():
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, drop_path=0.5)
    encoder, images = ConvEncoder(config, 16), torch.randn(8, 3, 64, 64)
    trained, again = encoder(images).image_embeddings, encoder(images).image_embeddings
    assert not torch.allclose(trained, again)
    encoder.eval()
    assert torch.equal(encoder(images).image_embeddings, encoder(images).image_embeddings)
