"""Plain PNG masks: `masks/` beside `images/`, as `dataset.mask_folder` reads it for training."""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from PIL import Image

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.records import ImageRecord
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name
from anymask.dataset.mask_folder import CATEGORY_FILE, read_categories, read_masks

FOLDER = "masks"
# What file systems do not take, and what ends a name for the reader.
_UNFIT = re.compile(r'[\\/:*?"<>|]')


def read_mask_pngs(path: Path, file: str, pictures: Pictures) -> Iterator[AnnotatedImage | Problem]:
    """Yield the image of a PNG of numbers or of a folder of PNGs; see `reading.AnnotationReader`.

    Args:
        path: of the PNG or folder, in the folder `masks`.
        file: its name for people.
        pictures: among which is its picture, of the same name.
    """
    with problems_of(file) as problems:
        picture = pictures.find(file.removesuffix(".png"))
        categories = read_categories(path.parent.parent / CATEGORY_FILE)
        masks = tuple(
            AnnotatedMask(segmentation=rle, name=tidy_name(name))
            for rle, name in read_masks(path, categories)
            if rle.area
        )
        height, width = picture.size
        record = ImageRecord(image_id=0, height=height, width=width, file_name=picture.name)
        yield AnnotatedImage(image=record, masks=masks)
    yield from problems


def write_masks(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield a PNG a mask, 255 inside and 0 outside, named after what it shows and its number."""
    for image in images:
        folder = PurePosixPath(FOLDER, image.image.file_name).with_suffix("")
        for i, mask in enumerate(image.masks):
            stream = io.BytesIO()
            Image.fromarray(mask.segmentation.to_mask()).save(stream, format="PNG")
            name = _UNFIT.sub("-", mask.label).strip(".") or "mask"
            yield WrittenFile(path=f"{folder}/{name}_{i + 1:04d}.png", pieces=[stream.getvalue()])
