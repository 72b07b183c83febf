import json
from dataclasses import asdict

import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.privacy.journal import BlurredImage
from anymask.dataset.privacy.regions import Region
from anymask.dataset.reports import read_privacy, read_validation
from anymask.dataset.validation.validating import validate_dataset
from sa1b_archives import pack, pair_files, write_shards


def test_the_report_of_the_validation_is_understood(tmp_path):
    write_shards(tmp_path, [1])
    (tmp_path / "sa_000001.tar").write_bytes(pack(pair_files(2)[:1]))  # without its JSON
    report = validate_dataset(tmp_path, num_processes=1)
    (tmp_path / "report.json").write_text(json.dumps(report.to_json()))
    state = read_validation(tmp_path / "report.json")
    assert state.num_images == report.num_images
    assert state.num_problems == report.findings.counts.total() > 0
    assert "missing-record" in state.problems


def test_the_report_of_the_blurring_is_understood(tmp_path):
    face = Region(box=(1.0, 2.0, 3.0, 4.0), kind="face", score=0.5, source="test")
    images = [
        BlurredImage(name="day/a.png", original_size=(9, 9), regions=(face,)),
        BlurredImage(name="b.jpg", problem="damaged"),
    ]
    report = {
        "summary": {"num_images": 1, "num_left_out": 1, "by_kind": {"face": 1}},
        "detectors": [{"name": "test"}],
        "images": [image.to_json() for image in images],
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    state = read_privacy(tmp_path / "report.json")
    assert state.num_by_kind == {"face": 1}
    assert state.detectors == "name test"
    assert asdict(state.regions["a.jpg"][0]) == asdict(face)


@pytest.mark.parametrize("read", [read_validation, read_privacy])
@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"problems": 3, "summary": []}'])
def test_other_files_are_refused(tmp_path, read, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(InvalidInputError, match=r"report\.json must be"):
        read(tmp_path / "report.json")
