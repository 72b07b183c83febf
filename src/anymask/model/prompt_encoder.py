"""Prompts to embeddings: points, boxes, text as tokens; masks and drawn prompts as a dense map.

Letters: P prompts, N points of a prompt, D width, h w embedding grid, S model side.
"""

import math

import torch
from torch import Tensor, nn

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import PointLabel
from anymask.model.config import SamConfig
from anymask.model.features import EncodedPrompts, PromptTensors
from anymask.model.layers import ACTIVATIONS, LayerNorm2d

# A click is drawn as 1 / (1 + (distance / radius)^2): sharp at the click, felt far away.
CLICK_RADIUS = 0.03  # of the model side
# Logits that are fed back are squashed; beyond this a pixel is as sure as it gets.
LOGIT_SCALE = 4.0


class RandomFourierEncoding(nn.Module):
    """Positions as random Fourier features (App. A: "positional encodings [95]")."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_frequencies: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, num_frequencies))

    def forward(self, unit_coords: Tensor) -> Tensor:
        """(..., 2) xy in [0, 1] to (..., 2 * num_frequencies)."""
        matrix = self.positional_encoding_gaussian_matrix
        # bfloat16 cannot tell neighbouring pixels apart: never under autocast.
        with torch.autocast(unit_coords.device.type, enabled=False):
            angles = 2 * math.pi * ((2 * unit_coords.to(matrix.dtype) - 1) @ matrix)
            return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """(1, D, height, width) encoding of the centres of a grid's cells."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        coords = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        return self(coords).permute(2, 0, 1).unsqueeze(0)  # type: ignore[no-any-return]


