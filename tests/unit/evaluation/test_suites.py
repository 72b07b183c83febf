"""Whole suites on a synthetic set of tiny pictures, answered by a predictor that draws discs."""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from anymask.cli.evaluate import add_arguments, run
from anymask.core.errors import AnymaskError, InvalidInputError, MissingExtraError, OutputError
from anymask.core.rle import Rle
from anymask.dataset.coco_folder import read_coco_folder
from anymask.dataset.labelled import LabelledImage
from anymask.evaluation.box_to_mask import evaluate_boxes
from anymask.evaluation.grabcut import GrabCut, grabcut_mask
from anymask.evaluation.point_to_mask import evaluate_points
from anymask.evaluation.protocol import read_rows
from anymask.evaluation.sampling import SampleLimits, select_masks
from fakes import DiscPredictor

SIZE = (24, 32)


def draw_disc(x: int, y: int, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def write_discs(folder: Path, radii: tuple[float, ...] = (2, 4), num_images: int = 3) -> Path:
    """Write a set whose pictures have discs at (8, 8) and (22, 14), red on grey."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(1, num_images + 1):
        pixels = np.full((*SIZE, 3), 120, dtype=np.uint8)
        for (x, y), radius in zip(((8, 8), (22, 14)), radii, strict=False):
            disc = draw_disc(x, y, radius)
            pixels[disc] = (250, 10, 10)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "segmentation": Rle.from_mask(disc).to_coco(),
                    "category_id": 1,
                }
            )
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": SIZE[1], "height": SIZE[0]})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "disc"}],
    }
    (folder / "masks.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def discs(tmp_path: Path) -> tuple[LabelledImage, ...]:
    return read_coco_folder(write_discs(tmp_path / "discs"))


def test_first_click_takes_the_mask_that_claims_the_highest_iou(
    discs: tuple[LabelledImage, ...],
) -> None:
    scores = evaluate_points(DiscPredictor(), "discs", discs)
    iou = draw_disc(22, 14, 2).sum() / draw_disc(22, 14, 4).sum()
    np.testing.assert_allclose(scores.values["miou_1"], [1, iou] * 3)
    np.testing.assert_allclose(scores.values["miou_1_oracle"], 1)
    assert scores.image_index.tolist() == [0, 0, 1, 1, 2, 2]
    assert scores.true_ious.shape == scores.predicted_ious.shape == (6, 3)


def test_masks_of_an_image_are_clicked_together_until_each_is_right(
    discs: tuple[LabelledImage, ...],
) -> None:
    predictor = DiscPredictor()
    scores = evaluate_points(predictor, "discs", discs[:1])
    assert predictor.num_embedded == 1
    assert predictor.calls[0] == (2, True)
    assert predictor.calls[1:] == [(1, False)] * 8
    np.testing.assert_array_equal(scores.values["miou_9"][0], 1)
    assert scores.values["miou_9"][1] > scores.values["miou_1"][1]


def test_later_clicks_keep_the_earlier_ones_and_the_last_logits(
    discs: tuple[LabelledImage, ...],
) -> None:
    predictor = DiscPredictor()
    evaluate_points(predictor, "discs", discs[:1])
    first, third = predictor.prompts[1], predictor.prompts[3]
    assert first.mask_input is None
    assert first.point_coords is not None
    assert third.point_coords is not None
    assert first.point_coords.tolist() == [[22, 14]]
    assert third.point_coords.shape == (3, 2)
    assert third.point_coords[0].tolist() == [22, 14]
    assert third.mask_input is not None
    assert third.mask_input.shape == (1, 8, 8)


def test_noc_counts_clicks_and_gives_up_at_twenty(discs: tuple[LabelledImage, ...]) -> None:
    one = [LabelledImage(**{**vars(discs[0]), "masks": discs[0].masks[:1]})]
    assert evaluate_points(DiscPredictor(), "d", one, with_noc=True).values["noc_90"].tolist() == [
        1
    ]
    wide = Rle.from_mask(np.ones(SIZE, dtype=bool))
    mask = type(discs[0].masks[0])(annotation_id=1, rle=wide, category="")
    image = LabelledImage(**{**vars(discs[0]), "masks": (mask,)})
    scores = evaluate_points(DiscPredictor(), "d", [image], with_noc=True)
    assert scores.values["noc_85"].tolist() == [20]


def test_random_first_point_is_on_the_mask_and_repeats(discs: tuple[LabelledImage, ...]) -> None:
    predictors = DiscPredictor(), DiscPredictor()
    for predictor in predictors:
        evaluate_points(predictor, "discs", discs, first_point="random", seed=3)
    points = [predictor.prompts[1].point_coords for predictor in predictors]
    assert points[0] is not None
    assert points[1] is not None
    np.testing.assert_array_equal(points[0], points[1])
    x, y = points[0][0].astype(int)
    assert draw_disc(22, 14, 4)[y, x]


def test_boxes_are_tight_and_their_baseline_is_the_filled_box(
    discs: tuple[LabelledImage, ...],
) -> None:
    predictor = DiscPredictor()
    scores = evaluate_boxes(predictor, "discs", discs[:1])
    assert predictor.calls == [(2, None), (2, True), (2, False)]
    assert predictor.prompts[0].box is not None
    assert predictor.prompts[0].box.tolist() == [6, 6, 11, 11]
    expected = [draw_disc(8, 8, 2).sum() / 25, draw_disc(22, 14, 4).sum() / 81]
    metrics = ("miou", "miou_predicted", "miou_oracle", "miou_single", "miou_filled_box")
    for metric in metrics:
        np.testing.assert_allclose(scores.values[metric], expected)


def test_grabcut_finds_a_red_disc_on_grey_and_keeps_the_result(
    discs: tuple[LabelledImage, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    grabcut = GrabCut(cache_folder=tmp_path / "cache")
    first = evaluate_boxes(DiscPredictor(), "discs", discs, grabcut=grabcut)
    assert first.values["miou_grabcut"].min() > 0.8
    monkeypatch.setattr("anymask.evaluation.grabcut.grabcut_mask", None)
    again = evaluate_boxes(DiscPredictor(), "discs", discs, grabcut=grabcut)
    np.testing.assert_array_equal(again.values["miou_grabcut"], first.values["miou_grabcut"])


def test_damaged_grabcut_cache_is_computed_again(
    discs: tuple[LabelledImage, ...], tmp_path: Path
) -> None:
    pytest.importorskip("cv2")
    grabcut = GrabCut(cache_folder=tmp_path / "cache")
    first = evaluate_boxes(DiscPredictor(), "discs", discs[:1], grabcut=grabcut)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text("[1", encoding="utf-8")
    again = evaluate_boxes(DiscPredictor(), "discs", discs[:1], grabcut=grabcut)
    np.testing.assert_array_equal(again.values["miou_grabcut"], first.values["miou_grabcut"])


@pytest.mark.parametrize("box", [(0, 0, 32, 24), (3, 4, 4, 5), (0, 0, 1, 24), (31, 0, 32, 1)])
def test_grabcut_answers_the_box_where_it_has_no_answer(box: tuple[int, ...]) -> None:
    pytest.importorskip("cv2")
    mask = grabcut_mask(np.full((*SIZE, 3), 90, dtype=np.uint8), np.array(box, dtype=np.float32))
    assert mask.shape == SIZE
    assert mask[box[1] : box[3], box[0] : box[2]].any()
    assert not mask[:, box[2] :].any()


def test_grabcut_of_a_large_picture_comes_back_at_its_size() -> None:
    pytest.importorskip("cv2")
    image = np.full((700, 1000, 3), 90, dtype=np.uint8)
    image[200:500, 300:700] = (10, 200, 10)
    mask = grabcut_mask(image, np.array([300, 200, 700, 500], dtype=np.float32))
    assert mask.shape == (700, 1000)
    assert abs(int(mask.sum()) - 300 * 400) < 6000


def test_missing_opencv_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'anymask\[eval\]'"):
        grabcut_mask(np.zeros((*SIZE, 3), dtype=np.uint8), np.array([0.0, 0, 4, 4]))


def test_limits_draw_the_same_masks_for_the_same_seed(tmp_path: Path) -> None:
    images = read_coco_folder(write_discs(tmp_path / "set", num_images=8))

    def draw(seed: int, **limits: int) -> list[tuple[int, int]]:
        chosen = select_masks(images, SampleLimits(**limits), seed=seed)
        return [(image.image_id, mask.annotation_id) for image in chosen for mask in image.masks]

    assert len(draw(0)) == 16
    assert len(draw(0, max_images=3)) == 6
    assert len(draw(0, max_masks=5)) == 5
    assert len({image for image, _ in draw(0, max_masks=5)}) == 3
    assert len(draw(0, max_masks_per_image=1)) == 8
    assert draw(4, max_masks=5) == draw(4, max_masks=5)
    assert len({tuple(draw(seed, max_images=3)) for seed in range(5)}) > 1


def test_limit_of_zero_is_told() -> None:
    with pytest.raises(InvalidInputError, match="max_images must be at least 1, got 0"):
        SampleLimits(max_images=0)


def test_picture_of_another_size_than_its_masks_is_told(
    discs: tuple[LabelledImage, ...],
) -> None:
    Image.new("RGB", (10, 10)).save(discs[0].path)
    with pytest.raises(InvalidInputError, match=r"must have the size \(H, W\) \(24, 32\)"):
        evaluate_points(DiscPredictor(), "discs", discs)


def run_command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def make_disc_predictor(
    model: str | None, device: str, dtype: str, text_encoder: None
) -> DiscPredictor:
    # In float32 unless asked otherwise: published figures must not depend on the machine.
    assert (model, device, dtype, text_encoder) == (None, "auto", "float32", None)
    return DiscPredictor()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("matplotlib")
    loading = ModuleType("anymask.inference.loading")  # Without it torch is never imported here.
    monkeypatch.setattr(loading, "load_predictor", make_disc_predictor, raising=False)
    monkeypatch.setitem(sys.modules, loading.__name__, loading)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("coco", "davis", "cells"):
        write_discs(tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.mark.parametrize("suite", ["points", "boxes"])
def test_command_writes_rows_report_and_picture(
    data: Path, tmp_path: Path, suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if suite == "boxes":
        pytest.importorskip("cv2")
    output = tmp_path / "out"
    arguments = ("--noc", "--no-close-up", "--output", str(output))
    assert run_command(suite, str(data), *arguments) == 0
    rows = read_rows(output / "rows.jsonl")
    assert len({row.dataset for row in rows}) == 5
    assert "mean of object sets" in capsys.readouterr().out
    assert "mean of object sets" in (output / "report.md").read_text(encoding="utf-8")
    assert (output / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in output.iterdir()} == {"rows.jsonl", "report.md", "plot.png"}


def test_command_prints_json_lines(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--json", "--no-grabcut", "--no-close-up", "--max-images", "1")
    run_command("boxes", str(data / "coco"), *arguments, "--output", str(tmp_path / "out"))
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["num_images"] for row in rows} == {1}
    assert "miou_grabcut" not in {row["metric"] for row in rows}


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("gone",), InvalidInputError, "existing folder"),
        (("data/coco", "data"), InvalidInputError, "sets must have different names"),
        (("data/coco", "--seed", "-1"), InvalidInputError, "--seed must be 0 or more"),
        (("data/coco", "--max-images", "0"), InvalidInputError, "max_images must be at least 1"),
        (("data", "--output", "data/coco/masks.json"), OutputError, "--output"),
    ],
)
def test_mistake_in_the_command_is_told_before_the_model_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    error: type[AnymaskError],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        run_command("points", *arguments)
