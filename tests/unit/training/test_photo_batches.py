import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.dataset.photo_folder import find_photos
from anymask.training.photo_batches import (
    PhotoSet,
    make_held_out_batches,
    make_photo_batch,
    middle_square,
    random_crop,
)
from anymask.training.pretrain_config import PretrainConfig, mae_tiny

CONFIG = dataclasses.replace(
    mae_tiny(), image_size=32, batch_size=4, validation_fraction=0.0, num_steps=10
)


def _draw_photos(folder: Path, count: int) -> Path:
    """Plain colours: the red value tells which photo a crop is of."""
    for i in range(count):
        color = (10 * i, 100, 200)
        Image.new("RGB", (40 + i, 30), color).save(folder / f"{i:02d}.png")
    return folder


def _photo_set(folder: Path, config: PretrainConfig = CONFIG) -> PhotoSet:
    return PhotoSet(find_photos([folder]), config)


def test_rows_do_not_depend_on_who_makes_them(tmp_path: Path) -> None:
    photos = _photo_set(_draw_photos(tmp_path, 7))
    whole = make_photo_batch(photos, CONFIG, step=3, rows=range(4))
    assert whole.images.shape == (4, 3, 32, 32)
    assert whole.images.dtype == torch.uint8
    assert whole.visible.shape == (4, 1)
    parts = [make_photo_batch(photos, CONFIG, step=3, rows=range(i, i + 2)) for i in (0, 2)]
    assert torch.equal(torch.cat([p.images for p in parts]), whole.images)
    assert torch.equal(torch.cat([p.visible for p in parts]), whole.visible)
    assert parts[0].sources + parts[1].sources == whole.sources
    again = make_photo_batch(_photo_set(tmp_path), CONFIG, step=3, rows=range(4))
    assert torch.equal(again.images, whole.images)
    other = make_photo_batch(photos, dataclasses.replace(CONFIG, seed=1), step=3, rows=range(4))
    assert not torch.equal(other.images, whole.images)


def test_each_epoch_shows_every_photo_once_in_a_new_order(tmp_path: Path) -> None:
    photos = _photo_set(_draw_photos(tmp_path, 6))
    seen = [
        path
        for step in range(6)  # 24 rows are four epochs of six photos
        for path in make_photo_batch(photos, CONFIG, step, range(4)).sources
    ]
    epochs = [seen[i : i + 6] for i in range(0, 24, 6)]
    assert all(sorted(epoch) == sorted(photos.train) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_damaged_files_are_set_aside_once_and_replaced_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _draw_photos(tmp_path, 5)
    (tmp_path / "03.png").write_bytes((tmp_path / "03.png").read_bytes()[:40])
    (tmp_path / "empty.jpg").write_bytes(b"")
    photos = _photo_set(tmp_path)
    batches = [make_photo_batch(photos, CONFIG, step, range(4)) for step in range(6)]
    names = {path.name for batch in batches for path in batch.sources}
    assert names == {"00.png", "01.png", "02.png", "04.png"}
    assert photos.num_set_aside == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("set aside: ") for line in lines)
    assert any("03.png" in line for line in lines)
    # One that learns of the damage only now makes the same rows.
    again = make_photo_batch(_photo_set(tmp_path), CONFIG, 5, range(4))
    assert again.sources == batches[5].sources
    assert torch.equal(again.images, batches[5].images)


def test_a_folder_of_damaged_files_is_an_error(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(b"no image")
    with pytest.raises(InvalidInputError, match="photos must be readable, got none in 20 draws"):
        make_photo_batch(_photo_set(tmp_path), CONFIG, 0, range(4))


def test_held_out_photos_stay_held_out_when_others_are_added(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, validation_fraction=0.4)
    _draw_photos(tmp_path, 10)
    before = _photo_set(tmp_path, config)
    assert 0 < len(before.held_out) < 10
    assert not set(before.held_out) & set(before.train)
    for i in range(10, 15):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{i}.png")
    after = _photo_set(tmp_path, config)
    assert set(before.held_out) <= set(after.held_out)
    assert set(before.train) <= set(after.train)


def test_held_out_photos_are_hidden_alike_whatever_the_seed_and_batch(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, validation_fraction=0.6)
    photos = _photo_set(_draw_photos(tmp_path, 10), config)
    (one,) = make_held_out_batches(photos, config.mae, batch_size=100)
    other = list(make_held_out_batches(photos, config.mae, batch_size=2))
    assert torch.equal(torch.cat([b.visible for b in other]), one.visible)
    assert torch.equal(torch.cat([b.images for b in other]), one.images)
    assert one.sources == photos.held_out


def test_all_photos_held_out_is_an_error(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, validation_fraction=1.0)
    with pytest.raises(InvalidInputError, match="got 3 in all, all held out"):
        _photo_set(_draw_photos(tmp_path, 3), config)


def _ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, over the whole range."""
    red = np.broadcast_to(np.linspace(0, 255, width), (height, width))
    green = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    return Image.fromarray(np.stack([red, green, 0 * red], -1).astype(np.uint8))


def test_crops_keep_their_bounds_of_area_and_aspect() -> None:
    image = _ramp(256, 256)
    areas, aspects, flips = [], [], 0
    for seed in range(300):
        crop = random_crop(image, CONFIG, np.random.default_rng(seed)).astype(float) / 255
        width = abs(crop[16, -1, 0] - crop[16, 0, 0]) * 32 / 31
        height = (crop[-1, 16, 1] - crop[0, 16, 1]) * 32 / 31
        flips += crop[16, -1, 0] < crop[16, 0, 0]
        areas.append(width * height)
        aspects.append(width / height)
    assert min(areas) > 0.17
    assert 0.9 < max(areas) < 1.05
    assert np.mean(areas) == pytest.approx(0.6, abs=0.05)
    assert 0.7 < min(aspects) < 0.85
    assert 1.2 < max(aspects) < 1.45
    assert 100 < flips < 200


def test_crops_of_a_narrow_photo_stay_inside_it() -> None:
    for size in ((9, 200), (200, 9), (1, 1)):
        for seed in range(20):
            crop = random_crop(_ramp(*size), CONFIG, np.random.default_rng(seed))
            assert crop.shape == (32, 32, 3)


def test_the_middle_square_is_the_middle() -> None:
    square = middle_square(_ramp(300, 100), 32).astype(float) / 255
    assert square[16, 0, 0] == pytest.approx(1 / 3, abs=0.02)
    assert square[16, -1, 0] == pytest.approx(2 / 3, abs=0.02)
    assert square[0, 16, 1] < 0.03
    assert square[-1, 16, 1] > 0.97
