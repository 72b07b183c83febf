"""Exported files answer as torch does, through `Predictor` too; both runtimes, tiny models."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.core.errors import CheckpointError, ExportError, InvalidInputError
from anymask.core.prompts import Prompt
from anymask.inference import export as export_module
from anymask.inference.export import export_model, without_text
from anymask.inference.export_check import (
    Difference,
    decoder_cases,
    encoder_cases,
    largest_difference,
    upscale_cases,
)
from anymask.inference.export_graphs import feature_tensors
from anymask.inference.exported import find_export
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset
from anymask.model.sam import Sam
from tiny_predictor import noise_image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


def seeded(name: str) -> Sam:
    """A model in which no parameter is without effect, and whose answers have a spread of one."""
    model = build_sam(preset(name), seed=7).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


# Both structures and both runtimes in the fast tests, all pairs in the slow ones.
PAIRS = [
    ("tiny", "onnx"),
    ("tiny_vit", "openvino"),
    pytest.param(("tiny", "openvino"), marks=pytest.mark.slow),
    pytest.param(("tiny_vit", "onnx"), marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: "-".join(pair))
def pair(request) -> tuple[str, str]:
    return request.param


@pytest.fixture(scope="module")
def model(pair) -> Sam:
    return seeded(pair[0])


@pytest.fixture(scope="module")
def exported(pair, model, tmp_path_factory) -> Path:
    runtime = pair[1]
    if runtime == "openvino":
        pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("export")
    files = export_model(model, "test-1", folder, runtime, metadata={"license": "MIT"})
    assert [file.path.name for file in files] == [
        f"{part}{SUFFIXES[runtime]}" for part in ("encoder", "decoder", "upscale")
    ]
    assert all(file.num_bytes > 0 and file.difference.size <= 1e-4 for file in files)
    assert not list(folder.glob(".*")), "the scratch folder is gone"
    return folder


def load(folder: Path, part: str):
    if (path := folder / f"{part}.onnx").is_file():
        from anymask.inference.onnx_runtime import OnnxGraph

        return OnnxGraph(path)
    from anymask.inference.openvino_runtime import OpenVinoGraph

    return OpenVinoGraph(folder / f"{part}.xml")


def random_features(model: Sam) -> tuple[torch.Tensor, ...]:
    S = model.config.image_size
    with torch.no_grad():
        images = torch.randn(1, 3, S, S, generator=torch.Generator().manual_seed(3))
        return feature_tensors(model.encode_images(images))


def test_decoder_answers_200_random_cases_as_torch_does(model, exported):
    bare = without_text(model)
    cases = decoder_cases(bare, random_features(model), 200, seed=5)
    worst = largest_difference(load(exported, "decoder").run, cases)
    assert worst.size <= 1e-4, worst


def test_encoder_takes_odd_sizes(model, exported):
    worst = largest_difference(load(exported, "encoder").run, encoder_cases(model, 8, seed=5))
    assert worst.size <= 1e-4, worst


def test_encoder_takes_a_batch(model, exported):
    graph = load(exported, "encoder")
    images = np.stack([noise_image(40, model.config.image_size, seed) for seed in range(3)])
    together = graph.run({"images": images})["image_embeddings"]
    for image, row in zip(images, together, strict=True):
        alone = graph.run({"images": image[None]})["image_embeddings"][0]
        np.testing.assert_allclose(row, alone, atol=1e-5)


def test_upscaling_to_any_size(model, exported):
    worst = largest_difference(load(exported, "upscale").run, upscale_cases(model, 10, seed=5))
    assert worst.size <= 1e-4, worst


def test_prompts_may_each_have_their_own_image(model, exported):
    graph, side = load(exported, "decoder"), model.config.mask_size
    features = [f.repeat(2, 1, 1, 1) for f in random_features(model)]
    features[0][1] *= -1
    sizes = np.array([[50, 70], [300, 200]])
    names = ("image_embeddings", "stride8", "stride4")
    inputs = {
        "original_sizes": sizes,
        "point_coords": np.array([[[12, 9]], [[100, 250]]], dtype=np.float32),
        "point_labels": np.ones((2, 1), dtype=np.int64),
        "mask_input": np.zeros((2, 1, side, side), dtype=np.float32),
        "has_mask_input": np.zeros(2, dtype=np.float32),
        **dict(zip(names, (f.numpy() for f in features), strict=False)),
    }
    together = graph.run(inputs)
    for i in range(2):
        alone = graph.run({name: value[i : i + 1] for name, value in inputs.items()})
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][i], value[0], atol=1e-5)


def test_predictor_and_generator_run_on_the_files(model, exported):
    truth, predictor = (
        Predictor(model, "test-1", "cpu", "float32"),
        load_predictor(exported, dtype="float32"),
    )
    assert predictor.model_id == "test-1"
    image = noise_image()
    logits = np.random.default_rng(0).normal(size=(model.config.mask_size,) * 2)
    prompts = [
        Prompt(point_coords=[[12, 9]]),
        Prompt(box=[5, 6, 40, 30]),
        Prompt(point_coords=[[1, 2], [30, 30], [69, 49]], point_labels=[1, 0, 1]),
        Prompt(point_coords=[[1, 2]], box=[0, 0, 70, 50]),
        Prompt(mask_input=logits),
    ]
    pair = [each.predict(each.embed(image), prompts) for each in (truth, predictor)]
    for expected, found in zip(*pair, strict=True):
        np.testing.assert_allclose(found.low_res_logits, expected.low_res_logits, atol=1e-4)
        np.testing.assert_allclose(found.iou_predictions, expected.iou_predictions, atol=1e-4)
    options = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    counts = [len(MaskGenerator(each, **options).generate(image)) for each in (truth, predictor)]
    assert counts[0] == counts[1] > 0


def test_best_follows_the_rule_of_the_predictor(model, exported):
    truth = Predictor(model, "test-1", "cpu", "float32")
    embedding = truth.embed(noise_image())
    names = ("image_embeddings", "stride8", "stride4")
    side = model.config.mask_size
    for labels in ([1], [1, 0], [2, 3], [1, 2, 3]):
        coords = np.array([[[10, 11], [30, 35], [50, 45]][: len(labels)]], dtype=np.float32)
        clicks = [i for i, label in enumerate(labels) if label < 2]
        prompt = Prompt(
            point_coords=coords[0, clicks] if clicks else None,
            point_labels=[labels[i] for i in clicks] if clicks else None,
            box=coords[0, -2:].reshape(4) if 2 in labels else None,
        )
        expected = truth.predict(embedding, prompt)
        answer = load(exported, "decoder").run(
            {
                "original_sizes": np.array([[50, 70]]),
                "point_coords": coords,
                "point_labels": np.array([labels]),
                "mask_input": np.zeros((1, 1, side, side), dtype=np.float32),
                "has_mask_input": np.zeros(1, dtype=np.float32),
                **dict(
                    zip(
                        names,
                        (f.numpy() for f in feature_tensors(embedding.features)),
                        strict=False,
                    )
                ),
            }
        )
        mask = answer["low_res_logits"][0, answer["best"][0]]
        np.testing.assert_allclose(mask, expected.low_res_logits[expected.best], atol=1e-4)


def test_files_say_what_they_are(exported, model):
    metadata = load(exported, "decoder").metadata
    assert metadata["license"] == "MIT"
    assert metadata["model_id"] == "test-1"
    assert metadata["mask_threshold"] == "0.0"
    assert metadata["image_size"] == str(model.config.image_size)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_half_weights_are_smaller_and_nearly_the_same(runtime, tmp_path):
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    model = seeded("tiny_vit")
    whole = export_model(model, "m", tmp_path / "whole", runtime, parts=["encoder"])[0]
    half = export_model(model, "m", tmp_path / "half", runtime, parts=["encoder"], dtype="float16")
    assert half[0].num_bytes < 0.85 * whole.num_bytes  # the text of the graph stays as long
    assert 0 < half[0].difference.size < 0.05


def test_weights_beyond_the_limit_of_one_file_lie_beside_it_once(tmp_path, monkeypatch):
    from anymask.inference import onnx_export

    def export(name):
        model = seeded("tiny_vit")
        (file,) = export_model(model, "m", tmp_path / name, parts=["encoder"], dtype="float16")
        return file

    whole = export("whole")
    monkeypatch.setattr(onnx_export, "_MAX_PROTO_BYTES", 1000)
    parted = export("parted")
    assert {path.name for path in (tmp_path / "parted").iterdir()} == {
        "encoder.onnx",
        "encoder.onnx.data",
    }
    assert parted.num_bytes < 1.05 * whole.num_bytes
    assert parted.difference == whole.difference


@pytest.mark.slow
def test_int8_runs_and_needs_photographs(tmp_path):
    model = seeded("tiny")
    with pytest.raises(InvalidInputError, match="calibration must hold photographs"):
        export_model(model, "m", tmp_path, dtype="int8")
    images = [noise_image(seed=seed) for seed in range(4)]
    export_model(model, "m", tmp_path, dtype="int8", calibration=images)
    truth = Predictor(model, "m", "cpu", "float32").embed(images[0]).features.image_embeddings
    found = load_predictor(tmp_path).embed(images[0]).features.image_embeddings
    assert 0 < (found - truth).norm() / truth.norm() < 0.2


def test_a_file_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    wrong = Difference(size=0.5, output="low_res_logits", case="a case")
    monkeypatch.setattr(export_module, "largest_difference", lambda run, cases: wrong)
    with pytest.raises(ExportError, match=r"within 0\.0001, got 0\.5 in low_res_logits for a case"):
        export_model(seeded("tiny"), "m", tmp_path, parts=["upscale"])
    assert not list(tmp_path.iterdir())


def test_a_difference_is_found_with_its_case():
    model = seeded("tiny")
    cases = list(upscale_cases(model, 3))

    def run(inputs):
        (expected,) = [c.expected for c in cases if c.inputs is inputs]
        return {"mask_logits": expected["mask_logits"] + (inputs is cases[1].inputs)}

    worst = largest_difference(run, iter(cases))
    assert worst.size == pytest.approx(1)
    assert worst.case == cases[1].description
    assert largest_difference(lambda _: {"mask_logits": np.zeros(1)}, iter(cases)).size == np.inf


def test_text_is_left_out(tmp_path):
    config = dataclasses.replace(preset("tiny"), text_dim=8, text_link_dim=4)
    export_model(build_sam(config, seed=0), "m", tmp_path)
    predictor = load_predictor(tmp_path)
    with pytest.raises(InvalidInputError, match="text needs a model trained with it"):
        predictor.predict(predictor.embed(noise_image()), Prompt(text="dog"))


def test_what_is_no_export(tmp_path):
    assert find_export(tmp_path) is None
    (tmp_path / "encoder.onnx").write_bytes(b"not a graph")
    with pytest.raises(CheckpointError, match=r"decoder\.onnx must lie beside"):
        load_predictor(tmp_path)
    (tmp_path / "decoder.onnx").write_bytes(b"not a graph")
    with pytest.raises(CheckpointError, match="no graph that ONNX Runtime can load"):
        load_predictor(tmp_path)
    with pytest.raises(InvalidInputError, match="device must be auto or cpu"):
        load_predictor(tmp_path, "cuda")
    with pytest.raises(InvalidInputError, match="dtype must be float32 with ONNX Runtime"):
        load_predictor(tmp_path, dtype="bfloat16")
