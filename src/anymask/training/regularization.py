"""Drop path and decoder dropout for a training run, without changing what the model is."""

from torch import nn

from anymask.model.layers import DropPath
from anymask.model.sam import Sam
from anymask.model.two_way_attention import Attention
from anymask.model.two_way_transformer import TwoWayBlock
from anymask.training.config import TrainConfig


def set_regularization(model: Sam, config: TrainConfig) -> None:
    """Sets `drop_path` and `decoder_dropout` of the configuration where they are given.

    Drop path grows from 0 at the image encoder's first block to its full rate at the last. Neither
    has parameters nor acts in evaluation mode, so `model.config`, which says what a saved file
    is, stays as it was.
    """
    if config.drop_path is not None:
        blocks = [m for m in model.image_encoder.modules() if isinstance(m, DropPath)]
        for i, block in enumerate(blocks):
            block.drop_probability = config.drop_path * i / max(1, len(blocks) - 1)
    if config.decoder_dropout is not None:
        for module in model.mask_decoder.transformer.modules():
            if isinstance(module, Attention):
                module.dropout = config.decoder_dropout
            elif isinstance(module, TwoWayBlock):
                module.dropout = nn.Dropout(config.decoder_dropout)
