"""One image: what it is, its file, its embedding, and masks that the server predicts on it."""

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Header, Query, Response
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError, NotFoundError
from anymask.core.prompts import Prompt
from anymask.core.rle import Rle
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.projects import get_image
from anymask.engine.store.tables import Image
from anymask.server.access import Annotator, StudioOf
from anymask.server.schemas import (
    FoundInstance,
    FoundInstances,
    ImageView,
    MaskAnswer,
    MaskAnswers,
    MaskQuestion,
    ModelView,
    RleModel,
    RowId,
    TextQuestion,
)
from anymask.server.studio import Studio, stored_image
from anymask.server.thumbnails import MEDIA_TYPE, read_thumbnail
from anymask.server.uploads import disposition

router = APIRouter(prefix="/api", tags=["images"])

_BYTES = "application/octet-stream"
_FOREVER = "private, max-age=31536000, immutable"
_Known = Annotated[str | None, Header(alias="If-None-Match", max_length=1000)]


@router.get("/model")
def get_model(user: Annotator, studio: StudioOf) -> ModelView:
    """Tell which model embeds images here; browsers decode with the same one."""
    predictor = studio.models.served().predictor
    config = predictor.model.config
    return ModelView(
        model_id=predictor.model_id,
        image_size=config.image_size,
        mask_size=config.mask_size,
        mask_threshold=config.mask_threshold,
        decoder_key=studio.decoder.key(predictor.model_id),
        has_text=studio.embeddings.has_text(predictor),
    )


@router.get("/model/decoder", response_class=Response)
def get_decoder(
    user: Annotator,
    studio: StudioOf,
    key: Annotated[str | None, Query(max_length=100)] = None,
    known: _Known = None,
) -> Response:
    """Give the model's decoder as an ONNX graph; the first time takes seconds.

    With `key` (see /api/model) in the address it never changes and is kept. 404 where the model
    cannot be exported: ask the server for masks then.
    """
    served = studio.models.served()
    present = studio.decoder.key(served.model_id)
    if key not in (None, present):
        raise NotFoundError(f"key must be {present}, got {key}. See /api/model.")
    headers = _headers(present, is_final=bool(key))
    return _unless_known(known, headers, lambda: studio.decoder.read(served), _BYTES)


@router.get("/images/{image_id}")
def get_image_row(image_id: RowId, user: Annotator, studio: StudioOf) -> ImageView:
    """Give one image."""
    return ImageView.model_validate(_image(studio, image_id))


@router.get("/images/{image_id}/file", response_class=Response)
def get_file(image_id: RowId, user: Annotator, studio: StudioOf, known: _Known = None) -> Response:
    """Give the image's file as it was uploaded; it never changes."""
    image = _image(studio, image_id)
    headers = _headers(image.digest) | {"Content-Disposition": disposition(image.name)}
    blob = image_blob(image.digest)
    return _unless_known(known, headers, lambda: studio.blobs.read(blob), image.media_type)


@router.get("/images/{image_id}/thumbnail", response_class=Response)
def get_thumbnail(
    image_id: RowId, user: Annotator, studio: StudioOf, known: _Known = None
) -> Response:
    """Give a small WebP picture of the image, for lists; it never changes."""
    image = _image(studio, image_id)
    make = partial(read_thumbnail, studio.blobs, image.digest, studio.settings.max_pixels)
    return _unless_known(known, _headers(f"{image.digest}-thumbnail"), make, MEDIA_TYPE)


@router.get("/images/{image_id}/embedding", response_class=Response)
def get_embedding(
    image_id: RowId,
    user: Annotator,
    studio: StudioOf,
    model: Annotated[str | None, Query(max_length=100)] = None,
    known: _Known = None,
) -> Response:
    """Give the image's embedding: a safetensors file of float16 arrays.

    With `model` (see /api/model) in the address it never changes and is kept; without, it is asked
    for again each time, as the server's model may have changed.
    """
    image = stored_image(_image(studio, image_id))
    predictor = studio.models.served().predictor
    if model not in (None, predictor.model_id):
        raise NotFoundError(f"model must be {predictor.model_id}, got {model}. See /api/model.")
    headers = _headers(studio.embeddings.tag(image, predictor), is_final=bool(model))
    read = partial(studio.embeddings.encoded, image, predictor)
    return _unless_known(known, headers, read, _BYTES)


@router.post("/images/{image_id}/masks")
def predict_masks(
    image_id: RowId, question: MaskQuestion, user: Annotator, studio: StudioOf
) -> MaskAnswers:
    """Answer clicks and a box with masks, for browsers that cannot do it themselves."""
    image = stored_image(_image(studio, image_id))
    predictor = studio.models.served().predictor
    prompt = Prompt(
        point_coords=question.point_coords or None,
        point_labels=question.point_labels or None,
        box=question.box,
        mask_input=_decoded(question.mask_input, predictor.model.config.mask_size),
    )
    answer = studio.embeddings.predict(image, predictor, prompt, question.multimask_output)
    return MaskAnswers(
        model_id=predictor.model_id,
        best=answer.best,
        masks=[
            MaskAnswer(
                segmentation=RleModel(**Rle.from_mask(mask).to_coco()),
                predicted_iou=float(iou),
                low_res_logits=_encoded(logits),
            )
            for mask, iou, logits in zip(
                answer.masks, answer.iou_predictions, answer.low_res_logits, strict=True
            )
        ],
    )


@router.post("/images/{image_id}/text")
def find_text(
    image_id: RowId, question: TextQuestion, user: Annotator, studio: StudioOf
) -> FoundInstances:
    """Find all instances of a text; 404 where the model knows none (`has_text`)."""
    image = stored_image(_image(studio, image_id))
    predictor = studio.models.served().predictor
    return FoundInstances(
        model_id=predictor.model_id,
        instances=[
            FoundInstance(
                segmentation=RleModel(**found.segmentation.to_coco()),
                score=found.score,
                predicted_iou=found.iou_prediction,
            )
            for found in studio.embeddings.find(image, predictor, question.text)
        ],
    )


def _image(studio: Studio, image_id: int) -> Image:
    with studio.database.reading() as session:
        return get_image(session, image_id)


def _headers(tag: str, *, is_final: bool = True) -> dict[str, str]:
    """What tells a browser how long to keep an answer, and by what to ask for it again."""
    return {"ETag": f'"{tag}"', "Cache-Control": _FOREVER if is_final else "private, no-cache"}


def _unless_known(
    known: str | None, headers: dict[str, str], read: Callable[[], bytes], media_type: str
) -> Response:
    """The content, which is only read if the browser does not have it already."""
    tags = [one.strip().removeprefix("W/") for one in (known or "").split(",")]
    if headers["ETag"] in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(read(), media_type=media_type, headers=headers)


def _encoded(logits: NDArray[np.float32]) -> str:
    return base64.b64encode(np.clip(logits, -65504, 65504).astype("<f2").tobytes()).decode()


def _decoded(text: str | None, mask_size: int) -> NDArray[np.float32] | None:
    if text is None:
        return None
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2")
        return values.reshape(1, mask_size, mask_size).astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            f"mask_input must be base64 of {mask_size} x {mask_size} float16 numbers, got "
            "something else. Pass an earlier answer's low_res_logits."
        ) from error
