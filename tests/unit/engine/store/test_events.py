"""What masks cost, added up as events come: on both databases, and as the old log was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text

from anymask.engine.store import accounts, projects
from anymask.engine.store.database import Database
from anymask.engine.store.events import IDLE_SECONDS, Action, log_actions
from anymask.engine.store.migrations.versions import r0003_members_copies_efforts as r0003
from anymask.engine.store.tables import Effort, Event, Role, User


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'studio.db'}", clock=lambda: 1000.0)
    with database.writing() as session:
        for name in ("ada", "amy"):
            accounts.add_user(session, name, "!", Role.ANNOTATOR, 0)
        projects.add_project(session, "one", "", 0)
        file = projects.ImageFile(
            digest="0" * 64, name="a.png", media_type="image/png", width=6, height=4
        )
        projects.add_image(session, 1, file, 0)
    yield database
    database.close()


def log(
    database: Database, at: float, mask: str | None, kind: str = "click", user: int = 1
) -> None:
    with database.writing() as session:
        action = Action(kind=kind, annotation_id=mask)
        log_actions(session, 1, session.get_one(User, user), [action], at)


def efforts(database: Database) -> dict[tuple[str, int], tuple[float, int, int, float]]:
    with database.reading() as session:
        return {
            (row.annotation_id, row.user_id): (
                pytest.approx(row.seconds),
                row.clicks,
                row.strokes,
                row.finished_at,
            )
            for row in session.scalars(select(Effort))
        }


def test_the_time_up_to_an_event_belongs_to_its_mask(database: Database) -> None:
    for at, mask, kind in ((10, None, "open"), (13, "a", "click"), (15, "a", "save")):
        log(database, at, mask, kind)
    log(database, 19, "b", "stroke")
    assert efforts(database) == {("a", 1): (5, 1, 0, 15), ("b", 1): (4, 0, 1, 19)}


def test_long_pauses_belong_to_no_mask(database: Database) -> None:
    for at in (10, 12, 12.5 + IDLE_SECONDS):
        log(database, at, "a")
    assert efforts(database)["a", 1][0] == 2


def test_two_people_do_not_share_time(database: Database) -> None:
    for at, user in ((10, 1), (12, 1), (50, 2)):
        log(database, at, "a", user=user)
    assert {key: effort[0] for key, effort in efforts(database).items()} == {
        ("a", 1): 2,
        ("a", 2): 0,
    }


def test_events_that_travel_together_keep_their_distances(database: Database) -> None:
    ages = (9.0, 4.0, 30.0)  # the last one claims to be older than what came before it
    actions = [Action(kind="click", annotation_id="a", age_seconds=age) for age in ages]
    with database.writing() as session:
        log_actions(session, 1, session.get_one(User, 1), actions, 100.0)
    assert efforts(database) == {("a", 1): (5, 3, 0, 96)}


_STEPS = st.lists(
    st.tuples(
        st.sampled_from([1.0, 7.0, 59.0, 60.0, 61.0, 500.0]),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from(["click", "stroke", "save"]),
        st.sampled_from([1, 2]),
    ),
    max_size=12,
)


@given(steps=_STEPS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_migration_adds_up_an_old_log_alike(
    database: Database, steps: list[tuple[float, str | None, str, int]]
) -> None:
    with database.writing() as session:
        session.execute(delete(Event))
        session.execute(delete(Effort))
    at = 10.0
    for seconds, mask, kind, user in steps:
        at += seconds
        log(database, at, mask, kind, user)
    counted = efforts(database)
    with database.writing() as session:
        session.execute(delete(Effort))
        session.execute(text(r0003._EFFORTS_OF_THE_LOG))
    assert efforts(database) == counted
