"""What every text encoder offers, and a memory for the phrases that come again."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor


class TextEncoder(Protocol):
    """Turns phrases into vectors; a model with text understands those of one encoder only."""

    @property
    def text_dim(self) -> int:
        """The width of the vectors; the model's `SamConfig.text_dim` must equal it."""
        ...

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """(T, text_dim) float32 on the CPU, each of length 1, without gradients."""
        ...


class TextMemory:
    """Encodes each phrase once: people click many times about the same words.

    Args:
        encode: phrases to their vectors, one row each, as `TextEncoder.text_embeddings`.
        max_texts: all are forgotten when more than these are held; bounds the memory.
    """

    def __init__(self, encode: Callable[[list[str]], Tensor], max_texts: int = 4096) -> None:
        self._encode = encode
        self._max_texts = max_texts
        self._known: dict[str, Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """The vectors of the phrases, in their order."""
        known = self._known  # one dictionary throughout, also when another thread starts afresh
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, self._encode(new), strict=True))
        rows = torch.stack([known[text] for text in texts])
        if len(known) > self._max_texts:
            self._known = {}
        return rows
