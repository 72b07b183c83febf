"""A model's graphs as ONNX files: traced, labelled, with weights of full or half size."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anymask import __version__
from anymask.core.errors import MissingExtraError
from anymask.inference.export_graphs import (
    FEATURE_NAMES,
    DecoderGraph,
    EncoderGraph,
    UpscaleGraph,
)
from anymask.model.sam import Sam

try:
    import onnx
except ImportError:
    raise MissingExtraError("onnx", "onnx") from None

OPSET = 17
# protobuf cannot hold more in one file; larger graphs keep their weights beside them
_MAX_PROTO_BYTES = 2_000_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """One file to be: a module, inputs to trace it with, and the names of everything.

    Attributes:
        module: what is traced.
        inputs: example tensors by name, in the module's order.
        outputs: names of what it returns.
        dynamic: for each input, the names of the axes whose length may change.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    dynamic: Mapping[str, Mapping[int, str]]


def graph_of(model: Sam, part: str) -> Graph:
    """Return what the file of that part (encoder, decoder, upscale) computes, ready to trace."""
    config = model.config
    D, G = config.embed_dim, config.grid_size
    names = FEATURE_NAMES if config.high_res_features else FEATURE_NAMES[:1]
    if part == "encoder":
        return Graph(
            module=EncoderGraph(model),
            inputs={"images": torch.zeros(1, config.image_size - 2, config.image_size, 3).byte()},
            outputs=names,
            dynamic={
                "images": {0: "B", 1: "height", 2: "width"},
                **{name: {0: "B"} for name in names},
            },
        )
    if part == "upscale":
        return Graph(
            module=UpscaleGraph(model),
            inputs={
                "low_res_logits": torch.zeros(1, 2, 4 * G, 4 * G),
                "original_size": torch.tensor([50, 70]),
            },
            outputs=("mask_logits",),
            dynamic={"low_res_logits": {0: "P", 1: "M"}, "mask_logits": dict(enumerate("PMHW"))},
        )
    shapes = ((1, D, G, G), (1, D // 4, 2 * G, 2 * G), (1, D // 8, 4 * G, 4 * G))
    features = {name: torch.zeros(shape) for name, shape in zip(names, shapes, strict=False)}
    outputs = ("low_res_logits", "iou_predictions", "best")
    # two prompts, one ragged, one with a mask: no branch may be traced away
    prompts = {
        "original_sizes": torch.tensor([[50, 70]]),
        "point_coords": torch.zeros(2, 3, 2),
        "point_labels": torch.tensor([[1, 0, -2], [1, 2, 3]]),
        "mask_input": torch.zeros(2, 1, 4 * G, 4 * G),
        "has_mask_input": torch.tensor([0.0, 1.0]),
    }
    return Graph(
        module=DecoderGraph(model),
        inputs={**prompts, **features},
        outputs=outputs,
        dynamic={
            "original_sizes": {0: "B"},
            "point_coords": {0: "P", 1: "N"},
            "point_labels": {0: "P", 1: "N"},
            "mask_input": {0: "P"},
            "has_mask_input": {0: "P"},
            **{name: {0: "B"} for name in features},
            **{name: {0: "P"} for name in outputs},
        },
    )


def trace_onnx(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write the graph as an ONNX file."""
    torch.onnx.register_custom_op_symbolic("aten::mT", _transposed, OPSET)  # type: ignore[attr-defined]
    with warnings.catch_warnings(), torch.no_grad():
        # of the tracer (constants that are meant to be) and of the exporter (its successor)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module.eval(),
            tuple(graph.inputs.values()),
            os.fspath(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes={name: dict(axes) for name, axes in graph.dynamic.items()},
        )
    model = onnx.load(os.fspath(path))
    # The tracer notes the example's lengths for inner values, and runtimes would believe them.
    del model.graph.value_info[:]
    _save(model, path)


def label(
    path: str | os.PathLike[str], metadata: Mapping[str, str], *, half_weights: bool = False
) -> None:
    """Put text fields into an ONNX file: what it is, and of which model.

    With `half_weights` its float32 weights are stored as float16 from then on. Every runtime casts
    them back when it loads the file and computes as before.
    """
    model = onnx.load(os.fspath(path))
    onnx.helper.set_model_props(model, dict(metadata))
    model.producer_name, model.producer_version = "anymask", __version__
    if half_weights:
        _halve_weights(model)
    _save(model, path)


def node_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of an ONNX file's nodes: the module that each is of, and its operation."""
    graph = onnx.load(os.fspath(path), load_external_data=False).graph
    return [node.name for node in graph.node]


def _halve_weights(model: Any) -> None:
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not tensor.dims:
            continue
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _save(model: Any, path: str | os.PathLike[str]) -> None:
    """Weights beyond protobuf's limit go to a second file beside the graph."""
    is_large = model.ByteSize() > _MAX_PROTO_BYTES
    beside = Path(f"{os.fspath(path)}.data")
    beside.unlink(missing_ok=True)  # `onnx.save` would append to it
    onnx.save(
        model,
        os.fspath(path),
        save_as_external_data=is_large,
        location=beside.name if is_large else None,
    )


def _transposed(g: Any, x: Any) -> Any:
    """`Tensor.mT`, which the exporter does not know."""
    rank = x.type().dim()
    return g.op("Transpose", x, perm_i=[*range(rank - 2), rank - 1, rank - 2])
