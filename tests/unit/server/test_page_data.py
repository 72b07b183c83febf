"""What pages ask of images and model: thumbnails, the decoder's graph, and the sample project."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from anymask.core.errors import MissingExtraError, NotFoundError
from anymask.engine.store import projects
from anymask.engine.store.blobs import FolderBlobs
from anymask.server import samples
from anymask.server.decoder_graph import DecoderGraph
from anymask.server.samples import add_samples
from anymask.server.served_model import ServedModel
from anymask.server.thumbnails import SIDE
from studio import add_project, browser, make_app, picture
from tiny_predictor import tiny_predictor


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return make_app(tmp_path / "studio")


def test_a_thumbnail_is_small_kept_and_never_changes(app: FastAPI) -> None:
    eve = browser(app, "eve")
    project = add_project(eve, images=1)
    large = picture(height=600, width=900, format="JPEG")
    url = f"/api/projects/{project}/images?name=large.jpg"
    added = eve.post(url, content=large, headers={"Content-Type": "image/jpeg"}).json()
    answer = eve.get(f"/api/images/{added['id']}/thumbnail")
    assert answer.headers["Content-Type"] == "image/webp"
    assert "immutable" in answer.headers["Cache-Control"]
    assert Image.open(io.BytesIO(answer.content)).size == (SIDE, SIDE * 600 // 900)
    assert f"thumbnails/{added['digest'][:2]}/{added['digest']}.webp" in app.state.studio.blobs
    assert eve.get(f"/api/images/{added['id']}/thumbnail").content == answer.content
    again = {"If-None-Match": answer.headers["ETag"]}
    assert eve.get(f"/api/images/{added['id']}/thumbnail", headers=again).status_code == 304


def test_a_small_picture_is_not_enlarged(app: FastAPI) -> None:
    eve = browser(app, "eve")
    add_project(eve, images=1)
    answer = eve.get("/api/images/1/thumbnail")
    assert Image.open(io.BytesIO(answer.content)).size == (70, 50)


def test_the_graph_is_made_once_and_kept_by_its_key(app: FastAPI) -> None:
    studio = app.state.studio
    exports = []
    studio.decoder._export = lambda name: exports.append(1) or b"graph"
    ada = browser(app, "ada")
    key = ada.get("/api/model").json()["decoder_key"]
    answer = ada.get(f"/api/model/decoder?key={key}")
    assert answer.content == b"graph"
    assert "immutable" in answer.headers["Cache-Control"]
    assert ada.get("/api/model/decoder").headers["Cache-Control"] == "private, no-cache"
    again = {"If-None-Match": answer.headers["ETag"]}
    assert ada.get("/api/model/decoder", headers=again).status_code == 304
    assert ada.get("/api/model/decoder?key=other").status_code == 404
    assert exports == [1]
    assert browser(app).get("/api/model/decoder").status_code == 401


def test_a_model_that_cannot_be_exported_is_said_to_be_absent(tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(NotFoundError, match="exportable"):
        DecoderGraph(FolderBlobs(tmp_path)).read(_served(str(broken)))


def test_the_decoder_of_an_export_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "encoder.onnx").write_bytes(b"encoder")
    (tmp_path / "decoder.onnx").write_bytes(b"decoder")
    graph = DecoderGraph(FolderBlobs(tmp_path / "blobs"))
    assert graph.read(_served(str(tmp_path))) == b"decoder"
    shutil.rmtree(tmp_path / "blobs")
    for name in ("encoder", "decoder"):
        (tmp_path / f"{name}.onnx").rename(tmp_path / f"{name}.xml")
    with pytest.raises(NotFoundError, match="ONNX"):
        graph.read(_served(str(tmp_path)))


def _served(name: str) -> ServedModel:
    return ServedModel(name=name, predictor=tiny_predictor())


@pytest.mark.slow
def test_the_graph_answers_as_the_server_does(tmp_path: Path) -> None:
    """Both from the float16 embedding; the server's logits travel as float16."""
    runtime = pytest.importorskip("onnxruntime")
    from safetensors.numpy import load

    from anymask.server.app import create_app
    from anymask.server.routes.images import _decoded
    from anymask.server.settings import ServerSettings

    app = create_app(ServerSettings(folder=str(tmp_path), auth=False), lambda line: None)
    page = browser(app)
    add_project(page, images=1)
    graph = runtime.InferenceSession(page.get("/api/model/decoder").content)
    features = {
        name: values.astype(np.float32)
        for name, values in load(page.get("/api/images/1/embedding").content).items()
    }
    side = page.get("/api/model").json()["mask_size"]
    answer = page.post(
        "/api/images/1/masks", json={"point_coords": [[30, 20]], "point_labels": [1]}
    ).json()
    logits, ious, best = graph.run(
        ["low_res_logits", "iou_predictions", "best"],
        {
            "original_sizes": np.array([[50, 70]], dtype=np.int64),
            "point_coords": np.array([[[30, 20]]], dtype=np.float32),
            "point_labels": np.array([[1]], dtype=np.int64),
            "mask_input": np.zeros((1, 1, side, side), dtype=np.float32),
            "has_mask_input": np.zeros(1, dtype=np.float32),
            **features,
        },
    )
    assert len(answer["masks"]) == 3
    assert best[0] == 1 + answer["best"]
    for i, mask in enumerate(answer["masks"], start=1):
        theirs = _decoded(mask["low_res_logits"], side)
        assert theirs is not None
        np.testing.assert_allclose(logits[0, i], theirs[0], atol=5e-3, rtol=1e-3)
        assert mask["predicted_iou"] == pytest.approx(float(ious[0, i]), abs=1e-4)


def test_samples_come_once(app: FastAPI) -> None:
    pytest.importorskip("skimage")
    said: list[str] = []
    studio = app.state.studio
    studio.decoder._export = lambda name: b"graph"
    add_samples(studio, said.append)
    add_samples(studio, said.append)
    assert len(said) == 1
    with studio.database.reading() as session:
        (project,) = projects.list_projects(session)
        assert [image.name for image, _ in projects.list_images(session, project.id)] == [
            "coffee.png",
            "chelsea.png",
            "astronaut.png",
            "rocket.jpg",
        ]


def test_samples_need_scikit_image(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="scikit-image"):
        add_samples(app.state.studio, lambda line: None)
