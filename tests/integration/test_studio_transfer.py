"""Masks in and out of the studio: every format there and back, jobs that go on, bad files told."""

import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from anymask.core.image_io import read_image
from anymask.core.rle import Rle
from anymask.dataset.formats.registry import FORMATS
from anymask.engine.store.tables import User
from anymask.server.import_jobs import ImportJobs
from studio import add_project, browser, draft, make_app, mask_json, new_id, picture
from tiny_predictor import noise_image

HEIGHT, WIDTH = 50, 70


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    app = make_app(tmp_path / "studio")
    yield app
    app.state.import_jobs.close()
    app.state.studio.close()


def mask(row: int, column: int) -> Rle:
    """A ring and a part beside it."""
    drawn = np.zeros((HEIGHT, WIDTH), dtype=bool)
    drawn[row : row + 9, column : column + 9] = True
    drawn[row + 3 : row + 6, column + 3 : column + 6] = False
    drawn[row, column + 12 : column + 14] = True
    return Rle.from_mask(drawn)


def fill(admin: TestClient, project: int) -> dict[str, list[tuple[Rle, str]]]:
    """Save two masks on each image; return them by image name."""
    saved: dict[str, list[tuple[Rle, str]]] = {}
    for image in admin.get(f"/api/projects/{project}/images").json():
        admin.put(f"/api/images/{image['id']}/lease")
        masks = [(mask(2, 3), "cat"), (mask(30, 40), "")]
        for position, (rle, name) in enumerate(masks):
            body = draft(image["id"], position=position, name=name)
            body["segmentation"] = rle.to_coco()
            answer = admin.put(f"/api/annotations/{new_id()}", json=body)
            assert answer.status_code == 200, answer.text
        admin.delete(f"/api/images/{image['id']}/lease")
        saved[image["name"]] = masks
    return saved


def masks_of(admin: TestClient, project: int) -> dict[str, list[tuple[Rle, str]]]:
    found = {}
    for image in admin.get(f"/api/projects/{project}/images").json():
        rows = admin.get(f"/api/images/{image['id']}/annotations").json()
        size = [image["height"], image["width"]]
        found[image["name"]] = [
            (Rle.from_coco({"size": size, "counts": row["counts"]}), row["name"]) for row in rows
        ]
    return found


def send(admin: TestClient, project: int, data: bytes, name: str = "a.zip") -> dict[str, Any]:
    """Import a file and wait for the end of it."""
    answer = admin.post(f"/api/projects/{project}/imports", params={"name": name}, content=data)
    assert answer.status_code == 202, answer.text
    url = f"/api/imports/{answer.json()['id']}"
    for _ in range(1000):
        state: dict[str, Any] = admin.get(url).json()
        if state["status"] in ("done", "failed"):
            return state
        time.sleep(0.02)
    raise AssertionError(state)


