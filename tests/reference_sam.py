"""The reference package's network of any size, with weights that a comparison cannot miss."""

from functools import partial
from typing import Any

import torch
from torch import nn

from anymask.model.config import SamConfig
from torchvision_stand_in import import_segment_anything


def build_reference(config: SamConfig) -> Any:
    """Return `segment_anything`'s Sam of that configuration in evaluation mode."""
    modeling = import_segment_anything().modeling
    encoder, D, grid = config.image_encoder, config.embed_dim, config.grid_size
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            img_size=config.image_size,
            patch_size=encoder.patch_size,
            embed_dim=encoder.width,
            depth=encoder.depth,
            num_heads=encoder.num_heads,
            mlp_ratio=encoder.mlp_ratio,
            out_chans=D,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=encoder.window_size,
            global_attn_indexes=encoder.global_blocks,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=D,
            image_embedding_size=(grid, grid),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_prompt_channels,
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=config.num_multimask_outputs,
            transformer=modeling.TwoWayTransformer(
                depth=config.decoder_depth,
                embedding_dim=D,
                num_heads=config.decoder_num_heads,
                mlp_dim=config.decoder_mlp_dim,
                attention_downsample_rate=config.decoder_attention_downsample,
            ),
            transformer_dim=D,
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_dim,
        ),
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    ).eval()


def randomise(model: nn.Module, seed: int) -> None:
    """Move every parameter that starts as zeros or ones, so that none of them is without effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
