"""Layouts on numbers made by hand, and files made by hand that give them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anymask.core.errors import CheckpointError, InvalidInputError, UnknownNameError
from anymask.dataset.privacy.detector_file import DetectorFile
from anymask.dataset.privacy.detectors import DetectorChoice, onnx_detectors
from anymask.dataset.privacy.layouts import read_centerface, read_rows, read_yunet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FACE = {"layout": "rows", "kind": "face", "score_thresh": 0.5}


def write_file(
    path: Path, outputs: dict[str, NDArray[np.float32]], size: tuple[Any, Any] = ("H", "W")
) -> Path:
    """A graph that answers the same, and the mean of what it was fed as `mean`."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))
        for name, value in outputs.items()
    ]
    nodes.append(helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0))
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
        for name, value in outputs.items()
    ]
    infos.append(helper.make_tensor_value_info("most", TensorProto.FLOAT, []))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])
    graph = helper.make_graph(nodes, "made", [image], infos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def describe(path: Path, **more: Any) -> None:
    path.with_suffix(".json").write_text(json.dumps({**FACE, **more}))


def test_centerface_reads_centres_sizes_and_offsets() -> None:
    heat, sizes, offsets = np.zeros((1, 1, 8, 8)), np.zeros((1, 2, 8, 8)), np.zeros((1, 2, 8, 8))
    heat[0, 0, 2, 5] = 0.75
    sizes[0, :, 2, 5] = np.log([4, 2])  # height 16, width 8
    offsets[0, :, 2, 5] = 0.25, -0.25  # down, left
    boxes, scores = read_centerface([heat, sizes, offsets], (32, 32), 0.5)
    # centre x = (5 - 0.25 + 0.5) * 4 = 21, y = (2 + 0.25 + 0.5) * 4 = 11
    np.testing.assert_allclose(boxes, [[17, 3, 25, 19]])
    np.testing.assert_allclose(scores, [0.75])


def test_yunet_reads_three_strides() -> None:
    size = (32, 64)
    cells = [(32 // s) * (64 // s) for s in (8, 16, 32)]
    outputs = [np.zeros((1, n, c)) for c in (1, 1, 4) for n in cells]
    outputs[1][0, 5], outputs[4][0, 5] = 0.5, 0.5  # stride 16, row 1, column 1
    outputs[7][0, 5] = [0.5, 0.25, np.log(2), np.log(1)]
    boxes, scores = read_yunet(outputs, size, 0.4)
    np.testing.assert_allclose(boxes, [[8, 12, 40, 28]])
    np.testing.assert_allclose(scores, [0.5])


@pytest.mark.parametrize(
    "outputs",
    [
        [np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([0.9, 0.1])],
        [np.array([[[1, 2, 3, 4, 0.9], [5, 6, 7, 8, 0.1]]])],
        [np.array([[1, 2, 3, 4, 0.9, 1]])],
        [np.array([[0, 1, 2, 3, 4, 1, 0.9]])],
    ],
)
def test_rows_are_read_in_all_widths(outputs: list[NDArray[np.float64]]) -> None:
    boxes, scores = read_rows(outputs, (32, 32), 0.5)
    np.testing.assert_allclose(boxes, [[1, 2, 3, 4]])
    np.testing.assert_allclose(scores, [0.9])


@pytest.mark.parametrize("outputs", [[np.zeros((3, 4))], [np.zeros((3, 9))], [np.array(1.0)]])
def test_other_shapes_are_refused(outputs: list[NDArray[np.float64]]) -> None:
    with pytest.raises(InvalidInputError, match="outputs must be boxes"):
        read_rows(outputs, (32, 32), 0.5)


def test_a_file_finds_what_it_says_in_the_image(tmp_path: Path) -> None:
    rows = np.array([[10, 20, 30, 40, 0.9], [-5, 0, 8, 8, 0.8], [0, 0, 9, 9, 0.2]], np.float32)
    path = write_file(tmp_path / "mine.onnx", {"rows": rows})
    describe(path, kind="plate", outputs=["rows"], view_px=128)
    (detector,) = onnx_detectors((path,))
    found = detector.find(np.zeros((128, 64, 3), np.uint8))  # one view, not scaled
    assert [(r.kind, r.source, r.box) for r in found] == [
        ("plate", "mine", (10.0, 20.0, 30.0, 40.0)),
        ("plate", "mine", (0.0, 0.0, 8.0, 8.0)),  # cut off at the image's edge
    ]


def test_files_of_one_size_are_fed_that_size(tmp_path: Path) -> None:
    rows = np.array([[16, 16, 32, 32, 0.9]], np.float32)
    path = write_file(tmp_path / "mine.onnx", {"rows": rows}, size=(64, 64))
    describe(path, outputs=["rows"])
    (detector,) = onnx_detectors((path,))
    boxes = {region.box for region in detector.find(np.zeros((64, 128, 3), np.uint8))}
    # Of the whole image at half its size, and of three tiles.
    assert boxes == {(x, 16.0, x + 16, 32.0) for x in (16.0, 48.0, 80.0)} | {
        (32.0, 32.0, 64.0, 64.0)
    }


def test_what_is_fed_is_normalised(tmp_path: Path) -> None:
    rows = np.array([[0, 0, 5, 5, 0.9]], np.float32)
    path = write_file(tmp_path / "mine.onnx", {"rows": rows})
    # Boxes (1, 4) cannot come from `most`; as scores they show what was fed.
    write_file(tmp_path / "mine.onnx", {"rows": rows[:, :4]})
    describe(path, outputs=["rows", "most"], mean=[55, 0, 0], scale=0.005, view_px=64)
    (detector,) = onnx_detectors((path,))
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = 255
    assert detector.find(image)[0].score == pytest.approx(1.0)
    describe(path, outputs=["rows", "most"], channels="bgr", scale=0.002, view_px=64)
    (detector,) = onnx_detectors((path,))
    assert detector.find(image)[0].score == pytest.approx(0.51)


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = write_file(tmp_path / "mine.onnx", {"rows": np.zeros((1, 5), np.float32)})
    with pytest.raises(InvalidInputError, match=r"mine\.json must describe"):
        onnx_detectors((path,))
    describe(path, outputs=["boxes"])
    with pytest.raises(InvalidInputError, match="outputs must be among rows, most, got boxes"):
        onnx_detectors((path,))
    describe(path, layout="retina")
    with pytest.raises(InvalidInputError, match=r"mine\.json: unknown layout"):
        onnx_detectors((path,))
    path.write_bytes(b"nothing")
    describe(path)
    with pytest.raises(CheckpointError, match="no detector"):
        onnx_detectors((path,))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"threshold": 0.5}, "keys of layout, kind"),
        ({"score_thresh": 3}, "score_thresh must be"),
        ({"score_thresh": "high"}, "each of its type"),
        ({"channels": "grey"}, "channels must be"),
        ({"mean": [1]}, "mean must be three"),
    ],
)
def test_wrong_descriptions_are_refused(more: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        DetectorFile.from_json({**FACE, **more})
    with pytest.raises(UnknownNameError):
        DetectorFile(layout="retina", kind="face", score_thresh=0.5)


def test_a_choice_has_a_detector() -> None:
    with pytest.raises(InvalidInputError, match="one at least"):
        DetectorChoice(with_default=False)
