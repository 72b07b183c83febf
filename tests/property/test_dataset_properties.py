"""Laws of the readers and of the stream, for any data."""

import io
import itertools
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from anymask.core.rle import Rle
from anymask.dataset.place_random import uniforms
from anymask.dataset.sa1b import parse_sa1b
from anymask.dataset.sets import read_set
from anymask.dataset.shard_stream import ShardStream
from anymask.dataset.shards import read_pairs
from anymask.training.augment import View, cut_mask
from sa1b_archives import draw_image, pack, record_of, write_shards

Ids = NDArray[np.uint8]
# Any pixels: holes, islands and several parts are the rule.
ids = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 3))
)


def objects(labels: Ids) -> list[NDArray[np.bool_]]:
    return [labels == value for value in np.unique(labels) if value]


@given(ids, st.sampled_from(["coded", "listed"]))
@settings(max_examples=40, deadline=None)
def test_masks_survive_coco_and_lvis_files(labels: Ids, kind: str) -> None:
    H, W = labels.shape
    rles = [Rle.from_mask(mask) for mask in objects(labels)]
    content = {
        "images": [{"id": 5, "width": W, "height": H, "coco_url": "http://x/val2017/a.png"}],
        "annotations": [
            {
                "id": i,
                "image_id": 5,
                "category_id": 1,
                "segmentation": rle.to_coco() if kind == "coded" else rle.to_coco_uncompressed(),
            }
            for i, rle in enumerate(rles)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }
    with TemporaryDirectory() as folder:
        Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(Path(folder) / "a.png")
        (Path(folder) / "lvis_v1_val.json").write_text(json.dumps(content))
        if rles:
            (image,) = read_set(folder)
            assert [mask.rle for mask in image.masks] == rles


@given(ids, st.sampled_from(["numbers", "files"]))
@settings(max_examples=40, deadline=None)
def test_masks_survive_png_files(labels: Ids, kind: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        (folder / "masks" / "a").mkdir(parents=True)
        size = (labels.shape[1], labels.shape[0])
        Image.new("RGB", size).save(folder / "images" / "a.png")
        if kind == "numbers":
            (folder / "masks" / "a").rmdir()
            Image.fromarray(labels).save(folder / "masks" / "a.png")
        else:
            for i, mask in enumerate(objects(labels)):
                Image.fromarray(mask).save(folder / "masks" / "a" / f"{i}.png")
        if labels.any():
            (image,) = read_set(folder)
            found = [mask.rle.to_mask() for mask in image.masks]
            for got, truth in zip(found, objects(labels), strict=True):
                np.testing.assert_array_equal(got, truth)


@given(ids, st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_masks_survive_sa1b_archives(labels: Ids, is_gzip: bool, json_first: bool) -> None:
    masks = objects(labels) or [labels == 0]
    stream = io.BytesIO()
    Image.fromarray(draw_image(1, labels.shape)).save(stream, format="JPEG")
    files = [
        ("./sa_1.jpg", stream.getvalue()),
        ("./sa_1.json", json.dumps(record_of(1, masks)).encode()),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sa_000000.tar"
        path.write_bytes(pack(files[::-1] if json_first else files, is_gzip=is_gzip))
        (pair,) = read_pairs(str(path), set_aside=pytest.fail)
    assert pair is not None
    assert pair.image == stream.getvalue()
    for rle, truth in zip(parse_sa1b(pair.record).masks, masks, strict=True):
        np.testing.assert_array_equal(rle.to_mask(), truth)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_shards(tmp_path_factory.mktemp("shards"), [3, 1, 6], size=(8, 8))


@given(
    num_lanes=st.integers(1, 5),
    buffer_size=st.integers(2, 9),
    seed=st.integers(0, 5),
    first=st.integers(0, 40),
    fraction=st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=25, deadline=None)
def test_any_lane_resumes_anywhere(
    shards: list[str], num_lanes: int, buffer_size: int, seed: int, first: int, fraction: float
) -> None:
    stream = ShardStream(
        shards=tuple(shards),
        num_lanes=num_lanes,
        buffer_size=buffer_size,
        seed=seed,
        validation_fraction=fraction,
        set_aside=pytest.fail,
    )
    lane = seed % num_lanes
    whole = [draw.pair.label for draw in itertools.islice(stream.lane(lane), first + 4)]
    rest = [draw.pair.label for draw in itertools.islice(stream.lane(lane, first), 4)]
    assert rest == whole[first:]


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 2**40)))
def test_random_numbers_depend_on_nothing_but_their_place(
    key: list[int], places: list[int]
) -> None:
    together = uniforms(key, places)
    assert ((together >= 0) & (together < 1)).all()
    assert together.tolist() == [float(uniforms(key, place)) for place in places]


def test_random_numbers_look_random() -> None:
    values = uniforms([1, 2], np.arange(20_000))
    counts = np.histogram(values, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi-squared of 19 degrees, p = 0.0007
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


@given(ids, st.data())
@settings(max_examples=200, deadline=None)
def test_a_sample_of_runs_is_that_of_the_pixels(labels: Ids, data: st.DataObject) -> None:
    mask = labels > 1
    rows = data.draw(st.lists(st.integers(0, mask.shape[0] - 1), max_size=9))
    columns = data.draw(st.lists(st.integers(0, mask.shape[1] - 1), max_size=9))
    at = (np.array(rows, np.int64), np.array(columns, np.int64))
    np.testing.assert_array_equal(Rle.from_mask(mask).sample(*at), mask[at[0]][:, at[1]])


@given(ids, st.integers(1, 20), st.integers(1, 20), st.booleans(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_cut_mask_is_pillows_nearest(
    labels: Ids, h: int, w: int, flip: bool, data: st.DataObject
) -> None:
    H, W = labels.shape
    x0 = data.draw(st.floats(0, W - 0.5))
    y0 = data.draw(st.floats(0, H - 0.5))
    x1 = data.draw(st.floats(x0 + 0.25, W))
    y1 = data.draw(st.floats(y0 + 0.25, H))
    view = View(box=(x0, y0, x1, y1), size=(h, w), flip=flip)
    source = Image.fromarray(labels > 1)
    truth = np.asarray(source.resize((w, h), Image.Resampling.NEAREST, box=view.box))
    cut = cut_mask(Rle.from_mask(labels > 1), view, 20)
    np.testing.assert_array_equal(cut[:h, :w], truth[:, ::-1] if flip else truth)
    assert not cut[h:].any()
    assert not cut[:, w:].any()
