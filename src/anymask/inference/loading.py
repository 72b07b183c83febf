"""From a model's name or file to a predictor that is ready to use."""

import os

from anymask.inference.predictor import EncoderDtype, Predictor
from anymask.model.checkpoints import load_sam
from anymask.model.text_encoder import TextEncoder
from anymask.model.text_sentence import SENTENCE_DIM, SentenceEncoder


def load_predictor(
    name_or_path: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: EncoderDtype = "float32",
    text_encoder: TextEncoder | None = None,
) -> Predictor:
    """Return a predictor with the weights of that name or file.

    Args:
        name_or_path: a known model, a checkpoint file, or None for the small model that comes with
            the package.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: float32, or bfloat16 for a faster image encoder on machines that have it.
        text_encoder: for a model whose text prompts are of another encoder than the default model's
            (`SentenceEncoder`, which loads when the first text comes).

    Raises:
        CheckpointError: there are no such weights or the file is damaged.
        InvalidInputError: an unknown or absent device.
    """
    path = None if name_or_path is None else os.fspath(name_or_path)
    model, model_id = load_sam(path)
    config = model.config
    if text_encoder is None and config.text_link_dim and config.text_dim == SENTENCE_DIM:
        text_encoder = SentenceEncoder()
    return Predictor(model, model_id, device, dtype, text_encoder)


load_model = load_predictor
