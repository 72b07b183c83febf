"""The tasks that are timed: what a contender is asked to do again and again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from anymask.evaluation.speed.contenders import Contender
from anymask.evaluation.speed.setup import Setup


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to time.

    Attributes:
        title: what one run does.
        prepare: does what comes before and is not timed; gives the action to repeat.
        num_items: one run does so many of what people count; times are given for one.
        can_do: whether a contender offers it.
    """

    title: str
    prepare: Callable[[Contender, Setup], Callable[[], object]]
    num_items: Callable[[Setup], int] = lambda _: 1
    can_do: Callable[[Contender], bool] = lambda _: True


def _encode(contender: Contender, setup: Setup) -> Callable[[], object]:
    return lambda: contender.encode(setup.image)


def _click(contender: Contender, setup: Setup) -> Callable[[], object]:
    encoded = contender.encode(setup.image)
    H, W = setup.image.shape[:2]
    centre = np.array([W / 2, H / 2])
    return lambda: contender.click(encoded, centre)


def _decode(contender: Contender, setup: Setup) -> Callable[[], object]:
    encoded, points = contender.encode(setup.image), setup.clicks()
    return lambda: contender.decode(encoded, points)


def _everything(contender: Contender, setup: Setup) -> Callable[[], object]:
    assert contender.everything is not None, "asked of one that can"
    return lambda: contender.everything(setup.image)  # type: ignore[misc]


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "encode": Task(title="photo to embedding", prepare=_encode),
        "click": Task(title="click to three full-size masks", prepare=_click),
        "decode": Task(
            title="click to three small masks, decoded together",
            prepare=_decode,
            num_items=lambda setup: setup.num_clicks,
        ),
        "everything": Task(
            title="photo to all its masks",
            prepare=_everything,
            can_do=lambda contender: contender.everything is not None,
        ),
    }
)
