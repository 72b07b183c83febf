"""CLIP as the source of text prompts (App. D.5): words and masked image crops in one space.

A model is trained with the embeddings of crops and prompted with those of words. Letters: T texts,
P crops, C side of a crop, L patches of a crop and the output token before them.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.model.text_encoder import TextMemory

PAPER_CLIP = "openai/clip-vit-large-patch14-336"  # App. D.5
# Statistics of CLIP's training images on the 0..255 scale.
CLIP_MEAN = (122.7709383, 116.7460125, 104.09373615)
CLIP_STD = (68.5005327, 66.6321579, 70.32316305)
_CROPS_A_PASS = 64


class ClipEncoder:
    """Embeds words and crops; frozen. It is an `anymask.model.text_encoder.TextEncoder`.

    Args:
        clip: transformers' `CLIPModel`.
        tokenizer: its tokenizer.
    """

    def __init__(self, clip: nn.Module, tokenizer: Any) -> None:
        self._clip: Any = clip.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._memory = TextMemory(self._encode)

    def to(self, device: str | torch.device) -> "ClipEncoder":
        """This encoder, moved to the device."""
        self._clip.to(device)
        return self

    @property
    def text_dim(self) -> int:
        """The width of the embeddings (768 for the paper's CLIP)."""
        return int(self._clip.config.projection_dim)

    @property
    def crop_size(self) -> int:
        """C, the side of the square crops in pixels (336 for the paper's CLIP)."""
        return int(self._clip.config.vision_config.image_size)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """(T, text_dim) float32 on the CPU, each of length 1.

        Raises:
            InvalidInputError: a text has more tokens than CLIP reads (77 with its two marks).
        """
        return self._memory(texts) if texts else torch.zeros(0, self.text_dim)

    @torch.no_grad()
    def crop_embeddings(self, images: Tensor, masks: Tensor) -> Tensor:
        """(P, text_dim) float32 where CLIP is, each of length 1: what the masked part shows.

        In the last layer the output token attends to itself and to the patches that the mask
        covers, if only in part; with a mask over everything this is CLIP's own image embedding. A
        mask that covers nothing counts as one that covers everything.

        Args:
            images: (P, 3, C, C) of 0..255, RGB.
            masks: (P, C, C) bool, or share of each pixel that is covered.

        Raises:
            InvalidInputError: another shape.
        """
        C = self.crop_size
        if tuple(images.shape[1:]) != (3, C, C) or masks.shape != (len(images), C, C):
            raise InvalidInputError(
                f"crops must be (P, 3, {C}, {C}) with masks (P, {C}, {C}) for this CLIP, got "
                f"{tuple(images.shape)} and {tuple(masks.shape)}. Resize them."
            )
        device = self._clip.visual_projection.weight.device
        size = _CROPS_A_PASS
        parts = zip(torch.split(images, size), torch.split(masks, size), strict=True)
        return torch.cat(
            [self._embed_crops(a.to(device).float(), b.to(device).float()) for a, b in parts]
        )

    def _embed_crops(self, images: Tensor, masks: Tensor) -> Tensor:
        vision = self._clip.vision_model
        mean = images.new_tensor(CLIP_MEAN).reshape(3, 1, 1)
        std = images.new_tensor(CLIP_STD).reshape(3, 1, 1)
        x = vision.pre_layrnorm(vision.embeddings((images - mean) / std))  # P L width
        *early, last = vision.encoder.layers
        for layer in early:
            x = _block(layer, x, x.shape[1], None)
        patch_size = self._clip.config.vision_config.patch_size
        x = _block(last, x, 1, output_token_mask(masks, patch_size))
        pooled = vision.post_layernorm(x[:, 0])
        return F.normalize(self._clip.visual_projection(pooled).float(), dim=-1)

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(texts, padding=True, return_tensors="pt", verbose=False)
        limit = self._clip.config.text_config.max_position_embeddings
        lengths = tokens["attention_mask"].sum(1)
        if int(lengths.max()) > limit:
            longest = texts[int(lengths.argmax())]
            raise InvalidInputError(
                f"text must have at most {limit - 2} tokens, got {int(lengths.max()) - 2} in "
                f"{longest[:40]!r}. Shorten it."
            )
        tokens = tokens.to(self._clip.text_projection.weight.device)
        pooled = self._clip.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output
        return F.normalize(self._clip.text_projection(pooled).float(), dim=-1).cpu()


def output_token_mask(masks: Tensor, patch_size: int) -> Tensor:
    """(P, 1, 1, L) to add to the output token's attention: 0 where it may look, else -inf.

    A float mask on purpose: a boolean one is added as 0 and 1 by some CLIP implementations.

    Args:
        masks: (P, C, C) float, share of each pixel that is covered.
        patch_size: side of a patch in pixels.
    """
    coverage = F.avg_pool2d(masks.unsqueeze(1), patch_size).flatten(1)  # P patches
    most = coverage.amax(1, keepdim=True)
    is_seen = (coverage > 0) | (coverage == most)
    is_seen = F.pad(is_seen, (1, 0), value=True)  # the output token itself
    hidden = torch.full_like(coverage[:, :1], -torch.inf)
    return torch.where(is_seen, torch.zeros_like(hidden), hidden)[:, None, None, :]


def _block(layer: Any, x: Tensor, num_queries: int, mask: Tensor | None) -> Tensor:
    """The first `num_queries` tokens of (P, L, width) after a pre-norm transformer layer."""
    attention = layer.self_attn
    P, _, width = x.shape
    normed = layer.layer_norm1(x)

    def heads(projection: nn.Module, tokens: Tensor) -> Tensor:
        projected: Tensor = projection(tokens)
        shape = (P, tokens.shape[1], attention.num_heads, attention.head_dim)
        return projected.reshape(shape).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        heads(attention.q_proj, normed[:, :num_queries]),
        heads(attention.k_proj, normed),
        heads(attention.v_proj, normed),
        attn_mask=mask,
    )
    x = x[:, :num_queries] + attention.out_proj(
        mixed.transpose(1, 2).reshape(P, num_queries, width)
    )
    return x + layer.mlp(layer.layer_norm2(x))  # type: ignore[no-any-return]


