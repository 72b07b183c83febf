"""A simulated person before models whose answers the tests write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from anymask.core.geometry import mask_iou
from anymask.core.prompts import Prompt
from anymask.core.rle import Rle
from anymask.engine.simulation.annotator import Habits, SimulatedAnnotator
from anymask.engine.simulation.deeds import PhotoWork
from anymask.engine.simulation.time_model import TimeModel

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
STEADY = TimeModel(spread=0.0)
SHARP = Habits(own_agreement=1.0, leave_probability=0.0)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(IMAGE.shape[:2], dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


LEFT, RIGHT = rectangle(10, 10, 70, 90), rectangle(100, 30, 140, 70)
NOTHING = rectangle(0, 0, 1, 1)
TRUTH = [Rle.from_mask(LEFT), Rle.from_mask(RIGHT)]


@dataclass(frozen=True, kw_only=True)
class Answer:
    masks: np.ndarray
    iou_predictions: np.ndarray

    @property
    def low_res_logits(self) -> np.ndarray:
        return np.zeros((len(self.masks), 4, 4), dtype=np.float32)


class ScriptedModel:
    """Answers each prompt by what a function says, the first mask being its favourite."""

    def __init__(self, answer: Callable[[Prompt], list[np.ndarray]]) -> None:
        self.answer = answer
        self.asked: list[Prompt] = []

    def embed(self, image: np.ndarray) -> object:
        return image.shape

    def predict(
        self, embedding: object, prompts: Sequence[Prompt], *, multimask_output: bool | None
    ) -> list[Answer]:
        self.asked += prompts
        answers = []
        for prompt in prompts:
            masks = np.stack(self.answer(prompt))
            answers.append(Answer(masks=masks, iou_predictions=np.linspace(0.9, 0.1, len(masks))))
        return answers


def knows_all(prompt: Prompt) -> list[np.ndarray]:
    x = prompt.box[0] if prompt.point_coords is None else prompt.point_coords[0][0]
    return [LEFT if x < 85 else RIGHT]


def knows_nothing(prompt: Prompt) -> list[np.ndarray]:
    return [NOTHING]


def work_with(
    answer: Callable[[Prompt], list[np.ndarray]],
    habits: Habits = SHARP,
    prefilled: Sequence[Rle] = (),
    seed: int = 0,
) -> PhotoWork:
    person = SimulatedAnnotator(ScriptedModel(answer), STEADY, habits, seed)
    return person.annotate(IMAGE, TRUTH, prefilled, photo=5)


def kinds(work: PhotoWork, place: int) -> list[str]:
    return [deed.kind for deed in work.masks[place].deeds]


def test_a_model_that_knows_needs_one_click_and_a_look() -> None:
    work = work_with(knows_all)
    assert sorted(mask.target for mask in work.masks) == [0, 1]
    for mask in work.masks:
        assert [deed.kind for deed in mask.deeds] == ["look", "click", "save"]
        expected = STEADY.find + STEADY.click + STEADY.judge + STEADY.press_seconds
        assert mask.seconds == pytest.approx(expected)
        assert mask.segmentation == TRUTH[mask.target]
        assert mask.prompts["point_labels"] == [1]
    assert not work.is_left_early


def test_a_model_that_knows_nothing_is_painted_over() -> None:
    work = work_with(knows_nothing)
    for mask in work.masks:
        assert mask.strokes > 0
        assert any(deed.kind == "box" for deed in mask.deeds)
        assert mask_iou(mask.segmentation.to_mask(), TRUTH[mask.target].to_mask()) >= 0.85
        assert max(deed.seconds for deed in mask.deeds) < 20  # no event looks like a pause
        assert mask.seconds > 15


def test_the_better_of_three_masks_is_chosen() -> None:
    def hidden(prompt: Prompt) -> list[np.ndarray]:
        return [NOTHING, *knows_all(prompt), NOTHING]

    work = work_with(hidden)
    assert kinds(work, 0) == ["look", "click", "choice", "save"]
    assert work.masks[0].deeds[2].data == {"choice": 1}


def test_clicks_go_where_the_mask_is_wrong_and_feed_it_back() -> None:
    def half_then_all(prompt: Prompt) -> list[np.ndarray]:
        if len(prompt.point_coords) > 1:
            assert prompt.mask_input is not None
            return [LEFT]
        return [LEFT & rectangle(0, 0, 160, 60)]

    slow_hand = replace(STEADY, draw_seconds=500.0)
    person = SimulatedAnnotator(ScriptedModel(half_then_all), slow_hand, SHARP)
    (mask,) = person.annotate(IMAGE, TRUTH[:1]).masks
    assert (mask.clicks, mask.strokes) == (2, 0)
    second = mask.prompts["point_coords"][1]
    assert 60 <= second[1] < 95
    assert mask.prompts["point_labels"] == [1, 1]


def test_a_click_that_makes_it_worse_is_taken_back() -> None:
    def worse_each_time(prompt: Prompt) -> list[np.ndarray]:
        if prompt.point_coords is None or len(prompt.point_coords) > 1:
            return [NOTHING]
        return [LEFT & rectangle(0, 0, 160, 60)]

    slow_hand = replace(STEADY, draw_seconds=500.0)
    person = SimulatedAnnotator(ScriptedModel(worse_each_time), slow_hand, SHARP)
    (mask,) = person.annotate(IMAGE, TRUTH[:1]).masks
    assert [deed.kind for deed in mask.deeds].count("undo") == SHARP.patience
    assert len(mask.prompts["point_coords"]) == 1
    assert mask.strokes > 0


def test_the_thirty_second_rule_leaves_less_prominent_objects() -> None:
    slow = replace(SHARP, slow_seconds=5.0, leave_probability=1.0)
    work = work_with(knows_nothing, slow)
    assert [mask.target for mask in work.masks] == [0]  # the larger one
    assert work.is_left_early
    assert len(work_with(knows_all, slow).masks) == 2  # each took less


def test_objects_that_are_too_small_are_passed_over() -> None:
    picky = replace(SHARP, smallest_px=2000)
    assert [mask.target for mask in work_with(knows_all, picky).masks] == [0]


def test_prefilled_masks_stay_when_right_and_go_when_wrong() -> None:
    wrong = Rle.from_mask(rectangle(60, 80, 120, 110))
    work = work_with(knows_all, replace(SHARP, overlook_probability=0.0), [TRUTH[1], wrong])
    assert work.deleted == (1,)
    assert [mask.target for mask in work.masks] == [0]
    assert [deed.kind for deed in work.review] == ["look", "look", "delete"]
    overlooked = work_with(knows_all, replace(SHARP, overlook_probability=1.0), [wrong])
    assert overlooked.deleted == ()
    assert len(overlooked.masks) == 2


def test_work_depends_on_person_and_photo_alone() -> None:
    first = work_with(knows_nothing, Habits(), seed=1)
    assert work_with(knows_nothing, Habits(), seed=1) == first
    assert work_with(knows_nothing, Habits(), seed=2) != first


def test_clicks_miss_their_target_now_and_then() -> None:
    model = ScriptedModel(knows_nothing)
    person = SimulatedAnnotator(model, STEADY, SHARP)
    for photo in range(150):
        person.annotate(IMAGE, TRUTH[1:], photo=photo)
    first = [p.point_coords[0] for p in model.asked if p.box is None and p.num_points == 1]
    missed = np.mean([not RIGHT[int(y), int(x)] for x, y in first])
    assert 0.005 < missed < 0.2
