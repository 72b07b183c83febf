import numpy as np
import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.inference.mask_descriptions import describe_masks, num_description
from anymask.inference.object_masks import (
    DetectorFinder,
    FoundMask,
    ProposalFinder,
    distinct,
    lacking_in,
)
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.object_detector import ObjectDetector, shape_for
from anymask.model.object_scorer import ObjectScorer
from anymask.model.presets import preset


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(build_sam(preset("tiny"), seed=0), "tiny-0", "cpu", "float32")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def found(x0: int, x1: int, confidence: float) -> FoundMask:
    pixels = np.zeros((10, 20), dtype=bool)
    pixels[2:8, x0:x1] = True
    rle = Rle.from_mask(pixels)
    return FoundMask(
        segmentation=rle,
        box=rle.to_box(),
        score=1.0,
        predicted_iou=1.0,
        stability_score=1.0,
        confidence=confidence,
    )


def test_of_two_masks_of_an_object_the_surer_one_stays() -> None:
    masks = [found(0, 9, 0.5), found(0, 10, 0.9), found(12, 18, 0.7)]
    assert [mask.confidence for mask in distinct(masks)] == [0.9, 0.7]
    present = [found(12, 17, 1.0).segmentation]
    assert [mask.confidence for mask in lacking_in(distinct(masks), present)] == [0.9]
    assert distinct([]) == []


def test_a_detectors_boxes_lie_in_the_image_the_best_first(
    predictor: Predictor, image: np.ndarray
) -> None:
    torch.manual_seed(0)
    shape = shape_for(predictor.model.config, width=16, num_queries=6, num_heads=2)
    finder = DetectorFinder(predictor, ObjectDetector(shape), "tiny-0")
    boxes, scores = finder.detect(predictor.embed(image))
    assert len(boxes)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [60, 40]).all()
    assert (np.diff(scores) <= 0).all()
    masks = finder.find(image)
    assert all(mask.segmentation.size == (40, 60) for mask in masks)
    sure = masks[0].confidence
    assert all(mask.confidence >= sure for mask in finder.find(image, sure))
    assert not finder.find(image, 1.0)


def test_a_scorer_ranks_the_models_own_masks(predictor: Predictor, image: np.ndarray) -> None:
    plain = ProposalFinder(predictor, points_per_side=4)
    records, descriptions = plain.propose(image)
    assert descriptions.shape == (len(records), num_description(32))
    assert descriptions.isfinite().all()
    scorer = ObjectScorer(num_description(32), 8).eval()
    with torch.no_grad():
        expected = scorer(descriptions).sigmoid().max()
    best = ProposalFinder(predictor, scorer, "tiny-0", points_per_side=4).find(image)[0]
    assert best.confidence == pytest.approx(float(expected), abs=1e-5)


def test_another_models_scorer_is_refused(predictor: Predictor) -> None:
    scorer = ObjectScorer(num_description(32), 8)
    with pytest.raises(InvalidInputError, match="scorer must be of model tiny-0, got one of x"):
        ProposalFinder(predictor, scorer, "x")


def test_a_mask_is_described_by_the_cells_below_it(predictor: Predictor, image: np.ndarray) -> None:
    embedding = predictor.embed(image)
    left = np.zeros((40, 60), dtype=bool)
    left[:, :30] = True
    dot = np.zeros((40, 60), dtype=bool)
    dot[33, 7] = True
    rows = describe_masks(
        embedding, [Rle.from_mask(left), Rle.from_mask(dot)], [0.5, 0.9], [1.0, 0.8]
    )
    cells = embedding.features.image_embeddings[0]  # 32 4 4; the image fills 2.7 rows of them
    inside = rows[:, 12:44]
    weights = torch.tensor([1.0, 1.0, 0.5])[:, None]  # of the rows, by their samples
    expected = (cells[:, :3, :2] * weights).sum((1, 2)) / 5
    torch.testing.assert_close(inside[0], expected, atol=0.05, rtol=0.05)
    torch.testing.assert_close(inside[1], cells[:, 2, 0], atol=1e-4, rtol=1e-4)
    assert rows[1, 0] == pytest.approx(0.9)
    assert describe_masks(embedding, [], [], []).shape == (0, 76)
