"""What a data set's records say, but for the masks' pixels, as two Parquet tables to query."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from anymask.core.errors import MissingExtraError
from anymask.core.files import atomic_write
from anymask.dataset.recorded import RecordedImage

IMAGE_FILE, MASK_FILE = "images.parquet", "masks.parquet"
_IMAGES_PER_GROUP = 1000  # whose rows are in memory
_Row = dict[str, Any]


def write_parquet_index(images: Iterable[RecordedImage], folder: Path) -> None:
    """Write `images.parquet` and `masks.parquet` into the folder; they join by `image_id`.

    An image's row says in which shard it is, and as which pair of it (from 0); a mask's has all
    fields of its record but the segmentation, boxes as x, y, width, height, the first point only.

    Raises:
        MissingExtraError: PyArrow is not installed.
        OutputError: a file cannot be written.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "dataset") from None
    image_schema = pyarrow.schema(
        [
            ("image_id", pyarrow.int64()),
            ("shard", pyarrow.string()),
            ("number", pyarrow.int32()),
            ("file_name", pyarrow.string()),
            ("width", pyarrow.int32()),
            ("height", pyarrow.int32()),
            ("num_masks", pyarrow.int32()),
        ]
    )
    mask_schema = pyarrow.schema(
        [("id", pyarrow.int64()), ("image_id", pyarrow.int64()), ("area", pyarrow.int64())]
        + [(f"bbox_{side}", pyarrow.float64()) for side in "xywh"]
        + [("predicted_iou", pyarrow.float64()), ("stability_score", pyarrow.float64())]
        + [("point_x", pyarrow.float64()), ("point_y", pyarrow.float64())]
        + [(f"crop_{side}", pyarrow.float64()) for side in "xywh"]
    )
    with ExitStack() as stack:
        open_file = stack.enter_context
        image_stream = open_file(atomic_write(folder / IMAGE_FILE))
        mask_stream = open_file(atomic_write(folder / MASK_FILE))
        image_writer = open_file(pyarrow.parquet.ParquetWriter(image_stream, image_schema))
        mask_writer = open_file(pyarrow.parquet.ParquetWriter(mask_stream, mask_schema))
        for image_rows, mask_rows in _groups(iter(images)):
            image_writer.write_table(pyarrow.Table.from_pylist(image_rows, schema=image_schema))
            mask_writer.write_table(pyarrow.Table.from_pylist(mask_rows, schema=mask_schema))


def _groups(images: Iterator[RecordedImage]) -> Iterator[tuple[list[_Row], list[_Row]]]:
    """The rows of some images and of their masks, until there are no more images."""
    while True:
        image_rows: list[_Row] = []
        mask_rows: list[_Row] = []
        for recorded in itertools.islice(images, _IMAGES_PER_GROUP):
            image_rows.append(_image_row(recorded))
            mask_rows += _mask_rows(recorded)
        if not image_rows:
            return
        yield image_rows, mask_rows


def _image_row(recorded: RecordedImage) -> _Row:
    pair, image, masks = recorded
    where = {"shard": Path(pair.shard).name, "number": pair.number, "num_masks": len(masks)}
    return image.to_json() | where


def _mask_rows(recorded: RecordedImage) -> Iterator[_Row]:
    _, image, masks = recorded
    for mask in masks:
        point_x, point_y = mask.point_coords[0] if mask.point_coords else (None, None)
        yield {
            "id": mask.id,
            "image_id": image.image_id,
            "area": mask.area,
            "predicted_iou": mask.predicted_iou,
            "stability_score": mask.stability_score,
            "point_x": point_x,
            "point_y": point_y,
            **{f"bbox_{side}": value for side, value in zip("xywh", mask.bbox, strict=True)},
            **{f"crop_{side}": value for side, value in zip("xywh", mask.crop_box, strict=True)},
        }
