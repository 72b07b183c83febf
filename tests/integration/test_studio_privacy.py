"""Faces and plates in the studio: proposed, put right by reviewers, concealed in exports."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from anymask.core.image_io import read_image
from anymask.dataset.privacy.regions import Region
from anymask.server.routes import privacy
from studio import add_project, browser, make_app, picture

FOUND = Region(box=(10.0, 10.0, 30.0, 34.0), kind="face", score=0.8, source="fake")


class OneFace:
    name = "fake"

    def find(self, image: Any) -> tuple[Region, ...]:
        return (FOUND,)


@pytest.fixture
def people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TestClient, TestClient, TestClient]:
    """An admin with a project of two pictures, a reviewer and an annotator."""
    monkeypatch.setattr(privacy, "_detectors", lambda files: (OneFace(),))
    app = make_app(tmp_path)
    eve, bob, ada = (browser(app, name) for name in ("eve", "bob", "ada"))
    add_project(eve)
    return eve, bob, ada


def pictures_of(client: TestClient, **query: Any) -> dict[str, bytes]:
    answer = client.get("/api/projects/1/export", params={"pictures": True, **query})
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        return {Path(name).name: archive.read(name) for name in names}


def test_review_keeps_what_was_found_and_marks_what_people_drew(
    people: tuple[TestClient, TestClient, TestClient],
) -> None:
    _, bob, _ = people
    assert bob.get("/api/images/1/regions").json()["version"] == 0
    proposed = bob.post("/api/images/1/regions").json()
    assert proposed["regions"] == [{**FOUND.to_json()}]
    drawn = {"box": [40, 5, 60, 12], "kind": "plate"}
    kept = {"box": list(FOUND.box), "kind": "face"}
    body = {"version": proposed["version"], "regions": [kept, drawn], "is_done": True}
    saved = bob.put("/api/images/1/regions", json=body).json()
    assert [region["source"] for region in saved["regions"]] == ["fake", "person"]
    assert saved["is_done"]
    assert bob.put("/api/images/1/regions", json=body).status_code == 409
    again = bob.post("/api/images/1/regions").json()  # detectors do not undo a review
    assert again["regions"] == saved["regions"]
    listed = bob.get("/api/projects/1/privacy").json()
    assert [(one["is_done"], one["num_regions"]) for one in listed] == [(True, 2), (False, 0)]
    left = bob.get("/api/projects/1/privacy?is_done=false").json()
    assert [one["image_id"] for one in left] == [2]


def test_exports_conceal_what_is_stored(
    people: tuple[TestClient, TestClient, TestClient],
) -> None:
    _, bob, _ = people
    original = read_image(picture(0))
    assert pictures_of(bob)["cat0.png"] == picture(0)  # nobody has looked at it
    bob.post("/api/images/1/regions")
    released = read_image(pictures_of(bob)["cat0.png"])
    x0, y0, x1, y1 = map(int, FOUND.box)
    assert (released[y0:y1, x0:x1] != original[y0:y1, x0:x1]).any(axis=2).mean() > 0.9
    np.testing.assert_array_equal(released[:, 45:], original[:, 45:])
    shown = bob.get("/api/images/1/concealed")
    np.testing.assert_array_equal(read_image(shown.content), released)


def test_reviewed_exports_wait_for_all_reviews(
    people: tuple[TestClient, TestClient, TestClient],
) -> None:
    _, bob, _ = people
    answer = bob.get("/api/projects/1/export?pictures=true&reviewed=true")
    assert answer.status_code == 409
    assert answer.json()["field"] == "reviewed"
    for image in (1, 2):
        body = {"version": 0, "regions": [], "is_done": True}
        assert bob.put(f"/api/images/{image}/regions", json=body).status_code == 200
    assert set(pictures_of(bob, reviewed=True)) == {"cat0.png", "cat1.png"}


def test_annotators_do_not_get_in(people: tuple[TestClient, TestClient, TestClient]) -> None:
    _, _, ada = people
    body = {"version": 0, "regions": [], "is_done": True}
    answers = [
        ada.get("/api/projects/1/privacy"),
        ada.get("/api/images/1/regions"),
        ada.post("/api/images/1/regions"),
        ada.put("/api/images/1/regions", json=body),
        ada.get("/api/images/1/concealed"),
    ]
    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize(
    "region",
    [
        {"box": [5, 5, 5, 9], "kind": "face"},
        {"box": [5, 5, 9], "kind": "face"},
        {"box": [1, 1, 9, 9], "kind": "cat"},
    ],
)
def test_wrong_regions_are_refused(
    people: tuple[TestClient, TestClient, TestClient], region: dict[str, Any]
) -> None:
    _, bob, _ = people
    body = {"version": 0, "regions": [region], "is_done": False}
    assert bob.put("/api/images/1/regions", json=body).status_code == 422


def test_without_a_detector_people_draw(
    people: tuple[TestClient, TestClient, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    from anymask.core.errors import InvalidInputError

    def none(files: str) -> tuple[()]:
        raise InvalidInputError("a face detector must be installed, got none.")

    monkeypatch.setattr(privacy, "_detectors", none)
    _, bob, _ = people
    answer = bob.post("/api/images/1/regions").json()
    assert answer["version"] == 0
    assert "must be installed" in answer["problem"]
