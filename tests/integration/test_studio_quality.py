"""Quality by people's judgement in the studio: blind ratings, and the audit of a data set."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from anymask.cli.main import main
from anymask.core.image_io import write_png
from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.dataset.release import ReleasedImage, encode_release
from anymask.dataset.shard_writing import write_shard
from anymask.engine.quality.audit import draw_sample
from studio import add_project, browser, make_app, mask_json
from tiny_predictor import noise_image

SIZE = (50, 70)
RATING = "/api/projects/1/rating"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return make_app(tmp_path / "studio")


def box_mask(x0: int, y0: int, x1: int, y1: int) -> Rle:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return Rle.from_mask(mask)


def begin(app: FastAPI, clock: list[float], raters: int = 1) -> tuple[TestClient, ...]:
    """An admin, a reviewer and two annotators; two objects of two sources; a clock of our own."""
    app.state.studio.database.now = lambda: clock[0]
    eve, bob, ada, amy = (browser(app, name) for name in ("eve", "bob", "ada", "amy"))
    add_project(eve)
    jobs = [
        {"image_id": image, "object_key": "0", "source": source, "segmentation": mask_json(column)}
        for image in (1, 2)
        for source, column in (("truth", 3), ("model", 5))
    ]
    body = {"jobs": jobs, "raters": raters}
    assert bob.post(f"{RATING}/jobs", json=body).json() == {"added": 4}
    assert bob.post(f"{RATING}/jobs", json=body).json() == {"added": 0}
    return eve, bob, ada, amy


def test_ratings_are_blind_timed_and_can_be_taken_back(app: FastAPI) -> None:
    clock = [1000.0]
    _, bob, ada, amy = begin(app, clock)
    first = ada.post(f"{RATING}/next").json()
    assert set(first) == {"job_id", "image_id", "width", "height", "segmentation", "points"}
    assert ada.post(f"{RATING}/next").json() == first
    others = amy.post(f"{RATING}/next").json()
    assert others["job_id"] != first["job_id"]

    clock[0] += 30
    assert ada.post(f"{RATING}/jobs/{first['job_id']}/touch").status_code == 204
    clock[0] += 500  # away
    ada.post(f"{RATING}/jobs/{first['job_id']}/touch")
    clock[0] += 10
    place = f"{RATING}/jobs/{first['job_id']}"
    assert ada.put(place, json={"score": 9}).status_code == 204
    assert ada.put(place, json={"score": 9}).status_code == 204
    assert ada.put(place, json={"score": 8}).status_code == 409
    assert bob.get(f"{RATING}/figures").json()["seconds"] == 40

    assert ada.post(f"{RATING}/next").json()["job_id"] != first["job_id"]
    assert ada.post(f"{RATING}/undo").json() == {"given": 0, "wanted": 4, "own": 0}
    assert ada.post(f"{RATING}/next").json() == first
    assert ada.put(place, json={"score": 8}).status_code == 204
    assert ada.get(RATING).json() == {"given": 1, "wanted": 4, "own": 1}


def test_every_mask_gets_its_raters_and_the_report_tells_sources_apart(
    app: FastAPI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bob, ada, amy = begin(app, [1000.0], raters=2)
    model = mask_json(5)["counts"]
    for client, more in ((ada, 0), (amy, 1)):
        for _ in range(4):
            job = client.post(f"{RATING}/next").json()
            score = (5 if job["segmentation"]["counts"] == model else 8) + more
            client.put(f"{RATING}/jobs/{job['job_id']}", json={"score": score})
        assert client.post(f"{RATING}/next").status_code == 204
    assert bob.post(f"{RATING}/next").status_code == 204
    figures = bob.get(f"{RATING}/figures").json()
    assert figures["sources"]["truth"]["mean"]["value"] == 8.5
    assert figures["sources"]["model"]["mean"]["value"] == 5.5
    (pair,) = figures["pairs"]
    assert (pair["first"], pair["masks"], pair["difference"]["value"]) == ("model", 2, -3)
    assert figures["rater_sd"] == pytest.approx(0.5**0.5)

    command = ["engine", "rate", "report", "--data", str(tmp_path / "studio"), "--project", "cats"]
    assert main([*command, "-o", str(tmp_path / "report"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == figures
    page = (tmp_path / "report" / "rating.html").read_text()
    assert "model - truth" in page
    assert (tmp_path / "report" / "rating.png").read_bytes()[:4] == b"\x89PNG"


def test_raters_see_no_figures_and_set_nothing_up(app: FastAPI) -> None:
    _, _, ada, amy = begin(app, [1000.0])
    job = ada.post(f"{RATING}/next").json()["job_id"]
    assert ada.get(f"{RATING}/figures").status_code == 403
    assert ada.get("/api/projects/1/audit/figures").status_code == 403
    assert ada.post(f"{RATING}/jobs", json={"jobs": []}).status_code == 403
    assert amy.put(f"{RATING}/jobs/{job}", json={"score": 5}).status_code == 404
    assert ada.put(f"{RATING}/jobs/{job}", json={"score": 11}).status_code == 422
    assert amy.post(f"{RATING}/undo").json()["given"] == 0


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A shard of four images with three masks each."""
    boxes = ((5, 5, 25, 25), (40, 5, 60, 25), (5, 30, 15, 40))
    images = [
        ReleasedImage(
            image_id=number,
            jpeg=encode_release(noise_image(*SIZE, number)),
            original_size=SIZE,
            masks=tuple(
                MaskRecord.without_generator(box_mask(*box), id=100 * number + place)
                for place, box in enumerate(boxes)
            ),
        )
        for number in range(1, 5)
    ]
    folder = tmp_path / "set"
    folder.mkdir()
    write_shard(folder / "sa_000000.tar", images)
    return folder


