import hashlib
from pathlib import Path

import numpy as np
import pytest

from anymask.core.image_io import write_png
from anymask.engine import assisted_manual
from anymask.engine.assisted_manual import choose_photos, need_of_photo
from anymask.engine.plan import QueueOptions
from anymask.engine.store.blobs import FolderBlobs, image_blob
from anymask.engine.store.projects import ImageFile
from tiny_predictor import noise_image, tiny_predictor

OPTIONS = QueueOptions(candidates_per_image=2, need_fraction=0.5, points_per_side=2)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "files")


def make_photos(tmp_path: Path, blobs: FolderBlobs, count: int) -> list[ImageFile]:
    """Photos whose brightness is their number."""
    photos = []
    for number in range(count):
        write_png(tmp_path / "one.png", np.full((8, 9, 3), number, np.uint8))
        data = (tmp_path / "one.png").read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        blobs.write(image_blob(digest), data)
        photos.append(
            ImageFile(
                digest=digest, name=f"{number}.png", media_type="image/png", width=9, height=8
            )
        )
    return photos


def test_the_neediest_come_first_and_half_are_drawn_at_random(
    tmp_path: Path, blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        assisted_manual, "need_of_photo", lambda predictor, pixels, side: pixels[0, 0, 0] / 255
    )
    photos = make_photos(tmp_path, blobs, 20)
    chosen = choose_photos(photos, 4, OPTIONS, tiny_predictor(), blobs, "0/1")
    needs = [photo.need for photo in chosen]
    assert len(chosen) == 4
    assert needs == sorted(needs, reverse=True)
    # Eight candidates were looked at; the two neediest of them are there, whatever the others are.
    by_key = choose_photos(photos, 8, OPTIONS, None, blobs, "0/1")
    looked_at = sorted((int(p.file.name.removesuffix(".png")) / 255 for p in by_key), reverse=True)
    assert needs[:2] == looked_at[:2]
    again = choose_photos(photos[::-1], 4, OPTIONS, tiny_predictor(), blobs, "0/1")
    assert again == chosen  # whatever order they were given in
    other = choose_photos(photos, 4, OPTIONS, tiny_predictor(), blobs, "0/2")
    assert {p.file.digest for p in other} != {p.file.digest for p in chosen}


def test_fewer_photos_than_wanted_are_all_taken(tmp_path: Path, blobs: FolderBlobs) -> None:
    photos = make_photos(tmp_path, blobs, 3)
    assert len(choose_photos(photos, 9, OPTIONS, tiny_predictor(), blobs, "")) == 3
    assert {p.need for p in choose_photos(photos, 9, OPTIONS, None, blobs, "")} == {None}


def test_need_is_between_nothing_and_all_and_the_same_each_time() -> None:
    need = need_of_photo(tiny_predictor(), noise_image(), 3)
    assert 0 <= need <= 1
    assert need_of_photo(tiny_predictor(), noise_image(), 3) == need
