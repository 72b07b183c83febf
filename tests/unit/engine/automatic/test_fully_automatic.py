import dataclasses
import io
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.geometry import mask_to_box, xyxy_to_xywh
from anymask.dataset.recorded import iter_dataset
from anymask.engine.automatic import work
from anymask.engine.automatic.fully_automatic import AutomaticSummary, run_automatic
from anymask.engine.automatic.run_folder import RunFolder
from anymask.engine.automatic.tasks import Gone, PhotoTask, Report, ShardTask, Task
from automatic_release import (
    InlineExecutor,
    corner_detectors,
    draw_photos,
    released,
    save_tiny_model,
    tiny_config,
)

NUM_PHOTOS = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("photos") / "of", NUM_PHOTOS)


@pytest.fixture(scope="module")
def expected(
    photos: Path, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The release that nothing disturbed."""
    out = tmp_path_factory.mktemp("expected")
    run_automatic([photos], out, tiny_config(model), InlineExecutor())
    return released(out)


def images_of(out: Path) -> Iterator[int]:
    for _, record, _ in iter_dataset(out / "release"):
        yield record.image_id


def test_photos_become_shards_of_masks(photos: Path, model: Path, tmp_path: Path) -> None:
    config = tiny_config(model)
    crops = dataclasses.replace(config.generator, crop_num_layers=1)
    config = dataclasses.replace(config, generator=crops)
    summary = run_automatic([photos], tmp_path, config, InlineExecutor())
    assert isinstance(summary, AutomaticSummary)
    assert (summary.num_photos, summary.num_images, summary.num_set_aside) == (8, 8, 0)
    assert sorted(released(tmp_path)) == [
        "manifest.json",
        "sa_000000.tar",
        "sa_000001.tar",
        "sa_000002.tar",
    ]
    rows = list(iter_dataset(summary.release))
    assert [record.image_id for _, record, _ in rows] == list(range(1, 9))
    ids = [mask.id for _, _, masks in rows for mask in masks]
    assert len(ids) == len(set(ids)) == summary.num_masks > 8
    for pair, record, masks in rows:
        assert (record.height, record.width) == (40, 56)  # from 50 x 70
        assert Image.open(io.BytesIO(pair.image)).size == (56, 40)
        for mask in masks:
            box = xyxy_to_xywh(mask_to_box(mask.segmentation.to_mask()))
            np.testing.assert_array_equal(box, mask.bbox)
            (x, y), (x0, y0, width, height) = mask.point_coords[0], mask.crop_box
            assert x0 < x < x0 + width <= 56
            assert y0 < y < y0 + height <= 40


def test_a_release_is_the_same_whatever_names_order_and_workers(
    photos: Path, model: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    names = sorted(photos.iterdir(), reverse=True)
    for i, name in enumerate(names):
        shutil.copy(name, tmp_path / f"other {i}.png")
    copies = [str(tmp_path / f"other {i}.png") for i in range(NUM_PHOTOS)]
    summary = run_automatic(
        [*copies, copies[3], str(names[0])], tmp_path / "out", tiny_config(model), InlineExecutor(3)
    )
    assert summary.num_duplicates == 2
    assert released(tmp_path / "out") == expected


def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_bytes(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    config = tiny_config(model, images_per_shard=2)
    names = sorted(photos.iterdir())[:3]
    run_automatic(names, tmp_path / "expected", config, InlineExecutor())
    expected = released(tmp_path / "expected")
    num_tasks = 5  # 3 photos and 2 shards
    for num_before in range(num_tasks):
        count = itertools.count()

        def stop(task: Task, count: "itertools.count[int]" = count, at: int = num_before) -> None:
            if next(count) == at:
                raise KeyboardInterrupt

        out = tmp_path / str(num_before)
        with pytest.raises(KeyboardInterrupt):
            run_automatic(names, out, config, InlineExecutor(instead=stop))
        resumed = InlineExecutor()
        run_automatic(names, out, config, resumed)
        assert released(out) == expected
        assert len(resumed.tasks) == num_tasks - num_before  # nothing is done twice


def test_a_finished_run_is_left_as_it_is(photos: Path, model: Path, tmp_path: Path) -> None:
    first = run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor())
    times = {path: path.stat().st_mtime_ns for path in first.release.iterdir()}
    again = InlineExecutor()
    assert run_automatic([photos], tmp_path, tiny_config(model), again) == first
    assert again.tasks == []
    assert times == {path: path.stat().st_mtime_ns for path in first.release.iterdir()}


def test_a_photo_that_cannot_be_used_is_set_aside_and_the_rest_goes_on(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "cut.png"
    bad.write_bytes((photos / "0.png").read_bytes()[:100])
    executor = InlineExecutor()
    out = tmp_path / "out"
    summary = run_automatic([photos, bad], out, tiny_config(model, num_tries=2), executor)
    assert (summary.num_images, summary.num_set_aside) == (NUM_PHOTOS, 1)
    (line,) = json.loads(summary.set_aside.read_text())
    assert line["source"] == str(bad)
    assert "damaged" in line["reason"]
    tried = [task for task in executor.tasks if isinstance(task, PhotoTask)]
    assert len(tried) == NUM_PHOTOS + 2
    # Its number stays free, so that no other photo's depends on it.
    assert len(set(range(1, 10)) - set(images_of(out))) == 1


def test_a_photo_at_which_workers_die_is_set_aside(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    def instead(task: Task) -> Report | None:
        if isinstance(task, PhotoTask) and task.photo.source.endswith("5.png"):
            return Gone(reason="the worker's process was ended by SIGSEGV")
        return None

    summary = run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor(2, instead))
    (line,) = json.loads(summary.set_aside.read_text())
    assert line["source"].endswith("5.png")
    assert "SIGSEGV" in line["reason"]
    assert summary.num_images == NUM_PHOTOS - 1


def test_a_worker_that_dies_once_costs_nothing(
    photos: Path, model: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    count = itertools.count()

    def instead(task: Task) -> Report | None:
        return Gone(reason="it was ended by SIGKILL") if next(count) % 3 == 1 else None

    run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor(2, instead))
    assert released(tmp_path) == expected


def test_a_shard_without_usable_photos_is_left_out(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    def instead(task: Task) -> Report | None:
        is_first = isinstance(task, PhotoTask) and task.shard == 0
        return Gone(reason="it broke") if is_first else None

    summary = run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor(1, instead))
    assert sorted(released(tmp_path)) == ["manifest.json", "sa_000001.tar", "sa_000002.tar"]
    assert summary.num_images == NUM_PHOTOS - 3


def test_a_full_disk_stops_the_run_and_nothing_breaks(
    photos: Path,
    model: Path,
    tmp_path: Path,
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = work.write_shard
    count = itertools.count()

    def full(*args: object, **options: object) -> object:
        if next(count) == 4:
            raise OutputError("out/x.tar could not be written: No space left on device.")
        return written(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(work, "write_shard", full)
        with pytest.raises(OutputError, match=r"No space left.*start again"):
            run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor())
    assert "manifest.json" not in released(tmp_path)
    run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor())
    assert released(tmp_path) == expected


def test_other_options_photos_or_models_are_refused(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    config = tiny_config(model)
    stopped = InlineExecutor(instead=lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_automatic([photos], out, config, stopped)
    generator = dataclasses.replace(config.generator, points_per_side=3)
    other = dataclasses.replace(config, generator=generator)
    with pytest.raises(InvalidInputError, match=r"generator.points_per_side must stay 2.*got 3"):
        run_automatic([photos], out, other, InlineExecutor())
    with pytest.raises(InvalidInputError, match=r"photos must be those"):
        run_automatic([photos / "0.png"], out, config, InlineExecutor())
    short = dataclasses.replace(config, dtype="auto")
    with pytest.raises(InvalidInputError, match=r"dtype must stay"):
        run_automatic([photos], out, short, InlineExecutor())
    copied = tmp_path / "copied.safetensors"
    shutil.copy(model, copied)
    patient = dataclasses.replace(config, model=str(copied), num_tries=9, photo_seconds=5.0)
    assert run_automatic([photos], out, patient, InlineExecutor()).num_images == NUM_PHOTOS


def test_another_model_under_the_same_name_is_refused(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    from anymask.model.checkpoints import build_sam, save_sam
    from anymask.model.presets import preset

    weights = tmp_path / "m.safetensors"
    shutil.copy(model, weights)
    config = tiny_config(weights)

    def stop(task: Task) -> None:
        if isinstance(task, ShardTask):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_automatic([photos], tmp_path / "out", config, InlineExecutor(instead=stop))
    save_sam(build_sam(preset("tiny"), seed=8), weights)
    with pytest.raises(InvalidInputError, match=r"worker must stay 'tiny-"):
        run_automatic([photos], tmp_path / "out", config, InlineExecutor())


def test_what_is_concealed_never_reaches_the_release(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    plain, blurred = tmp_path / "plain", tmp_path / "blurred"
    options = {"images_per_shard": 10, "shortest_side": 50}
    run_automatic([photos], plain, tiny_config(model, **options), InlineExecutor())
    config = tiny_config(model, blur=True, **options)
    run_automatic([photos], blurred, config, InlineExecutor(), make_detectors=corner_detectors)
    pairs = zip(iter_dataset(plain / "release"), iter_dataset(blurred / "release"), strict=True)
    for (seen, *_), (concealed, *_) in pairs:
        before, after = (
            np.asarray(Image.open(io.BytesIO(pair.image)), float) for pair in (seen, concealed)
        )
        # The photos are blocks of 5 pixels: none of their edges is left in the corner.
        assert np.abs(np.diff(after[:18, :18], axis=0)).max() < 60
        assert np.abs(np.diff(before[:18, :18], axis=0)).max() > 100
        assert np.abs(before[30:, 30:] - after[30:, 30:]).max() < 40
    rows = list(RunFolder(path=blurred).read_log())
    assert rows[0]["regions"][0]["source"] == "corner"


def test_no_usable_photo_is_an_error_that_names_the_list(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"1 of which none can. See .*set_aside.json"):
        run_automatic(
            [tmp_path / "bad.jpg"], tmp_path / "out", tiny_config(model), InlineExecutor()
        )


def test_a_photo_that_changed_since_is_set_aside(photos: Path, model: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(photos, tmp_path / "mine")

    def change(task: Task) -> None:
        shutil.copy(mine / "0.png", mine / "1.png")

    summary = run_automatic(
        [mine], tmp_path / "out", tiny_config(model), InlineExecutor(instead=change)
    )
    (line,) = json.loads(summary.set_aside.read_text())
    assert line["source"].endswith("1.png")
    assert "another content" in line["reason"]


def test_two_runs_in_one_folder_are_refused(photos: Path, model: Path, tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    folder.make()
    with folder.locked(), pytest.raises(InvalidInputError, match="another run is using"):
        run_automatic([photos], tmp_path, tiny_config(model), InlineExecutor())
