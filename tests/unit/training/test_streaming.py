"""Archives in batches: the same rows for any number of processes, and from any step on."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.training.batches import TrainBatch, batches, make_validation_batch
from anymask.training.config import AugmentConfig, Stage, StreamConfig, TrainConfig
from anymask.training.examples import Example, ExampleSet, ImageCache
from anymask.training.presets import tiny
from anymask.training.share import Share
from anymask.training.streaming import (
    SetAside,
    held_out_examples,
    longest_cached_side,
    read_data,
    rows_before,
)
from sa1b_archives import draw_masks, pack, pair_files, record_of, write_shards


def make_config(**changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {
        "stages": (
            Stage(end_step=4, image_size=64, batch_size=4),
            Stage(end_step=9, image_size=32, batch_size=6),
        ),
        "validation_fraction": 0.0,
        "stream": StreamConfig(num_lanes=3, buffer_size=4),
    }
    return dataclasses.replace(tiny(), **{**settings, **changes})


def read(sources: list[Path | str], config: TrainConfig, folder: Path) -> ExampleSet:
    return read_data(sources, config, folder / "counts")[0]


def run(
    examples: ExampleSet, config: TrainConfig, first: int = 0, share: Share | None = None
) -> list[TrainBatch]:
    return list(batches(examples, ImageCache(), config, first, share or Share()))


def assert_equal(a: TrainBatch, b: TrainBatch) -> None:
    assert a.paths == b.paths
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.target_masks, b.target_masks)
    assert torch.equal(a.target_boxes, b.target_boxes)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(write_shards(tmp_path_factory.mktemp("shards"), [7, 5, 6])[0]).parent


@pytest.mark.parametrize("is_mixed", [False, True])
def test_any_number_of_processes_sees_the_same_rows(
    shards: Path, shapes_folder: Path, tmp_path: Path, is_mixed: bool
) -> None:
    config = make_config()
    sources = [shards, shapes_folder] if is_mixed else [shards]
    whole = run(read(sources, config, tmp_path), config)
    assert len(whole) == 9
    for count in (2, 3):
        parts = [
            run(read(sources, config, tmp_path), config, share=Share(index=i, count=count))
            for i in range(count)
        ]
        for step, batch in enumerate(whole):
            of_step = [part[step] for part in parts]
            assert batch.paths == tuple(itertools.chain(*(part.paths for part in of_step)))
            assert torch.equal(batch.images, torch.cat([part.images for part in of_step]))
            assert torch.equal(
                batch.target_masks, torch.cat([part.target_masks for part in of_step])
            )


@pytest.mark.parametrize("is_mixed", [False, True])
@pytest.mark.parametrize("first", [1, 4, 7])
def test_a_run_goes_on_from_any_step(
    shards: Path, shapes_folder: Path, tmp_path: Path, first: int, is_mixed: bool
) -> None:
    config = make_config(num_loader_threads=3)
    sources = [shapes_folder, shards] if is_mixed else [shards]
    whole = run(read(sources, config, tmp_path / "a"), config)
    for folder in ("a", "b"):  # counts that are known, and that are not
        rest = run(read(sources, config, tmp_path / folder), config, first)
        for a, b in zip(whole[first:], rest, strict=True):
            assert_equal(a, b)


def test_the_images_and_masks_are_those_of_the_archive(shards: Path, tmp_path: Path) -> None:
    augment = AugmentConfig(
        full_view_probability=1.0, flip_probability=0.0, color_jitter=0.0, grey_probability=0.0
    )
    config = make_config(augment=augment, stages=(Stage(end_step=2, image_size=64, batch_size=4),))
    batch = run(read([shards], config, tmp_path), config)[0]
    for row, path in enumerate(batch.paths):
        number = int(path.rpartition("sa_")[2].removesuffix(".jpg"))
        pixels = np.asarray(Image.open(_file(tmp_path, number)).convert("RGB"))
        np.testing.assert_array_equal(batch.images[row, :, :48].permute(1, 2, 0), pixels)
        truths = [torch.from_numpy(mask) for mask in draw_masks(number)]
        for target in batch.target_masks[batch.image_index == row]:
            area = 16 * float(target.sum())
            assert any(area == float(truth.sum()) for truth in truths)


def _file(folder: Path, number: int) -> Path:
    path = folder / f"{number}.jpg"
    path.write_bytes(pair_files(number)[0][1])
    return path


def test_a_mixture_takes_its_share_of_rows(shards: Path, shapes_folder: Path) -> None:
    config = make_config(
        stages=(Stage(end_step=3000, image_size=64, batch_size=8),),
        stream=StreamConfig(num_lanes=4, fraction=0.25),
    )
    counts = rows_before(config, 4, 3000, is_mixed=True)
    assert counts.sum() / 24_000 == pytest.approx(0.25, abs=0.01)
    assert rows_before(config, 4, 100, is_mixed=False).tolist() == [200] * 4
    steps = [rows_before(config, 4, step, is_mixed=True) for step in (4100 - 4096, 5)]
    assert (steps[1] >= steps[0]).all()


def test_damage_is_set_aside_and_another_image_takes_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [file for number in range(30) for file in pair_files(number)]
    files[0] = (files[0][0], b"\xff\xd8\xff no image")
    files[3] = (files[3][0], b"{")
    files[5] = (files[5][0], json.dumps(record_of(2, draw_masks(2), annotations=[])).encode())
    files[7] = (files[7][0], json.dumps(record_of(3, draw_masks(3, (20, 20)))).encode())
    broken = record_of(4, draw_masks(4))
    for item in broken["annotations"]:
        item["segmentation"]["counts"] = "~~"
    files[9] = (files[9][0], json.dumps(broken).encode())
    (tmp_path / "a.tar").write_bytes(pack(files))
    config = make_config(
        stages=(Stage(end_step=20, image_size=64, batch_size=4),),
        stream=StreamConfig(num_lanes=2, buffer_size=12),
    )
    examples = read([tmp_path], config, tmp_path)
    seen = {Path(path).name for batch in run(examples, config) for path in batch.paths}
    assert seen == {f"a.tar:sa_{i}.jpg" for i in range(5, 30)}
    assert examples.stream is not None
    assert isinstance(examples.stream.set_aside, SetAside)
    assert examples.stream.set_aside.count >= 5
    lines = capsys.readouterr().err
    for number, reason in (
        (0, "must be"),
        (1, "SA-1B's JSON"),
        (2, "must have masks, got none"),
        (3, r"must have the size (H, W) of its masks, (20, 20), got (48, 64)"),
        (4, "segmentation of annotation"),
    ):
        line = next(line for line in lines.splitlines() if f"sa_{number}.jpg" in line)
        assert line.startswith(f"set aside: {tmp_path}/a.tar:sa_{number}.jpg: ")
        assert reason in line
    again = run(read([tmp_path], config, tmp_path), config, 5)
    assert {Path(path).name for batch in again for path in batch.paths} <= seen


def test_an_archive_of_damaged_images_only_ends_in_one_line(tmp_path: Path) -> None:
    files = [file for number in range(4) for file in pair_files(number)]
    files = [(name, b"no image" if name.endswith("jpg") else data) for name, data in files]
    (tmp_path / "a.tar").write_bytes(pack(files))
    config = make_config()
    with pytest.raises(InvalidInputError, match="must hold usable images, got none in") as caught:
        run(read([tmp_path], config, tmp_path), config)
    assert "\n" not in str(caught.value)


def test_many_lines_about_damage_become_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    set_aside = SetAside()
    for i in range(50):
        set_aside(f"a.tar: sa_{i // 2}.jpg has no JSON")
    assert set_aside.count == 25
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[0] == "set aside: a.tar: sa_0.jpg has no JSON."
    assert lines[-1] == "set aside: what else there is is only counted."


def test_held_out_images_validate_and_do_not_train(shards: Path, tmp_path: Path) -> None:
    config = make_config(validation_fraction=0.4)
    examples = read([shards], config, tmp_path)
    assert examples.stream is not None
    held_out = held_out_examples(examples.stream, 3)
    assert len(held_out) == 3
    batch = make_validation_batch(held_out, ImageCache(), config, 64)
    assert batch is not None
    assert batch.paths == tuple(example.label for example in held_out)
    seen = {path for step in run(examples, config) for path in step.paths}
    assert not seen & set(batch.paths)


def test_pasted_objects_come_from_the_stream_too(shards: Path, tmp_path: Path) -> None:
    config = make_config(augment=AugmentConfig(paste_probability=1.0, max_scale=1.0))
    examples = read([shards], config, tmp_path)
    plain = make_config(augment=AugmentConfig(max_scale=1.0))
    for pasted, without in zip(run(examples, config), run(examples, plain), strict=True):
        assert pasted.paths == without.paths
        assert not torch.equal(pasted.images, without.images)
    for a, b in zip(run(examples, config, 6), run(examples, config)[6:], strict=True):
        assert_equal(a, b)


def test_a_large_photo_is_decoded_as_small_as_the_view_allows(tmp_path: Path) -> None:
    H, W = 300, 400
    rows, columns = np.mgrid[:H, :W]
    pixels = np.stack([rows * 255 // H, columns * 255 // W, 0 * rows], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    example = Example(
        path=tmp_path / "a.jpg", original_size=(H, W), masks=(), names=(), source="x:a.jpg"
    )
    assert example.label == "x:a.jpg"
    for least_side, size in (
        (400, (400, 300)),
        (201, (400, 300)),
        (200, (200, 150)),
        (64, (100, 75)),
    ):
        image = example.read_image(least_side)
        assert image.size == size
        whole = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
        difference = np.asarray(image).astype(int) - np.asarray(whole)
        assert abs(difference).max() < 8
    wrong = dataclasses.replace(
        example, original_size=(150, 200)
    )  # a half would fit, but is not it
    with pytest.raises(
        InvalidInputError, match=r"x:a\.jpg must have .*\(150, 200\), got \(300, 400"
    ):
        wrong.read_image(64)
    with pytest.raises(ImageReadError):
        dataclasses.replace(example, data=b"no image").read_image()


def test_photographs_in_memory_are_large_enough_for_the_run() -> None:
    assert longest_cached_side(make_config()) == 720
    large = make_config(stages=(Stage(end_step=1, image_size=1024, batch_size=4),))
    assert longest_cached_side(large) == 2048


def test_more_processes_than_lanes_are_told_what_to_set(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(stages=(Stage(end_step=1, image_size=64, batch_size=6),))
    examples = read([shards], config, tmp_path)
    for index in range(6):
        run(examples, config, share=Share(index=index, count=6))
    assert capsys.readouterr().err.count("Set stream.num_lanes=6") == 1


def test_settings_out_of_range_are_told() -> None:
    with pytest.raises(InvalidInputError, match=r"stream\.buffer_size 2 or more, got 16 and 1"):
        StreamConfig(buffer_size=1)
    with pytest.raises(InvalidInputError, match=r"stream\.fraction must be in \[0, 1\], got 2"):
        StreamConfig(fraction=2)
    assert make_config().with_setting("stream.num_lanes", "32").stream.num_lanes == 32