class PromptEncoder(nn.Module):
    """Embeds points, boxes and masks; adds the "not a point" pad when there is no box."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        D, channels = config.embed_dim, config.mask_prompt_channels
        activation = ACTIVATIONS[config.activation]
        self.stride = config.image_encoder.stride
        self.prompt_maps = config.prompt_maps
        self.pe_layer = RandomFourierEncoding(D // 2)
        self.point_embeddings = nn.Embedding(4, D)  # background, foreground, two box corners
        self.not_a_point_embed = nn.Embedding(1, D)
        self.no_mask_embed = nn.Embedding(1, D)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(4 if self.prompt_maps else 1, channels // 4, 2, stride=2),
            LayerNorm2d(channels // 4),
            activation(),
            nn.Conv2d(channels // 4, channels, 2, stride=2),
            LayerNorm2d(channels),
            activation(),
            nn.Conv2d(channels, D, 1),
        )
        self.text_projection = nn.Linear(config.text_dim, D) if config.text_dim else None
        if self.prompt_maps:
            self.to_stride8 = nn.Conv2d(4, D // 4, 2, stride=2)
            self.to_stride4 = nn.Conv2d(4, D // 8, 1)

    def forward(self, prompts: PromptTensors, grid_size: int) -> EncodedPrompts:
        """The embeddings of prompts about images of `grid_size` embedding cells a side."""
        image_size = grid_size * self.stride
        sparse, sparse_mask = self._encode_points(
            prompts.point_coords / image_size, prompts.point_labels
        )
        if prompts.text_embeddings is not None:
            sparse, sparse_mask = self._append_text(
                sparse, sparse_mask, prompts.text_embeddings, prompts.has_text
            )
        if self.prompt_maps:
            maps = self._draw(prompts, image_size, 4 * grid_size)
            return EncodedPrompts(
                sparse_embeddings=sparse,
                sparse_mask=sparse_mask,
                dense_embeddings=self.mask_downscaling(maps),
                stride8=self.to_stride8(maps),
                stride4=self.to_stride4(maps),
            )
        return EncodedPrompts(
            sparse_embeddings=sparse,
            sparse_mask=sparse_mask,
            dense_embeddings=self._encode_mask(prompts),
        )

    def _encode_points(self, unit_coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        positions = self.pe_layer(unit_coords) + self.point_embeddings(labels.clamp(0, 3))
        is_padding = (labels < 0).unsqueeze(-1)
        embeddings = torch.where(is_padding, self.not_a_point_embed.weight, positions)
        present = labels != PointLabel.ABSENT
        return embeddings, None if bool(present.all()) else present

    def _append_text(
        self, sparse: Tensor, mask: Tensor | None, text_embeddings: Tensor, has_text: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """One more token (App. D.5); prompts without text hide it."""
        if self.text_projection is None:
            raise InvalidInputError(
                "the model must have been trained with text to take a text prompt, got one with "
                "text_dim 0. Use the default model, or points and boxes."
            )
        token = self.text_projection(text_embeddings).unsqueeze(1)
        tokens = torch.cat([sparse, token.to(sparse.dtype)], dim=1)
        if mask is None and has_text is None:
            return tokens, None
        P, N, _ = sparse.shape
        mask = torch.ones(P, N, dtype=torch.bool, device=sparse.device) if mask is None else mask
        has_text = mask.new_ones(P) if has_text is None else has_text
        return tokens, torch.cat([mask, has_text.unsqueeze(1)], dim=1)

    @property
    def no_mask(self) -> Tensor:
        """(1, D, 1, 1) dense embedding of prompts without a mask."""
        return self.no_mask_embed.weight.reshape(1, -1, 1, 1)

    def _encode_mask(self, prompts: PromptTensors) -> Tensor:
        if prompts.mask_input is None:
            return self.no_mask
        dense = self.mask_downscaling(prompts.mask_input)
        if prompts.has_mask is None:
            return dense  # type: ignore[no-any-return]
        return torch.where(prompts.has_mask.reshape(-1, 1, 1, 1), dense, self.no_mask)

    def _draw(self, prompts: PromptTensors, image_size: int, side: int) -> Tensor:
        """(P, 4, 4h, 4w): foreground clicks, background clicks, box, earlier logits."""
        step = image_size / side
        labels = prompts.point_labels
        coords = prompts.point_coords.float()
        centres = (torch.arange(side, device=coords.device) + 0.5) * step
        dx = centres - coords[..., 0:1]  # P N side
        dy = centres - coords[..., 1:2]
        radius = CLICK_RADIUS * image_size
        squared = (dx[:, :, None, :] ** 2 + dy[:, :, :, None] ** 2) / radius**2  # P N side side
        clicks = []
        for label in (PointLabel.FOREGROUND, PointLabel.BACKGROUND):
            others = torch.where(labels == label, 0.0, math.inf)[:, :, None, None]
            clicks.append(1 / (1 + (squared + others).amin(1)))
        # Inside is right of and below every first corner, left of and above every second.
        first = (labels == PointLabel.BOX_TOP_LEFT)[..., None]
        last = (labels == PointLabel.BOX_BOTTOM_RIGHT)[..., None]
        x_in = torch.where(first, dx, torch.where(last, -dx, math.inf)).amin(1)  # P side
        y_in = torch.where(first, dy, torch.where(last, -dy, math.inf)).amin(1)
        margin = torch.minimum(x_in[:, None, :], y_in[:, :, None]) / step
        has_box = (first | last).any(1)[..., None]  # not isinf: runtimes replace infinities
        box = torch.where(has_box, margin.clamp(-1, 1), 0.0)
        logits = self._fed_back(prompts, box)
        return torch.stack([*clicks, box, logits], dim=1)

    def _fed_back(self, prompts: PromptTensors, like: Tensor) -> Tensor:
        if prompts.mask_input is None:
            return torch.zeros_like(like)
        logits = torch.tanh(prompts.mask_input[:, 0].float() / LOGIT_SCALE)
        if prompts.has_mask is None:
            return logits
        return torch.where(prompts.has_mask.reshape(-1, 1, 1), logits, 0.0)
