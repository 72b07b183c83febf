"""What was found in each picture, a line a picture: the memory of a run that may be killed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.core.files import read_json, write_json
from anymask.dataset.privacy.regions import Region

REPORT_FOLDER = "report"
_LINES = "regions.jsonl"
_SETTINGS = "settings.json"


@dataclass(frozen=True, kw_only=True)
class BlurredImage:
    """A picture that was looked at.

    Attributes:
        name: below the folder, or in the archive.
        shard: the archive's file name; None of loose photographs.
        original_size: (H, W).
        regions: what was found and concealed.
        problem: why it is not in the copy; None if it is.
    """

    name: str
    shard: str | None = None
    original_size: tuple[int, int] = (0, 0)
    regions: tuple[Region, ...] = ()
    problem: str | None = None

    @property
    def key(self) -> tuple[str | None, str]:
        """What tells it from all others of the data set."""
        return self.shard, self.name

    @property
    def released_name(self) -> str:
        """The copy's name: it is a JPEG whatever the photograph was."""
        path = PurePosixPath(self.name)
        suffix = path.suffix if path.suffix.lower() in (".jpg", ".jpeg") else ".jpg"
        return path.with_suffix(suffix).as_posix()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {
            "name": self.name,
            "shard": self.shard,
            "size": list(self.original_size),
            "regions": [region.to_json() for region in self.regions],
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, value: Any) -> "BlurredImage":
        """Return what `to_json` gave."""
        height, width = value["size"]
        return cls(
            name=value["name"],
            shard=value["shard"],
            original_size=(height, width),
            regions=tuple(Region.from_json(region) for region in value["regions"]),
            problem=value["problem"],
        )


class Journal:
    """The lines of one output folder.

    Args:
        output: the folder.
        settings: what decides on the regions; a run that goes on must have the same.

    Raises:
        InvalidInputError: the folder was begun with others.
        OutputError: the settings cannot be written.
    """

    def __init__(self, output: Path, settings: Any) -> None:
        folder = output / REPORT_FOLDER
        folder.mkdir(exist_ok=True)
        self._path = folder / _LINES
        path = folder / _SETTINGS
        settings = json.loads(json.dumps(settings))  # as it will be read
        if not path.is_file():
            write_json(path, settings)
        elif read_json(path) != settings:
            raise InvalidInputError(
                f"detectors must be those that {output} was begun with, got others. Use the same, "
                "or another output folder."
            )

    def add(self, images: Iterable[BlurredImage]) -> None:
        """Write the pictures' lines, after their files."""
        lines = "".join(json.dumps(image.to_json()) + "\n" for image in images)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(lines)

    def read(self) -> tuple[BlurredImage, ...]:
        """Return the pictures, the last line of each; a line that was cut off is no line."""
        found: dict[tuple[str | None, str], BlurredImage] = {}
        if self._path.is_file():
            text = self._path.read_text(encoding="utf-8")
            whole, _, cut = text.rpartition("\n")
            if cut:
                self._path.write_text(whole + "\n" if whole else "", encoding="utf-8")
            for line in whole.splitlines():
                image = BlurredImage.from_json(json.loads(line))
                found[image.key] = image
        return tuple(found.values())
