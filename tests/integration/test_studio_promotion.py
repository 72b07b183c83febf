"""A running studio beside an engine: the model changes while people annotate."""

from pathlib import Path

from starlette.testclient import TestClient

from anymask.dataset.photo_folder import find_photos
from anymask.engine.cycle import DataEngine
from anymask.engine.embedding_files import load_studio_predictor
from anymask.engine.plan import Promotion
from drawn_shapes import draw_set
from engine_people import save_tiny, tiny_plan
from studio import browser, draft, make_app, new_id


def test_the_next_image_is_of_the_promoted_model_and_old_masks_keep_theirs(tmp_path: Path) -> None:
    photos = draw_set(tmp_path / "shapes", 4)
    held_out = draw_set(tmp_path / "held_out", 2, (44, 60))
    model = save_tiny(tmp_path / "model.safetensors")
    folder = tmp_path / "studio"
    DataEngine.begin(folder, tiny_plan(model, held_out, promotion=Promotion(rule="always")))
    app = make_app(folder)
    app.state.studio.models._load = load_studio_predictor
    engine = DataEngine.open(folder)
    engine.add_photos(find_photos([photos / "images"]))
    engine.run()

    ada = browser(app, "ada")
    first = ada.get("/api/model").json()
    assert first["model_id"] == engine.context.current_model.model_id
    masks = annotate_round(ada, engine.project_of_people(), first["model_id"])
    engine.run()

    second = ada.get("/api/model").json()
    promoted = engine.context.current_model.model_id
    assert second["model_id"] == promoted != first["model_id"]
    assert second["decoder_key"] != first["decoder_key"]
    project = engine.project_of_people()
    image = ada.post(f"/api/projects/{project}/next").json()["image"]
    url = f"/api/images/{image['id']}/embedding"
    assert ada.get(f"{url}?model={promoted}").status_code == 200
    late = ada.get(f"{url}?model={first['model_id']}")
    assert late.status_code == 404
    assert "/api/model" in late.json()["error"]
    click = {"point_coords": [[30, 20]], "point_labels": [1]}
    answer = ada.post(f"/api/images/{image['id']}/masks", json=click).json()
    assert answer["model_id"] == promoted
    for image_id in masks:
        (old,) = ada.get(f"/api/images/{image_id}/annotations").json()
        assert old["model_id"] == first["model_id"]
    engine.close()
    app.state.studio.close()


def annotate_round(ada: TestClient, project: int | None, model_id: str) -> list[int]:
    """Save a mask on each of the project's images and hand it in, return their ids."""
    done = []
    while (answer := ada.post(f"/api/projects/{project}/next")).status_code == 200:
        image = answer.json()["image"]
        mask = draft(image["id"], height=image["height"], width=image["width"], model_id=model_id)
        assert ada.put(f"/api/annotations/{new_id()}", json=mask).status_code == 200
        assert ada.post(f"/api/images/{image['id']}/submit").status_code == 200
        done.append(image["id"])
    return done
