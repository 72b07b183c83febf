"""A day in the studio over HTTP: invited, annotated, reviewed, exported; and what must not work."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from safetensors.torch import load

from anymask.core.rle import Rle
from anymask.server.served_model import ServedModel
from studio import add_project, browser, draft, make_app, mask_json, new_id, picture
from text_fakes import planted_predictor


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    app = make_app(tmp_path / "studio")
    yield app
    app.state.studio.close()


def test_a_day(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"))
    ada, bob = browser(app, "ada"), browser(app, "bob")

    work = ada.post(f"/api/projects/{project}/next").json()
    image, annotation = work["image"]["id"], new_id()
    assert work["annotations"] == []
    saved = ada.put(f"/api/annotations/{annotation}", json=draft(image, name="cat"))
    assert saved.json()["version"] == 1
    assert ada.post(f"/api/images/{image}/submit").json()["state"] == "submitted"

    rejected = bob.post(
        f"/api/images/{image}/review", json={"decision": "reject", "reason": "The ear is missing."}
    )
    assert rejected.json()["state"] == "rejected"
    again = ada.post(f"/api/projects/{project}/next").json()
    assert again["image"]["id"] == image  # sent back: before what waits
    assert again["annotations"][0]["id"] == annotation
    assert ada.get(f"/api/images/{image}/reviews").json()[0]["reason"] == "The ear is missing."
    changed = ada.put(f"/api/annotations/{annotation}", json=draft(image, 1, 5, name="cat"))
    assert changed.json()["version"] == 2
    ada.post(f"/api/images/{image}/submit")
    accepted = bob.post(f"/api/images/{image}/review", json={"decision": "accept"})
    assert accepted.json()["state"] == "accepted"

    coco = bob.get(f"/api/projects/{project}/export").json()
    assert [entry["file_name"] for entry in coco["images"]] == ["cat0.png", "cat1.png"]
    assert coco["categories"] == [{"id": 1, "name": "cat"}]
    (exported,) = coco["annotations"]
    assert exported["segmentation"] == mask_json(5)
    assert exported["bbox"] == [5, 10, 10, 10]
    archive = zipfile.ZipFile(
        io.BytesIO(bob.get(f"/api/projects/{project}/export?format=sa1b").content)
    )
    record = json.loads(archive.read("cat0.json"))
    assert record["annotations"][0]["segmentation"] == mask_json(5)


def test_two_annotators_get_two_images_and_nobody_a_third(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=2)
    ada, amy, bob = browser(app, "ada"), browser(app, "amy"), browser(app, "bob")
    first = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    second = amy.post(f"/api/projects/{project}/next").json()["image"]["id"]
    assert first != second
    assert bob.post(f"/api/projects/{project}/next").status_code == 204
    assert amy.put(f"/api/images/{first}/lease").json()["field"] == "lease"
    assert amy.put(f"/api/annotations/{new_id()}", json=draft(first)).status_code == 409
    assert ada.delete(f"/api/images/{first}/lease").status_code == 204
    assert amy.put(f"/api/images/{first}/lease").status_code == 200


def test_a_lost_browser_frees_its_image_but_not_before_somebody_wants_it(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1)
    ada, amy = browser(app, "ada"), browser(app, "amy")
    database = app.state.studio.database
    start = database.now()
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    database.now = lambda: start + 1000
    # Nobody took the image: what the journal replays is saved.
    assert ada.put(f"/api/annotations/{new_id()}", json=draft(image)).status_code == 200
    assert amy.post(f"/api/projects/{project}/next").json()["image"]["id"] == image
    late = ada.put(f"/api/annotations/{new_id()}", json=draft(image))
    assert late.status_code == 409
    assert late.json()["field"] == "lease"


def test_conflicting_saves_show_the_stored_mask(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1)
    ada = browser(app, "ada")
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    url = f"/api/annotations/{new_id()}"
    ada.put(url, json=draft(image, 0, 3))
    ada.put(url, json=draft(image, 1, 4))
    late = ada.put(url, json=draft(image, 1, 9))  # another tab, which saw version 1
    assert late.status_code == 409
    assert late.json()["current"]["version"] == 2
    assert late.json()["current"]["counts"] == mask_json(4)["counts"]
    never = ada.put(f"/api/annotations/{new_id()}", json=draft(image, 7))
    assert never.status_code == 409
    assert never.json()["current"] is None


def test_a_save_said_twice_is_saved_once(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1)
    ada = browser(app, "ada")
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    url, key = f"/api/annotations/{new_id()}", {"Idempotency-Key": new_id()}
    first = ada.put(url, json=draft(image), headers=key)
    second = ada.put(url, json=draft(image), headers=key)
    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    without_key = ada.put(url, json=draft(image))
    assert without_key.json() == first.json()
    other = ada.put(url, json=draft(image, 1, 8), headers=key)
    assert other.status_code == 422
    assert other.json()["field"] == "Idempotency-Key"
    events = f"/api/images/{image}/events"
    for age in (0, 3):  # the second time it is older, and still the same click
        click = {"kind": "click", "annotation_id": first.json()["id"], "age_seconds": age}
        assert ada.post(events, json=[click], headers={"Idempotency-Key": "e"}).status_code == 204
    ada.post(events, json=[{"kind": "save", "annotation_id": first.json()["id"]}])
    statistics = browser(app, "bob").get(f"/api/projects/{project}/statistics").json()
    assert statistics["progress"]["masks"] == 1
    assert statistics["overall"]["mean_clicks"] == 1


def test_statistics_leave_idle_time_out(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1)
    ada, database, annotation = browser(app, "ada"), app.state.studio.database, new_id()
    start = database.now()
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    ada.put(f"/api/annotations/{annotation}", json=draft(image, model_id="small"))
    for seconds, kind in ((0, "open"), (4, "click"), (10, "click"), (510, "click"), (512, "save")):
        database.now = lambda seconds=seconds: start + seconds
        about = None if kind == "open" else annotation
        ada.post(f"/api/images/{image}/events", json=[{"kind": kind, "annotation_id": about}])
    effort = browser(app, "bob").get(f"/api/projects/{project}/statistics").json()
    assert effort["overall"]["mean_seconds"] == pytest.approx(12)
    assert effort["overall"]["mean_clicks"] == 3
    assert list(effort["by_model"]) == ["small"]


def test_embeddings_are_there_before_they_are_asked_for(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=2)
    ada = browser(app, "ada")
    image = ada.post(f"/api/projects/{project}/next").json()["image"]
    model = ada.get("/api/model").json()
    url = f"/api/images/{image['id']}/embedding?model={model['model_id']}"
    answer = ada.get(url)
    assert load(answer.content)["image_embeddings"].dtype.is_floating_point
    assert "immutable" in answer.headers["Cache-Control"]
    tag = answer.headers["ETag"]
    assert ada.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert ada.get(url + "x").status_code == 404
    second = image["id"] + 1
    studio = app.state.studio
    studio.embeddings.close()  # ends what was begun
    digest = ada.get(f"/api/images/{second}").json()["digest"]
    files = list(Path(studio.settings.blobs).glob("embeddings/*/*/*.safetensors"))
    assert digest in {file.stem for file in files}


def test_the_server_answers_a_click_and_takes_its_logits_back(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1)
    ada = browser(app, "ada")
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    click = {"point_coords": [[30, 20]], "point_labels": [1]}
    first = ada.post(f"/api/images/{image}/masks", json=click).json()
    assert len(first["masks"]) == 3
    best = first["masks"][first["best"]]
    assert Rle.from_coco(best["segmentation"]).size == (50, 70)
    better = {**click, "mask_input": best["low_res_logits"], "multimask_output": False}
    second = ada.post(f"/api/images/{image}/masks", json=better)
    assert len(second.json()["masks"]) == 1
    short = base64.b64encode(np.zeros(5, "<f2").tobytes()).decode()
    for wrong in ({"mask_input": short}, {}, {"box": [5, 5, 1, 1]}, {"point_coords": [[900, 1]]}):
        answer = ada.post(f"/api/images/{image}/masks", json=wrong)
        assert answer.status_code == 422, wrong


def test_the_server_finds_words_where_its_model_can(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = add_project(browser(app, "eve"), images=1)
    ada, models = browser(app, "ada"), app.state.studio.models
    image = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    assert not ada.get("/api/model").json()["has_text"]
    refused = ada.post(f"/api/images/{image}/text", json={"text": "cat"})
    assert refused.status_code == 404
    assert "anymask[text]" in refused.json()["error"]

    planted = ServedModel(name="", predictor=planted_predictor(cat=(slice(6), slice(8))))
    monkeypatch.setattr(models, "_served", planted)
    monkeypatch.setattr("anymask.server.embedding_store._TEXT_PACKAGES", ())
    assert ada.get("/api/model").json()["has_text"]
    found = ada.post(f"/api/images/{image}/text", json={"text": "cat"}).json()
    assert found["instances"]
    assert Rle.from_coco(found["instances"][0]["segmentation"]).size == (50, 70)
    assert ada.post(f"/api/images/{image}/text", json={"text": "dog"}).json()["instances"] == []
    assert ada.post(f"/api/images/{image}/text", json={"text": " "}).status_code == 422


def test_an_invited_person_makes_an_account_once(app: FastAPI) -> None:
    eve, new = browser(app, "eve"), browser(app)
    invitation = eve.post("/api/invitations", json={"role": "annotator"}).json()
    accept = {"secret": invitation["secret"], "name": "Zoe", "password": "long enough a one"}
    account = new.post("/api/invitations/accept", json=accept)
    assert account.json()["user"]["name"] == "zoe"
    assert new.get("/api/projects").status_code == 200
    assert browser(app).post("/api/invitations/accept", json=accept).status_code == 403
    user = account.json()["user"]["id"]
    assert eve.patch(f"/api/users/{user}", json={"is_active": False}).status_code == 200
    assert new.get("/api/projects").status_code == 401


def test_the_last_admin_stays(app: FastAPI) -> None:
    eve = browser(app, "eve")
    admins = [user for user in eve.get("/api/users").json() if user["role"] == "admin"]
    codes = [
        eve.patch(f"/api/users/{user['id']}", json={"role": "annotator"}).status_code
        for user in sorted(admins, key=lambda user: user["name"] == "eve")
    ]
    assert codes == [200, 409]


def test_a_token_acts_for_its_owner_until_it_is_deleted(app: FastAPI) -> None:
    ada = browser(app, "ada")
    made = ada.post("/api/tokens", json={"label": "script"}).json()
    program = browser(app)
    program.headers["Authorization"] = f"Bearer {made['token']}"
    assert program.get("/api/session").json()["user"]["name"] == "ada"
    assert program.post("/api/tokens", json={"label": "two"}).status_code == 201  # no CSRF token
    ada.delete(f"/api/tokens/{made['id']}")
    assert program.get("/api/session").status_code == 401


def test_the_same_file_is_one_image(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    url = f"/api/projects/{project}/images?name=again.png"
    again = eve.post(url, content=picture(0), headers={"Content-Type": "image/png"})
    assert again.status_code == 200
    assert again.json()["name"] == "cat0.png"
    listed = eve.get(f"/api/projects/{project}/images?state=waiting&name=CAT").json()
    assert [image["masks"] for image in listed] == [0]
    file = eve.get(f"/api/images/{again.json()['id']}/file")
    assert file.content == picture(0)
    assert file.headers["Content-Type"] == "image/png"