def correct(client: TestClient, image: int) -> None:
    """Leave one mask, move one by a row, delete one, and add one."""
    client.put(f"/api/images/{image}/lease")
    rows = client.get(f"/api/images/{image}/annotations").json()
    by_counts = {row["counts"]: row for row in rows}
    moved = by_counts[box_mask(40, 5, 60, 25).to_coco()["counts"]]
    wrong = by_counts[box_mask(5, 30, 15, 40).to_coco()["counts"]]

    def save(id: str, version: int, rle: Rle) -> None:
        body = {"image_id": image, "version": version, "segmentation": rle.to_coco(), "position": 1}
        assert client.put(f"/api/annotations/{id}", json=body).status_code == 200

    save(moved["id"], moved["version"], box_mask(40, 7, 60, 25))
    save(f"00000000-0000-4000-8000-00000000000{image}", 0, box_mask(30, 30, 50, 45))
    place = f"/api/annotations/{wrong['id']}?image_id={image}&version={wrong['version']}"
    assert client.delete(place).status_code == 200
    assert client.post(f"/api/images/{image}/submit").status_code == 200


def test_an_audit_from_sample_to_report(
    app: FastAPI, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = ["--data", str(tmp_path / "studio"), "--json"]
    command = ["engine", "audit", "begin", str(dataset), "--images", "2", "--seed", "1", *studio]
    assert main(command) == 0
    begun = json.loads(capsys.readouterr().out)
    assert len(begun["image_ids"]) == 2
    assert main(command) == 0  # nothing twice
    assert json.loads(capsys.readouterr().out) == begun
    eve = browser(app, "eve")
    images = eve.get("/api/projects/1/images").json()
    assert sorted(image["name"] for image in images) == sorted(
        f"sa_{id}.jpg" for id in begun["image_ids"]
    )
    assert len(eve.get("/api/images/1/annotations").json()) == 3
    correct(eve, 1)
    assert main(command) == 0  # and nothing is put back
    capsys.readouterr()
    figures: dict[str, Any] = eve.get("/api/projects/1/audit/figures").json()
    assert (figures["images"], figures["kept"], figures["changed"]) == (1, 1, 1)
    assert (figures["deleted"], figures["added"]) == (1, 1)
    assert figures["all"]["mean"]["value"] == pytest.approx((1 + 0.9 + 0) / 3)
    assert figures["all"]["above_90"]["value"] == pytest.approx(1 / 3)
    assert figures["remaining"]["above_75"]["value"] == 1

    out = tmp_path / "report"
    assert main(["engine", "audit", "report", *studio, "-o", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == figures
    assert json.loads((out / "audit.json").read_text()) == figures
    assert "SA-1B, as published" in (out / "audit.html").read_text()


def test_samples_depend_on_the_seed_alone(dataset: Path) -> None:
    assert draw_sample(dataset, 2, 1) == draw_sample(dataset, 2, 1)
    assert len({draw_sample(dataset, 2, seed) for seed in range(8)}) > 1
    assert draw_sample(dataset, 9, 0) == (1, 2, 3, 4)


def test_a_study_of_annotation_folders(
    app: FastAPI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    write_png(pictures / "a.png", noise_image(*SIZE, 0))
    for source, shift, boxes in (
        ("truth", 0, [(0, 0, 30, 30), (40, 0, 50, 10), (34, 20, 66, 48)]),
        ("model", 2, [(34, 20, 66, 48), (0, 0, 30, 30)]),
    ):
        shapes = [
            {
                "label": "thing",
                "shape_type": "polygon",
                "points": [[x0 + shift, y0], [x1, y0], [x1, y1], [x0 + shift, y1]],
            }
            for x0, y0, x1, y1 in boxes
        ]
        (tmp_path / source).mkdir()
        content = {"shapes": shapes, "imagePath": "a.png", "imageHeight": 50, "imageWidth": 70}
        (tmp_path / source / "a.json").write_text(json.dumps(content))
    sources = [f"{name}={tmp_path / name}" for name in ("truth", "model")]
    studio = ["--data", str(tmp_path / "studio"), "--json"]
    command = ["engine", "rate", "begin", *sources, "--pictures", str(pictures), *studio]
    assert main(command) == 0
    begun = json.loads(capsys.readouterr().out)
    # The one of 10 x 10 pixels is too small.
    assert (begun["objects"], begun["masks"]) == (2, {"truth": 2, "model": 2})
    assert browser(app, "eve").get(RATING).json()["wanted"] == 4
    assert main([*command, "--raters", "0"]) == 2
    assert main(["engine", "rate", "begin", "truth", "--pictures", str(pictures), *studio]) == 2
