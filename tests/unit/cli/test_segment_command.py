import json
import os

import numpy as np
import pytest
from PIL import Image

from anymask.cli.main import main
from anymask.core.image_io import read_image, write_png
from anymask.core.rle import Rle
from tiny_predictor import noise_image


@pytest.fixture
def photo(tmp_path) -> str:
    path = tmp_path / "photo.png"
    write_png(path, noise_image())
    return str(path)


@pytest.fixture
def segment(model, photo, tmp_path):
    """Return a function that runs `anymask segment` on the photo, and its output folder."""
    output = tmp_path / "out"

    def run(*arguments: str, image: str = photo, model: str = model) -> int:
        common = ["-o", str(output), "--model", model, "--device", "cpu"]
        return main(["segment", image, *common, *arguments])

    run.output = output
    return run


def written(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_click_gives_one_mask_with_its_record_logits_and_overlay(segment, capsys):
    assert segment("--point", "12,9") == 0
    assert written(segment.output) == {
        "photo_mask.png",
        "photo_overlay.png",
        "photo_logits.npy",
        "photo.json",
    }
    record = json.loads((segment.output / "photo.json").read_text())
    assert record["image"] == {"file_name": "photo.png", "width": 70, "height": 50}
    assert record["model_id"].startswith("tiny-")
    assert set(record["seconds"]) == {"load", "embed", "predict"}
    (mask,) = record["masks"]
    assert mask["prompt"] == {
        "point_coords": [[12, 9]],
        "point_labels": [1],
        "mask_input": False,
    }
    drawn = read_image(segment.output / "photo_mask.png")[..., 0] > 0
    assert np.array_equal(Rle.from_coco(mask["segmentation"]).to_mask(), drawn)
    assert mask["area"] == drawn.sum()
    assert np.load(segment.output / "photo_logits.npy").shape == (1, 16, 16)
    assert str(segment.output / "photo_mask.png") in capsys.readouterr().out


def test_multimask_writes_three_masks_best_first(segment, capsys):
    assert segment("--point", "12,9", "--multimask", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    ious = [mask["iou_prediction"] for mask in result["masks"]]
    assert len(ious) == 3
    assert ious == sorted(ious, reverse=True)
    assert {f"photo_mask_{k}.png" for k in range(3)} <= written(segment.output)
    assert np.load(segment.output / "photo_logits.npy").shape == (3, 16, 16)


def test_several_boxes_are_several_prompts(segment, capsys):
    assert segment("--box", "2,2,20,20", "--box", "30,10,60,40", "--json") == 0
    masks = json.loads(capsys.readouterr().out)["masks"]
    assert [mask["prompt"]["box"] for mask in masks] == [[2, 2, 20, 20], [30, 10, 60, 40]]


def test_points_and_box_are_one_prompt(segment, capsys):
    assert segment("--box", "2,2,40,40", "--point", "9,9", "--point", "3,3,0", "--json") == 0
    (mask,) = json.loads(capsys.readouterr().out)["masks"]
    assert mask["prompt"]["point_labels"] == [1, 0]
    assert mask["prompt"]["box"] == [2, 2, 40, 40]


def test_logits_of_a_run_refine_the_next(segment, capsys):
    assert segment("--point", "12,9") == 0
    logits = str(segment.output / "photo_logits.npy")
    capsys.readouterr()
    assert segment("--point", "12,9", "--point", "40,30,0", "--mask", logits, "--json") == 0
    (mask,) = json.loads(capsys.readouterr().out)["masks"]
    assert mask["prompt"]["mask_input"] is True


def test_drawn_mask_alone_is_a_prompt(segment, tmp_path):
    drawn = np.zeros((50, 70), dtype=bool)
    drawn[10:30, 20:50] = True
    write_png(tmp_path / "drawn.png", drawn)
    assert segment("--mask", str(tmp_path / "drawn.png")) == 0
    assert "photo_mask.png" in written(segment.output)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "a prompt must be given, got none"),
        (["--point", "12"], "--point must be 2 or 3 numbers between commas, got '12'. Example"),
        (["--point", "a,b"], "--point must be 2 or 3 numbers"),
        (["--point", "nan,3"], "--point must be 2 or 3 numbers"),
        (["--point", "1,inf"], "--point must be 2 or 3 numbers"),
        (["--point", "1,2,3"], "--point must end in 1 (foreground) or 0 (background)"),
        (["--point", "71,9"], "point_coords must lie inside the image of 70 x 50 pixels"),
        (["--point=-1,9"], "point_coords must lie inside"),
        (["--box", "1,2,3"], "--box must be 4 numbers between commas, got '1,2,3'. Example"),
        (["--box", "20,20,2,2"], "box must be xyxy with x0 < x1 and y0 < y1"),
        (["--box", "5,5,5,9"], "box must be xyxy"),
        (["--box", "90,90,99,99"], "box must overlap the image"),
        (["--box", "1,1,9,9", "--box", "2,2,8,8", "--point", "3,3"], "at most one --box, got 2"),
        (["--point", "1,1", "--mask", "{tmp}/missing.npy"], "No such file"),
        (["--mask", "{tmp}/small.npy"], "one mask of 16 x 16 float logits"),
        (["--mask", "{tmp}/three.npy"], "one mask of 16 x 16 float logits"),
        (["--mask", "{tmp}/nan.npy"], "mask_input must be finite"),
        (["--mask", "{tmp}/text.npy"], "not a NumPy array"),
        (["--mask", "{tmp}/objects.npy"], "not a NumPy array"),
        (["--mask", "{tmp}/small.png"], "mask must have the image's size 70 x 50, got 8 x 6"),
        (
            ["--box", "1,1,9,9", "--box", "2,2,8,8", "--mask", "{tmp}/good.npy"],
            "--mask must come with at most one --box",
        ),
        (["--point", "3,3", "--device", "gpu"], "device must be auto, cpu, cuda or mps"),
    ],
)
def test_wrong_prompt_is_one_line_exit_2_and_leaves_no_file(
    segment, tmp_path, capsys, arguments, text
):
    np.save(tmp_path / "good.npy", np.zeros((1, 16, 16), dtype=np.float32))
    np.save(tmp_path / "small.npy", np.zeros((1, 8, 8), dtype=np.float32))
    np.save(tmp_path / "three.npy", np.zeros((3, 16, 16), dtype=np.float32))
    np.save(tmp_path / "nan.npy", np.full((16, 16), np.nan, dtype=np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("not an array")
    write_png(tmp_path / "small.png", np.zeros((6, 8), dtype=bool))
    filled = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    code = segment(*filled)
    assert_one_line(capsys, code, 2, text)
    assert written(segment.output) == set()


def assert_one_line(capsys, code: int, expected_code: int, text: str) -> None:
    error = capsys.readouterr().err
    assert text in error
    assert error.startswith("anymask: error: ")
    assert error.count("\n") == 1
    assert code == expected_code


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("missing.jpg", None, "no such file"),
        ("empty.jpg", b"", "zero bytes"),
        ("notes.jpg", b"these are notes", "must be an image"),
        ("cut.png", "cut", "cut off"),
    ],
)
def test_unreadable_image_is_one_line_and_exit_1(
    segment, photo, tmp_path, capsys, name, content, text
):
    if content == "cut":
        content = (tmp_path / "photo.png").read_bytes()[:-300]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code = segment("--point", "3,3", image=str(tmp_path / name))
    assert_one_line(capsys, code, 1, text)
    assert written(segment.output) == set()


def test_huge_image_is_refused_before_it_is_decoded(segment, tmp_path, capsys):
    path = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(path)
    code = segment("--point", "3,3", image=str(path))
    assert_one_line(capsys, code, 1, "must have at most 200000000 pixels, got 20000 x 20000")


def test_unknown_model_is_told(segment, capsys):
    code = segment("--point", "3,3", model="vit_x")
    assert_one_line(capsys, code, 2, "vit_x")
    assert written(segment.output) == set()


def test_output_that_is_a_file_is_told_before_the_work(photo, capsys):
    code = main(["segment", photo, "--point", "3,3", "-o", photo, "--model", "not-even-loaded"])
    assert_one_line(capsys, code, 1, "must be writable, got: File exists")


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_read_only_output_is_told_before_the_work(segment, capsys):
    segment.output.mkdir(mode=0o500)
    assert_one_line(capsys, segment("--point", "3,3"), 1, "must be writable, got: Permission")


def test_full_disk_leaves_no_half_written_file(segment, capsys, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_one_line(capsys, segment("--point", "3,3"), 1, "No space left on device")
    assert written(segment.output) == set()
