import json

import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.described import DatasetPart, find_parts
from drawn_shapes import draw_set
from sa1b_archives import draw_masks, pack, pair_files, record_of, write_shards


def names_of(source) -> list[str]:
    problems: list[str] = []
    names = [image.name for part in find_parts(source) for image in part.read(problems.append)]
    assert not problems
    return names


def write_loose(folder, numbers):
    folder.mkdir()
    for number in numbers:
        for name, data in pair_files(number):
            (folder / name).write_bytes(data)
    return folder


def test_archives_are_parts(tmp_path):
    write_shards(tmp_path / "set", [2, 1], is_gzip=True)
    parts = find_parts(tmp_path / "set")
    assert len(parts) == 2
    (third,) = parts[1].read(pytest.fail)
    assert (third.image_id, third.name, third.original_size) == (3, "sa_3.jpg", (48, 64))
    assert third.masks[1].mask_id == 3001
    assert third.masks[0].predicted_iou == 0.9
    assert third.masks[0].crop_box == (0, 0, 64, 48)
    assert (third.masks[0].segmentation.to_mask() == draw_masks(3)[0]).all()


def test_loose_files_and_archives_say_the_same(tmp_path):
    write_shards(tmp_path / "set", [3])
    (part,) = find_parts(write_loose(tmp_path / "loose", (1, 2, 3)))
    (shard,) = find_parts(tmp_path / "set")
    for loose, packed in zip(part.read(pytest.fail), shard.read(pytest.fail), strict=True):
        assert loose.picture_bytes() == packed.picture_bytes()
        assert loose.masks[0].segmentation == packed.masks[0].segmentation


def test_labelled_sets_have_categories_and_no_scores(shapes_folder):
    (part,) = find_parts(shapes_folder)
    image = next(part.read(pytest.fail))
    assert image.name == "00000.png"
    assert image.masks[0].category == "shape"
    assert image.masks[0].predicted_iou is image.masks[0].crop_box is None


def test_scores_of_nobody_are_unknown(tmp_path):
    folder = write_loose(tmp_path / "loose", (1,))
    record = record_of(1, draw_masks(1))
    record["annotations"][0] |= {"predicted_iou": 0.0, "stability_score": 0.0}
    (folder / "sa_1.json").write_text(json.dumps(record))
    (image,) = next(iter(find_parts(folder))).read(pytest.fail)
    assert image.masks[0].predicted_iou is image.masks[0].stability_score is None
    assert image.masks[1].predicted_iou == 0.9


def test_what_is_damaged_is_told_and_the_rest_is_read(tmp_path):
    files = [*pair_files(1), ("./sa_2.jpg", b"x"), ("./sa_2.json", b"{"), *pair_files(3)]
    (tmp_path / "sa_000000.tar").write_bytes(pack(files))
    problems: list[str] = []
    (part,) = find_parts(tmp_path)
    assert [image.image_id for image in part.read(problems.append)] == [1, 3]
    assert len(problems) == 1
    assert "sa_2" in problems[0]


def test_many_files_are_several_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("anymask.dataset.described.IMAGES_PER_PART", 2)
    folder = draw_set(tmp_path / "set", num_images=5)
    assert [len(part.labelled) for part in find_parts(folder)] == [2, 2, 1]
    assert names_of(folder) == [f"{i:05d}.png" for i in range(5)]


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="must hold a set"):
        find_parts(tmp_path)


@pytest.mark.parametrize("kind", ["shard", "files", "labelled"])
def test_a_signature_changes_with_the_files(tmp_path, kind):
    def signature() -> str:
        return find_parts(tmp_path / "set")[0].signature()

    if kind == "shard":
        write_shards(tmp_path / "set", [1])
    elif kind == "files":
        write_loose(tmp_path / "set", (1,))
    else:
        draw_set(tmp_path / "set")
    before = signature()
    assert signature() == before
    changed = {"shard": "sa_000000.tar", "files": "sa_1.json", "labelled": "images/00000.png"}
    path = tmp_path / "set" / changed[kind]
    path.write_bytes(path.read_bytes() + b" ")
    assert signature() != before


def test_a_url_is_its_own_signature():
    assert DatasetPart(shard="https://a/sa_0.tar").signature()
