"""What others write: groups, boxes, classes without names, several pictures of one name, bombs."""

import base64
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.dataset.formats import reading
from anymask.dataset.formats.pictures import Picture
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.reading import AnnotationReader, find_files
from anymask.dataset.formats.voc import voc_colors

SIZE = (20, 30)
SQUARE = [[2, 3], [6, 3], [6, 7], [2, 7]]

FLAT = [value for point in SQUARE for value in point]


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.new("RGB", SIZE[::-1]).save(path)
        elif isinstance(content, str | bytes):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        else:
            path.write_text(json.dumps(content))
    return folder


def read(folder: Path, *elsewhere: Picture) -> list[AnnotatedImage | Problem]:
    found = find_files(folder)
    reader = AnnotationReader(found, elsewhere)
    return [one for file in found.annotations for one in reader.read(file)]


def masks(folder: Path, *elsewhere: Picture) -> tuple[AnnotatedMask, ...]:
    (image,) = read(folder, *elsewhere)
    assert isinstance(image, AnnotatedImage), image
    return image.masks


def png(array: np.ndarray, mode: str = "L") -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(array)
    if mode == "P":
        picture.putpalette(voc_colors(256).tobytes())
    picture.save(stream, format="PNG")
    return stream.getvalue()


def labelme(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"version": "5", "imagePath": "..\\photos\\a.png", "shapes": list(shapes)}


def test_labelme_shapes_of_a_group_are_parts_of_one_mask(tmp_path: Path) -> None:
    far = [[20, 10], [24, 10], [24, 12], [20, 12]]
    shapes = [
        {"label": "dog", "points": SQUARE, "group_id": 1, "shape_type": "polygon"},
        {"label": "dog", "points": far, "group_id": 1},
        {"label": "dog", "points": far, "group_id": None},
        {"label": "cat", "points": [[1, 1], [4, 3]], "shape_type": "rectangle"},
        {"label": "ball", "points": [[10, 10], [10, 13]], "shape_type": "circle"},
        {"label": "way", "points": [[1, 1], [4, 3]], "shape_type": "line"},
    ]
    dog, other, cat, ball = masks(write(tmp_path, {"a.png": None, "a.json": labelme(*shapes)}))
    assert [one.name for one in (dog, other, cat, ball)] == ["dog", "dog", "cat", "ball"]
    assert [one.segmentation.area for one in (dog, other, cat)] == [24, 8, 6]
    assert abs(ball.segmentation.area - np.pi * 9) < 4


def test_labelme_masks_lie_where_their_points_say(tmp_path: Path) -> None:
    text = base64.b64encode(png(np.full((2, 3), 1, dtype=np.uint8))).decode()
    shape = {"label": "dog", "points": [[5, 7], [7, 8]], "shape_type": "mask", "mask": text}
    (dog,) = masks(write(tmp_path, {"a.png": None, "a.json": labelme(shape)}))
    assert dog.segmentation.to_box().tolist() == [5, 7, 8, 9]
    beyond = {**shape, "points": [[29, 7], [31, 8]]}
    (problem,) = read(write(tmp_path, {"a.json": labelme(beyond)}))
    assert isinstance(problem, Problem)


def test_cvat_groups_and_layers(tmp_path: Path) -> None:
    points = ";".join(f"{x}.00,{y}.00" for x, y in SQUARE)
    xml = (
        '<?xml version="1.0"?><annotations><version>1.1</version><image id="3" name="x/a.png">'
        f'<polygon label="back" points="{points}" z_order="0"/>'
        f'<polygon label="front" points="{points}" z_order="2" group_id="4"/>'
        '<mask label="front" rle="1, 2, 1" left="20" top="5" width="2" height="2" group_id="4"/>'
        '<box label="b" xtl="1" ytl="1" xbr="4" ybr="4"/>'
        '</image><image id="4" name="unknown.png"/></annotations>'
    )
    front, back = masks(write(tmp_path, {"a.png": None, "cvat.xml": xml}))
    assert (front.name, front.segmentation.area, back.name) == ("front", 18, "back")
    drawn = front.segmentation.to_mask()[5:7, 20:22].tolist()
    assert drawn == [[False, True], [True, False]]  # along the rows


def test_voc_names_come_from_the_palette_without_a_label_map(tmp_path: Path) -> None:
    objects = np.zeros(SIZE, dtype=np.uint8)
    objects[2:5, 2:5], objects[8:12, 8:12], objects[0, 0] = 1, 2, 255
    classes = np.where(objects == 1, 8, np.where(objects == 2, 12, objects)).astype(np.uint8)
    files = {
        "JPEGImages/a.png": None,
        "SegmentationObject/a.png": png(objects, "P"),
        "SegmentationClass/a.png": png(classes, "P"),
        "Annotations/a.xml": "<annotation><filename>a.png</filename></annotation>",
    }
    found = masks(write(tmp_path, files))
    assert [(one.name, one.segmentation.area) for one in found] == [("cat", 9), ("dog", 16)]
    (tmp_path / "SegmentationObject/a.png").unlink()
    # A class is then a mask.
    assert [(one.name, one.segmentation.area) for one in masks(tmp_path)] == [
        ("cat", 9),
        ("dog", 16),
    ]


