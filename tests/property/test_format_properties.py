"""Laws of annotation formats: what is written is read again, pixel by pixel, in any of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.outlines import bridge_outlines, fill_outlines, trace_outlines, unite
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.reading import AnnotationReader, find_files
from anymask.dataset.formats.registry import FORMATS, Format
from anymask.dataset.formats.written import tidy_name
from anymask.dataset.sets import read_set

Mask = NDArray[np.bool_]
# Any pixels: holes, islands and parts that touch at a corner are the rule.
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
masks = shapes.flatmap(lambda shape: arrays(np.bool_, shape)).filter(np.any)
# Several masks of one image, which overlap.
stacks = (
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
    .flatmap(lambda shape: arrays(np.bool_, shape))
    .filter(np.any)
)
names = st.text(max_size=8).map(tidy_name)
NAMELESS = {"sa1b"}
# File systems and their reader take a part of the names.
PLAIN_NAMES = {"masks"}


@given(masks)
@settings(max_examples=200, deadline=None)
def test_outlines_and_their_bridges_fill_to_the_same_pixels(mask: Mask) -> None:
    rle = Rle.from_mask(mask)
    outlines = trace_outlines(rle)
    assert fill_outlines(outlines, rle.size) == rle
    bridged = bridge_outlines(outlines)
    assert fill_outlines([bridged], rle.size) == rle
    drawn = coco_mask.frPyObjects([bridged.reshape(-1).astype(float).tolist()], *rle.size)
    assert Rle.from_coco(coco_mask.merge(drawn)) == rle


@given(masks)
@settings(max_examples=50, deadline=None)
def test_outlines_wind_once_around_foreground_and_not_around_holes(mask: Mask) -> None:
    """So that fillers by winding number give the mask as well."""
    outline = bridge_outlines(trace_outlines(Rle.from_mask(mask))).astype(float)
    begins, ends = outline, np.roll(outline, -1, axis=0)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    winding = np.zeros(mask.shape, dtype=int)
    for (x0, y0), (x1, y1) in zip(begins, ends, strict=True):
        if y0 == y1:
            continue
        x = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
        is_left = x < columns
        winding += is_left & (y0 < rows) & (rows < y1)
        winding -= is_left & (y1 < rows) & (rows < y0)
    np.testing.assert_array_equal(np.abs(winding), mask)


@given(stacks)
@settings(max_examples=50, deadline=None)
def test_united_masks_have_the_pixels_of_any(stack: NDArray[np.bool_]) -> None:
    united = unite([Rle.from_mask(mask) for mask in stack])
    np.testing.assert_array_equal(united.to_mask(), stack.any(axis=0))


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
@given(stack=stacks, data=st.data())
@settings(max_examples=25, deadline=None)
def test_masks_survive_a_format(format: Format, stack: Mask, data: st.DataObject) -> None:
    if format.name == "voc":  # a pixel has one mask
        stack = stack & (np.cumsum(stack, axis=0) == 1)
    drawn = [mask for mask in stack if mask.any()]
    plain = st.sampled_from(["", "cat", "big dog", "route 66"])
    given_names = [data.draw(plain if format.name in PLAIN_NAMES else names) for _ in drawn]
    image = annotated("a photo.v2.png", drawn, given_names)
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), format, [image])
        (read,) = read_folder(Path(folder))
    assert read.image.file_name.endswith("a photo.v2.png")
    expected = [
        (Rle.from_mask(mask), "" if format.name in NAMELESS else name)
        for mask, name in zip(drawn, given_names, strict=True)
    ]
    found = [(mask.segmentation, mask.name) for mask in read.masks]
    if format.name in ("masks", "voc"):  # whose order is that of names, of numbers
        assert sorted(found, key=repr_of) == sorted(expected, key=repr_of)
    else:
        assert found == expected


def test_crowds_survive_coco(tmp_path: Path) -> None:
    mask = AnnotatedMask(
        segmentation=Rle.from_mask(np.eye(5, dtype=bool)), name="people", is_crowd=True
    )
    record = ImageRecord(image_id=3, width=5, height=5, file_name="a.png")
    image = AnnotatedImage(image=record, masks=(mask,))
    write_folder(tmp_path, FORMATS["coco"], [image])
    assert read_folder(tmp_path)[0].masks[0].is_crowd
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert isinstance(content["annotations"][0]["segmentation"]["counts"], list)


@pytest.mark.parametrize("name", ["coco", "coco_polygons", "sa1b", "masks"])
def test_what_is_written_can_be_trained_on(tmp_path: Path, name: str) -> None:
    image = annotated("a.png", [ring(40, 60)], ["ring"])
    write_folder(tmp_path, FORMATS[name], [image])
    (read,) = read_set(tmp_path)
    assert [mask.rle for mask in read.masks] == [Rle.from_mask(ring(40, 60))]


def test_yolo_polygons_in_its_own_tools_drawing(tmp_path: Path) -> None:
    """Its trainers cut coordinates to whole numbers and draw the border, a pixel too far."""
    size = (480, 640)
    image = annotated("a.png", [ring(*size)], ["ring"])
    write_folder(tmp_path, FORMATS["yolo"], [image])
    values = (tmp_path / "labels/a.txt").read_text().split()[1:]
    points = np.array(values, dtype=float).reshape(-1, 2) * (size[1], size[0])
    canvas = np.zeros(size, dtype=np.uint8)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    drawn, mask = canvas.astype(bool), ring(*size)
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.97
    assert not drawn[size[0] // 2, size[1] // 2]


def ring(height: int, width: int) -> Mask:
    """A ring with an island inside its hole's edge and a part far off."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot((rows - height / 2) / height, (columns - width / 2) / width)
    mask = (distance < 0.4) & (distance > 0.15)
    mask[: height // 10, : width // 10] = True
    return mask


def annotated(name: str, drawn: Sequence[Mask], given_names: Iterable[str]) -> AnnotatedImage:
    height, width = drawn[0].shape
    record = ImageRecord(image_id=7, width=width, height=height, file_name=name)
    return AnnotatedImage(
        image=record,
        masks=tuple(
            AnnotatedMask(segmentation=Rle.from_mask(mask), name=name)
            for mask, name in zip(drawn, given_names, strict=True)
        ),
    )


def write_folder(folder: Path, format: Format, images: Sequence[AnnotatedImage]) -> None:
    for file in format.write(images, "a title"):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(file.pieces))
    for image in images:
        path = folder / format.picture_folder / image.image.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (image.image.width, image.image.height)).save(path)


def read_folder(folder: Path) -> list[AnnotatedImage]:
    found = find_files(folder)
    reader = AnnotationReader(found)
    read = [one for file in found.annotations for one in reader.read(file)]
    assert not [one for one in read if isinstance(one, Problem)]
    return [one for one in read if isinstance(one, AnnotatedImage)]


def repr_of(pair: tuple[Rle, str]) -> str:
    return f"{pair[0].counts.tolist()} {pair[1]}"
