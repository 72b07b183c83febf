"""Image and prompt embeddings to masks and predicted IoU (App. A, "Lightweight mask decoder").

Letters: P prompts, M masks of a prompt, D width, h w embedding grid.
"""

import torch
from torch import Tensor, nn

from anymask.model.config import SamConfig
from anymask.model.features import DecodedMasks, EncodedPrompts, ImageFeatures
from anymask.model.layers import ACTIVATIONS, ConvBlock, LayerNorm2d, ReluMlp
from anymask.model.mask_quality import MaskQuality
from anymask.model.two_way_transformer import TwoWayTransformer


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
        dense_positional_encoding: Tensor,
        prompts: EncodedPrompts,
        multimask_output: bool | None,
    ) -> DecodedMasks:
        """The masks of P prompts.

        Args:
            features: one row a prompt (`ImageFeatures.select`).
            dense_positional_encoding: (1, D, h, w).
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

        cells = features.image_embeddings + prompts.dense_embeddings  # P D h w
        _, D, h, w = cells.shape
        tokens, cells = self.transformer(
            tokens,
            cells.flatten(2).transpose(1, 2),
            # in the cells' dtype: under autocast a float32 addend would make every sum float32
            dense_positional_encoding.flatten(2).transpose(1, 2).to(cells.dtype),
            token_mask,
        )
        cells = cells.transpose(1, 2).reshape(P, D, h, w)
        upscaled = self._upscale(cells, features, prompts)
        wanted = mask_slots(multimask_output)
        slots = range(T)[wanted]
        weights = torch.stack(
            [self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in slots], dim=1
        )
        logits = (weights @ upscaled.flatten(2)).reshape(P, len(slots), 4 * h, 4 * w)
        if isinstance(self.iou_prediction_head, MaskQuality):
            mask_tokens = tokens[:, 1 : 1 + T][:, wanted]
            ious = self.iou_prediction_head(tokens[:, 0], mask_tokens, logits, cells)
        else:
            ious = self.iou_prediction_head(tokens[:, 0])[:, wanted]
        return DecodedMasks(
            low_res_logits=logits, iou_predictions=ious.sigmoid() if self.iou_sigmoid else ious
        )

    def _upscale(self, cells: Tensor, features: ImageFeatures, prompts: EncodedPrompts) -> Tensor:
        """(P, D, h, w) to (P, D/8, 4h, 4w), sharpened by finer features and the drawn prompt."""
        if features.stride8 is None or features.stride4 is None:
            return self.output_upscaling(cells)  # type: ignore[no-any-return]
        to_stride8, norm, activate, to_stride4, _ = self.output_upscaling
        x = activate(norm(_sum(to_stride8(cells), features.stride8, prompts.stride8)))
        x = to_stride4(self.refine8(x))
        return self.refine4(activate(_sum(x, features.stride4, prompts.stride4)))  # type: ignore[no-any-return]


def _sum(x: Tensor, y: Tensor, z: Tensor | None) -> Tensor:
    return x + y if z is None else x + y + z
