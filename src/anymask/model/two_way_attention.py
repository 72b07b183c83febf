"""Attention between a prompt's few tokens and an image's thousands of cells, both ways (App. A).

Cells that differ from prompt to prompt are never projected. With W the key matrix of a head, b its
bias, and a cell c at position e,

    q . (W (c + e) + b)  =  (W^T q) . c  +  q . (W e + b)

The tokens' queries go into the space of the cells instead (a fraction of the work), and the second
term is a product with something that is known before any prompt. What a head gathers comes back
through its value matrix afterwards. From image to token it is the same with the roles exchanged.

Cells may be of a shorter type than tokens (`PreparedCells.to`): products with cells are then of
that type, while the tokens' own arithmetic and the softmax stay in theirs.

Letters: P prompts, T tokens of a prompt, L image cells, D width, H heads, d inner width of a head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None = None) -> Tensor:
        """(P, Lq, D) from queries (P, Lq, D), keys and values (P, Lk, D).

        `key_mask` (P, 1, 1, Lk) bool is True where a key may be seen.
        """
        q, k, v = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask, dropout_p=dropout)
        return self.out_proj(x.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def split(self, x: Tensor) -> Tensor:
        """(P, L, H*d) to heads (P, H, L, d)."""
        return torch.unflatten(x, 2, (self.num_heads, -1)).transpose(1, 2)

    def scores(
        self, x: Tensor, known: Tensor, projection: nn.Linear, cells: Tensor | None
    ) -> Tensor:
        """(P, H, T, L) scaled products of tokens and cells.

        Args:
            x: (P, T, H*d), the tokens' side.
            known: (H, L, d), the cells' side as far as it is known.
            projection: that would make heads of the cells.
            cells: (P, L, D) or (1, L, D), what is not known yet; None when nothing is missing.
        """
        P, _, inner_dim = x.shape
        H = self.num_heads
        x = by_head(self.split(x * (inner_dim // H) ** -0.5))  # H P*T d
        scores = by_prompt(x @ known.mT, P)
        if cells is None:
            return scores
        rows = by_prompt(x @ torch.unflatten(projection.weight, 0, (H, -1)), P)
        # In this order, as PyTorch copies cells that it has to transpose for a bfloat16 product.
        product = (cells @ rows.flatten(1, 2).to(cells.dtype).mT).mT.contiguous()
        return torch.unflatten(product, 1, (H, -1)) + scores

    def drop(self, weights: Tensor) -> Tensor:
        """The attention weights, some of them dropped in training."""
        return F.dropout(weights, self.dropout, self.training)


def by_head(x: Tensor) -> Tensor:
    """(P, H, T, n) to (H, P*T, n): one matrix a head, for all prompts."""
    return x.transpose(0, 1).flatten(1, 2)


def by_prompt(x: Tensor, num_prompts: int) -> Tensor:
    """(H, P*T, n) back to (P, H, T, n)."""
    return x.reshape(x.shape[0], num_prompts, -1, x.shape[2]).transpose(0, 1)


class TokenToImageAttention(Attention):
    """Tokens gather from the image's cells."""

    def forward(
        self, tokens: Tensor, keys: Tensor, cells: Tensor, values: Tensor | None = None
    ) -> Tensor:
        """(P, T, D) gathered by tokens (P, T, D).

        Args:
            tokens: (P, T, D).
            keys: (H, L, d), of the positions or, with `values`, of all.
            cells: (P, L, D), or (1, L, D) for all prompts.
            values: (H, L, d) of the cells where they are known.
        """
        P, H = tokens.shape[0], self.num_heads  # an int of len() would be fixed in a traced graph
        unknown = cells if values is None else None
        scores = self.scores(self.q_proj(tokens), keys, self.k_proj, unknown)
        weights = self.drop(scores.softmax(-1))
        if values is None:
            gathered = weights.flatten(1, 2).to(cells.dtype) @ cells
            gathered = torch.unflatten(gathered.to(tokens.dtype), 1, (H, -1))  # P H T D
            heads = by_head(gathered) @ torch.unflatten(self.v_proj.weight, 0, (H, -1)).mT
            heads = heads + torch.unflatten(self.v_proj.bias, 0, (H, 1, -1))
        else:
            heads = by_head(weights) @ values
        return self.out_proj(by_prompt(heads, P).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def prepare(self, cells: Tensor) -> Tensor:
        """(H, L, d) keys of cells (1, L, D)."""
        return self.split(self.k_proj(cells))[0].contiguous()

    def prepare_values(self, cells: Tensor) -> Tensor:
        """(H, L, d) values of cells (1, L, D)."""
        return self.split(self.v_proj(cells))[0].contiguous()


class ImageToTokenAttention(Attention):
    """The image's cells gather from the tokens."""

    def forward(  # type: ignore[override]
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        cells: Tensor,
        token_mask: Tensor | None,
        *,
        are_known: bool,
    ) -> Tensor:
        """(P, L, D) that the cells gather, in their dtype.

        Args:
            queries: (H, L, d), of the positions or, where the cells are known, of all.
            keys: (P, T, D) tokens that are looked for.
            values: (P, T, D) tokens that are gathered.
            cells: (P, L, D), or (1, L, D) for all prompts.
            token_mask: (P, 1, 1, T) bool, True where a token may be seen.
            are_known: whether `queries` are of the cells and not only of their positions.
        """
        P, H = keys.shape[0], self.num_heads
        unknown = None if are_known else cells
        scores = self.scores(self.k_proj(keys), queries, self.q_proj, unknown)
        if token_mask is not None:
            scores = scores.masked_fill(~token_mask.mT, -torch.inf)
        weights = self.drop(scores.softmax(2)).flatten(1, 2).to(cells.dtype)  # P H*T L
        heads = by_head(self.split(self.v_proj(values)))
        heads = heads @ torch.unflatten(self.out_proj.weight, 1, (H, -1)).permute(1, 2, 0)
        # A head's weights add up to one, so its share of the bias can travel with the values.
        heads = heads + self.out_proj.bias / H
        return weights.mT @ by_prompt(heads, P).flatten(1, 2).to(cells.dtype)

    def prepare(self, cells: Tensor) -> Tensor:
        """(H, L, d) queries of cells (1, L, D)."""
        return self.split(self.q_proj(cells))[0].contiguous()
