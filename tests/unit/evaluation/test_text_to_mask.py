"""Text to mask on drawn pictures, answered by a function that a test can work out."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.coco_folder import LabelledImage, LabelledMask
from anymask.evaluation.metrics.ranking import auroc, resample_auroc
from anymask.evaluation.text_pictures import TextPictures
from anymask.evaluation.text_summary import summarise_texts, text_scores_to_json_lines
from anymask.evaluation.text_to_mask import TextCase, check_names, evaluate_texts, names_of

SIZE = (20, 30)


def block(x0: int, y0: int, x1: int, y1: int) -> Rle:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return Rle.from_mask(mask)


CATS = (block(0, 0, 10, 10), block(20, 0, 30, 10))
TREE = block(0, 12, 30, 20)


@dataclass(frozen=True)
class Answer:
    segmentation: Rle
    score: float


@pytest.fixture
def images(tmp_path: Path) -> tuple[LabelledImage, ...]:
    """Two photographs of two cats, the first with a tree as well; one mask without a name."""
    found = []
    for i in range(2):
        path = tmp_path / f"{i}.png"
        Image.fromarray(np.full((*SIZE, 3), 40 * i, dtype=np.uint8)).save(path)
        masks = [(CATS[0], "cat"), (CATS[1], "Cat"), (block(0, 0, 2, 2), "")]
        masks += [(TREE, "tree-merged")] if i == 0 else []
        found.append(
            LabelledImage(
                image_id=i + 1,
                path=path,
                original_size=SIZE,
                masks=tuple(
                    LabelledMask(annotation_id=k, rle=rle, category=name)
                    for k, (rle, name) in enumerate(masks)
                ),
            )
        )
    return tuple(found)


def find(embedding: int, text: str) -> list[Answer]:
    """Both cats, the second with little trust; half of the tree; a dog that is not there."""
    return {
        "cat": [Answer(CATS[0], 0.9), Answer(CATS[1], 0.2)],
        "tree": [Answer(block(0, 12, 15, 20), 0.6)],
        "dog": [Answer(block(5, 5, 9, 9), 0.4)],
    }.get(text, [])


def evaluate(images: tuple[LabelledImage, ...], **options: object) -> tuple:
    given = {"vocabulary": names_of(images), "threshold": 0.5, **options}
    return evaluate_texts(lambda pixels: int(pixels[0, 0, 0]), find, "set", images, **given)


def test_names_are_asked_once_each_in_plain_spelling(images):
    assert names_of(images) == ("cat", "tree")
    scores = evaluate(images)
    assert [(score.image_index, score.text) for score in scores] == [
        (0, "cat"),
        (0, "tree"),
        (1, "cat"),
    ]
    assert all(score.is_present for score in scores)


def test_figures_of_a_query_are_exact(images):
    cat, tree, _ = evaluate(images)
    assert cat.top_score == 0.9
    assert cat.union_iou == pytest.approx(0.5)  # the second cat lies below the threshold
    assert cat.top_iou == 1
    assert cat.recall == 1  # but among the first ten
    assert tree.union_iou == tree.top_iou == pytest.approx(0.5)
    assert tree.recall == pytest.approx(0.1)
    assert evaluate(images, threshold=0.1)[0].union_iou == 1


def test_no_answer_counts_nothing(images):
    scores = evaluate_texts(
        lambda pixels: 0, lambda e, t: [], "set", images, vocabulary=("cat",), threshold=0.5
    )
    for score in scores:
        assert (score.top_score, score.union_iou, score.top_iou, score.recall) == (0, 0, 0, 0)


def test_largest_mask_is_the_baseline(images):
    def generate(pixels: np.ndarray) -> list[Rle]:
        return [CATS[0], TREE, CATS[1]]

    cat, tree, _ = evaluate(images, generate=generate)
    assert (cat.largest_iou, tree.largest_iou) == (0, 1)
    assert evaluate(images, generate=lambda pixels: [])[0].largest_iou == 0


def test_absent_names_are_drawn_from_the_vocabulary_but_not_the_present_ones(images):
    vocabulary = ("cats", "dog", "tree", "boat", "kite")
    scores = evaluate(images, vocabulary=vocabulary, num_absent=2)
    absent = [score for score in scores if not score.is_present]
    assert [score.image_index for score in absent] == [0, 0, 1, 1]
    assert {score.text for score in absent} <= {"dog", "tree", "boat", "kite"}
    assert all(score.text != "tree" for score in absent if score.image_index == 0)
    assert [score.top_score for score in absent] == [
        0.4 if score.text == "dog" else 0.6 if score.text == "tree" else 0 for score in absent
    ]
    again = evaluate(images, vocabulary=vocabulary, num_absent=2)
    assert again == scores
    others = {evaluate(images, vocabulary=vocabulary, num_absent=2, seed=s) for s in range(6)}
    assert len(others) > 1


def test_seen_names_are_those_of_the_training_data_in_any_spelling(images):
    scores = evaluate(images, seen_names=("Cats", "road"))
    assert [score.is_seen for score in scores] == [True, False, True]
    rows = summarise_texts(scores, threshold=0.5, with_baseline=False)
    values = {(row.dataset, row.metric): row.value for row in rows}
    assert values["set", "miou"] == pytest.approx(0.5)
    assert values["set, names seen", "top1_iou"] == 1
    assert values["set, names not seen", "top1_iou"] == pytest.approx(0.5)
    counts = {row.dataset: (row.num_masks, row.num_images) for row in rows}
    assert counts == {
        "set": (3, 2),
        "set, names seen": (2, 2),
        "set, names not seen": (1, 1),
    }


def test_names_of_which_none_was_seen_are_all_not_seen(images):
    rows = summarise_texts(evaluate(images, seen_names=()), threshold=0.5, with_baseline=False)
    assert {row.dataset for row in rows} == {"set", "set, names not seen"}


def test_rows_hold_present_names_and_presence_apart(images):
    scores = evaluate(images, vocabulary=("dog", "kite"), num_absent=2)
    rows = summarise_texts(scores, threshold=0.35, with_baseline=True)
    values = {(row.suite, row.metric): row for row in rows}
    assert values["text_to_mask", "found_rate"].value == 1
    assert values["text_to_mask", "miou_largest_mask"].value == 0
    assert values["text_presence", "auroc"].value == 1
    assert values["text_presence", "false_alarm_rate"].value == 0.5  # dog, not kite
    assert values["text_presence", "auroc"].num_masks == 7
    for row in rows:
        assert row.low <= row.value <= row.high
    # without a known vocabulary of training, seen and not seen are not told apart
    assert {row.dataset for row in rows} == {"set"}


def test_mean_over_sets_weighs_them_alike(images):
    first = evaluate(images)
    other = evaluate_texts(
        lambda pixels: 0, find, "other", images[1:], vocabulary=("cat",), threshold=0.1
    )
    rows = summarise_texts((*first, *other), threshold=0.5, with_baseline=False)
    mean = {row.metric: row for row in rows if row.dataset == "mean of all sets"}
    assert mean["miou"].value == pytest.approx((0.5 + 1) / 2)
    assert mean["miou"].num_masks == 4


def test_queries_are_json_lines(images):
    lines = text_scores_to_json_lines(evaluate(images)).splitlines()
    assert json.loads(lines[1])["text"] == "tree"


def test_set_without_names_is_told():
    with pytest.raises(InvalidInputError, match="cells must name its masks"):
        check_names("cells", ())


def test_auroc_counts_pairs():
    assert auroc([3, 2], [1, 0]) == 1
    assert auroc([1, 0], [3, 2]) == 0
    assert auroc([1, 1], [1]) == 0.5
    assert np.isnan(auroc([], [1]))


def test_resampled_auroc_lies_around_the_value():
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.4
    scores = rng.normal(size=400) + positive
    images = np.arange(400) // 4
    drawn = resample_auroc(scores, positive, images, seed=1, num_resamples=2000)
    value = auroc(scores[positive], scores[~positive])
    assert abs(float(drawn.mean()) - value) < 0.01
    assert 0.01 < float(drawn.std()) < 0.05
    again = resample_auroc(scores, positive, images, seed=1, num_resamples=2000)
    np.testing.assert_array_equal(drawn, again)


def test_page_shows_name_answer_and_truth(images):
    files: dict[str, bytes] = {}
    pictures = TextPictures(files.__setitem__, threshold=0.5, max_pictures=3)
    evaluate(images, vocabulary=("dog<b>",), num_absent=1, look=pictures.add)
    assert list(files) == ["set_000.jpg", "set_001.jpg", "set_002.jpg"]
    page = pictures.page(title="a & b")
    assert all(f'src="{name}"' in page for name in files)
    assert "a &amp; b" in page
    assert "dog&lt;b&gt;" in page
    assert "dog<b>" not in page
    assert "(not there)" in page
    assert "<b>cat</b>: 1 found, best score 0.90, 2 in truth" in page


def test_picture_has_three_panels():
    files: dict[str, bytes] = {}
    pixels = np.full((100, 1000, 3), 90, dtype=np.uint8)
    case = TextCase(
        dataset="d",
        file_name="f.jpg",
        pixels=pixels,
        text="x",
        targets=np.zeros((0, 100, 1000), dtype=bool),
        found=np.ones((1, 100, 1000), dtype=bool),
        scores=np.array([0.9]),
    )
    TextPictures(files.__setitem__, threshold=0.5, max_pictures=1).add(case)
    import io

    assert Image.open(io.BytesIO(files["d_000.jpg"])).size == (3 * 360, 36)
