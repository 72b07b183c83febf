"""Settings as text and JSON: frozen dataclasses set field by field, and read back from a file."""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from anymask.core.errors import InvalidInputError, UnknownNameError

_T = TypeVar("_T")
_BOOLS = {"true": True, "false": False}


def with_settings(config: _T, settings: Sequence[str]) -> _T:
    """A copy of the dataclass with each "FIELD=VALUE" set, in order; see `with_setting`.

    Raises:
        InvalidInputError: a text without "=", or as `with_setting` says.
        UnknownNameError: as `with_setting` says.
    """
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise InvalidInputError(f"--set must be FIELD=VALUE, got {setting!r}. Add '=VALUE'.")
        config = with_setting(config, name, value)
    return config


def with_setting(config: _T, path: str, text: str) -> _T:
    """A copy of the dataclass with the dotted field `path` set from `text`.

    Text by type: "1e-4"; "true"; "none" where nothing is allowed; "60000,86666" for a tuple, the
    parts of whose items are divided by colons: "2000:256:16,3000:384:8".

    Raises:
        UnknownNameError: no such field, or not one of a field's choices; the text lists them.
        InvalidInputError: the text is not of the field's type, or the value is not allowed.
    """
    return _replaced(config, path.split("."), text, path)


def _replaced(config: _T, path: list[str], text: str, full_path: str) -> _T:
    assert dataclasses.is_dataclass(config)
    assert not isinstance(config, type)
    hints = get_type_hints(type(config))
    is_leaf = len(path) == 1
    if path[0] not in hints or dataclasses.is_dataclass(hints[path[0]]) == is_leaf:
        raise UnknownNameError("setting", full_path, list(hints))
    hint, current = hints[path[0]], getattr(config, path[0])
    if not is_leaf:
        value = _replaced(current, path[1:], text, full_path)
    elif get_origin(hint) is Literal and text not in get_args(hint):
        raise UnknownNameError(full_path, text, get_args(hint))
    else:
        try:
            value = _from_text(hint, text)
        except (KeyError, TypeError, ValueError):
            raise InvalidInputError(
                f"{full_path} must be like {current!r}, got {text!r}. Give one value of that type."
            ) from None
    return dataclasses.replace(config, **{path[0]: value})


def _from_text(hint: Any, text: str, separator: str = ",") -> Any:
    """The value of that type which the text says; an error of Python's when it says none."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return None if text.lower() == "none" else _from_text(arguments[0], text)
    if get_origin(hint) is tuple and arguments[-1] is Ellipsis:
        return tuple(_from_text(arguments[0], item, ":") for item in text.split(",") if item)
    if get_origin(hint) is tuple:
        items = text.rsplit(separator, len(arguments) - 1)  # a set's name may hold a colon
        return tuple(_from_text(h, item) for h, item in zip(arguments, items, strict=True))
    if dataclasses.is_dataclass(hint):
        fields = get_type_hints(hint)
        parts = zip(fields.items(), text.split(separator), strict=True)
        return hint(**{name: _from_text(h, part) for (name, h), part in parts})  # type: ignore[operator]
    return _BOOLS[text.lower()] if hint is bool else text if arguments else hint(text)


def from_json(kind: type[_T], value: Mapping[str, Any]) -> _T:
    """The dataclass that `dataclasses.asdict` made the JSON value of; defaults for what it lacks.

    Raises:
        InvalidInputError: a field is missing or unknown, or a value is not allowed.
    """
    try:
        return _from_json(kind, value)  # type: ignore[no-any-return]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the configuration does not fit: {error}") from None


def _from_json(hint: Any, value: Any) -> Any:
    arguments = get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        fields = {name: _from_json(hints.get(name, Any), v) for name, v in value.items()}
        return hint(**fields)  # type: ignore[operator]
    if get_origin(hint) is tuple and arguments[-1] is Ellipsis:
        return tuple(_from_json(arguments[0], item) for item in value)
    if get_origin(hint) is tuple:
        return tuple(_from_json(h, item) for h, item in zip(arguments, value, strict=True))
    if get_origin(hint) in (Union, types.UnionType) and value is not None:
        return _from_json(arguments[0], value)
    return float(value) if hint is float else value


def check_probabilities(config: Any) -> None:
    """Fields of the dataclass whose name ends in "_probability" lie in [0, 1].

    Raises:
        InvalidInputError: one does not.
    """
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if f.name.endswith("_probability") and not 0 <= value <= 1:
            raise InvalidInputError(f"{f.name} must be in [0, 1], got {value}. Change the setting.")
