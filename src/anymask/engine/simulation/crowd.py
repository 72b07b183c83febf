"""Simulated people at work in the engine's store, through the functions that the server uses.

Their clicks, saves and hours are rows like anybody's: efforts, statistics and reports come out of
the same code.
"""

import uuid
from collections.abc import Mapping, Sequence
from itertools import count

from sqlalchemy.orm import Session

from anymask.core.image_io import read_image
from anymask.core.rle import Rle
from anymask.engine.cycle import DataEngine
from anymask.engine.embedding_files import load_studio_predictor
from anymask.engine.simulation.annotator import Habits, SimulatedAnnotator
from anymask.engine.simulation.deeds import MadeMask, PhotoWork
from anymask.engine.simulation.time_model import TimeModel
from anymask.engine.store import accounts, annotations, projects, queue
from anymask.engine.store.annotations import MaskDraft
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.events import Action, log_actions
from anymask.engine.store.export import annotation_rle
from anymask.engine.store.tables import Annotation, Image, Role, User

_SPACE = uuid.UUID("c2b4a1f7-3f0e-5d0c-9d25-6c7a1f0d9b11")
_LEASE_SECONDS = 3600.0
_FIRST_HOUR = 1_600_000_000.0  # a fixed date: nothing of a simulation depends on today's


class SimulatedClock:
    """The store's clock of a simulation: seconds since 1970 that pass when somebody works."""

    def __init__(self) -> None:
        self.now = _FIRST_HOUR

    def __call__(self) -> float:
        """Return the seconds since 1970."""
        return self.now


class SimulatedCrowd:
    """A few people who annotate what the engine gives them.

    Args:
        truth: the objects of each photo, by the SHA-256 of its file.
        clock: of the engine that they work for; they move it.
        num_people: each sees objects a little differently; photo after photo goes round.
        time_model: how long things take.
        habits: how they work.
        seed: who they are.
    """

    def __init__(
        self,
        truth: Mapping[str, Sequence[Rle]],
        clock: SimulatedClock,
        *,
        num_people: int = 3,
        time_model: TimeModel | None = None,
        habits: Habits | None = None,
        seed: int = 0,
    ) -> None:
        self._truth = truth
        self._clock = clock
        self._num_people = num_people
        self._time_model = time_model
        self._habits = habits
        self._seed = seed

    def annotate_round(self, engine: DataEngine) -> int:
        """Do all that waits for people, return how many photos that was; it can be interrupted.

        A photo's work is stored whole or not at all, and depends on nothing but the photo, the
        model and who does it: a round that is taken up again ends as if it had not been left.
        """
        project_id = engine.project_of_people()
        if project_id is None:
            return 0
        current = engine.context.current_model
        predictor = load_studio_predictor(current.model, engine.plan.device)
        people = self._people(engine.database, project_id)
        with engine.database.reading() as session:
            first = projects.get_progress(session, project_id).submitted
        for number in count(first):
            who = number % len(people)
            person = people[who]
            with engine.database.writing() as session:
                now = self._clock.now
                image = queue.lease_next(session, project_id, person, now, _LEASE_SECONDS)
            if image is None:
                return number - first
            with engine.database.reading() as session:
                prefilled = annotations.list_annotations(session, image.id)
            annotator = SimulatedAnnotator(
                predictor, self._time_model, self._habits, seed=self._seed * 1000 + who
            )
            work = annotator.annotate(
                read_image(engine.blobs.read(image_blob(image.digest))),
                self._truth[image.digest],
                [annotation_rle(image, row) for row in prefilled],
                photo=photo_number(image.digest),
            )
            with engine.database.writing() as session:
                desk = _Desk(session, image, person, self._clock)
                desk.review(work, prefilled)
                for position, mask in enumerate(work.masks, len(prefilled)):
                    desk.save(mask, position, current.model_id)
                queue.submit(session, image.id, person, self._clock.now)
        raise AssertionError("count never ends")

    def _people(self, database: Database, project_id: int) -> list[User]:
        """The accounts, made when they are first needed."""
        names = [f"simulated-{number}" for number in range(self._num_people)]
        with database.writing() as session:
            return [
                accounts.find_user(session, name)
                or accounts.add_user(
                    session, name, accounts.NO_PASSWORD, Role.ANNOTATOR, self._clock.now
                )
                for name in names
            ]


class _Desk:
    """A person's work on one photo as it goes into the store, at the times at which it was done."""

    def __init__(self, session: Session, image: Image, person: User, clock: SimulatedClock) -> None:
        self._session, self._image, self._person, self._clock = session, image, person, clock
        self._log(Action(kind="open"))

    def review(self, work: PhotoWork, prefilled: Sequence[Annotation]) -> None:
        """Log the look at pre-filled masks, and delete what was deleted."""
        for deed in work.review:
            self._clock.now += deed.seconds
            row = prefilled[deed.data["prefilled"]] if deed.kind == "delete" else None
            self._log(Action(kind=deed.kind, annotation_id=row.id if row else None))
            if row is not None:
                annotations.remove(
                    self._session,
                    row.id,
                    self._image.id,
                    row.version,
                    self._person,
                    self._clock.now,
                )

    def save(self, mask: MadeMask, position: int, model_id: str) -> None:
        """Log what led to a mask, and store it."""
        name = str(uuid.uuid5(_SPACE, f"{self._image.project_id} {self._image.id} {mask.target}"))
        for deed in mask.deeds:
            self._clock.now += deed.seconds
            self._log(Action(kind=deed.kind, annotation_id=name, data=deed.data))
        draft = MaskDraft(
            segmentation=mask.segmentation,
            position=position,
            model_id=model_id,
            predicted_iou=mask.predicted_iou,
            prompts=mask.prompts,
        )
        annotations.save(
            self._session, name, self._image.id, 0, draft, self._person, self._clock.now
        )

    def _log(self, action: Action) -> None:
        log_actions(self._session, self._image.id, self._person, [action], self._clock.now)


def photo_number(digest: str) -> int:
    """Return a number of a photo's own, from the SHA-256 of its file, for chance."""
    return int(digest[:12], 16)
