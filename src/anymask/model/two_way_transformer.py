"""The decoder's transformer: tokens attend to the image and the image to the tokens (App. A).

Letters: P prompts, T tokens of a prompt, L image cells, D width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.layers import MlpBlock


class Attention(nn.Module):
    """Multi-head attention whose inner width can be smaller than its outer one."""

    def __init__(self, dim: int, num_heads: int, downsample: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        inner_dim = dim // downsample
        if inner_dim % num_heads:
            raise ValueError(f"num_heads must divide {inner_dim}, got {num_heads}.")
        self.num_heads = num_heads
        self.dropout = dropout
        self.q_proj = nn.Linear(dim, inner_dim)
        self.k_proj = nn.Linear(dim, inner_dim)
        self.v_proj = nn.Linear(dim, inner_dim)
        self.out_proj = nn.Linear(inner_dim, dim)

    def _split(self, x: Tensor) -> Tensor:
        P, L, D = x.shape
        return x.reshape(P, L, self.num_heads, D // self.num_heads).transpose(1, 2)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None = None) -> Tensor:
        """(P, Lq, D) from queries (P, Lq, D), keys and values (P, Lk, D).

        `key_mask` (P, 1, 1, Lk) bool is True where a key may be seen.
        """
        q, k, v = (
            self._split(proj(x))
            for proj, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        )
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask, dropout_p=dropout)
        P, _, L, _ = x.shape
        return self.out_proj(x.transpose(1, 2).reshape(P, L, -1))  # type: ignore[no-any-return]


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
        self.cross_attn_token_to_image = Attention(dim, num_heads, downsample, dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MlpBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, num_heads, downsample, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Tensor,
        cells: Tensor,
        token_pe: Tensor,
        cell_pe: Tensor,
        token_mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Updated tokens (P, T, D) and cells (P, L, D)."""
        if self.is_first:
            # The first layer's tokens are their own positions, and take no residual.
            tokens = self.self_attn(tokens, tokens, tokens, token_mask)
        else:
            q = tokens + token_pe
            tokens = tokens + self.dropout(self.self_attn(q, q, tokens, token_mask))
        tokens = self.norm1(tokens)

        k = cells + cell_pe
        attended = self.cross_attn_token_to_image(tokens + token_pe, k, cells)
        tokens = self.norm2(tokens + self.dropout(attended))
        tokens = self.norm3(tokens + self.dropout(self.mlp(tokens)))

        attended = self.cross_attn_image_to_token(k, tokens + token_pe, tokens, token_mask)
        cells = self.norm4(cells + self.dropout(attended))
        return tokens, cells


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
        self.final_attn_token_to_image = Attention(dim, num_heads, downsample, dropout)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(
        self, tokens: Tensor, cells: Tensor, cell_pe: Tensor, token_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (P, T, D) and cells (P, L, D) that have seen each other.

        Args:
            tokens: (P, T, D) output tokens and prompt tokens; they are their own positions.
            cells: (P, L, D) image embedding plus dense prompt.
            cell_pe: (1, L, D) positional encoding of the cells.
            token_mask: (P, 1, 1, T) bool, False for the fillers of a ragged batch.
        """
        token_pe = tokens
        for layer in self.layers:
            tokens, cells = layer(tokens, cells, token_pe, cell_pe, token_mask)
        attended = self.final_attn_token_to_image(tokens + token_pe, cells + cell_pe, cells)
        return self.norm_final_attn(tokens + attended), cells
