"""The whole network, wiring only: encode images once, then decode any number of prompts.

No `no_grad` in here: the same code trains and predicts. Letters: B images, P prompts, M masks,
S model side, D width, h w embedding grid.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.config import SamConfig, VitConfig
from anymask.model.conv_encoder import ConvEncoder
from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.image_encoder import ImageEncoderViT
from anymask.model.mask_decoder import MaskDecoder
from anymask.model.prompt_encoder import PromptEncoder
from anymask.model.text_link import TextLink
from anymask.model.two_way_transformer import PreparedCells


class Sam(nn.Module):
    """Image encoder, prompt encoder and mask decoder of one configuration."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.config = config
        encoder = config.image_encoder
        self.image_encoder: ImageEncoderViT | ConvEncoder = (
            ImageEncoderViT(encoder, config.image_size, config.embed_dim)
            if isinstance(encoder, VitConfig)
            else ConvEncoder(encoder, config.embed_dim)
        )
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)
        self.text_link = (
            TextLink(config.embed_dim, config.text_dim, config.text_link_dim)
            if config.text_link_dim
            else None
        )
        mean, std = torch.tensor(config.pixel_mean), torch.tensor(config.pixel_std)
        self.register_buffer("pixel_mean", mean.reshape(3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", std.reshape(3, 1, 1), persistent=False)

    def preprocess(self, images: Sequence[Tensor], image_size: int | None = None) -> Tensor:
        """(B, 3, S, S): images (3, height, width) of 0..255, normalised, then zero-padded.

        S is the configured side unless `image_size` is given. The padding is on the right and
        below, after normalisation, as the released weights expect.
        """
        S = image_size or self.config.image_size
        return torch.stack(
            [
                F.pad(
                    (image.to(self.pixel_mean.device) - self.pixel_mean) / self.pixel_std,
                    (0, S - image.shape[-1], 0, S - image.shape[-2]),
                )
                for image in images
            ]
        )

    def encode_images(self, images: Tensor) -> ImageFeatures:
        """The features of preprocessed images (B, 3, S, S)."""
        return self.image_encoder(images)  # type: ignore[no-any-return]

    def dense_positional_encoding(self, features: ImageFeatures) -> Tensor:
        """(1, D, h, w) encoding of the embedding grid's cells, in the features' dtype."""
        h, w = features.image_embeddings.shape[-2:]
        # under autocast a float32 addend would make every sum float32
        return self.prompt_encoder.pe_layer.grid(h, w).to(features.image_embeddings.dtype)

    def prepare_positions(self, features: ImageFeatures) -> PreparedCells:
        """What is common to all prompts about any image whose grid is that of `features`."""
        return self.mask_decoder.prepare_positions(self.dense_positional_encoding(features))

    def prepare_image(self, features: ImageFeatures) -> PreparedCells:
        """What is common to all prompts about one image (B = 1), for `decode`.

        Models that draw their prompts find nothing in common beyond `prepare_positions`.
        """
        encoding = self.dense_positional_encoding(features)
        positions = self.mask_decoder.prepare_positions(encoding)
        if self.config.prompt_maps:
            return positions
        return self.mask_decoder.prepare_image(
            positions, features.image_embeddings, self.prompt_encoder.no_mask, encoding
        )

    def decode(
        self,
        features: ImageFeatures,
        prompts: PromptTensors,
        image_index: Tensor,
        *,
        multimask_output: bool | None,
        prepared: PreparedCells | None = None,
    ) -> DecodedMasks:
        """The masks of P prompts.

        Args:
            features: of B images.
            prompts: P prompts of any of these images.
            image_index: (P,) int64, the image that each prompt is about.
            multimask_output: True for three masks, False for the single one, None for all four
                (the single one first).
            prepared: `prepare_positions`, or, for a single image, `prepare_image`; saves work that
                is common to many calls, and changes nothing.
        """
        if prepared is None:
            prepared = self.prepare_positions(features)
        elif prompts.mask_input is not None:
            prepared = replace(prepared, image=None)
        return self.mask_decoder(  # type: ignore[no-any-return]
            features.select(image_index),
            prepared,
            self.prompt_encoder(prompts, features.image_embeddings.shape[-1]),
            multimask_output,
        )
