"""One archive in SA-1B's layout: `./sa_N.jpg` and `./sa_N.json` side by side, nothing by chance.

The same images give the same bytes: no times, owners or rights of files are kept, and mask ids are
a function of the image's id and the mask's place in it.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from anymask.core.errors import InvalidInputError
from anymask.core.files import atomic_write
from anymask.core.records import ImageRecord, MaskRecord, exact_box, mask_id, released_box
from anymask.dataset.release import ReleasedImage


@dataclass(frozen=True, kw_only=True)
class ShardSummary:
    """What a shard's line in the manifest says.

    Attributes:
        name: of the file.
        num_bytes: of the file.
        sha256: of the file, hexadecimal.
        num_images: in it.
        num_masks: in it.
    """

    name: str
    num_bytes: int
    sha256: str
    num_images: int
    num_masks: int

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON data."""
        return asdict(self)


def shard_name(number: int) -> str:
    """Return the file name of the shard of that number, from 0.

    >>> shard_name(12)
    'sa_000012.tar'
    """
    return f"sa_{number:06d}.tar"


def write_shard(
    path: str | Path, images: Iterable[ReleasedImage], *, released_bbox: bool = False
) -> ShardSummary:
    """Write an archive of images, whole or not at all; one image at a time is in memory.

    Args:
        path: of the archive, as `shard_name` has it.
        images: by ascending image id.
        released_bbox: write boxes as SA-1B's are, last inside pixel minus first, so one short in
            width and height; else COCO's exact boxes.

    Raises:
        InvalidInputError: ids do not ascend, or an image has too many masks.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    num_images = num_masks = 0
    with atomic_write(path) as stream:
        hashing = _HashingWriter(stream)
        with tarfile.open(fileobj=hashing, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for image in _ascending(images):
                stem = f"./sa_{image.image_id}"
                _add(archive, f"{stem}.jpg", image.jpeg)
                _add(archive, f"{stem}.json", _record(image, released_bbox=released_bbox))
                archive.members.clear()  # type: ignore[attr-defined]  # else they all stay in memory
                num_images += 1
                num_masks += len(image.masks)
    return ShardSummary(
        name=path.name,
        num_bytes=hashing.num_bytes,
        sha256=hashing.digest.hexdigest(),
        num_images=num_images,
        num_masks=num_masks,
    )


class _HashingWriter(io.RawIOBase):
    """Passes on what is written, and knows its hash and length."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self.digest = hashlib.sha256()
        self.num_bytes = 0

    def tell(self) -> int:
        return self.num_bytes

    def write(self, data: Any) -> int:
        self._stream.write(data)
        self.digest.update(data)
        self.num_bytes += len(data)
        return len(data)


def _ascending(images: Iterable[ReleasedImage]) -> Iterator[ReleasedImage]:
    last = -1
    for image in images:
        if image.image_id <= last:
            raise InvalidInputError(
                f"images must come by ascending image_id from 0 on, got {image.image_id} after "
                f"{last}. Sort them, and give each an id of its own."
            )
        last = image.image_id
        yield image


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, owner and group are 0, rights 0644
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _record(image: ReleasedImage, *, released_bbox: bool) -> bytes:
    height, width = image.original_size
    record = ImageRecord(
        image_id=image.image_id, width=width, height=height, file_name=f"sa_{image.image_id}.jpg"
    )
    masks = [
        _numbered(mask, mask_id(image.image_id, place), released_bbox)
        for place, mask in enumerate(image.masks)
    ]
    content = {"image": record.to_json(), "annotations": [mask.to_json() for mask in masks]}
    return json.dumps(content, allow_nan=False).encode()


def _numbered(mask: MaskRecord, number: int, released_bbox: bool) -> MaskRecord:
    rle = mask.segmentation
    box = released_box(rle) if released_bbox else exact_box(rle)
    return replace(mask, bbox=box, area=rle.area, id=number)
