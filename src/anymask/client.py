"""A program's way to a studio: its API as typed calls, with nothing but the standard library."""

import base64
import dataclasses
import json
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from anymask.core.annotated import AnnotatedMask
from anymask.core.errors import (
    AccessError,
    AnymaskError,
    ConflictError,
    DownloadError,
    InvalidInputError,
    NotFoundError,
)
from anymask.core.files import atomic_write
from anymask.core.prompts import Prompt
from anymask.core.rle import Rle

_TRIES = 5
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class StudioImage:
    """An image of a project; sizes in pixels, `digest` is its file's SHA-256."""

    id: int
    project_id: int
    name: str
    digest: str
    width: int
    height: int
    state: str


@dataclass(frozen=True, kw_only=True)
class StudioMask:
    """A mask on an image of the studio.

    Attributes:
        image_id: the image that it lies on.
        segmentation: of the image's size.
        position: order of prominence, from 0.
        name: what the object is called, if anybody said.
        model_id: the model that helped, None for none.
        predicted_iou: that model's estimate.
        id: a UUID, made here for a new mask.
        version: the stored version, 0 for a new mask.
    """

    image_id: int
    segmentation: Rle
    position: int = 0
    name: str = ""
    model_id: str | None = None
    predicted_iou: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    version: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedMask:
    """One of the server's masks of a prompt; `low_res_logits` (1, h, w) can be fed back."""

    segmentation: Rle
    predicted_iou: float
    low_res_logits: NDArray[np.float32]


