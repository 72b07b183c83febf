"""Attention of the paper's ViT: windows, and relative positions decomposed into rows and columns.

ViT-B at 1024 pixels has 12 * 4096 * 4096 scores in a global block. They are never whole in memory
but where a gradient in float32 on a CPU needs them so.

Letters: B images or windows, h w grid, L = h * w cells, C width, c width of a head.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Scores that a thread makes at a time: enough rows to share the work on keys and values, few
# enough to stay in its cache.
_SCORES_PER_THREAD = 1 << 21
# Fast kernels take widths of a head that are multiples of this.
_WIDTH_STEP = 16
# Numbers in the widened queries of the heads that are attended together: near the caches, too.
_QUERIES_PER_PART = 1 << 21


class RelPosAttention(nn.Module):
    """Multi-head attention with relative positions (Li et al. 2022, Sec. 3 of the ViTDet paper).

    A `window_size` of 0 attends over the whole grid. A `grid_size` of 0 as well leaves the relative
    positions out.
    """

    def __init__(self, dim: int, num_heads: int, window_size: int, grid_size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window_size = window_size
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        head_dim = dim // num_heads
        self.rel_pos_h: nn.Parameter | None = None
        self.rel_pos_w: nn.Parameter | None = None
        if side := window_size or grid_size:
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, head_dim))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, head_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        qkv = self.qkv(x)
        if not self.window_size:
            return self.proj(self._attend(qkv))  # type: ignore[no-any-return]
        # The released weights were trained with zeros beyond the border, which take part as keys.
        # What the projection makes of a zero is known without projecting each of them.
        border = self.qkv(x.new_zeros(x.shape[-1]))
        strip_height = self.window_size if is_split(x) else x.shape[1]
        strips = [
            self._attend_in_windows(strip, border) for strip in torch.split(qkv, strip_height, 1)
        ]
        return self.proj(torch.cat(strips, dim=1))  # type: ignore[no-any-return]

    def _attend_in_windows(self, qkv: Tensor, border: Tensor) -> Tensor:
        """(B, h, w, C) of (B, h, w, 3C), whose first row and column begin a window."""
        windows, padded_size = partition_windows(qkv, self.window_size, border)
        return merge_windows(self._attend(windows), padded_size, qkv.shape[1:3])

    def _attend(self, qkv: Tensor) -> Tensor:
        """(B, h, w, C) of (B, h, w, 3C)."""
        B, h, w, _ = qkv.shape
        q, k, v = qkv.reshape(B, h * w, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)  # B heads L c
        if self.rel_pos_h is None or self.rel_pos_w is None:
            x = F.scaled_dot_product_attention(q, k, v)
        else:
            rows, columns = relative_table(self.rel_pos_h, h), relative_table(self.rel_pos_w, w)
            x = relative_attention(q, k, v, rows, columns)
        return x.transpose(1, 2).reshape(B, h, w, -1)


def relative_attention(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(B, heads, L, c): attention whose scores have a bias by distance in rows and in columns.

    A query's score of a key is q k / sqrt(c) + q (rows[i, a] + columns[j, b]), the query being at
    row i and column j and the key at a and b. As in the paper's code the bias is not scaled.

    Args:
        q: (B, heads, L, c), as are k and v.
        k: keys.
        v: values.
        rows: (h, h, c).
        columns: (w, w, c); L = h * w.
    """
    if q.device.type == "cpu" and q.dtype == torch.float32:
        # Multiplications are what costs here.
        return _with_added_bias(q, k, v, *_decomposed_bias(q, rows, columns))
    scale = q.shape[-1] ** 0.5
    rows, columns = rows * scale, columns * scale
    heads = q.shape[1]
    if is_split(q):
        wide = q.shape[-1] + rows.shape[0] + columns.shape[0]
        each = q.shape[0] * q.shape[2] * wide
        heads = max(torch.get_num_threads(), _QUERIES_PER_PART // each)
    outputs = []
    for first in range(0, q.shape[1], heads):
        part = slice(first, first + heads)
        bias_h, bias_w = _decomposed_bias(q[:, part], rows, columns)
        outputs.append(_with_wider_heads(q[:, part], k[:, part], v[:, part], bias_h, bias_w))
    return torch.cat(outputs, dim=1)


def _decomposed_bias(q: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """(B, heads, L, h) and (B, heads, L, w): of each query and each row or column of keys."""
    grid = q.reshape(*q.shape[:2], rows.shape[0], columns.shape[0], -1)
    bias_h = torch.einsum("bnhwc,hkc->bnhwk", grid, rows.to(q.dtype))
    bias_w = torch.einsum("bnhwc,wkc->bnhwk", grid, columns.to(q.dtype))
    return bias_h.flatten(2, 3), bias_w.flatten(2, 3)


def _with_wider_heads(q: Tensor, k: Tensor, v: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """The bias (times sqrt(c)) comes out of the multiplication of queries and keys.

    A query carries its bias for each row and column, a key has ones at its own. The kernels that
    need memory for L scores only take no bias, and where matrices multiply fast the wider heads
    cost less than to write and read one.
    """
    B, heads, L, c = q.shape
    h, w = bias_h.shape[-1], bias_w.shape[-1]
    fill = -(c + h + w) % _WIDTH_STEP
    is_row = torch.eye(h, dtype=k.dtype, device=k.device).repeat_interleave(w, 0)
    is_column = torch.eye(w, dtype=k.dtype, device=k.device).repeat(h, 1)
    cells = F.pad(torch.cat([is_row, is_column], dim=1), (0, fill)).expand(B, heads, L, -1)
    nothing = q.new_zeros(()).expand(B, heads, L, h + w + fill)
    x = F.scaled_dot_product_attention(
        torch.cat([q, bias_h, bias_w, nothing[..., :fill]], dim=-1),
        torch.cat([k, cells], dim=-1),
        torch.cat([v, nothing], dim=-1),
        scale=c**-0.5,
    )
    return x[..., :c]


def _with_added_bias(q: Tensor, k: Tensor, v: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """The bias is added to the scores, without gradients in parts that stay near the caches."""
    outputs = torch.empty_like(q)
    for part in _parts(q):
        bias = (bias_h[part][..., :, None] + bias_w[part][..., None, :]).flatten(-2)
        keys, values = k[part[:2]], v[part[:2]]
        attended = F.scaled_dot_product_attention(q[part], keys, values, attn_mask=bias)
        if attended.shape == q.shape:
            return attended
        outputs[part] = attended
    return outputs


def _parts(q: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Images, heads and rows of queries (B, heads, L, c) whose scores are made together."""
    if not is_split(q):  # slices with numbers would be fixed in a traced graph
        return iter([(slice(None), slice(None), slice(None))])
    B, heads, L = q.shape[:3]
    scores = _SCORES_PER_THREAD * torch.get_num_threads()
    steps = (scores // (heads * L * L), scores // (L * L), scores // L)
    each = [
        [slice(i, i + max(1, step)) for i in range(0, size, max(1, step))]
        for size, step in zip((B, heads, L), steps, strict=True)
    ]
    return ((b, n, rows) for b in each[0] for n in each[1] for rows in each[2])


def is_split(x: Tensor) -> bool:
    """Whether work on x is done in parts that stay near a CPU's caches.

    Not where gradients need all of it anyway, nor in a graph that is traced for other machines.
    """
    is_traced: bool = torch.jit.is_tracing()  # type: ignore[no-untyped-call, attr-defined]
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not is_traced


def relative_table(rel_pos: Tensor, size: int) -> Tensor:
    """(size, size, c): the embedding of row distance query - key, resized when it does not fit."""
    needed = 2 * size - 1
    if rel_pos.shape[0] != needed:
        rel_pos = F.interpolate(rel_pos.T.unsqueeze(0), size=needed, mode="linear")[0].T
    index = torch.arange(size, device=rel_pos.device)
    return rel_pos[index[:, None] - index[None, :] + size - 1]


def partition_windows(
    x: Tensor, window_size: int, border: Tensor
) -> tuple[Tensor, tuple[int, int]]:
    """Windows (B * n, window, window, C) of (B, h, w, C), and the (h, w) that they cover.

    Where they reach beyond the grid they hold `border` (C,).
    """
    B, h, w, C = x.shape
    H, W = h + -h % window_size, w + -w % window_size
    if (h, w) != (H, W):
        x = torch.cat([x, border.expand(B, h, W - w, C)], dim=2)
        x = torch.cat([x, border.expand(B, H - h, W, C)], dim=1)
    x = x.reshape(B, H // window_size, window_size, W // window_size, window_size, C)
    return x.transpose(2, 3).reshape(-1, window_size, window_size, C), (H, W)


def merge_windows(windows: Tensor, padded_size: tuple[int, int], size: torch.Size) -> Tensor:
    """The (B, h, w, C) map that `partition_windows` cut, without its border."""
    (H, W), (h, w) = padded_size, size
    window_size, C = windows.shape[1], windows.shape[-1]
    x = windows.reshape(-1, H // window_size, W // window_size, window_size, window_size, C)
    return x.transpose(2, 3).reshape(-1, H, W, C)[:, :h, :w]