def load_clip(
    name_or_path: str | os.PathLike[str] = PAPER_CLIP, *, allow_download: bool = False
) -> ClipEncoder:
    """CLIP, on the CPU: from a folder, the hub's cache on this machine or, if allowed, the hub.

    Raises:
        MissingExtraError: transformers is not installed.
        CheckpointError: not there, not a CLIP, or incomplete.
    """
    try:
        from transformers import AutoConfig, AutoTokenizer, CLIPModel
    except ImportError as error:
        raise MissingExtraError("transformers", "text") from error
    name = os.fspath(name_or_path)
    load_model: Any = CLIPModel.from_pretrained
    here: dict[str, Any] = {"local_files_only": not allow_download}
    try:
        kind = AutoConfig.from_pretrained(name, **here).model_type
        if kind != "clip":
            raise CheckpointError(f"{name} must hold a CLIP model, got a {kind}. Name another.")
        clip, report = load_model(name, output_loading_info=True, **here)
        tokenizer = AutoTokenizer.from_pretrained(name, **here)
    except CheckpointError:
        raise
    except Exception as error:  # the loader's errors have no common class
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"CLIP must be a folder of it or be in the hub's cache, got {name!r} ({reason}). "
            f"Run: hf download {PAPER_CLIP}, or give a folder that holds it."
        ) from error
    if report["missing_keys"]:
        raise CheckpointError(
            f"{name} must hold all weights of CLIP, {sorted(report['missing_keys'])[0]} is "
            "missing. Get the files again."
        )
    return ClipEncoder(clip, tokenizer)
