import pytest

from anymask.engine.store.events import mask_efforts
from anymask.engine.store.tables import Event


def event(seconds: float, mask: str | None, kind: str = "click", user: int = 1) -> Event:
    return Event(
        image_id=1, user_id=user, annotation_id=mask, kind=kind, data={}, happened_at=seconds
    )


def test_the_time_up_to_an_event_belongs_to_its_mask() -> None:
    events = [event(0, None, "open"), event(3, "a"), event(5, "a", "save"), event(9, "b")]
    a, b = mask_efforts(events)
    assert (a.seconds, a.clicks, a.finished_at) == (5, 1, 5)
    assert (b.seconds, b.clicks) == (4, 1)


def test_long_pauses_belong_to_no_mask() -> None:
    (effort,) = mask_efforts([event(0, "a"), event(2, "a"), event(200, "a")], idle_seconds=60)
    assert effort.seconds == pytest.approx(2)


def test_two_people_do_not_share_time() -> None:
    efforts = mask_efforts([event(0, "a"), event(2, "a"), event(50, "a", user=2)])
    assert [(effort.user_id, effort.seconds) for effort in efforts] == [(1, 2), (2, 0)]
