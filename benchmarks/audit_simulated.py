"""An audit from photos to report, with a simulated person who knows the truth of some objects.

    python benchmarks/audit_simulated.py SET -o OUT [--photos 20] [--model MODEL]

SET is one labelled set that the model was not trained on. The model masks photos of it by itself,
these become a data set, and the data set is audited in a studio in OUT. The person moves a mask to
the object of the truth that it overlaps most, from an IoU of 0.5 on, and leaves any other as it
is: of parts and of things that nobody labelled the truth says nothing. So the figures of all masks
are too good; those of the masks that have a truth, and of the best mask of each object (parts are
moved to their whole, too), are printed beside.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anymask import load_model
from anymask.core.image_io import read_image
from anymask.core.mask_overlap import rle_iou
from anymask.core.rle import Rle
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.place_random import unit_hash
from anymask.dataset.release import ReleasedImage, release_image
from anymask.dataset.sets import read_set
from anymask.dataset.shard_writing import write_shard
from anymask.engine.quality.audit import begin_audit, draw_sample
from anymask.engine.quality.audit_figures import measure_audit
from anymask.engine.quality.audit_report import write_audit_report
from anymask.engine.store import annotations, projects, queue
from anymask.engine.store.accounts import NO_PASSWORD, add_user
from anymask.engine.store.annotations import MaskDraft
from anymask.engine.store.audited import CorrectedMask, corrected_masks
from anymask.engine.store.blobs import open_blobs
from anymask.engine.store.database import Database
from anymask.engine.store.export import annotation_rle
from anymask.engine.store.tables import Role
from anymask.inference.generator import MaskGenerator

KNOWN_IOU = 0.5
SEED = 0


def main() -> None:
    """Mask, audit and correct; print the figures and where the report is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--model", default="small")
    args = parser.parse_args()
    photos = sorted(read_set(args.set), key=lambda photo: unit_hash(photo.path.name))[: args.photos]
    dataset = args.output / "dataset"
    dataset.mkdir(parents=True, exist_ok=True)
    shard = dataset / "sa_000000.tar"
    if not shard.exists():
        write_shard(shard, masked(photos, MaskGenerator(load_model(args.model))))
    (args.output / "studio.db").unlink(missing_ok=True)
    database = Database(f"sqlite:///{args.output / 'studio.db'}")
    blobs = open_blobs(str(args.output / "files"))
    sample = draw_sample(dataset, args.photos, SEED)
    project = begin_audit(database, blobs, dataset, name="Audit", image_ids=sample)
    known = correct(database, project, photos)
    with database.reading() as session:
        masks = list(corrected_masks(session, project))
    database.close()
    with_truth = [mask for mask in masks if (mask.image_id, mask.after) in known]
    title = "Audit by a simulated person, masks with a truth"
    print(write_audit_report(measure_audit(with_truth), args.output, title))
    groups = {"all": masks, "with_truth": with_truth, "best_of_each": best_of_each(with_truth)}
    print(json.dumps({name: measure_audit(group).to_json() for name, group in groups.items()}))


def masked(photos: list[LabelledImage], generator: MaskGenerator) -> Iterator[ReleasedImage]:
    """The photos with the model's own masks, at their own size; numbered from 1."""
    for number, photo in enumerate(photos, 1):
        pixels = read_image(photo.path)
        yield release_image(number, pixels, generator.generate(pixels), min(pixels.shape[:2]))


def correct(database: Database, project: int, photos: list[LabelledImage]) -> list[tuple[int, Rle]]:
    """Do the person's work; return the truths that masks were moved to, with their images."""
    with database.writing() as session:
        person = add_user(session, "person", NO_PASSWORD, Role.ANNOTATOR, database.now())
        images = [image for image, _ in projects.list_images(session, project, limit=1000)]
    moved = []
    for image in images:
        truth = [mask.rle for mask in photos[number_of(image.name) - 1].masks]
        with database.writing() as session:
            now = database.now()
            queue.lease_image(session, image.id, person, now, 60.0)
            for row in annotations.list_annotations(session, image.id):
                best, iou = closest(annotation_rle(image, row), truth)
                if best is None or iou < KNOWN_IOU:
                    continue
                moved.append((image.id, best))
                draft = MaskDraft(segmentation=best, position=row.position)
                annotations.save(session, row.id, image.id, row.version, draft, person, now)
            queue.submit(session, image.id, person, now)
    return moved


def best_of_each(masks: list[CorrectedMask]) -> list[CorrectedMask]:
    """Of the masks that were moved to one object, that which was closest to it."""
    best: dict[tuple[int, str], tuple[float, CorrectedMask]] = {}
    for mask in masks:
        assert mask.before is not None
        assert mask.after is not None
        key = mask.image_id, mask.after.to_coco()["counts"]
        iou = rle_iou(mask.before, mask.after)
        if key not in best or iou > best[key][0]:
            best[key] = iou, mask
    return [mask for _, mask in best.values()]


def closest(mask: Rle, truth: list[Rle]) -> tuple[Rle | None, float]:
    """The object that a mask overlaps most, and their IoU."""
    ious = [rle_iou(mask, one) for one in truth]
    return (truth[int(np.argmax(ious))], max(ious)) if ious else (None, 0.0)


def number_of(name: str) -> int:
    """An image's id in the data set: sa_7.jpg is 7."""
    return int(Path(name).stem.removeprefix("sa_"))


if __name__ == "__main__":
    main()
