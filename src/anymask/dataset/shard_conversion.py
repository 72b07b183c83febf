"""Shards in the formats that other tools read, image after image: nothing is held but the names."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import UnknownNameError
from anymask.core.files import write_bytes
from anymask.core.records import MaskRecord
from anymask.dataset.formats.converting import Conversion, new_folder, write_files
from anymask.dataset.formats.registry import FORMATS
from anymask.dataset.parquet_index import write_parquet_index
from anymask.dataset.recorded import RecordedImage, dataset_parts, iter_dataset

PARQUET = "parquet"
# To have SA-1B's own files, which know more than an annotation does, an archive is unpacked.
TARGETS = (*(name for name in FORMATS if name != "sa1b"), PARQUET)


def convert_dataset(
    source: str | Path,
    output: str | Path,
    target: str,
    *,
    with_pictures: bool = False,
    on_image: Callable[[int], None] = lambda count: None,
) -> Conversion:
    """Write a data set in another format into the new folder `output`.

    Args:
        source: as `iter_dataset` takes it.
        output: that is not there yet, or empty.
        target: one of `TARGETS`; masks have no names, so all are of one category.
        with_pictures: put the images, as they are in the shards, where the format has them.
        on_image: told of each image.

    Raises:
        UnknownNameError: no such format.
        InvalidInputError: no data set is there, or something in it is damaged.
        OutputError: the output is not empty or cannot be written.
        MissingExtraError: Parquet, without its package.
    """
    if target not in TARGETS:
        raise UnknownNameError("format", target, TARGETS)
    dataset_parts(source)  # before anything is made
    writing = None if target == PARQUET else FORMATS[target]
    folder = new_folder(Path(output))
    pictures = folder / ("images" if writing is None else writing.picture_folder)
    if with_pictures:
        pictures.mkdir(exist_ok=True)
    num_images = num_masks = 0

    def passing() -> Iterator[RecordedImage]:
        nonlocal num_images, num_masks
        for recorded in iter_dataset(source):
            pair, _, masks = recorded
            if with_pictures:
                write_bytes(pictures / PurePosixPath(pair.name).name, pair.image)
            yield recorded
            num_images += 1
            num_masks += len(masks)
            on_image(1)

    if writing is None:
        write_parquet_index(passing(), folder)
    else:
        write_files(writing.write(map(_annotated, passing()), Path(source).name), folder)
    return Conversion(images=num_images, masks=num_masks, problems=())


def _annotated(recorded: RecordedImage) -> AnnotatedImage:
    pair, image, masks = recorded
    # A record's own file_name may be any path; the member's name is one of an image.
    image = replace(image, file_name=PurePosixPath(pair.name).name)
    return AnnotatedImage(image=image, masks=tuple(_annotated_mask(mask) for mask in masks))


def _annotated_mask(mask: MaskRecord) -> AnnotatedMask:
    return AnnotatedMask(
        segmentation=mask.segmentation,
        predicted_iou=mask.predicted_iou,
        point_coords=mask.point_coords,
        id=str(mask.id),
    )