class Client:
    """A studio at a URL, for the owner of a token.

    Calls raise AccessError, NotFoundError, ConflictError and InvalidInputError with the server's
    own text, and DownloadError when there is no answer. Calls that change nothing when repeated,
    saves among them, are tried again for a few seconds first.

    Args:
        url: such as `http://127.0.0.1:8000`.
        token: of `Client.log_in` or POST /api/tokens; empty for a server without accounts.
    """

    def __init__(self, url: str, token: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInputError(f"url must begin with http:// or https://, got {url!r}.")
        self._url = url.rstrip("/")
        self.token = token

    @classmethod
    def log_in(cls, url: str, name: str, password: str, label: str = "anymask.Client") -> "Client":
        """Return a client with a fresh token; `token` can be kept, the password need not be."""
        client = cls(url)
        with client._open("POST", "/api/session", {"name": name, "password": password}) as answer:
            cookie = answer.headers["Set-Cookie"].split(";", 1)[0]
            csrf_token = json.load(answer)["csrf_token"]
        headers = {"Cookie": cookie, "X-CSRF-Token": csrf_token}
        with client._open("POST", "/api/tokens", {"label": label}, headers) as answer:
            client.token = json.load(answer)["token"]
        with client._open("DELETE", "/api/session", None, headers):
            pass
        return client

    def add_project(self, name: str, guideline: str = "", annotators_per_image: int = 1) -> int:
        """Make a project, return its id; so many people annotate each image by themselves."""
        draft = {
            "name": name,
            "guideline": guideline,
            "annotators_per_image": annotators_per_image,
        }
        return int(self._call("POST", "/api/projects", draft)["id"])

    def projects(self) -> dict[str, int]:
        """Return the ids of the projects that one may see, by their names."""
        return {row["name"]: row["id"] for row in self._repeat("GET", "/api/projects")}

    def add_members(self, project_id: int, names: Collection[str]) -> None:
        """Let the accounts of these names see a project.

        Raises:
            NotFoundError: there is no such project or account.
        """
        known = {user["name"]: user["id"] for user in self._repeat("GET", "/api/users")}
        for name in names:
            if name not in known:
                raise NotFoundError(f"name must be an account's, got {name!r}. Invite them first.")
        draft = {"user_ids": [known[name] for name in names]}
        self._repeat("POST", f"/api/projects/{project_id}/members", draft)

    def invite(self, role: str = "annotator", project_ids: Collection[int] = ()) -> str:
        """Return the secret of an invitation, with which one person makes an account."""
        draft = {"role": role, "project_ids": list(project_ids)}
        return str(self._call("POST", "/api/invitations", draft)["secret"])

    @classmethod
    def accept_invitation(cls, url: str, secret: str, name: str, password: str) -> "Client":
        """Make an account with an invitation, return a client that acts for it."""
        account = {"secret": secret, "name": name, "password": password}
        cls(url)._call("POST", "/api/invitations/accept", account)
        return cls.log_in(url, name, password)

    def add_image(self, project_id: int, path: str | Path) -> StudioImage:
        """Upload an image file; the same file again is the same image."""
        file = Path(path)
        query = urlencode({"name": file.name})
        url = f"/api/projects/{project_id}/images?{query}"
        headers = {"Content-Type": "application/octet-stream"}
        return _image(self._repeat("POST", url, file.read_bytes(), headers))

    def images(self, project_id: int, state: str | None = None) -> Iterator[StudioImage]:
        """Yield a project's images, all or those in a state."""
        after = 0
        while True:
            query = urlencode({"after": after} | ({"state": state} if state else {}))
            page = self._repeat("GET", f"/api/projects/{project_id}/images?{query}")
            yield from map(_image, page)
            if not page:
                return
            after = page[-1]["id"]

    def next_image(self, project_id: int) -> tuple[StudioImage, list[StudioMask]] | None:
        """Lease the next image, return it and its masks; None when nothing is left to do."""
        work = self._repeat("POST", f"/api/projects/{project_id}/next")
        return None if work is None else _work(work)

    def lease(self, image_id: int) -> tuple[StudioImage, list[StudioMask]]:
        """Lease a chosen image, or keep its lease alive."""
        return _work(self._repeat("PUT", f"/api/images/{image_id}/lease"))

    def release(self, image_id: int) -> None:
        """Give an image back."""
        self._repeat("DELETE", f"/api/images/{image_id}/lease")

    def save(self, mask: StudioMask) -> StudioMask:
        """Save a mask, return it with its new version; it is on the server's disk then.

        Raises:
            ConflictError: somebody else changed the mask (`field` is version), or works on the
                image (`field` is lease).
        """
        values = {
            key.name: getattr(mask, key.name)
            for key in dataclasses.fields(mask)
            if key.name not in ("id", "segmentation")
        }
        draft = {**values, "segmentation": mask.segmentation.to_coco()}
        # One key for all tries: a save whose answer was lost is not done twice.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        stored = self._repeat("PUT", f"/api/annotations/{quote(mask.id)}", draft, headers)
        return dataclasses.replace(mask, version=stored["version"])

    def delete(self, mask: StudioMask) -> None:
        """Delete a stored mask."""
        query = urlencode({"image_id": mask.image_id, "version": mask.version})
        self._repeat("DELETE", f"/api/annotations/{quote(mask.id)}?{query}")

    def masks(self, image_id: int) -> list[StudioMask]:
        """Return an image's masks in order of prominence."""
        image = self._repeat("GET", f"/api/images/{image_id}")
        rows = self._repeat("GET", f"/api/images/{image_id}/annotations")
        return [_mask(row, (image["height"], image["width"])) for row in rows]

    def add_masks(self, image_id: int, masks: Iterable[AnnotatedMask]) -> int:
        """Add masks that were made elsewhere, return how many were new; for admins.

        Raises:
            ConflictError: somebody works on the image (`field` is lease), or it was submitted.
        """
        drafts = [
            {
                "segmentation": mask.segmentation.to_coco(),
                "name": mask.name,
                "is_crowd": mask.is_crowd,
                "predicted_iou": mask.predicted_iou,
                "point_coords": mask.point_coords,
            }
            for mask in masks
        ]
        added = self._repeat("POST", f"/api/images/{image_id}/annotations", {"masks": drafts})
        return int(added["added"])

    def predict(self, image_id: int, prompt: Prompt) -> list[PredictedMask]:
        """Return the server's masks of clicks, a box, an earlier mask; words are not taken."""
        question: dict[str, Any] = {}
        for name in ("point_coords", "point_labels", "box"):
            if getattr(prompt, name) is not None:
                question[name] = getattr(prompt, name).tolist()
        if prompt.mask_input is not None:
            question["mask_input"] = base64.b64encode(prompt.mask_input.astype("<f2")).decode()
        answer = self._repeat("POST", f"/api/images/{image_id}/masks", question)
        return [_predicted(mask) for mask in answer["masks"]]

    def submit(self, image_id: int) -> StudioImage:
        """Hand an image to review."""
        return _image(self._repeat("POST", f"/api/images/{image_id}/submit"))

    def review(self, image_id: int, decision: str, reason: str = "") -> StudioImage:
        """Decide `accept`, `fix` or `reject` about an image."""
        review = {"decision": decision, "reason": reason}
        return _image(self._call("POST", f"/api/images/{image_id}/review", review))

    def export(
        self, project_id: int, path: str | Path, format: str = "coco", *, pictures: bool = False
    ) -> None:
        """Write a project's masks to a file, in a format of GET /api/formats.

        COCO without pictures is one JSON file, everything else a ZIP archive.
        """
        query = urlencode({"format": format, "pictures": json.dumps(pictures)})
        url = f"/api/projects/{project_id}/export?{query}"
        with self._open("GET", url) as answer, atomic_write(path) as stream:
            while chunk := answer.read(_CHUNK_BYTES):
                stream.write(chunk)

    def _repeat(self, *request: Any) -> Any:
        """Call until there is an answer; only for requests that may come twice."""
        for trial in range(_TRIES):
            try:
                return self._call(*request)
            except DownloadError:
                if trial == _TRIES - 1:
                    raise
                time.sleep(0.25 * 2**trial)
        raise AssertionError("unreachable")

    def _call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        try:
            with self._open(method, path, body, headers) as answer:
                data = answer.read()
        except AnymaskError:
            raise
        except (OSError, HTTPException) as error:
            raise DownloadError(f"{self._url} broke off: {error}. Try again.") from error
        return json.loads(data) if data else None

    def _open(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        given = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = Request(self._url + path, data=data, headers=given, method=method)
        try:
            return urlopen(request, timeout=_TIMEOUT_SECONDS)
        except HTTPError as error:
            raise _told(error) from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise DownloadError(
                f"{self._url} must answer, got: {reason}. Is the server running?"
            ) from error


def _told(error: HTTPError) -> Exception:
    """The server's error as the class that it was there."""
    with error:
        try:
            told = json.load(error)
            text, about = told["error"], told["field"] or ""
        except (ValueError, KeyError, TypeError):
            text, about = f"the server answered {error.code} {error.reason}", ""
    if error.code in (401, 403, 429):
        return AccessError(text)
    if error.code == 404:
        return NotFoundError(text)
    if error.code == 409:
        return ConflictError(text, about)
    return InvalidInputError(text) if error.code < 500 else DownloadError(text)


def _image(value: Any) -> StudioImage:
    keys = [key.name for key in dataclasses.fields(StudioImage)]
    return StudioImage(**{key: value[key] for key in keys})


def _work(value: Any) -> tuple[StudioImage, list[StudioMask]]:
    image = _image(value["image"])
    return image, [_mask(row, (image.height, image.width)) for row in value["annotations"]]


def _mask(row: Any, size: tuple[int, int]) -> StudioMask:
    names = ("image_id", "position", "name", "model_id", "predicted_iou", "id", "version")
    rle = Rle.from_coco({"size": list(size), "counts": row["counts"]})
    return StudioMask(segmentation=rle, **{name: row[name] for name in names})


def _predicted(value: Any) -> PredictedMask:
    logits = np.frombuffer(base64.b64decode(value["low_res_logits"]), dtype="<f2")
    side = round(len(logits) ** 0.5)
    return PredictedMask(
        segmentation=Rle.from_coco(value["segmentation"]),
        predicted_iou=value["predicted_iou"],
        low_res_logits=logits.reshape(1, side, side).astype(np.float32),
    )
