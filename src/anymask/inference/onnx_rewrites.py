"""A traced decoder rewritten so that it costs less where it is run, above all in a browser.

Every rewrite keeps the answers. Which ones there are comes from profiles of ONNX Runtime in
WebAssembly: each node costs it some ten microseconds, whatever it does, and a traced graph has
hundreds that only work out lengths; its layer norm adds numbers one by one, where its other
reductions add four at a time; and the layers that read an earlier mask run although none is given.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import MissingExtraError
from anymask.inference.onnx_export import Graph

try:
    import onnx
    import onnxruntime
except ImportError:
    raise MissingExtraError("onnx", "onnx") from None

# Runs that tell lengths that may change from those that may not, and one such length from another.
_LENGTHS = ({"B": 1, "P": 2, "N": 3}, {"B": 1, "P": 3, "N": 8}, {"B": 5, "P": 5, "N": 4})
_FEW = 64  # numbers of a constant that is about lengths
_MANY_ROWS = 100  # fewer than these, and a layer norm costs less than its parts


def rewrite_decoder(path: str | os.PathLike[str], graph: Graph) -> None:
    """Rewrite an ONNX file, traced from the decoder `graph`, in place."""
    model = onnx.load(os.fspath(path))
    runs = _runs(model, graph)
    _fix_lengths(model.graph, runs)
    _split_layer_norms(model.graph, runs)
    _skip_absent_masks(model.graph)
    _drop_unused(model.graph)
    onnx.save(model, os.fspath(path))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """What was seen in one run: shapes of tensors by name, and values of those about lengths."""

    shapes: Mapping[str, tuple[int, ...]]
    values: Mapping[str, NDArray[np.generic]]


def _runs(model: Any, graph: Graph) -> list[_Run]:
    """Run the graph on prompts and images of several numbers."""
    about_lengths = _names_about_lengths(model.graph)
    watched = _watched(model.graph)
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    of_shape = {name: f"shape of {name}" for name in watched}
    probe.graph.node.extend(
        onnx.helper.make_node("Shape", [name], [shape]) for name, shape in of_shape.items()
    )
    asked = [*of_shape.values(), *about_lengths]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    runs = []
    for lengths in _LENGTHS:
        answers = session.run(asked, _inputs(graph, lengths))
        shapes = dict(zip(watched, (tuple(map(int, a)) for a in answers), strict=False))
        values = dict(zip(about_lengths, answers[len(watched) :], strict=True))
        runs.append(_Run(shapes=shapes, values=values))
    return runs


def _inputs(graph: Graph, lengths: Mapping[str, int]) -> dict[str, NDArray[np.generic]]:
    """The example's inputs, repeated along axes that may change up to the given lengths."""
    inputs = {}
    for name, example in graph.inputs.items():
        x = example
        for axis, letter in graph.dynamic.get(name, {}).items():
            x = x.index_select(axis, torch.arange(lengths[letter]) % x.shape[axis])
        inputs[name] = x.numpy()
    return inputs


def _watched(graph: Any) -> list[str]:
    """Tensors whose shapes the rewrites ask for."""
    names = []
    for node in graph.node:
        if node.op_type == "Reshape":
            names += [node.input[0], node.output[0]]
        elif node.op_type == "LayerNormalization":
            names.append(node.input[0])
    return list(dict.fromkeys(names))


def _names_about_lengths(graph: Any) -> list[str]:
    """Tensors that depend on the inputs' shapes and on nothing else of them."""
    fixed = {tensor.name for tensor in graph.initializer} | {""}
    found: dict[str, None] = {}  # an ordered set
    for node in graph.node:
        if all(name in fixed for name in node.input):
            fixed.update(node.output)
        elif node.op_type == "Shape" or all(n in fixed or n in found for n in node.input):
            found.update(dict.fromkeys(node.output))
    return list(found)


def _fix_lengths(graph: Any, runs: Sequence[_Run]) -> None:
    """What is worked out about lengths, and is the same in all runs, becomes a constant.

    So do targets of reshapes with one length that changes, or with lengths of the input's.
    """
    constants = {}
    for name in runs[0].values:
        seen = [run.values[name] for run in runs]
        if seen[0].size <= _FEW and all(np.array_equal(seen[0], value) for value in seen[1:]):
            constants[name] = seen[0]
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] in constants:
            continue
        before, after = (
            [run.shapes[name] for run in runs] for name in (node.input[0], *node.output)
        )
        target = _reshape_target(before, after)
        if target.count(-1) <= 1:
            node.input[1] = f"{node.output[0]}_target"
            constants[node.input[1]] = np.array(target, dtype=np.int64)
    kept = [node for node in graph.node if not constants.keys() & set(node.output)]
    _replace_nodes(graph, kept)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    _drop_unused(graph)


def _reshape_target(
    before: Sequence[tuple[int, ...]], after: Sequence[tuple[int, ...]]
) -> list[int]:
    """Lengths as Reshape takes them: 0 keeps the input's, -1 is what remains."""
    target = []
    for axis, lengths in enumerate(zip(*after, strict=True)):
        if len(set(lengths)) == 1:
            target.append(lengths[0])
        elif axis < len(before[0]) and lengths == tuple(shape[axis] for shape in before):
            target.append(0)
        else:
            target.append(-1)
    return target


