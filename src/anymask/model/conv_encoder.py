"""The small default's image encoder: dense convolutions, a little attention, a feature pyramid.

Dense 3x3 convolutions in channels-last memory run near a CPU's bf16 peak while depthwise ones do
not, and a convolutional prior is what a few thousand photos can train. Strides 4 and 8 leave as
high-resolution features for the mask decoder; attention at stride 32 gives every cell the whole
picture.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.config import ConvConfig
from anymask.model.features import ImageFeatures
from anymask.model.layers import ConvBlock, DropPath, LayerNorm2d, MlpBlock


class GlobalBlock(nn.Module):
    """A pre-norm transformer block over all cells of a (B, C, h, w) map."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MlpBlock(dim, int(dim * mlp_ratio), nn.ReLU)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim, h, w) to the same."""
        B, C, h, w = x.shape
        cells = x.flatten(2).transpose(1, 2)  # B L C
        qkv = self.qkv(self.norm1(cells)).reshape(B, h * w, 3, self.num_heads, C // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # B heads L C/heads
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, h * w, C)
        cells = cells + self.drop_path(self.proj(attended))
        cells = cells + self.drop_path(self.mlp(self.norm2(cells)))
        return cells.transpose(1, 2).reshape(B, C, h, w)  # type: ignore[no-any-return]


class ConvEncoder(nn.Module):
    """A hybrid pyramid: (B, 3, S, S) to an embedding at stride 16 and features at 4 and 8."""

    def __init__(self, config: ConvConfig, out_dim: int) -> None:
        super().__init__()
        w4, w8, w16, w32 = config.widths
        num_blocks = sum(config.depths) + config.attention_depth
        rates = iter([config.drop_path * i / max(1, num_blocks - 1) for i in range(num_blocks)])

        def stage(dim: int, depth: int) -> nn.Sequential:
            return nn.Sequential(*(ConvBlock(dim, next(rates)) for _ in range(depth)))

        def halve(in_dim: int, dim: int) -> nn.Sequential:
            conv = nn.Conv2d(in_dim, dim, 3, stride=2, padding=1)
            return nn.Sequential(LayerNorm2d(in_dim), conv)

        self.stem = nn.Sequential(
            nn.Conv2d(3, config.stem_width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.stem_width, w4, 3, stride=2, padding=1),
        )
        self.stage4 = stage(w4, config.depths[0])
        self.stage8 = nn.Sequential(halve(w4, w8), stage(w8, config.depths[1]))
        self.stage16 = nn.Sequential(halve(w8, w16), stage(w16, config.depths[2]))
        self.stage32 = nn.Sequential(
            halve(w16, w32),
            *(
                GlobalBlock(w32, config.num_heads, config.mlp_ratio, next(rates))
                for _ in range(config.attention_depth)
            ),
        )
        self.lateral16 = nn.Conv2d(w16, out_dim, 1)
        self.lateral32 = nn.Conv2d(w32, out_dim, 1)
        self.smooth = nn.Sequential(
            LayerNorm2d(out_dim), nn.Conv2d(out_dim, out_dim, 3, padding=1), LayerNorm2d(out_dim)
        )
        # The decoder up-scales to D/4 channels at stride 8 and D/8 at stride 4.
        self.skip8 = nn.Sequential(LayerNorm2d(w8), nn.Conv2d(w8, out_dim // 4, 1))
        self.skip4 = nn.Sequential(LayerNorm2d(w4), nn.Conv2d(w4, out_dim // 8, 1))
        self.top_down8 = nn.Conv2d(out_dim, out_dim // 4, 1)

    def forward(self, images: Tensor) -> ImageFeatures:
        """The features of normalised, padded images (B, 3, S, S)."""
        x4 = self.stage4(self.stem(images))
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        x32 = self.stage32(x16)
        # nearest-neighbour, as every runtime up-samples it alike
        top = F.interpolate(self.lateral32(x32), size=x16.shape[-2:], mode="nearest")
        embeddings = self.smooth(self.lateral16(x16) + top)
        context = F.interpolate(self.top_down8(embeddings), size=x8.shape[-2:], mode="nearest")
        return ImageFeatures(
            image_embeddings=embeddings,
            stride8=self.skip8(x8) + context,
            stride4=self.skip4(x4),
        )