def test_voc_colors_have_the_names_of_the_label_map(tmp_path: Path) -> None:
    classes = np.zeros((*SIZE, 3), dtype=np.uint8)
    classes[2:5, 2:5] = (7, 8, 9)
    files = {
        "VOC/JPEGImages/a.png": None,
        "VOC/SegmentationClass/a.png": png(classes),
        "VOC/SegmentationObject/a.png": png(classes),
        "VOC/labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nelk:7,8,9::\n",
    }
    assert [one.name for one in masks(write(tmp_path, files))] == ["elk"]


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("data.yaml", "names: {0: cat, 1: 'a: dog'}"),
        ("data.yaml", "names: [cat, 'a: dog']"),
        ("classes.txt", "cat\na: dog\n"),
        ("obj.names", "cat\na: dog\n"),
    ],
)
def test_yolo_names_and_boxes(tmp_path: Path, file: str, names: str) -> None:
    label = "1 0.1 0.1 0.5 0.1 0.5 0.5\n0 0.5 0.5 0.2 0.2\n\n"
    files = {"images/a.png": None, "labels/a.txt": label, file: names, "readme.txt": "hello"}
    (mask,) = masks(write(tmp_path, files))
    assert mask.name == "a: dog"


def test_coco_annotations_without_masks_or_pictures(tmp_path: Path) -> None:
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 1, "height": 1},
            {"id": 2, "file_name": "gone.png"},
            {"id": 3, "file_name": "b.png"},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4], "segmentation": []},
            {"id": 2, "image_id": 1, "segmentation": [FLAT]},
            {"id": 3, "image_id": 2, "segmentation": [FLAT]},
            {"id": 4, "image_id": 9, "segmentation": [FLAT]},
            {"id": 5, "image_id": 3, "segmentation": [[1, 2, 3]]},
        ],
    }
    files = {"a.png": None, "b.png": None, "_annotations.coco.json": content}
    image, gone, shape, orphan = read(write(tmp_path, files))
    assert isinstance(image, AnnotatedImage)
    assert [mask.segmentation.area for mask in image.masks] == [16]
    texts = [problem.text for problem in (gone, shape, orphan) if isinstance(problem, Problem)]
    assert ["must be there" in texts[0], "flat lists" in texts[1], "image_id 9" in texts[2]] == [
        True
    ] * 3


def test_pictures_of_one_name_are_told_apart_by_folders(tmp_path: Path) -> None:
    shape = {"label": "dog", "points": SQUARE}
    files = {"one/a.png": None, "two/a.png": None, "two/a.jpg": None}
    for path, count in (("C:\\x\\two\\a.png", 1), ("one/a.bmp", 1), ("a.png", 0)):
        content = {"imagePath": path, "shapes": [shape]}
        (result,) = read(write(tmp_path, {**files, "labels.json": content}))
        assert isinstance(result, AnnotatedImage) == bool(count), (path, result)
    content = {"imagePath": "c.png", "shapes": [shape]}
    there = Picture(name="c.png", known_size=SIZE, digest="d")
    assert len(masks(write(tmp_path, {"labels.json": content}), there)) == 1
    other = Picture(name="c.png", known_size=SIZE, digest="e")
    assert isinstance(read(tmp_path, there, other)[0], Problem)


ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'<!DOCTYPE x [<!ENTITY a0 "ha">{ENTITIES}]><annotations>&a9;</annotations>', "DOCTYPE"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotations/>', "DOCTYPE"),
        ("<annotations>" + "<g>" * 5000, "nested at most"),
        ("<annotations><image>", "whole XML"),
        ('<?xml version="1.0" encoding="x-evil"?><annotations/>', "whole XML"),
        ("<svg/>", "CVAT's or VOC's"),
    ],
    ids=["bomb", "outside", "deep", "cut off", "encoding", "other"],
)
def test_bad_xml_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    (problem,) = read(write(tmp_path, {"a.xml": content}))
    assert isinstance(problem, Problem)
    assert message in problem.text
    assert "\n" not in problem.text


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 50_000, "[1", "\xff", '{"images": [], "annotations": 3}', "1" * 9999],
    ids=["deep list", "deep object", "cut off", "bytes", "types", "long number"],
)
def test_bad_json_is_one_line(tmp_path: Path, content: str) -> None:
    (problem,) = read(write(tmp_path, {"a.json": content.encode("latin-1")}))
    assert isinstance(problem, Problem)
    assert "\n" not in problem.text
    assert len(problem.text) < 400


def test_packed_json_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(json.dumps(labelme({"label": "dog", "points": SQUARE})).encode())
    assert len(masks(write(tmp_path, {"a.png": None, "a.json.gz": packed}))) == 1
    monkeypatch.setattr(reading, "_MAX_JSON_BYTES", 10)
    (problem,) = read(tmp_path)
    assert isinstance(problem, Problem)
    assert "at most 10 bytes" in problem.text


def test_a_mask_png_larger_than_its_picture_is_not_decoded(tmp_path: Path) -> None:
    large = base64.b64encode(png(np.zeros((4000, 4000), dtype=np.uint8))).decode()
    shape = {"label": "dog", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": large}
    (problem,) = read(write(tmp_path, {"a.png": None, "a.json": labelme(shape)}))
    assert isinstance(problem, Problem)
    assert "at most 600 pixels" in problem.text


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    write(secret, {"a.json": labelme(), "a.png": None})
    folder = write(tmp_path / "set", {"b.png": None})
    (folder / "link.json").symlink_to(secret / "a.json")
    (folder / "folder").symlink_to(secret)
    found = find_files(folder)
    assert [picture.name for picture in found.pictures] == ["b.png"]
    assert found.annotations == ()
