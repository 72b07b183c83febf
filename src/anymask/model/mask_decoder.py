"""Image and prompt embeddings to masks and predicted IoU (App. A, "Lightweight mask decoder").

Letters: P prompts, M masks of a prompt, D width, L = h w cells of the embedding grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.config import SamConfig
from anymask.model.features import DecodedMasks, EncodedPrompts, ImageFeatures
from anymask.model.layers import ACTIVATIONS, ConvBlock, LayerNorm2d, ReluMlp
from anymask.model.mask_quality import MaskQuality
from anymask.model.precision import products_in
from anymask.model.two_way_transformer import PreparedCells, TwoWayTransformer


def mask_slots(multimask_output: bool | None) -> slice:
    """The mask tokens that answer: token 0 is the single mask, the others the ambiguous three.

    None asks for all of them, as training does.
    """
    if multimask_output is None:
        return slice(0, None)
    return slice(1, None) if multimask_output else slice(0, 1)


class MaskDecoder(nn.Module):
    """A two-way transformer, an up-scaling path, and one small network per mask token."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        D = config.embed_dim
        activation = ACTIVATIONS[config.activation]
        self.num_mask_tokens = config.num_multimask_outputs + 1
        self.iou_sigmoid = config.iou_sigmoid
        self.transformer = TwoWayTransformer(
            depth=config.decoder_depth,
            dim=D,
            num_heads=config.decoder_num_heads,
            mlp_dim=config.decoder_mlp_dim,
            downsample=config.decoder_attention_downsample,
            dropout=config.decoder_dropout,
        )
        self.iou_token = nn.Embedding(1, D)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, D)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(D, D // 4, 2, stride=2),
            LayerNorm2d(D // 4),
            activation(),
            nn.ConvTranspose2d(D // 4, D // 8, 2, stride=2),
            activation(),
        )
        self.refine8 = nn.Sequential(*(ConvBlock(D // 4) for _ in range(config.refine_depth)))
        self.refine4 = nn.Sequential(*(ConvBlock(D // 8) for _ in range(config.refine_depth // 2)))
        self.output_hypernetworks_mlps = nn.ModuleList(
            ReluMlp(D, D, D // 8, 3) for _ in range(self.num_mask_tokens)
        )
        self.iou_prediction_head: ReluMlp | MaskQuality = (
            MaskQuality(D, config.iou_head_dim, config.iou_head_depth)
            if config.iou_from_mask
            else ReluMlp(D, config.iou_head_dim, self.num_mask_tokens, config.iou_head_depth)
        )

    def forward(
        self,
        features: ImageFeatures,
        prepared: PreparedCells,
        prompts: EncodedPrompts,
        multimask_output: bool | None,
    ) -> DecodedMasks:
        """The masks of P prompts.

        Work on cells is done in the features' dtype, also where weights and tokens are of a longer
        one.

        Args:
            features: one row a prompt (`ImageFeatures.select`), or one row for all.
            prepared: by `prepare_positions` or `prepare_image`.
            prompts: P encoded prompts.
            multimask_output: True for the three masks, False for the single one, None for all.
        """
        P, T = prompts.sparse_embeddings.shape[0], self.num_mask_tokens
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        sparse = prompts.sparse_embeddings
        tokens = torch.cat([output_tokens.to(sparse.dtype).expand(P, -1, -1), sparse], dim=1)
        token_mask = None
        if prompts.sparse_mask is not None:
            seen = prompts.sparse_mask.new_ones(P, T + 1)
            token_mask = torch.cat([seen, prompts.sparse_mask], dim=1)[:, None, None, :]

        if prepared.image is None:
            cells = _as_rows(features.image_embeddings + prompts.dense_embeddings)
        else:
            cells = prepared.image.cells
        cells = cells.to(features.image_embeddings.dtype)
        tokens, cells = self.transformer(tokens, cells, prepared, token_mask)
        wanted = mask_slots(multimask_output)
        weights = torch.stack(
            [self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in range(T)[wanted]], dim=1
        )
        h, w = features.image_embeddings.shape[-2:]
        with products_in(cells.dtype, cells.device):
            logits = self._draw(weights, cells, (h, w), features, prompts)
        if isinstance(self.iou_prediction_head, MaskQuality):
            mask_tokens = tokens[:, 1 : 1 + T][:, wanted]
            grid = torch.unflatten(cells.mT, 2, (h, w))  # P D h w
            ious = self.iou_prediction_head(tokens[:, 0], mask_tokens, logits, grid)
        else:
            ious = self.iou_prediction_head(tokens[:, 0])[:, wanted]
        return DecodedMasks(
            low_res_logits=logits, iou_predictions=ious.sigmoid() if self.iou_sigmoid else ious
        )

    def prepare_positions(self, dense_positional_encoding: Tensor) -> PreparedCells:
        """What is common to all prompts about any image, from the grid's encoding (1, D, h, w)."""
        return self.transformer.prepare_positions(_as_rows(dense_positional_encoding))

    def prepare_image(
        self,
        positions: PreparedCells,
        image_embeddings: Tensor,
        no_mask: Tensor,
        dense_positional_encoding: Tensor,
    ) -> PreparedCells:
        """What is common to all prompts about one image, of those without a dense map.

        Args:
            positions: by `prepare_positions`.
            image_embeddings: (1, D, h, w).
            no_mask: (1, D, 1, 1) dense embedding of these prompts.
            dense_positional_encoding: (1, D, h, w).
        """
        cells = _as_rows(image_embeddings + no_mask)
        cell_pe = _as_rows(dense_positional_encoding).to(cells.dtype)
        return self.transformer.prepare_image(positions, cells, cell_pe)

    def _draw(
        self,
        weights: Tensor,
        cells: Tensor,
        grid: tuple[int, int],
        features: ImageFeatures,
        prompts: EncodedPrompts,
    ) -> Tensor:
        """(P, M, 4h, 4w) logits: products of (P, M, D/8) weights with the up-scaled cells."""
        h, w = grid
        if features.stride8 is None or features.stride4 is None:
            return _in_order(self._draw_cells(weights, cells), h, w)
        to_stride8, norm, activate, to_stride4 = self._upscaling()
        x = _as_image(_spread(cells, to_stride8), h, w)
        x = _sum(x, features.stride8, prompts.stride8)
        x = self.refine8(activate(norm(x)))
        x = _as_image(_spread(_as_rows(x), to_stride4), 2 * h, 2 * w)
        x = self.refine4(activate(_sum(x, features.stride4, prompts.stride4)))
        return torch.unflatten(weights @ x.flatten(2), 2, (4 * h, 4 * w))

    def _draw_cells(self, weights: Tensor, cells: Tensor) -> Tensor:
        """(P, L*16, M) logits of cells (P, L, D): pixels stay with their cell up to the end."""
        to_stride8, norm, activate, to_stride4 = self._upscaling()
        x = _spread(cells, to_stride8)  # P L 4 D/4
        x = F.layer_norm(x, tuple(norm.weight.shape), norm.weight, norm.bias, norm.eps)
        x = _spread(activate(x).flatten(1, 2), to_stride4)  # P 4L 4 D/8
        return torch.matmul(activate(x).flatten(1, 2), weights.mT)

    def _upscaling(self) -> tuple[nn.ConvTranspose2d, LayerNorm2d, nn.Module, nn.ConvTranspose2d]:
        to_stride8, norm, activate, to_stride4, _ = self.output_upscaling
        return to_stride8, norm, activate, to_stride4  # type: ignore[return-value]


def _as_rows(x: Tensor) -> Tensor:
    """(P, C, h, w) to (P, h*w, C); no copy of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def _as_image(x: Tensor, h: int, w: int) -> Tensor:
    """(P, h*w, 4, C), where each cell has four quarters, to (P, C, 2h, 2w), channels last."""
    x = torch.unflatten(torch.unflatten(x, 2, (2, 2)), 1, (h, w)).transpose(2, 3)  # P h 2 w 2 C
    return x.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


def _in_order(x: Tensor, h: int, w: int) -> Tensor:
    """(P, h*w*16, M), quarters of quarters of cells, to (P, M, 4h, 4w)."""
    x = torch.unflatten(x, 1, (h, w, 2, 2, 2, 2))
    return F.pixel_shuffle(x.permute(0, 7, 3, 5, 4, 6, 1, 2).flatten(1, 5), 4)


def _spread(x: Tensor, conv: nn.ConvTranspose2d) -> Tensor:
    """(P, L, C) to (P, L, 4, C'): the four quarters of each cell, row by row.

    A transposed convolution whose stride is its kernel is one matrix product a cell.
    """
    P = x.shape[0]
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)
    bias = conv.bias.repeat(4)  # type: ignore[union-attr]
    return F.linear(x.flatten(0, 1), weight, bias).reshape(P, -1, 4, conv.out_channels)


def _sum(x: Tensor, y: Tensor, z: Tensor | None) -> Tensor:
    return x + y if z is None else x + y + z.to(x.dtype)
