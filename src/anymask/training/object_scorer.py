"""Teaches a scorer which of a model's own masks are objects that people annotate.

A photo's masks of "segment everything" that match an annotated one (IoU .5) are objects, all others
are not. Objects that nobody annotated so count as background, as in the paper's detector.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from anymask.core.errors import InvalidInputError
from anymask.core.geometry import box_iou
from anymask.core.image_io import read_image
from anymask.core.mask_overlap import rle_iou
from anymask.core.rle import Rle
from anymask.model.object_scorer import ObjectScorer
from anymask.training.detector_config import ScorerConfig
from anymask.training.examples import Example

if TYPE_CHECKING:
    from anymask.inference.object_masks import ProposalFinder

_MATCHED_IOU = 0.5


def train_scorer(
    proposals: "ProposalFinder", examples: Sequence[Example], config: ScorerConfig
) -> ObjectScorer:
    """Return a scorer of a model's masks, in evaluation mode; the same for the same seed.

    Args:
        proposals: finds the masks.
        examples: labelled photos.
        config: of the run.

    Raises:
        InvalidInputError: the model finds no mask at all.
        ImageReadError: a photo is damaged.
    """
    descriptions, labels = _labelled(proposals, examples, config.max_images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        scorer = ObjectScorer(descriptions.shape[1], config.width, config.dropout)
        scorer.mean.copy_(descriptions.mean(0))
        scorer.deviation.copy_(descriptions.std(0, correction=0).clamp(min=1e-4))
        optimizer = torch.optim.AdamW(
            scorer.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.num_steps)
        for _ in range(config.num_steps):
            rows = torch.randint(len(labels), (config.batch_size,))
            loss = F.binary_cross_entropy_with_logits(scorer(descriptions[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return scorer.eval().requires_grad_(False)


def _labelled(
    proposals: "ProposalFinder", examples: Sequence[Example], max_images: int
) -> tuple[Tensor, Tensor]:
    """(K, F) descriptions of all photos' masks, and (K,) whether each is an object."""
    places = np.linspace(0, len(examples) - 1, min(len(examples), max_images)).round()
    descriptions: list[Tensor] = []
    labels: list[Tensor] = []
    chosen = [examples[int(place)] for place in places]
    for example in tqdm(chosen, "propose", unit="photo", disable=None):
        found, described = proposals.propose(read_image(example.read_bytes()))
        descriptions.append(described)
        labels.append(torch.tensor([_best_iou(r.segmentation, example.masks) for r in found]))
    ious = torch.cat(labels)
    if not len(ious):
        raise InvalidInputError(
            f"the model must find masks to score, got none in {len(chosen)} photos. Train it first."
        )
    return torch.cat(descriptions), (ious >= _MATCHED_IOU).float()


def _best_iou(mask: Rle, targets: Sequence[Rle]) -> float:
    overlaps = box_iou([mask.to_box()], [rle.to_box() for rle in targets])[0]
    return max((rle_iou(mask, targets[i]) for i in np.flatnonzero(overlaps).tolist()), default=0.0)
