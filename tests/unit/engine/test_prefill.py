from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.core.rle import Rle
from anymask.engine.prefill import PrefillSummary, prefill, prefill_precision
from anymask.engine.semi_automatic import SemiAutomaticConfig, calibrate
from anymask.engine.store import accounts, annotations, projects, queue
from anymask.engine.store.annotations import MaskDraft
from anymask.engine.store.blobs import FolderBlobs, image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.events import Action, log_actions
from anymask.engine.store.prefill import PrefillFigures
from anymask.engine.store.statistics import project_statistics
from anymask.engine.store.tables import Role
from anymask.inference.object_masks import FoundMask
from anymask.training.examples import Example
from studio import picture


def bar(x0: int, x1: int) -> Rle:
    pixels = np.zeros((50, 70), dtype=bool)
    pixels[10:20, x0:x1] = True
    return Rle.from_mask(pixels)


def found(rle: Rle, confidence: float) -> FoundMask:
    return FoundMask(
        segmentation=rle,
        box=rle.to_box(),
        score=confidence,
        predicted_iou=0.9,
        stability_score=1.0,
        confidence=confidence,
    )


class Bars:
    """Finds three bars in every photo."""

    name = "detector"
    model_id = "tiny-0"

    def find(self, image: Any, min_confidence: float = 0.0) -> list[FoundMask]:
        masks = [found(bar(0, 9), 0.9), found(bar(20, 29), 0.8), found(bar(40, 49), 0.3)]
        return [mask for mask in masks if mask.confidence >= min_confidence]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[tuple[Database, FolderBlobs]]:
    """A project (1) with two photos (1, 2) of 50 x 70 pixels, and an annotator."""
    database = Database(f"sqlite:///{tmp_path / 'studio.db'}", clock=lambda: 1000.0)
    blobs = FolderBlobs(tmp_path / "blobs")
    with database.writing() as session:
        accounts.add_user(session, "ada", "!", Role.ANNOTATOR, 0)
        projects.add_project(session, "one", "", 0)
        for i in range(2):
            digest = f"{i:064d}"
            blobs.write(image_blob(digest), picture(i))
            file = projects.ImageFile(
                digest=digest, name=f"{i}.png", media_type="image/png", width=70, height=50
            )
            projects.add_image(session, 1, file, 0)
    yield database, blobs
    database.close()


def test_masks_are_put_in_once_and_people_decide(studio: tuple[Database, FolderBlobs]) -> None:
    database, blobs = studio
    done = prefill(database, blobs, [1], Bars(), 0.5, 10)
    assert done == PrefillSummary(images=1, masks=2, passed_over=0)
    assert prefill(database, blobs, [1], Bars(), 0.5, 10).masks == 0
    with database.writing() as session:
        ada = accounts.find_user(session, "ada")
        assert ada is not None
        queue.lease_image(session, 1, ada, 1000.0, 60.0)
        kept, wrong = annotations.list_annotations(session, 1)
        assert kept.prompts == {"source": "detector", "score": 0.9, "box": [0, 10, 9, 20]}
        annotations.remove(session, wrong.id, 1, wrong.version, ada, 1000.0)
        own = MaskDraft(segmentation=bar(60, 69), position=2)
        annotations.save(session, "own", 1, 0, own, ada, 1000.0)
        names = [kept.id, "own"]
        actions = [Action(kind="click", annotation_id=name) for name in names]
        log_actions(session, 1, ada, actions, 1000.0)
        queue.submit(session, 1, ada, 1000.0)
    figures = prefill_precision(database, 1)
    assert figures == PrefillFigures(masks=2, kept=1, changed=0, deleted=1)
    assert figures.precision == 0.5
    with database.reading() as session:
        statistics = project_statistics(session, 1)
    assert (statistics.masks_per_image, statistics.own_masks_per_image) == (2, 1)
    assert statistics.overall is not None
    assert statistics.overall.masks == 1


def test_a_mask_with_other_pixels_is_changed_one_with_another_place_is_kept(
    studio: tuple[Database, FolderBlobs],
) -> None:
    database, blobs = studio
    prefill(database, blobs, [1], Bars(), 0.5, 10)
    with database.writing() as session:
        ada = accounts.find_user(session, "ada")
        assert ada is not None
        queue.lease_image(session, 1, ada, 1000.0, 60.0)
        first, second = annotations.list_annotations(session, 1)
        moved = MaskDraft(segmentation=bar(0, 9), position=5, model_id="tiny-0")
        annotations.save(session, first.id, 1, 1, moved, ada, 1000.0)
        grown = MaskDraft(segmentation=bar(20, 31), position=1)
        annotations.save(session, second.id, 1, 1, grown, ada, 1000.0)
        queue.submit(session, 1, ada, 1000.0)
    expected = PrefillFigures(masks=2, kept=1, changed=1, deleted=0)
    assert prefill_precision(database, 1) == expected


def test_photos_in_work_are_left_alone_and_masks_there_are_not_doubled(
    studio: tuple[Database, FolderBlobs],
) -> None:
    database, blobs = studio
    with database.writing() as session:
        ada = accounts.find_user(session, "ada")
        assert ada is not None
        queue.lease_image(session, 1, ada, 1000.0, 60.0)
        queue.lease_image(session, 2, ada, 1000.0, 60.0)
        own = MaskDraft(segmentation=bar(0, 10), position=0)
        annotations.save(session, "own", 2, 0, own, ada, 1000.0)
        queue.release(session, 2, ada)
    done = prefill(database, blobs, [1, 2], Bars(), 0.5, 10)
    assert done == PrefillSummary(images=2, masks=1, passed_over=1)
    assert prefill(database, blobs, [2], Bars(), None, 10).masks == 0


def test_the_threshold_is_the_lowest_of_the_precision_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture(0))
    truth = (bar(0, 9), bar(40, 50), bar(60, 70))
    example = Example(path=path, original_size=(50, 70), masks=truth, names=("",) * 3)
    config = SemiAutomaticConfig(precision=0.6, min_answers=1)
    calibration = calibrate(Bars(), [example], config)
    # Right, wrong, right: two of three down to the last one.
    assert calibration.threshold == pytest.approx(0.3)
    assert (calibration.masks, calibration.images, calibration.targets) == (3, 1, 3)
    assert calibration.precision == pytest.approx(2 / 3)
    strict = calibrate(Bars(), [example], SemiAutomaticConfig(precision=0.9, min_answers=1))
    assert (strict.threshold, strict.masks) == (0.9, 1)
    few = calibrate(Bars(), [example], SemiAutomaticConfig(precision=0.9, min_answers=2))
    assert few.threshold is None
