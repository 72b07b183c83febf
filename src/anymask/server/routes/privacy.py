"""Faces and plates of a project's pictures: proposed, put right by reviewers, seen concealed."""

import os
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.core.image_io import read_image
from anymask.dataset.privacy.concealing import conceal_file
from anymask.dataset.privacy.detectors import DetectorChoice
from anymask.dataset.privacy.regions import RegionDetector, find_regions
from anymask.engine.store import privacy
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.privacy import Concealed
from anymask.engine.store.projects import get_image
from anymask.server.access import Reviewer, StudioOf
from anymask.server.privacy_schemas import (
    PrivacyImageView,
    RegionsDraft,
    RegionsView,
    RegionView,
)
from anymask.server.schemas import RowId

router = APIRouter(prefix="/api", tags=["privacy"])


@router.get("/projects/{project_id}/privacy")
def list_pictures(
    project_id: RowId,
    user: Reviewer,
    studio: StudioOf,
    is_done: bool | None = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[PrivacyImageView]:
    """List a project's pictures, each once; the next page is after the last id."""
    with studio.database.reading() as session:
        rows = privacy.list_concealed(
            session, project_id, is_done=is_done, after=after, limit=limit
        )
    return [
        PrivacyImageView(
            image_id=image.id,
            name=image.name,
            width=image.width,
            height=image.height,
            version=stored.version,
            is_done=stored.is_done,
            num_regions=len(stored.regions),
        )
        for image, stored in rows
    ]


@router.get("/images/{image_id}/regions")
def get_regions(image_id: RowId, user: Reviewer, studio: StudioOf) -> RegionsView:
    """Give what is stored of a picture; version 0 if nothing is."""
    with studio.database.reading() as session:
        image = get_image(session, image_id)
        return _view(image_id, privacy.get_concealed(session, image.project_id, image.digest))


@router.post("/images/{image_id}/regions")
def propose_regions(image_id: RowId, user: Reviewer, studio: StudioOf) -> RegionsView:
    """Let the detectors look at a picture, unless somebody or they have before."""
    with studio.database.reading() as session:
        image = get_image(session, image_id)
        stored = privacy.get_concealed(session, image.project_id, image.digest)
    if stored.version:
        return _view(image_id, stored)
    try:
        detectors = _detectors(studio.settings.region_detectors)
    except (CheckpointError, InvalidInputError, MissingExtraError) as error:
        # People can draw all the same.
        return RegionsView(
            image_id=image_id, version=0, is_done=False, regions=[], problem=str(error)
        )
    data = studio.blobs.read(image_blob(image.digest))
    found = find_regions(detectors, read_image(data, max_pixels=studio.settings.max_pixels))
    with studio.database.writing() as session:
        stored = privacy.propose(
            session, image.project_id, image.digest, found, studio.database.now()
        )
    return _view(image_id, stored)


@router.put("/images/{image_id}/regions")
def review_regions(
    image_id: RowId, draft: RegionsDraft, user: Reviewer, studio: StudioOf
) -> RegionsView:
    """Save all regions of a picture; 409 if somebody else has changed them meanwhile."""
    with studio.database.writing() as session:
        stored = privacy.review(
            session,
            image_id,
            [(region.box, region.kind) for region in draft.regions],
            version=draft.version,
            is_done=draft.is_done,
            user=user,
            now=studio.database.now(),
        )
    return _view(image_id, stored)


@router.get("/images/{image_id}/concealed", response_class=Response)
def get_concealed_file(image_id: RowId, user: Reviewer, studio: StudioOf) -> Response:
    """Give the image's file as it is released: its stored regions concealed, no metadata."""
    with studio.database.reading() as session:
        image = get_image(session, image_id)
        stored = privacy.get_concealed(session, image.project_id, image.digest)
    data = conceal_file(studio.blobs.read(image_blob(image.digest)), stored.regions)
    headers = {"Cache-Control": "private, no-store"}
    return Response(data, media_type=image.media_type, headers=headers)


@cache
def _detectors(files: str) -> tuple[RegionDetector, ...]:
    """The default detectors and those of the files, loaded when somebody first asks."""
    paths = tuple(Path(name) for name in files.split(os.pathsep) if name)
    return DetectorChoice(onnx=paths).load()


def _view(image_id: int, stored: Concealed) -> RegionsView:
    return RegionsView(
        image_id=image_id,
        version=stored.version,
        is_done=stored.is_done,
        regions=[RegionView.model_validate(region) for region in stored.regions],
    )
