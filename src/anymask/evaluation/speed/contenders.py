"""The programs that are timed beside each other, each asked in its own words for the same thing.

Letters: P prompts, H W pixels of the photograph.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError, MissingExtraError
from anymask.core.image_io import resize_longest_side
from anymask.core.prompts import Prompt
from anymask.evaluation.speed.reference_package import load_reference
from anymask.inference.generator import MaskGenerator
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.model.checkpoint_layouts import to_transformers
from anymask.model.config import VitConfig
from anymask.model.sam import Sam

Image = NDArray[np.uint8]
Points = NDArray[np.float64]
REFERENCE = "segment-anything"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A program that can do some of the tasks; every call ends when its work is done.

    Attributes:
        name: of the program, with its precision or runtime.
        encode: a photograph (H, W, 3) to whatever the other calls take.
        embedding: the (1, D, h, w) float32 embedding in what `encode` gave.
        click: full-size masks (3, H, W) of one click (x, y).
        decode: low-resolution logits of P clicks (P, 2), three masks each.
        everything: the number of masks found in a photograph, or None when it has no generator.
    """

    name: str
    encode: Callable[[Image], Any]
    embedding: Callable[[Any], torch.Tensor]
    click: Callable[[Any, Points], Any]
    decode: Callable[[Any, Points], Any]
    everything: Callable[[Image], int] | None = None


def anymask_contender(
    predictor: Predictor, name: str, generator_options: dict[str, Any]
) -> Contender:
    """Ours."""
    config = predictor.model.config
    synchronize = _waiter(predictor.device)

    def encode(image: Image) -> Any:
        encoded = predictor.embed(image)
        synchronize()
        return encoded

    def decode(encoded: Any, points: Points) -> Any:
        prompts = [Prompt(point_coords=point[None]) for point in points]
        packed = pack_prompts(prompts, encoded.frame, config.mask_size, predictor.device)
        decoded = predictor.decode(encoded, packed, multimask_output=True)
        synchronize()
        return decoded

    return Contender(
        name=name,
        encode=encode,
        embedding=lambda encoded: encoded.features.image_embeddings.float().cpu(),
        click=lambda encoded, point: (
            predictor.predict(
                encoded, Prompt(point_coords=point[None]), multimask_output=True
            ).masks
        ),
        decode=decode,
        everything=lambda image: len(MaskGenerator(predictor, **generator_options).generate(image)),
    )


def segment_anything_contender(
    sam: Sam, device: torch.device, generator_options: dict[str, Any]
) -> Contender:
    """The reference package with the weights of `sam`, float32 as it comes.

    Raises:
        MissingExtraError: it is not installed.
        InvalidInputError: the model is not of the paper's structure.
    """
    _check_structure(sam, REFERENCE)
    package, model = load_reference(sam)
    predictor = package.SamPredictor(model.to(device))
    generator = package.SamAutomaticMaskGenerator(model, **generator_options)
    synchronize = _waiter(device)

    def encode(image: Image) -> Any:
        predictor.set_image(image)
        synchronize()
        return predictor.features

    @torch.no_grad()
    def decode(encoded: torch.Tensor, points: Points) -> Any:
        scaled = predictor.transform.apply_coords(points, predictor.original_size)
        coords = torch.as_tensor(scaled, dtype=torch.float32, device=device)[:, None]
        labels = torch.ones(len(points), 1, dtype=torch.int64, device=device)
        sparse, dense = model.prompt_encoder(points=(coords, labels), boxes=None, masks=None)
        decoded = model.mask_decoder(
            image_embeddings=encoded,
            image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        synchronize()
        return decoded

    return Contender(
        name=REFERENCE,
        encode=encode,
        embedding=lambda encoded: encoded.float().cpu(),
        click=lambda _, point: predictor.predict(point[None], np.ones(1), multimask_output=True)[0],
        decode=decode,
        everything=lambda image: len(generator.generate(image)),
    )


def transformers_contender(sam: Sam, device: torch.device) -> Contender:
    """The `SamModel` of transformers with the weights of `sam`, float32 as it comes.

    Raises:
        MissingExtraError: transformers is not installed.
        InvalidInputError: the model is not of the paper's structure.
    """
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtraError("transformers", "text")
    from transformers import SamConfig, SamModel

    from anymask.model.checkpoint_export import transformers_config

    _check_structure(sam, "transformers")
    model: Any = SamModel(SamConfig.from_dict(transformers_config(sam.config)))
    model.load_state_dict(to_transformers(sam.state_dict()), strict=False)
    model.eval().to(device)
    config = sam.config
    synchronize = _waiter(device)

    @torch.no_grad()
    def encode(image: Image) -> Any:
        resized = resize_longest_side(image, config.image_size)
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1).to(device)
        size = (image.shape[:2], resized.shape[:2])
        encoded = model.get_image_embeddings(sam.preprocess([pixels]).to(device)), size
        synchronize()
        return encoded

    @torch.no_grad()
    def decode(encoded: Any, points: Points) -> Any:
        embedding, (original, resized) = encoded
        scale = np.array([resized[1] / original[1], resized[0] / original[0]])
        coords = torch.as_tensor(points * scale, dtype=torch.float32, device=device)
        decoded = model(image_embeddings=embedding, input_points=coords[None, :, None])
        synchronize()
        return decoded

    def click(encoded: Any, point: Points) -> Any:
        _, (original, resized) = encoded
        logits = decode(encoded, point[None]).pred_masks[0]  # 1 3 h w
        square = F.interpolate(logits, (config.image_size,) * 2, mode="bilinear")
        seen = square[..., : resized[0], : resized[1]]
        full = F.interpolate(seen, original, mode="bilinear")
        return (full[0] > config.mask_threshold).cpu().numpy()

    return Contender(
        name="transformers",
        encode=encode,
        embedding=lambda encoded: encoded[0].float().cpu(),
        click=click,
        decode=decode,
    )


def _check_structure(sam: Sam, whose: str) -> None:
    if not isinstance(sam.config.image_encoder, VitConfig):
        raise InvalidInputError(
            f"model must be of the paper's structure for {whose}, got {sam.config.name}. "
            "Compare vit_b, vit_l or vit_h."
        )


def _waiter(device: torch.device) -> Callable[[], None]:
    """What makes a call on that device end only when its work is done."""
    if device.type == "cuda":
        return torch.cuda.synchronize
    if device.type == "mps":
        return torch.mps.synchronize
    return lambda: None
