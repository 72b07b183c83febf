"""LVIS v1's instance JSON: COCO's with polygons only, and with categories that are counted."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from anymask.core.annotated import AnnotatedImage
from anymask.dataset.formats.coco import image_row, mask_row
from anymask.dataset.formats.written import WrittenFile

FILE = "lvis_annotations.json"
# LVIS's own bounds: categories in up to 10 images are rare, in up to 100 common.
_MAX_RARE, _MAX_COMMON = 10, 100


def write_lvis(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield the file; crowds, which LVIS does not have, are left out.

    Nobody said that all objects of a category are there, nor which are not: an image's categories
    are all in `not_exhaustive_category_ids`, and `neg_category_ids` are empty.
    """
    yield WrittenFile(path=FILE, pieces=_pieces(images, title))


def _pieces(images: Iterable[AnnotatedImage], title: str) -> Iterator[bytes]:
    rows: list[str] = []
    categories: dict[str, int] = {}
    num_masks: Counter[str] = Counter()
    num_images: Counter[str] = Counter()
    number = 0
    yield f'{{"info": {json.dumps({"description": title})}, "annotations": ['.encode()
    for image in images:
        masks = [mask for mask in image.masks if not mask.is_crowd]
        for position, mask in enumerate(masks):
            number += 1
            category_id = categories.setdefault(mask.label, len(categories) + 1)
            row = {"id": number, "image_id": image.image.image_id, "category_id": category_id}
            row |= mask_row(mask, position, as_polygons=True)
            yield ((", " if number > 1 else "") + json.dumps(row)).encode()
        labels = {mask.label for mask in masks}
        num_masks.update(mask.label for mask in masks)
        num_images.update(labels)
        there = sorted(categories[label] for label in labels)
        lists = {"not_exhaustive_category_ids": there, "neg_category_ids": []}
        rows.append(json.dumps(image_row(image.image) | lists))
    yield b'], "images": ['
    for i, text in enumerate(rows):
        yield ((", " if i else "") + text).encode()
    listed = [
        _category(name, number, num_images[name], num_masks[name])
        for name, number in categories.items()
    ]
    yield f'], "categories": {json.dumps(listed)}}}\n'.encode()


def _category(name: str, number: int, num_images: int, num_masks: int) -> dict[str, Any]:
    frequency = "r" if num_images <= _MAX_RARE else "c" if num_images <= _MAX_COMMON else "f"
    return {
        "id": number,
        "name": name,
        "synset": name,
        "synonyms": [name],
        "def": "",
        "frequency": frequency,
        "image_count": num_images,
        "instance_count": num_masks,
    }
