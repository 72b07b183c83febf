import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.geometry import mask_iou
from anymask.core.prompts import Prompt
from anymask.inference.close_up import CloseUpPredictor
from anymask.inference.close_up_prediction import CloseUpPrediction
from anymask.inference.embedding import MaskPrediction
from anymask.inference.logits_grid import LogitsGrid, resample_logits
from anymask.inference.mask_input import mask_to_logits
from anymask.inference.two_views import TwoViewPrediction
from tiny_predictor import noise_image, tiny_predictor

IMAGE = noise_image(height=200, width=300)
SMALL = [100.0, 80.0, 130.0, 110.0]
LARGE = [20.0, 20.0, 220.0, 180.0]


@pytest.fixture
def looking() -> CloseUpPredictor:
    return CloseUpPredictor(tiny_predictor("tiny"), 0.2)


def disc(height: int = 200, width: int = 300, middle=(120, 95), radius=14) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:height, :width] + 0.5
    return (columns - middle[0]) ** 2 + (rows - middle[1]) ** 2 < radius**2


def test_a_small_object_is_answered_from_its_surroundings(looking):
    (answer,) = looking.predict(looking.embed(IMAGE), [Prompt(box=SMALL)])
    assert isinstance(answer, CloseUpPrediction)
    x0, y0, x1, y1 = answer.region
    assert (x0, y0, x1, y1) == (70, 50, 160, 140)
    part = looking.predictor.embed(np.ascontiguousarray(IMAGE[y0:y1, x0:x1]))
    moved = looking.predictor.predict(part, Prompt(box=[30, 30, 60, 60]))
    np.testing.assert_array_equal(answer.iou_predictions, moved.iou_predictions)
    np.testing.assert_array_equal(answer.masks[:, y0:y1, x0:x1], moved.masks)
    np.testing.assert_array_equal(answer.mask_logits[:, y0:y1, x0:x1], moved.mask_logits)
    outside = np.ones((200, 300), dtype=bool)
    outside[y0:y1, x0:x1] = False
    assert not answer.masks[:, outside].any()
    assert (answer.mask_logits[:, outside] < 0).all()
    assert answer.best == moved.best


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(box=LARGE),
        Prompt(point_coords=[[120, 90], [40, 60]], point_labels=[1, 0]),
        Prompt(box=SMALL, point_coords=[[290, 190]], point_labels=[0]),
        Prompt(mask_input=np.full((1, 16, 16), -5.0)),
    ],
    ids=["large", "size unknown", "a click far off", "an empty mask"],
)
def test_other_prompts_are_answered_from_the_whole_image(looking, prompt):
    embedding = looking.embed(IMAGE)
    if prompt.mask_input is not None:
        size = looking.predictor.model.config.mask_size
        prompt = Prompt(mask_input=np.full((1, size, size), -5.0))
    (answer,) = looking.predict(embedding, [prompt])
    expected = looking.predictor.predict(embedding.whole, prompt)
    np.testing.assert_array_equal(answer.low_res_logits, expected.low_res_logits)


def test_a_first_click_is_answered_from_two_views(looking):
    embedding = looking.embed(IMAGE)
    click = Prompt(point_coords=[[120, 90]])
    (answer,) = looking.predict(embedding, [click])
    assert isinstance(answer, TwoViewPrediction)
    part = embedding.image[38:143, 67:173]
    six = [
        *looking.predictor.predict(embedding.whole, click).iou_predictions,
        *looking.predictor.predict(
            looking.predictor.embed(np.ascontiguousarray(part)),
            Prompt(point_coords=[[53, 52]]),
            multimask_output=True,
        ).iou_predictions,
    ]
    assert set(answer.iou_predictions).issubset(six)
    assert list(answer.iou_predictions) == sorted(answer.iou_predictions, reverse=True)
    assert answer.best == 0
    assert answer.masks.shape == answer.mask_logits.shape == (3, 200, 300)
    np.testing.assert_array_equal(answer.masks, answer.mask_logits > 0)
    size = looking.predictor.model.config.mask_size
    assert answer.low_res_logits.shape == (3, size, size)


def test_one_mask_of_a_first_click_comes_from_the_whole_image(looking):
    embedding = looking.embed(IMAGE)
    click = Prompt(point_coords=[[120, 90]])
    (answer,) = looking.predict(embedding, [click], multimask_output=False)
    expected = looking.predictor.predict(embedding.whole, click, multimask_output=False)
    np.testing.assert_array_equal(answer.low_res_logits, expected.low_res_logits)


