"""Several people on one picture: each with an own set of masks; their agreement, and reviews."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from studio import add_project, browser, draft, make_app, new_id


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    app = make_app(tmp_path / "studio")
    yield app
    app.state.studio.close()


def annotate(person: TestClient, project: int, *columns: int) -> int:
    """Lease the next image, save masks at those columns, submit; return the image's id."""
    image: int = person.post(f"/api/projects/{project}/next").json()["image"]["id"]
    for column in columns:
        saved = person.put(f"/api/annotations/{new_id()}", json=draft(image, column=column))
        assert saved.status_code == 200
    assert person.post(f"/api/images/{image}/submit").status_code == 200
    return image


def test_two_people_annotate_a_picture_and_nobody_does_it_twice(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1, annotators_per_image=2)
    ada, amy, bob = browser(app, "ada"), browser(app, "amy"), browser(app, "bob")
    first = annotate(ada, project, 3, 40)
    assert ada.post(f"/api/projects/{project}/next").status_code == 204
    second = annotate(amy, project, 4)
    assert first != second
    assert bob.post(f"/api/projects/{project}/next").status_code == 204

    rows = bob.get(f"/api/projects/{project}/images").json()
    assert [row["copy_number"] for row in rows] == [0, 1]
    assert len({row["digest"] for row in rows}) == 1
    assert [row["masks"] for row in rows] == [2, 1]
    agreement = bob.get(f"/api/projects/{project}/statistics").json()["agreement"]
    assert agreement["pairs"] == 1
    assert agreement["matched_share"] == pytest.approx(2 / 3)
    # A ring of 91 pixels, moved by one column: 78 in common.
    assert agreement["mean_iou"] == pytest.approx(78 / 104)

    for image in (first, second):  # each set is reviewed by itself
        assert len(bob.get(f"/api/images/{image}/annotations").json()) in (1, 2)
        decided = bob.post(f"/api/images/{image}/review", json={"decision": "accept"})
        assert decided.json()["state"] == "accepted"


def test_a_copy_cannot_be_chosen_by_who_has_another(app: FastAPI) -> None:
    project = add_project(browser(app, "eve"), images=1, annotators_per_image=2)
    ada, amy = browser(app, "ada"), browser(app, "amy")
    first = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    again = ada.post(f"/api/projects/{project}/next").json()["image"]["id"]
    assert again == first
    refused = ada.put(f"/api/images/{first + 1}/lease")
    assert (refused.status_code, refused.json()["field"]) == (409, "copy")
    assert amy.put(f"/api/images/{first + 1}/lease").status_code == 200


def test_more_annotators_can_be_asked_later_but_not_fewer(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=2)
    ada, amy = browser(app, "ada"), browser(app, "amy")
    annotate(ada, project, 3)
    url = f"/api/projects/{project}"
    changed = eve.patch(url, json={"annotators_per_image": 2})
    assert changed.json()["progress"]["waiting"] == 3
    assert eve.patch(url, json={"annotators_per_image": 1}).status_code == 422
    assert eve.patch(url, json={"guideline": "New."}).json()["annotators_per_image"] == 2
    annotate(amy, project, 3)  # the second picture, or ada's
    annotate(amy, project, 3)
    annotate(ada, project, 3)
    assert ada.post(f"{url}/next").status_code == 204
    statistics = eve.get(f"{url}/statistics").json()
    assert statistics["agreement"] == {"pairs": 2, "matched_share": 1.0, "mean_iou": 1.0}


def test_an_invitation_leads_into_its_projects(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1, has_members=False)
    wrong = eve.post("/api/invitations", json={"project_ids": [99]})
    assert wrong.status_code == 404
    secret = eve.post("/api/invitations", json={"project_ids": [project]}).json()["secret"]
    zoe = browser(app)
    account = {"secret": secret, "name": "zoe", "password": "long enough a one"}
    zoe.post("/api/invitations/accept", json=account)
    assert [one["id"] for one in zoe.get("/api/projects").json()] == [project]


def test_an_invitation_to_an_own_account_is_a_new_password(app: FastAPI) -> None:
    eve, ada = browser(app, "eve"), browser(app, "ada")
    user = ada.get("/api/session").json()["user"]
    secret = eve.post("/api/invitations", json={"user_id": user["id"]}).json()["secret"]
    new = {"secret": secret, "password": "another good password"}
    other = browser(app).post("/api/invitations/accept", json={**new, "name": "zoe"})
    assert (other.status_code, other.json()["field"]) == (422, "name")
    again = browser(app).post("/api/invitations/accept", json={**new, "name": "Ada"})
    assert again.json()["user"] == user
    assert ada.get("/api/session").status_code == 401  # logged out everywhere
    login = {"name": "ada", "password": "another good password"}
    assert browser(app).post("/api/session", json=login).status_code == 200
