"""How likely a mask is an object that people would annotate, from what is known of it.

The second half of a two-stage detector (Girshick 2015, "Fast R-CNN"), whose proposals are the
model's own masks: a small network on features that are pooled over the mask and around it.
"""

import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from anymask.core.errors import CheckpointError
from anymask.core.files import write_bytes
from anymask.model.checkpoint_files import read_checkpoint_file
from anymask.model.checkpoints import pack_safetensors

_SIZES_FIELD = "anymask_scorer"
_MODEL_FIELD = "anymask_scorer_of"


class ObjectScorer(nn.Module):
    """Two layers on descriptions that are brought to mean 0 and deviation 1.

    Args:
        num_inputs: F, numbers that describe a mask (`inference/mask_descriptions.py`).
        width: of the hidden layer.
        dropout: of it, in training.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_inputs: int, width: int = 128, dropout: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_inputs))
        self.register_buffer("deviation", torch.ones(num_inputs))
        self.hidden = nn.Linear(num_inputs, width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, 1)

    def forward(self, descriptions: Tensor) -> Tensor:
        """(K,) logits of masks that are described by (K, F)."""
        x = (descriptions - self.mean) / self.deviation
        x = self.dropout(nn.functional.gelu(self.hidden(x)))
        return self.out(x)[:, 0]  # type: ignore[no-any-return]


def save_scorer(scorer: ObjectScorer, path: Path, model_id: str) -> None:
    """Writes a scorer and which model's masks it knows; OutputError says why not."""
    sizes = {"num_inputs": scorer.hidden.in_features, "width": scorer.hidden.out_features}
    fields = {_SIZES_FIELD: json.dumps(sizes), _MODEL_FIELD: model_id}
    tensors = {key: value.detach().cpu() for key, value in scorer.state_dict().items()}
    write_bytes(path, pack_safetensors(tensors, fields))


def load_scorer(path: str | os.PathLike[str]) -> tuple[ObjectScorer, str]:
    """A scorer in evaluation mode on the CPU, and the id of the model whose masks it knows.

    Raises:
        CheckpointError: the file is missing, damaged, or no scorer.
    """
    file = read_checkpoint_file(Path(path))
    try:
        with torch.random.fork_rng(devices=()):  # first values are drawn, nobody else's numbers
            scorer = ObjectScorer(**json.loads(file.metadata[_SIZES_FIELD]))
        scorer.load_state_dict(file.tensors)
        model_id = file.metadata[_MODEL_FIELD]
    except (KeyError, ValueError, TypeError, RuntimeError):
        raise CheckpointError(
            f"{os.fspath(path)} must hold a scorer of masks, got something else. "
            "Let the engine train one."
        ) from None
    return scorer.eval().requires_grad_(False), model_id
