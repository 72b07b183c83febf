"""The same behaviour on SQLite and PostgreSQL: migrations, leases, saves, accounts."""

import dataclasses
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, inspect, text

from anymask.core.errors import (
    AccessError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
)
from anymask.core.rle import Rle
from anymask.engine.store import accounts, annotations, attempts, idempotency, projects, queue
from anymask.engine.store.annotations import MaskDraft, VersionConflictError
from anymask.engine.store.database import Database, migrate
from anymask.engine.store.events import Action, log_actions
from anymask.engine.store.members import check_image_visible
from anymask.engine.store.quality_tables import Rating
from anymask.engine.store.statistics import project_statistics
from anymask.engine.store.tables import Decision, ImageState, Role, Row, User
from databases import find_postgres, running_postgres

pytestmark = pytest.mark.filterwarnings("ignore:.*:ResourceWarning")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if find_postgres() is None:
        pytest.skip("PostgreSQL's server programs are not installed")
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'studio.db'}"
    server: str = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(
        server.replace("postgresql://", "postgresql+pg8000://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, clock=lambda: 1000.0)
    yield database
    database.close()


@pytest.fixture
def people(database: Database) -> list[User]:
    """Two annotators and a reviewer, and a project (1) with eight images of 4 x 6 pixels."""
    roles = (Role.ANNOTATOR, Role.ANNOTATOR, Role.REVIEWER)
    with database.writing() as session:
        users = [accounts.add_user(session, f"p{i}", "!", role, 0) for i, role in enumerate(roles)]
        projects.add_project(session, "one", "", 0)
        for i in range(8):
            file = projects.ImageFile(
                digest=f"{i:064d}", name=f"{i}.png", media_type="image/png", width=6, height=4
            )
            projects.add_image(session, 1, file, 0)
    return users


def mask(columns: int = 3) -> MaskDraft:
    pixels = np.zeros((4, 6), dtype=bool)
    pixels[1:3, :columns] = True
    return MaskDraft(segmentation=Rle.from_mask(pixels), position=0)


def test_an_older_schema_is_brought_up_to_date_with_its_rows(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+pg8000://"))
    with engine.begin() as connection:
        migrate(connection, "0001")
        for statement in (
            "INSERT INTO users VALUES (1, 'old', '!', 'annotator', '1', 5)",
            "INSERT INTO projects VALUES (1, 'old project', '', 5)",
            "INSERT INTO images VALUES "
            "(1, 1, 'd', 'a.png', 'image/png', 6, 4, 'waiting', NULL, 1, 0, 5)",
            "INSERT INTO annotations VALUES "
            "('u', 1, 1, 1, 0, '013000', 3, NULL, NULL, '{}', '0', 5, 5)",
        ):
            connection.execute(text(statement))
        migrate(connection, "0002")
        for second, kind, about in ((5, "open", "NULL"), (9, "click", "'u'"), (99, "save", "'u'")):
            connection.execute(
                text(
                    "INSERT INTO events (image_id, user_id, annotation_id, kind, data, happened_at)"
                    f" VALUES (1, 1, {about}, '{kind}', '{{}}', {second})"
                )
            )
    assert "memberships" not in inspect(engine).get_table_names()
    engine.dispose()
    database = Database(url)
    with database.reading() as session:
        (old,) = annotations.list_annotations(session, 1)
    assert (old.counts, old.name) == ("013000", "")
    with database.writing() as session:
        user = session.get_one(User, 1)
        queue.submit(session, 1, user, 9.0)
        image = queue.review(session, 1, user, Decision.ACCEPT, "", 9.0)
        figures = project_statistics(session, 1)
        check_image_visible(session, 1, user)  # who could work before can go on
    assert image.state is ImageState.ACCEPTED
    assert figures.overall is not None
    assert (figures.overall.mean_seconds, figures.overall.mean_clicks) == (4, 1)
    with database.writing() as session:
        if "sqlite" not in url:  # it does not count ids that were given
            session.execute(text("ALTER SEQUENCE images_id_seq RESTART WITH 2"))
        projects.change_project(session, 1, annotators_per_image=2)  # needs the new constraint
    if "sqlite" in url:  # the table was made anew, with the others pointing to it
        with database.reading() as session:
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
        with pytest.raises(ConflictError), database.writing() as session:
            session.execute(text("DELETE FROM images WHERE id = 1"))
    database.close()


def test_the_migrations_make_the_tables_that_the_code_has(database: Database, url: str) -> None:
    found = inspect(create_engine(url.replace("postgresql://", "postgresql+pg8000://")))
    assert Rating.__table__ in Row.metadata.sorted_tables  # those of other modules, too
    for table in Row.metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
        indexes = {tuple(index["column_names"]) for index in found.get_indexes(table.name)}
        assert {tuple(index.columns.keys()) for index in table.indexes} <= indexes
    found.engine.dispose()  # type: ignore[attr-defined]


def test_an_image_is_given_to_one_of_many_who_ask_at_once(
    database: Database, people: list[User]
) -> None:
    with database.writing() as session:
        crowd = [accounts.add_user(session, f"c{i}", "!", Role.ANNOTATOR, 0) for i in range(10)]
    barrier = threading.Barrier(len(crowd))

    def ask(user: User) -> int | None:
        barrier.wait()
        with database.writing() as session:
            image = queue.lease_next(session, 1, user, 1000.0, 60.0)
            return None if image is None else image.id

    with ThreadPoolExecutor(len(crowd)) as pool:
        given = list(pool.map(ask, crowd))
    taken = [image for image in given if image is not None]
    assert len(taken) == len(set(taken))
    # PostgreSQL may pass over an image that it finds locked; who then asks again gets one.
    with database.writing() as session:
        rest = [queue.lease_next(session, 1, user, 1000.0, 60.0) for user in crowd]
    assert len({image.id for image in rest if image is not None}) == 8


def test_leases_run_out_and_are_kept_alive(database: Database, people: list[User]) -> None:
    ada, amy, _ = people
    with database.writing() as session:
        image = queue.lease_next(session, 1, ada, 0.0, 60.0)
        assert image is not None
        queue.lease_image(session, image.id, ada, 50.0, 60.0)
        with pytest.raises(ConflictError):
            queue.lease_image(session, image.id, amy, 100.0, 60.0)
        queue.lease_image(session, image.id, amy, 111.0, 60.0)
        with pytest.raises(ConflictError):
            queue.check_holder(session, image.id, ada)
        skipped = queue.lease_next(session, 1, amy, 111.0, 60.0, after=image.id)
    assert skipped is not None
    assert skipped.id > image.id


def test_submitted_images_are_the_reviewers(database: Database, people: list[User]) -> None:
    ada, _, bob = people
    with database.writing() as session:
        image = queue.lease_next(session, 1, ada, 0.0, 60.0)
        assert image is not None
        assert queue.submit(session, image.id, ada, 0.0).state is ImageState.SUBMITTED
        assert queue.submit(session, image.id, ada, 0.0).lease_user_id is None  # said again
        with pytest.raises(AccessError):
            queue.lease_image(session, image.id, ada, 0.0, 60.0)
        queue.lease_image(session, image.id, bob, 0.0, 60.0)
        with pytest.raises(InvalidInputError, match="reason"):
            queue.review(session, image.id, bob, Decision.REJECT, " ", 0.0)
        queue.review(session, image.id, bob, Decision.FIX, "", 0.0)
        with pytest.raises(ConflictError, match="submitted"):
            queue.review(session, image.id + 1, bob, Decision.ACCEPT, "", 0.0)


def test_saves_count_versions_and_see_conflicts(database: Database, people: list[User]) -> None:
    ada, amy, _ = people
    with database.writing() as session:
        queue.lease_image(session, 1, ada, 0.0, 60.0)
        first = annotations.save(session, "a", 1, 0, mask(), ada, 0.0)
        assert first.version == 1
        assert annotations.save(session, "a", 1, 0, mask(), ada, 1.0).version == 1  # repeated
        assert annotations.save(session, "a", 1, 1, mask(2), ada, 2.0).version == 2
        with pytest.raises(VersionConflictError) as conflict:
            annotations.save(session, "a", 1, 1, mask(5), ada, 3.0)
        assert conflict.value.current is not None
        assert conflict.value.current.area == 4
        with pytest.raises(VersionConflictError):
            annotations.remove(session, "a", 1, 1, ada, 3.0)
        annotations.remove(session, "a", 1, 2, ada, 3.0)
        annotations.remove(session, "a", 1, 2, ada, 3.0)  # repeated
        with pytest.raises(VersionConflictError, match="deleted"):
            annotations.save(session, "a", 1, 2, mask(), ada, 4.0)
        with pytest.raises(ConflictError):
            annotations.save(session, "b", 1, 0, mask(), amy, 4.0)
        assert annotations.list_annotations(session, 1) == []


def test_statistics_tell_groups_and_quartiles(database: Database, people: list[User]) -> None:
    ada, amy, _ = people
    made = (
        ("a", ada, "small", 4),
        ("b", ada, "small", 6),
        ("c", ada, None, 20),
        ("d", amy, "x", 9),
    )
    with database.writing() as session:
        for image, (name, user, model_id, seconds) in enumerate(made, 1):
            queue.lease_image(session, image, user, 0.0, 60.0)
            draft = dataclasses.replace(mask(), model_id=model_id)
            annotations.save(session, name, image, 0, draft, user, 0.0)
            kind = "click" if model_id else "stroke"
            log_actions(session, image, user, [Action(kind="open")], 86400.0 * image)
            action = Action(kind=kind, annotation_id=name)
            log_actions(session, image, user, [action], 86400.0 * image + seconds)
        queue.submit(session, 1, ada, 0.0)
        annotations.remove(session, "d", 4, 1, amy, 0.0)
    with database.reading() as session:
        figures = project_statistics(session, 1)
    assert figures.overall is not None
    assert figures.overall.quartiles == (5, 6, 13)
    assert figures.overall.mean_seconds == 10
    assert figures.overall.brushed_share == pytest.approx(1 / 3)
    assert {key: of.masks for key, of in figures.by_model.items()} == {"": 1, "small": 2}
    assert {key: of.quartiles for key, of in figures.by_user.items()} == {ada.id: (5, 6, 13)}
    assert list(figures.by_day) == [1, 2, 3]
    days = [(of.day, of.model_id, of.mean_clicks) for of in figures.by_day_and_model]
    assert days == [(1, "small", 1), (2, "small", 1), (3, "", 0)]
    assert figures.masks_per_image == 1
    assert figures.agreement.pairs == 0


def test_masks_must_fit_their_image(database: Database, people: list[User]) -> None:
    ada = people[0]
    with database.writing() as session:
        for image in (1, 2):
            queue.lease_image(session, image, ada, 0.0, 60.0)
        empty = MaskDraft(segmentation=Rle.from_mask(np.zeros((4, 6), bool)), position=0)
        turned = MaskDraft(segmentation=Rle.from_mask(np.ones((6, 4), bool)), position=0)
        for wrong in (empty, turned):
            with pytest.raises(InvalidInputError, match="segmentation"):
                annotations.save(session, "a", 1, 0, wrong, ada, 0.0)
        annotations.save(session, "a", 1, 0, mask(), ada, 0.0)
        with pytest.raises(InvalidInputError, match="another"):
            annotations.save(session, "a", 2, 1, mask(), ada, 0.0)
        with pytest.raises(NotFoundError):
            annotations.remove(session, "never", 1, 1, ada, 0.0)


def test_a_failed_transaction_leaves_nothing(database: Database, people: list[User]) -> None:
    def fail_late() -> None:
        with database.writing() as session:
            projects.add_project(session, "two", "", 0.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    with database.reading() as session:
        assert [project.name for project in projects.list_projects(session)] == ["one"]


def test_answers_are_kept_for_their_request_only(database: Database, people: list[User]) -> None:
    ada, amy, _ = people
    with database.writing() as session:
        idempotency.remember(session, ada.id, "k", "hash", {"version": 1}, 0.0)
    with database.writing() as session:
        assert idempotency.recall(session, ada.id, "k", "hash") == {"version": 1}
        assert idempotency.recall(session, amy.id, "k", "hash") is None
        with pytest.raises(InvalidInputError):
            idempotency.recall(session, ada.id, "k", "other")
        idempotency.forget_old(session, idempotency.KEPT_SECONDS + 1)
    with database.reading() as session:
        assert idempotency.recall(session, ada.id, "k", "hash") is None


def test_an_invitation_serves_once_and_in_time(database: Database, people: list[User]) -> None:
    with database.writing() as session:
        for secret, expires_at in (("good", 2000.0), ("old", 500.0)):
            accounts.invite(session, secret, Role.REVIEWER, people[0].id, expires_at)
    with database.writing() as session:
        made = accounts.accept_invitation(session, "good", "Zoe ", "!", 1000.0)
        assert (made.name, made.role) == ("zoe", Role.REVIEWER)
        for secret in ("good", "old", "none"):
            with pytest.raises(NotFoundError):
                accounts.accept_invitation(session, secret, "max", "!", 1000.0)


def test_attempts_are_counted_by_key_and_forgotten_in_time(database: Database) -> None:
    def take(at: float, *keys: str) -> float:
        with database.writing() as session:
            return attempts.take_attempt(session, keys, 2, at)

    assert take(0.0, "ada", "here") == 0
    assert take(100.0, "ada") == 0
    assert take(100.0, "here", "ada") == 200
    assert take(100.0, "here") == 0  # the one before was refused, and did not count
    with database.writing() as session:
        attempts.forgive(session, ["ada"])
    assert take(110.0, "ada") == 0
    assert take(301.0, "ada") == 0


def test_wrong_urls_are_told_without_their_password(tmp_path: Path) -> None:
    for wrong in ("mysql://root:secret@host/x", "not a url", "oracle://x", "sqlite://"):
        with pytest.raises(InvalidInputError) as error:
            Database(wrong)
        assert "secret" not in str(error.value)


def test_two_who_make_the_same_thing_at_once_meet(database: Database) -> None:
    barrier = threading.Barrier(2, timeout=5)

    def make(_: int) -> bool:
        try:
            with database.writing() as session:
                if session.get_bind().dialect.name == "postgresql":
                    session.execute(text("SELECT 1"))
                    barrier.wait()
                projects.add_project(session, "one", "", 0.0)
                return True
        except ConflictError:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(make, range(2))) == [False, True]
