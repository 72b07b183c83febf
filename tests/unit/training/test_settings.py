"""Settings from text and from JSON, for any tree of frozen dataclasses."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.training.settings import check_probabilities, from_json, with_setting


@dataclass(frozen=True, kw_only=True)
class _Part:
    size: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class _Inner:
    kind: Literal["plain", "fancy"] = "plain"
    some_probability: float = 0.5
    limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Outer:
    name: str = "a"
    is_on: bool = False
    count: int = 1
    pair: tuple[float, float] = (0.9, 0.95)
    steps: tuple[int, ...] = ()
    parts: tuple[_Part, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    inner: _Inner = field(default_factory=_Inner)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("name", "true", "true"),
        ("is_on", "True", True),
        ("count", "12", 12),
        ("pair", "0.8,1e-1", (0.8, 0.1)),
        ("steps", "60000,86666", (60000, 86666)),
        ("steps", "", ()),
        ("parts", "1:0.5,2:0.25", (_Part(size=1, rate=0.5), _Part(size=2, rate=0.25))),
        ("weights", "a:3,b:c:0.5", (("a", 3.0), ("b:c", 0.5))),
        ("inner.kind", "fancy", "fancy"),
        ("inner.limit", "0.25", 0.25),
        ("inner.limit", "none", None),
    ],
)
def test_text_becomes_the_fields_type(path: str, text: str, value: Any) -> None:
    changed: Any = with_setting(_Outer(), path, text)
    for name in path.split("."):
        changed = getattr(changed, name)
    assert changed == value
    assert type(changed) is type(value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("is_on", "yes"),
        ("count", "1.5"),
        ("pair", "0.8"),
        ("pair", "1,2,3"),
        ("steps", "1,x"),
        ("parts", "1"),
        ("parts", "1:2:3"),
        ("weights", "a"),
        ("inner.limit", "low"),
    ],
)
def test_text_of_another_type_is_refused(path: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{path} must be like"):
        with_setting(_Outer(), path, text)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("colour", "count, inner, is_on"),
        ("inner", "count, inner, is_on"),
        ("inner.colour", "kind, limit, some_probability"),
        ("count.x", "count, inner, is_on"),
    ],
)
def test_unknown_fields_list_the_known(path: str, known: str) -> None:
    with pytest.raises(UnknownNameError, match=known):
        with_setting(_Outer(), path, "1")


def test_unknown_choice_lists_the_choices() -> None:
    with pytest.raises(UnknownNameError, match=r"inner.kind 'grand'. Known: fancy, plain"):
        with_setting(_Outer(), "inner.kind", "grand")


def test_json_comes_back_as_it_was() -> None:
    config = _Outer(
        pair=(1.0, 0.5),
        steps=(1, 2),
        parts=(_Part(size=1, rate=2.0),),
        weights=(("a", 1.0),),
        inner=_Inner(kind="fancy", limit=2.0),
    )
    value = asdict(config) | {
        "parts": [{"size": 1, "rate": 2}],
        "weights": [["a", 1]],
        "steps": [1, 2],
        "pair": [1, 0.5],
    }
    assert from_json(_Outer, value) == config


def test_json_of_an_earlier_version_gets_the_defaults() -> None:
    assert from_json(_Outer, {"count": 3, "inner": {}}) == _Outer(count=3)


@pytest.mark.parametrize(
    "value", [{"colour": 1}, {"inner": {"colour": 1}}, {"parts": [{"size": 1}]}, {"inner": 5}]
)
def test_json_that_does_not_fit_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="the configuration does not fit"):
        from_json(_Outer, value)


def test_probabilities_lie_between_zero_and_one() -> None:
    check_probabilities(_Inner(some_probability=1.0))
    with pytest.raises(InvalidInputError, match=r"some_probability must be in \[0, 1\], got 1.5"):
        check_probabilities(_Inner(some_probability=1.5))
