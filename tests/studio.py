"""A studio in a temporary folder: its settings, people that can log in, pictures, a browser."""

import io
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from anymask.core.rle import Rle
from anymask.engine.store import accounts
from anymask.engine.store.tables import Role
from anymask.server.app import create_app
from anymask.server.settings import ServerSettings
from tiny_predictor import noise_image, tiny_predictor

PASSWORD = "a password of the tests"
# Real hashing takes a tenth of a second; the parameters are part of the hash.
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
BASE_URL = "http://127.0.0.1:8000"


def make_app(folder: Path, *, people: bool = True, **settings: Any) -> FastAPI:
    """Return an application with ada and amy (annotators), bob (reviewer) and eve (admin)."""
    app = create_app(ServerSettings(folder=str(folder), **settings), lambda line: None)
    studio = app.state.studio
    studio.models._load = lambda name: tiny_predictor()
    if not people:
        return app
    with studio.database.writing() as session:
        for name, role in (
            ("ada", Role.ANNOTATOR),
            ("amy", Role.ANNOTATOR),
            ("bob", Role.REVIEWER),
            ("eve", Role.ADMIN),
        ):
            accounts.add_user(session, name, _HASH, role, 0.0)
    return app


def browser(app: FastAPI, name: str | None = None) -> TestClient:
    """Return a browser, logged in if it is somebody's."""
    client = TestClient(app, base_url=BASE_URL, raise_server_exceptions=True)
    if name is not None:
        answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return client


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Return a context with the address of the application on a real socket."""
    config = uvicorn.Config(app, port=0, log_level="critical")
    server, listener = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def picture(seed: int = 0, height: int = 50, width: int = 70, format: str = "PNG") -> bytes:
    """Return an image file."""
    stream = io.BytesIO()
    Image.fromarray(noise_image(height, width, seed)).save(stream, format=format)
    return stream.getvalue()


def add_project(
    admin: httpx.Client, name: str = "cats", images: int = 2, has_members: bool = True, **more: Any
) -> int:
    """Return the id of a project that has so many images, and everybody as a member."""
    project: int = admin.post("/api/projects", json={"name": name, **more}).json()["id"]
    if has_members:
        everybody = [user["id"] for user in admin.get("/api/users").json()]
        admin.post(f"/api/projects/{project}/members", json={"user_ids": everybody})
    for seed in range(images):
        answer = admin.post(
            f"/api/projects/{project}/images?name=cat{seed}.png",
            content=picture(seed),
            headers={"Content-Type": "image/png"},
        )
        assert answer.status_code == 201, answer.text
    return project


def mask_json(column: int = 3, height: int = 50, width: int = 70) -> dict[str, Any]:
    """Return the run lengths of a mask with a hole."""
    mask = np.zeros((height, width), dtype=bool)
    mask[10:20, column : column + 10] = True
    mask[13:16, column + 3 : column + 6] = False
    return Rle.from_mask(mask).to_coco()


def draft(
    image_id: int,
    version: int = 0,
    column: int = 3,
    height: int = 50,
    width: int = 70,
    **more: Any,
) -> dict[str, Any]:
    """Return what saves a mask."""
    segmentation = mask_json(column, height, width)
    return {
        "image_id": image_id,
        "version": version,
        "segmentation": segmentation,
        "position": 0,
        **more,
    }


def new_id() -> str:
    """Return a UUID, as clients make them."""
    return str(uuid.uuid4())
