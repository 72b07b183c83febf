"""A whole data set checked, shards side by side on all cores; memory does not grow with it."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.processes import map_in_processes
from anymask.dataset.archive_file import is_url
from anymask.dataset.manifest import MANIFEST_FILE, Manifest, read_manifest
from anymask.dataset.release import SHORTEST_SIDE
from anymask.dataset.shards import find_shards
from anymask.dataset.validation.contents import RecordFacts, check_image, check_record
from anymask.dataset.validation.ids import IdLedger
from anymask.dataset.validation.members import ArchiveWalk, Member
from anymask.dataset.validation.rules import Findings


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """What is checked beyond the files themselves.

    Attributes:
        shortest_side: that images may have at most, in pixels.
        needs_manifest: of a folder; SA-1B itself has none.
    """

    shortest_side: int = SHORTEST_SIDE
    needs_manifest: bool = True


@dataclass(frozen=True, kw_only=True)
class ValidationReport:
    """What was looked at, and what is wrong with it."""

    num_shards: int
    num_images: int
    num_masks: int
    num_bytes: int
    findings: Findings

    @property
    def is_valid(self) -> bool:
        """Whether no rule is broken."""
        return not self.findings.counts

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {
            "is_valid": self.is_valid,
            "num_shards": self.num_shards,
            "num_images": self.num_images,
            "num_masks": self.num_masks,
            "num_bytes": self.num_bytes,
            "problems": self.findings.to_json(),
        }


@dataclass(kw_only=True, eq=False)
class _ShardReport:
    """What was found in one shard; `sha256` is empty where no manifest asks for it."""

    label: str
    num_bytes: int = 0
    sha256: str = ""
    num_images: int = 0
    num_masks: int = 0
    image_ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    mask_ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    findings: Findings = field(default_factory=Findings)


def validate_dataset(
    source: str | Path,
    config: ValidationConfig = ValidationConfig(),
    *,
    num_processes: int | None = None,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> ValidationReport:
    """Check every rule of `RULES` on a data set.

    Args:
        source: as `find_shards` takes it; the manifest belongs to a folder on disk.
        config: what is asked of it.
        num_processes: all usable cores by default.
        on_shard: told how many shards of how many are done.

    Raises:
        InvalidInputError: there are no shards.
        DownloadError: a URL cannot be read after all retries.
    """
    findings = Findings()
    manifest = _manifest(source, config, findings)
    shards = find_shards(source)
    if not shards and manifest is None:
        raise InvalidInputError(
            f"data set must be shards (sa_000000.tar, ...), got {source}. Check the path."
        )
    check = partial(_check_shard, config=config, hashes=manifest is not None)
    num_bytes = num_images = num_masks = 0
    with tempfile.TemporaryDirectory() as place:
        ledgers = {"image": IdLedger(_made(place, "image")), "mask": IdLedger(_made(place, "mask"))}
        labels: list[str] = []
        for report in map_in_processes(check, shards, num_processes):
            findings.merge(report.findings)
            ledgers["image"].add(report.image_ids, len(labels))
            ledgers["mask"].add(report.mask_ids, len(labels))
            _compare_with_manifest(report, manifest, findings)
            labels.append(report.label)
            num_bytes += report.num_bytes
            num_images += report.num_images
            num_masks += report.num_masks
            on_shard(len(labels), len(shards))
        for kind, ledger in ledgers.items():
            for number, first, second in ledger.duplicates():
                where = "there" if first == second else f"in {labels[first]}"
                findings.add(f"duplicate-{kind}-id", labels[second], f"got {number}, also {where}")
    return ValidationReport(
        num_shards=len(shards),
        num_images=num_images,
        num_masks=num_masks,
        num_bytes=num_bytes,
        findings=findings,
    )


def _check_shard(shard: str, *, config: ValidationConfig, hashes: bool) -> _ShardReport:
    report = _ShardReport(label=shard.rpartition("/")[2])
    check = _PairCheck(report, config.shortest_side)
    walk = ArchiveWalk(shard, report.label, report.findings)
    for member in walk:
        check.look_at(member)
    check.finish(is_whole=walk.is_whole)
    if not is_url(shard):
        report.num_bytes = Path(shard).stat().st_size
    if hashes:
        with Path(shard).open("rb") as stream:
            report.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return report


class _PairCheck:
    """Looks at the files of a shard in any order, and compares each image with its JSON."""

    def __init__(self, report: _ShardReport, shortest_side: int) -> None:
        self._report = report
        self._shortest_side = shortest_side
        self._images: dict[int, tuple[int, int] | None] = {}
        self._records: dict[int, RecordFacts] = {}
        self._image_ids: list[int] = []
        self._mask_ids: list[NDArray[np.int64]] = []

    def look_at(self, member: Member) -> None:
        place = f"{self._report.label}: {member.name}"
        findings = self._report.findings
        if member.is_image:
            size = check_image(member, self._shortest_side, findings.at(place))
            self._images[member.number] = size
        else:
            facts = check_record(member, place, findings)
            self._records[member.number] = facts
            self._mask_ids.append(np.array(facts.mask_ids, dtype=np.int64))
        if member.number in self._images and member.number in self._records:
            self._compare(member.number)

    def finish(self, *, is_whole: bool) -> None:
        report = self._report
        if is_whole:  # else the partner may be in the lost part
            for number in sorted(self._images):
                report.findings.add("missing-record", report.label, f"got sa_{number}.jpg alone")
            for number in sorted(self._records):
                report.findings.add("missing-image", report.label, f"got sa_{number}.json alone")
            if not report.num_images:
                report.findings.add("empty-shard", report.label, "got no image with its JSON")
        report.image_ids = np.array(self._image_ids, dtype=np.int64)
        report.mask_ids = np.concatenate([report.mask_ids, *self._mask_ids])

    def _compare(self, number: int) -> None:
        size, facts = self._images.pop(number), self._records.pop(number)
        report = self._report
        report.num_images += 1
        report.num_masks += facts.num_masks
        self._image_ids.append(number)
        if None not in (size, facts.size) and size != facts.size:
            place = f"{report.label}: sa_{number}.jpg"
            text = f"got {list(size or ())} (H, W) where the JSON says {list(facts.size or ())}"
            report.findings.add("image-size", place, text)


def _manifest(source: str | Path, config: ValidationConfig, findings: Findings) -> Manifest | None:
    if not config.needs_manifest or is_url(str(source)) or not Path(source).is_dir():
        return None
    if not (Path(source) / MANIFEST_FILE).is_file():
        findings.add("manifest-missing", str(source), "got none")
        return None
    try:
        manifest = read_manifest(source)
    except InvalidInputError as error:
        findings.add("manifest-damaged", MANIFEST_FILE, str(error))
        return None
    there = {Path(shard).name for shard in find_shards(source)}
    for shard in manifest.shards:
        if shard.name not in there:
            findings.add("shard-missing", MANIFEST_FILE, f"got no {shard.name}")
    return manifest


def _compare_with_manifest(
    report: _ShardReport, manifest: Manifest | None, findings: Findings
) -> None:
    if manifest is None:
        return
    told = next((shard for shard in manifest.shards if shard.name == report.label), None)
    if told is None:
        findings.add("shard-extra", report.label, "got a shard that is not in the manifest")
        return
    if (told.sha256, told.num_bytes) != (report.sha256, report.num_bytes):
        text = f"got SHA-256 {report.sha256[:16]}..., {report.num_bytes} bytes"
        findings.add("shard-hash", report.label, text)
    if (told.num_images, told.num_masks) != (report.num_images, report.num_masks):
        text = f"got {report.num_images} images, {report.num_masks} masks"
        findings.add("shard-counts", report.label, text)


def _made(place: str, name: str) -> Path:
    folder = Path(place, name)
    folder.mkdir()
    return folder
