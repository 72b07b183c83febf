"""A trained model in use: images to embeddings, prompts to masks. It holds no image."""

from collections.abc import Sequence
from functools import partial
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.image_io import resize_longest_side, to_rgb_array
from anymask.core.prompts import Prompt
from anymask.inference.decoding import decode_prompts, prepare_decoding
from anymask.inference.devices import EncoderDtype, check_weights, select_placement
from anymask.inference.embedding import ImageEmbedding, MaskPrediction
from anymask.inference.prompt_tensors import is_ambiguous, pack_prompts
from anymask.model.config import ConvConfig
from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.precision import products_in
from anymask.model.sam import Sam
from anymask.model.text_encoder import TextEncoder

ImageLike = NDArray[np.uint8] | Image.Image


class Predictor:
    """Embeds images and answers prompts about them; safe to share between threads.

    Args:
        model: it is moved to the device and put in evaluation mode; its weights keep their values.
        model_id: names the weights; embeddings carry it.
        device: auto, cpu, cuda, cuda:N or mps; auto takes the fastest there is.
        dtype: of the multiplications where the time goes, those of the image encoder and, on a CPU,
            of the decoder with image cells; auto takes the fastest that leaves the masks as they
            are (`select_placement`). Prompts and tokens stay float32, as bfloat16 cannot tell
            neighbouring pixels apart.
        text_encoder: the one whose embeddings the model was trained with, for prompts with text.
        compile: translate the network for this device (`torch.compile`), the decoder into CUDA
            graphs on a GPU; the first call of each shape takes up to minutes, the others less
            time. Needs a C++ compiler, or Triton on a GPU.

    Attributes:
        placement: the device and dtype that were chosen, and why.

    Raises:
        InvalidInputError: an unknown or absent device, another dtype, one that the weights were
            shortened below, or a text encoder that does not fit the model.
    """

    def __init__(
        self,
        model: Sam,
        model_id: str,
        device: str | torch.device = "auto",
        dtype: EncoderDtype = "auto",
        text_encoder: TextEncoder | None = None,
        *,
        compile: bool = False,
    ) -> None:
        self.placement = select_placement(device, dtype)
        check_weights(model.image_encoder, self.placement.dtype)
        self.model = model.to(self.placement.device).eval()
        self.model_id = model_id
        self.text_encoder = text_encoder
        self._check_text_encoder()
        self._encode, self._decode = model.encode_images, model.decode
        if compile:
            self._encode = torch.compile(model.encode_images)
            self._decode = torch.compile(model.decode, mode="reduce-overhead")
        self._mark = object()  # of what this predictor keeps with an embedding
        is_conv = isinstance(model.config.image_encoder, ConvConfig)
        # CPUs convolve channels-last images faster.
        channels_last = is_conv and self.device.type == "cpu"
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.model.image_encoder.to(memory_format=self._memory_format)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.pixel_mean.device

    def embed(self, image: ImageLike) -> ImageEmbedding:
        """Return the embedding of an image (H, W, 3) uint8 RGB or of a Pillow image."""
        return self.embed_batch([image])[0]

    @torch.inference_mode()
    def embed_batch(self, images: Sequence[ImageLike]) -> tuple[ImageEmbedding, ...]:
        """Return one embedding per image, all through the encoder in one pass.

        Raises:
            InvalidInputError: an image is not RGB bytes or has no pixels.
        """
        if not images:
            return ()
        S = self.model.config.image_size
        arrays = [to_rgb_array(image) for image in images]
        features = self._encode_scaled([resize_longest_side(array, S) for array in arrays])
        return tuple(
            ImageEmbedding(
                features=features.map(lambda x, i=i: x[i : i + 1]),  # type: ignore[misc]
                frame=ImageFrame(original_size=(array.shape[0], array.shape[1]), image_size=S),
                model_id=self.model_id,
            )
            for i, array in enumerate(arrays)
        )

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the (T, text_dim) embeddings of phrases, float32 on the model's device.

        Raises:
            InvalidInputError: the model was trained without text, there is no text encoder, or a
                phrase is longer than it reads.
        """
        if self.model.config.text_dim == 0:
            raise InvalidInputError(
                f"text needs a model trained with it, got {self.model_id} without. "
                "Use another model, or points and boxes."
            )
        if self.text_encoder is None:
            raise InvalidInputError(
                "text needs a text encoder, got a Predictor without. "
                "Pass text_encoder, the one that the model was trained with."
            )
        return self.text_encoder.text_embeddings(texts).to(self.device)

    @overload
    def predict(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        multimask_output: bool | None = None,
        prompts_per_batch: int = 64,
    ) -> MaskPrediction: ...

    @overload
    def predict(
        self,
        embedding: ImageEmbedding,
        prompt: Sequence[Prompt],
        *,
        multimask_output: bool | None = None,
        prompts_per_batch: int = 64,
    ) -> tuple[MaskPrediction, ...]: ...

    def predict(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt | Sequence[Prompt],
        *,
        multimask_output: bool | None = None,
        prompts_per_batch: int = 64,
    ) -> MaskPrediction | tuple[MaskPrediction, ...]:
        """Return the masks of one prompt or, for a sequence of prompts, one answer for each.

        Args:
            embedding: of the image that the prompts are about.
            prompt: in pixels of the original image.
            multimask_output: True for three masks, False for one; None for three where the prompt
                is ambiguous (`is_ambiguous`) and one elsewhere.
            prompts_per_batch: decoded together; bounds the memory, does not change the answers.

        Raises:
            InvalidInputError: the embedding is another model's, a point or box lies outside the
                image, a `mask_input` has the wrong size, a text cannot be embedded
                (`embed_texts`), or prompts_per_batch is below 1.
        """
        prompts = [prompt] if isinstance(prompt, Prompt) else list(prompt)
        if prompts_per_batch < 1:
            raise InvalidInputError(
                f"prompts_per_batch must be at least 1, got {prompts_per_batch}. Try 64."
            )
        self.check(embedding, prompts)
        answers: dict[int, MaskPrediction] = {}
        for three in (True, False):
            chosen = [
                i
                for i, p in enumerate(prompts)
                if three
                == (self._is_ambiguous(p) if multimask_output is None else multimask_output)
            ]
            for start in range(0, len(chosen), prompts_per_batch):
                part = chosen[start : start + prompts_per_batch]
                batch = [prompts[i] for i in part]
                answers.update(zip(part, self._predict_batch(embedding, batch, three), strict=True))
        if isinstance(prompt, Prompt):
            return answers[0]
        return tuple(answers[i] for i in range(len(prompts)))

    def check(self, embedding: ImageEmbedding, prompts: Sequence[Any]) -> None:
        """Raise InvalidInputError unless all are prompts about the image of an own embedding."""
        if embedding.model_id != self.model_id:
            raise InvalidInputError(
                f"embedding must be of model {self.model_id}, got one of {embedding.model_id}. "
                "Embed the image with this predictor."
            )
        for prompt in prompts:
            if not isinstance(prompt, Prompt):
                raise InvalidInputError(
                    f"prompt must be a Prompt or a list of them, got {type(prompt).__name__}. "
                    "Use Prompt(point_coords=[[x, y]])."
                )
            prompt.check_inside(embedding.frame.original_size)

    @torch.inference_mode()
    def decode(
        self, embedding: ImageEmbedding, prompts: PromptTensors, *, multimask_output: bool
    ) -> DecodedMasks:
        """Return the raw answer, on the device, to P prompts packed by `pack_prompts`."""
        image = embedding.prepared(
            self._mark, partial(prepare_decoding, self.model, dtype=self.placement.decoder_dtype)
        )
        return decode_prompts(
            self.model, image, prompts, multimask_output=multimask_output, decode=self._decode
        )

    def _encode_scaled(self, images: Sequence[NDArray[np.uint8]]) -> ImageFeatures:
        """The float32 features of images (h, w, 3) whose longer side is the model's."""
        pixels = [torch.tensor(image).to(self.device).permute(2, 0, 1).float() for image in images]
        inputs = self.model.preprocess(pixels).contiguous(memory_format=self._memory_format)
        with products_in(self.placement.dtype, self.device):
            return self._encode(inputs).map(lambda x: x.float())

    def _predict_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompt], multimask_output: bool
    ) -> list[MaskPrediction]:
        config = self.model.config
        packed = pack_prompts(
            prompts, embedding.frame, config.mask_size, self.device, self.embed_texts
        )
        decoded = self.decode(embedding, packed, multimask_output=multimask_output)
        logits = decoded.low_res_logits.float().cpu().numpy()
        # The official IoU head is linear and can leave [0, 1]; an IoU cannot.
        ious = decoded.iou_predictions.float().clamp(0, 1).cpu().numpy()
        return [
            MaskPrediction(
                low_res_logits=logits[i],
                iou_predictions=ious[i],
                frame=embedding.frame,
                mask_threshold=config.mask_threshold,
            )
            for i in range(len(prompts))
        ]

    def _is_ambiguous(self, prompt: Prompt) -> bool:
        return is_ambiguous(prompt, self.model.config.box_is_ambiguous)

    def _check_text_encoder(self) -> None:
        expected = self.model.config.text_dim
        if self.text_encoder is not None and self.text_encoder.text_dim != expected:
            needs = f"embeddings of {expected} numbers" if expected else "no text encoder"
            raise InvalidInputError(
                f"text_encoder must fit the model {self.model_id}, which takes {needs}, got one of "
                f"{self.text_encoder.text_dim}. Pass the one that the model was trained with."
            )
