"""What writing a format gives: files piece by piece, and names of one line."""

from collections.abc import Iterable
from dataclasses import dataclass

from anymask.core.annotated import UNNAMED

_MAX_NAME = 100


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file to be written: its path below the output, with /, and its content piece by piece.

    The pieces of a file have to be taken before the next file is asked for.
    """

    path: str
    pieces: Iterable[bytes]


def tidy_name(text: object) -> str:
    """Return a label as a mask's name: one visible line, "" for what means no name."""
    line = "".join(char if char.isprintable() else " " for char in str(text or ""))
    name = " ".join(line.split())[:_MAX_NAME].rstrip()
    return "" if name == UNNAMED else name
