"""Any labelled set becomes the same shards, however often the work is stopped."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.core.records import ImageRecord, MaskRecord, write_records
from anymask.core.rle import Rle
from anymask.dataset.formats.converting import convert
from anymask.dataset.recorded import iter_dataset
from anymask.dataset.release_sources import read_release_sources
from anymask.dataset.release_writing import ReleaseConfig, write_release
from anymask.dataset.sets import read_set
from anymask.dataset.validation.validating import validate_dataset
from drawn_shapes import draw_set
from sa1b_archives import draw_image, draw_masks

CONFIG = ReleaseConfig(images_per_shard=2)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("layout", ["coco", "masks"])
def test_a_labelled_set_becomes_valid_shards(
    tmp_path: Path, shapes_folder: Path, layout: str
) -> None:
    convert(shapes_folder, tmp_path / "set", layout, with_pictures=True)
    sources = read_release_sources(tmp_path / "set")
    manifest = write_release(sources, tmp_path / "out", CONFIG, num_processes=1)
    assert [(s.name, s.num_images, s.num_masks) for s in manifest.shards] == [
        (f"sa_{number:06d}.tar", 2, 4) for number in range(3)
    ]
    assert validate_dataset(tmp_path / "out", num_processes=1).findings.to_json() == {}
    labelled = sorted(read_set(shapes_folder), key=lambda image: image.path)
    for number, (original, (_, image, masks)) in enumerate(
        zip(labelled, iter_dataset(tmp_path / "out"), strict=True), 1
    ):
        assert image.image_id == number
        assert {m.segmentation for m in masks} == {m.rle for m in original.masks}
        assert {(m.predicted_iou, m.stability_score, m.point_coords) for m in masks} == {
            (0.0, 0.0, ())
        }


def test_generated_records_keep_all_their_fields(tmp_path: Path) -> None:
    """As `anymask everything` writes them: the photographs are elsewhere, and of any kind."""
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    made = [
        MaskRecord(
            bbox=(0.0, 0.0, 1.0, 1.0),
            area=1,
            segmentation=Rle.from_mask(mask),
            predicted_iou=0.97,
            point_coords=((10.0, 20.0),),
            crop_box=(0.0, 0.0, 32.0, 24.0),
            id=12,
            stability_score=0.96,
        )
        for mask in draw_masks(1)
    ]
    Image.fromarray(draw_image(1)).save(tmp_path / "photos/beach.png")
    image = ImageRecord(image_id=77, width=64, height=48, file_name="beach.png")
    write_records(tmp_path / "masks/beach.json", image, made)
    sources = read_release_sources(tmp_path / "masks", tmp_path / "photos")
    config = ReleaseConfig(shortest_side=24, first_image_id=5, released_bbox=True)
    write_release(sources, tmp_path / "out", config, num_processes=1)
    ((_, read, masks),) = iter_dataset(tmp_path / "out")
    assert (read.image_id, read.height, read.width, read.file_name) == (5, 24, 32, "sa_5.jpg")
    for mask in masks:
        assert (mask.predicted_iou, mask.stability_score) == (0.97, 0.96)
        assert mask.point_coords == ((5.0, 10.0),)
        assert mask.crop_box == (0.0, 0.0, 16.0, 12.0)


def test_a_stopped_run_goes_on_to_the_same_files(tmp_path: Path) -> None:
    sources = read_release_sources(draw_set(tmp_path / "set", num_images=5))
    write_release(sources, tmp_path / "whole", CONFIG, num_processes=1)

    class StopError(Exception):
        pass

    def stop(count: int) -> None:
        done.append(count)
        if sum(done) == 3:
            raise StopError

    done: list[int] = []
    with pytest.raises(StopError):
        write_release(sources, tmp_path / "out", CONFIG, num_processes=1, on_image=stop)
    assert {"sa_000000.tar", "sources.json"} == contents(tmp_path / "out").keys()
    (tmp_path / "out/.sa_000001.tar.0a0a.tmp").write_bytes(b"of a kill")
    first = (tmp_path / "out/sa_000000.tar").stat().st_mtime_ns
    done = []
    write_release(sources, tmp_path / "out", CONFIG, num_processes=2, on_image=done.append)
    assert sum(done) == 5
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert (tmp_path / "out/sa_000000.tar").stat().st_mtime_ns == first


def test_only_what_is_missing_is_written_again(tmp_path: Path) -> None:
    sources = read_release_sources(draw_set(tmp_path / "set", num_images=3))
    first = write_release(sources, tmp_path / "out", CONFIG, num_processes=1)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    assert write_release(sources, tmp_path / "out", CONFIG, num_processes=1) == first
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    (tmp_path / "out/sa_000000.tar").unlink()
    assert write_release(sources, tmp_path / "out", CONFIG, num_processes=1) == first
    other = tmp_path / "out/sa_000001.tar"
    assert other.stat().st_mtime_ns == before[other]


@pytest.mark.parametrize(
    "config",
    [ReleaseConfig(images_per_shard=3), ReleaseConfig(images_per_shard=2, shortest_side=9)],
)
def test_other_options_do_not_mix_into_a_folder(tmp_path: Path, config: ReleaseConfig) -> None:
    sources = read_release_sources(draw_set(tmp_path / "set", num_images=2))
    write_release(sources, tmp_path / "out", CONFIG, num_processes=1)
    with pytest.raises(InvalidInputError, match="another data set's"):
        write_release(sources, tmp_path / "out", config, num_processes=1)


def test_archives_of_others_are_not_mixed_with_ours(tmp_path: Path) -> None:
    sources = read_release_sources(draw_set(tmp_path / "set", num_images=1))
    (tmp_path / "sa_000000.tar").touch()
    with pytest.raises(InvalidInputError, match="no archives of others"):
        write_release(sources, tmp_path, CONFIG, num_processes=1)


def test_changed_masks_are_another_data_set(tmp_path: Path) -> None:
    (source,) = read_release_sources(draw_set(tmp_path / "set", num_images=1))
    (other,) = read_release_sources(draw_set(tmp_path / "other", num_images=1, size=(49, 64)))
    assert source.masks_sha256 != other.masks_sha256


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    (source,) = read_release_sources(draw_set(tmp_path / "set", num_images=1))
    stream = io.BytesIO()
    Image.new("RGB", (64, 40)).save(stream, format="PNG")
    source.path.write_bytes(stream.getvalue())
    with pytest.raises(InvalidInputError, match=r"00000\.png: masks must have their image's size"):
        write_release([source], tmp_path / "out", CONFIG, num_processes=1)
    source.path.write_bytes(b"no image")
    with pytest.raises(ImageReadError, match=r"00000\.png must be an image"):
        write_release([source], tmp_path / "other", CONFIG, num_processes=1)
    with pytest.raises(InvalidInputError, match="one or more"):
        write_release([], tmp_path / "none", CONFIG)


def test_photographs_without_masks_are_left_out(tmp_path: Path) -> None:
    folder = draw_set(tmp_path / "set", num_images=2)
    convert(folder, tmp_path / "coco", "coco", with_pictures=True)
    file = tmp_path / "coco/annotations.json"
    content = json.loads(file.read_text())
    content["annotations"] = [row for row in content["annotations"] if row["image_id"] == 2]
    file.write_text(json.dumps(content))
    (source,) = read_release_sources(tmp_path / "coco")
    assert source.path.name == "00001.png"


def test_json_without_its_photograph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InvalidInputError, match="must hold SA-1B's JSON"):
        read_release_sources(tmp_path, tmp_path / "photos")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InvalidInputError, match="a photograph of its name"):
        read_release_sources(tmp_path, tmp_path / "photos")


@pytest.mark.parametrize("field", ["shortest_side", "images_per_shard", "first_image_id"])
def test_numbers_below_one_are_refused(field: str) -> None:
    with pytest.raises(InvalidInputError, match=field):
        ReleaseConfig(**{field: 0})
