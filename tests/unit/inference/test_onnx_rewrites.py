"""A rewritten decoder: the same answers, fewer nodes, no work for masks that are not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.inference.export_check import decoder_cases
from anymask.inference.export_graphs import feature_tensors
from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset
from anymask.model.sam import Sam

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from anymask.inference.onnx_export import Graph, graph_of, trace_onnx  # noqa: E402
from anymask.inference.onnx_rewrites import rewrite_decoder  # noqa: E402
from anymask.inference.onnx_runtime import OnnxGraph  # noqa: E402


@pytest.fixture(scope="module", params=["tiny", "tiny_vit"])
def model(request) -> Sam:
    return build_sam(preset(request.param), seed=7).eval()


@pytest.fixture(scope="module")
def files(model, tmp_path_factory) -> tuple[Path, Path]:
    """The decoder as it was traced, and rewritten."""
    folder = tmp_path_factory.mktemp("rewrites")
    traced, rewritten = folder / "traced.onnx", folder / "rewritten.onnx"
    graph = graph_of(model, "decoder")
    trace_onnx(graph, traced)
    rewritten.write_bytes(traced.read_bytes())
    rewrite_decoder(rewritten, graph)
    return traced, rewritten


def features_of(model: Sam) -> tuple[torch.Tensor, ...]:
    S = model.config.image_size
    with torch.no_grad():
        images = torch.randn(1, 3, S, S, generator=torch.Generator().manual_seed(3))
        return feature_tensors(model.encode_images(images))


def nodes(path: Path) -> list:
    return list(onnx.load(path).graph.node)


def test_the_answers_stay(model, files):
    traced, rewritten = (OnnxGraph(path) for path in files)
    for case in decoder_cases(model, features_of(model), 8, seed=2):
        before, after = traced.run(case.inputs), rewritten.run(case.inputs)
        for name, value in before.items():
            np.testing.assert_allclose(
                after[name], value, atol=2e-5, err_msg=f"{name}, {case.description}"
            )


def test_lengths_are_not_worked_out_again(files):
    before, after = (nodes(path) for path in files)
    assert len(after) < len(before) / 2
    kinds = [[node.op_type for node in each] for each in (before, after)]
    assert kinds[1].count("Shape") < kinds[0].count("Shape") / 4


def test_layer_norms_over_cells_are_split_and_those_over_tokens_stay(files):
    before, after = (
        [n for n in nodes(path) if n.op_type == "LayerNormalization"] for path in files
    )
    assert 0 < len(after) < len(before)
    assert any("norm1" in node.name for node in after), "tokens are few"
    assert not any("output_upscaling" in node.name for node in after), "cells are many"


def test_a_split_norm_holds_far_from_zero(tmp_path):
    """The mean goes before squares are added, which would else swallow a deviation of one."""
    norm = torch.nn.LayerNorm(16)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    graph = Graph(module=norm, inputs={"x": torch.zeros(1, 300, 16)}, outputs=["y"], dynamic={})
    trace_onnx(graph, tmp_path / "norm.onnx")
    rewrite_decoder(tmp_path / "norm.onnx", graph)
    assert "LayerNormalization" not in {node.op_type for node in nodes(tmp_path / "norm.onnx")}
    x = 1000 + torch.randn(1, 300, 16, generator=torch.Generator().manual_seed(0))
    found = OnnxGraph(tmp_path / "norm.onnx").run({"x": x.numpy()})["y"]
    with torch.no_grad():
        np.testing.assert_allclose(found, norm.double()(x.double()), atol=2e-3)


def test_mask_layers_run_only_when_a_prompt_has_a_mask(model, files):
    is_drawn = model.config.prompt_maps  # then the layers also read clicks, and always run
    outside = {name for node in nodes(files[1]) for name in node.input}
    inside = [node for node in nodes(files[1]) if node.op_type == "If"]
    assert ("mask_input" in outside) == is_drawn
    assert len(inside) == (0 if is_drawn else 1)


def test_masks_are_read_for_the_prompts_that_have_them(model, files):
    """One prompt of three has a mask; what lies in the rows of the others does not matter."""
    (case,) = decoder_cases(model, features_of(model), 1, seed=7)
    assert case.inputs["has_mask_input"].tolist() == [0, 1, 0]
    masks = case.inputs["mask_input"].copy()
    masks[[0, 2]] = 1e6
    found = OnnxGraph(files[1]).run({**case.inputs, "mask_input": masks})
    for name, value in case.expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)
    nobody = {**case.inputs, "has_mask_input": np.zeros(3, dtype=np.float32)}
    answers = [OnnxGraph(path).run(nobody)["low_res_logits"] for path in files]
    np.testing.assert_allclose(*answers, atol=2e-5)
    assert np.abs(answers[1][1] - case.expected["low_res_logits"][1]).max() > 1e-3
