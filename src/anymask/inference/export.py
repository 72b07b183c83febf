"""`export_model`: a model as files that other runtimes run, checked before they get their names."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import ExportError, InvalidInputError, OutputError
from anymask.core.image_io import resize_longest_side
from anymask.inference.export_check import (
    Case,
    Difference,
    decoder_cases,
    encoder_cases,
    largest_difference,
    upscale_cases,
)
from anymask.inference.export_graphs import feature_tensors
from anymask.inference.exported import CONFIG_FIELD, FORMAT_VERSION, MODEL_ID_FIELD, VERSION_FIELD
from anymask.inference.exported import Graph as LoadedGraph
from anymask.model.checkpoints import filled_sam, hollow_sam
from anymask.model.sam import Sam

Runtime = Literal["onnx", "openvino"]
ExportDtype = Literal["float32", "float16", "int8"]
Part = Literal["encoder", "decoder", "upscale"]
DTYPES: tuple[ExportDtype, ...] = ("float32", "float16", "int8")
PARTS: tuple[Part, ...] = ("encoder", "decoder", "upscale")

TOLERANCE = 1e-4  # of a float32 export
DECODER_CASES = 12
_ENCODER_CASES, _UPSCALE_CASES = 3, 6


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file that was written.

    Attributes:
        path: its place.
        num_bytes: of it and, where its weights lie beside it, of these too.
        difference: the largest from torch's answers over the random cases.
        num_cases: how many these were.
    """

    path: Path
    num_bytes: int
    difference: Difference
    num_cases: int


def export_model(
    model: Sam,
    model_id: str,
    output: str | os.PathLike[str],
    runtime: Runtime = "onnx",
    *,
    parts: Sequence[Part] = PARTS,
    dtype: ExportDtype = "float32",
    calibration: Sequence[NDArray[np.uint8]] = (),
    metadata: Mapping[str, str] | None = None,
    check_cases: int = DECODER_CASES,
) -> list[ExportedFile]:
    """Write encoder, decoder and up-scaling as files, each compared with torch first.

    Text is left out: exported models answer to points, boxes and masks.

    Args:
        model: on the CPU.
        model_id: of its weights.
        output: a folder; it is made.
        runtime: onnx (.onnx) or openvino (.xml with .bin).
        parts: which files.
        dtype: float16 stores weights in half the bytes and computes as before; int8 computes the
            encoder's products in whole numbers, scaled on `calibration`, and leaves the rest.
        calibration: photographs (H, W, 3) uint8 of any size, for int8.
        metadata: more text fields (a licence).
        check_cases: random mixes of prompts that the decoder is compared on.

    Raises:
        ExportError: a file answers otherwise than torch; none of this name is written.
        InvalidInputError: int8 without photographs, or nothing to compare on.
        MissingExtraError: the runtime or onnx is not installed.
        OutputError: the folder cannot be written.
    """
    if dtype == "int8" and "encoder" in parts and not calibration:
        raise InvalidInputError(
            "calibration must hold photographs for int8, got none. Give some like yours."
        )
    if check_cases < 1:
        raise InvalidInputError(
            f"check_cases must be at least 1, got {check_cases}. No file goes unchecked."
        )
    num_cases = {"encoder": _ENCODER_CASES, "decoder": check_cases, "upscale": _UPSCALE_CASES}
    model = without_text(model.eval())
    fields = {
        **(metadata or {}),
        CONFIG_FIELD: json.dumps(model.config.to_json()),
        MODEL_ID_FIELD: model_id,
        VERSION_FIELD: FORMAT_VERSION,
        "dtype": dtype,
        "mask_threshold": str(model.config.mask_threshold),
        "image_size": str(model.config.image_size),
    }
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
            return [
                _export_part(
                    model, part, runtime, dtype, calibration, fields, num_cases[part], Path(scratch)
                )
                for part in parts
            ]
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{folder} could not be written: {error.strerror}. Choose another place or make room."
        ) from error


def without_text(model: Sam) -> Sam:
    """A model of the same weights that knows no text."""
    config = replace(model.config, text_dim=0, text_link_dim=0)
    bare = hollow_sam(config)
    kept = bare.state_dict().keys()
    return filled_sam(bare, {k: v for k, v in model.state_dict().items() if k in kept})


def _export_part(
    model: Sam,
    part: Part,
    runtime: Runtime,
    dtype: ExportDtype,
    calibration: Sequence[NDArray[np.uint8]],
    fields: Mapping[str, str],
    num_cases: int,
    scratch: Path,
) -> ExportedFile:
    from anymask.inference.onnx_export import graph_of, label, trace_onnx

    path = scratch / f"{part}.onnx"
    graph = graph_of(model, part)
    trace_onnx(graph, path)
    if part == "decoder" and runtime == "onnx":
        from anymask.inference.onnx_rewrites import rewrite_decoder

        rewrite_decoder(path, graph)
    if dtype == "int8" and part == "encoder":
        from anymask.inference.onnx_int8 import quantise_encoder

        sized = (resize_longest_side(image, model.config.image_size) for image in calibration)
        path = path.rename(scratch / "plain.onnx")
        quantise_encoder(path, scratch / f"{part}.onnx", sized)
        path.unlink()
        path = scratch / f"{part}.onnx"
    half = dtype == "float16"
    if runtime == "openvino":
        from anymask.inference.openvino_export import onnx_to_openvino

        source, path = path, path.with_suffix(".xml")
        onnx_to_openvino(source, path, fields, half_weights=half)
        source.unlink()
    else:
        label(path, fields, half_weights=half)
    difference = largest_difference(_load(path).run, _cases(model, part, num_cases))
    if dtype == "float32" and not difference.size <= TOLERANCE:
        raise ExportError(
            f"{path.name} must answer as torch does within {TOLERANCE:g}, "
            f"got {difference.size:.2g} in {difference.output} for {difference.case}. "
            "Report this model and these versions."
        )
    files = [file for file in scratch.iterdir() if file.name.startswith(f"{part}.")]
    # the graph last: with it the export is whole
    files.sort(key=lambda file: file == path)
    num_bytes = sum(file.stat().st_size for file in files)
    folder = scratch.parent
    for file in files:
        file.replace(folder / file.name)
    return ExportedFile(
        path=folder / path.name,
        num_bytes=num_bytes,
        difference=difference,
        num_cases=num_cases,
    )


def _cases(model: Sam, part: Part, count: int) -> Iterator[Case]:
    if part == "encoder":
        return encoder_cases(model, count)
    if part == "upscale":
        return upscale_cases(model, count)
    S = model.config.image_size
    with torch.no_grad():
        image = torch.randint(0, 256, (3, S, S), generator=torch.Generator().manual_seed(0))
        features = model.encode_images(model.preprocess([image.float()]))
    return decoder_cases(model, feature_tensors(features), count)


def _load(path: Path) -> LoadedGraph:
    if path.suffix == ".onnx":
        from anymask.inference.onnx_runtime import OnnxGraph

        return OnnxGraph(path)
    from anymask.inference.openvino_runtime import OpenVinoGraph

    return OpenVinoGraph(path)
