import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco
from scipy import ndimage

from anymask.core.frames import ImageFrame
from anymask.core.geometry import box_iou, mask_iou, mask_to_box, non_max_suppression
from anymask.core.regions import connected_components, remove_small_regions
from anymask.core.rle import Rle

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24))
coordinates = st.floats(0, 100, width=32)
corner_boxes = st.tuples(coordinates, coordinates, coordinates, coordinates).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


@given(masks)
def test_rle_round_trips_and_equals_pycocotools(mask):
    rle = Rle.from_mask(mask)
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert rle.to_coco()["counts"].encode() == expected["counts"]
    assert Rle.from_coco(rle.to_coco()) == rle
    np.testing.assert_array_equal(rle.to_mask(), mask)
    np.testing.assert_array_equal(rle.to_box(), mask_to_box(mask))
    assert rle.area == mask.sum()
    assert (rle.counts[1:] > 0).all()


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=40))
def test_text_of_any_runs_equals_pycocotools(counts):
    size = [1, sum(counts)]
    assume(0 < size[1] < 2**31)
    rle = Rle.from_coco({"size": size, "counts": counts})
    expected = coco.frPyObjects({"size": size, "counts": rle.counts.tolist()}, *size)
    assert rle.to_coco()["counts"].encode() == expected["counts"]
    assert Rle.from_coco(expected) == rle
    # Runs of zero are not canonical, but the same pixels.
    assert Rle.from_coco(coco.frPyObjects({"size": size, "counts": counts}, *size)) == rle


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.integers(1, 1024),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_frames_round_trip(original_size, image_size, fractions):
    frame = ImageFrame(original_size=original_size, image_size=image_size)
    height, width = original_size
    points = np.array(fractions) * (width, height)
    there = frame.points_to_model(points)
    assert (there >= 0.5).all()
    assert (there <= np.array(frame.input_size[::-1]) + 0.5).all()
    # One float32 step in the model frame, magnified on the way back, and one in the original frame.
    step = np.spacing(np.float32(image_size + 1))
    magnified = step * max(np.array(original_size) / frame.input_size)
    atol = magnified + np.spacing(np.float32(max(original_size)))
    np.testing.assert_allclose(frame.points_to_original(there), points, atol=atol)


@given(
    st.lists(corner_boxes, min_size=1, max_size=6), st.lists(corner_boxes, min_size=1, max_size=6)
)
def test_box_iou_is_symmetric_and_within_bounds(a, b):
    iou = box_iou(a, b)
    np.testing.assert_allclose(iou, box_iou(b, a).T)
    assert (iou >= 0).all()
    assert (iou <= 1 + 1e-9).all()


@given(masks, st.data())
def test_mask_iou_is_symmetric_and_one_with_itself(mask, data):
    other = data.draw(hnp.arrays(np.bool_, mask.shape))
    assert mask_iou(mask, other) == mask_iou(other, mask)
    assert mask_iou(mask, mask) == 1.0


@given(st.lists(corner_boxes, min_size=1, max_size=12), st.floats(0, 1), st.randoms())
def test_suppression_does_not_depend_on_the_order(boxes, iou_thresh, random):
    array, scores = np.array(boxes), np.arange(len(boxes)) / 7
    order = np.array(random.sample(range(len(boxes)), len(boxes)))
    kept = non_max_suppression(array, scores, iou_thresh)
    shuffled = non_max_suppression(array[order], scores[order], iou_thresh)
    np.testing.assert_array_equal(order[shuffled], kept)
    # Nothing kept overlaps too much, and everything dropped overlaps a better one kept.
    iou = box_iou(array, array[kept])
    among_kept = iou[kept]
    assert (among_kept[~np.eye(len(kept), dtype=bool)] <= iou_thresh).all()
    for index in set(range(len(boxes))) - set(kept.tolist()):
        assert (iou[index, scores[kept] > scores[index]] > iou_thresh).any()


@given(masks, st.integers(0, 12), st.sampled_from(["holes", "islands"]))
def test_removing_small_regions_is_idempotent(mask, min_area, mode):
    cleaned = remove_small_regions(Rle.from_mask(mask), min_area, mode)
    assert remove_small_regions(cleaned, min_area, mode) is cleaned


def without_small_parts(mask, min_area, mode):
    """Return what `remove_small_regions` should, from labels of pixels."""
    if mode == "islands":
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        small = [k + 1 for k in range(count) if areas[k] < min_area and k != areas.argmax()]
        return mask & ~np.isin(labels, small)
    labels, count = ndimage.label(~mask)
    outer = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    holes = [k for k in range(1, count + 1) if areas[k] < min_area and k not in outer]
    return mask | np.isin(labels, holes)


@given(masks, st.integers(0, 12), st.sampled_from(["holes", "islands"]))
def test_small_regions_of_runs_are_those_of_pixels(mask, min_area, mode):
    cleaned = remove_small_regions(Rle.from_mask(mask), min_area, mode).to_mask()
    expected = without_small_parts(mask, min_area, mode)
    if mode == "islands" and cleaned.sum() == expected.sum() and (cleaned != expected).any():
        return  # two largest islands of one size: either may stay
    np.testing.assert_array_equal(cleaned, expected)


@given(masks, st.sampled_from([4, 8]))
def test_parts_of_runs_are_those_of_pixels(mask, connectivity):
    structure = ndimage.generate_binary_structure(2, connectivity // 4)
    assert (
        connected_components(Rle.from_mask(mask), connectivity)[1]
        == (ndimage.label(mask, structure)[1])
    )


@given(masks, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_placed_mask_is_the_padded_one(mask, left, right, top, bottom):
    padded = np.pad(mask, ((top, bottom), (left, right)))
    placed = Rle.from_mask(mask).placed(padded.shape, left, top)
    assert placed == Rle.from_mask(padded)


@given(masks)
def test_column_runs_and_the_background_hold_the_mask(mask):
    rle = Rle.from_mask(mask)
    columns, row_starts, row_stops = rle.column_runs()
    assert (row_starts < row_stops).all()
    assert (row_stops <= mask.shape[0]).all()
    order = np.random.default_rng(0).permutation(len(columns))
    again = Rle.from_column_runs(rle.size, columns[order], row_starts[order], row_stops[order])
    assert again == rle
    assert rle.inverted() == Rle.from_mask(~mask)
