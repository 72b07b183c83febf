"""More targets than memory holds: decode them chunk by chunk, encode the images once.

The gradients are those of all targets at once. Each chunk's graph is walked back and freed before
the next chunk is decoded; what reaches the image features is gathered, and goes through the encoder
in one pass when the caller calls `backward`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from anymask.model.features import ImageFeatures
from anymask.training.rounds import RoundLosses, mean_losses


def chunked_losses(
    losses_of: Callable[[ImageFeatures, int, int], RoundLosses],
    features: ImageFeatures,
    decoder: Sequence[nn.Module],
    num_targets: int,
    chunk_size: int,
) -> RoundLosses:
    """The losses of all targets, whose `total` can be differentiated as usual.

    Args:
        losses_of: the losses of targets start to stop about the given features.
        features: of the images, with the encoder's graph.
        decoder: the modules besides the features through which the losses learn.
        num_targets: of all chunks.
        chunk_size: most targets of a chunk.
    """
    if not torch.is_grad_enabled():
        starts = range(0, num_targets, chunk_size)
        return mean_losses(
            [losses_of(features, a, min(a + chunk_size, num_targets)) for a in starts]
        )
    leaves = features.map(lambda x: x.detach().requires_grad_())
    parameters = [p for module in decoder for p in module.parameters() if p.requires_grad]
    sources = [*_tensors(leaves), *parameters]
    gradients: list[Tensor | None] = [None] * len(sources)
    parts = []
    for start in range(0, num_targets, chunk_size):
        stop = min(start + chunk_size, num_targets)
        part = losses_of(leaves, start, stop)
        share = (stop - start) / num_targets
        found = torch.autograd.grad(share * part.total, sources, allow_unused=True)
        gradients = [_sum(a, b) for a, b in zip(gradients, found, strict=True)]
        parts.append(_detached(part))
    losses = mean_losses(parts)
    inputs = zip([*_tensors(features), *parameters], gradients, strict=True)
    known = [(x, gradient) for x, gradient in inputs if gradient is not None]
    total = _WithGradients.apply(  # type: ignore[no-untyped-call]
        losses.total, [gradient for _, gradient in known], *(x for x, _ in known)
    )
    return replace(losses, total=total)


class _WithGradients(torch.autograd.Function):
    """A value whose gradients are already known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *_: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        scale = grad_outputs[0]
        return None, None, *(gradient * scale for gradient in ctx.gradients)


def _tensors(features: ImageFeatures) -> list[Tensor]:
    every = (features.image_embeddings, features.stride8, features.stride4)
    return [x for x in every if x is not None]


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _detached(part: RoundLosses) -> RoundLosses:
    return RoundLosses(
        total=part.total.detach(),
        graded=tuple(replace(terms, total=terms.total.detach()) for terms in part.graded),
        affinity=part.affinity.detach(),
    )
