"""Windows, relative positions, and attention against slow references."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.model.image_encoder import VitBlock
from anymask.model.presets import tiny_vit
from anymask.model.relative_attention import (
    RelPosAttention,
    merge_windows,
    partition_windows,
    relative_table,
)

CONFIG = tiny_vit().image_encoder


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_windows_merge_to_what_was_cut(h, w, window_size):
    x = torch.randn(2, h, w, 3)
    windows, padded_size = partition_windows(x, window_size, torch.zeros(3))
    assert windows.shape[1:] == (window_size, window_size, 3)
    assert torch.equal(merge_windows(windows, padded_size, x.shape[1:3]), x)


def test_windows_are_tiles_row_by_row_with_the_border_beyond_the_grid():
    x = torch.arange(1.0, 7).reshape(1, 2, 3, 1)
    windows, padded_size = partition_windows(x, 2, torch.tensor([9.0]))
    assert padded_size == (2, 4)
    assert windows[..., 0].tolist() == [[[1, 2], [4, 5]], [[3, 9], [6, 9]]]


def test_relative_table_holds_the_row_of_each_distance():
    rel_pos = torch.randn(7, 3)
    table = relative_table(rel_pos, 4)
    for query in range(4):
        for key in range(4):
            assert torch.equal(table[query, key], rel_pos[query - key + 3])


def test_relative_table_of_another_size_is_interpolated():
    rel_pos = torch.arange(7.0)[:, None].expand(7, 2)
    table = relative_table(rel_pos, 7)
    assert table.shape == (7, 7, 2)
    along = torch.cat([table[0].flip(0), table[1:, 0]])[:, 0]  # distances -6 to 6
    assert bool((along.diff() >= 0).all())
    torch.testing.assert_close(along[[0, 6, -1]], torch.tensor([0.0, 3.0, 6.0]))


def slow_attention(attention: RelPosAttention, x: torch.Tensor) -> np.ndarray:
    """Return one (h, w, C) grid's attention, one query at a time."""
    h, w, C = x.shape
    heads = attention.num_heads
    c = C // heads
    q, k, v = attention.qkv(x).reshape(h, w, 3, heads, c).permute(2, 3, 0, 1, 4).numpy()
    rel_h, rel_w = attention.rel_pos_h.numpy(), attention.rel_pos_w.numpy()
    out = np.zeros((h, w, heads, c), dtype=np.float32)
    for n in range(heads):
        for i, j in np.ndindex(h, w):
            scores = np.zeros((h, w))
            for a, b in np.ndindex(h, w):
                scores[a, b] = q[n, i, j] @ (
                    k[n, a, b] / math.sqrt(c) + rel_h[i - a + h - 1] + rel_w[j - b + w - 1]
                )
            weights = np.exp(scores - scores.max())
            out[i, j, n] = np.einsum("ab,abc->c", weights / weights.sum(), v[n])
    return attention.proj(torch.from_numpy(out.reshape(h, w, C))).numpy()


@pytest.fixture
def block():
    torch.manual_seed(0)
    block = VitBlock(CONFIG, window_size=4, grid_size=6, drop_path=0.0).eval()
    torch.nn.init.normal_(block.attn.rel_pos_h)
    torch.nn.init.normal_(block.attn.rel_pos_w)
    torch.nn.init.normal_(block.norm1.bias)
    return block


@torch.no_grad()
def test_attention_with_relative_positions_equals_a_slow_reference(block):
    x = torch.randn(2, 4, 4, 32)
    expected = np.stack([slow_attention(block.attn, grid) for grid in x])
    np.testing.assert_allclose(block.attn(x).numpy(), expected, atol=1e-5)


@torch.no_grad()
def test_padding_of_windows_takes_part_in_attention_as_the_weights_expect(block):
    x = torch.randn(1, 6, 6, 32)
    padded = np.zeros((8, 8, 32), dtype=np.float32)
    padded[:6, :6] = block.norm1(x)[0].numpy()
    attended = np.zeros_like(padded)
    for row in (0, 4):
        for column in (0, 4):
            tile = np.s_[row : row + 4, column : column + 4]
            attended[tile] = slow_attention(block.attn, torch.from_numpy(padded[tile]))
    expected = x + torch.from_numpy(attended[:6, :6])
    expected = expected + block.mlp(block.norm2(expected))
    torch.testing.assert_close(block(x), expected, atol=2e-5, rtol=1e-4)
