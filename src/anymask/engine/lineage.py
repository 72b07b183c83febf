"""Where a mask, a photo or a model is from, and what was made of it: read back from the records.

Backwards: a mask's photo, author or generator, prompts and model; a model's data versions and the
model that it began with, down to the first one. Forwards: the data versions that hold a mask, the
models trained on these, those that went on from them, and the data sets made with any of them.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from anymask.core.errors import NotFoundError
from anymask.core.records import place_of_mask
from anymask.dataset.shards import read_pairs
from anymask.engine.automatic.run_folder import RunFolder
from anymask.engine.automatic.work_list import listed_photos
from anymask.engine.automatic_step import automatic_config
from anymask.engine.context import AUTOMATIC_FOLDER, EngineContext
from anymask.engine.pool import read_pool
from anymask.engine.steps import StepKind, StepRecord
from anymask.engine.store.accounts import find_user
from anymask.engine.store.origins import (
    MaskOrigin,
    origin_of_mask,
    origins_by_author,
    origins_on_photo,
    origins_with_model,
)
from anymask.engine.versions import read_lineage


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What is known of one thing.

    Attributes:
        kind: what it is.
        name: as it was asked for.
        about: its own facts: of a mask where it is from, of a model how it scored.
        models_before: the model that made it or helped, with the models that that one is from, the
            latest first; each with the step that trained it and the data versions it learned from.
        masks: the stored masks that it has, made, or helped with.
        versions: data versions with such a mask.
        models_after: models that learned from these, or went on from such a model.
        releases: data sets that these models made, or that the photo is in.
        redo: the steps that have to be done again if it is withdrawn, in order.
    """

    kind: Literal["mask", "released mask", "photo", "person", "data version", "model"]
    name: str
    about: dict[str, Any] = field(default_factory=dict)
    models_before: tuple[dict[str, Any], ...] = ()
    masks: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    models_after: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()


def trace(context: EngineContext, name: str) -> Lineage:
    """Return the lineage of what has that name.

    Args:
        context: the engine.
        name: a stored mask's UUID, a released mask's number, a photo's file name or SHA-256, the
            name of a released photo (sa_N), an account's name, a data version or a model's id.

    Raises:
        NotFoundError: nothing is called so.
    """
    for look in (_mask, _released_mask, _photo, _version, _model, _person):
        found = look(context, name)
        if found is not None:
            return found
    raise NotFoundError(
        f"name must be a mask, photo, model, data version or account of {context.folder}, got "
        f"{name!r}. See: anymask engine status --json."
    )


def _mask(context: EngineContext, name: str) -> Lineage | None:
    with context.database.reading() as session:
        origin = origin_of_mask(session, name)
    if origin is None:
        return None
    return Lineage(
        kind="mask",
        name=name,
        about=asdict(origin),
        models_before=_models_before(context, origin.model_id),
        **_forward(context, [origin]),
    )


def _released_mask(context: EngineContext, name: str) -> Lineage | None:
    made = next(context.of_kind(StepKind.AUTOMATIC), None)
    if made is None or not name.isdecimal():
        return None
    image_id, place = place_of_mask(int(name))
    digest = _released_digests(context).get(image_id)
    record = None if digest is None else _released_record(context, image_id, place)
    if digest is None or record is None:
        return None
    return Lineage(
        kind="released mask",
        name=name,
        about={
            "digest": digest,
            "photo": _photo_name(context, digest),
            "released_photo": f"sa_{image_id}.jpg",
            "release": made.outputs["release"],
            "generator": made.inputs["model_id"],
            **record,
        },
        models_before=_models_before(context, made.inputs["model_id"]),
        **_consequences(context, [], [], is_released=True),
    )


def _photo(context: EngineContext, name: str) -> Lineage | None:
    digests = {file.name: file.digest for file in read_pool(context.folder)}
    digest = name if name in digests.values() else digests.get(name)
    number = name.removeprefix("sa_").removesuffix(".jpg")
    if digest is None and name.startswith("sa_") and number.isdecimal():
        digest = _released_digests(context).get(int(number))
    if digest is None:
        return None
    with context.database.reading() as session:
        origins = origins_on_photo(session, digest)
    return Lineage(
        kind="photo",
        name=name,
        about={"digest": digest, "photo": _photo_name(context, digest)},
        **_forward(context, origins, digest),
    )


def _person(context: EngineContext, name: str) -> Lineage | None:
    with context.database.reading() as session:
        if find_user(session, name) is None:
            return None
        origins = origins_by_author(session, name.strip().lower())
    return Lineage(kind="person", name=name, **_forward(context, origins))


def _version(context: EngineContext, name: str) -> Lineage | None:
    record = next(
        (r for r in context.of_kind(StepKind.FREEZE) if r.outputs["version"] == name), None
    )
    if record is None:
        return None
    images = read_lineage(context.version_folder(name))
    masks = tuple(mask["annotation_id"] for image in images for mask in image["masks"])
    return Lineage(
        kind="data version",
        name=name,
        about={"round": record.round, "digest": record.outputs["digest"], **record.figures},
        masks=masks,
        **_consequences(context, [name], [], is_released=False),
    )


