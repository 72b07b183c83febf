"""Text as a training prompt (App. D.5): its embeddings, and which targets are asked for by it.

The paper prompts with CLIP's embedding of a target's crop; the default model with the sentence
embedding of its name. A training step takes either as a function. Letters: P targets, K crops.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from anymask.core.errors import InvalidInputError
from anymask.core.phrases import plain_phrase
from anymask.core.prompts import PointLabel
from anymask.model.text_clip import ClipEncoder, load_clip
from anymask.model.text_encoder import TextEncoder
from anymask.model.text_sentence import SentenceEncoder
from anymask.training.batches import TrainBatch
from anymask.training.config import PromptConfig, TextConfig, TrainConfig
from anymask.training.draws import Draws
from anymask.training.text_link_loss import Vocabulary


@dataclass(frozen=True, kw_only=True, eq=False)
class TextEmbeddings:
    """`embeddings` (P, text_dim) float of targets, and `is_known` (P,) bool: which have one."""

    embeddings: Tensor
    is_known: Tensor


# Labels that say that something is there, not what: of salient-object and binary sets.
_NO_NAMES = frozenset(("", "salient", "foreground", "object", "thing", "other", "unknown"))

TextSource = Callable[[TrainBatch, torch.device], TextEmbeddings]  # computed on that device


def mix_text(
    coords: Tensor, labels: Tensor, is_known: Tensor, config: PromptConfig, draws: Draws
) -> tuple[Tensor, Tensor, Tensor]:
    """First prompts with text in some: coordinates, labels and (P,) bool, which have text.

    A target with an embedding is asked for by text alone, by text beside its point or box, or
    without text, as `config` shares it out.

    Args:
        coords: (P, N, 2) of the first point or box.
        labels: (P, N).
        is_known: (P,) bool, which targets have an embedding.
        config: the annotator.
        draws: randomness.
    """
    draw = draws.rand(len(is_known)).to(coords.device)
    is_known = is_known.to(coords.device)
    alone = is_known & (draw < config.text_alone_probability)
    has_text = is_known & (draw < config.text_alone_probability + config.text_probability)
    return (
        torch.where(alone[:, None, None], 0.0, coords),
        torch.where(alone[:, None], int(PointLabel.ABSENT), labels),
        has_text,
    )


def name_source(vocabulary: Vocabulary) -> TextSource:
    """The default model's source: the sentence embedding of each target's name."""

    def embed(batch: TrainBatch, device: torch.device) -> TextEmbeddings:
        ids = vocabulary.ids(batch.target_names)
        embeddings = vocabulary.embeddings[ids.clamp_min(0)].to(device)
        return TextEmbeddings(embeddings=embeddings, is_known=ids >= 0)

    return embed


def crop_source(clip: ClipEncoder) -> TextSource:
    """The paper's source: CLIP's view of each target's crop."""

    def embed(batch: TrainBatch, device: torch.device) -> TextEmbeddings:
        P = len(batch.image_index)
        embeddings = torch.zeros(P, clip.text_dim, device=device)
        is_known = torch.zeros(P, dtype=torch.bool)
        crops = batch.text_crops
        if crops is not None:
            found = clip.to(device).crop_embeddings(crops.images, crops.masks)
            embeddings[crops.target_index.to(device)] = found
            is_known[crops.target_index] = True
        return TextEmbeddings(embeddings=embeddings, is_known=is_known)

    return embed


def build_vocabulary(names: Iterable[str], encoder: TextEncoder) -> Vocabulary:
    """The distinct names, sorted, and their embeddings, without those that name nothing."""
    distinct = tuple(sorted({name for name in names if plain_phrase(name) not in _NO_NAMES}))
    return Vocabulary(names=distinct, embeddings=encoder.text_embeddings(distinct))


def load_vocabulary(config: TrainConfig, text_dim: int, names: Iterable[str]) -> Vocabulary | None:
    """What the run needs to know of its data's names; None where it makes no use of them.

    Args:
        config: the run.
        text_dim: numbers in a text prompt of its model.
        names: of all masks of the training data, "" for one without.

    Raises:
        MissingExtraError: there are names, and no package to embed them.
        InvalidInputError: the model takes embeddings of another encoder.
    """
    prompts = config.prompts
    shares = prompts.text_probability + prompts.text_alone_probability
    is_used = shares > 0 or config.loss.text_link_weight > 0
    if config.text.source != "names" or text_dim == 0 or not is_used:
        return None
    encoder = SentenceEncoder()
    if encoder.text_dim != text_dim:
        raise InvalidInputError(
            f"text.source must give embeddings of {text_dim} numbers for {config.model}, got "
            f"names with {encoder.text_dim}. Set text.source=clip_crops."
        )
    vocabulary = build_vocabulary(names, encoder)
    return vocabulary if vocabulary.names else None


def build_text_source(
    config: TextConfig, text_dim: int, vocabulary: Vocabulary | None
) -> TextSource | None:
    """The source that `config` asks for, or None when no prompt will have text.

    Args:
        config: which source.
        text_dim: numbers in a text prompt of the model.
        vocabulary: of the data's names, or None when they have none.

    Raises:
        CheckpointError: CLIP is not there.
        InvalidInputError: CLIP does not fit the model or the crops.
    """
    if config.source == "names":
        return None if vocabulary is None or text_dim == 0 else name_source(vocabulary)
    clip = load_clip(config.clip)
    if clip.text_dim != text_dim:
        raise InvalidInputError(
            f"the model must take text embeddings of {clip.text_dim} numbers for {config.clip}, "
            f"got text_dim {text_dim}. Choose a model made for it, e.g. vit_h_text."
        )
    if clip.crop_size != config.crop_size:
        raise InvalidInputError(
            f"text.crop_size must be {clip.crop_size} for {config.clip}, got {config.crop_size}."
        )
    return crop_source(clip)
