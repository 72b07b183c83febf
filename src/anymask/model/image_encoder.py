"""The ViT image encoder of the paper: windowed and global attention, relative positions, a neck.

Letters: B images or windows, h w grid, C width.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.config import VitConfig
from anymask.model.features import ImageFeatures
from anymask.model.layers import DropPath, LayerNorm2d, MlpBlock
from anymask.model.relative_attention import RelPosAttention, is_split

# Linux's allocator recycles freed blocks up to this size, which it learns as they are freed; larger
# ones go back to the system, and each of their pages costs again when it is next touched.
_RECYCLED_BYTES = (32 << 20) - (1 << 16)
# The hidden layer of the perceptron is four times as wide as a cell: so many stay below that size.
_CELLS_PER_MLP = 1024
_CELLS_PER_PASS = 4096


class ImageEncoderViT(nn.Module):
    """(B, 3, S, S) to an embedding (B, D, S/16, S/16); any S that the patch divides."""

    def __init__(self, config: VitConfig, image_size: int, out_dim: int) -> None:
        super().__init__()
        self.patch_size = config.patch_size
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
        if not is_split(images):
            return ImageFeatures(image_embeddings=self._embed(images))
        _teach_allocator()
        cells = images.shape[-2] * images.shape[-1] // self.patch_size**2
        parts = torch.split(images, max(1, _CELLS_PER_PASS // cells))
        return ImageFeatures(image_embeddings=torch.cat([self._embed(part) for part in parts]))

    def _embed(self, images: Tensor) -> Tensor:
        """(B, D, h, w) of (B, 3, S, S)."""
        x = self.patch_embed(images)  # B h w C
        x = x + self._positions(x.shape[1], x.shape[2])
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))  # type: ignore[no-any-return]

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
        # The layout is kept by all that follows; norms and sums are slow in the convolution's.
        return self.proj(images).permute(0, 2, 3, 1).contiguous()  # type: ignore[no-any-return]


class VitBlock(nn.Module):
    """A transformer block; `window_size` 0 means attention over the whole grid.

    With `grid_size` 0 as well it has no relative positions, and any (B, 1, L, C) is a sequence.
    """

    def __init__(
        self, config: VitConfig, window_size: int, grid_size: int, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=1e-6)
        self.attn = RelPosAttention(config.width, config.num_heads, window_size, grid_size)
        self.norm2 = nn.LayerNorm(config.width, eps=1e-6)
        self.mlp = MlpBlock(config.width, int(config.width * config.mlp_ratio), nn.GELU)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        if self.training or not is_split(x):
            return x + self.drop_path(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]
        for cells in torch.split(x.view(-1, x.shape[-1]), _CELLS_PER_MLP):
            cells += self.mlp(self.norm2(cells))
        return x


@cache
def _teach_allocator() -> None:
    """Frees a block of the largest size that is recycled, once a process.

    Without it the first passes of an encoder take up to a tenth more time.
    """
    torch.empty(_RECYCLED_BYTES, dtype=torch.uint8)
