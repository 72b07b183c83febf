"""Prompts of any length as the rectangular tensors that the network takes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.prompts import PointLabel, Prompt
from anymask.model.features import PromptTensors

BOX_LABELS = (PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT)


def is_ambiguous(prompt: Prompt, box_is_ambiguous: bool = True) -> bool:
    """Return whether the prompt may mean several masks: one point, box or text, and nothing else.

    `box_is_ambiguous` False takes a box as clear (`SamConfig.box_is_ambiguous`).

    SAM paper, App. A, "Making the model ambiguity-aware": with more prompts the three masks
    would grow alike, so that a single one answers.
    """
    if prompt.box is not None and not box_is_ambiguous:
        return False
    num_hints = prompt.num_points + (prompt.box is not None) + (prompt.text is not None)
    return num_hints == 1 and prompt.mask_input is None


def pack_prompts(
    prompts: Sequence[Prompt],
    frame: ImageFrame,
    mask_size: int,
    device: torch.device,
    encode_texts: Callable[[list[str]], Tensor] | None = None,
) -> PromptTensors:
    """Return P prompts about one image as tensors in the model frame.

    `encode_texts` gives the (T, text_dim) embeddings of the prompts' texts, if there are any.

    Order of the released model: the points, then the two corners of the box or, without a box, one
    padding point. Shorter rows are filled with `PointLabel.ABSENT`, which attention leaves out.

    Raises:
        InvalidInputError: a `mask_input` is not (1, mask_size, mask_size), or there is text and
            nothing to encode it.
    """
    rows = [_points_of(prompt, frame) for prompt in prompts]
    # At least one column, as a prompt of only a mask or a text has no points.
    N = max(1, *(len(labels) for _, labels in rows))
    coords = np.zeros((len(rows), N, 2), dtype=np.float32)
    labels = np.full((len(rows), N), PointLabel.ABSENT, dtype=np.int64)
    for i, (row_coords, row_labels) in enumerate(rows):
        coords[i, : len(row_labels)] = row_coords
        labels[i, : len(row_labels)] = row_labels
    masks = _masks_of(prompts, mask_size)
    has_mask = np.array([prompt.mask_input is not None for prompt in prompts])
    texts = [prompt.text for prompt in prompts]
    embeddings = None if all(text is None for text in texts) else _embed(texts, encode_texts)
    has_text = torch.tensor([text is not None for text in texts])
    return PromptTensors(
        point_coords=torch.from_numpy(coords).to(device),
        point_labels=torch.from_numpy(labels).to(device),
        mask_input=None if masks is None else torch.from_numpy(masks).to(device),
        has_mask=None if masks is None else torch.from_numpy(has_mask).to(device),
        text_embeddings=None if embeddings is None else embeddings.to(device),
        has_text=None if embeddings is None else has_text.to(device),
    )


def _points_of(prompt: Prompt, frame: ImageFrame) -> tuple[NDArray[np.float32], list[int]]:
    coords: list[NDArray[np.float32]] = [np.zeros((0, 2), dtype=np.float32)]
    labels: list[int] = []
    if prompt.point_coords is not None:
        coords.append(frame.points_to_model(prompt.point_coords))
        labels.extend(prompt.point_labels.tolist())
    if prompt.box is not None:
        coords.append(frame.boxes_to_model(prompt.box).reshape(2, 2))
        labels.extend(BOX_LABELS)
    elif labels:
        coords.append(np.zeros((1, 2), dtype=np.float32))
        labels.append(PointLabel.PADDING)
    return np.concatenate(coords), labels


def _embed(
    texts: Sequence[str | None], encode_texts: Callable[[list[str]], Tensor] | None
) -> Tensor:
    """(P, text_dim), zeros for prompts without text; each text is encoded once."""
    distinct = list(dict.fromkeys(text for text in texts if text is not None))
    if encode_texts is None:
        raise InvalidInputError(
            f"text prompts need a text encoder, got {distinct[0]!r} and none. "
            "Pass a text_encoder to the Predictor."
        )
    encoded = encode_texts(distinct)
    rows = dict(zip(distinct, encoded, strict=True))
    nothing = torch.zeros_like(encoded[0])
    return torch.stack([nothing if text is None else rows[text] for text in texts])


def _masks_of(prompts: Sequence[Prompt], mask_size: int) -> NDArray[np.float32] | None:
    if all(prompt.mask_input is None for prompt in prompts):
        return None
    shape = (1, mask_size, mask_size)
    masks = np.zeros((len(prompts), *shape), dtype=np.float32)
    for i, prompt in enumerate(prompts):
        if prompt.mask_input is None:
            continue
        if prompt.mask_input.shape != shape:
            raise InvalidInputError(
                f"mask_input must have shape {shape} for this model, got "
                f"{prompt.mask_input.shape}. Pass low_res_logits[i:i+1] of its own prediction."
            )
        masks[i] = prompt.mask_input
    return masks
