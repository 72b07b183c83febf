"""A masked auto-encoder (He et al. 2021): the pre-training of the paper's image encoder.

Most patches of a photo are hidden; the encoder sees the others only, and a light decoder paints
what was hidden. The blocks are those of `image_encoder.py` without windows and relative positions:
a few visible patches are no grid, so a sequence is given to them as a grid of one row.

Letters: B images, S image side, h w patch grid, L = h * w patches, K visible ones, C width.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anymask.core.errors import InvalidInputError
from anymask.model.config import VitConfig
from anymask.model.image_encoder import PatchEmbed, VitBlock

_POSITION_PERIOD = 10_000.0  # the longest wavelength, as in "Attention is all you need"
_VARIANCE_FLOOR = 1e-6


@dataclass(frozen=True, kw_only=True)
class MaeConfig:
    """A masked auto-encoder.

    Attributes:
        name: of the encoder, for messages.
        image_size: S, side of the square photos in pixels.
        image_encoder: whose patches, width, depth, heads and mlp_ratio are used; its windows,
            global blocks and drop path are the business of segmentation.
        decoder_width, decoder_depth, decoder_num_heads: of the decoder, which is thrown away after
            (He et al.: 512, 8, 16).
        mask_fraction: the part of the patches that is hidden (He et al.: 0.75).
        normalize_targets: each hidden patch is asked for with its own mean and spread removed,
            which gives the better features; without, pixels are asked for.
        pixel_mean, pixel_std: RGB of 0..255; the same as of the model that follows.
    """

    name: str
    image_size: int = 224
    image_encoder: VitConfig = field(default_factory=VitConfig)
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    mask_fraction: float = 0.75
    normalize_targets: bool = True
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        patch = self.image_encoder.patch_size
        if self.image_size < patch or self.image_size % patch:
            raise InvalidInputError(
                f"image_size must be a multiple of the patch size {patch}, "
                f"got {self.image_size}. Round it."
            )
        if not 0 < self.num_visible < self.num_patches:
            raise InvalidInputError(
                f"mask_fraction must leave some of {self.num_patches} patches hidden and some "
                f"visible, got {self.mask_fraction}. The usual is 0.75."
            )
        for name, width in (
            ("image_encoder.width", self.image_encoder.width),
            ("decoder_width", self.decoder_width),
        ):
            if width % 4:
                raise InvalidInputError(
                    f"{name} must be a multiple of 4, got {width}. Its positions are sines and "
                    "cosines of two axes."
                )

    @property
    def grid_size(self) -> int:
        """Patches along a side."""
        return self.image_size // self.image_encoder.patch_size

    @property
    def num_patches(self) -> int:
        """L."""
        return self.grid_size**2

    @property
    def num_visible(self) -> int:
        """K."""
        return int(self.num_patches * (1 - self.mask_fraction))

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return asdict(self)


class Mae(nn.Module):
    """Encoder, decoder and loss. The encoder's parameters are named as `ImageEncoderViT`'s.

    There is no class token: nothing here reads it, and the encoder that follows has none.
    """

    pos_embed: Tensor
    decoder_pos_embed: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: MaeConfig) -> None:
        super().__init__()
        self.config = config
        encoder, side = config.image_encoder, config.grid_size
        self.patch_embed = PatchEmbed(encoder.patch_size, encoder.width)
        self.register_buffer("pos_embed", sincos_positions(side, encoder.width))
        self.blocks = nn.ModuleList(_sequence_blocks(encoder, encoder.depth))
        self.norm = nn.LayerNorm(encoder.width, eps=1e-6)

        decoder = replace(encoder, width=config.decoder_width, num_heads=config.decoder_num_heads)
        self.decoder_embed = nn.Linear(encoder.width, decoder.width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder.width))
        self.register_buffer(
            "decoder_pos_embed", sincos_positions(side, decoder.width), persistent=False
        )
        self.decoder_blocks = nn.ModuleList(_sequence_blocks(decoder, config.decoder_depth))
        self.decoder_norm = nn.LayerNorm(decoder.width, eps=1e-6)
        self.decoder_pred = nn.Linear(decoder.width, 3 * encoder.patch_size**2)

        mean, std = torch.tensor(config.pixel_mean), torch.tensor(config.pixel_std)
        self.register_buffer("pixel_mean", mean.reshape(3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", std.reshape(3, 1, 1), persistent=False)
        _initialize(self)

    def preprocess(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised, of RGB 0..255."""
        return (images - self.pixel_mean) / self.pixel_std

    def encode(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, K, C): what the blocks make of the visible patches, before the last norm.

        Args:
            images: (B, 3, S, S), preprocessed.
            visible: (B, K) int64, the patches that are seen, row by row; all L without it.
        """
        x = (self.patch_embed(images) + self.pos_embed).flatten(1, 2)  # B L C
        if visible is not None:
            x = x.gather(1, visible.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        return _run(self.blocks, x)

    def forward(self, images: Tensor, visible: Tensor) -> Tensor:
        """(B, L, 3 * patch**2): all patches, painted from the visible ones; see `patchify`.

        Args:
            images: (B, 3, S, S), preprocessed.
            visible: (B, K) int64.
        """
        seen = self.decoder_embed(self.norm(self.encode(images, visible)))
        x = self.mask_token.to(seen.dtype).repeat(images.shape[0], self.config.num_patches, 1)
        x = x.scatter(1, visible.unsqueeze(-1).expand(-1, -1, x.shape[-1]), seen)
        x = _run(self.decoder_blocks, x + self.decoder_pos_embed.flatten(1, 2))
        return self.decoder_pred(self.decoder_norm(x))  # type: ignore[no-any-return]

    def loss(self, painted: Tensor, images: Tensor, visible: Tensor) -> Tensor:
        """(B,) float32 mean squared error of the hidden patches; 1 is what a plain guess gets.

        "Plain" is the mean of the patch with `normalize_targets`, and about the mean colour of all
        photos without.

        Args:
            painted: (B, L, 3 * patch**2) from `forward`.
            images: (B, 3, S, S), preprocessed: the truth.
            visible: (B, K) int64.
        """
        targets = patchify(images, self.config.image_encoder.patch_size).float()
        if self.config.normalize_targets:
            mean, std = _patch_statistics(targets)
            targets = (targets - mean) / std
        errors = (painted.float() - targets).square().mean(-1)
        hidden = torch.ones_like(errors).scatter(1, visible, 0.0)
        return (errors * hidden).sum(1) / hidden.sum(1)

    def reconstruct(self, painted: Tensor, images: Tensor, visible: Tensor) -> Tensor:
        """(B, 3, S, S) RGB 0..255: the visible patches as they are, the hidden ones as painted.

        With `normalize_targets` the network says nothing of a patch's mean and spread; they are
        taken from the truth, so that such a picture looks better than the network knows.

        Args:
            painted: (B, L, 3 * patch**2) from `forward`.
            images: (B, 3, S, S), preprocessed.
            visible: (B, K) int64.
        """
        patch = self.config.image_encoder.patch_size
        truth, painted = patchify(images, patch).float(), painted.float()
        if self.config.normalize_targets:
            mean, std = _patch_statistics(truth)
            painted = painted * std + mean
        index = visible.unsqueeze(-1).expand(-1, -1, truth.shape[-1])
        pixels = unpatchify(painted.scatter(1, index, truth.gather(1, index)), patch)
        return (pixels * self.pixel_std + self.pixel_mean).clamp(0, 255)


def draw_visible(config: MaeConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """(K,) the visible patches of one image, ascending: any K are as likely as any others."""
    return np.sort(rng.permutation(config.num_patches)[: config.num_visible])


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """(B, L, patch * patch * 3), each patch by row, column, colour, of images (B, 3, S, S)."""
    B, C, H, W = images.shape
    x = images.reshape(B, C, H // patch_size, patch_size, W // patch_size, patch_size)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch_size**2 * C)


def unpatchify(patches: Tensor, patch_size: int) -> Tensor:
    """The square images (B, 3, S, S) that `patchify` cut."""
    B, L, _ = patches.shape
    side = round(L**0.5)
    x = patches.reshape(B, side, side, patch_size, patch_size, 3)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(B, 3, side * patch_size, side * patch_size)


def sincos_positions(grid_size: int, width: int) -> Tensor:
    """(1, grid_size, grid_size, width) fixed positions: half the width each for column and row.

    Half of that are sines and half cosines, of wavelengths that grow geometrically.
    """
    frequencies = _POSITION_PERIOD ** -(torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    angles = torch.arange(grid_size, dtype=torch.float64)[:, None] * frequencies
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)  # side C/2
    columns = axis[None, :, :].expand(grid_size, -1, -1)
    rows = axis[:, None, :].expand(-1, grid_size, -1)
    return torch.cat([columns, rows], dim=-1).float().unsqueeze(0)


def _sequence_blocks(config: VitConfig, depth: int) -> list[VitBlock]:
    return [VitBlock(config, window_size=0, grid_size=0, drop_path=0.0) for _ in range(depth)]


def _run(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    x = x.unsqueeze(1)  # B 1 L C: a grid of one row
    for block in blocks:
        x = block(x)
    return x.squeeze(1)


def _patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L, 1) mean and spread of each patch over its pixels and colours."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return mean, (variance + _VARIANCE_FLOOR).sqrt()


def _initialize(mae: Mae) -> None:
    for module in mae.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    # The patch embedding is a linear layer in the shape of a convolution.
    nn.init.xavier_uniform_(mae.patch_embed.proj.weight.data.flatten(1))
    nn.init.normal_(mae.mask_token, std=0.02)