def test_answers_keep_the_order_of_their_prompts(looking):
    embedding = looking.embed(IMAGE)
    prompts = [Prompt(box=box) for box in (LARGE, SMALL, LARGE, SMALL)]
    answers = looking.predict(embedding, prompts, multimask_output=True)
    assert [isinstance(a, CloseUpPrediction) for a in answers] == [False, True, False, True]
    assert all(answer.masks.shape == (3, 200, 300) for answer in answers)


def test_an_earlier_mask_tells_the_size(looking):
    embedding = looking.embed(IMAGE)
    size = looking.predictor.model.config.mask_size
    logits = mask_to_logits(disc(), embedding.whole.frame, size)
    (answer,) = looking.predict(embedding, [Prompt(point_coords=[[125, 90]], mask_input=logits)])
    assert isinstance(answer, CloseUpPrediction)
    x0, y0, x1, y1 = answer.region
    assert max(x0 - 106, y0 - 81) < 0
    assert min(x1 - 134, y1 - 109) > 0


def test_the_fraction_is_the_models_own_unless_given():
    predictor = tiny_predictor("tiny")
    assert CloseUpPredictor(predictor).max_fraction == predictor.model.config.close_up_fraction == 0
    predictor.model.config = dataclasses.replace(predictor.model.config, close_up_fraction=0.3)
    assert CloseUpPredictor(predictor).max_fraction == 0.3
    assert CloseUpPredictor(predictor, 0).max_fraction == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_fraction": 1.5}, "max_fraction"),
        ({"max_fraction": 0.2, "margin": 0.5}, "margin"),
        ({"click_fraction": -1}, "click_fraction"),
    ],
)
def test_options_out_of_range_are_named(options, named):
    with pytest.raises(InvalidInputError, match=f"{named} must be"):
        CloseUpPredictor(tiny_predictor("tiny"), **options)


def test_prompts_about_another_models_embedding_are_refused(looking):
    embedding = dataclasses.replace(looking.embed(IMAGE).whole, model_id="another")
    other = dataclasses.replace(looking.embed(IMAGE), whole=embedding)
    with pytest.raises(InvalidInputError, match="embedding must be of model"):
        looking.predict(other, [Prompt(box=SMALL)])


def test_logits_stay_as_they_are_on_their_own_grid():
    grid = LogitsGrid(
        frame=ImageFrame(original_size=(200, 300), image_size=384), corner=(0, 0), size=96
    )
    logits = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    inside = resample_logits(logits, grid, grid)[:64, :]
    np.testing.assert_allclose(inside, logits[:64, :], atol=1e-6)
    assert (resample_logits(logits, grid, grid)[65:] == -10).all(), "padding"


@pytest.mark.parametrize("region", [(70, 50, 160, 140), (0, 60, 200, 130), (90, 0, 150, 200)])
def test_a_mask_survives_the_way_into_a_part_and_back(region):
    """A disc drawn on the part's grid, brought to the whole and scaled up, is the same disc."""
    x0, y0, x1, y1 = region
    whole_frame = ImageFrame(original_size=(200, 300), image_size=384)
    frame = ImageFrame(original_size=(y1 - y0, x1 - x0), image_size=384)
    part_logits = mask_to_logits(disc()[y0:y1, x0:x1], frame, 96)
    part = MaskPrediction(
        low_res_logits=part_logits,
        iou_predictions=np.ones(1, dtype=np.float32),
        frame=frame,
        mask_threshold=0.0,
    )
    answer = CloseUpPrediction(part=part, region=region, frame=whole_frame)
    assert mask_iou(answer.masks[0], disc()) > 0.95
    coarse = dataclasses.replace(part, low_res_logits=answer.low_res_logits, frame=whole_frame)
    assert mask_iou(coarse.masks[0], disc()) > 0.9
    grids = [
        LogitsGrid(frame=whole_frame, corner=(0, 0), size=96),
        LogitsGrid(frame=frame, corner=(x0, y0), size=96),
    ]
    back = resample_logits(answer.low_res_logits[0], *grids)[None]
    again = dataclasses.replace(answer, part=dataclasses.replace(part, low_res_logits=back))
    assert mask_iou(again.masks[0], disc()) > 0.9
