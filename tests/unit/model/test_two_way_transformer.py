"""Two-way attention: what fillers may not change, and what comes out."""

import math

import numpy as np
import pytest
import torch

from anymask.model.two_way_attention import Attention
from anymask.model.two_way_transformer import TwoWayTransformer


def softmax(x: np.ndarray) -> np.ndarray:
    exponents = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


@torch.no_grad()
def test_attention_equals_a_slow_reference():
    attention = Attention(8, num_heads=2, downsample=2)
    q, k, v = torch.randn(1, 3, 8), torch.randn(1, 5, 8), torch.randn(1, 5, 8)
    q_in, k_in, v_in = (
        proj(x)[0].numpy()
        for proj, x in ((attention.q_proj, q), (attention.k_proj, k), (attention.v_proj, v))
    )
    heads = [
        softmax(q_in[:, c] @ k_in[:, c].T / math.sqrt(2)) @ v_in[:, c]
        for c in (slice(0, 2), slice(2, 4))
    ]
    expected = attention.out_proj(torch.from_numpy(np.concatenate(heads, axis=1)))
    torch.testing.assert_close(attention(q, k, v)[0], expected)


def test_attention_needs_a_width_that_its_heads_divide():
    with pytest.raises(ValueError, match="num_heads must divide 4, got 3"):
        Attention(8, num_heads=3, downsample=2)


@torch.no_grad()
def test_a_filler_token_changes_nothing():
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, dim=8, num_heads=2, mlp_dim=16).eval()
    tokens, cells, cell_pe = torch.randn(2, 4, 8), torch.randn(2, 9, 8), torch.randn(1, 9, 8)
    filled = torch.cat([tokens, 100 * torch.randn(2, 3, 8)], dim=1)
    mask = torch.tensor([True] * 4 + [False] * 3).expand(2, 1, 1, 7)
    plain_tokens, plain_cells = transformer(tokens, cells, transformer.prepare_positions(cell_pe))
    filled_tokens, filled_cells = transformer(
        filled, cells, transformer.prepare_positions(cell_pe), mask
    )
    torch.testing.assert_close(filled_tokens[:, :4], plain_tokens)
    torch.testing.assert_close(filled_cells, plain_cells)
    unmasked_tokens, _ = transformer(filled, cells, transformer.prepare_positions(cell_pe))
    assert not torch.allclose(unmasked_tokens[:, :4], plain_tokens, atol=1e-3)


@torch.no_grad()
def test_order_of_tokens_does_not_matter():
    transformer = TwoWayTransformer(depth=1, dim=8, num_heads=2, mlp_dim=16).eval()
    tokens, cells, cell_pe = torch.randn(1, 4, 8), torch.randn(1, 9, 8), torch.randn(1, 9, 8)
    plain, plain_cells = transformer(tokens, cells, transformer.prepare_positions(cell_pe))
    flipped, flipped_cells = transformer(
        tokens.flip(1), cells, transformer.prepare_positions(cell_pe)
    )
    torch.testing.assert_close(flipped.flip(1), plain)
    torch.testing.assert_close(flipped_cells, plain_cells)


def test_dropout_acts_only_in_training():
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, dim=8, num_heads=2, mlp_dim=16, dropout=0.5)
    positions = transformer.prepare_positions(torch.randn(1, 9, 8))
    inputs = torch.randn(1, 4, 8), torch.randn(1, 9, 8), positions
    trained, again = transformer(*inputs)[0], transformer(*inputs)[0]
    assert not torch.allclose(trained, again)
    transformer.eval()
    assert torch.equal(transformer(*inputs)[0], transformer(*inputs)[0])


def plain_cross_attention(attention, q, k, v):
    """Return attention with everything projected, as the paper writes it."""
    return Attention.forward(attention, q, k, v)


@torch.no_grad()
def test_a_block_equals_one_that_projects_all_cells():
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=1, dim=8, num_heads=2, mlp_dim=16).eval()
    block = transformer.layers[0]
    tokens, cells, cell_pe = torch.randn(2, 4, 8), torch.randn(2, 9, 8), torch.randn(1, 9, 8)
    expected = block.norm1(block.self_attn(tokens, tokens, tokens))
    attended = plain_cross_attention(
        block.cross_attn_token_to_image, expected + tokens, cells + cell_pe, cells
    )
    expected = block.norm2(expected + attended)
    expected = block.norm3(expected + block.mlp(expected))
    attended = plain_cross_attention(
        block.cross_attn_image_to_token, cells + cell_pe, expected + tokens, expected
    )
    expected_cells = block.norm4(cells + attended)
    known = block.prepare(cell_pe)
    found, found_cells = block(tokens, cells, tokens, known, None, None)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_cells, expected_cells)


@torch.no_grad()
def test_a_prepared_image_changes_no_answer():
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, dim=8, num_heads=2, mlp_dim=16).eval()
    tokens, cells, cell_pe = torch.randn(3, 4, 8), torch.randn(1, 9, 8), torch.randn(1, 9, 8)
    positions = transformer.prepare_positions(cell_pe)
    image = transformer.prepare_image(positions, cells, cell_pe)
    for mask in (None, torch.tensor([True, True, True, False]).expand(3, 1, 1, 4)):
        plain = transformer(tokens, cells, positions, mask)
        for a, b in zip(transformer(tokens, cells, image, mask), plain, strict=True):
            torch.testing.assert_close(a, b)
