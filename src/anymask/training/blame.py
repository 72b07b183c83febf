"""Which images made a loss that is not finite."""

import torch
from torch import Tensor

from anymask.training.batches import TrainBatch

_MOST_NAMED = 4


def blame(target_losses: Tensor, batch: TrainBatch) -> str:
    """One phrase without a full stop: the images of the targets whose loss is not finite.

    When several images are all bad it says that as well: then it is the weights rather than the
    data. "no single image" when each target's loss is finite (a term that is not about targets).

    Args:
        target_losses: (P,), `StepLosses.target_losses`.
        batch: of these P targets.
    """
    bad = ~torch.isfinite(target_losses.detach().cpu())
    rows = torch.unique(batch.image_index[bad]).tolist()
    if not rows:
        return "no single image"
    shown = ", ".join(batch.paths[row] for row in rows[:_MOST_NAMED])
    more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
    is_all = len(rows) == batch.images.shape[0] > 1
    cause = "all images of the batch, so rather the weights than the data: " if is_all else ""
    return f"{cause}{shown}{more}"
