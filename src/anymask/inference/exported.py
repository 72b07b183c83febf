"""A predictor whose encoder and decoder are exported files, run by whatever runtime loaded them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.core.frames import PIXEL_CENTER_OFFSET
from anymask.inference.devices import EncoderDtype, Placement, select_placement
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.export_graphs import FEATURE_NAMES, feature_tensors, image_features
from anymask.inference.predictor import Predictor
from anymask.model.config import SamConfig
from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.mask_decoder import mask_slots

# Fields of an exported file's metadata.
CONFIG_FIELD, MODEL_ID_FIELD, VERSION_FIELD = "anymask_config", "model_id", "anymask_export_format"
FORMAT_VERSION = "1"  # raised when inputs or outputs change their meaning
SUFFIXES = (".xml", ".onnx")


class Graph(Protocol):
    """A loaded file of any runtime."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """The text fields that the export wrote into it."""
        ...

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, NDArray[np.float32]]:
        """The outputs by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """What is known of an exported model; it answers to points, boxes and masks, not to text."""

    config: SamConfig
    text_link: None = None


class ExportedPredictor(Predictor):
    """A `Predictor` that runs exported graphs; asked and answered like any other.

    Args:
        encoder: the loaded encoder file.
        decoder: the loaded decoder file.
        dtype: that the encoder is computed in.

    Raises:
        CheckpointError: a file is not of this version's export, or they are of two models.
    """

    def __init__(self, encoder: Graph, decoder: Graph, dtype: torch.dtype = torch.float32) -> None:
        ids = [_field(graph, MODEL_ID_FIELD) for graph in (encoder, decoder)]
        if ids[0] != ids[1]:
            raise CheckpointError(
                f"encoder and decoder must be of one model, got {ids[0]} and {ids[1]}. "
                "Export them together."
            )
        version = _field(encoder, VERSION_FIELD)
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"export format must be {FORMAT_VERSION}, got {version}. Export the model again."
            )
        config = SamConfig.from_json(json.loads(_field(encoder, CONFIG_FIELD)))
        self.model = ExportedModel(config=config)  # type: ignore[assignment]
        self.model_id = ids[0]
        self.text_encoder = None
        self.placement = Placement(
            device=torch.device("cpu"), dtype=dtype, reason="exported files run on the CPU"
        )
        self._encoder, self._decoder = encoder, decoder

    @property
    def device(self) -> torch.device:
        """Where tensors are exchanged with the runtime."""
        return self.placement.device

    def _encode_scaled(self, images: Sequence[NDArray[np.uint8]]) -> ImageFeatures:
        # One at a time: a graph takes batches of one size, and gains nothing by them on a CPU.
        answers = [self._encoder.run({"images": image[None]}) for image in images]
        names = [name for name in FEATURE_NAMES if name in answers[0]]
        return image_features(
            tuple(torch.from_numpy(np.concatenate([a[name] for a in answers])) for name in names)
        )

    def decode(
        self, embedding: ImageEmbedding, prompts: PromptTensors, *, multimask_output: bool
    ) -> DecodedMasks:
        """Return the answer to P prompts packed by `pack_prompts`."""
        P, side = len(prompts.point_labels), self.model.config.mask_size
        has_mask = torch.zeros(P) if prompts.mask_input is None else torch.ones(P)
        if prompts.has_mask is not None:
            has_mask = prompts.has_mask.float()
        masks = prompts.mask_input
        features = feature_tensors(embedding.features)
        answer = self._decoder.run(
            {
                # The points are in the model's frame already: an image of its own size keeps them.
                "original_sizes": np.full((1, 2), embedding.frame.image_size, dtype=np.int64),
                "point_coords": prompts.point_coords.numpy() - np.float32(PIXEL_CENTER_OFFSET),
                "point_labels": prompts.point_labels.numpy(),
                "mask_input": (torch.zeros(P, 1, side, side) if masks is None else masks).numpy(),
                "has_mask_input": has_mask.numpy(),
                **dict(zip(FEATURE_NAMES, (f.numpy() for f in features), strict=False)),
            }
        )
        wanted = mask_slots(multimask_output)
        return DecodedMasks(
            low_res_logits=torch.from_numpy(answer["low_res_logits"][:, wanted]),
            iou_predictions=torch.from_numpy(answer["iou_predictions"][:, wanted]),
        )


def find_export(path: str | os.PathLike[str]) -> tuple[Path, Path] | None:
    """Return the encoder and decoder files that a path stands for, or None when it is no export.

    The path is the folder of `anymask export`, or one of its files, which chooses the runtime
    where a folder holds both kinds.
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent
    for suffix in SUFFIXES if given.is_dir() else (given.suffix,):
        encoder, decoder = folder / f"encoder{suffix}", folder / f"decoder{suffix}"
        if suffix in SUFFIXES and encoder.is_file():
            return encoder, decoder
    return None


def load_exported(
    encoder_path: Path, decoder_path: Path, dtype: EncoderDtype = "auto"
) -> ExportedPredictor:
    """Return a predictor that runs two files of `anymask export` on the CPU.

    Args:
        encoder_path: encoder.onnx (ONNX Runtime) or encoder.xml (OpenVINO).
        decoder_path: its decoder.
        dtype: of the encoder's computation; OpenVINO also takes bfloat16, and auto chooses it
            where the processor multiplies it.

    Raises:
        CheckpointError: a file is missing, or no such export.
        InvalidInputError: a dtype that the runtime does not compute in.
        MissingExtraError: the runtime is not installed.
    """
    if not decoder_path.is_file():
        raise CheckpointError(
            f"{decoder_path.name} must lie beside {encoder_path}, got none. Export both."
        )
    if encoder_path.suffix == ".onnx":
        from anymask.inference.onnx_runtime import OnnxGraph

        if dtype not in ("auto", "float32"):
            raise InvalidInputError(
                f"dtype must be float32 with ONNX Runtime, got {dtype}. Export for OpenVINO."
            )
        return ExportedPredictor(OnnxGraph(encoder_path), OnnxGraph(decoder_path))

    from anymask.inference.openvino_runtime import OpenVinoGraph

    chosen = select_placement("cpu", dtype).dtype
    if chosen == torch.float16:
        raise InvalidInputError(
            "dtype must be float32 or bfloat16 with OpenVINO, got float16. Choose one."
        )
    one_image = {"images": [1, -1, -1, 3]}  # which lets the runtime plan all that follows
    encoder = OpenVinoGraph(encoder_path, chosen, shapes=one_image)
    return ExportedPredictor(encoder, OpenVinoGraph(decoder_path), chosen)


def _field(graph: Graph, name: str) -> str:
    if name not in graph.metadata:
        raise CheckpointError(
            f"exported files must carry {name}, got {sorted(graph.metadata)}. "
            "Use the files of anymask export."
        )
    return graph.metadata[name]
