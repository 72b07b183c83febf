"""From a model's name or file to a predictor that is ready to use."""

import os

from anymask.inference.predictor import EncoderDtype, Predictor
from anymask.model.checkpoints import load_sam


def load_predictor(
    name_or_path: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: EncoderDtype = "float32",
) -> Predictor:
    """Return a predictor with the weights of that name or file.

    Args:
        name_or_path: a known model, a checkpoint file, or None for the small model that comes with
            the package.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: float32, or bfloat16 for a faster image encoder on machines that have it.

    Raises:
        CheckpointError: there are no such weights or the file is damaged.
        InvalidInputError: an unknown or absent device.
    """
    path = None if name_or_path is None else os.fspath(name_or_path)
    model, model_id = load_sam(path)
    return Predictor(model, model_id, device, dtype)


load_model = load_predictor
