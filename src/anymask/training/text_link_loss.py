"""What teaches the text link: names of masks against places and regions of the image.

Letters: B images, P targets, V names known, T names of this step, h w embedding grid, K link width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.model.text_link import TextLink
from anymask.training.batches import TrainBatch

# Share of a cell from which a name is right, and up to which it is wrong.
_COVERED, _UNCOVERED = 0.5, 0.1
_RANDOM_NAMES = 24  # names a step beside those of its own images


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """Every name of the training data and its sentence embedding, (V, text_dim)."""

    names: tuple[str, ...]
    embeddings: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {name: i for i, name in enumerate(self.names)})

    def ids(self, names: tuple[str, ...]) -> Tensor:
        """(len(names),) int64: index of each name, -1 for one that is not known."""
        index: dict[str, int] = self._index  # type: ignore[attr-defined]
        return torch.tensor([index.get(name, -1) for name in names], dtype=torch.int64)

    def present(self, batch: TrainBatch) -> Tensor:
        """(B, V) bool: the names that each image has somewhere, seen in this view or not."""
        present = torch.zeros(len(batch.image_names), len(self.names), dtype=torch.bool)
        for row, names in zip(present, batch.image_names, strict=True):
            ids = self.ids(names)
            row[ids[ids >= 0]] = True
        return present


def text_link_loss(
    link: TextLink,
    image_embeddings: Tensor,
    batch: TrainBatch,
    vocabulary: Vocabulary,
    generator: torch.Generator,
) -> Tensor:
    """The mean of a dense and a regional loss, a scalar; 0 for a batch without names.

    Dense: a cell covered by a named target fits the name; a cell fits none of the names that its
    image does not have. Regional: the mean cell of a target picks its name out of all V.
    """
    ids = vocabulary.ids(batch.target_names)
    if not bool((ids >= 0).any()):
        # Zero, but of every parameter: processes that share a model must have the same gradients.
        word = link.words(vocabulary.embeddings[:1].to(image_embeddings.device))
        return 0.0 * link.logits(link.cells(image_embeddings), word).sum()
    device = image_embeddings.device
    cells = link.cells(image_embeddings)
    words = link.words(vocabulary.embeddings.to(device))
    present = vocabulary.present(batch)
    dense = _dense_loss(link, cells, words, ids, present, batch, generator)
    return 0.5 * (dense + _regional_loss(link, cells, words, ids, present, batch))


def region_vectors(cells: Tensor, batch: TrainBatch) -> Tensor:
    """(P, K) unit vectors: the mean of cells (B, K, h, w) under each target of the batch."""
    weights = _coverage(batch, cells).flatten(1)
    per_target = cells.flatten(2)[batch.image_index.to(cells.device)]
    return F.normalize(torch.einsum("pkl,pl->pk", per_target, weights.to(cells.device)), dim=1)


def _coverage(batch: TrainBatch, cells: Tensor) -> Tensor:
    """(P, h, w): the share of each cell that each target covers."""
    h, w = cells.shape[-2:]
    return F.adaptive_avg_pool2d(batch.target_masks.unsqueeze(1), (h, w))[:, 0]


def _regional_loss(
    link: TextLink, cells: Tensor, words: Tensor, ids: Tensor, present: Tensor, batch: TrainBatch
) -> Tensor:
    named = ids >= 0
    index, labels = batch.image_index[named], ids[named]
    regions = region_vectors(cells, batch)[named.to(cells.device)]
    logits = link.log_scale.exp() * regions @ words.T
    # Other names of the same image may be right as well (a part, a whole): no verdict on them.
    others = present[index] & ~F.one_hot(labels, words.shape[0]).bool()
    logits = logits.masked_fill(others.to(cells.device), -torch.inf)
    return F.cross_entropy(logits, labels.to(cells.device))


def _dense_loss(
    link: TextLink,
    cells: Tensor,
    words: Tensor,
    ids: Tensor,
    present: Tensor,
    batch: TrainBatch,
    generator: torch.Generator,
) -> Tensor:
    B, V = present.shape
    drawn = torch.randint(V, (_RANDOM_NAMES,), generator=generator)
    asked = torch.unique(torch.cat([ids[ids >= 0], drawn]))  # T
    column = torch.full((V,), -1).index_copy(0, asked, torch.arange(len(asked)))
    coverage = _coverage(batch, cells)
    h, w = coverage.shape[-2:]
    covered = torch.zeros(B, len(asked), h, w)
    # A name with a mask that is not among the targets: its other cells are not known.
    unsure = present[:, asked].clone()
    for p in (ids >= 0).nonzero()[:, 0].tolist():
        b, t = int(batch.image_index[p]), int(column[ids[p]])
        covered[b, t] = torch.maximum(covered[b, t], coverage[p])
        if batch.name_is_complete[p]:
            unsure[b, t] = False
    right = covered > _COVERED
    wrong = (covered < _UNCOVERED) & ~unsure[:, :, None, None]
    logits = link.logits(cells, words[asked.to(words.device)])
    device = logits.device
    total = logits.new_zeros(())
    for mask, sign in ((right, -1.0), (wrong, 1.0)):
        losses = F.softplus(sign * logits) * mask.to(device)
        # Name by name, so that a frequent one is not thought likely everywhere.
        count = mask.sum((0, 2, 3)).to(device)
        per_name = losses.sum((0, 2, 3)) / count.clamp_min(1)
        total = total + per_name.sum() / (count > 0).sum().clamp_min(1)
    return total