def _model(context: EngineContext, name: str) -> Lineage | None:
    before = _models_before(context, name)
    if not before:
        return None
    with context.database.reading() as session:
        masks = origins_with_model(session, name)
    return Lineage(
        kind="model",
        name=name,
        about=before[0],
        models_before=before[1:],
        masks=tuple(mask.annotation_id for mask in masks),
        **_consequences(context, [], [name], is_released=False),
    )


def _models_before(context: EngineContext, model_id: str | None) -> tuple[dict[str, Any], ...]:
    """The model and those that it is from, the latest first; none for one of another engine."""
    chain: list[dict[str, Any]] = []
    made = {
        record.outputs["model_id"]: record
        for record in context.records
        if record.kind in (StepKind.START, StepKind.TRAIN)
    }
    while (record := made.get(model_id)) is not None:
        model_id = record.inputs.get("model_id")
        chain.append(
            {
                "model_id": record.outputs["model_id"],
                "model": record.outputs["model"],
                "step": record.name,
                "versions": record.inputs.get("versions", []),
                "score": _score(context, record),
            }
        )
    return tuple(chain)


def _score(context: EngineContext, made: StepRecord) -> float | None:
    kind = StepKind.START if made.kind is StepKind.START else StepKind.EVALUATE
    measured = [r for r in context.of_kind(kind) if r.round == made.round]
    return measured[0].figures.get("score") if measured else None


def _forward(
    context: EngineContext, origins: Collection[MaskOrigin], digest: str | None = None
) -> dict[str, Any]:
    """Masks, data versions and what came of them, as fields of `Lineage`."""
    ids = {origin.annotation_id for origin in origins}
    versions = [
        version
        for version in context.all_versions()
        if any(
            image["digest"] == digest or any(m["annotation_id"] in ids for m in image["masks"])
            for image in read_lineage(context.version_folder(version))
        )
    ]
    is_released = digest is not None and digest in _released_digests(context).values()
    return {
        "masks": tuple(origin.annotation_id for origin in origins),
        "versions": tuple(versions),
        **_consequences(context, versions, [], is_released=is_released),
    }


def _consequences(
    context: EngineContext,
    versions: Collection[str],
    models: Collection[str],
    *,
    is_released: bool,
) -> dict[str, Any]:
    """What learned from the versions or went on from the models; in one pass, as time has it."""
    touched_models = set(models)
    after: list[str] = []
    releases: list[str] = []
    redo: list[str] = []
    rounds: set[int] = set()
    for record in context.records:
        if record.kind is StepKind.FREEZE:
            is_touched = record.outputs["version"] in versions
        elif record.kind is StepKind.TRAIN:
            is_touched = (
                record.inputs["model_id"] in touched_models
                or not set(versions).isdisjoint(record.inputs["versions"])
                or bool(record.inputs["release"] and releases)
            )
            if is_touched:
                rounds.add(record.round)
                touched_models.add(record.outputs["model_id"])
                after.append(record.outputs["model_id"])
        elif record.kind in (StepKind.EVALUATE, StepKind.PROMOTE):
            is_touched = record.round in rounds
        elif record.kind is StepKind.AUTOMATIC:
            is_touched = is_released or record.inputs["model_id"] in touched_models
            if is_touched:
                releases.append(record.outputs["release"])
        else:
            is_touched = False
        if is_touched:
            redo.append(record.name)
    return {"models_after": tuple(after), "releases": tuple(releases), "redo": tuple(redo)}


def _released_digests(context: EngineContext) -> dict[int, str]:
    """The photos of the data set by their numbers in it."""
    if next(context.of_kind(StepKind.AUTOMATIC), None) is None:
        return {}
    return {photo.image_id: photo.digest for photo in listed_photos(_run_folder(context).private)}


def _run_folder(context: EngineContext) -> RunFolder:
    return RunFolder(path=context.folder / AUTOMATIC_FOLDER)


def _released_record(context: EngineContext, image_id: int, place: int) -> dict[str, Any] | None:
    """A released mask's facts as its data set has them, without its pixels."""
    number = (image_id - 1) // automatic_config(context.plan).images_per_shard
    shard = str(_run_folder(context).shard(number))
    pairs = read_pairs(
        shard, set_aside=lambda line: None, select=lambda name: name == f"sa_{image_id}"
    )
    masks = [mask for pair in pairs if pair for mask in json.loads(pair.record)["annotations"]]
    if place >= len(masks):
        return None
    return {key: value for key, value in masks[place].items() if key != "segmentation"}


def _photo_name(context: EngineContext, digest: str) -> str:
    return next(file.name for file in read_pool(context.folder) if file.digest == digest)
