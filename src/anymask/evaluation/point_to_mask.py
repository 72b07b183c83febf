"""Points to mask (paper, Sec. 7.1): click by click, how well the model's mask fits the target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.core.prompts import Prompt
from anymask.dataset.labelled import LabelledImage, LabelledMask
from anymask.evaluation.clicker import Click, next_click, random_click
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.metrics.noc import MAX_CLICKS, number_of_clicks
from anymask.evaluation.protocol import BoolArray, FloatArray, Prediction, Predictor, SetScores
from anymask.evaluation.sampling import read_labelled_image

SUITE = "point_to_mask"
REPORTED_CLICKS = (1, 2, 3, 5, 9)
NOC_THRESHOLDS = (0.85, 0.90)
MAX_PROMPTS_PER_BATCH = 64  # Bounds memory where one image has hundreds of masks.
FirstPoint = Literal["center", "random"]


def evaluate_points(
    predictor: Predictor,
    dataset: str,
    images: Iterable[LabelledImage],
    *,
    with_noc: bool = False,
    first_point: FirstPoint = "center",
    seed: int = 0,
) -> SetScores:
    """Return the scores of clicking every mask of `images`, one image embedding each.

    Metrics: `miou_N` after N clicks; `miou_1_oracle`, the best of the three masks of the first
    click; with `with_noc`, clicks needed for IoU 0.85 and 0.90 (`noc_85`, `noc_90`, at most 20).
    The first click asks for three masks and takes the one with the highest predicted IoU; each
    later click corrects the last mask, whose logits are fed back, and asks for one.
    """
    tasks: list[_ClickTask] = []
    image_index: list[int] = []
    for i, image in enumerate(images):
        embedding = predictor.embed(read_labelled_image(image))
        for start in range(0, len(image.masks), MAX_PROMPTS_PER_BATCH):
            batch = [
                _start_task(image, mask, first_point, seed)
                for mask in image.masks[start : start + MAX_PROMPTS_PER_BATCH]
            ]
            _click_batch(predictor, embedding, batch, with_noc=with_noc)
            tasks += batch
        image_index += [i] * len(image.masks)
    num_rounds = MAX_CLICKS if with_noc else max(REPORTED_CLICKS)
    ious = np.array([task.ious_after(num_rounds) for task in tasks])
    values = {f"miou_{n}": ious[:, n - 1] for n in REPORTED_CLICKS}
    values["miou_1_oracle"] = np.array([task.first_true_ious.max() for task in tasks])
    if with_noc:
        for threshold in NOC_THRESHOLDS:
            clicks = number_of_clicks(ious, threshold)
            values[f"noc_{round(threshold * 100)}"] = clicks.astype(np.float64)
    return SetScores(
        suite=SUITE,
        dataset=dataset,
        image_index=np.array(image_index),
        values=values,
        predicted_ious=np.array([task.first_predicted_ious for task in tasks]),
        true_ious=np.array([task.first_true_ious for task in tasks]),
    )


@dataclass(kw_only=True)
class _ClickTask:
    """One mask being clicked: the clicks so far and what the model last answered."""

    target: BoolArray | None
    click: Click | None
    points: list[tuple[int, int]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    mask: BoolArray | None = None
    mask_input: FloatArray | None = None
    ious: list[float] = field(default_factory=list)
    first_predicted_ious: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    first_true_ious: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def make_prompt(self, click: Click) -> Prompt:
        """Return the prompt with `click` added to the earlier ones."""
        self.points.append((click.x, click.y))
        self.labels.append(int(click.label))
        return Prompt(
            point_coords=np.array(self.points, dtype=np.float32),
            point_labels=np.array(self.labels),
            mask_input=self.mask_input,
        )

    def take(self, prediction: Prediction) -> None:
        """Keep the answer: of several masks the one that the model itself thinks best."""
        assert self.target is not None, "a finished task is not clicked"
        masks = prediction.masks
        ious = masks_iou(masks, self.target)
        predicted = np.asarray(prediction.iou_predictions, dtype=np.float64)
        best = int(predicted.argmax())
        if not self.ious:
            self.first_predicted_ious, self.first_true_ious = predicted, ious
        self.mask = masks[best]
        self.mask_input = prediction.low_res_logits[best][None]
        self.ious.append(float(ious[best]))

    def release(self) -> None:
        """Drop the pictures, which a whole set of finished tasks would keep in memory."""
        self.target = self.mask = self.mask_input = None

    def ious_after(self, num_rounds: int) -> list[float]:
        """Return the IoU after each of `num_rounds` clicks; a finished mask keeps its last."""
        return self.ious + [self.ious[-1]] * (num_rounds - len(self.ious))


def _start_task(
    image: LabelledImage, mask: LabelledMask, first_point: FirstPoint, seed: int
) -> _ClickTask:
    target = np.ascontiguousarray(mask.rle.to_mask())
    if first_point == "center":
        return _ClickTask(target=target, click=next_click(target))
    rng = np.random.default_rng([seed, abs(image.image_id), abs(mask.annotation_id)])
    return _ClickTask(target=target, click=random_click(target, rng))


def _click_batch(
    predictor: Predictor, embedding: Any, tasks: Sequence[_ClickTask], *, with_noc: bool
) -> None:
    """Click all `tasks` of one image together until each is perfect or has had its clicks."""
    num_rounds = MAX_CLICKS if with_noc else max(REPORTED_CLICKS)
    for round_index in range(num_rounds):
        if round_index > 0:
            _choose_clicks(tasks, round_index)
        active = [(task, task.click) for task in tasks if task.click is not None]
        if not active:
            break
        prompts = [task.make_prompt(click) for task, click in active]
        answers = predictor.predict(embedding, prompts, multimask_output=round_index == 0)
        for (task, _), prediction in zip(active, answers, strict=True):
            task.take(prediction)
    for task in tasks:
        task.release()


def _choose_clicks(tasks: Iterable[_ClickTask], round_index: int) -> None:
    for task in tasks:
        if task.click is None or task.target is None:
            continue
        # Past the reported clicks only NoC is open, and it ends at its highest threshold.
        settled = round_index >= max(REPORTED_CLICKS) and max(task.ious) >= max(NOC_THRESHOLDS)
        task.click = None if settled else next_click(task.target, task.mask)
