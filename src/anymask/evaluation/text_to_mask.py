"""Text to mask: a name asked for in a photograph, and what is found held against its masks.

Letters: Q queries (a photograph and a name), G masks of that name, F found.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.phrases import name_key, plain_phrase
from anymask.core.rle import Rle
from anymask.dataset.labelled import LabelledImage
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.protocol import BoolArray
from anymask.evaluation.sampling import read_labelled_image

MAX_FOUND = 10  # answers to a name that count for recall
RECALL_THRESHOLDS = np.arange(0.5, 1.0, 0.05)
# Sets whose photographs show none of the set's other names: every object is labelled.
EXHAUSTIVE_SETS = frozenset({"coco", "coco_panoptic"})


class FoundMask(Protocol):
    """One answer to a name."""

    @property
    def segmentation(self) -> Rle:
        """The mask at the photograph's size."""

    @property
    def score(self) -> float:
        """How sure the answer is; answers come with the highest first."""


Embed = Callable[[NDArray[np.uint8]], Any]
Find = Callable[[Any, str], Sequence[FoundMask]]
Generate = Callable[[NDArray[np.uint8]], Iterable[Rle]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TextCase:
    """One query with its pictures, for those who want to look.

    `targets` (G, H, W) and `found` (F, H, W) bool, `scores` (F,) best first; an absent name has
    no targets.
    """

    dataset: str
    file_name: str
    pixels: NDArray[np.uint8]
    text: str
    targets: BoolArray
    found: BoolArray
    scores: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TextScore:
    """What one query gave. Of an absent name only `top_score` says something, the rest is 0.

    Attributes:
        dataset: the set's name.
        image_index: of the photograph in the set.
        file_name: of the photograph.
        text: the name as asked.
        is_present: whether the photograph has a mask of that name.
        is_seen: whether the model was trained with the name; None where that is not known.
        top_score: of the best answer, 0 without any.
        union_iou: of all answers of at least the threshold, united, with all targets united.
        top_iou: of the best answer with the target that it fits best.
        recall: mean over IoU 0.5 to 0.95 of the share of targets found by the first ten answers.
        largest_iou: of the largest mask of "segment everything" with all targets united.
    """

    dataset: str
    image_index: int
    file_name: str
    text: str
    is_present: bool
    is_seen: bool | None
    top_score: float
    union_iou: float = 0.0
    top_iou: float = 0.0
    recall: float = 0.0
    largest_iou: float = 0.0


def evaluate_texts(
    embed: Embed,
    find: Find,
    dataset: str,
    images: Iterable[LabelledImage],
    *,
    vocabulary: Collection[str],
    threshold: float,
    seen_names: Collection[str] | None = None,
    num_absent: int = 0,
    generate: Generate | None = None,
    look: Callable[[TextCase], None] | None = None,
    seed: int = 0,
) -> tuple[TextScore, ...]:
    """Return a score for each name of each photograph, and for some names that it does not show.

    Args:
        embed: a photograph (H, W, 3) uint8 to what `find` takes.
        find: an embedding and a name to the masks found, best first, of whatever score.
        dataset: the set's name.
        images: with all their masks.
        vocabulary: names to draw absent ones from.
        threshold: score from which an answer counts as found.
        seen_names: those of the training data, in any spelling; None where they are not known.
        num_absent: absent names asked for in each photograph at most.
        generate: all masks of a photograph, for the baseline; None leaves it out.
        look: called with every query.
        seed: draws absent names.
    """
    seen = None if seen_names is None else {name_key(name) for name in seen_names}
    scores = []
    for index, image in enumerate(images):
        targets = _targets(image)
        absent = _draw_absent(image, targets, vocabulary, num_absent, seed)
        if not targets and not absent:
            continue
        pixels = read_labelled_image(image)
        embedding = embed(pixels)
        largest = None if generate is None else _largest(generate(pixels), pixels.shape[:2])
        for text in [*targets, *absent]:
            answers = find(embedding, text)
            case = TextCase(
                dataset=dataset,
                file_name=image.path.name,
                pixels=pixels,
                text=text,
                targets=_stack(targets.get(text, ()), pixels.shape[:2]),
                found=_stack([answer.segmentation for answer in answers], pixels.shape[:2]),
                scores=np.array([answer.score for answer in answers], dtype=np.float64),
            )
            if look is not None:
                look(case)
            is_seen = None if seen is None else name_key(text) in seen
            scores.append(_score(case, index, is_seen, threshold, largest))
    return tuple(scores)


def names_of(images: Iterable[LabelledImage]) -> tuple[str, ...]:
    """Return the names in the masks of images, as they are asked for, sorted."""
    return tuple(sorted({name for image in images for name in _targets(image)}))


def check_names(dataset: str, names: Collection[str]) -> None:
    """Raise InvalidInputError for a set whose masks have no names."""
    if not names:
        raise InvalidInputError(
            f"{dataset} must name its masks to be asked by text, got none with a category. "
            "Use a set with categories."
        )


def _targets(image: LabelledImage) -> dict[str, list[Rle]]:
    """The masks of each name, in the order in which names first occur; spellings are one name."""
    targets: dict[str, list[Rle]] = {}
    for mask in image.masks:
        if mask.category:
            targets.setdefault(plain_phrase(mask.category), []).append(mask.rle)
    return targets


def _draw_absent(
    image: LabelledImage,
    targets: Collection[str],
    vocabulary: Collection[str],
    num_absent: int,
    seed: int,
) -> list[str]:
    present = {name_key(name) for name in targets}
    absent = sorted(name for name in vocabulary if name_key(name) not in present)
    rng = np.random.default_rng([seed, abs(image.image_id)])
    return [absent[i] for i in rng.permutation(len(absent))[:num_absent]]


def _score(
    case: TextCase, index: int, is_seen: bool | None, threshold: float, largest: BoolArray | None
) -> TextScore:
    top_score = float(case.scores.max(initial=0.0))
    is_present = len(case.targets) > 0
    if not is_present:
        union_iou = top_iou = recall = largest_iou = 0.0
    else:
        whole: BoolArray = np.logical_or.reduce(case.targets)
        is_sure = case.scores >= threshold
        answer: BoolArray = np.logical_or.reduce(case.found[is_sure])
        union_iou = float(masks_iou(answer[None], whole)[0])
        ious = np.array([masks_iou(case.found[:MAX_FOUND], target) for target in case.targets])
        top_iou = float(ious[:, :1].max(initial=0.0))
        best = ious.max(axis=1, initial=0.0)  # G
        recall = float((best[:, None] >= RECALL_THRESHOLDS - 1e-9).mean())
        largest_iou = 0.0 if largest is None else float(masks_iou(largest[None], whole)[0])
    return TextScore(
        dataset=case.dataset,
        image_index=index,
        file_name=case.file_name,
        text=case.text,
        is_present=is_present,
        is_seen=is_seen,
        top_score=top_score,
        union_iou=union_iou,
        top_iou=top_iou,
        recall=recall,
        largest_iou=largest_iou,
    )


def _largest(rles: Iterable[Rle], size: tuple[int, ...]) -> BoolArray:
    largest = max(rles, key=lambda rle: rle.area, default=None)
    return np.zeros(size, dtype=np.bool_) if largest is None else largest.to_mask()


def _stack(rles: Sequence[Rle], size: tuple[int, ...]) -> BoolArray:
    stack = np.zeros((len(rles), *size), dtype=np.bool_)
    for i, rle in enumerate(rles):
        stack[i] = rle.to_mask()
    return stack
