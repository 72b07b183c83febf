"""How many faces the default detector finds, by size, and how many where there are none.

    python benchmarks/privacy_recall.py DATA -o OUT [--smoke]

DATA holds the training sets. Three questions: faces of `coco_b` as listed in `privacy_faces.json`
(boxes drawn by hand, or looked at one by one among what the detector proposes at a score of 0.12);
faces of `fasseg`, whose truth comes from its label maps, made small and laid into photos without
people, so that sizes are exact and the truth owes nothing to the detector; photos without people.
A face is found where the concealed area, margin included, covers 70 % of its box. The older
detector beside it is scikit-image's cascade, on the listed photos only. `--smoke` looks at two
photos each (for the tests).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.privacy.concealing import widened
from anymask.dataset.privacy.detectors import CENTERFACE, centerface_path
from anymask.dataset.privacy.onnx_detector import OnnxDetector
from anymask.dataset.privacy.regions import Region, RegionDetector
from anymask.dataset.privacy.views import ViewConfig
from anymask.dataset.sets import read_set
from anymask.evaluation.report import format_table

SIZES = (0, 8, 12, 16, 24, 48, 10_000)  # edges of bins, longer side of the face in pixels
PASTED = (8, 12, 16, 24, 32, 48, 64, 128)
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
EMPTY_SETS = ("coco_b", "building_facade", "car_parts")
COVERED = 0.7
MAX_PHOTOS = 40  # of a set, where there are more than enough

Boxes = NDArray[np.float64]


class CascadeDetector:
    """Local binary patterns in a cascade, of scikit-image: frontal faces only."""

    name = "lbp_cascade"

    def __init__(self) -> None:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade

        self._cascade = Cascade(lbp_frontal_face_cascade_filename())

    def find(self, image: NDArray[np.uint8]) -> tuple[Region, ...]:
        """The faces of an image (H, W, 3) uint8 RGB."""
        found = self._cascade.detect_multi_scale(
            img=image, scale_factor=1.2, step_ratio=1, min_size=(24, 24), max_size=(400, 400)
        )
        return tuple(
            Region(
                box=(f["c"], f["r"], f["c"] + f["width"], f["r"] + f["height"]),
                kind="face",
                score=1.0,
                source=self.name,
            )
            for f in found
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A photo with its faces (N, 4) xyxy, and boxes (M, 4) that count neither way."""

    image: NDArray[np.uint8]
    faces: Boxes
    unclear: Boxes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a detector made of a case: regions, seconds."""

    case: Case
    regions: tuple[Region, ...]
    seconds: float

    def found(self, thresh: float) -> NDArray[np.bool_]:
        """Whether each face (N,) is covered."""
        height, width = self.case.image.shape[:2]
        hidden = np.zeros((height, width), np.bool_)
        for region in self.regions:
            box = widened(region.box, (height, width)) if region.score >= thresh else None
            if box is not None:
                hidden[box[1] : box[3], box[0] : box[2]] = True
        inside = [
            hidden[round(y0) : max(round(y1), round(y0) + 1), round(x0) : round(x1)].mean()
            for x0, y0, x1, y1 in self.case.faces
        ]
        return np.array(inside) >= COVERED

    def false_alarms(self, thresh: float) -> int:
        """Regions that have their middle in no face, sure or unclear."""
        known = np.concatenate([self.case.faces, self.case.unclear])
        centres = [
            ((r.box[0] + r.box[2]) / 2, (r.box[1] + r.box[3]) / 2)
            for r in self.regions
            if r.score >= thresh
        ]
        return sum(
            not np.any(
                (known[:, 0] <= x) & (x <= known[:, 2]) & (known[:, 1] <= y) & (y <= known[:, 3])
            )
            for x, y in centres
        )


def coco_cases(data: Path, limit: int | None) -> list[Case]:
    """The photos of the list beside this file."""
    listed = json.loads(Path(__file__).with_name("privacy_faces.json").read_text())
    return [
        Case(
            image=read_image(data / name.replace("/", "/images/")),
            faces=np.array(boxes["faces"], np.float64).reshape(-1, 4),
            unclear=np.array(boxes["unclear"], np.float64).reshape(-1, 4),
        )
        for name, boxes in list(listed.items())[:limit]
    ]


def fasseg_faces(data: Path, limit: int | None) -> list[tuple[NDArray[np.uint8], Boxes]]:
    """The portraits of `fasseg` with the box (4,) of each face: skin, eyes, brows, nose, mouth."""
    parts = {"face skin", "eye", "eyebrow", "nose", "mouth"}
    faces = []
    for labelled in read_set(data / "fasseg")[:limit]:
        boxes = [m.rle.to_box() for m in labelled.masks if m.category in parts]
        if boxes:
            low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
            faces.append((read_image(labelled.path), np.concatenate([low, high]).astype(float)))
    return faces


def pasted_cases(
    portraits: Sequence[tuple[NDArray[np.uint8], Boxes]],
    grounds: Sequence[NDArray[np.uint8]],
    side: int,
) -> list[Case]:
    """Each portrait, its face `side` pixels long, in the middle of a photo without people."""
    cases = []
    for number, (portrait, box) in enumerate(portraits):
        ground = grounds[number % len(grounds)].copy()
        scale = side / max(box[2] - box[0], box[3] - box[1])
        size = [max(1, round(length * scale)) for length in portrait.shape[1::-1]]
        small = np.asarray(Image.fromarray(portrait).resize(size, Image.Resampling.LANCZOS))
        small = small[: ground.shape[0], : ground.shape[1]]
        top, left = ((g - s) // 2 for g, s in zip(ground.shape[:2], small.shape[:2], strict=True))
        ground[top : top + small.shape[0], left : left + small.shape[1]] = small
        faces = box[None] * scale + np.array([left, top, left, top])
        cases.append(Case(image=ground, faces=faces, unclear=np.zeros((0, 4))))
    return cases


def empty_photos(data: Path, name: str, limit: int | None) -> list[NDArray[np.uint8]]:
    """The photos of a set that have no person labelled."""
    empty = [image for image in read_set(data / name) if not _has_person(image)]
    return [read_image(image.path) for image in empty[:limit]]


def _has_person(image: LabelledImage) -> bool:
    return any(mask.category == "person" for mask in image.masks)


def answer(detector: RegionDetector, cases: Iterable[Case]) -> list[Answer]:
    """What the detector finds in each case."""
    answers = []
    for case in cases:
        started = time.perf_counter()
        regions = detector.find(case.image)
        seconds = time.perf_counter() - started
        answers.append(Answer(case=case, regions=regions, seconds=seconds))
    return answers


def recall_by_size(answers: Sequence[Answer], thresh: float) -> dict[str, tuple[int, int]]:
    """Found and all faces in each bin of `SIZES`."""
    found = np.concatenate([one.found(thresh) for one in answers])
    boxes = np.concatenate([one.case.faces for one in answers])
    sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    bins = np.digitize(sides, SIZES) - 1
    names = [f"{low} to {high}" for low, high in pairwise(SIZES[:-1])]
    names.append(f"{SIZES[-2]} up")
    return {
        name: (int(found[bins == i].sum()), int((bins == i).sum())) for i, name in enumerate(names)
    }


def detectors(threads: int) -> dict[str, Callable[[], RegionDetector]]:
    """The detectors compared, by name."""
    low = replace(CENTERFACE, score_thresh=min(THRESHOLDS))

    def centerface(views: ViewConfig) -> RegionDetector:
        return OnnxDetector(
            centerface_path(), low, name="centerface", views=views, num_threads=threads
        )

    return {
        "centerface": lambda: centerface(ViewConfig()),
        "centerface, not enlarged": lambda: centerface(ViewConfig(max_enlargement=1.0)),
    }


def evaluate(
    detector: RegionDetector,
    coco: Sequence[Case],
    pasted: dict[int, list[Case]],
    empty: dict[str, list[NDArray[np.uint8]]],
) -> dict[str, Any]:
    """All figures of one detector, at each threshold."""
    answers = answer(detector, coco)
    of_pasted = {side: answer(detector, cases) for side, cases in pasted.items()}
    none = np.zeros((0, 4))
    of_empty = {
        name: answer(detector, [Case(image=i, faces=none, unclear=none) for i in images])
        for name, images in empty.items()
    }
    at = {}
    for thresh in THRESHOLDS:
        by_size = recall_by_size(answers, thresh)
        at[str(thresh)] = {
            "coco_b": by_size,
            "recall": sum(f for f, _ in by_size.values()) / sum(n for _, n in by_size.values()),
            "false_alarms_per_photo": float(np.mean([a.false_alarms(thresh) for a in answers])),
            "pasted": {
                side: float(np.mean([a.found(thresh)[0] for a in many]))
                for side, many in of_pasted.items()
            },
            "empty": {
                name: float(np.mean([a.false_alarms(thresh) for a in many]))
                for name, many in of_empty.items()
            },
        }
    seconds = [one.seconds for one in answers]
    return {"at": at, "median_seconds": float(np.median(seconds))}


def table(results: dict[str, Any]) -> str:
    """Recall by size at the default threshold, a Markdown table."""
    chosen = {
        name: result["at"]["0.2" if name != "lbp_cascade" else "0.6"]
        for name, result in results.items()
    }
    first = next(iter(chosen.values()))
    rows = [["detector", *(f"{name} px" for name in first["coco_b"]), "all", "false a photo"]]
    for name, at in chosen.items():
        cells = [f"{found}/{number}" for found, number in at["coco_b"].values()]
        alarms = f"{at['false_alarms_per_photo']:.2f}"
        rows.append([name, *cells, f"{at['recall']:.2f}", alarms])
    return format_table(rows)


def plot(results: dict[str, Any], path: Path) -> None:
    """Recall against the size of pasted faces, and against false alarms on the listed photos."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    sizes, curve = figure.subplots(1, 2)
    for name, result in results.items():
        default = result["at"]["0.2"]["pasted"]
        if default:
            sizes.plot(list(map(int, default)), list(default.values()), marker="o", label=name)
        points = [result["at"][str(t)] for t in THRESHOLDS]
        curve.plot(
            [p["false_alarms_per_photo"] for p in points],
            [p["recall"] for p in points],
            marker="o",
            label=name,
        )
    for thresh in THRESHOLDS:
        point = next(iter(results.values()))["at"][str(thresh)]
        spot = (point["false_alarms_per_photo"], point["recall"])
        curve.annotate(str(thresh), spot, textcoords="offset points", xytext=(5, -12))
    sizes.set(xscale="log", xlabel="face, longer side (px)", ylabel="recall", ylim=(0, 1.02))
    sizes.set_xticks(PASTED, [str(side) for side in PASTED])
    sizes.minorticks_off()
    curve.set(xlabel="false alarms per photo", ylabel="recall", ylim=(0, 1.02))
    sizes.set_title("fasseg faces in photos without people, score 0.2")
    curve.set_title("listed faces of coco_b, by score")
    for axes in (sizes, curve):
        axes.grid(alpha=0.3)
    curve.legend()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; write `privacy_recall.json` and `privacy_recall.png`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the training sets")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    limit = 2 if args.smoke else MAX_PHOTOS
    if not (args.data / "coco_b").is_dir():
        raise InvalidInputError(f"data must hold coco_b, got {args.data}. Name the training sets.")
    empty = {name: empty_photos(args.data, name, limit) for name in EMPTY_SETS}
    portraits = fasseg_faces(args.data, limit)
    pasted = {
        side: pasted_cases(portraits, empty["coco_b"], side)
        for side in (PASTED[-1:] if args.smoke else PASTED)
    }
    coco = coco_cases(args.data, limit if args.smoke else None)
    results = {
        name: evaluate(make(), coco, pasted, empty)
        for name, make in detectors(args.threads).items()
    }
    results["lbp_cascade"] = evaluate(CascadeDetector(), coco, {}, {})
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "privacy_recall.json").write_text(json.dumps(results, indent=1))
    plot(results, args.output / "privacy_recall.png")
    print(table(results))


if __name__ == "__main__":
    main()