def pack(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_a_project_survives_export_and_import(app: FastAPI, format: str) -> None:
    eve = browser(app, "eve")
    saved = fill(eve, project := add_project(eve))
    url = f"/api/projects/{project}/export?format={format}&pictures=true"
    archive = eve.get(url)
    assert archive.headers["Content-Type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(archive.content)).testzip() is None
    other = eve.post("/api/projects", json={"name": "other"}).json()["id"]
    state = send(eve, other, archive.content)
    assert state["problems"] == []
    assert (state["status"], state["images"], state["masks"]) == ("done", 2, 4)
    assert state["done"] == state["total"]
    nameless = format == "sa1b"
    expected = {
        name: sorted(((rle, "" if nameless else label) for rle, label in masks), key=repr)
        for name, masks in saved.items()
    }
    found = {name: sorted(masks, key=repr) for name, masks in masks_of(eve, other).items()}
    assert found == expected
    again = send(eve, other, archive.content)
    assert (again["images"], again["masks"]) == (2, 0)
    assert {name: len(masks) for name, masks in masks_of(eve, other).items()} == {
        "cat0.png": 2,
        "cat1.png": 2,
    }


def test_imported_masks_are_masks_like_any_other(app: FastAPI) -> None:
    eve, ada = browser(app, "eve"), browser(app, "ada")
    project = add_project(eve, images=1)
    image = eve.get(f"/api/projects/{project}/images").json()[0]
    coco = {
        "images": [{"id": 9, "file_name": "C:\\data\\cat0.png", "width": 1, "height": 1}],
        "categories": [{"id": 4, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 4, "segmentation": mask(2, 3).to_coco()},
            {
                "id": 2,
                "image_id": 9,
                "category_id": 4,
                "iscrowd": 1,
                "segmentation": mask(30, 3).to_coco_uncompressed(),
            },
            {
                "id": 3,
                "image_id": 9,
                "category_id": 4,
                "segmentation": [
                    [10, 10, 20, 10, 20, 20, 10, 20],
                    [30, 30, 32, 30, 32, 33, 30, 33],
                ],
            },
        ],
    }
    state = send(eve, project, json.dumps(coco).encode(), "labels.json")
    assert (state["status"], state["masks"], state["problems"]) == ("done", 3, [])
    work = ada.put(f"/api/images/{image['id']}/lease").json()
    first = work["annotations"][0]
    assert (first["name"], first["model_id"], first["version"]) == ("cat", None, 1)
    change = draft(image["id"], 1, name="kitten", model_id="small")
    assert ada.put(f"/api/annotations/{first['id']}", json=change).json()["version"] == 2
    assert send(eve, project, json.dumps(coco).encode(), "labels.json")["masks"] == 0
    crowds = [
        row["iscrowd"] for row in eve.get(f"/api/projects/{project}/export").json()["annotations"]
    ]
    assert crowds == [0, 1, 0]


def test_each_annotator_of_a_picture_gets_the_imported_masks(app: FastAPI) -> None:
    eve, ada, amy = browser(app, "eve"), browser(app, "ada"), browser(app, "amy")
    project = add_project(eve, images=1, annotators_per_image=2)
    shape = {"label": "cat", "points": [[1, 1], [9, 1], [9, 9]]}
    content = {"imagePath": "cat0.png", "shapes": [shape]}
    assert send(eve, project, json.dumps(content).encode(), "a.json")["masks"] == 2
    for annotator in (ada, amy):
        work = annotator.post(f"/api/projects/{project}/next").json()
        assert [row["name"] for row in work["annotations"]] == ["cat"]
    names = [
        one["file_name"] for one in eve.get(f"/api/projects/{project}/export").json()["images"]
    ]
    assert len(set(names)) == 2


def test_bad_files_are_told_and_the_rest_is_taken(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    good = {"shapes": [{"label": "cat", "points": [[1, 1], [9, 1], [9, 9]]}], "imagePath": "a.png"}
    data = pack(
        {
            "a.png": picture(1),
            "broken.png": picture(2)[:300],
            "page.html": b"<script>alert(1)</script>",
            "evil.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "a.json": json.dumps(good).encode(),
            "deep.json": b"[" * 100_000,
            "nobody.json": json.dumps({**good, "imagePath": "../../etc/passwd"}).encode(),
            "wild.json": json.dumps({"images": 3, "annotations": {"a": [1]}}).encode(),
            "note.txt": b"no labels",
            "bomb.xml": b'<!DOCTYPE a [<!ENTITY b "cccc">]><annotations>&b;</annotations>',
            "size.json": json.dumps(
                {
                    "image": {"file_name": "a.png", "image_id": 1, "width": 5, "height": 5},
                    "annotations": [{"segmentation": {"size": [5, 5], "counts": [25]}}],
                }
            ).encode(),
            "../slip.png": picture(3),
        }
    )
    state = send(eve, project, data)
    assert state["status"] == "done"
    assert (state["images"], state["masks"]) == (1, 1)
    files = {problem["file"].split(",")[0] for problem in state["problems"]}
    assert files == {
        "broken.png",
        "evil.png",
        "deep.json",
        "nobody.json",
        "wild.json",
        "bomb.xml",
        "size.json",
        "../slip.png",
    }
    assert all(problem["text"].count("\n") == 0 for problem in state["problems"])
    app.state.import_jobs.close()
    left = list(Path(app.state.studio.settings.folder).rglob("imports/*/*"))
    assert [path.name for path in left] == ["state.json"]


def test_what_is_no_archive_fails_in_one_line(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    state = send(eve, project, b"PK\x03\x04 and no more")
    assert state["status"] == "failed"
    assert "whole ZIP" in state["problems"][0]["text"]


def test_an_image_that_somebody_works_on_is_left_alone(app: FastAPI) -> None:
    eve, ada = browser(app, "eve"), browser(app, "ada")
    project = add_project(eve, images=1)
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    masks = {"masks": [{"segmentation": mask(2, 3).to_coco(), "name": "cat"}]}
    url = f"/api/images/{image}/annotations"
    taken = eve.post(url, json=masks)
    assert (taken.status_code, taken.json()["field"]) == (409, "lease")
    ada.put(f"/api/annotations/{new_id()}", json=draft(image))
    ada.post(f"/api/images/{image}/submit")
    assert eve.post(url, json=masks).json()["field"] == "state"
    browser(app, "bob").post(
        f"/api/images/{image}/review", json={"decision": "reject", "reason": "more"}
    )
    assert eve.post(url, json=masks).json() == {"added": 1}
    assert eve.post(url, json=masks).json() == {"added": 0}
    positions = [row["position"] for row in eve.get(url).json()]
    assert positions == [0, 1]


def test_an_import_goes_on_when_the_server_starts_again(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    jobs = app.state.import_jobs
    user = eve.get("/api/session").json()["user"]["id"]
    upload = jobs.new_upload()
    upload.write_bytes(pack({"b.png": picture(9)}))
    jobs._enqueue = lambda import_id: None  # killed before it began
    state = jobs.start(upload, project, User(id=user), "b.zip")
    abandoned = jobs.new_upload()
    abandoned.write_bytes(b"half an upl")
    os.utime(abandoned.parent, (0, 0))
    restarted = ImportJobs(app.state.studio)
    for _ in range(1000):
        if restarted.get(state.id).status == "done":
            break
        time.sleep(0.02)
    assert restarted.get(state.id).images == 1
    assert not abandoned.parent.exists()
    restarted.close()


def test_exports_can_be_of_a_state_and_name_each_file_once(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    url = f"/api/projects/{project}/images"
    for seed in (5, 6):
        eve.post(
            url, params={"name": "CAT0.png" if seed == 5 else "page.html"}, content=picture(seed)
        )
    names = [
        one["file_name"] for one in eve.get(f"/api/projects/{project}/export").json()["images"]
    ]
    assert names[0] == "cat0.png"
    assert names[1].startswith("CAT0_")
    assert names[2] == "page.html.png"
    accepted = eve.get(f"/api/projects/{project}/export?state=accepted").json()
    assert accepted["images"] == []
    unknown = eve.get(f"/api/projects/{project}/export?format=bmp")
    assert unknown.status_code == 422
    assert "yolo" in unknown.json()["error"]
    listed = [one["name"] for one in browser(app, "ada").get("/api/formats").json()]
    assert listed == list(FORMATS)


def test_turned_pictures_come_upright_and_metadata_stay_here(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=0)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "somewhere private"  # lies on its side
    stream = io.BytesIO()
    Image.fromarray(noise_image(50, 70, 0)).save(stream, format="JPEG", exif=exif)
    url = f"/api/projects/{project}/images?name=turned.jpg"
    image = eve.post(url, content=stream.getvalue(), headers={"Content-Type": "image/jpeg"}).json()
    assert (image["height"], image["width"]) == (70, 50)
    eve.put(f"/api/images/{image['id']}/lease")
    saved = draft(image["id"]) | {"segmentation": mask_json(height=70, width=50)}
    assert eve.put(f"/api/annotations/{new_id()}", json=saved).status_code == 200

    def exported(who: str, **query: bool) -> Any:
        url = f"/api/projects/{project}/export"
        return browser(app, who).get(url, params={"pictures": True, **query})

    with zipfile.ZipFile(io.BytesIO(exported("bob").content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".jpg"))
        released = archive.read(name)
    assert b"private" not in released
    with Image.open(io.BytesIO(released)) as picture:
        assert picture.size == (50, 70)
        assert not picture.getexif()
        apart = np.asarray(picture).astype(int) - read_image(stream.getvalue())
    assert abs(apart).mean() < 10  # noise, compressed again
    assert exported("bob", metadata=True).status_code == 403
    with zipfile.ZipFile(io.BytesIO(exported("eve", metadata=True).content)) as archive:
        assert archive.read(name) == stream.getvalue()
