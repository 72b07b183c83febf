"""What could not be read, told without stopping the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from anymask.core.errors import AnymaskError

_WRONG_CONTENT = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file, or an image of it, that could not be read, and why."""

    file: str
    text: str


@contextmanager
def problems_of(file: str) -> Iterator[list[Problem]]:
    """Return a context whose list holds, afterwards, the problem that ended it, if one did."""
    problems: list[Problem] = []
    try:
        yield problems
    except AnymaskError as error:
        problems.append(Problem(file=file, text=" ".join(str(error).split())))
    except _WRONG_CONTENT as error:
        # Files of others miss any key and have any type anywhere.
        found = f"no key {error}" if isinstance(error, KeyError) else str(error)
        text = f"file must be annotations of a known kind, got {found}. Export it again."
        problems.append(Problem(file=file, text=" ".join(text.split())))
