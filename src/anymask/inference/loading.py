"""From a model's name or file to a predictor that is ready to use."""

import os

from anymask.core.errors import InvalidInputError
from anymask.inference.devices import EncoderDtype, select_placement
from anymask.inference.exported import find_export, load_exported
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import load_sam
from anymask.model.precision import store_weights
from anymask.model.text_encoder import TextEncoder
from anymask.model.text_sentence import SENTENCE_DIM, SentenceEncoder


def load_predictor(
    name_or_path: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: EncoderDtype = "auto",
    text_encoder: TextEncoder | None = None,
    *,
    compile: bool = False,
) -> Predictor:
    """Return a predictor with the weights of that name or file.

    Args:
        name_or_path: a known model, a checkpoint file, the folder of `anymask export`, or None for
            the small model that comes with the package.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: of the image encoder's multiplications, and of its weights in memory: float32 for
            the same numbers on every machine, bfloat16, float16, or auto for the fastest here that
            leaves the masks as they are. `Predictor.placement` tells what was chosen.
        text_encoder: for a model whose text prompts are of another encoder than the default model's
            (`SentenceEncoder`, which loads when the first text comes).
        compile: as of `Predictor`.

    Raises:
        CheckpointError: there are no such weights or the file is damaged.
        InvalidInputError: an unknown or absent device, or another dtype.
    """
    path = None if name_or_path is None else os.fspath(name_or_path)
    exported = None if path is None else find_export(path)
    if exported is not None:
        if device not in ("auto", "cpu"):
            raise InvalidInputError(
                f"device must be auto or cpu for exported files, got {device}. Use a checkpoint."
            )
        return load_exported(*exported, dtype)
    placement = select_placement(device, dtype)
    model, model_id = load_sam(path)
    store_weights(model.image_encoder, placement.dtype)
    config = model.config
    if text_encoder is None and config.text_link_dim and config.text_dim == SENTENCE_DIM:
        text_encoder = SentenceEncoder()
    return Predictor(model, model_id, device, dtype, text_encoder, compile=compile)


load_model = load_predictor
