"""The decoder's transformer: tokens attend to the image and the image to the tokens (App. A).

Letters: P prompts, T tokens of a prompt, L image cells, D width, H heads, d inner width of a head.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from anymask.model.layers import MlpBlock
from anymask.model.two_way_attention import (
    Attention,
    ImageToTokenAttention,
    TokenToImageAttention,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedLayer:
    """What a layer knows of the cells before any prompt, in its heads.

    Attributes:
        keys: (H, L, d) that tokens look for.
        queries: (H, L, d) with which cells look for tokens.
    """

    keys: Tensor
    queries: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedImage:
    """The first layer's view of one image, the same for all prompts without a dense map.

    Attributes:
        cells: (1, L, D) image embedding plus the dense embedding of "no mask".
        layer: keys and queries of these cells at their positions.
        values: (H, L, d) that tokens get from the cells.
    """

    cells: Tensor
    layer: PreparedLayer
    values: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedCells:
    """What all prompts have in common.

    Attributes:
        layers: of the cells' positions alone, one for each block.
        final_keys: (H, L, d), likewise, of the last attention.
        image: more about the first block, for prompts about one image that have no dense map.
    """

    layers: tuple[PreparedLayer, ...]
    final_keys: Tensor
    image: PreparedImage | None = None

    def to(self, dtype: torch.dtype) -> "PreparedCells":
        """The same with the image's cells in `dtype`; what meets tokens alone stays as it is."""
        if self.image is None:
            return self
        return replace(self, image=replace(self.image, cells=self.image.cells.to(dtype)))


class TwoWayBlock(nn.Module):
    """Token self-attention, token to image, MLP on tokens, image to token."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_dim: int,
        downsample: int,
        dropout: float,
        *,
        is_first: bool,
    ) -> None:
        super().__init__()
        self.is_first = is_first
        self.self_attn = Attention(dim, num_heads, dropout=dropout)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = TokenToImageAttention(dim, num_heads, downsample, dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MlpBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = ImageToTokenAttention(dim, num_heads, downsample, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Tensor,
        cells: Tensor,
        token_pe: Tensor,
        known: PreparedLayer,
        values: Tensor | None,
        token_mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Updated tokens (P, T, D) and cells (P, L, D).

        `values` is `PreparedImage.values` where `known` knows the cells and not only their places.
        """
        if self.is_first:
            # The first layer's tokens are their own positions, and take no residual.
            tokens = self.self_attn(tokens, tokens, tokens, token_mask)
        else:
            q = tokens + token_pe
            tokens = tokens + self.dropout(self.self_attn(q, q, tokens, token_mask))
        tokens = self.norm1(tokens)

        attended = self.cross_attn_token_to_image(tokens + token_pe, known.keys, cells, values)
        tokens = self.norm2(tokens + self.dropout(attended))
        tokens = self.norm3(tokens + self.dropout(self.mlp(tokens)))

        attended = self.cross_attn_image_to_token(
            known.queries,
            tokens + token_pe,
            tokens,
            cells,
            token_mask,
            are_known=values is not None,
        )
        cells = self.norm4(cells + self.dropout(attended))
        return tokens, cells

    def prepare(self, cells: Tensor) -> PreparedLayer:
        """Keys and queries of cells (1, L, D)."""
        return PreparedLayer(
            keys=self.cross_attn_token_to_image.prepare(cells),
            queries=self.cross_attn_image_to_token.prepare(cells),
        )


class TwoWayTransformer(nn.Module):
    """A stack of two-way blocks and a last look of the tokens at the image."""

    def __init__(
        self,
        depth: int,
        dim: int,
        num_heads: int,
        mlp_dim: int,
        downsample: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(dim, num_heads, mlp_dim, downsample, dropout, is_first=i == 0)
            for i in range(depth)
        )
        self.final_attn_token_to_image = TokenToImageAttention(dim, num_heads, downsample, dropout)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(
        self,
        tokens: Tensor,
        cells: Tensor,
        prepared: PreparedCells,
        token_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens (P, T, D) and cells (P, L, D) that have seen each other.

        Args:
            tokens: (P, T, D) output tokens and prompt tokens; they are their own positions.
            cells: (P, L, D) image embedding plus dense prompt; (1, L, D) where all prompts have
                the same.
            prepared: by `prepare_positions` or, for the image's own cells, by `prepare_image`.
            token_mask: (P, 1, 1, T) bool, False for the fillers of a ragged batch.
        """
        token_pe, layers, values = tokens, prepared.layers, None
        if prepared.image is not None:
            layers, values = (prepared.image.layer, *layers[1:]), prepared.image.values
        for layer, known in zip(self.layers, layers, strict=True):
            tokens, cells = layer(tokens, cells, token_pe, known, values, token_mask)
            values = None  # now every prompt has cells of its own
        attended = self.final_attn_token_to_image(tokens + token_pe, prepared.final_keys, cells)
        return self.norm_final_attn(tokens + attended), cells

    def prepare_positions(self, cell_pe: Tensor) -> PreparedCells:
        """What is known from the positional encoding (1, L, D) of the cells."""
        return PreparedCells(
            layers=tuple(layer.prepare(cell_pe) for layer in self.layers),  # type: ignore[operator]
            final_keys=self.final_attn_token_to_image.prepare(cell_pe),
        )

    def prepare_image(
        self, positions: PreparedCells, cells: Tensor, cell_pe: Tensor
    ) -> PreparedCells:
        """What is known of one image's cells (1, L, D), besides their positions."""
        first: TwoWayBlock = self.layers[0]  # type: ignore[assignment]
        image = PreparedImage(
            cells=cells,
            layer=first.prepare(cells + cell_pe),
            values=first.cross_attn_token_to_image.prepare_values(cells),
        )
        return replace(positions, image=image)
