"""Embeddings as the studio keeps them: float16 in a safetensors file, named by image and model."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.engine.store.blobs import Blobs

if TYPE_CHECKING:
    from anymask.inference.predictor import Predictor

_MAX_FLOAT16 = 65504.0


def model_key(model_id: str) -> str:
    """Return what stands for a model in names of files."""
    return hashlib.sha256(model_id.encode()).hexdigest()[:16]


def embedding_blob(model_id: str, digest: str) -> str:
    """Return the name of the embedding's file; `digest` is the image file's."""
    return f"embeddings/{model_key(model_id)}/{digest[:2]}/{digest}.safetensors"


def load_studio_predictor(model: str, device: str = "auto") -> "Predictor":
    """Return the model as a studio uses it: its decoder in float32, as browsers have no other.

    Args:
        model: name or file; "" for the default one.
        device: as of `load_predictor`.

    Raises:
        CheckpointError: there is no such model, or its file is damaged.
        InvalidInputError: an unknown or absent device.
    """
    import torch

    from anymask.inference.loading import load_predictor

    predictor = load_predictor(model or None, device)
    predictor.placement = replace(predictor.placement, decoder_dtype=torch.float32)
    return predictor


def make_embedding(predictor: "Predictor", pixels: NDArray[np.uint8]) -> bytes:
    """Return the file with the embedding of an image (H, W, 3) uint8 RGB."""
    import torch
    from safetensors.torch import save

    features = predictor.embed(pixels).features
    tensors = {
        key: x.clamp(-_MAX_FLOAT16, _MAX_FLOAT16).to(torch.float16).contiguous().cpu()
        for key, x in vars(features).items()
        if x is not None
    }
    data: bytes = save(tensors, metadata={"model_id": predictor.model_id})
    return data


def remove_embeddings(blobs: Blobs, model_ids: Iterable[str], digests: Iterable[str]) -> int:
    """Remove these models' embeddings of these images, return how many there were."""
    ids = tuple(model_ids)
    names = (embedding_blob(model_id, digest) for digest in digests for model_id in ids)
    return sum(blobs.remove(name) for name in names)
