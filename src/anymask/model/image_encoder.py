"""The ViT image encoder of the paper: windowed and global attention, relative positions, a neck.

Letters: B images or windows, h w grid, C width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.config import VitConfig
from anymask.model.features import ImageFeatures
from anymask.model.layers import DropPath, LayerNorm2d, MlpBlock


class ImageEncoderViT(nn.Module):
    """(B, 3, S, S) to an embedding (B, D, S/16, S/16); any S that the patch divides."""

    def __init__(self, config: VitConfig, image_size: int, out_dim: int) -> None:
        super().__init__()
        side = image_size // config.patch_size
        self.patch_embed = PatchEmbed(config.patch_size, config.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, config.width))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(
            VitBlock(
                config,
                window_size=0 if i in config.global_blocks else config.window_size,
                grid_size=side,
                drop_path=config.drop_path * i / max(1, config.depth - 1),
            )
            for i in range(config.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(config.width, out_dim, 1, bias=False),
            LayerNorm2d(out_dim),
            nn.Conv2d(out_dim, out_dim, 3, padding=1, bias=False),
            LayerNorm2d(out_dim),
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """The features of normalised, padded images (B, 3, S, S)."""
        x = self.patch_embed(images)  # B h w C
        x = x + self._positions(x.shape[1], x.shape[2])
        for block in self.blocks:
            x = block(x)
        return ImageFeatures(image_embeddings=self.neck(x.permute(0, 3, 1, 2)))

    def _positions(self, h: int, w: int) -> Tensor:
        if self.pos_embed.shape[1:3] == (h, w):
            return self.pos_embed
        resized = F.interpolate(
            self.pos_embed.permute(0, 3, 1, 2), size=(h, w), mode="bicubic", antialias=True
        )
        return resized.permute(0, 2, 3, 1)


class PatchEmbed(nn.Module):
    """Non-overlapping patches as vectors."""

    def __init__(self, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, h, w, C)."""
        return self.proj(images).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class VitBlock(nn.Module):
    """A transformer block; `window_size` 0 means attention over the whole grid.

    With `grid_size` 0 as well it has no relative positions, and any (B, 1, L, C) is a sequence.
    """

    def __init__(
        self, config: VitConfig, window_size: int, grid_size: int, drop_path: float
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.norm1 = nn.LayerNorm(config.width, eps=1e-6)
        self.attn = RelPosAttention(config.width, config.num_heads, window_size or grid_size)
        self.norm2 = nn.LayerNorm(config.width, eps=1e-6)
        self.mlp = MlpBlock(config.width, int(config.width * config.mlp_ratio), nn.GELU)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        attended = self.norm1(x)
        if self.window_size:
            windows, padded_size = partition_windows(attended, self.window_size)
            attended = merge_windows(self.attn(windows), padded_size, x.shape[1:3])
        else:
            attended = self.attn(attended)
        x = x + self.drop_path(attended)
        return x + self.drop_path(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class RelPosAttention(nn.Module):
    """Multi-head attention with relative positions decomposed into rows and columns.

    A `grid_size` of 0 leaves them out.
    """

    def __init__(self, dim: int, num_heads: int, grid_size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        head_dim = dim // num_heads
        self.rel_pos_h: nn.Parameter | None = None
        self.rel_pos_w: nn.Parameter | None = None
        if grid_size:
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * grid_size - 1, head_dim))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * grid_size - 1, head_dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        B, h, w, C = x.shape
        heads = self.num_heads
        qkv = self.qkv(x).reshape(B, h * w, 3, heads, C // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # B heads L C/heads
        bias = self._relative_bias(q.reshape(B, heads, h, w, -1))
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(x.transpose(1, 2).reshape(B, h, w, C))  # type: ignore[no-any-return]

    def _relative_bias(self, q: Tensor) -> Tensor | None:
        """(B, heads, L, L) additive bias; the query here is not scaled, as in the paper's code."""
        if self.rel_pos_h is None or self.rel_pos_w is None:
            return None
        B, heads, h, w, _ = q.shape
        rows = relative_table(self.rel_pos_h, h).to(q.dtype)  # h h c
        columns = relative_table(self.rel_pos_w, w).to(q.dtype)  # w w c
        bias_h = torch.einsum("bnhwc,hkc->bnhwk", q, rows)
        bias_w = torch.einsum("bnhwc,wkc->bnhwk", q, columns)
        bias = bias_h[..., :, None] + bias_w[..., None, :]  # B heads h w h w
        return bias.reshape(B, heads, h * w, h * w)


def relative_table(rel_pos: Tensor, size: int) -> Tensor:
    """(size, size, c): the embedding of row distance query - key, resized when it does not fit."""
    needed = 2 * size - 1
    if rel_pos.shape[0] != needed:
        rel_pos = F.interpolate(rel_pos.T.unsqueeze(0), size=needed, mode="linear")[0].T
    index = torch.arange(size, device=rel_pos.device)
    return rel_pos[index[:, None] - index[None, :] + size - 1]


def partition_windows(x: Tensor, window_size: int) -> tuple[Tensor, tuple[int, int]]:
    """Windows (B * n, window, window, C) of (B, h, w, C), zero-padded, and the padded (h, w)."""
    B, h, w, C = x.shape
    x = F.pad(x, (0, 0, 0, -w % window_size, 0, -h % window_size))
    H, W = x.shape[1:3]
    x = x.reshape(B, H // window_size, window_size, W // window_size, window_size, C)
    return x.transpose(2, 3).reshape(-1, window_size, window_size, C), (H, W)


def merge_windows(windows: Tensor, padded_size: tuple[int, int], size: torch.Size) -> Tensor:
    """The (B, h, w, C) map that `partition_windows` cut, without its padding."""
    (H, W), (h, w) = padded_size, size
    window_size, C = windows.shape[1], windows.shape[-1]
    x = windows.reshape(-1, H // window_size, W // window_size, window_size, window_size, C)
    return x.transpose(2, 3).reshape(-1, H, W, C)[:, :h, :w]
