"""The rules of the format, by the names that reports and documents use, and what broke them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

ARCHIVE_RULES = {
    "not-an-archive": "a shard is a tar file, packed with gzip or not",
    "damaged-gzip": "a packed shard unpacks to its end, and its check sum holds",
    "cut-off": "every member of a shard is whole, and tar's end mark follows the last",
    "damaged-header": "every header in a shard can be read",
    "hidden-data": "nothing but zeros follows tar's end mark",
    "empty-shard": "a shard holds images",
    "unsafe-name": "members' names are relative, without .., backslashes and control characters",
    "unsafe-member": "members are plain files: no links, no devices",
    "unexpected-member": "members are ./sa_N.jpg and ./sa_N.json",
    "duplicate-member": "a shard has no two members of one name",
    "member-size": "a member has at least 1 byte and at most 512 MiB",
    "missing-image": "a JSON file has its image in the same shard",
    "missing-record": "an image has its JSON file in the same shard",
}
RECORD_RULES = {
    "not-json": "a JSON file is JSON in UTF-8",
    "wrong-keys": "file, image and annotation have SA-1B's keys, all of them and no others",
    "wrong-type": "values are of their key's type, numbers are finite",
    "file-name": "file_name is that of the image beside the JSON file",
    "image-id": "image_id is the number in the file's name",
    "id-range": "ids are in [0, 2^53), which every JSON reader keeps",
    "duplicate-image-id": "no two images of the set have one image_id",
    "duplicate-mask-id": "no two masks of the set have one id",
}
MASK_RULES = {
    "rle-damaged": "segmentation is COCO's run lengths, which fill their size",
    "rle-size": "segmentation's size is [height, width] of the image",
    "empty-mask": "a mask has a pixel or more",
    "wrong-area": "area is the number of the mask's pixels",
    "wrong-bbox": "bbox is the mask's box, exact or one pixel short as SA-1B's own",
    "point-outside": "point_coords lie in the image",
    "crop-box-outside": "crop_box has pixels, all of the image",
    "score-range": "predicted_iou is in [0, 1.2], stability_score in [0, 1]",
}
IMAGE_RULES = {
    "image-damaged": "an image decodes to its end",
    "image-format": "an image is a JPEG",
    "image-size": "an image is as wide and high as its JSON file says",
    "shortest-side": "an image's shortest side has at most 1500 pixels",
    "image-turned": "an image is upright without an EXIF tag that turns it",
    "image-location": "an image does not tell where it was taken",
}
MANIFEST_RULES = {
    "manifest-missing": "a folder of shards has a manifest.json, which is written last",
    "manifest-damaged": "the manifest can be read, and its counts add up",
    "shard-missing": "every shard of the manifest is there",
    "shard-extra": "every shard that is there is in the manifest",
    "shard-hash": "a shard's bytes are those that the manifest tells of",
    "shard-counts": "a shard has as many images and masks as the manifest says",
}
RULES = ARCHIVE_RULES | RECORD_RULES | MASK_RULES | IMAGE_RULES | MANIFEST_RULES

_MAX_EXAMPLES = 5

# Of a rule's name and what was found.
Tell = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One place where a rule does not hold.

    Attributes:
        rule: a name of `RULES`.
        place: shard, member and annotation, as far as they are known.
        text: what was found there.
    """

    rule: str
    place: str
    text: str


@dataclass(kw_only=True)
class Findings:
    """What is wrong, counted by rule, with the first examples of each; grows as it is told."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Violation]] = field(default_factory=dict)

    def add(self, rule: str, place: str, text: str) -> None:
        """Count a violation of a rule of `RULES`."""
        assert rule in RULES
        self.counts[rule] += 1
        self._show([Violation(rule=rule, place=place, text=text)])

    def at(self, place: str) -> Tell:
        """Return what counts violations of a place."""
        return lambda rule, text: self.add(rule, place, text)

    def merge(self, other: "Findings") -> None:
        """Count what another found."""
        self.counts += other.counts
        for violations in other.examples.values():
            self._show(violations)

    def to_json(self) -> dict[str, Any]:
        """Return counts, meaning and examples of each broken rule, in the order of `RULES`."""
        return {
            rule: {
                "count": self.counts[rule],
                "rule": text,
                "examples": [asdict(violation) for violation in self.examples[rule]],
            }
            for rule, text in RULES.items()
            if self.counts[rule]
        }

    def _show(self, violations: list[Violation]) -> None:
        for violation in violations:
            shown = self.examples.setdefault(violation.rule, [])
            if len(shown) < _MAX_EXAMPLES:
                shown.append(violation)