def _split_layer_norms(graph: Any, runs: Sequence[_Run]) -> None:
    """Layer norms over many rows in parts, each a loop that is fast everywhere."""
    nodes: list[Any] = []
    for node in graph.node:
        shape = runs[0].shapes.get(node.input[0], ()) if node.input else ()
        is_large = int(np.prod(shape[:-1])) >= _MANY_ROWS
        if node.op_type == "LayerNormalization" and is_large:
            nodes += _norm_in_parts(graph, node, width=shape[-1])
        else:
            nodes.append(node)
    _replace_nodes(graph, nodes)


def _norm_in_parts(graph: Any, norm: Any, width: int) -> Iterator[Any]:
    """(x - mean) * sqrt(width) / sqrt(sum of squares + width * epsilon) * weight + bias."""
    x, weight, bias = norm.input
    (y,) = norm.output
    epsilon = next(attribute.f for attribute in norm.attribute if attribute.name == "epsilon")
    for name, value in (("floor", width * epsilon), ("root", width**0.5)):
        constant = onnx.numpy_helper.from_array(np.array(value, dtype=np.float32), f"{y}_{name}")
        graph.initializer.append(constant)
    make = onnx.helper.make_node
    yield make("ReduceMean", [x], [f"{y}_mean"], axes=[-1], keepdims=1)
    yield make("Sub", [x, f"{y}_mean"], [f"{y}_centred"])
    yield make("ReduceSumSquare", [f"{y}_centred"], [f"{y}_squares"], axes=[-1], keepdims=1)
    yield make("Add", [f"{y}_squares", f"{y}_floor"], [f"{y}_positive"])
    yield make("Sqrt", [f"{y}_positive"], [f"{y}_length"])
    yield make("Div", [f"{y}_root", f"{y}_length"], [f"{y}_scale"])
    yield make("Mul", [f"{y}_centred", f"{y}_scale"], [f"{y}_normed"])
    yield make("Mul", [f"{y}_normed", weight], [f"{y}_weighted"])
    yield make("Add", [f"{y}_weighted", bias], [y])


def _skip_absent_masks(graph: Any) -> None:
    """Layers that read `mask_input` run only when a prompt has one (`If`).

    They end in a choice, per prompt, between what they answer and one embedding for all. Where
    sums alone follow, that one embedding can stand for itself.
    """
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for choice in graph.node:
        if choice.op_type != "Where":
            continue
        followers = readers.get(choice.output[0], [])
        branch = _only_for(choice.input[1], choice, graph, readers)
        reads_mask = any("mask_input" in node.input for node in branch)
        if reads_mask and followers and all(node.op_type == "Add" for node in followers):
            _make_lazy(graph, choice, branch)
            return


def _only_for(
    name: str, reader: Any, graph: Any, readers: Mapping[str, Sequence[Any]]
) -> list[Any]:
    """The nodes, in order, that work for `name` as `reader` reads it, and for no other."""
    wanted, served, found = {name}, [reader], []
    for node in reversed(graph.node):
        if not wanted & set(node.output):
            continue
        if all(other in served for output in node.output for other in readers.get(output, ())):
            served.append(node)
            found.append(node)
            wanted.update(node.input)
    return found[::-1]


def _make_lazy(graph: Any, choice: Any, branch: Sequence[Any]) -> None:
    """Put a choice and the nodes of its first branch behind an `If` on `has_mask_input`."""
    make, answer = onnx.helper.make_node, choice.output[0]
    outputs = [
        onnx.helper.make_tensor_value_info(f"{answer}_{case}", onnx.TensorProto.FLOAT, None)
        for case in ("some", "none")
    ]
    chosen = make("Where", list(choice.input), [outputs[0].name])
    same = make("Identity", [choice.input[2]], [outputs[1].name])
    some = onnx.helper.make_graph([*branch, chosen], "some_masks", [], outputs[:1])
    none = onnx.helper.make_graph([same], "no_mask", [], outputs[1:])
    nodes: list[Any] = []
    for node in graph.node:
        if node == choice:
            nodes += [
                make("ReduceMax", ["has_mask_input"], ["highest_has_mask"], keepdims=0),
                make("Cast", ["highest_has_mask"], ["any_mask"], to=onnx.TensorProto.BOOL),
                make("If", ["any_mask"], [answer], then_branch=some, else_branch=none),
            ]
        elif node not in branch:
            nodes.append(node)
    _replace_nodes(graph, nodes)


def _drop_unused(graph: Any) -> None:
    """Remove nodes and weights that no output depends on."""
    used = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used & set(node.output):
            kept.append(node)
            used.update(_names_read(node))
    _replace_nodes(graph, kept[::-1])
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _names_read(node: Any) -> Iterator[str]:
    """The tensors that a node reads, with those of the graphs inside it."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _names_read(inner)


def _replace_nodes(graph: Any, nodes: Sequence[Any]) -> None:
    nodes = list(nodes)  # apart from the list that is emptied
    del graph.node[:]
    graph.node.extend(nodes)
