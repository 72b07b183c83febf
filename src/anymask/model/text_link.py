"""A link between sentence embeddings and places of an image: how well does a name fit a cell?

Image cells and sentences are projected to unit vectors of one space; the probability that a name
fits is a sigmoid of their cosine, scaled and shifted (as SigLIP pairs captions and images).

Letters: B images, T texts, K width of the common space, h w embedding grid.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FIRST_SCALE, _FIRST_BIAS = 10.0, -5.0


class TextLink(nn.Module):
    """Projections of cells and sentences, and the scale and bias between cosine and logit."""

    def __init__(self, embed_dim: int, text_dim: int, link_dim: int) -> None:
        super().__init__()
        self.cell_projection = nn.Sequential(
            nn.Conv2d(embed_dim, 2 * link_dim, 1), nn.ReLU(), nn.Conv2d(2 * link_dim, link_dim, 1)
        )
        self.word_projection = nn.Linear(text_dim, link_dim, bias=False)
        nn.init.orthogonal_(self.word_projection.weight)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))
        self.bias = nn.Parameter(torch.tensor(_FIRST_BIAS))

    def cells(self, image_embeddings: Tensor) -> Tensor:
        """(B, K, h, w) unit vectors of image embeddings (B, D, h, w)."""
        return F.normalize(self.cell_projection(image_embeddings).float(), dim=1)

    def words(self, text_embeddings: Tensor) -> Tensor:
        """(T, K) unit vectors of sentence embeddings (T, text_dim)."""
        return F.normalize(self.word_projection(text_embeddings).float(), dim=1)

    def logits(self, cells: Tensor, words: Tensor) -> Tensor:
        """(B, T, h, w) logits that text t fits the cell, from `cells` and `words`."""
        cosine = torch.einsum("bkhw,tk->bthw", cells, words)
        return cosine * self.log_scale.exp() + self.bias
